//! Patterns by Go's rules: what they match, and what is refused in which words.

use super::*;
use alloc::string::ToString as _;
use alloc::vec;

#[track_caller]
fn find(pattern: &str, text: &str, expected: bool) {
    let regex = Regex::new(pattern, Anchor::Unanchored).unwrap();
    assert_eq!(regex.is_match(text), expected, "{pattern} in {text:?}");
}

#[track_caller]
fn whole(pattern: &str, text: &str, expected: bool) {
    let regex = Regex::new(pattern, Anchor::Whole).unwrap();
    assert_eq!(regex.is_match(text), expected, "{pattern} is {text:?}");
}

#[track_caller]
fn refused(pattern: &str, expected: &str) {
    let error = Regex::new(pattern, Anchor::Unanchored).unwrap_err();
    assert_eq!(error.to_string(), alloc::format!("error parsing regexp: {expected}"));
}

#[test]
fn shorthands_are_ascii() {
    find(r"^\d$", "5", true);
    find(r"^\d$", "٥", false);
    find(r"^\w$", "é", false);
    find(r"^\W$", "é", true);
    find(r"^\s$", "\u{b}", false);
    find(r"^\s$", "\t", true);
    find(r"^\s$", "\u{a0}", false);
    find(r"^\S$", "\u{b}", true);
    find(r"^[\d\s]$", " ", true);
    find(r"^[^\d]$", "5", false);
    find(r"^[\Dx]$", "5", false);
    find(r"\bé", "é", false);
    find(r"\bfoo\b", "a foo b", true);
    find(r"\bfoo\b", "foobar", false);
    find(r"foo\Bbar", "foobar", true);
    find(r"[[:alpha:]]+\d", "ab1", true);
    find(r"^[[:^alpha:]]$", "a", false);
    find(r"^[[:word:]-]+$", "a_-", true);
}

#[test]
fn what_rust_reads_differently_is_literal() {
    find(r"\<b\>", "<b>", true);
    find(r"\<b\>", "b", false);
    find("a{", "a{", true);
    find("a{x}", "a{x}", true);
    find("a{,2}", "a{,2}", true);
    find("a{,2}", "aa", false);
    find("^a{2,3}$", "aaa", true);
    find("^a{2}$", "aaa", false);
    find("{\"a\":1}", "x {\"a\":1}", true);
    find(r"\Qa.b\E+", "a.bb", true);
    find(r"\Qa.b\E", "axb", false);
    find(r"\Qa.b", "a.b", true);
    find(r"^\012$", "\n", true);
    find(r"^\101$", "A", true);
    find(r"^\0$", "\0", true);
    find(r"^\x41\x{e9}$", "Aé", true);
    find("^[a[b]$", "[", true);
    find("^[a&&b]$", "&", true);
    find("^[+--]$", ",", true);
    find("^[]a]$", "]", true);
    find("^[^]a]$", "]", false);
    find("^[a-]$", "-", true);
    find(r"^[\]\-\\]$", "-", true);
    find("^[a~~b]$", "~", true);
    find(r"^\_\-\!$", "_-!", true);
    find("a]b}", "a]b}", true);
    find(r"\pL\p{Greek}", "xα", true);
    find(r"^\p{^Greek}$", "α", false);
    find(r"^\PN$", "5", false);
    find(r"^[\p{Lu}0]$", "É", true);
}

#[test]
fn flags_and_anchors() {
    find("(?i)error", "ERROR", true);
    find("(?i:e)rror", "Error", true);
    find("(?i:e)rror", "ERROR", false);
    find("(?i)É", "é", true);
    find("(?i)k", "\u{212a}", true);
    find("a.b", "a\nb", false);
    find("(?s)a.b", "a\nb", true);
    find("(?s-i:a.b)", "a\nb", true);
    find("^b", "a\nb", false);
    find("(?m)^b$", "a\nb\nc", true);
    find(r"\Ab\z", "b", true);
    find("a(?)b", "ab", true);
    find("", "x", true);
    find("a b #c", "a b #c", true);
    whole("foo", "foo", true);
    whole("foo", "xfoo", false);
    whole("foo|bar", "bar", true);
    whole("foo|bar", "foobar", false);
    whole("a.b", "a\nb", true);
    whole(".*receiver.*", "otlp receiver\nstarted", true);
    whole("(?i)foo", "FOO", true);
    whole("", "", true);
    whole("", "x", false);
    whole(".+", "", false);
}

