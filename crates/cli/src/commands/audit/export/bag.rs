//! A BagIt bag (RFC 8493): the archive itself with everything that is needed to judge it again.
//!
//! The files of the archive are copied as they are, so signatures, evidence and checkpoints come
//! along, and `audit verify` on the copy says what it says on the archive. The manifests guard the
//! copy on its way; what guards the records is inside. The bag appears whole or not at all.

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;

use aws_lc_rs::digest::{Context, SHA256};
use lucarne_archive::{Archive, ArchiveError, Directory, Name};
use lucarne_gateway::export::timestamp::rfc3339;
use lucarne_ledger::hash::to_hex;
use lucarne_ledger::identity::LedgerId;

use super::Source;
use crate::clock;
use crate::commands::audit::catalogue::unreadable;
use crate::failure::Failure;

/// Makes the bag and says how many payload files it has.
pub(super) fn write(source: &Source<'_>, to: &Path) -> Result<u64, Failure> {
    let what = format!("write {}", to.display());
    let failed = |error: std::io::Error| Failure::unreadable(&what, &error);
    if to.exists() {
        return Err(failed(std::io::ErrorKind::AlreadyExists.into()));
    }
    let draft = to.with_added_extension("new");
    std::fs::create_dir(&draft).map_err(failed)?;
    let (archive, _) = source.open()?;
    let mut bag = Bag { root: &draft, payload: Vec::new(), bytes: 0 };
    bag.fill(source, &archive)?;
    bag.seal().map_err(failed)?;
    std::fs::rename(&draft, to).map_err(failed)?;
    Ok(bag.count())
}

struct Bag<'a> {
    root: &'a Path,
    /// Digest and path of each payload file.
    payload: Vec<(String, String)>,
    bytes: u64,
}

impl Bag<'_> {
    fn count(&self) -> u64 {
        u64::try_from(self.payload.len()).unwrap_or(u64::MAX)
    }

    /// Everything below `data/`.
    fn fill(&mut self, source: &Source<'_>, archive: &Directory) -> Result<(), Failure> {
        let wanted = &source.place.wanted;
        let takes = |id: &LedgerId| wanted.takes(&id.instance, id.epoch, Some(id.kind));
        for name in archive.list("").map_err(|error| unreadable(&error))? {
            let name = match name {
                Ok(name) => name,
                // Not an object of the archive; the report lists it where it matters.
                Err(ArchiveError::Stray { .. }) => continue,
                Err(error) => return Err(unreadable(&error)),
            };
            let wanted = match &name {
                Name::Seal(seal) => takes(&seal.ledger),
                Name::Checkpoint(head) | Name::Stamp(head) => takes(&head.ledger),
                Name::Epoch(file) => wanted.takes(&file.instance, file.epoch, None),
                Name::Json(batch) => wanted.takes(&batch.instance, batch.epoch, None),
                Name::Register(_) | Name::Erasure(_) => true,
            };
            if wanted {
                let object = archive.open(&name).map_err(|error| unreadable(&error))?;
                self.put(&format!("data/archive/{name}"), object)?;
            }
        }
        let policy = File::open(&source.place.policy)?;
        self.put("data/audit-policy.yaml", policy)?;
        self.put("data/report.json", source.judgement.text.as_slice())?;
        let readme = README.replace("{sentence}", source.judgement.sentence());
        self.put("data/README.md", readme.as_bytes())
    }

    /// Copies a payload file.
    fn put(&mut self, path: &str, source: impl Read) -> Result<(), Failure> {
        let (digest, bytes) = copy(&self.root.join(path), source)?;
        self.payload.push((digest, path.to_owned()));
        self.bytes = self.bytes.saturating_add(bytes);
        Ok(())
    }

    /// The tag files, last of all.
    fn seal(&self) -> std::io::Result<()> {
        let list = |files: &[(String, String)]| -> String {
            files.iter().map(|(digest, path)| format!("{digest}  {path}\n")).collect()
        };
        let declaration = "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n";
        let tags = [
            ("bagit.txt", declaration.to_owned()),
            ("bag-info.txt", self.info()?),
            ("manifest-sha256.txt", list(&self.payload)),
        ];
        let mut manifest = Vec::new();
        for (name, text) in tags {
            let (digest, _) = copy(&self.root.join(name), text.as_bytes())?;
            manifest.push((digest, name.to_owned()));
        }
        copy(&self.root.join("tagmanifest-sha256.txt"), list(&manifest).as_bytes())?;
        File::open(self.root)?.sync_all()
    }

    fn info(&self) -> std::io::Result<String> {
        let now = rfc3339(clock::unix_ns());
        let date = now.split('T').next().unwrap_or_default();
        let verifier = digest(File::open(std::env::current_exe()?)?)?;
        Ok(format!(
            "Bag-Software-Agent: lucarne {}\nBagging-Date: {date}\n\
             External-Description: Sealed records of confidential workloads and their proof\n\
             Lucarne-Verifier-SHA256: {verifier}\nPayload-Oxum: {}.{}\n",
            env!("CARGO_PKG_VERSION"),
            self.bytes,
            self.payload.len()
        ))
    }
}

/// Copies into a new file; its SHA-256 and length.
fn copy(path: &Path, mut source: impl Read) -> std::io::Result<(String, u64)> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let mut file = File::create_new(path)?;
    let (mut context, mut bytes) = (Context::new(&SHA256), 0_u64);
    let mut buffer = vec![0; COPY_BYTES];
    loop {
        let read = source.read(&mut buffer)?;
        let Some(part) = buffer.get(..read).filter(|part| !part.is_empty()) else { break };
        context.update(part);
        file.write_all(part)?;
        bytes = bytes.saturating_add(u64::try_from(part.len()).unwrap_or_default());
    }
    file.sync_all()?;
    Ok((to_hex(context.finish().as_ref()), bytes))
}

fn digest(mut source: impl Read) -> std::io::Result<String> {
    let mut context = Context::new(&SHA256);
    let mut buffer = vec![0; COPY_BYTES];
    loop {
        let read = source.read(&mut buffer)?;
        let Some(part) = buffer.get(..read).filter(|part| !part.is_empty()) else { break };
        context.update(part);
    }
    Ok(to_hex(context.finish().as_ref()))
}

const COPY_BYTES: usize = 256 << 10;

const README: &str = "\
# Sealed records of confidential workloads

This bag holds a copy of an archive, the policy it was judged by, and the report of that judgement.
The report said: {sentence}

To see that the bag is as it was packed, in its folder:

    sha256sum --check manifest-sha256.txt tagmanifest-sha256.txt

To judge the records again, with a `lucarne` that you trust:

    lucarne audit verify --records-dir data/archive --policy data/audit-policy.yaml

Read the policy first: whoever wrote it decided what is believed.
The SHA-256 of the program that made this bag is in `bag-info.txt`.

| where | what |
|---|---|
| `data/archive/<year>/` | sealed batches of records, each signed inside the TEE |
| `data/archive/epochs/` | the evidence that binds each signing key to measured code |
| `data/archive/checkpoints/` | signed heads of the ledgers |
| `data/audit-policy.yaml` | what was trusted |
| `data/report.json` | what was found, schema lucarne.audit/1 |
";
