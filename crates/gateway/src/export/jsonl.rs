//! Files: `logs.jsonl`, `metrics.jsonl` and `traces.jsonl`, one JSON object a line.
//!
//! Every batch is written at a known offset and synced before the cursor that records the new
//! lengths is kept. After a crash each file is cut back to its recorded length and the batch
//! written again, so that no line is there twice or torn. A reader that follows the files may see
//! lines of a batch that is written again after a crash; it never misses one.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lucarne_otlp::Signal;

use crate::durable_file::sync_directory;
use crate::export::line::{self, Flat, Malformed};
use crate::export::sink::{Reason, Stuck, Tally};
use crate::export::{Item, Whence};

/// The three files.
#[derive(Debug)]
pub struct Jsonl {
    directory: PathBuf,
    rotate_bytes: u64,
    rotate_keep: usize,
    outputs: [Output; 3],
    flat: Flat,
    tally: Tally,
}

/// One file and what is to be written to it.
#[derive(Debug)]
struct Output {
    name: &'static str,
    file: Arc<File>,
    /// INVARIANT: what is before it is durable and belongs to batches that are recorded or about to
    /// be.
    length: u64,
    /// Shared with the write that is under way; its memory serves the next batch.
    waiting: Arc<Vec<u8>>,
}

impl Jsonl {
    /// Opens or creates the files below `directory`.
    ///
    /// # Errors
    /// When the directory or a file cannot be opened.
    pub fn open(directory: &Path, rotate_bytes: u64, rotate_keep: usize) -> io::Result<Self> {
        std::fs::create_dir_all(directory)?;
        let output = |name| {
            let file = open(&directory.join(name))?;
            let length = file.metadata()?.len();
            Ok::<_, io::Error>(Output {
                name,
                file: Arc::new(file),
                length,
                waiting: Arc::default(),
            })
        };
        let outputs = [output(NAMES[0])?, output(NAMES[1])?, output(NAMES[2])?];
        sync_directory(directory)?;
        let directory = directory.to_owned();
        let (flat, tally) = (Flat::default(), Tally::default());
        Ok(Self { directory, rotate_bytes, rotate_keep, outputs, flat, tally })
    }

    /// Cuts each file back to its recorded length. A file that is shorter, or that no cursor knows,
    /// was put aside or written by others: it is continued at its end, on a new line.
    ///
    /// # Errors
    /// When a file cannot be cut or read.
    pub fn resume(&mut self, lengths: &[(String, u64)]) -> io::Result<()> {
        for output in &mut self.outputs {
            let recorded = lengths.iter().find(|(name, _)| name == output.name);
            match recorded {
                Some(&(_, recorded)) if recorded <= output.length => {
                    output.file.set_len(recorded)?;
                    output.length = recorded;
                }
                Some(_) | None => output.end_line()?,
            }
            output.file.sync_all()?;
        }
        Ok(())
    }

    /// Renders a batch.
    pub fn load(&mut self, items: &[Item]) {
        self.tally = Tally::default();
        for item in items {
            match self.render(item) {
                Ok(()) => self.tally.sent += 1,
                Err(Malformed) => self.tally.skipped += 1,
            }
        }
        self.flat.clear();
    }

    /// Writes what is rendered, and syncs it.
    ///
    /// # Errors
    /// When a disk refuses; the lines are then written again at the same place.
    pub async fn advance(&mut self) -> Result<(), Stuck> {
        for output in &mut self.outputs {
            let written = output.write().await;
            written.map_err(|e| Stuck { reason: Reason::Disk(e.kind()), retry_after: None })?;
        }
        Ok(())
    }

    /// What became of the batch.
    pub const fn tally(&self) -> Tally {
        self.tally
    }

    /// The lengths of the files.
    pub fn lengths(&self) -> Vec<(String, u64)> {
        self.outputs.iter().map(|output| (output.name.to_owned(), output.length)).collect()
    }

