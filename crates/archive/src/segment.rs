//! The `.seal` file: a header, then frames, then the end of the file.
//!
//! ```text
//! "LUCSEAL1"
//! frame*: be32 length || SHA-256 of the compressed bytes || one zstd frame of that length
//! ```
//!
//! The content of a frame is one or more whole batches, opaque here. A zstd stream has bits that do
//! not matter; the digest over the compressed bytes makes every bit of the file count. Reading
//! holds one frame in memory, and refuses a file that is cut, empty, or goes on after its last
//! frame.

use std::fmt;
use std::io::{self, ErrorKind, Read};

use lucarne_ledger::hash::Hash;
use zstd::bulk::{Compressor, Decompressor};
use zstd::zstd_safe;

/// Builds a `.seal` file in memory: it closes at 8 MiB of content.
pub struct SegmentWriter {
    out: Vec<u8>,
    compressor: Compressor<'static>,
    frames: u64,
    content_bytes: u64,
}

impl fmt::Debug for SegmentWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("SegmentWriter");
        debug.field("frames", &self.frames).field("content_bytes", &self.content_bytes).finish()
    }
}

impl SegmentWriter {
    /// A file without frames.
    ///
    /// # Errors
    /// When the compressor cannot be made.
    pub fn new() -> Result<Self, SegmentError> {
        let compressor = Compressor::new(LEVEL).map_err(|_| SegmentError::Compress)?;
        Ok(Self { out: MAGIC.to_vec(), compressor, frames: 0, content_bytes: 0 })
    }

    /// Appends a frame of one or more whole batches.
    ///
    /// # Errors
    /// `Content` when it is empty or larger than a frame may be.
    pub fn push(&mut self, batches: &[u8]) -> Result<(), SegmentError> {
        let at = self.place();
        if batches.is_empty() || batches.len() > CONTENT_BYTES_MAX {
            return Err(SegmentError::Content { at, got: batches.len() as u64 });
        }
        let compressed = self.compressor.compress(batches).map_err(|_| SegmentError::Compress)?;
        let length = u32::try_from(compressed.len()).unwrap_or(u32::MAX);
        if length > FRAME_BYTES_MAX {
            return Err(SegmentError::Length { at, got: length });
        }
        self.out.extend_from_slice(&length.to_be_bytes());
        self.out.extend_from_slice(&Hash::of(&compressed).0);
        self.out.extend_from_slice(&compressed);
        self.frames += 1;
        self.content_bytes += batches.len() as u64;
        Ok(())
    }

    /// Bytes of content so far, before compression: what decides when a file closes.
    pub const fn content_bytes(&self) -> u64 {
        self.content_bytes
    }

    /// Whether nothing was pushed yet. An empty file is not a valid one.
    pub const fn is_empty(&self) -> bool {
        self.frames == 0
    }

    /// The whole file.
    pub fn finish(self) -> Vec<u8> {
        self.out
    }

    fn place(&self) -> Place {
        Place { offset: self.out.len() as u64, frame: self.frames }
    }
}

/// Reads a `.seal` file frame by frame.
pub struct SegmentReader<R> {
    source: R,
    at: Place,
    compressed: Vec<u8>,
    content: Vec<u8>,
    decompressor: Decompressor<'static>,
}

impl<R> fmt::Debug for SegmentReader<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SegmentReader").field("at", &self.at).finish_non_exhaustive()
    }
}

/// Where in a file something is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Place {
    /// Bytes before it.
    pub offset: u64,
    /// Frames before it.
    pub frame: u64,
}

/// One frame.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Frame<'r> {
    /// Where it begins.
    pub at: Place,
    /// One or more batches.
    pub content: &'r [u8],
}

impl<R: Read> SegmentReader<R> {
    /// Reads the header.
    ///
    /// # Errors
    /// `Magic` when it is not a `.seal` file.
    pub fn open(mut source: R) -> Result<Self, SegmentError> {
        let at = Place { offset: 0, frame: 0 };
        let mut magic = [0; MAGIC.len()];
        let read = fill(&mut source, &mut magic, at)?;
        if read < magic.len() || magic != *MAGIC {
            return Err(SegmentError::Magic);
        }
        let decompressor = Decompressor::new().map_err(|_| SegmentError::Compress)?;
        let at = Place { offset: MAGIC.len() as u64, frame: 0 };
        Ok(Self { source, at, compressed: Vec::new(), content: Vec::new(), decompressor })
    }

