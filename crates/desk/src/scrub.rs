//! Secrets are taken out of every text before it can be stored.
//!
//! [`Scrubbed`] is the only kind of free text that signals and events have, and nothing but a
//! [`Scrubber`] makes one. Reading it back refuses a text in which a secret can be found, so a log
//! that holds one is no log. What is taken out leaves its kind, its length and a salted digest,
//! which says whether two findings are the same secret and not what it is.

use std::fmt;
use std::sync::LazyLock;

use lucarne_ledger::hash::Hash;
use regex_automata::meta::Regex;
use regex_automata::util::syntax;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use crate::digest::Digest;

/// A text without secrets.
///
/// ```compile_fail
/// let forged = lucarne_desk::scrub::Scrubbed(String::from("hunter2")); // private field
/// ```
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct Scrubbed(String);

/// Takes secrets out, with the salt of one desk.
pub struct Scrubber {
    salt: [u8; 32],
}

/// What stays of a secret that somebody reported: enough to find its uses, too little to use it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SecretMark {
    /// The name of the key, when it has one.
    pub kid: Option<Scrubbed>,
    /// Bytes of the secret.
    pub length: u64,
    /// SHA-256 of the desk's salt and the secret.
    pub fingerprint: Digest,
    /// Where it was found.
    pub location: Scrubbed,
}

impl Scrubbed {
    /// The word of this crate that a text came out of a scrubbed one.
    pub(crate) const fn assertion(text: String) -> Self {
        Self(text)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Scrubbed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Scrubbed {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        if text.len() > TEXT_BYTES_MAX || has_secret(&text) {
            return Err(D::Error::custom("expected a text that was scrubbed"));
        }
        Ok(Self(text))
    }
}

impl fmt::Debug for Scrubber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scrubber")
    }
}

impl Scrubber {
    /// With the salt of this desk: 32 random bytes that are kept with its keys.
    pub const fn new(salt: [u8; 32]) -> Self {
        Self { salt }
    }

    /// The text without what looks like a secret, cut to the length that is kept.
    pub fn scrub(&self, text: &str) -> Scrubbed {
        if is_plain(text) {
            return Scrubbed(text.to_owned());
        }
        if text.len() > RAW_BYTES_MAX {
            return Scrubbed(self.mark("text", text));
        }
        let mut text = self.pass(text);
        cut(&mut text);
        // A cut, or a mark beside a number, can make a new match.
        for _ in 0..PASSES_MAX {
            if !has_secret(&text) {
                return Scrubbed(text);
            }
            text = self.pass(&text);
            cut(&mut text);
        }
        Scrubbed(self.mark("text", &text))
    }

    /// A text of any length without what looks like a secret, not cut: for evidence, whose length
    /// has a limit of its own.
    pub fn scrub_whole(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for _ in 0..PASSES_MAX {
            if !has_secret(&text) {
                return text;
            }
            text = self.pass(&text);
        }
        self.mark("text", &text)
    }

    /// What stays of a secret that was reported as one.
    pub fn secret(&self, kid: Option<&str>, location: &str, secret: &str) -> SecretMark {
        // The reporter may repeat the secret in the other fields.
        let without = |text: &str| {
            let kept = if secret.is_empty() { text.to_owned() } else { text.replace(secret, "") };
            self.scrub(&kept)
        };
        SecretMark {
            kid: kid.map(without),
            length: secret.len() as u64,
            fingerprint: self.fingerprint(secret.as_bytes()),
            location: without(location),
        }
    }

    /// SHA-256 of the salt and `bytes`: alike for alike bytes, and of no use without the salt.
    pub fn fingerprint(&self, bytes: &[u8]) -> Digest {
        Digest(Hash::of(&[&self.salt[..], bytes].concat()))
    }

    fn pass(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for shape in SHAPES.iter() {
            let mut out = String::with_capacity(text.len());
            let mut kept = 0;
            let mut found = shape.regex.create_captures();
            let mut from = 0;
            while from <= text.len() {
                let input = regex_automata::Input::new(&text).range(from..);
                shape.regex.search_captures(&input, &mut found);
                let Some(span) = found.get_group(1) else { break };
                out.push_str(text.get(kept..span.start).unwrap_or_default());
                let secret = text.get(span.start..span.end).unwrap_or_default();
                out.push_str(&self.mark(shape.name, secret));
                kept = span.end;
                from = span.end.max(from + 1);
            }
            out.push_str(text.get(kept..).unwrap_or_default());
            text = out;
        }
        text
    }

