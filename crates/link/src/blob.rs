//! Blocks that the host keeps for the enclave: one request is open at a time, in pieces.
//!
//! A name is eight bytes that mean nothing to the host; a blob is ciphertext under a key that never
//! leaves the enclave. Nothing that the host answers is believed: the enclave knows the digest of
//! each blob. Refused here: pieces that do not lie within their blob, and blobs longer than a block
//! can be.

use alloc::vec::Vec;

use lucarne_ledger::cbor::{CborError, Reader, Writer};

/// Bytes of one piece: with its envelope it fits the smaller frame of the two directions.
pub const PIECE_BYTES_MAX: usize = 48 << 10;
/// Bytes of one blob: the longest block of the store, and what encryption adds.
pub const BLOB_BYTES_MAX: u64 = (8 << 20) + (4 << 10);
/// Names in one answer: half of a frame towards the enclave.
pub const NAMES_MAX: usize = 4_096;

/// What the enclave calls a blob.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct BlobName(pub [u8; 8]);

/// What the enclave asks of the host.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Request<'a> {
    /// Keep a piece of a blob; the first of them begins it anew, the last makes it whole.
    Put {
        /// Which blob.
        name: BlobName,
        /// Its bytes in all.
        total: u64,
        /// Where the piece lies.
        offset: u64,
        /// The piece.
        bytes: &'a [u8],
    },
    /// Give the piece that begins at an offset.
    Get {
        /// Of which blob.
        name: BlobName,
        /// Where.
        offset: u64,
    },
    /// Forget a blob; one that is not there is forgotten already.
    Remove {
        /// Which.
        name: BlobName,
    },
    /// Say which whole blobs there are, in order, behind a name or from the first.
    List {
        /// The last name that is known already.
        after: Option<BlobName>,
    },
}

/// What the host answers; nothing of it is to be believed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Answer {
    /// To a put or a removal: done.
    Done,
    /// To a get: a piece.
    Piece {
        /// Bytes of the whole blob.
        total: u64,
        /// The piece.
        bytes: Vec<u8>,
    },
    /// To a get: there is no such blob.
    Nothing,
    /// To a list: the next names, fewer than [`NAMES_MAX`] when these are the last.
    Names(Vec<BlobName>),
    /// The host does not do it, or cannot now.
    Refused,
}

const PUT: u64 = 0;
const GET: u64 = 1;
const REMOVE: u64 = 2;
const LIST: u64 = 3;

const DONE: u64 = 0;
const PIECE: u64 = 1;
const NOTHING: u64 = 2;
const NAMES: u64 = 3;
const REFUSED: u64 = 4;

impl<'a> Request<'a> {
    pub(crate) fn write(&self, out: &mut Writer) {
        match self {
            Self::Put { name, total, offset, bytes } => {
                out.array(5).uint(PUT).bytes(&name.0).uint(*total).uint(*offset).bytes(bytes);
            }
            Self::Get { name, offset } => {
                out.array(3).uint(GET).bytes(&name.0).uint(*offset);
            }
            Self::Remove { name } => {
                out.array(2).uint(REMOVE).bytes(&name.0);
            }
            Self::List { after } => {
                out.array(2).uint(LIST).bytes(after.as_ref().map_or(&[], |name| &name.0[..]));
            }
        }
    }

    pub(crate) fn read(reader: &mut Reader<'a>) -> Result<Self, CborError> {
        let items = reader.array()?;
        match (reader.uint()?, items) {
            (PUT, 5) => {
                let (name, total) = (BlobName(reader.array_of()?), reader.uint()?);
                let (offset, bytes) = (reader.uint()?, reader.bytes()?);
                let end = offset.checked_add(piece(bytes)?).ok_or(CborError::Value)?;
                if end > total || total > BLOB_BYTES_MAX {
                    return Err(CborError::Value);
                }
                Ok(Self::Put { name, total, offset, bytes })
            }
            (GET, 3) => {
                let (name, offset) = (BlobName(reader.array_of()?), reader.uint()?);
                if offset >= BLOB_BYTES_MAX {
                    return Err(CborError::Value);
                }
                Ok(Self::Get { name, offset })
            }
            (REMOVE, 2) => Ok(Self::Remove { name: BlobName(reader.array_of()?) }),
            (LIST, 2) => {
                let after = match reader.bytes()? {
                    [] => None,
                    name => Some(BlobName(name.try_into().map_err(|_| CborError::Value)?)),
                };
                Ok(Self::List { after })
            }
            _ => Err(CborError::Value),
        }
    }
}

