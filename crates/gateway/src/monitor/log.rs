//! The log of answers: JSON lines in numbered files, each answer whole, the oldest file removed
//! when there are too many bytes.
//!
//! A file is never written to again after a restart, so a line that a crash has torn is the last of
//! its file. What is kept can be judged again with `lucarne attest verify`; nothing reads it here.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lucarne_ledger::hash::{Hash, to_hex};
use lucarne_link::session::Answer;
use serde::Serialize;

use super::{Class, Exchange};
use crate::durable_file::sync_directory;
use crate::export::timestamp::rfc3339;

/// A file of this length is followed by the next one.
const FILE_BYTES_MAX: u64 = 8 << 20;

/// One answer, as it is kept.
#[derive(Debug, Serialize)]
pub(super) struct Line {
    time: String,
    instance: String,
    epoch: String,
    occasion: &'static str,
    nonce: String,
    class: &'static str,
    reason: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    binding: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    evidence: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    evidence_sha256: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    collateral: Option<String>,
}

impl Line {
    /// Without `whole` the evidence is named by its digest and not kept.
    pub(super) fn new(
        exchange: &Exchange<'_>,
        class: Class,
        reason: &str,
        unix_ns: u64,
        whole: bool,
    ) -> Self {
        let (evidence, collateral) = match exchange.answer {
            Answer::Fresh { evidence, collateral } => (Some(evidence), Some(collateral)),
            Answer::None(_) => (None, None),
        };
        let text = |bytes: Option<&[u8]>| {
            let bytes = bytes.filter(|bytes| whole && !bytes.is_empty());
            bytes.map(|bytes| STANDARD.encode(bytes))
        };
        let binding = exchange.binding.map(lucarne_ledger::binding::EpochBinding::to_cbor);
        Self {
            time: rfc3339(unix_ns),
            instance: exchange.instance.to_string(),
            epoch: exchange.epoch.to_string(),
            occasion: exchange.occasion.as_str(),
            nonce: to_hex(exchange.nonce),
            class: class.as_str(),
            reason: reason.to_owned(),
            binding: text(binding.as_deref()),
            evidence: text(evidence),
            evidence_sha256: evidence.map(|bytes| Hash::of(bytes).to_string()),
            collateral: text(collateral),
        }
    }
}

/// The files, and the one that is written to.
#[derive(Debug)]
pub(super) struct EvidenceLog {
    directory: PathBuf,
    keep_bytes: u64,
    open: Option<(File, u64)>,
    // number and length of each file that is full or of a run before
    full: Vec<(u64, u64)>,
    next: u64,
}

impl EvidenceLog {
    /// Begins a new file behind those that are there.
    pub(super) fn open(directory: &Path, keep_bytes: u64) -> io::Result<Self> {
        fs::create_dir_all(directory)?;
        let mut full = Vec::new();
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            // Whatever else lies there is somebody else's.
            if let Some(number) = entry.file_name().to_str().and_then(number_of) {
                full.push((number, entry.metadata()?.len()));
            }
        }
        full.sort_unstable();
        let next = full.last().map_or(0, |(number, _)| number.saturating_add(1));
        Ok(Self { directory: directory.to_owned(), keep_bytes, open: None, full, next })
    }

    /// Adds a line; on return it is on the disk.
    pub(super) fn append(&mut self, line: &Line) -> io::Result<()> {
        let mut bytes = serde_json::to_vec(line)?;
        bytes.push(b'\n');
        let (mut file, length) = match self.open.take() {
            Some(open) => open,
            None => (self.begin()?, 0),
        };
        file.write_all(&bytes)?;
        file.sync_data()?;
        let length = length + bytes.len() as u64;
        if length < FILE_BYTES_MAX.min(self.keep_bytes / 2) {
            self.open = Some((file, length));
        } else {
            self.full.push((self.next - 1, length));
        }
        self.forget(length)
    }

    fn begin(&mut self) -> io::Result<File> {
        let path = self.path(self.next);
        let file = OpenOptions::new().append(true).create_new(true).open(path)?;
        self.next += 1;
        sync_directory(&self.directory)?;
        Ok(file)
    }

    /// Removes the oldest files until the rest fits.
    fn forget(&mut self, open: u64) -> io::Result<()> {
        let open = if self.open.is_some() { open } else { 0 };
        let mut total = open + self.full.iter().map(|(_, length)| length).sum::<u64>();
        while total > self.keep_bytes && self.full.len() + usize::from(open > 0) > 1 {
            let (number, length) = self.full.remove(0);
            fs::remove_file(self.path(number))?;
            total -= length;
        }
        Ok(())
    }

    fn path(&self, number: u64) -> PathBuf {
        self.directory.join(format!("{number:016}.jsonl"))
    }
}

fn number_of(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".jsonl").filter(|digits| digits.len() == 16)?;
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
}
