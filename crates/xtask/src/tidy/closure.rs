//! Closures: every package that ends up in a binary, by normal and build dependencies on Linux.
//!
//! The closure of the enclave is the trusted computing base and is written down line by line. They
//! come from `cargo tree`, which resolves the features of the crates asked for and of no others.

use std::collections::{BTreeMap, BTreeSet};

use super::Violation;
use crate::command::{Failure, cargo, output};

/// The only system that is shipped.
pub(super) const PLATFORM: &str = "x86_64-unknown-linux-gnu";

/// Where the trusted computing base is listed.
pub(super) const TCB: &str = "crates/enclave/tcb.txt";

/// The external packages of a closure: name to versions.
pub(super) struct Closure {
    packages: BTreeMap<String, BTreeSet<String>>,
}

impl Closure {
    /// What some crates of the workspace link.
    pub(super) fn of(crates: &[&str]) -> Result<Self, Failure> {
        let chosen: Vec<&str> = crates.iter().flat_map(|name| ["--package", name]).collect();
        Ok(Self::parse(&output(cargo().args(TREE).args(chosen))?))
    }

    /// What the whole workspace links.
    pub(super) fn of_workspace() -> Result<Self, Failure> {
        Ok(Self::parse(&output(cargo().args(TREE).arg("--workspace"))?))
    }

    /// Reads lines `name vVERSION ...`. Our own crates have their folder in brackets and are left
    /// out: the rings are checked elsewhere.
    fn parse(tree: &str) -> Self {
        let mut packages: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for line in tree.lines().filter(|line| !line.contains("(/")) {
            let mut words = line.split_whitespace();
            if let (Some(name), Some(version)) = (words.next(), words.next()) {
                let version = version.trim_start_matches('v').to_owned();
                packages.entry(name.to_owned()).or_default().insert(version);
            }
        }
        Self { packages }
    }

    fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.packages
            .iter()
            .flat_map(|(name, versions)| versions.iter().map(|v| (name.as_str(), v.as_str())))
    }
}

/// The written trusted computing base: `name requirement — why`, one line a package.
pub(super) struct Tcb {
    lines: Vec<Line>,
}

struct Line {
    number: usize,
    name: String,
    requirement: String,
    has_reason: bool,
}

impl Tcb {
    pub(super) fn parse(text: &str) -> Self {
        let lines = text.lines().enumerate();
        let lines = lines.filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'));
        Self { lines: lines.map(|(index, line)| Line::parse(index + 1, line)).collect() }
    }

    /// The two must be equal; every line needs a reason.
    pub(super) fn check(&self, closure: &Closure) -> Vec<Violation> {
        let mut found = Vec::new();
        let mut report = |line: usize, what: String, mend: String| {
            found.push(Violation { path: TCB.to_owned(), line, what, mend });
        };
        for (name, version) in closure.iter() {
            if !self.lines.iter().any(|line| line.admits(name, version)) {
                let mend = format!(
                    "drop it (`cargo tree --package lucarne-enclave --edges normal,build --invert \
                     {name}` shows who brings it), or add the line `{name} {version} — why`"
                );
                report(1, format!("the enclave links {name} {version}, which is not listed"), mend);
            }
        }
        for line in &self.lines {
            let Line { number, name, requirement, .. } = line;
            if !closure.iter().any(|(name, version)| line.admits(name, version)) {
                let what = format!("the enclave does not link {name} {requirement}");
                report(*number, what, "remove the line".to_owned());
            }
            if !line.has_reason {
                let what = format!("{name} is listed without a reason");
                report(*number, what, "write ` — why` behind it".to_owned());
            }
        }
        found
    }

    /// The count, for people.
    pub(super) fn fact(&self, closure: &Closure) -> String {
        let linked = closure.iter().count();
        let listed = self.lines.len();
        format!("the enclave links {linked} external packages; {TCB} lists {listed}")
    }
}

impl Line {
    fn parse(number: usize, text: &str) -> Self {
        let (package, why) = text.split_once('—').unwrap_or((text, ""));
        let mut words = package.split_whitespace();
        let mut word = || words.next().unwrap_or_default().to_owned();
        let (name, requirement) = (word(), word());
        Self { number, name, requirement, has_reason: !why.trim().is_empty() }
    }

