//! `fromJson`: a whole document as values.

use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;

use super::super::value::Value;
use crate::go_number::parse_float;
use crate::stage::{JsonError, JsonReader, JsonValue};

/// The value of a document, which must be one value and nothing else.
pub(super) fn parse(text: &str) -> Option<Value<'static>> {
    let mut reader = JsonReader::new(text);
    let value = value(&mut reader, text, 0).ok()?;
    // Only the end of the text is "unclosed" here.
    (reader.next_byte() == Err(JsonError::Unclosed)).then_some(value)
}

fn value(
    reader: &mut JsonReader<'_>,
    text: &str,
    depth: usize,
) -> Result<Value<'static>, JsonError> {
    if depth > DEPTH_MAX {
        return Err(JsonError::TooDeep);
    }
    let quoted = reader.next_byte()? == b'"';
    let mut buffer = String::new();
    Ok(match reader.value(&mut buffer)? {
        JsonValue::Object => object(reader, text, depth)?,
        JsonValue::Array => array(reader, text, depth)?,
        JsonValue::Null => Value::Nil,
        JsonValue::Unescaped => Value::owned(buffer),
        JsonValue::Plain(text) if quoted => Value::owned(text),
        JsonValue::Plain("true") => Value::Bool(true),
        JsonValue::Plain("false") => Value::Bool(false),
        JsonValue::Plain(number) => Value::Float(parse_float(number).ok_or(JsonError::Malformed)?),
    })
}

/// Of two equal keys the last stays, as in Go.
fn object(
    reader: &mut JsonReader<'_>,
    text: &str,
    depth: usize,
) -> Result<Value<'static>, JsonError> {
    let mut pairs: Vec<(String, Value<'static>)> = Vec::new();
    let (mut first, mut buffer) = (true, String::new());
    while reader.next_key(&mut first, &mut buffer)? {
        let key: String = reader.key(&buffer).into();
        pairs.push((key, value(reader, text, depth.saturating_add(1))?));
    }
    pairs.reverse();
    pairs.sort_by(|one, other| one.0.cmp(&other.0));
    pairs.dedup_by(|later, first| later.0 == first.0);
    Ok(Value::Map(Rc::new(pairs)))
}

fn array(
    reader: &mut JsonReader<'_>,
    text: &str,
    depth: usize,
) -> Result<Value<'static>, JsonError> {
    let mut values = Vec::new();
    if reader.take(b']')? {
        return Ok(Value::List(Rc::new(values)));
    }
    loop {
        values.push(value(reader, text, depth.saturating_add(1))?);
        if !reader.take(b',')? {
            let closed = reader.take(b']')?;
            return if closed {
                Ok(Value::List(Rc::new(values)))
            } else {
                Err(JsonError::Malformed)
            };
        }
    }
}

/// Each costs a frame of our stack, when it is read, printed and dropped.
const DEPTH_MAX: usize = 64;
