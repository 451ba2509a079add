//! Quoting, which everything printed goes through.

use alloc::string::{String, ToString};

use super::Quoted;
use crate::lexer::text;

#[test]
fn quoted_strings_are_read_again() {
    for (value, quoted) in [
        ("", r#""""#),
        ("a b", r#""a b""#),
        ("\"\\", r#""\"\\""#),
        ("\n\r\t", r#""\n\r\t""#),
        ("\0\u{7f}\u{85}", r#""\u0000\u007f\u0085""#),
        ("`é😀", "\"`é😀\""),
    ] {
        assert_eq!(Quoted(value).to_string(), quoted);
        assert_eq!(text::value(quoted), Ok(String::from(value)));
    }
}
