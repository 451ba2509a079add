//! Files of frames that are there after a crash whole or not at all: rolls and the manifest.
//!
//! ```text
//! header: magic 8 bytes || be64 number of the file || mark 8 bytes || be32 CRC-32
//! frame:  mark || be32 length || be64 index || be32 CRC-32 || body
//! ```
//! The checksum of a frame covers mark, length, index and body. It is there for what a crash leaves
//! and for rot, not against somebody who writes to the disk: whether a batch is what was sealed is
//! told by its tree and its signatures. The mark is drawn by lot for each file, so that no payload,
//! whoever composed it, looks like a frame.
//!
//! A frame is written only after the one before it is durable. So an invalid frame at the end of
//! the last file is one that was never finished and is cut off; when a valid frame follows it, or
//! another file, it was durable once, and the file is damaged.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use aws_lc_rs::rand;
use crc32fast::Hasher;
use lucarne_archive::disk::{Disk, DiskFile};

use super::error::{Step, WalError, failed};

/// A file of frames, open for appending.
#[derive(Debug)]
pub(super) struct FrameFile {
    path: PathBuf,
    file: Box<dyn DiskFile>,
    number: u64,
    mark: Mark,
    /// Durable bytes.
    end: u64,
    /// Durable frames.
    frames: u64,
    broken: bool,
}

/// What begins each frame of one file, and of no other.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Mark(pub(super) [u8; MARK_BYTES]);

/// What a scan found.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Scanned {
    /// A file that has only begun: not even its header is whole.
    Begun {
        /// Its bytes.
        torn_bytes: u64,
    },
    /// A file with its header.
    UpTo(End),
}

/// The end of a file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct End {
    /// What its frames begin with.
    mark: Mark,
    /// Bytes up to the end of the last whole frame.
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

impl Mark {
    fn by_lot() -> io::Result<Self> {
        let mut mark = [0; MARK_BYTES];
        rand::fill(&mut mark).map_err(|_| io::Error::other("the system gives no randomness"))?;
        Ok(Self(mark))
    }
}

impl FrameFile {
    /// A new file with its header, durable but for its name.
    pub(super) fn create(
        disk: &dyn Disk,
        path: &Path,
        magic: &[u8; 8],
        number: u64,
    ) -> Result<Self, WalError> {
        let written = Mark::by_lot().and_then(|mark| {
            let mut file = disk.create(path)?;
            file.write_all(&header(magic, number, mark))?;
            file.sync()?;
            Ok((file, mark))
        });
        let (file, mark) = written.map_err(failed(Step::Roll, path))?;
        let path = path.to_owned();
        Ok(Self { path, file, number, mark, end: HEADER_BYTES as u64, frames: 0, broken: false })
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
        let (path, End { mark, bytes, frames, .. }) = (path.to_owned(), end);
        Ok(Self { path, file, number, mark, end: bytes, frames, broken: false })
    }