    /// Puts files aside that have reached their size, and removes the oldest beyond the number to
    /// keep.
    ///
    /// A crash between this and the next recorded cursor is harmless: nothing is written in
    /// between, and a new file shorter than recorded is continued.
    ///
    /// # Errors
    /// When a file cannot be renamed, created or removed.
    pub fn rotate(&mut self) -> io::Result<bool> {
        let mut rotated = false;
        for output in &mut self.outputs {
            if output.length < self.rotate_bytes {
                continue;
            }
            let path = self.directory.join(output.name);
            let aside = put_aside(&self.directory, output.name)?;
            let next = aside.last().map_or(1, |(number, _)| number + 1);
            std::fs::rename(&path, self.directory.join(format!("{}.{next}", output.name)))?;
            output.file = Arc::new(open(&path)?);
            output.length = 0;
            let surplus = (aside.len() + 1).saturating_sub(self.rotate_keep);
            for (_, old) in aside.iter().take(surplus) {
                std::fs::remove_file(old)?;
            }
            rotated = true;
        }
        if rotated {
            sync_directory(&self.directory)?;
        }
        Ok(rotated)
    }

    fn render(&mut self, item: &Item) -> Result<(), Malformed> {
        let [logs, metrics, traces] = &mut self.outputs;
        if let Some(line) = line::line(item, &mut self.flat)? {
            logs.push(line.into_whole());
        }
        let (whence, signal, telemetry) = match item {
            Item::Record(record) => {
                let Some((signal, telemetry)) = record.entry.telemetry() else { return Ok(()) };
                (Whence::Sealed(record), signal, telemetry)
            }
            Item::Telemetry(host) => (Whence::Host(host), host.signal, &host.telemetry),
            Item::Unverified(_) | Item::Host(_) => return Ok(()),
        };
        match signal {
            Signal::Logs => {}
            Signal::Metrics => {
                let lines = line::metric::lines(whence, telemetry, &mut self.flat)?;
                lines.iter().for_each(|line| metrics.push(line));
            }
            Signal::Traces => traces.push(line::span::line(whence, telemetry, &mut self.flat)?),
        }
        Ok(())
    }
}

impl Output {
    fn push(&mut self, line: &[u8]) {
        let waiting = Arc::make_mut(&mut self.waiting);
        waiting.extend_from_slice(line);
        waiting.push(b'\n');
    }

    async fn write(&mut self) -> io::Result<()> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let (file, at) = (Arc::clone(&self.file), self.length);
        let content = Arc::clone(&self.waiting);
        let writing = tokio::task::spawn_blocking(move || {
            file.write_all_at(&content, at)?;
            file.sync_data()
        });
        writing.await.unwrap_or_else(|error| Err(io::Error::other(error)))?;
        self.length += self.waiting.len() as u64;
        let waiting = Arc::make_mut(&mut self.waiting);
        waiting.clear();
        waiting.shrink_to(KEPT_BYTES);
        Ok(())
    }

    fn end_line(&mut self) -> io::Result<()> {
        let mut last = [b'\n'];
        if let Some(at) = self.length.checked_sub(1) {
            self.file.read_exact_at(&mut last, at)?;
        }
        if last != [b'\n'] {
            self.file.write_all_at(b"\n", self.length)?;
            self.length += 1;
        }
        Ok(())
    }
}

/// Files put aside under `name`, oldest first.
fn put_aside(directory: &Path, name: &str) -> io::Result<Vec<(u64, PathBuf)>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        let number = entry
            .file_name()
            .to_str()
            .and_then(|other| other.strip_prefix(name)?.strip_prefix('.')?.parse::<u64>().ok());
        found.extend(number.map(|number| (number, entry.path())));
    }
    found.sort();
    Ok(found)
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)
}

/// What is kept between batches: a batch of the usual lines.
const KEPT_BYTES: usize = 8 << 20;
const NAMES: [&str; 3] = ["logs.jsonl", "metrics.jsonl", "traces.jsonl"];

#[cfg(test)]
mod tests;
