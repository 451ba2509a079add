//! Looking for values in bytes, in every form in which somebody could have written them.
//!
//! One pass finds thousands of values: verbatim, JSON-escaped, percent-encoded, in hex, and in
//! base64 at each of its three alignments and in both alphabets; numbers also as varint, as 64-bit
//! integer and as double, in both byte orders. What is too short to be told from chance is refused.

use std::collections::BTreeMap;

use aho_corasick::{AhoCorasick, AhoCorasickKind};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use lucarne_cli::telemetry::Value;

/// How a value can be written.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Form {
    Verbatim,
    JsonEscaped,
    PercentEncoded,
    Hex,
    Base64,
    Varint,
    Fixed64,
    Double,
}

/// A value that was found, by its index, and how it was written.
pub(crate) type Hit = (usize, Form);

/// All values in all their forms.
#[derive(Debug)]
pub(crate) struct Search {
    automaton: AhoCorasick,
    patterns: Vec<Hit>,
}

/// Fewer bytes than this occur by chance: a pattern of seven meets one of 10^9 places once in 10^7
/// searches.
const PATTERN_BYTES_MIN: usize = 7;

impl Search {
    /// Prepares for these values.
    #[track_caller]
    pub(crate) fn new(values: &[Value]) -> Self {
        let mut patterns = BTreeMap::new();
        for (index, value) in values.iter().enumerate() {
            for (form, bytes) in forms(value) {
                assert!(bytes.len() >= PATTERN_BYTES_MIN, "{value:?} as {form:?} is too short");
                patterns.entry(bytes).or_insert((index, form));
            }
        }
        let automaton = AhoCorasick::builder()
            .kind(Some(AhoCorasickKind::ContiguousNFA))
            .build(patterns.keys())
            .unwrap();
        Self { automaton, patterns: patterns.into_values().collect() }
    }

    /// What occurs in these bytes.
    pub(crate) fn hits(&self, haystack: &[u8]) -> impl Iterator<Item = Hit> {
        let found = self.automaton.find_overlapping_iter(haystack);
        found.map(|found| self.patterns[found.pattern().as_usize()])
    }
}

/// Everything that a value can look like.
fn forms(value: &Value) -> Vec<(Form, Vec<u8>)> {
    let orders = |form, bytes: [u8; 8]| {
        let mut swapped = bytes;
        swapped.reverse();
        [(form, bytes.to_vec()), (form, swapped.to_vec())]
    };
    match value {
        Value::Text(text) => text_forms(text),
        Value::Int(number) => {
            let mut forms = text_forms(&number.to_string());
            forms.push((Form::Varint, varint(number.cast_unsigned())));
            forms.push((Form::Varint, varint(number.unsigned_abs() << 1)));
            forms.extend(orders(Form::Fixed64, number.to_le_bytes()));
            forms.extend(orders(Form::Double, (*number as f64).to_le_bytes()));
            forms
        }
        Value::Double(number) => {
            let mut forms = text_forms(&number.to_string());
            forms.extend(orders(Form::Double, number.to_le_bytes()));
            forms
        }
        Value::Bool(_) => panic!("a truth value is no secret"),
    }
}

fn text_forms(text: &str) -> Vec<(Form, Vec<u8>)> {
    let bytes = text.as_bytes();
    let mut forms = vec![(Form::Verbatim, bytes.to_vec())];
    let quoted = serde_json::to_string(text).unwrap();
    let quoted = quoted[1..quoted.len() - 1].to_owned();
    let ascii = |short: bool| -> String {
        quoted.chars().map(|char| escape_unicode(char, short)).collect()
    };
    let json = [quoted.clone(), ascii(false), ascii(true), quoted.replace('/', "\\/")];
    forms.extend(json.map(|text| (Form::JsonEscaped, text.into_bytes())));
    let percent = [(false, false), (false, true), (true, false), (true, true)];
    forms.extend(percent.map(|it| (Form::PercentEncoded, percent_encoded(bytes, it))));
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    forms.push((Form::Hex, hex.to_uppercase().into_bytes()));
    forms.push((Form::Hex, hex.into_bytes()));
    for before in 0..3 {
        forms.push((Form::Base64, base64_inside(&STANDARD_NO_PAD, bytes, before)));
        forms.push((Form::Base64, base64_inside(&URL_SAFE_NO_PAD, bytes, before)));
    }
    forms
}

/// `\uXXXX` for what is not ASCII, in either case.
fn escape_unicode(char: char, upper: bool) -> String {
    if char.is_ascii() {
        return char.into();
    }
    let mut units = [0; 2];
    let units = char.encode_utf16(&mut units).iter();
    match upper {
        true => units.map(|unit| format!("\\u{unit:04X}")).collect(),
        false => units.map(|unit| format!("\\u{unit:04x}")).collect(),
    }
}

/// With lower-case digits, and with `+` for a space, as forms write it.
fn percent_encoded(bytes: &[u8], (lower, form): (bool, bool)) -> Vec<u8> {
    let encode = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => vec![byte],
        b' ' if form => vec![b'+'],
        _ if lower => format!("%{byte:02x}").into_bytes(),
        _ => format!("%{byte:02X}").into_bytes(),
    };
    bytes.iter().copied().flat_map(encode).collect()
}

