//! The `unpack` parser: undoes what an agent's `pack` stage did.
//!
//! A packed line is an object of strings; `_entry` is the line that was packed, the others are
//! labels. An object without `_entry` was not packed and stays as it is.

use alloc::string::String;

use super::json::{JsonError, Reader, Value};
use super::working::{Full, Labels};

/// Sets the labels of a packed line and writes what was packed to `out`; false if nothing was.
pub(super) fn unpack(
    line: &str,
    labels: &mut Labels<'_>,
    out: &mut String,
) -> Result<bool, JsonError> {
    out.clear();
    let mut packed = false;
    pairs(line, &mut |key, value| {
        if key == ENTRY {
            packed = true;
            out.clear();
            out.push_str(value);
        }
        Ok(())
    })?;
    if packed {
        pairs(line, &mut |key, value| {
            if key == ENTRY { Ok(()) } else { labels.extract(key, value) }
        })?;
    }
    Ok(packed)
}

/// Shows the pairs of the object whose values are strings.
fn pairs(
    line: &str,
    visit: &mut dyn FnMut(&str, &str) -> Result<(), Full>,
) -> Result<(), JsonError> {
    let mut reader = Reader::new(line);
    reader.begin_object()?;
    let (mut first, mut key, mut text) = (true, String::new(), String::new());
    while reader.next_key(&mut first, &mut key)? {
        if reader.next_byte()? != b'"' {
            reader.skip_value()?;
            continue;
        }
        let value = match reader.value(&mut text)? {
            Value::Plain(value) => value,
            Value::Unescaped => &text,
            Value::Object | Value::Array | Value::Null => continue,
        };
        visit(reader.key(&key), value).map_err(|Full| JsonError::TooLarge)?;
    }
    Ok(())
}

/// The key of the line that was packed.
const ENTRY: &str = "_entry";
