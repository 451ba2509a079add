//! Files of frames that are there after a crash whole or not at all: rolls and the manifest.
//!
//! ```text
//! header: magic 8 bytes || be64 number of the file
//! frame:  "LWG2" || be32 length || be64 index || be32 CRC-32 || body
//! ```
//! The checksum covers file number, length, index and body. It is there for what a crash leaves and
//! for rot, not against somebody who writes to the disk: whether a batch is what was sealed is told
//! by its tree and its signatures.
//!
//! A frame is written only after the one before it is durable. So an invalid frame at the end of
//! the last file is one that was never finished and is cut off; when a valid frame follows it, or
//! another file, it was durable once, and the file is damaged.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crc32fast::Hasher;
use lucarne_archive::disk::{Disk, DiskFile};

use super::error::{Step, WalError, failed};

/// A file of frames, open for appending.
#[derive(Debug)]
pub(super) struct FrameFile {
    path: PathBuf,
    file: Box<dyn DiskFile>,
    number: u64,
    /// Durable bytes.
    end: u64,
    /// Durable frames.
    frames: u64,
    broken: bool,
}

/// What a scan found at the end of a file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct End {
    /// Bytes up to the end of the last whole frame; 0 when not even the header is whole.
    pub(super) bytes: u64,
    /// Whole frames.
    pub(super) frames: u64,
    /// Bytes behind.
    pub(super) torn_bytes: u64,
}

/// What a scan accepts at the end of a file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Tail {
    /// The last file: the end may be an unfinished frame.
    MayBeTorn,
    /// An earlier one: every byte was durable before the next file began.
    Whole,
}

impl FrameFile {
    /// A new file with its header, durable but for its name.
    pub(super) fn create(
        disk: &dyn Disk,
        path: &Path,
        magic: &[u8; 8],
        number: u64,
    ) -> Result<Self, WalError> {
        let written = disk.create(path).and_then(|mut file| {
            file.write_all(&header(magic, number))?;
            file.sync()?;
            Ok(file)
        });
        let file = written.map_err(failed(Step::Roll, path))?;
        let path = path.to_owned();
        Ok(Self { path, file, number, end: HEADER_BYTES, frames: 0, broken: false })
    }

    /// Goes on with a file behind its last whole frame. What is there is durable on return.
    pub(super) fn resume(
        disk: &dyn Disk,
        path: &Path,
        number: u64,
        end: End,
    ) -> Result<Self, WalError> {
        let opened = disk.append(path).and_then(|mut file| {
            if end.torn_bytes > 0 {
                file.truncate(end.bytes)?;
            }
            // A process that died after its write and before its sync left bytes that only look
            // durable.
            file.sync()?;
            Ok(file)
        });
        let file = opened.map_err(failed(Step::Open, path))?;
        let (path, End { bytes, frames, .. }) = (path.to_owned(), end);
        Ok(Self { path, file, number, end: bytes, frames, broken: false })
    }

    /// Appends one frame, durable on return, and says where it begins.
    pub(super) fn append(&mut self, body: &[u8]) -> Result<u64, WalError> {
        if self.broken {
            return Err(WalError::Stopped);
        }
        let head = frame_head(self.number, self.frames, body)?;
        let written = self.file.write_all(&head).and_then(|()| self.file.write_all(body));
        if let Err(source) = written {
            return Err(self.undo(source));
        }
        if let Err(source) = self.file.sync() {
            // Pages that failed to reach the disk may be marked clean: a second sync would lie.
            self.broken = true;
            return Err(WalError::Broken { path: self.path.clone(), source });
        }
        let offset = self.end;
        self.end += framed_bytes(body);
        self.frames += 1;
        Ok(offset)
    }

    /// Cuts off what a failed write left, durably: later files must not follow a torn one.
    fn undo(&mut self, source: io::Error) -> WalError {
        let undone = self.file.truncate(self.end).and_then(|()| self.file.sync());
        match undone {
            Ok(()) => failed(Step::Append, &self.path)(source),
            Err(source) => {
                self.broken = true;
                WalError::Broken { path: self.path.clone(), source }
            }
        }
    }

    pub(super) const fn number(&self) -> u64 {
        self.number
    }

    pub(super) const fn end(&self) -> u64 {
        self.end
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.frames == 0
    }

    pub(super) const fn is_broken(&self) -> bool {
        self.broken
    }
}

/// Reads a file through, hands each body to `accept`, and finds its end.
///
/// A whole frame that `accept` refuses is damage: the checksum says that it was written so.
pub(super) fn scan(
    disk: &dyn Disk,
    path: &Path,
    magic: &[u8; 8],
    number: u64,
    tail: Tail,
    accept: &mut dyn FnMut(&[u8]) -> bool,
) -> Result<End, WalError> {
    let mut file = disk.read(path).map_err(failed(Step::Open, path))?;
    let mut bytes = Vec::new();
    let limit = FILE_BYTES_MAX + 1;
    (&mut file).take(limit).read_to_end(&mut bytes).map_err(failed(Step::Read, path))?;
    let corrupt = |offset: u64| WalError::Corrupt { path: path.to_owned(), offset };
    if bytes.len() as u64 == limit {
        return Err(corrupt(FILE_BYTES_MAX));
    }
    let Some(mut rest) = bytes.strip_prefix(&header(magic, number)) else {
        // Nothing is appended before the header is durable.
        let begun = tail == Tail::MayBeTorn && bytes.len() as u64 <= HEADER_BYTES;
        let torn_bytes = bytes.len() as u64;
        return if begun { Ok(End { bytes: 0, frames: 0, torn_bytes }) } else { Err(corrupt(0)) };
    };
    let mut frames = 0;
    let offset_of = |rest: &[u8]| (bytes.len() - rest.len()) as u64;
    while let Some((index, body, after)) = parse(number, rest) {
        if index != frames || !accept(body) {
            return Err(corrupt(offset_of(rest)));
        }
        frames += 1;
        rest = after;
    }
    let end = End { bytes: offset_of(rest), frames, torn_bytes: rest.len() as u64 };
    match tail {
        _ if rest.is_empty() => Ok(end),
        Tail::MayBeTorn if !is_followed(number, rest) => Ok(end),
        Tail::MayBeTorn | Tail::Whole => Err(corrupt(end.bytes)),
    }
}

