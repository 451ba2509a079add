//! `baseline.yaml`: the file of a site's versions, with what people have signed about each.
//!
//! Read strictly: an unknown key is refused with its line, and so is an entry whose signatures are
//! not over it as it stands. Written in one layout, whole, under a new name that then takes the
//! place of the old, so that a crash leaves the old file or the new one. Comments are not kept.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::path::Path;
use std::str::FromStr;

use lucarne_attest::baseline::{Approval, Baseline, Entry, Retirement, Version};
use lucarne_attest::{Register, Time};
use lucarne_ledger::hash::{from_hex, to_hex};
use serde::Deserialize;

use crate::config::{ConfigError, parse_yaml, read_yaml};
use crate::durable_file;
use crate::policy::Parsed;

/// Reads a baseline, whose signatures then hold.
///
/// # Errors
/// One line with file, line and key of what was expected.
pub fn read(path: &Path) -> Result<Baseline, ConfigError> {
    read_yaml::<File>(path)?.check(path)
}

/// Reads the text of a baseline; `path` is for the error.
///
/// # Errors
/// As for [`read`].
pub fn parse(text: &str, path: &Path) -> Result<Baseline, ConfigError> {
    parse_yaml::<File>(text, path)?.check(path)
}

/// Puts a baseline in the place of a file, durably.
///
/// # Errors
/// When a step fails; the old file is then still there, unless only the last sync failed.
pub fn replace(path: &Path, baseline: &Baseline) -> std::io::Result<()> {
    // A bare name has no directory that could be made durable.
    let path = std::path::absolute(path)?;
    durable_file::replace(&path, text(baseline).as_bytes())
}

/// The one layout of a baseline.
pub fn text(baseline: &Baseline) -> String {
    let mut out = format!("format: {FORMAT}\nversions:");
    if baseline.versions().is_empty() {
        out.push_str(" []\n");
        return out;
    }
    out.push('\n');
    for version in baseline.versions() {
        // Writing to a string cannot fail.
        write_version(&mut out, version).unwrap_or_default();
    }
    out
}

/// What the first line says. A file of another format is refused.
const FORMAT: &str = "lucarne/baseline/v1";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[expect(dead_code, reason = "there is one format; the file must still say it")]
    format: Format,
    versions: Vec<VersionFile>,
}

#[derive(Deserialize)]
enum Format {
    #[serde(rename = "lucarne/baseline/v1")]
    V1,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct VersionFile {
    version: String,
    valid_from: Parsed<Time>,
    valid_until: Option<Parsed<Time>>,
    deployment: Option<String>,
    change: Option<String>,
    git_commit: Option<String>,
    build_digest: Option<String>,
    any_of: Vec<BTreeMap<u8, Parsed<Register>>>,
    #[serde(default)]
    approvals: Vec<ApprovalFile>,
    retired: Option<RetirementFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ApprovalFile {
    by: String,
    ed25519: Parsed<Hex<32>>,
    at: Parsed<Time>,
    signature: Parsed<Hex<64>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RetirementFile {
    reason: String,
    by: String,
    ed25519: Parsed<Hex<32>>,
    at: Parsed<Time>,
    signature: Parsed<Hex<64>>,
}

struct Hex<const N: usize>([u8; N]);

impl<const N: usize> FromStr for Hex<N> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        from_hex(text).map(Self).map_err(|_| format!("expected {} lower-case hex digits", 2 * N))
    }
}

impl File {
    fn check(self, path: &Path) -> Result<Baseline, ConfigError> {
        let versions = self.versions.into_iter().map(VersionFile::read).collect();
        Baseline::new(versions).map_err(|error| ConfigError::new(path, error.to_string()))
    }
}

impl VersionFile {
    fn read(self) -> Version {
        let registers = |set: BTreeMap<u8, Parsed<Register>>| {
            set.into_iter().map(|(index, value)| (index, value.0)).collect()
        };
        Version {
            entry: Entry {
                version: self.version,
                any_of: self.any_of.into_iter().map(registers).collect(),
                valid_from: self.valid_from.0,
                valid_until: self.valid_until.map(|until| until.0),
                deployment: self.deployment,
                change: self.change,
                git_commit: self.git_commit,
                build_digest: self.build_digest,
            },
            approvals: (self.approvals.into_iter())
                .map(|ApprovalFile { by, ed25519, at, signature }| Approval {
                    by,
                    key: ed25519.0.0,
                    at: at.0,
                    signature: signature.0.0,
                })
                .collect(),
            retirement: self.retired.map(|retired| Retirement {
                reason: retired.reason,
                by: retired.by,
                key: retired.ed25519.0.0,
                at: retired.at.0,
                signature: retired.signature.0.0,
            }),
        }
    }
}

fn write_version(out: &mut String, version: &Version) -> fmt::Result {
    let entry = &version.entry;
    writeln!(out, "  - version: {}", Quoted(&entry.version))?;
    writeln!(out, "    valid_from: {}", entry.valid_from)?;
    if let Some(until) = entry.valid_until {
        writeln!(out, "    valid_until: {until}")?;
    }
    let texts = [
        ("deployment", &entry.deployment),
        ("change", &entry.change),
        ("git_commit", &entry.git_commit),
        ("build_digest", &entry.build_digest),
    ];
    for (key, text) in texts {
        if let Some(text) = text {
            writeln!(out, "    {key}: {}", Quoted(text))?;
        }
    }
    writeln!(out, "    any_of:")?;
    for registers in &entry.any_of {
        for (place, (index, value)) in registers.iter().enumerate() {
            let dash = if place == 0 { '-' } else { ' ' };
            writeln!(out, "      {dash} {index}: \"{value}\"")?;
        }
    }
    if !version.approvals.is_empty() {
        writeln!(out, "    approvals:")?;
    }
    for Approval { by, key, at, signature } in &version.approvals {
        writeln!(out, "      - by: {}", Quoted(by))?;
        write_signed(out, key, *at, signature)?;
    }
    if let Some(Retirement { reason, by, key, at, signature }) = &version.retirement {
        writeln!(out, "    retired:\n        reason: {}", Quoted(reason))?;
        writeln!(out, "        by: {}", Quoted(by))?;
        write_signed(out, key, *at, signature)?;
    }
    Ok(())
}

fn write_signed(out: &mut String, key: &[u8; 32], at: Time, signature: &[u8; 64]) -> fmt::Result {
    writeln!(out, "        ed25519: \"{}\"", to_hex(key))?;
    writeln!(out, "        at: {at}")?;
    writeln!(out, "        signature: \"{}\"", to_hex(signature))
}

/// A text between double quotes, which mean the same in YAML as in JSON for what entries may hold.
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for letter in self.0.chars() {
            if matches!(letter, '"' | '\\') {
                f.write_char('\\')?;
            }
            f.write_char(letter)?;
        }
        f.write_char('"')
    }
}