    /// A requirement `1.2` admits 1.2 and every 1.2.x.
    fn admits(&self, name: &str, version: &str) -> bool {
        let rest = version.strip_prefix(&self.requirement);
        let fits = rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '+', '-']));
        self.name == name && !self.requirement.is_empty() && fits
    }
}

/// What rings 0 and 1 must never link, whoever brings it.
pub(super) fn check_denied(closure: &Closure) -> Vec<Violation> {
    let denied = closure.iter().filter_map(|(name, version)| {
        let (_, why) = DENIED.iter().find(|(pattern, _)| matches(pattern, name))?;
        Some(in_lock(format!("rings 0 and 1 link {name} {version}: {why}"), name))
    });
    denied.collect()
}

/// One cryptographic library: anything else that computes it must be on the list of what others
/// bring.
pub(super) fn check_crypto(closure: &Closure) -> Vec<Violation> {
    let mut found = Vec::new();
    for (name, version) in closure.iter() {
        let is_crypto = CRYPTO.iter().any(|pattern| matches(pattern, name));
        if is_crypto && !BROUGHT.iter().any(|(brought, _)| *brought == name) {
            let what = format!("{name} {version} is a second cryptographic library");
            found.push(in_lock(what, name));
        }
    }
    for name in ["aws-lc-rs", "aws-lc-sys"] {
        let versions = closure.packages.get(name).map_or(0, BTreeSet::len);
        if versions != 1 {
            found.push(in_lock(format!("{versions} versions of {name}, not one"), name));
        }
    }
    for (name, _) in BROUGHT.iter().filter(|(name, _)| !closure.packages.contains_key(*name)) {
        let what = format!("{name} is listed as brought by another library and is not linked");
        let mend = "remove it from BROUGHT".to_owned();
        let path = "crates/xtask/src/tidy/closure.rs".to_owned();
        found.push(Violation { path, line: 1, what, mend });
    }
    found
}

fn in_lock(what: String, name: &str) -> Violation {
    let mend = format!("`cargo tree --edges normal,build --invert {name}` shows who brings it");
    Violation { path: "Cargo.lock".to_owned(), line: 1, what, mend }
}

/// `name`, or `prefix-*`.
fn matches(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => name.starts_with(prefix),
        None => name == pattern,
    }
}

const TREE: [&str; 8] =
    ["tree", "--locked", "--target", PLATFORM, "--edges", "normal,build", "--prefix", "none"];

const DENIED: [(&str, &str); 20] = [
    ("anyhow", "an error without a type cannot be decided on"),
    ("axum*", "a web framework"),
    ("clap*", "the enclave has one argument, its configuration"),
    ("libsqlite3-sys", "a database driver"),
    ("native-tls", "a second TLS"),
    ("openssl*", "a second cryptographic library"),
    ("opentelemetry*", "owned decoding of what is walked in place"),
    ("postgres*", "a database driver"),
    ("prost*", "owned decoding of what is walked in place"),
    ("rand*", "randomness comes from aws-lc-rs"),
    ("reqwest", "an HTTP client with all that hangs on it"),
    ("ring", "a second cryptographic library"),
    ("rusqlite", "a database driver"),
    ("rustls-native-certs", "trust of the host inside the TEE"),
    ("sqlx*", "a database driver"),
    ("tokio-postgres", "a database driver"),
    ("tonic*", "a gRPC stack of dozens of crates for five bytes and a trailer"),
    ("tower*", "middleware"),
    ("tracing-subscriber", "logging that could carry telemetry"),
    ("webpki-roots", "trust of the public web inside the TEE"),
];

/// Packages that are known to compute cryptography.
const CRYPTO: [&str; 32] = [
    "aes",
    "aes-gcm",
    "blake2*",
    "blake3",
    "boring*",
    "chacha20*",
    "curve25519*",
    "digest",
    "dsa",
    "ecdsa",
    "ed25519*",
    "elliptic-curve",
    "getrandom",
    "hmac",
    "k256",
    "libsodium*",
    "md-5",
    "md5",
    "ml-dsa",
    "native-tls",
    "openssl*",
    "orion",
    "p256",
    "p384",
    "rand",
    "ring",
    "rsa",
    "sha-1",
    "sha1*",
    "sha2",
    "sha3",
    "x25519*",
];