/// The body of one frame out of an open file; `None` when none begins here.
pub(super) fn read_frame(number: u64, source: &mut dyn Read) -> io::Result<Option<Vec<u8>>> {
    let mut head = Vec::with_capacity(FRAME_HEAD_BYTES);
    (&mut *source).take(FRAME_HEAD_BYTES as u64).read_to_end(&mut head)?;
    let Some((head, _)) = parse_head(&head) else { return Ok(None) };
    if u64::from(head.length) > BODY_BYTES_MAX {
        return Ok(None);
    }
    let mut body = Vec::with_capacity(head.length as usize);
    source.take(u64::from(head.length)).read_to_end(&mut body)?;
    Ok(Some(body).filter(|body| head.is_of(number, body)))
}

/// Bytes that a body takes on the disk.
pub(super) const fn framed_bytes(body: &[u8]) -> u64 {
    (FRAME_HEAD_BYTES + body.len()) as u64
}

/// Whether a valid frame lies anywhere behind the first byte.
fn is_followed(number: u64, bytes: &[u8]) -> bool {
    let behind = bytes.get(1..).unwrap_or_default();
    let candidates = behind.windows(FRAME_MAGIC.len()).enumerate();
    let mut tried = 0;
    for (at, _) in candidates.filter(|(_, window)| window == FRAME_MAGIC) {
        tried += 1;
        // Beyond that somebody is playing with us, and a person should look.
        if tried > CANDIDATES_MAX || parse(number, behind.get(at..).unwrap_or_default()).is_some() {
            return true;
        }
    }
    false
}

/// Index, body and what follows, if a valid frame begins here.
fn parse(number: u64, bytes: &[u8]) -> Option<(u64, &[u8], &[u8])> {
    let (head, rest) = parse_head(bytes)?;
    let (body, rest) = rest.split_at_checked(usize::try_from(head.length).ok()?)?;
    head.is_of(number, body).then_some((head.index, body, rest))
}

/// What stands before the body of a frame.
struct Head {
    length: u32,
    index: u64,
    sum: u32,
}

impl Head {
    fn is_of(&self, number: u64, body: &[u8]) -> bool {
        body.len() == self.length as usize && checksum(number, self.index, body) == self.sum
    }
}

fn parse_head(bytes: &[u8]) -> Option<(Head, &[u8])> {
    let rest = bytes.strip_prefix(FRAME_MAGIC)?;
    let (length, rest) = rest.split_first_chunk()?;
    let (index, rest) = rest.split_first_chunk()?;
    let (sum, rest) = rest.split_first_chunk()?;
    let length = u32::from_be_bytes(*length);
    let (index, sum) = (u64::from_be_bytes(*index), u32::from_be_bytes(*sum));
    Some((Head { length, index, sum }, rest))
}

fn frame_head(number: u64, index: u64, body: &[u8]) -> Result<Vec<u8>, WalError> {
    let length = u32::try_from(body.len()).ok().filter(|&l| u64::from(l) <= BODY_BYTES_MAX);
    let length = length.ok_or(WalError::TooLarge { got: body.len() as u64 })?;
    let mut out = Vec::with_capacity(FRAME_HEAD_BYTES);
    out.extend_from_slice(FRAME_MAGIC);
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(&index.to_be_bytes());
    out.extend_from_slice(&checksum(number, index, body).to_be_bytes());
    Ok(out)
}

fn checksum(number: u64, index: u64, body: &[u8]) -> u32 {
    let mut sum = Hasher::new();
    sum.update(&number.to_be_bytes());
    sum.update(&index.to_be_bytes());
    sum.update(&(body.len() as u64).to_be_bytes());
    sum.update(body);
    sum.finalize()
}

fn header(magic: &[u8; 8], number: u64) -> [u8; 16] {
    let mut out = [0; 16];
    let (head, tail) = out.split_at_mut(8);
    head.copy_from_slice(magic);
    tail.copy_from_slice(&number.to_be_bytes());
    out
}

const FRAME_MAGIC: &[u8; 4] = b"LWG2";
pub(super) const HEADER_BYTES: u64 = 16;
const FRAME_HEAD_BYTES: usize = 4 + 4 + 8 + 4;
const BODY_BYTES_MAX: u64 = 32 << 20; // the largest group
const FILE_BYTES_MAX: u64 = 128 << 20; // a full roll and one group beyond, held to recover
const CANDIDATES_MAX: usize = 1000; // in a torn group the magic occurs by chance once in 4 GiB
