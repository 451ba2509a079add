//! A question in words that two people can agree on before it is asked.
//!
//! It is the same question as that of `lucarne query` with the same words. Refused: verbs whose
//! text is not known beforehand: the nonce of fresh evidence, what a client of the tunnel asks.

use lucarne_link::channel::message::{Query, Verb};

use super::period::time;
use super::trace::trace_id;
use crate::failure::Failure;

/// What will be asked.
#[derive(Clone, Debug, clap::Args)]
pub(in crate::commands) struct Question {
    /// What will be asked for: recent, logs, logql, trace or labels
    #[arg(long, value_name = "VERB", default_value = "recent")]
    verb: Verb,
    /// What recent lines contain, the filter, the query, the trace or the label
    #[arg(long, visible_alias = "contains", value_name = "TEXT", default_value = "")]
    text: String,
    /// From this time on
    #[arg(long, value_name = "RFC3339", value_parser = time)]
    time_from: u64,
    /// Until before this time [default: the newest]
    #[arg(long, value_name = "RFC3339", value_parser = time)]
    time_to: Option<u64>,
    /// Most records [default: as in the question]
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
}

impl Question {
    /// The question.
    ///
    /// # Errors
    /// When nobody can know it beforehand, or it is none.
    pub(in crate::commands) fn query(&self) -> Result<Query, Failure> {
        let verb = self.verb;
        let Some(limit) = limit_by_default(verb) else {
            let text = format!("--verb {verb}: its text is made when it is asked");
            return Err(Failure::usage(text).hint("one of recent, logs, logql, trace, labels"));
        };
        let text = match verb {
            Verb::Trace => trace_id(&self.text)
                .map_err(|expected| Failure::usage(format!("--text: {expected}")))?,
            Verb::Attestation
            | Verb::Recent
            | Verb::Logs
            | Verb::Logql
            | Verb::Labels
            | Verb::Loki
            | Verb::Tempo => self.text.clone(),
        };
        let to_ns = self.time_to.unwrap_or(u64::MAX);
        let from_ns = self.time_from.min(to_ns);
        Ok(Query { verb, text, from_ns, to_ns, limit: self.limit.unwrap_or(limit) })
    }
}

/// Most rows of a question whose asker names no limit; none where a question cannot be known before
/// it is asked.
const fn limit_by_default(verb: Verb) -> Option<u64> {
    match verb {
        Verb::Recent | Verb::Logs | Verb::Logql => Some(RECORDS),
        Verb::Trace => Some(SPANS),
        Verb::Labels => Some(NAMES),
        Verb::Attestation | Verb::Loki | Verb::Tempo => None,
    }
}

/// What a person reads.
pub(super) const RECORDS: u64 = 1_000;
/// More spans than the store gives back.
pub(super) const SPANS: u64 = 100_000;
/// Most names or values; more is no list for people.
pub(super) const NAMES: u64 = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn question(verb: Verb, text: &str, limit: Option<u64>) -> Question {
        Question { verb, text: text.into(), time_from: 5, time_to: None, limit }
    }

    #[test]
    fn it_is_what_the_asker_asks_with_the_same_words() {
        let of = |verb, text: &str, limit| question(verb, text, limit).query().unwrap();
        let (from_ns, to_ns) = (5, u64::MAX);
        for (verb, limit) in [
            (Verb::Recent, 1_000),
            (Verb::Logs, 1_000),
            (Verb::Logql, 1_000),
            (Verb::Labels, 10_000),
        ] {
            let text = "words".to_owned();
            let asked = Query { verb, text: text.clone(), from_ns, to_ns, limit };
            assert_eq!(of(verb, "words", None), asked);
            assert_eq!(of(verb, "words", Some(7)), Query { limit: 7, ..asked });
        }
        let text = "ab".repeat(16);
        let asked = Query { verb: Verb::Trace, text, from_ns, to_ns, limit: 100_000 };
        assert_eq!(of(Verb::Trace, &"AB".repeat(16), None), asked);
        let ended = Question { time_to: Some(3), ..question(Verb::Recent, "", None) };
        let ended = ended.query().unwrap();
        assert_eq!((ended.from_ns, ended.to_ns), (3, 3));
    }

    #[test]
    fn what_nobody_knows_beforehand_is_refused() {
        for (verb, text) in
            [(Verb::Attestation, ""), (Verb::Loki, "/"), (Verb::Tempo, "/"), (Verb::Trace, "ab")]
        {
            let refused = question(verb, text, None).query().unwrap_err();
            assert_eq!(refused.exit(), crate::failure::Exit::Usage, "{verb}");
        }
    }
}