/// Those characters of the base64 of something larger that depend on `bytes` alone, when `before`
/// bytes of a group of three stand before them.
fn base64_inside(engine: &impl Engine, bytes: &[u8], before: usize) -> Vec<u8> {
    let whole = engine.encode([&[0; 2][..before], bytes].concat());
    let (from, to) = ((before * 8).div_ceil(6), (before + bytes.len()) * 8 / 6);
    whole.as_bytes()[from..to].to_vec()
}

fn varint(mut number: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while number >= 0x80 {
        out.push(u8::try_from(number & 0x7f).unwrap() | 0x80);
        number >>= 7;
    }
    out.push(u8::try_from(number).unwrap());
    out
}

/// What stands around a value in these tests: neither letters nor digits of base64 or hex.
fn embedded(bytes: &[u8]) -> Vec<u8> {
    [b"{\"before\": \"\x00\xff", bytes, b"\x01\" }"].concat()
}

#[track_caller]
fn check_found(value: &Value, written: &[u8], form: Form) {
    let others = [Value::from("another-value"), value.clone(), Value::from("a-third-value")];
    let search = Search::new(&others);
    let found: Vec<Hit> = search.hits(&embedded(written)).collect();
    assert_eq!(found, [(1, form)], "{value:?} as {form:?}");
    let mut damaged = written.to_vec();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 0x10;
    assert_eq!(search.hits(&embedded(&damaged)).count(), 0, "{value:?} damaged as {form:?}");
}

#[test]
fn text_is_found_in_every_form() {
    let text = "Zoë \"Q7/xk\" + 4711 \\ Müller";
    let value = Value::from(text);
    check_found(&value, text.as_bytes(), Form::Verbatim);
    let json = "Zoë \\\"Q7/xk\\\" + 4711 \\\\ Müller";
    check_found(&value, json.as_bytes(), Form::JsonEscaped);
    check_found(&value, json.replace('/', "\\/").as_bytes(), Form::JsonEscaped);
    let ascii = "Zo\\u00eb \\\"Q7/xk\\\" + 4711 \\\\ M\\u00fcller";
    check_found(&value, ascii.as_bytes(), Form::JsonEscaped);
    check_found(
        &value,
        ascii.replace("eb", "EB").replace("fc", "FC").as_bytes(),
        Form::JsonEscaped,
    );
    let percent = "Zo%C3%AB%20%22Q7%2Fxk%22%20%2B%204711%20%5C%20M%C3%BCller";
    check_found(&value, percent.as_bytes(), Form::PercentEncoded);
    check_found(&value, percent.replace("%20", "+").as_bytes(), Form::PercentEncoded);
    let lower = "Zo%c3%ab%20%22Q7%2fxk%22%20%2b%204711%20%5c%20M%c3%bcller";
    check_found(&value, lower.as_bytes(), Form::PercentEncoded);
    let hex = lucarne_ledger::hash::to_hex(text.as_bytes());
    check_found(&value, hex.as_bytes(), Form::Hex);
    check_found(&value, hex.to_uppercase().as_bytes(), Form::Hex);
}

#[test]
fn text_is_found_in_base64_wherever_it_begins() {
    let text = "Bearer >>>???~~~ 3f9a0c7e5b1d4826";
    for before in 0..7 {
        for after in 0..4 {
            let whole = ["<<<<<<<".get(..before), Some(text), "!!!!".get(..after)];
            let whole = whole.map(Option::unwrap).concat();
            for written in [STANDARD_NO_PAD.encode(&whole), URL_SAFE_NO_PAD.encode(&whole)] {
                let found: Vec<Hit> =
                    Search::new(&[text.into()]).hits(&embedded(written.as_bytes())).collect();
                assert_eq!(found, [(0, Form::Base64)], "{before} before, {after} after");
            }
        }
    }
}

#[test]
fn numbers_are_found_as_numbers() {
    let number = 4_111_111_111_111_111_i64;
    let value = Value::Int(number);
    check_found(&value, b"4111111111111111", Form::Verbatim);
    let mut field = Vec::new();
    lucarne_otlp::wire::Writer::new(&mut field).varint(3, number.cast_unsigned());
    check_found(&value, &field[1..], Form::Varint);
    let mut field = Vec::new();
    lucarne_otlp::wire::Writer::new(&mut field).zigzag(3, number);
    check_found(&value, &field[1..], Form::Varint);
    check_found(&value, &number.to_le_bytes(), Form::Fixed64);
    check_found(&value, &number.to_be_bytes(), Form::Fixed64);
    check_found(&value, &4_111_111_111_111_111_f64.to_le_bytes(), Form::Double);
    let value = Value::Double(81_736.450_177);
    check_found(&value, b"81736.450177", Form::Verbatim);
    check_found(&value, &81_736.450_177_f64.to_le_bytes(), Form::Double);
    check_found(&value, &81_736.450_177_f64.to_be_bytes(), Form::Double);
}
