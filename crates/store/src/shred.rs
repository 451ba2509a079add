//! JSON lines as columns: which fields a line has, when that can be said without a doubt.
//!
//! A line is shredded when it is one JSON object whose names are plain, unescaped and all
//! different after nested names were joined by `_`, and whose texts have no escape.
//! Everything else (escapes, duplicates, other scripts in names, malformed lines) is left to the
//! parser of the query, so that both ways give the same labels. Nulls and arrays have no field, as
//! in a query.

use std::collections::HashMap;

/// Deeper objects are left to the parser.
const DEPTH_MAX: u8 = 8;
/// Names of one block; a line with more is left to the parser.
pub(crate) const NAMES_MAX: usize = 256;
const NAME_BYTES_MAX: usize = 256;

/// One field: its name by number, and its place in the line.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Place {
    pub(crate) name: usize,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

/// Remembers the names of a block, so that a line like the one before costs no search.
#[derive(Debug, Default)]
pub(crate) struct Shredder {
    nodes: Vec<Node>,
    names: Vec<String>,
    by_name: HashMap<String, usize>,
    /// By name, the line that had it last.
    seen: Vec<u64>,
    lines: u64,
}

/// A name within an object.
#[derive(Debug)]
struct Node {
    parent: usize,
    key: String,
    name: usize,
}

const ROOT: usize = usize::MAX;

impl Shredder {
    /// The flat names so far, by number.
    pub(crate) fn names(&self) -> &[String] {
        &self.names
    }

    /// Replaces `fields` by those of a line; `false` when the line is left to the parser.
    pub(crate) fn shred(&mut self, line: &str, fields: &mut Vec<Place>) -> bool {
        fields.clear();
        if !line.starts_with('{') {
            return false;
        }
        self.lines += 1;
        let mut walk = Walk { names: self, text: line.as_bytes(), at: 0, next: 0, fields };
        walk.object(ROOT, DEPTH_MAX).is_some() && walk.at == line.len()
    }

    fn node(&mut self, parent: usize, key: &str, hint: usize) -> Option<usize> {
        let is = |node: &Node| node.parent == parent && node.key == key;
        if self.nodes.get(hint).is_some_and(is) {
            return Some(hint);
        }
        if let Some(found) = self.nodes.iter().position(is) {
            return Some(found);
        }
        if self.nodes.len() >= NAMES_MAX || !is_plain(key) {
            return None;
        }
        let name = match self.nodes.get(parent) {
            Some(above) => format!("{}_{key}", self.names.get(above.name)?),
            None => key.to_owned(),
        };
        if name.len() > NAME_BYTES_MAX {
            return None;
        }
        let name = match self.by_name.get(&name) {
            Some(&known) => known,
            None => {
                self.by_name.insert(name.clone(), self.names.len());
                self.names.push(name);
                self.seen.push(0);
                self.names.len() - 1
            }
        };
        self.nodes.push(Node { parent, key: key.to_owned(), name });
        Some(self.nodes.len() - 1)
    }
}

