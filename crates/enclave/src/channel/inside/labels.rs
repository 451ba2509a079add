//! Names of labels, or the values of one: a JSON string a line.

use std::collections::BTreeSet;

use lucarne_store::Store;
use lucarne_store::engine::answer::json::write_string;
use lucarne_store::engine::source::{Source as _, TimeRange};

use super::allowed::Allowed;
use super::lines::{nanoseconds, now_ns};
use crate::channel::answers::{AnswerError, Rows};
use crate::channel::permit::Permit;

/// Of the streams that have a record in the time of the query: the names of their labels, or the
/// values of the one that the text names.
pub(super) fn labels(store: &Store, permit: &Permit, rows: &mut Rows) -> Result<(), AnswerError> {
    let query = permit.query();
    let range = TimeRange { from_ns: nanoseconds(query.from_ns), to_ns: nanoseconds(query.to_ns) };
    let allowed = Allowed::new(store, permit.streams(), permit.span_ns_max(), now_ns());
    let streams = allowed.streams(&[], range);
    let streams = streams.map_err(|_| AnswerError::Failed("the store cannot be read"))?;
    let found: BTreeSet<&str> = if query.text.is_empty() {
        streams.iter().flat_map(|labels| labels.iter().map(|(name, _)| name)).collect()
    } else {
        streams.iter().filter_map(|labels| labels.get(&query.text)).collect()
    };
    for text in found {
        let mut line = String::new();
        write_string(&mut line, text);
        line.push('\n');
        rows.row(line.as_bytes())?;
    }
    Ok(())
}
