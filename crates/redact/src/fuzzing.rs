//! Entry points for fuzzing: total functions that check what must hold for any input.

use crate::inspect::{Shape, Verdict};
use crate::rules::Rules;

/// The first byte chooses the shape, the rest is the payload. A rewritten copy must be clean, and
/// what a text search finds in the raw bytes of a payload must not be called clean unless an
/// identifier explains it.
pub fn fuzz_inspect(data: &[u8]) {
    let Some((&first, payload)) = data.split_first() else {
        return;
    };
    let shape = match first % 6 {
        0 => Shape::LogRecord,
        1 => Shape::Metric,
        2 => Shape::Span,
        3 => Shape::Resource,
        4 => Shape::Scope,
        _ => Shape::Json,
    };
    let Ok(rules) = Rules::default_rules() else {
        return;
    };
    if let Verdict::Hit(hit) = rules.inspect(shape, payload) {
        assert_ne!(hit.key.as_deref(), Some(""));
        if let Some(copy) = rules.rewrite(shape, payload, &hit) {
            assert_eq!(rules.inspect(shape, &copy), Verdict::Clean);
        }
    }
}