/// A name that is a label as it stands.
fn is_plain(key: &str) -> bool {
    key.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

struct Walk<'s, 'l> {
    names: &'s mut Shredder,
    text: &'l [u8],
    at: usize,
    /// The name that stood here in the line before.
    next: usize,
    fields: &'s mut Vec<Place>,
}

impl Walk<'_, '_> {
    fn object(&mut self, parent: usize, depth_left: u8) -> Option<()> {
        self.expect(b'{')?;
        self.space();
        if self.take(b'}') {
            return Some(());
        }
        loop {
            self.space();
            let (start, end) = self.string()?;
            let key = std::str::from_utf8(self.text.get(start..end)?).ok()?;
            let node = self.names.node(parent, key, self.next)?;
            self.next = node + 1;
            self.space();
            self.expect(b':')?;
            self.space();
            self.value(node, depth_left)?;
            self.space();
            if self.take(b'}') {
                return Some(());
            }
            self.expect(b',')?;
        }
    }

    fn value(&mut self, node: usize, depth_left: u8) -> Option<()> {
        let start = self.at;
        match self.text.get(self.at)? {
            b'{' => return self.object(node, depth_left.checked_sub(1)?),
            b'[' => return self.array(depth_left.checked_sub(1)?),
            b'n' => return self.word(b"null"),
            b'"' => {
                let (start, end) = self.string()?;
                return self.field(node, start, end);
            }
            b't' => self.word(b"true")?,
            b'f' => self.word(b"false")?,
            _ => self.number()?,
        }
        self.field(node, start, self.at)
    }

    fn field(&mut self, node: usize, start: usize, end: usize) -> Option<()> {
        let name = self.names.nodes.get(node)?.name;
        let seen = self.names.seen.get_mut(name)?;
        if *seen == self.names.lines {
            return None;
        }
        *seen = self.names.lines;
        self.fields.push(Place { name, start, end });
        Some(())
    }

    /// Read for its form only.
    fn array(&mut self, depth_left: u8) -> Option<()> {
        self.expect(b'[')?;
        self.space();
        if self.take(b']') {
            return Some(());
        }
        loop {
            self.space();
            match self.text.get(self.at)? {
                b'[' => self.array(depth_left.checked_sub(1)?)?,
                b'"' => {
                    self.string()?;
                }
                b't' => self.word(b"true")?,
                b'f' => self.word(b"false")?,
                b'n' => self.word(b"null")?,
                b'{' => return None, // rare, and its names would have to be skipped
                _ => self.number()?,
            }
            self.space();
            if self.take(b']') {
                return Some(());
            }
            self.expect(b',')?;
        }
    }

    /// The place between the quotes of a text without escapes and control characters.
    fn string(&mut self) -> Option<(usize, usize)> {
        self.expect(b'"')?;
        let start = self.at;
        let rest = self.text.get(start..)?;
        let length = rest.iter().position(|&byte| byte == b'"' || byte == b'\\' || byte < 0x20)?;
        self.at = start + length;
        self.expect(b'"')?;
        Some((start, start + length))
    }

    /// A number without exponent.
    fn number(&mut self) -> Option<()> {
        self.take(b'-');
        let first = self.at;
        let digits = self.digits()?;
        if digits > 1 && self.text.get(first) == Some(&b'0') {
            return None;
        }
        if self.take(b'.') {
            self.digits()?;
        }
        match self.text.get(self.at)? {
            b',' | b'}' | b']' | b' ' | b'\n' | b'\r' | b'\t' => Some(()),
            _ => None,
        }
    }

    fn digits(&mut self) -> Option<usize> {
        let rest = self.text.get(self.at..)?;
        let count = rest.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(rest.len());
        self.at += count;
        (count > 0).then_some(count)
    }

    fn word(&mut self, word: &[u8]) -> Option<()> {
        let found = self.text.get(self.at..)?.starts_with(word);
        self.at += word.len();
        found.then_some(())
    }

    fn space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.text.get(self.at) {
            self.at += 1;
        }
    }

    fn take(&mut self, byte: u8) -> bool {
        let found = self.text.get(self.at) == Some(&byte);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        self.take(byte).then_some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &str, expected: &[(&str, &str)]) {
        let mut shredder = Shredder::default();
        let mut fields = Vec::new();
        // Twice, since the second walk takes the names from the first.
        for _ in 0..2 {
            assert!(shredder.shred(line, &mut fields), "{line}");
            let got: Vec<_> = fields
                .iter()
                .map(|at| (shredder.names()[at.name].as_str(), &line[at.start..at.end]))
                .collect();
            assert_eq!(got, expected, "{line}");
        }
    }

    #[track_caller]
    fn left(line: &str) {
        let mut shredder = Shredder::default();
        assert!(!shredder.shred(line, &mut Vec::new()), "{line}");
    }

    #[test]
    fn plain_objects() {
        check("{}", &[]);
        check(r#"{"a":"x","b":-1.50,"c":true}"#, &[("a", "x"), ("b", "-1.50"), ("c", "true")]);
        check(
            r#"{ "a" : { "b" : 0 , "c":{"d":"é"} }, "e":1 }"#,
            &[("a_b", "0"), ("a_c_d", "é"), ("e", "1")],
        );
        check(r#"{"a":""}"#, &[("a", "")]);
        check(r#"{"a":null,"b":[1,"x",[true]],"c":"y"}"#, &[("c", "y")]);
    }

    #[test]
    fn what_is_not_plain_is_left_to_the_parser() {
        for line in [
            "",
            "plain",
            "[1]",
            "{",
            r#"{"a":1"#,
            r#"{"a":1}x"#,
            r#"{"a":1,}"#,
            r#"{"a" 1}"#,
            r#"{"a":"x\n"}"#,
            r#"{"a\u0062":1}"#,
            r#"{"a":1,"a":2}"#,
            r#"{"a_b":1,"a":{"b":2}}"#,
            r#"{"":1}"#,
            r#"{"9a":1}"#,
            r#"{"a.b":1}"#,
            r#"{"é":1}"#,
            r#"{"a":01}"#,
            r#"{"a":1e5}"#,
            r#"{"a":+1}"#,
            r#"{"a":.5}"#,
            r#"{"a":1.}"#,
            r#"{"a":nul}"#,
            "{\"a\":\"\t\"}",
            r#"{"a":[{"b":1}]}"#,
            r#"{"a":tru}"#,
            r#"{"a":{"b":{"c":{"d":{"e":{"f":{"g":{"h":{"i":{"j":1}}}}}}}}}}"#,
        ] {
            left(line);
        }
    }
}