    fn mark(&self, what: &str, secret: &str) -> String {
        let print = self.fingerprint(secret.as_bytes());
        format!("[removed {what} of {} bytes, salted sha256 {print}]", secret.len())
    }
}

fn has_secret(text: &str) -> bool {
    !is_plain(text) && SHAPES.iter().any(|shape| shape.regex.is_match(text))
}

// Nothing that is shorter than the shortest token, has not the digits of a number that is looked
// for, and neither `:` nor `=` of what is called a credential, holds a secret: most labels.
fn is_plain(text: &str) -> bool {
    let digits = || text.bytes().filter(u8::is_ascii_digit).count();
    text.len() < SHORTEST_TOKEN && !text.contains([':', '=']) && digits() < SHORTEST_NUMBER
}

fn cut(text: &mut String) {
    if text.len() > TEXT_BYTES_MAX {
        let end = (0..=TEXT_BYTES_MAX - CUT.len()).rev().find(|at| text.is_char_boundary(*at));
        text.truncate(end.unwrap_or(0));
        text.push_str(CUT);
    }
}

/// `sk-` and twelve characters; every other token and every key is longer.
const SHORTEST_TOKEN: usize = 15;
/// Digits of a social security number; a card has more.
const SHORTEST_NUMBER: usize = 9;
const CUT: &str = " [cut]";
/// Kept of one text: what an operator reads of an annotation or a log line.
const TEXT_BYTES_MAX: usize = 16 * 1024;
/// Longest text that is looked into; intake refuses larger bodies before.
const RAW_BYTES_MAX: usize = 1 << 20;
/// A pass leaves no secret unless a mark or a cut made one; two passes have always been enough.
const PASSES_MAX: usize = 4;

struct Shape {
    name: &'static str,
    regex: Regex,
}

// Group 1 is what is taken out. Values never begin with `[`, or a mark would be marked again. Bytes
// above ASCII belong to every negated class, so no span ends within a character.
#[expect(clippy::expect_used, reason = "the patterns are constants and every test uses them")]
static SHAPES: LazyLock<Vec<Shape>> = LazyLock::new(|| {
    let build = |(name, pattern): &(&'static str, &str)| {
        let ascii = syntax::Config::new().unicode(false).utf8(false);
        let built = Regex::builder().syntax(ascii).build(pattern);
        Shape { name, regex: built.expect("constant pattern") }
    };
    PATTERNS.iter().map(build).collect()
});

