//! Values as JSON, for what people read: exported lines, audit events, `audit show`.
//!
//! This is a display form, not OTLP/JSON: text as a string, integers as numbers, bytes as base64,
//! lists as arrays and objects. JSON has no NaN and no infinities, so these are strings.

use alloc::vec::Vec;
use core::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::view::AnyValue;
use crate::wire::WireError;

/// Appends a value as JSON.
///
/// # Errors
/// When a nested value is not valid; `out` then holds a part of it.
pub fn value_to_json(value: AnyValue<'_>, out: &mut Vec<u8>) -> Result<(), WireError> {
    match value {
        AnyValue::Empty => out.extend_from_slice(b"null"),
        AnyValue::String(text) => string_to_json(text, out),
        AnyValue::Bool(truth) => out.extend_from_slice(if truth { b"true" } else { b"false" }),
        AnyValue::Int(number) => integer_to_json(number, out),
        AnyValue::Double(number) => double_to_json(number, out),
        AnyValue::Bytes(bytes) => {
            out.push(b'"');
            out.extend_from_slice(STANDARD.encode(bytes).as_bytes());
            out.push(b'"');
        }
        AnyValue::Array(values) => {
            out.push(b'[');
            for (index, value) in values.enumerate() {
                separate(index, out);
                value_to_json(value?, out)?;
            }
            out.push(b']');
        }
        AnyValue::KvList(entries) => {
            out.push(b'{');
            for (index, entry) in entries.enumerate() {
                separate(index, out);
                let entry = entry?;
                string_to_json(entry.key, out);
                out.push(b':');
                value_to_json(entry.value, out)?;
            }
            out.push(b'}');
        }
    }
    Ok(())
}

/// Appends text as a JSON string with its quotes.
pub fn string_to_json(text: &str, out: &mut Vec<u8>) {
    let mut rest = text.as_bytes();
    out.push(b'"');
    // Nearly all text has nothing to escape.
    while !is_plain(rest) {
        let Some(at) = rest.iter().position(|byte| is_escaped(*byte)) else { break };
        let (plain, [byte, behind @ ..]) = rest.split_at(at) else { break };
        out.extend_from_slice(plain);
        escape(*byte, out);
        rest = behind;
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

/// Whether nothing has to be escaped, eight bytes at a time.
fn is_plain(text: &[u8]) -> bool {
    let (words, _) = text.as_chunks::<8>();
    match text.last_chunk::<8>() {
        Some(last) => {
            words.iter().chain([last]).all(|word| !has_escaped(u64::from_le_bytes(*word)))
        }
        None => !has_escaped(text.iter().fold(SPACES, |word, byte| word << 8 | u64::from(*byte))),
    }
}

// A byte becomes negative when it was below what is taken from it; what it lends from those above
// it makes no difference, since then it has been found.
const fn has_escaped(word: u64) -> bool {
    let quote = word ^ u64::from_le_bytes([b'"'; 8]);
    let backslash = word ^ u64::from_le_bytes([b'\\'; 8]);
    let delete = word ^ u64::from_le_bytes([0x7f; 8]);
    let below = word.wrapping_sub(SPACES) & !word
        | quote.wrapping_sub(ONES) & !quote
        | backslash.wrapping_sub(ONES) & !backslash
        | delete.wrapping_sub(ONES) & !delete;
    below & u64::from_le_bytes([0x80; 8]) != 0
}

const ONES: u64 = u64::from_le_bytes([1; 8]);
const SPACES: u64 = u64::from_le_bytes([b' '; 8]);

const fn is_escaped(byte: u8) -> bool {
    // DEL is legal in JSON, but terminals obey it.
    matches!(byte, b'"' | b'\\' | 0..0x20 | 0x7f)
}

fn escape(byte: u8, out: &mut Vec<u8>) {
    match byte {
        b'\n' => out.extend_from_slice(b"\\n"),
        b'\r' => out.extend_from_slice(b"\\r"),
        b'\t' => out.extend_from_slice(b"\\t"),
        b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
        _ => {
            out.extend_from_slice(b"\\u00");
            hex(&[byte], out);
        }
    }
}

/// Appends an integer.
pub fn integer_to_json(number: i64, out: &mut Vec<u8>) {
    write_ascii(out, format_args!("{number}"));
}

/// Appends a double: the shortest decimal that reads back as it, or a string where JSON has no
/// number.
pub fn double_to_json(number: f64, out: &mut Vec<u8>) {
    if number.is_finite() {
        write_ascii(out, format_args!("{number:?}"));
    } else if number.is_nan() {
        out.extend_from_slice(b"\"NaN\"");
    } else if number.is_sign_negative() {
        out.extend_from_slice(b"\"-Infinity\"");
    } else {
        out.extend_from_slice(b"\"Infinity\"");
    }
}

/// Appends bytes as lower-case hex.
pub fn hex(bytes: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start.saturating_add(bytes.len().saturating_mul(2)), 0);
    let (pairs, _) = out.get_mut(start..).unwrap_or_default().as_chunks_mut::<2>();
    for (pair, byte) in pairs.iter_mut().zip(bytes) {
        *pair = [byte >> 4, byte & 0xf].map(digit);
    }
}

const fn digit(nibble: u8) -> u8 {
    let base = if nibble < 10 { b'0' } else { b'a' - 10 };
    base.saturating_add(nibble)
}

fn separate(index: usize, out: &mut Vec<u8>) {
    if index > 0 {
        out.push(b',');
    }
}

fn write_ascii(out: &mut Vec<u8>, arguments: core::fmt::Arguments<'_>) {
    // Writing to memory cannot fail.
    let _ = Text(out).write_fmt(arguments);
}

struct Text<'b>(&'b mut Vec<u8>);

