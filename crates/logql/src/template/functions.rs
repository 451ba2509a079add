//! What the functions do, and how they read their arguments.

pub(super) mod basic;
mod json;
pub(super) mod math;
pub(super) mod text;
pub(super) mod time;

use super::error::RenderError;
use super::value::Value;

/// The text of an argument.
fn text<'v>(
    function: &'static str,
    arguments: &'v [Value<'_>],
    at: usize,
) -> Result<&'v str, RenderError> {
    match arguments.get(at) {
        Some(Value::Text(text)) => Ok(text),
        Some(Value::Regex(regex)) => Ok(regex.source()),
        other => Err(wrong(function, "string", other)),
    }
}

/// The whole number of an argument.
fn whole(function: &'static str, arguments: &[Value<'_>], at: usize) -> Result<i64, RenderError> {
    match arguments.get(at) {
        Some(Value::Int(value)) => Ok(*value),
        other => Err(wrong(function, "int", other)),
    }
}

fn wrong(function: &'static str, want: &'static str, got: Option<&Value<'_>>) -> RenderError {
    RenderError::WrongType { function, want, got: got.map_or("nothing", Value::type_name) }
}
