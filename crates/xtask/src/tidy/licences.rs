//! Licences and sources of every package that the workspace builds, tests and tools included.
//!
//! The list is of licences that ask for no more than a notice. An expression is accepted if one can
//! comply with it by listed licences alone; what cannot be read is not accepted.

use serde_json::Value;

use super::Violation;

/// Licences that ask for a notice at most.
const ALLOWED: [&str; 14] = [
    "0BSD",
    "Apache-2.0",
    "BlueOak-1.0.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "CC0-1.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
    // The exception only adds permissions.
    "Apache-2.0 WITH LLVM-exception",
    "BSL-1.0",
];

/// Checks every external package in the output of `cargo metadata`.
pub(super) fn check(metadata: &str) -> Vec<Violation> {
    let metadata: Value = serde_json::from_str(metadata).unwrap_or_default();
    let packages = metadata["packages"].as_array().into_iter().flatten();
    packages.filter(|package| !package["source"].is_null()).flat_map(check_package).collect()
}

fn check_package(package: &Value) -> Vec<Violation> {
    let text = |key: &str| package[key].as_str().unwrap_or_default();
    let name = format!("{} {}", text("name"), text("version"));
    let mut found = Vec::new();
    let mut report = |what: String, mend: &str| {
        let path = "Cargo.lock".to_owned();
        found.push(Violation { path, line: 1, what, mend: mend.to_owned() });
    };
    if !is_allowed(text("license")) {
        let what = format!("{name} is licensed `{}`", text("license"));
        report(what, "do without it; a licence is added to the list only if it asks for a notice");
    }
    if !(text("source").starts_with("registry+") && text("source").ends_with("/crates.io-index")) {
        report(format!("{name} comes from `{}`", text("source")), "take it from the Rust registry");
    }
    found
}

/// Whether an SPDX expression can be complied with by allowed licences alone.
fn is_allowed(expression: &str) -> bool {
    // The old spelling `A/B` means `A OR B`.
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut parser = Parser { words: &words };
    parser.any() == Some(true) && parser.words.is_empty()
}

struct Parser<'a> {
    words: &'a [&'a str],
}

impl Parser<'_> {
    fn any(&mut self) -> Option<bool> {
        let mut allowed = self.all()?;
        while self.take("OR") {
            allowed |= self.all()?;
        }
        Some(allowed)
    }

    fn all(&mut self) -> Option<bool> {
        let mut allowed = self.one()?;
        while self.take("AND") {
            allowed &= self.one()?;
        }
        Some(allowed)
    }

    fn one(&mut self) -> Option<bool> {
        if self.take("(") {
            let inner = self.any()?;
            return self.take(")").then_some(inner);
        }
        let (name, rest) = self.words.split_first()?;
        self.words = rest;
        let mut licence = (*name).to_owned();
        if self.take("WITH") {
            let (exception, rest) = self.words.split_first()?;
            self.words = rest;
            licence = format!("{licence} WITH {exception}");
        }
        Some(ALLOWED.contains(&licence.as_str()))
    }

    fn take(&mut self, word: &str) -> bool {
        match self.words.split_first() {
            Some((first, rest)) if *first == word => {
                self.words = rest;
                true
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn expect(expression: &str, allowed: bool) {
        assert_eq!(is_allowed(expression), allowed, "{expression}");
    }

    #[test]
    fn an_expression_is_allowed_if_listed_licences_satisfy_it() {
        expect("MIT", true);
        expect("MIT OR GPL-3.0-only", true);
        expect("MIT/Apache-2.0", true);
        expect("ISC AND (Apache-2.0 OR OpenSSL)", true);
        expect("Apache-2.0 WITH LLVM-exception OR GPL-2.0-only", true);
        expect("(Apache-2.0 OR MIT) AND BSD-3-Clause", true);
    }

    #[test]
    fn everything_else_is_not() {
        expect("GPL-3.0-only", false);
        expect("MIT AND LGPL-2.1-or-later", false);
        expect("MPL-2.0", false);
        expect("AGPL-3.0-only OR SSPL-1.0", false);
        expect("GPL-2.0-only WITH Classpath-exception-2.0", false);
        expect("", false);
        expect("(MIT", false);
        expect("MIT MIT", false);
    }

    #[test]
    fn licence_and_source_of_each_package_are_checked() {
        let metadata = r#"{"packages":[
            {"name":"ours","version":"1.0.0","license":null,"source":null},
            {"name":"good","version":"1.0.0","license":"MIT",
             "source":"registry+https://example.org/crates.io-index"},
            {"name":"bad","version":"2.0.0","license":"GPL-3.0-only",
             "source":"git+https://example.org/bad"}]}"#;
        let found = check(metadata);
        let what: Vec<&str> = found.iter().map(|violation| violation.what.as_str()).collect();
        let source = "bad 2.0.0 comes from `git+https://example.org/bad`";
        assert_eq!(what, ["bad 2.0.0 is licensed `GPL-3.0-only`", source]);
    }
}