/// What libraries bring of their own, and why that is no second opinion on anything we sign or
/// verify.
const BROUGHT: [(&str, &str); 8] = [
    ("chacha20", POSTGRES),
    ("digest", SDK),
    ("getrandom", "seeds rand, and the hash tables of ahash that parquet counts with"),
    ("hmac", SDK),
    ("md-5", SDK),
    ("rand", POSTGRES),
    ("sha1", SDK),
    ("sha2", SDK),
];
const SDK: &str = "the SDK of S3 signs its requests and sums its bodies with it, and the client of \
                   PostgreSQL logs in with it, SHA-1 excepted; what an archive or a desk holds is \
                   judged by our own digests";
const POSTGRES: &str = "the client of PostgreSQL draws the nonce of a login by SCRAM from it and \
                        shuffles hosts; rings 0 and 1 may not link rand";

#[cfg(test)]
mod tests {
    use super::*;

    const TREE_OUTPUT: &str = "\
lucarne-enclave v0.1.0 (/somewhere/crates/enclave)
bytes v1.10.1
serde_derive v1.0.1 (proc-macro)
bytes v1.10.1 (*)
lucarne-ledger v0.1.0 (/somewhere/crates/ledger)
";

    fn closure(packages: &[&str]) -> Closure {
        Closure::parse(&packages.join("\n"))
    }

    #[track_caller]
    fn expect(found: &[Violation], what: &[&str]) {
        let found: Vec<&str> = found.iter().map(|violation| violation.what.as_str()).collect();
        assert_eq!(found, what);
    }

    #[test]
    fn a_tree_is_read_without_our_own_crates_and_repetitions() {
        let tree = Closure::parse(TREE_OUTPUT);
        let packages: Vec<(&str, &str)> = tree.iter().collect();
        assert_eq!(packages, [("bytes", "1.10.1"), ("serde_derive", "1.0.1")]);
    }

    #[test]
    fn the_trusted_computing_base_must_equal_the_closure() {
        let tcb = Tcb::parse("# head\nbytes 1 — buffers\nserde_derive 1.0 — derives\n");
        expect(&tcb.check(&Closure::parse(TREE_OUTPUT)), &[]);

        let more = closure(&["bytes v1.10.1", "bytes v2.0.0", "serde_derive v1.0.1"]);
        expect(&tcb.check(&more), &["the enclave links bytes 2.0.0, which is not listed"]);

        let fewer = closure(&["bytes v1.10.1"]);
        expect(&tcb.check(&fewer), &["the enclave does not link serde_derive 1.0"]);
    }

    #[test]
    fn a_requirement_is_compared_by_whole_numbers() {
        let tcb = Tcb::parse("bytes 1.1 — buffers\n");
        let both = [
            "the enclave links bytes 1.10.1, which is not listed",
            "the enclave does not link bytes 1.1",
        ];
        expect(&tcb.check(&closure(&["bytes v1.10.1"])), &both);
    }

    #[test]
    fn a_line_without_a_reason_is_named() {
        let tcb = Tcb::parse("bytes 1 —\n");
        expect(&tcb.check(&closure(&["bytes v1.10.1"])), &["bytes is listed without a reason"]);
    }

    #[test]
    fn what_the_inner_rings_must_not_link_is_named() {
        let found = check_denied(&closure(&["axum-core v0.5.0", "bytes v1.0.0", "ring v0.17.0"]));
        let what = [
            "rings 0 and 1 link axum-core 0.5.0: a web framework",
            "rings 0 and 1 link ring 0.17.0: a second cryptographic library",
        ];
        expect(&found, &what);
    }

    #[test]
    fn a_second_cryptographic_library_is_named() {
        let one = ["aws-lc-rs v1.19.0", "aws-lc-sys v0.40.0"];
        let with = |more: &[&str]| closure(&[&one[..], more].concat());
        let stale = BROUGHT.map(|(name, _)| {
            format!("{name} is listed as brought by another library and is not linked")
        });
        let expect = |found: Vec<Violation>, what: &[&str]| {
            let fresh: Vec<Violation> =
                found.into_iter().filter(|v| !stale.contains(&v.what)).collect();
            expect(&fresh, what);
        };
        expect(check_crypto(&with(&[])), &[]);
        let second = ["sha3 0.10.9 is a second cryptographic library"];
        expect(check_crypto(&with(&["sha3 v0.10.9"])), &second);
        let twice = ["2 versions of aws-lc-sys, not one"];
        expect(check_crypto(&with(&["aws-lc-sys v0.41.0"])), &twice);
    }
}
