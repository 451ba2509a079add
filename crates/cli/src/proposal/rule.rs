//! The rule that fits the values of one name, as narrow as they are.
//!
//! Texts are cut into runs of one class (small letters, capitals, digits, hexadecimal) between
//! separators that stay as they are. All values must have the same runs; their lengths become the
//! bounds. Refused are digits in the numbers and groups of secrets, and letters alone that never
//! repeat: those are names or prose.

use std::collections::BTreeSet;

use lucarne_otlp::view::AnyValue;

/// The values of one name.
#[derive(Debug, Default)]
pub(super) struct Seen {
    count: u64,
    texts: BTreeSet<String>,
    // more different texts came than are kept
    many: bool,
    shape: Option<Vec<Run>>,
    // texts came that have different shapes
    mixed: bool,
    numbers: Option<(i64, i64)>,
    kinds: BTreeSet<&'static str>,
}

/// A stretch of characters of one class, and how long it was.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Run {
    class: Class,
    least: usize,
    most: usize,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Class {
    Small,
    Capital,
    Digit,
    // small letters a to f among digits
    Hex,
    // small letters and digits
    Alphanumeric,
    Separator(char),
}

impl Seen {
    pub(super) fn see(&mut self, value: AnyValue<'_>) {
        self.count += 1;
        let kind = match value {
            AnyValue::String(text) => {
                self.see_text(text);
                "text"
            }
            AnyValue::Int(number) => {
                let (least, most) = self.numbers.unwrap_or((number, number));
                self.numbers = Some((least.min(number), most.max(number)));
                "whole numbers"
            }
            AnyValue::Double(_) => "numbers",
            AnyValue::Bool(_) => "truth values",
            AnyValue::Empty => return,
            AnyValue::Array(_) | AnyValue::KvList(_) | AnyValue::Bytes(_) => "lists, maps or bytes",
        };
        self.kinds.insert(kind);
    }

    fn see_text(&mut self, text: &str) {
        if self.texts.len() < TEXTS_KEPT || self.texts.contains(text) {
            self.texts.insert(text.to_owned());
        } else {
            self.many = true;
        }
        self.shape = match (self.shape.take(), runs(text)) {
            (None, Some(shape)) if !self.mixed => Some(shape),
            (Some(before), Some(shape)) => joined(before, &shape),
            _ => None,
        };
        self.mixed |= self.shape.is_none();
    }

    /// How often it came, for the one who reads the proposal.
    pub(super) fn told(&self) -> String {
        let more = if self.many { "more than " } else { "" };
        match self.texts.len() {
            0 => format!("seen {} times", self.count),
            texts => format!("seen {} times, {more}{texts} different", self.count),
        }
    }

    /// The rule as YAML, or why there is none.
    pub(super) fn rule(&self, key: &str) -> Result<String, String> {
        let mut kinds = self.kinds.iter();
        let (Some(kind), None) = (kinds.next(), kinds.next()) else {
            return Err(match self.kinds.len() {
                0 => "never had a value".to_owned(),
                _ => "had values of several types".to_owned(),
            });
        };
        match *kind {
            "text" => self.text_rule(),
            "whole numbers" => self.number_rule(key),
            "truth values" => Ok("{ type: bool }".to_owned()),
            other => Err(format!("{other} are not proposed")),
        }
    }

    fn number_rule(&self, key: &str) -> Result<String, String> {
        let (least, most) = self.numbers.unwrap_or_default();
        if !counts(key) {
            return Err("whole numbers, and the name does not say that they count or measure \
                        time: they may be amounts"
                .to_owned());
        }
        if least < 0 || most >= NUMBER_MAX {
            return Err("numbers below zero or of ten digits and more".to_owned());
        }
        // The next power of ten: a bound should not tell the largest value that was seen.
        let bound = (1..=9).map(|power| 10_i64.pow(power)).find(|bound| *bound > most);
        Ok(format!("{{ type: int, min: 0, max: {} }}", bound.unwrap_or(NUMBER_MAX)))
    }

    fn text_rule(&self) -> Result<String, String> {
        let repeats = self.count >= 3 * self.texts.len() as u64;
        let few = !self.many && repeats && self.texts.len() <= ENUM_MAX;
        if few && self.texts.iter().all(|text| is_word(text)) {
            let values: Vec<String> = self.texts.iter().map(|text| quoted(text)).collect();
            return Ok(format!("{{ type: enum, values: [{}] }}", values.join(", ")));
        }
        let shape = self.shape.as_ref().ok_or("texts of different shapes, or prose")?;
        if let Some(why) = refused(shape) {
            return Err(why.to_owned());
        }
        let pattern: String = shape.iter().map(Run::pattern).collect();
        Ok(format!("{{ type: string, pattern: {} }}", quoted(&pattern)))
    }
}

/// Why no pattern is proposed for a shape.
fn refused(shape: &[Run]) -> Option<&'static str> {
    let has = |wanted: &[Class]| shape.iter().any(|run| wanted.contains(&run.class));
    let most = |wanted: &[Class]| {
        let all = shape.iter().filter(|run| wanted.contains(&run.class));
        all.map(|run| run.most).sum::<usize>()
    };
    if !has(&[Class::Digit, Class::Hex, Class::Alphanumeric]) {
        return Some("letters that hardly repeat: names or prose");
    }
    if most(&[Class::Digit]) > DIGITS_MAX {
        return Some("more digits than an id needs: it may be a card or an account");
    }
    let small = shape.iter().filter(|run| run.class == Class::Digit && run.most <= 4).count();
    if small > 2 {
        return Some("groups of digits: a social security or card number has them, too");
    }
    if most(&[Class::Hex, Class::Alphanumeric]) > 64 {
        return Some("longer than an id: it may be a token");
    }
    let mixed = shape
        .iter()
        .any(|run| matches!(run.class, Class::Hex | Class::Alphanumeric) && run.most >= DIGITS_MAX);
    let anchored = shape
        .iter()
        .any(|run| matches!(run.class, Class::Separator(_)) || matches!(run.class, Class::Small));
    if mixed && !anchored {
        return Some("an id without a prefix: digits alone would pass for one");
    }
    None
}

