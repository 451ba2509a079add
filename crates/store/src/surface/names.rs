//! Which labels, values and streams there are.

use std::collections::{BTreeMap, BTreeSet};

use lucarne_logql::ast::{Matcher, Metric, Query};
use lucarne_logql::labels::LabelSet;
use lucarne_logql::{Mode, parse, parse_selector};

use super::error::Refusal;
use super::parameters::NAMES_SINCE_NS;
use super::{Call, Response};
use crate::engine::answer::json::{self, write_string};

/// The matchers of a text: a selector, which may be empty here, or a whole log query.
pub(super) fn matchers(text: &str) -> Result<Vec<Matcher>, Refusal> {
    if text.trim().is_empty() {
        return Ok(Vec::new());
    }
    match parse_selector(text) {
        Ok(selector) => Ok(selector.matchers),
        Err(error) => match parse(text, Mode::Extended).map(|parsed| parsed.query) {
            Ok(Query::Log(query)) => Ok(query.selector.matchers),
            Ok(Query::Metric(Metric::Range(range))) => Ok(range.query.selector.matchers),
            Ok(Query::Metric(_)) | Err(_) => Err(error.into()),
        },
    }
}

impl Call<'_> {
    /// The streams of a selector in the range of the parameters.
    fn streams(&self, selector: &str) -> Result<Vec<LabelSet>, Refusal> {
        let range = self.parameters.range(NAMES_SINCE_NS, self.asker.now_ns)?;
        Ok(self.source.streams(&matchers(selector)?, range)?)
    }

    fn streams_of_query(&self) -> Result<Vec<LabelSet>, Refusal> {
        self.streams(self.parameters.get("query").unwrap_or_default())
    }
}

pub(super) fn labels(call: &Call<'_>) -> Result<Response, Refusal> {
    let streams = call.streams_of_query()?;
    let names: BTreeSet<&str> =
        streams.iter().flat_map(LabelSet::iter).map(|(name, _)| name).collect();
    Ok(Response::json(json::names(&names.into_iter().collect::<Vec<_>>())))
}

pub(super) fn values(call: &Call<'_>, name: &str) -> Result<Response, Refusal> {
    let streams = call.streams_of_query()?;
    let values: BTreeSet<&str> = streams.iter().filter_map(|set| set.get(name)).collect();
    Ok(Response::json(json::names(&values.into_iter().collect::<Vec<_>>())))
}

/// Streams that any of the selectors `match` or `match[]` has; all without a selector.
pub(super) fn series(call: &Call<'_>) -> Result<Response, Refusal> {
    let selectors: Vec<&str> =
        call.parameters.all("match[]").chain(call.parameters.all("match")).collect();
    let mut found = BTreeSet::new();
    for selector in if selectors.is_empty() { vec![""] } else { selectors } {
        found.extend(call.streams(selector)?);
    }
    Ok(Response::json(json::series(&found.into_iter().collect::<Vec<_>>())))
}

pub(super) fn detected_labels(call: &Call<'_>) -> Result<Response, Refusal> {
    let streams = call.streams_of_query()?;
    let mut values: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (name, value) in streams.iter().flat_map(LabelSet::iter) {
        values.entry(name).or_default().insert(value);
    }
    let mut body = String::from(r#"{"detectedLabels":["#);
    for (at, (name, values)) in values.iter().enumerate() {
        body.push_str(if at > 0 { r#",{"label":"# } else { r#"{"label":"# });
        write_string(&mut body, name);
        body.push_str(&format!(r#","cardinality":{}}}"#, values.len()));
    }
    body.push_str("]}");
    Ok(Response::json(body))
}