#[cfg(test)]
mod tests {
    use lucarne_attest::baseline::{approval_message, retirement_message};
    use lucarne_ledger::key::{Ed25519Key, Signer as _};

    use super::*;

    fn signed(message: &[u8]) -> ([u8; 32], [u8; 64]) {
        let key = Ed25519Key::from_seed(&[1; 32]).unwrap();
        (key.public_key().raw().try_into().unwrap(), key.sign(message).unwrap())
    }

    fn baseline() -> Baseline {
        let time = Time::from_unix_ms;
        let registers = |n| BTreeMap::from([(0, Register([n; 48])), (12, Register::ZERO)]);
        let bare = Entry {
            version: "v1 \"quoted\" \\ : # é".into(),
            any_of: vec![registers(1)],
            valid_from: time(0),
            valid_until: None,
            deployment: None,
            change: None,
            git_commit: None,
            build_digest: None,
        };
        let full = Entry {
            version: "2".into(),
            any_of: vec![registers(2), registers(3)],
            valid_until: Some(time(1_795_248_000_123)),
            deployment: Some("deploy-v1.2.3".into()),
            change: Some("null".into()),
            git_commit: Some("00".repeat(20)),
            build_digest: Some("1e3".into()),
            ..bare
        };
        let (digest, at) = (full.digest(), time(5));
        let (key, signature) = signed(&approval_message(&digest, "alice", at));
        let approvals = vec![Approval { by: "alice".into(), key, at, signature }];
        let (key, signature) = signed(&retirement_message(&digest, "bob", at, "a: b"));
        let (reason, by) = ("a: b".into(), "bob".into());
        let retirement = Some(Retirement { reason, by, key, at, signature });
        Baseline::new(vec![
            Version { entry: bare, approvals: vec![], retirement: None },
            Version { entry: full, approvals, retirement },
        ])
        .unwrap()
    }

    #[test]
    fn what_is_written_is_read_as_it_was() {
        for baseline in [baseline(), Baseline::default()] {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("baseline.yaml");
            replace(&path, &baseline).unwrap();
            assert_eq!(read(&path).unwrap(), baseline, "{}", text(&baseline));
        }
    }

    #[track_caller]
    fn refused(text: &str, parts: &[&str]) {
        let message = parse(text, Path::new("baseline.yaml")).unwrap_err().to_string();
        assert_eq!(message.lines().count(), 1, "{message}");
        for part in [&["baseline.yaml"], parts].concat() {
            assert!(message.contains(part), "{part:?} is not in {message}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_in_one_line_with_its_place() {
        let good = text(&baseline());
        refused(&good.replace("baseline/v1", "baseline/v2"), &[":1:", "baseline/v2"]);
        refused(&good.replace("    change:", "    chnage:"), &[":12:", "chnage"]);
        refused(&good.replace("T00:00:00.000Z", ""), &[":4:", "2026-11-21T08:00:00Z"]);
        refused(&good.replacen("0: \"01", "0: \"0", 1), &[":6:", "96 hex digits"]);
        refused(&good.replacen("      - 0:", "      - 0: \"\"\n        0:", 1), &[":6:"]);
        refused(&good.replacen("signature: \"", "signature: \"0", 1), &[":24:", "128"]);
        refused(&good.replace("change: \"null\"", "change: \"nul\""), &["alice", "over 2"]);
        refused(&good.replace("reason: \"a", "reason: \"b"), &["bob", "over 2"]);
        refused(&format!("{good}extra: 1\n"), &["extra"]);
        refused("versions: []\n", &["format"]);
    }
}