impl Run {
    fn pattern(&self) -> String {
        let class = match self.class {
            Class::Small => "[a-z]",
            Class::Capital => "[A-Z]",
            Class::Digit => "[0-9]",
            Class::Hex => "[0-9a-f]",
            Class::Alphanumeric => "[a-z0-9]",
            Class::Separator(char) => return if char == '.' { r"\.".into() } else { char.into() },
        };
        match (self.least, self.most) {
            (1, 1) => class.to_owned(),
            (least, most) if least == most => format!("{class}{{{least}}}"),
            (least, most) => format!("{class}{{{least},{most}}}"),
        }
    }
}

/// The runs of a text; `None` when it has characters that no id has.
fn runs(text: &str) -> Option<Vec<Run>> {
    let mut all: Vec<Run> = Vec::new();
    if text.is_empty() || text.len() > 128 {
        return None;
    }
    let mut parts = text.split_inclusive(SEPARATORS);
    parts.try_for_each(|part| {
        let word = part.trim_end_matches(SEPARATORS);
        if !word.is_empty() {
            let class = class_of(word)?;
            all.push(Run { class, least: word.len(), most: word.len() });
        }
        let separator = part.strip_prefix(word)?.chars();
        all.extend(separator.map(|char| Run { class: Class::Separator(char), least: 1, most: 1 }));
        Some(())
    })?;
    Some(all)
}

fn class_of(word: &str) -> Option<Class> {
    let all = |test: fn(&u8) -> bool| word.as_bytes().iter().all(test);
    if all(u8::is_ascii_digit) {
        Some(Class::Digit)
    } else if all(u8::is_ascii_lowercase) {
        Some(Class::Small)
    } else if all(u8::is_ascii_uppercase) {
        Some(Class::Capital)
    } else if all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
        Some(Class::Hex)
    } else if all(|byte| byte.is_ascii_digit() || byte.is_ascii_lowercase()) {
        Some(Class::Alphanumeric)
    } else {
        None
    }
}

/// One shape for both, if they have the same runs.
fn joined(mut before: Vec<Run>, next: &[Run]) -> Option<Vec<Run>> {
    if before.len() != next.len() {
        return None;
    }
    for (one, other) in before.iter_mut().zip(next) {
        one.class = match (one.class, other.class) {
            (one, other) if one == other => one,
            (Class::Digit | Class::Hex, Class::Digit | Class::Hex) => Class::Hex,
            (Class::Separator(_) | Class::Capital, _)
            | (_, Class::Separator(_) | Class::Capital) => {
                return None;
            }
            _ => Class::Alphanumeric,
        };
        one.least = one.least.min(other.least);
        one.most = one.most.max(other.most);
    }
    Some(before)
}

/// Whether a text can stand in a list of values.
fn is_word(text: &str) -> bool {
    let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-./".contains(&byte));
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    !text.is_empty() && text.len() <= 48 && plain && digits <= 4
}

/// Whether a text can be an entry of a catalogue: words, and nothing that varies.
pub(super) fn is_catalogue(text: &str) -> bool {
    let plain = text.bytes().all(|byte| byte.is_ascii_alphabetic() || b" _-./:".contains(&byte));
    !text.is_empty() && text.len() <= 64 && plain && text.split(' ').count() <= 8
}

/// Whether a name is one that programs give.
pub(super) fn is_identifier(name: &str) -> bool {
    let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.".contains(&byte));
    let digits = name.bytes().filter(u8::is_ascii_digit).count();
    name.starts_with(|char: char| char.is_ascii_alphabetic())
        && plain
        && digits <= 4
        && name.len() <= 96
}

/// Whether the last word of a name says that the number counts or measures time.
fn counts(key: &str) -> bool {
    let mut words = vec![String::new()];
    for char in key.chars() {
        if matches!(char, '.' | '_' | '-') || char.is_ascii_uppercase() {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut().filter(|_| char.is_ascii_alphanumeric()) {
            word.push(char.to_ascii_lowercase());
        }
    }
    words.last().is_some_and(|word| COUNTING.contains(&word.as_str()))
}

/// A text as YAML reads it, whatever it holds.
pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

const SEPARATORS: [char; 5] = ['-', '_', '.', ':', '/'];

const COUNTING: [&str; 20] = [
    "ms", "us", "ns", "s", "seconds", "millis", "duration", "latency", "bytes", "size", "length",
    "count", "total", "attempt", "attempts", "retries", "steps", "port", "status", "index",
];

/// Different texts kept of one name: more than a list of values may have.
const TEXTS_KEPT: usize = 64;
/// A list that a person can judge.
const ENUM_MAX: usize = 24;
/// Digits in one id; an account has ten, a social security number nine.
const DIGITS_MAX: usize = 8;
/// A number of ten digits may be an account.
const NUMBER_MAX: i64 = 1_000_000_000;