impl Answer {
    pub(crate) fn write(&self, out: &mut Writer) {
        match self {
            Self::Done => {
                out.array(1).uint(DONE);
            }
            Self::Piece { total, bytes } => {
                out.array(3).uint(PIECE).uint(*total).bytes(bytes);
            }
            Self::Nothing => {
                out.array(1).uint(NOTHING);
            }
            Self::Names(names) => {
                let joined: Vec<u8> = names.iter().flat_map(|name| name.0).collect();
                out.array(2).uint(NAMES).bytes(&joined);
            }
            Self::Refused => {
                out.array(1).uint(REFUSED);
            }
        }
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, CborError> {
        let items = reader.array()?;
        match (reader.uint()?, items) {
            (DONE, 1) => Ok(Self::Done),
            (PIECE, 3) => {
                let (total, bytes) = (reader.uint()?, reader.bytes()?);
                if piece(bytes)? > total || total > BLOB_BYTES_MAX {
                    return Err(CborError::Value);
                }
                Ok(Self::Piece { total, bytes: bytes.to_vec() })
            }
            (NOTHING, 1) => Ok(Self::Nothing),
            (NAMES, 2) => names(reader.bytes()?).map(Self::Names),
            (REFUSED, 1) => Ok(Self::Refused),
            _ => Err(CborError::Value),
        }
    }
}

/// The length of a piece, which has at least one byte.
fn piece(bytes: &[u8]) -> Result<u64, CborError> {
    let right = (1..=PIECE_BYTES_MAX).contains(&bytes.len());
    if right { Ok(bytes.len() as u64) } else { Err(CborError::Value) }
}

/// Names in order, none of them twice.
fn names(joined: &[u8]) -> Result<Vec<BlobName>, CborError> {
    let (names, rest) = joined.as_chunks::<8>();
    let ordered = names.is_sorted_by(|one, next| one < next);
    if !rest.is_empty() || names.len() > NAMES_MAX || !ordered {
        return Err(CborError::Value);
    }
    Ok(names.iter().map(|name| BlobName(*name)).collect())
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::vec;

    use super::*;
    use crate::message::{Down, Up};

    const NAME: BlobName = BlobName([1, 2, 3, 4, 5, 6, 7, 8]);

    #[track_caller]
    fn up(request: Request<'_>, right: bool) {
        let body = Up::Blob(request).encode();
        let expected = if right { Ok(Up::Blob(request)) } else { Err(CborError::Value) };
        assert_eq!(Up::decode(&body), expected);
        assert!(body.len() <= crate::frame::DOWN_BYTES_MAX);
    }

    #[track_caller]
    fn down(answer: Answer, right: bool) {
        let body = Down::Blob(answer.clone()).encode();
        let expected = if right { Ok(Down::Blob(answer)) } else { Err(CborError::Value) };
        assert_eq!(Down::decode(&body), expected);
        assert!(!right || body.len() <= crate::frame::DOWN_BYTES_MAX);
    }

    #[test]
    fn a_piece_lies_within_its_blob_and_a_blob_within_the_limit() {
        let full = vec![7; PIECE_BYTES_MAX];
        let put = |total, offset, bytes| Request::Put { name: NAME, total, offset, bytes };
        up(put(3, 0, b"abc"), true);
        up(put(2, 0, b"abc"), false);
        up(put(3, 1, b"abc"), false);
        up(put(3, 3, b""), false);
        up(put(BLOB_BYTES_MAX, BLOB_BYTES_MAX - 3, b"abc"), true);
        up(put(BLOB_BYTES_MAX + 1, 0, b"abc"), false);
        up(put(u64::MAX, u64::MAX, b"abc"), false);
        up(put(BLOB_BYTES_MAX, 0, &full), true);
        up(put(BLOB_BYTES_MAX, 0, &[&full[..], b"x"].concat()), false);
        up(Request::Get { name: NAME, offset: BLOB_BYTES_MAX - 1 }, true);
        up(Request::Get { name: NAME, offset: BLOB_BYTES_MAX }, false);
        up(Request::Remove { name: NAME }, true);
        up(Request::List { after: None }, true);
        up(Request::List { after: Some(NAME) }, true);
    }

    #[test]
    fn answers_are_bounded_and_names_in_order() {
        down(Answer::Done, true);
        down(Answer::Nothing, true);
        down(Answer::Refused, true);
        let piece = |total, len: usize| Answer::Piece { total, bytes: vec![1; len] };
        down(piece(3, 3), true);
        down(piece(2, 3), false);
        down(piece(3, 0), false);
        down(piece(BLOB_BYTES_MAX, PIECE_BYTES_MAX), true);
        down(piece(BLOB_BYTES_MAX, PIECE_BYTES_MAX + 1), false);
        down(piece(BLOB_BYTES_MAX + 1, 1), false);
        let name = |n: u64| BlobName(n.to_be_bytes());
        down(Answer::Names(vec![]), true);
        down(Answer::Names(vec![name(1), name(2)]), true);
        down(Answer::Names(vec![name(2), name(1)]), false);
        down(Answer::Names(vec![name(1), name(1)]), false);
        down(Answer::Names((0..NAMES_MAX as u64).map(name).collect()), true);
        down(Answer::Names((0..=NAMES_MAX as u64).map(name).collect()), false);
    }
}