#[test]
fn names_and_groups() {
    let regex = Regex::new(r"(?P<a>\w+)-(?<b2>\d+)(x)?(?P<9>z)?", Anchor::Unanchored).unwrap();
    let names = vec![(1, "a".into()), (2, "b2".into()), (4, "9".into())];
    assert_eq!(regex.names(), names);
    let mut slots = vec![None; regex.slot_count()];
    assert!(regex.captures("see foo-42!", &mut slots));
    let group = |at| slot_text("see foo-42!", &slots, at);
    assert_eq!((group(0), group(1), group(2), group(3), group(4)), ("foo-42", "foo", "42", "", ""));
    assert!(!regex.captures("none", &mut slots));
}

#[test]
fn needles_are_certain() {
    for (pattern, needle) in [
        ("error", Some("error")),
        ("(?i)error", None),
        ("level=(error|warn) msg", Some("level=")),
        ("a+foo.*barbaz", Some("barbaz")),
        ("(foo)?x", None),
        ("foo|bar", None),
        ("(?:needle)+", Some("needle")),
        ("(?:needle)*", None),
        (r"\Qa.b.c\E", Some("a.b.c")),
    ] {
        let regex = Regex::new(pattern, Anchor::Unanchored).unwrap();
        assert_eq!(regex.needle(), needle, "{pattern}");
    }
}

#[test]
fn what_go_refuses_is_refused() {
    refused("(", "missing closing ): `(`");
    refused("a)", "unexpected ): `a)`");
    refused("[a", "missing closing ]: `[a`");
    refused("[", "missing closing ]: `[`");
    refused("x[]", "missing closing ]: `[]`");
    refused("*", "missing argument to repetition operator: `*`");
    refused("a|*", "missing argument to repetition operator: `*`");
    refused("(+)", "missing argument to repetition operator: `+`");
    refused("{2}", "missing argument to repetition operator: `{2}`");
    refused("a**", "invalid nested repetition operator: `**`");
    refused("a+{2}", "invalid nested repetition operator: `+{2}`");
    refused("a{1001}", "invalid repeat count: `{1001}`");
    refused("a{3,2}", "invalid repeat count: `{3,2}`");
    refused("[z-a]", "invalid character class range: `z-a`");
    refused("[a--b]", "invalid character class range: `a--`");
    refused("[[:nope:]]", "invalid character class range: `[:nope:]`");
    refused(r"\p{Nope}", "invalid character class range: `\\p{Nope}`");
    refused(r"\", "trailing backslash at end of expression: ``");
    refused(r"\y", "invalid escape sequence: `\\y`");
    refused(r"\1", "invalid escape sequence: `\\1`");
    refused(r"\Z", "invalid escape sequence: `\\Z`");
    refused(r"[\b]", "invalid escape sequence: `\\b`");
    refused(r"\xg", "invalid escape sequence: `\\x`");
    refused("(?=a)", "invalid or unsupported Perl syntax: `(?=`");
    refused("(?!a)", "invalid or unsupported Perl syntax: `(?!`");
    refused("(?<=a)", "invalid or unsupported Perl syntax: `(?<`");
    refused("(?x)a", "invalid or unsupported Perl syntax: `(?x`");
    refused("(?P<a", "invalid named capture: `(?P<a`");
    refused("(?P<a b>x)", "invalid named capture: `(?P<a b>`");
    refused("(?P<a>x)(?P<a>y)", "invalid named capture: `a`");
    let bomb = "(?:(?:a{1000}){1000}){1000}";
    refused(bomb, &alloc::format!("expression too large: `{bomb}`"));
    let long = "a".repeat(PATTERN_BYTES_MAX + 1);
    refused(&long, "expression of 131073 bytes is too long");
}