const PATTERNS: [(&str, &str); 8] = [
    (
        "private-key",
        r"(?s)(-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----.*?(?:-----END [A-Z0-9 ]*PRIVATE KEY-----|\z))",
    ),
    ("token", r"\b(eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{4,}(?:\.[A-Za-z0-9_-]*)?)"),
    ("token", r"(?i)\b(?:bearer|basic)\s+([A-Za-z0-9._~+/=-]{12,})"),
    (
        "token",
        concat!(
            r"\b((?:gh[pousr]_|github_pat_|glpat-|xox[abprs]-|sk[-_](?:live|test)[-_]|sk-|AKIA",
            r"|ASIA|AGE-SECRET-KEY-)[A-Za-z0-9_-]{12,})",
        ),
    ),
    (
        "credential",
        concat!(
            r"(?i)(?:password|passwd|secret|token|(?:api|access|private|signing)[_-]?key)",
            r#"\\?["']?\s*[:=]\s*\\?["']?([^\s"'\\,;}&\[][^\s"'\\,;}&]{3,})"#,
        ),
    ),
    ("url-password", r"://[^\s/:@\[]*:([^\s/@\[][^\s/@]*)@"),
    ("social-security-number", r"\b([0-9]{3}-[0-9]{2}-[0-9]{4})\b"),
    ("card-number", r"\b([0-9]{4}[ -]?[0-9]{4}[ -]?[0-9]{4}[ -]?[0-9]{4})\b"),
];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn scrubber() -> Scrubber {
        Scrubber::new([7; 32])
    }

    #[track_caller]
    fn check(text: &str, secret: &str, kind: &str) {
        let scrubbed = scrubber().scrub(text);
        assert!(!scrubbed.as_str().contains(secret), "{scrubbed}");
        let mark = format!("[removed {kind} of {} bytes, salted sha256 ", secret.len());
        assert!(scrubbed.as_str().contains(&mark), "{scrubbed}");
    }

    #[test]
    fn each_shape_is_taken_out() {
        let pem = "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEE\n-----END EC PRIVATE KEY-----";
        check(&format!("found {pem} in repo"), pem, "private-key");
        check(
            "-----BEGIN PRIVATE KEY-----\nMIIE",
            "-----BEGIN PRIVATE KEY-----\nMIIE",
            "private-key",
        );
        check(
            "jwt eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln",
            "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln",
            "token",
        );
        check("Authorization: Bearer abcdef0123456789", "abcdef0123456789", "token");
        check("push with ghp_0123456789abcdefABCDEF", "ghp_0123456789abcdefABCDEF", "token");
        check("id AKIAIOSFODNN7EXAMPLE", "AKIAIOSFODNN7EXAMPLE", "token");
        check("{\"secret\":\"hunter2-and-more\"}", "hunter2-and-more", "credential");
        check("{\\\"token\\\":\\\"abcdefgh\\\"}", "abcdefgh", "credential");
        check("DB_PASSWORD=tr0ub4dor&x=1", "tr0ub4dor", "credential");
        check("postgres://u:pw-12@db/x", "pw-12", "url-password");
        check("ssn 078-05-1120.", "078-05-1120", "social-security-number");
        check("card 4111 1111 1111 1111", "4111 1111 1111 1111", "card-number");
        check("card 4111111111111111", "4111111111111111", "card-number");
    }

    #[test]
    fn ordinary_text_stays() {
        for text in [
            "E_CALCULATION_OVERFLOW x 47, tenantHash=t_8f3a2b1c",
            "at 1779703200000, nanoseconds 1779703200000000000",
            "sha256:4bf5122f344554c53bde2ebb8cd2b7e3d1600ad631c385a5d7cce23c7785459a",
            "basic checks of tokens",
            "2026-05-25T10:00:00Z",
        ] {
            assert_eq!(scrubber().scrub(text).as_str(), text);
        }
    }

    #[test]
    fn a_log_that_holds_a_secret_is_refused() {
        let stored = serde_json::to_string("card 4111111111111111").unwrap();
        let refused = serde_json::from_str::<Scrubbed>(&stored).unwrap_err().to_string();
        assert_eq!(refused, "expected a text that was scrubbed");
    }

    #[test]
    fn a_cut_text_is_clean() {
        // The cut would leave sixteen of these twenty digits.
        let text = format!("{} 12345678901234567890", "x".repeat(TEXT_BYTES_MAX - CUT.len() - 17));
        let scrubbed = scrubber().scrub(&text);
        assert!(!has_secret(scrubbed.as_str()));
        assert!(scrubbed.as_str().len() <= TEXT_BYTES_MAX + 128);
        let long = scrubber().scrub(&"y".repeat(RAW_BYTES_MAX + 1));
        assert!(long.as_str().starts_with("[removed text of 1048577 bytes"));
    }

    #[test]
    fn a_reported_secret_leaves_its_mark() {
        let mark = scrubber().secret(Some("sts-2026-05"), "repo/x@1f: s3cr3t!", "s3cr3t!");
        let same = scrubber().secret(None, "elsewhere", "s3cr3t!");
        assert_eq!((mark.kid.unwrap().as_str(), mark.length), ("sts-2026-05", 7));
        assert_eq!(mark.location.as_str(), "repo/x@1f: ");
        assert_eq!(mark.fingerprint, same.fingerprint);
        assert_ne!(
            mark.fingerprint,
            Scrubber::new([8; 32]).secret(None, "", "s3cr3t!").fingerprint
        );
    }

    #[test]
    fn the_shortest_secrets_are_looked_for() {
        for text in ["sk-abcdefghijkl", "token=abcd", "token:abcd", "x://:y@z", "078-05-1120"] {
            assert!(has_secret(text), "{text}");
        }
    }

    proptest! {
        // What is passed over as plain holds nothing that any shape finds.
        #[test]
        fn what_is_plain_holds_no_secret(text in "[a-zA-Z0-9 _.@/-]{0,14}") {
            let found = SHAPES.iter().any(|shape| shape.regex.is_match(&text));
            prop_assert!(!found || !is_plain(&text));
        }

        #[test]
        fn scrubbing_is_total_and_comes_to_rest(text in "(?s).{0,200}", digits in "[0-9 -]{0,60}") {
            let once = scrubber().scrub(&format!("{text}password={text}{digits}"));
            prop_assert!(!has_secret(once.as_str()));
            prop_assert_eq!(scrubber().scrub(once.as_str()), once);
        }
    }
}
