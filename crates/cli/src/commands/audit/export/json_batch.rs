//! Signed log batches in JSON, as the enclave made them: a folder an epoch, with the epoch's key.
//!
//! They are copied and not made: only a key inside signs them. Each is verified under the key that
//! the archive's evidence vouches for before it is written, and what does not verify is counted and
//! left out. Beside them lies `tee.pem`, so that `audit import-json` can judge the folder again.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use lucarne_archive::name::JsonName;
use lucarne_archive::{Archive, ArchiveError, Directory, Name};
use lucarne_ledger::identity::{EpochId, Instance};
use lucarne_ledger::json_batch::{Certificate, JSON_BATCH_BYTES_MAX, SignedLogBatch};

use super::Source;
use crate::commands::audit::catalogue::unreadable;
use crate::commands::audit::epochs::{self, Attested};
use crate::failure::Failure;

/// What became of the archive's batches.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Written {
    /// Verified and copied.
    pub(super) batches: u64,
    /// Left out, since they do not verify.
    pub(super) refused: u64,
}

/// Makes the folders. They appear whole or not at all.
pub(super) fn write(source: &Source<'_>, to: &Path) -> Result<Written, Failure> {
    let what = format!("write {}", to.display());
    let failed = |error: std::io::Error| Failure::unreadable(&what, &error);
    if to.exists() {
        return Err(failed(std::io::ErrorKind::AlreadyExists.into()));
    }
    let names = Names::of(source)?;
    if names.0.is_empty() {
        let text = "nobody outside holds a key that signs a SignedLogBatch";
        return Err(Failure::usage(text)
            .hint("an enclave signs them itself when json_batches is configured; none is archived")
            .hint("--format jsonl has the records; --format bagit has what proves them"));
    }
    let draft = to.with_added_extension("new");
    std::fs::create_dir(&draft).map_err(failed)?;
    let (archive, _) = source.open()?;
    let mut written = Written::default();
    for ((instance, epoch), names) in &names.0 {
        let attested = epochs::attest(&archive, instance, *epoch, source.policy)?;
        // Why an epoch is not believed is in the report.
        let Ok(attested) = attested else {
            written.refused += names.len() as u64;
            continue;
        };
        let folder = draft.join(instance.as_str()).join(epoch.to_string());
        std::fs::create_dir_all(&folder).map_err(failed)?;
        store(&folder.join("tee.pem"), pem(&attested).as_bytes()).map_err(failed)?;
        for name in names {
            match verified(&archive, name, &attested)? {
                Some(batch) => {
                    let file = folder.join(format!("{:020}.json", name.sequence));
                    store(&file, &batch).map_err(failed)?;
                    written.batches += 1;
                }
                None => written.refused += 1,
            }
        }
    }
    std::fs::rename(&draft, to).map_err(failed)?;
    Ok(written)
}

/// The names of batches by epoch, in the archive's order.
struct Names(BTreeMap<(Instance, EpochId), Vec<JsonName>>);

impl Names {
    fn of(source: &Source<'_>) -> Result<Self, Failure> {
        let (archive, _) = source.open()?;
        let wanted = &source.place.wanted;
        let mut names = BTreeMap::new();
        for name in archive.list("json").map_err(|error| unreadable(&error))? {
            let name = match name {
                Ok(Name::Json(name)) => name,
                // What lies there and is no batch is in the report.
                Ok(_) | Err(ArchiveError::Stray { .. }) => continue,
                Err(error) => return Err(unreadable(&error)),
            };
            if wanted.takes(&name.instance, name.epoch, None) {
                let epoch = (name.instance.clone(), name.epoch);
                names.entry(epoch).or_insert_with(Vec::new).push(name);
            }
        }
        Ok(Self(names))
    }
}

/// The batch of that name, if the key of its epoch signed it as that.
fn verified(
    archive: &Directory,
    name: &JsonName,
    attested: &Attested,
) -> Result<Option<Vec<u8>>, Failure> {
    let source = archive.open(&Name::Json(name.clone())).map_err(|error| unreadable(&error))?;
    let mut json = Vec::new();
    // One byte more than a batch may have, so that too much is seen as such.
    source
        .take(JSON_BATCH_BYTES_MAX as u64 + 1)
        .read_to_end(&mut json)
        .map_err(|cause| Failure::unreadable("read the archive", &cause))?;
    let key = &attested.keys.statement.key;
    let batch = SignedLogBatch::parse(&json)
        .and_then(|batch| batch.verify(key, Certificate::Sha256(key.id())));
    let measurement = attested.epoch.claims.measurement().to_string();
    let holds = batch.is_ok_and(|batch| {
        batch.sequence_is_signed()
            && batch.sequence() == name.sequence
            && batch.payload().tee_measurement == measurement
    });
    Ok(holds.then_some(json))
}

/// The key of the epoch as a `SubjectPublicKeyInfo` in PEM (RFC 7468 §13).
fn pem(attested: &Attested) -> String {
    let text = STANDARD.encode(attested.keys.statement.key.spki());
    let mut pem = String::from("-----BEGIN PUBLIC KEY-----\n");
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(PEM_LINE));
        pem.push_str(line);
        pem.push('\n');
        rest = after;
    }
    pem.push_str("-----END PUBLIC KEY-----\n");
    pem
}

fn store(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = File::create_new(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

const PEM_LINE: usize = 64;
