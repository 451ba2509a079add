//! What was acknowledged and is not in a block yet, for stores that outlive their process.
//!
//! A frame is one request as it came, encrypted, written and synced before it is acknowledged. A
//! file that could not be written is given up at once, so a torn frame is always the last of its
//! file. Files are removed once blocks hold everything that is in them.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::backend::disk::{Disk, DiskFile};
use crate::block::BlockId;
use crate::crypt::BlockCipher;
use crate::cursor::{Cursor, put_varint, unzigzag, zigzag};

/// When so much was written, the heads become blocks and the files go.
pub(crate) const WAL_BYTES_MAX: u64 = 32 * 1024 * 1024;
/// One file at most: what is above, and one request of 64 MiB.
const FILE_BYTES_MAX: u64 = WAL_BYTES_MAX + 65 * 1024 * 1024;
const PREFIX: &str = "wal-";
const SUFFIX: &str = ".log";
/// Keeps the names of frames apart from those of blocks under the same key.
const SEGMENT: u32 = 1 << 31;

/// One request with what it met.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Frame {
    /// The number of its first record.
    pub(crate) sequence: u64,
    /// The time of arrival.
    pub(crate) now_ns: i64,
    pub(crate) content: Content,
    pub(crate) request: Vec<u8>,
}

/// What a request asks to keep.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Content {
    Logs,
    Rows,
    Spans,
}

/// The log of one store.
pub(crate) struct Wal {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    cipher: Arc<BlockCipher>,
    files: Vec<u32>,
    next_file: u32,
    open: Option<Open>,
    pub(crate) bytes: u64,
}

struct Open {
    number: u32,
    frames: u32,
    file: Box<dyn DiskFile>,
}

impl Wal {
    /// Opens the log in a directory and gives what is in it, oldest first.
    pub(crate) fn open(
        disk: Arc<dyn Disk>,
        path: &Path,
        cipher: Arc<BlockCipher>,
    ) -> io::Result<(Self, Vec<Frame>)> {
        let mut files: Vec<u32> =
            disk.list(path)?.iter().filter_map(|name| number_of(name)).collect();
        files.sort_unstable();
        let mut frames = Vec::new();
        for &number in &files {
            let content = disk.read(&path.join(name_of(number)), FILE_BYTES_MAX)?;
            read_file(&cipher, number, &content, &mut frames);
        }
        let next_file = files.last().map_or(0, |last| last + 1);
        let path = path.to_owned();
        Ok((Self { disk, path, cipher, files, next_file, open: None, bytes: 0 }, frames))
    }

    /// Makes a request durable.
    ///
    /// # Errors
    /// When it may not be; what follows goes to another file.
    pub(crate) fn append(&mut self, frame: &Frame) -> io::Result<()> {
        let mut open = match self.open.take() {
            Some(open) => open,
            None => self.begin()?,
        };
        let id = frame_id(open.number, open.frames);
        let sealed = self.cipher.seal(id, &frame.write()).map_err(io::Error::other)?;
        let length = u32::try_from(sealed.len()).map_err(io::Error::other)?;
        let mut bytes = length.to_le_bytes().to_vec();
        bytes.extend_from_slice(&sealed);
        open.file.write_all(&bytes)?;
        open.file.sync()?;
        open.frames += 1;
        self.bytes += bytes.len() as u64;
        // A failed file was dropped with `?` and is never written again.
        self.open = Some(open);
        Ok(())
    }

    /// Removes everything: blocks have it.
    pub(crate) fn clear(&mut self) -> io::Result<()> {
        self.open = None;
        self.bytes = 0;
        while let Some(&number) = self.files.first() {
            match self.disk.remove(&self.path.join(name_of(number))) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                Ok(()) | Err(_) => {}
            }
            self.files.remove(0);
        }
        self.disk.sync_dir(&self.path)
    }

    pub(crate) fn has_files(&self) -> bool {
        !self.files.is_empty()
    }

    fn begin(&mut self) -> io::Result<Open> {
        let number = self.next_file;
        self.next_file += 1;
        // It is listed before it exists, so that `clear` takes it away in any case.
        self.files.push(number);
        let file = self.disk.create(&self.path.join(name_of(number)))?;
        self.disk.sync_dir(&self.path)?;
        Ok(Open { number, frames: 0, file })
    }
}