impl Write for Text<'_> {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::{String, ToString};

    use super::*;
    use crate::view::View;
    use crate::wire::Writer;

    #[track_caller]
    fn check(write: impl FnOnce(&mut Writer<'_>), expected: &str) {
        let mut message = Vec::new();
        write(&mut Writer::new(&mut message));
        let mut json = Vec::new();
        value_to_json(AnyValue::parse(&message).unwrap(), &mut json).unwrap();
        assert_eq!(String::from_utf8(json).unwrap(), expected);
        // An independent reader must agree that it is JSON.
        serde_json::from_str::<serde::de::IgnoredAny>(expected).unwrap();
    }

    #[test]
    fn scalars() {
        check(|_| {}, "null");
        check(
            |w| w.bytes(1, "a\"\\\n\r\t\u{1}\u{7f}é".as_bytes()),
            r#""a\"\\\n\r\t\u0001\u007fé""#,
        );
        check(|w| w.varint(2, 1), "true");
        check(|w| w.varint(3, i64::MIN.cast_unsigned()), &i64::MIN.to_string());
        check(|w| w.double(4, 342.0), "342.0");
        check(|w| w.double(4, 1e300), "1e300");
        check(|w| w.double(4, f64::NAN), "\"NaN\"");
        check(|w| w.double(4, f64::NEG_INFINITY), "\"-Infinity\"");
        check(|w| w.bytes(7, &[0xff, 0, 1]), "\"/wAB\"");
    }

    #[test]
    fn what_has_to_be_escaped_is_found_wherever_it_stands() {
        for length in 1..20 {
            for (at, byte) in (0..length).flat_map(|at| (0..0x80).map(move |byte| (at, byte))) {
                let mut text = "é".repeat(length);
                text.replace_range(2 * at..2 * at + 2, &String::from(char::from(byte)));
                let mut json = Vec::new();
                string_to_json(&text, &mut json);
                let escaped = json.len() > text.len() + 2;
                assert_eq!(escaped, is_escaped(byte), "{byte} at {at} of {length}");
                assert_eq!(serde_json::from_slice::<String>(&json).unwrap(), text);
            }
        }
    }

    #[test]
    fn lists() {
        check(
            |w| {
                w.message(5, |w| {
                    w.message(1, |w| w.varint(3, 1));
                    w.message(1, |w| {
                        w.message(6, |w| {
                            w.message(1, |w| {
                                w.bytes(1, b"k");
                                w.message(2, |w| w.bytes(1, b"v"));
                            });
                        });
                    });
                });
            },
            r#"[1,{"k":"v"}]"#,
        );
    }
}
