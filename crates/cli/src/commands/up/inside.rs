//! The way into the enclave of `lucarne up`: an authority, one investigator, and the commands of
//! runbooks, which know both.
//!
//! The authority's key is kept, for the enclave's configuration names it; the investigator's is
//! made anew at each start, and its certificate lasts as long as somebody may leave a demo running.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::key;
use crate::commands::access::{issue, request};
use crate::commands::install_links::{self, Way};
use crate::failure::{Exit, Failure};

/// The public half of the authority's key, drawn when there is none.
///
/// # Errors
/// When its file cannot be read or written.
pub(super) fn authority(dir: &Path) -> Result<String, Failure> {
    key::open_or_draw(&dir.join(AUTHORITY_KEY))
}

/// What the enclave's configuration says about those who may ask.
pub(super) fn access(dir: &Path, authority: &str) -> String {
    format!(
        "access:\n  address: \"{}\"\n  \
         authorities: [ {{ name: {AUTHORITY}, ed25519: \"{authority}\" }} ]\n  \
         roles:\n  \
         - name: {ROLE}\n    authorities: [ {AUTHORITY} ]\n    \
         verbs: [ attestation, recent, logs, logql, trace, labels, loki, tempo ]\n    \
         all_streams: true\n",
        address(dir)
    )
}

/// Certifies the investigator and writes the commands; gives the one that asks.
///
/// # Errors
/// When a file cannot be written, or the policy is not there yet.
pub(super) fn open(dir: &Path, policy: &Path) -> Result<PathBuf, Failure> {
    let [key, out, identity] = ["investigator.key", "investigator.request", "investigator.pem"]
        .map(|name| {
            let path = dir.join("keys").join(name);
            remove(&path).map(|()| path)
        });
    let (key, out, identity) = (key?, out?, identity?);
    let (name, role) = (ROLE.parse(), ROLE.parse());
    let named = |_| Failure::bug("the investigator has no name");
    let (name, role) = (name.map_err(named)?, role.map_err(named)?);
    let mut said = Vec::new();
    request::run(&request::Args { name, role, key: key.clone(), out: out.clone() }, &mut said)?;
    let certificate = issue::Args {
        request: out,
        authority: AUTHORITY.parse().map_err(named)?,
        authority_key: dir.join(AUTHORITY_KEY),
        days: DAYS,
        until: None,
        issued: dir.join("keys/issued.jsonl"),
        out: identity.clone(),
    };
    issue::run(&certificate, &mut said)?;
    let connect = address(dir).parse();
    let connect =
        connect.map_err(|cause| Failure::because(Exit::Usage, "place the channel", &cause))?;
    let bin = dir.join("bin");
    fs::create_dir_all(&bin)
        .map_err(|cause| Failure::unreadable(&format!("create {}", bin.display()), &cause))?;
    let way = Way { connect, policy: policy.to_owned(), identity, key };
    let [query, _] = install_links::links(&bin, &way)?;
    Ok(query)
}

/// Where the enclave opens its channel: among what is its own.
pub(super) fn address(dir: &Path) -> String {
    format!("unix:{}", dir.join("tee/inside.sock").display())
}

fn remove(path: &Path) -> Result<(), Failure> {
    match fs::remove_file(path) {
        Err(cause) if cause.kind() != ErrorKind::NotFound => {
            Err(Failure::unreadable(&format!("replace {}", path.display()), &cause))
        }
        _ => Ok(()),
    }
}

const AUTHORITY: &str = "board";
const AUTHORITY_KEY: &str = "keys/board";
const ROLE: &str = "investigator";
const DAYS: u64 = 30;