    /// The next frame, or `None` at the end of a file that has at least one.
    ///
    /// # Errors
    /// When the file is not whole or not as it was written. Reading does not go on after that.
    pub fn next_frame(&mut self) -> Result<Option<Frame<'_>>, SegmentError> {
        let at = self.at;
        let mut head = [0; HEAD_BYTES];
        match fill(&mut self.source, &mut head, at)? {
            0 if at.frame == 0 => return Err(SegmentError::Empty),
            0 => return Ok(None),
            read if read < HEAD_BYTES => return Err(SegmentError::Truncated { at }),
            _ => {}
        }
        let (length, digest) = split_head(head);
        if length == 0 || length > FRAME_BYTES_MAX {
            return Err(SegmentError::Length { at, got: length });
        }
        self.read_compressed(length, at)?;
        if Hash::of(&self.compressed) != digest {
            return Err(SegmentError::Digest { at });
        }
        self.decompress(at)?;
        self.at.offset += HEAD_BYTES as u64 + u64::from(length);
        self.at.frame += 1;
        Ok(Some(Frame { at, content: &self.content }))
    }

    /// Reads what is there before it believes the length: a lying head must not cost memory.
    fn read_compressed(&mut self, length: u32, at: Place) -> Result<(), SegmentError> {
        self.compressed.clear();
        let mut limited = (&mut self.source).take(u64::from(length));
        let read = limited.read_to_end(&mut self.compressed);
        let read = read.map_err(|source| SegmentError::Read { at, source })?;
        if read as u64 == u64::from(length) { Ok(()) } else { Err(SegmentError::Truncated { at }) }
    }

    fn decompress(&mut self, at: Place) -> Result<(), SegmentError> {
        let frame = self.compressed.as_slice();
        // Skippable frames have another magic: they hold what no digest of content covers.
        let whole = frame.starts_with(&ZSTD_MAGIC)
            && zstd_safe::find_frame_compressed_size(frame) == Ok(frame.len());
        if !whole {
            return Err(SegmentError::Zstd { at });
        }
        let declared = zstd_safe::get_frame_content_size(frame).ok().flatten();
        let Some(declared) = declared else { return Err(SegmentError::Zstd { at }) };
        let size = usize::try_from(declared).unwrap_or(usize::MAX);
        if size == 0 || size > CONTENT_BYTES_MAX {
            return Err(SegmentError::Content { at, got: declared });
        }
        self.content.clear();
        self.content.reserve(size);
        match self.decompressor.decompress_to_buffer(frame, &mut self.content) {
            Ok(written) if written == size => Ok(()),
            _ => Err(SegmentError::Zstd { at }),
        }
    }
}

/// Why a file cannot be written or read.
#[derive(Debug)]
pub enum SegmentError {
    /// The source failed.
    Read {
        /// Where.
        at: Place,
        /// How.
        source: io::Error,
    },
    /// The file does not begin as a `.seal` file of this version does.
    Magic,
    /// The file has no frame.
    Empty,
    /// The file ends inside a frame.
    Truncated {
        /// The frame.
        at: Place,
    },
    /// A frame has no bytes or more than 16 MiB.
    Length {
        /// The frame.
        at: Place,
        /// Its length.
        got: u32,
    },
    /// The bytes of a frame are not those that were written.
    Digest {
        /// The frame.
        at: Place,
    },
    /// A frame is not exactly one zstd frame with a declared and true content size.
    Zstd {
        /// The frame.
        at: Place,
    },
    /// The content of a frame is empty or larger than 64 MiB.
    Content {
        /// The frame.
        at: Place,
        /// Its bytes, as declared.
        got: u64,
    },
    /// The compressor failed: there was no memory for it.
    Compress,
}

impl fmt::Display for SegmentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read { at, .. } => write!(f, "read seal file, {at}"),
            Self::Magic => write!(f, "not a seal file of this version"),
            Self::Empty => write!(f, "seal file has no frame"),
            Self::Truncated { at } => write!(f, "seal file is cut off, {at}"),
            Self::Length { at, got } => write!(f, "seal frame claims {got} bytes, {at}"),
            Self::Digest { at } => write!(f, "seal frame does not match its digest, {at}"),
            Self::Zstd { at } => write!(f, "seal frame is not one zstd frame, {at}"),
            Self::Content { at, got } => write!(f, "seal frame has {got} bytes of content, {at}"),
            Self::Compress => write!(f, "compressor failed"),
        }
    }
}

impl std::error::Error for SegmentError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Read { source, .. } => Some(source),
            Self::Magic
            | Self::Empty
            | Self::Truncated { .. }
            | Self::Length { .. }
            | Self::Digest { .. }
            | Self::Zstd { .. }
            | Self::Content { .. }
            | Self::Compress => None,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "frame {} at byte {}", self.frame, self.offset)
    }
}

fn split_head(head: [u8; HEAD_BYTES]) -> (u32, Hash) {
    let (mut length, mut digest) = ([0; 4], [0; 32]);
    let (first, rest) = head.split_at(4);
    length.copy_from_slice(first);
    digest.copy_from_slice(rest);
    (u32::from_be_bytes(length), Hash(digest))
}

/// Reads until the buffer is full or the source ends.
fn fill(source: &mut impl Read, buffer: &mut [u8], at: Place) -> Result<usize, SegmentError> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match source.read(rest) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(source) => return Err(SegmentError::Read { at, source }),
        }
    }
    Ok(filled)
}

/// Eight bytes so that a file tells what it is and in which version.
const MAGIC: &[u8; 8] = b"LUCSEAL1";
const HEAD_BYTES: usize = 4 + 32;
/// Twice the content at which a segment closes: one batch may go beyond it.
const FRAME_BYTES_MAX: u32 = 16 << 20;
/// What a reader is willing to hold; a batch is far smaller.
const CONTENT_BYTES_MAX: usize = 64 << 20;
/// zstd's own default: half the size of the fast levels' output still at some 300 MB/s.
const LEVEL: i32 = 3;
/// RFC 8878 §3.1.1.
const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

#[cfg(test)]
mod tests;