impl Frame {
    fn write(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.request.len() + 32);
        out.push(match self.content {
            Content::Logs => 0,
            Content::Rows => 1,
            Content::Spans => 2,
        });
        put_varint(&mut out, self.sequence);
        put_varint(&mut out, zigzag(self.now_ns));
        out.extend_from_slice(&self.request);
        out
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let mut cursor = Cursor::new(bytes);
        let content = match cursor.byte().ok()? {
            0 => Content::Logs,
            1 => Content::Rows,
            2 => Content::Spans,
            _ => return None,
        };
        let sequence = cursor.varint().ok()?;
        let now_ns = unzigzag(cursor.varint().ok()?);
        Some(Self { sequence, now_ns, content, request: cursor.remaining().to_vec() })
    }
}

/// The whole frames of a file, up to the first that is not.
fn read_file(cipher: &BlockCipher, number: u32, content: &[u8], frames: &mut Vec<Frame>) {
    let mut rest = content;
    for index in 0.. {
        let Some((length, tail)) = rest.split_first_chunk::<4>() else { return };
        let length = usize::try_from(u32::from_le_bytes(*length)).unwrap_or(usize::MAX);
        let Some((sealed, tail)) = tail.split_at_checked(length) else { return };
        let plain = cipher.open(frame_id(number, index), sealed);
        let Some(frame) = plain.as_deref().and_then(Frame::read) else { return };
        frames.push(frame);
        rest = tail;
    }
}

const fn frame_id(number: u32, frame: u32) -> BlockId {
    BlockId { segment: SEGMENT | number, block: frame }
}

fn name_of(number: u32) -> String {
    format!("{PREFIX}{number:08x}{SUFFIX}")
}

fn number_of(name: &str) -> Option<u32> {
    let digits = name.strip_prefix(PREFIX)?.strip_suffix(SUFFIX)?;
    let number = u32::from_str_radix(digits, 16).ok()?;
    (name_of(number) == name).then_some(number)
}

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::*;
    use crate::backend::disk::RealDisk;
    use crate::crypt::Epoch;

    fn frame(n: u8) -> Frame {
        let request = vec![n; usize::from(n)];
        Frame { sequence: n.into(), now_ns: -i64::from(n), content: Content::Logs, request }
    }

    fn cipher() -> Arc<BlockCipher> {
        Arc::new(BlockCipher::new(&Zeroizing::new([3; 32]), Epoch([1; 16])).unwrap())
    }

    fn open(path: &Path) -> (Wal, Vec<Frame>) {
        Wal::open(Arc::new(RealDisk), path, cipher()).unwrap()
    }

    #[test]
    fn frames_come_back_until_they_are_cleared() {
        let folder = tempfile::tempdir().unwrap();
        for n in 1..4 {
            let (mut wal, frames) = open(folder.path());
            assert_eq!(frames, (1..n).map(frame).collect::<Vec<_>>());
            wal.append(&frame(n)).unwrap();
        }
        let (mut wal, _) = open(folder.path());
        wal.clear().unwrap();
        assert_eq!(open(folder.path()).1, []);
    }

    #[test]
    fn a_file_is_read_up_to_the_cut() {
        let folder = tempfile::tempdir().unwrap();
        let (mut wal, _) = open(folder.path());
        wal.append(&frame(1)).unwrap();
        let whole = std::fs::read(folder.path().join(name_of(0))).unwrap().len();
        wal.append(&frame(2)).unwrap();
        let content = std::fs::read(folder.path().join(name_of(0))).unwrap();
        for end in 0..content.len() {
            let mut frames = Vec::new();
            read_file(&cipher(), 0, &content[..end], &mut frames);
            let expected = if end < whole { vec![] } else { vec![frame(1)] };
            assert_eq!(frames, expected, "cut at {end}");
        }
    }
}