    /// Appends one frame, durable on return, and says where it begins.
    pub(super) fn append(&mut self, body: &[u8]) -> Result<u64, WalError> {
        if self.broken {
            return Err(WalError::Stopped);
        }
        let head = frame_head(self.mark, self.frames, body)?;
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
) -> Result<Scanned, WalError> {
    let mut file = disk.read(path).map_err(failed(Step::Open, path))?;
    let mut bytes = Vec::new();
    let limit = FILE_BYTES_MAX + 1;
    (&mut file).take(limit).read_to_end(&mut bytes).map_err(failed(Step::Read, path))?;
    let corrupt = |offset: u64| WalError::Corrupt { path: path.to_owned(), offset };
    if bytes.len() as u64 == limit {
        return Err(corrupt(FILE_BYTES_MAX));
    }
    if is_other_format(magic, number, &bytes) {
        return Err(WalError::OtherFormat { path: path.to_owned() });
    }
    let Some((mark, mut rest)) = parse_header(magic, number, &bytes) else {
        // Nothing is appended before the header is durable.
        let begun = tail == Tail::MayBeTorn && bytes.len() <= HEADER_BYTES;
        let torn_bytes = bytes.len() as u64;
        return if begun { Ok(Scanned::Begun { torn_bytes }) } else { Err(corrupt(0)) };
    };
    let mut frames = 0;
    let offset_of = |rest: &[u8]| (bytes.len() - rest.len()) as u64;
    while let Some((index, body, after)) = parse(mark, rest) {
        if index != frames || !accept(body) {
            return Err(corrupt(offset_of(rest)));
        }
        frames += 1;
        rest = after;
    }
    let end = End { mark, bytes: offset_of(rest), frames, torn_bytes: rest.len() as u64 };
    match tail {
        _ if rest.is_empty() => Ok(Scanned::UpTo(end)),
        Tail::MayBeTorn if !is_followed(mark, rest) => Ok(Scanned::UpTo(end)),
        Tail::MayBeTorn | Tail::Whole => Err(corrupt(end.bytes)),
    }
}

/// What the frames of an open file begin with; `None` when it is not this file.
pub(super) fn read_mark(
    magic: &[u8; 8],
    number: u64,
    source: &mut dyn Read,
) -> io::Result<Option<Mark>> {
    let mut head = Vec::with_capacity(HEADER_BYTES);
    source.take(HEADER_BYTES as u64).read_to_end(&mut head)?;
    Ok(parse_header(magic, number, &head).map(|(mark, _)| mark))
}

/// The body of one frame out of an open file; `None` when none begins here.
pub(super) fn read_frame(mark: Mark, source: &mut dyn Read) -> io::Result<Option<Vec<u8>>> {
    let mut head = Vec::with_capacity(FRAME_HEAD_BYTES);
    (&mut *source).take(FRAME_HEAD_BYTES as u64).read_to_end(&mut head)?;
    let Some((head, _)) = parse_head(mark, &head) else { return Ok(None) };
    if u64::from(head.length) > BODY_BYTES_MAX {
        return Ok(None);
    }
    let mut body = Vec::with_capacity(head.length as usize);
    source.take(u64::from(head.length)).read_to_end(&mut body)?;
    Ok(Some(body).filter(|body| head.is_of(mark, body)))
}

/// Bytes that a body takes on the disk.
pub(super) const fn framed_bytes(body: &[u8]) -> u64 {
    (FRAME_HEAD_BYTES + body.len()) as u64
}

/// Whether a valid frame lies anywhere behind the first byte.
fn is_followed(mark: Mark, bytes: &[u8]) -> bool {
    let behind = bytes.get(1..).unwrap_or_default();
    let begins = |at: &usize| behind.get(*at..).is_some_and(|rest| rest.starts_with(&mark.0));
    (0..behind.len())
        .filter(begins)
        .any(|at| parse(mark, behind.get(at..).unwrap_or_default()).is_some())
}

/// Index, body and what follows, if a valid frame begins here.
fn parse(mark: Mark, bytes: &[u8]) -> Option<(u64, &[u8], &[u8])> {
    let (head, rest) = parse_head(mark, bytes)?;
    let (body, rest) = rest.split_at_checked(usize::try_from(head.length).ok()?)?;
    head.is_of(mark, body).then_some((head.index, body, rest))
}

/// What stands before the body of a frame.
struct Head {
    length: u32,
    index: u64,
    sum: u32,
}

impl Head {
    fn is_of(&self, mark: Mark, body: &[u8]) -> bool {
        body.len() == self.length as usize && checksum(mark, self.index, body) == self.sum
    }
}

fn parse_head(mark: Mark, bytes: &[u8]) -> Option<(Head, &[u8])> {
    let rest = bytes.strip_prefix(&mark.0)?;
    let (length, rest) = rest.split_first_chunk()?;
    let (index, rest) = rest.split_first_chunk()?;
    let (sum, rest) = rest.split_first_chunk()?;
    let length = u32::from_be_bytes(*length);
    let (index, sum) = (u64::from_be_bytes(*index), u32::from_be_bytes(*sum));
    Some((Head { length, index, sum }, rest))
}

fn frame_head(mark: Mark, index: u64, body: &[u8]) -> Result<Vec<u8>, WalError> {
    let length = u32::try_from(body.len()).ok().filter(|&l| u64::from(l) <= BODY_BYTES_MAX);
    let length = length.ok_or(WalError::TooLarge { got: body.len() as u64 })?;
    let mut out = Vec::with_capacity(FRAME_HEAD_BYTES);
    out.extend_from_slice(&mark.0);
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(&index.to_be_bytes());
    out.extend_from_slice(&checksum(mark, index, body).to_be_bytes());
    Ok(out)
}

fn checksum(mark: Mark, index: u64, body: &[u8]) -> u32 {
    let mut sum = Hasher::new();
    sum.update(&mark.0);
    sum.update(&index.to_be_bytes());
    sum.update(&(body.len() as u64).to_be_bytes());
    sum.update(body);
    sum.finalize()
}

fn header(magic: &[u8; 8], number: u64, mark: Mark) -> Vec<u8> {
    let mut out = [&magic[..], &number.to_be_bytes(), &mark.0].concat();
    let sum = crc32fast::hash(&out);
    out.extend_from_slice(&sum.to_be_bytes());
    out
}

/// The mark and what follows, if this is the header of the file.
fn parse_header<'a>(magic: &[u8; 8], number: u64, bytes: &'a [u8]) -> Option<(Mark, &'a [u8])> {
    let rest = bytes.strip_prefix(magic)?.strip_prefix(&number.to_be_bytes())?;
    let mark = Mark(*rest.first_chunk()?);
    Some((mark, bytes.strip_prefix(header(magic, number, mark).as_slice())?))
}

/// Whether the magic differs only in the two digits of its version, and not by rot.
fn is_other_format(magic: &[u8; 8], number: u64, bytes: &[u8]) -> bool {
    let (name, version) = magic.split_at(MAGIC_NAME_BYTES);
    let Some((theirs, rest)) = bytes.strip_prefix(name).and_then(|it| it.split_first_chunk::<2>())
    else {
        return false;
    };
    let digits = theirs != version && theirs.iter().all(u8::is_ascii_digit);
    // Of a file as large as a roll, only what a header takes.
    let rest = rest.get(..HEADER_BYTES - magic.len()).unwrap_or(rest);
    digits && parse_header(magic, number, &[&magic[..], rest].concat()).is_none()
}

const MARK_BYTES: usize = 8;
const MAGIC_NAME_BYTES: usize = 6;
pub(super) const HEADER_BYTES: usize = 8 + 8 + MARK_BYTES + 4;
const FRAME_HEAD_BYTES: usize = MARK_BYTES + 4 + 8 + 4;
const BODY_BYTES_MAX: u64 = 32 << 20; // the largest group
const FILE_BYTES_MAX: u64 = 128 << 20; // a full roll and one group beyond, held to recover
