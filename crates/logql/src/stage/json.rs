//! The `json` parser: fields of an object as labels, or single values by path.
//!
//! Nested names are joined by `_`, characters that a label name cannot have become `_`, arrays and
//! nulls are left out, numbers keep their spelling. The line is read once from left to right and
//! nothing is built from it; what was found before a mistake stays, beside `__error__`. What
//! follows the object is not read.

mod path;
mod reader;

use alloc::string::String;

pub(super) use path::Path;
pub use reader::JsonError;
pub(crate) use reader::{Reader, Value};

use super::working::{Full, Labels};

/// Buffers of the parser.
#[derive(Debug, Default)]
pub(crate) struct Buffers {
    name: String,
    text: String,
}

/// Shows each field of a line as `| json` names it, duplicates and all, in the order of the line.
/// The visitor answers whether it wants more.
///
/// # Errors
/// The line is no object, or not JSON at all; what was found before has been shown.
pub fn json_fields(line: &str, visit: &mut dyn FnMut(&str, &str) -> bool) -> Result<(), JsonError> {
    fields(line, &mut Buffers::default(), visit)
}

pub(super) fn fields(
    line: &str,
    buffers: &mut Buffers,
    visit: &mut dyn FnMut(&str, &str) -> bool,
) -> Result<(), JsonError> {
    let mut reader = Reader::new(line);
    reader.begin_object()?;
    buffers.name.clear();
    object(&mut reader, buffers, visit, 0).map(|_| ())
}

/// Reads the rest of an object whose brace is behind us; false if the visitor had enough.
fn object(
    reader: &mut Reader<'_>,
    buffers: &mut Buffers,
    visit: &mut dyn FnMut(&str, &str) -> bool,
    depth: usize,
) -> Result<bool, JsonError> {
    if depth > DEPTH_MAX {
        return Err(JsonError::TooDeep);
    }
    let prefix = buffers.name.len();
    let mut first = true;
    while reader.next_key(&mut first, &mut buffers.text)? {
        let key = reader.key(&buffers.text);
        if prefix > 0 {
            buffers.name.push('_');
        }
        push_sanitized(key, &mut buffers.name);
        let more = match reader.value(&mut buffers.text)? {
            Value::Object => object(reader, buffers, visit, depth.saturating_add(1))?,
            Value::Array => {
                reader.skip_array()?;
                true
            }
            Value::Null => true,
            Value::Plain(text) => buffers.name.is_empty() || visit(&buffers.name, text),
            Value::Unescaped => buffers.name.is_empty() || visit(&buffers.name, &buffers.text),
        };
        buffers.name.truncate(prefix);
        if !more {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Appends a key as part of a label name: trimmed, a digit not first, all else `_`.
pub(super) fn push_sanitized(key: &str, name: &mut String) {
    let key = key.trim();
    if name.is_empty() && key.starts_with(|c: char| c.is_ascii_digit()) {
        name.push('_');
    }
    for c in key.chars() {
        name.push(if c.is_ascii_alphanumeric() { c } else { '_' });
    }
}

/// `| json`: every field becomes a label.
pub(super) fn extract_all(
    line: &str,
    labels: &mut Labels<'_>,
    buffers: &mut Buffers,
) -> Result<(), JsonError> {
    let mut full = false;
    let read = fields(line, buffers, &mut |name, value| {
        full = labels.extract(name, value).is_err();
        !full
    });
    if full { Err(JsonError::TooLarge) } else { read }
}

/// `| json a="x.y[0]"`: one value by its path; a path that leads nowhere is an empty label.
pub(super) fn extract_path(
    line: &str,
    name: &str,
    path: &Path,
    labels: &mut Labels<'_>,
    buffers: &mut Buffers,
) -> Result<(), JsonError> {
    let found = path.find(line, &mut buffers.text)?;
    let value = match found {
        path::Found::Text(text) => text,
        path::Found::Unescaped => &buffers.text,
        path::Found::Nothing => "",
    };
    labels.extract(name, value).map_err(|Full| JsonError::TooLarge)
}

/// Objects within objects; each costs a frame of our stack.
const DEPTH_MAX: usize = 64;
