//! The list of what an authority has issued and revoked: one JSON object a line, only ever added
//! to.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;

use lucarne_link::access::{Certificate, Serial};
use serde::{Deserialize, Serialize};

use crate::clock;
use crate::failure::Failure;

#[derive(Debug, Deserialize, Serialize)]
#[serde(tag = "event", rename_all = "lowercase", deny_unknown_fields)]
enum Line {
    Issued {
        serial: String,
        holder: String,
        role: String,
        authority: String,
        /// Seconds since 1970, as all times here.
        not_before: u64,
        not_after: u64,
        key_sha256: String,
    },
    Revoked {
        serial: String,
        at: u64,
        reason: String,
    },
}

/// One certificate of the list.
#[derive(Debug, Serialize)]
pub(super) struct Entry {
    pub(super) serial: String,
    pub(super) holder: String,
    pub(super) role: String,
    pub(super) authority: String,
    pub(super) not_before: u64,
    pub(super) not_after: u64,
    pub(super) key_sha256: String,
    /// Why it is no longer good, if it is not.
    pub(super) revoked: Option<String>,
}

impl Entry {
    /// Its state in one word.
    pub(super) fn state(&self) -> &'static str {
        let now = clock::since_1970().as_secs();
        if self.revoked.is_some() {
            "revoked"
        } else if now > self.not_after {
            "expired"
        } else {
            "valid"
        }
    }
}

/// Adds what was issued.
pub(super) fn add(path: &Path, issued: &Certificate, key_sha256: String) -> Result<(), Failure> {
    append(
        path,
        &Line::Issued {
            serial: issued.serial.to_string(),
            holder: issued.holder.to_string(),
            role: issued.role.to_string(),
            authority: issued.authority.to_string(),
            not_before: issued.not_before,
            not_after: issued.not_after,
            key_sha256,
        },
    )
}

/// Adds that a certificate is no longer good.
pub(super) fn revoke(path: &Path, serial: Serial, reason: &str) -> Result<(), Failure> {
    let at = clock::since_1970().as_secs();
    append(path, &Line::Revoked { serial: serial.to_string(), at, reason: reason.to_owned() })
}

/// Every certificate by its serial number.
pub(super) fn read(path: &Path) -> Result<BTreeMap<String, Entry>, Failure> {
    let what = format!("read {}", path.display());
    let text = std::fs::read_to_string(path).map_err(|error| Failure::unreadable(&what, &error))?;
    let mut entries: BTreeMap<String, Entry> = BTreeMap::new();
    for (at, line) in text.lines().enumerate() {
        let wrong = |why: &str| Failure::usage(format!("{}:{}: {why}", path.display(), at + 1));
        match serde_json::from_str(line).map_err(|error| wrong(&error.to_string()))? {
            Line::Issued { serial, holder, role, authority, not_before, not_after, key_sha256 } => {
                let revoked = None;
                let entry = Entry {
                    serial: serial.clone(),
                    holder,
                    role,
                    authority,
                    not_before,
                    not_after,
                    key_sha256,
                    revoked,
                };
                entries.insert(serial, entry);
            }
            Line::Revoked { serial, at: _, reason } => {
                let entry = entries.get_mut(&serial);
                let entry = entry.ok_or_else(|| wrong("it revokes what was never issued"))?;
                entry.revoked.get_or_insert(reason);
            }
        }
    }
    Ok(entries)
}

fn append(path: &Path, line: &Line) -> Result<(), Failure> {
    let text = serde_json::to_string(line).map_err(std::io::Error::from)? + "\n";
    let file = OpenOptions::new().create(true).append(true).open(path);
    let written = file.and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()
    });
    written.map_err(|error| Failure::unreadable(&format!("write {}", path.display()), &error))
}
