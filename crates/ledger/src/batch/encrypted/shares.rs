//! Batches whose payloads are encrypted under several keys: version 3 of the format.
//!
//! `[3, statement, frontier, [word, shares, owners, salts], records]`. A share is what one data key
//! holds, `[0, key, content]`: the salts and the payloads of its records, so that nothing of them
//! is left once the key is gone. `owners` names the share of each record. The word of the gateway
//! covers keys, contents and owners: nobody else can say that a record went with another's key.
//! Records are those of version 2; where a share was opened by a reader, it is
//! `[1, key, SHA-256 of content]`, and its records stand there with payloads.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use super::{Apart, kept};
use crate::batch::{AUTHORISATION_BYTES_MAX, BatchError, Content, Parts, Secret, assemble};
use crate::cbor::{CborError, Reader, Writer};
use crate::encryption::{Encryption, KeyId};
use crate::hash::Hash;
use crate::record::Stream;
use crate::statement::Statement;

/// Version of a batch with payloads under several keys.
pub const VERSION: u64 = 3;
/// Word, shares, owners, salts.
pub(in crate::batch) const FIELDS: u64 = 4;
/// Most shares: a number of two bytes names each, and one says that a record is in none.
pub const SHARES_MAX: usize = 0xffff;
/// In no share: a control record, or one that was withheld.
const NONE: [u8; 2] = [0xff, 0xff];

/// What stands in the place of seed or salts.
#[derive(Debug)]
pub(crate) struct Shares<'a> {
    word: &'a [u8],
    list: Vec<Share<'a>>,
    owners: &'a [u8],
    salts: &'a [u8],
}

#[derive(Clone, Copy, Debug)]
struct Share<'a> {
    key: KeyId,
    body: Body<'a>,
}

#[derive(Clone, Copy, Debug)]
enum Body<'a> {
    /// Encrypted.
    Closed(&'a [u8]),
    /// Its payloads stand in their records; this was the digest of the encrypted bytes.
    Opened(Hash),
}

impl<'a> Share<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, BatchError> {
        if reader.array()? != 3 {
            return Err(CborError::Value.into());
        }
        let (form, key) = (reader.uint()?, KeyId(reader.array_of()?));
        let body = match form {
            0 => Body::Closed(reader.bytes()?),
            1 => Body::Opened(Hash(reader.array_of()?)),
            _ => return Err(CborError::Value.into()),
        };
        Ok(Self { key, body })
    }

    fn write(&self, out: &mut Writer) {
        match self.body {
            Body::Closed(content) => out.array(3).uint(0).bytes(&self.key.0).bytes(content),
            Body::Opened(digest) => out.array(3).uint(1).bytes(&self.key.0).bytes(&digest.0),
        };
    }

    fn digest(&self) -> Hash {
        match self.body {
            Body::Closed(content) => Hash::of(content),
            Body::Opened(digest) => digest,
        }
    }
}

impl<'a> Shares<'a> {
    pub(in crate::batch) fn read(reader: &mut Reader<'a>) -> Result<Self, BatchError> {
        let word = reader.bytes()?;
        let count = reader.array()?;
        if word.len() > AUTHORISATION_BYTES_MAX || count > SHARES_MAX as u64 {
            return Err(BatchError::Encryption);
        }
        let list = (0..count).map(|_| Share::read(reader)).collect::<Result<_, _>>()?;
        Ok(Self { word, list, owners: reader.bytes()?, salts: reader.bytes()? })
    }

    pub(in crate::batch) fn write<'w>(&self, out: &'w mut Writer) -> &'w mut Writer {
        out.array(FIELDS).bytes(self.word).array(self.list.len() as u64);
        self.list.iter().for_each(|share| share.write(out));
        out.bytes(self.owners).bytes(self.salts)
    }

    pub(in crate::batch) const fn word(&self) -> &'a [u8] {
        self.word
    }

    pub(in crate::batch) const fn salts(&self) -> &'a [u8] {
        self.salts
    }

    /// Bytes of what is encrypted, and of what says whose it is.
    pub(in crate::batch) fn bytes(&self) -> usize {
        let content = |share: &Share<'_>| match share.body {
            Body::Closed(content) => content.len(),
            Body::Opened(_) => 32,
        };
        self.list.iter().map(content).sum::<usize>() + self.owners.len() + self.salts.len()
    }

    /// The data key of a record, by its position.
    pub(in crate::batch) fn key_of(&self, index: usize) -> Option<KeyId> {
        self.owner(index).map(|(_, share)| share.key)
    }

    /// Whether the payload of a record that is there is encrypted.
    pub(in crate::batch) fn hides(&self, index: usize, stream: Stream) -> Result<bool, BatchError> {
        match (self.owner(index), stream == Stream::Control) {
            (None, true) => Ok(false),
            (Some((_, share)), false) => Ok(matches!(share.body, Body::Closed(_))),
            // Plain without a share, or the life of the ledger in one.
            (None, false) | (Some(_), true) => Err(BatchError::Encryption),
        }
    }

    /// That the owners are those of so many records: shares in the order of their first record,
    /// none without one, no key twice.
    pub(in crate::batch) fn check_owners(&self, count: usize) -> Result<(), BatchError> {
        let (owners, rest) = self.owners.as_chunks::<2>();
        let keys: BTreeSet<KeyId> = self.list.iter().map(|share| share.key).collect();
        let mut met = 0;
        for owner in owners.iter().filter(|owner| **owner != NONE) {
            let owner = usize::from(u16::from_be_bytes(*owner));
            if owner > met {
                return Err(BatchError::Encryption);
            }
            met = met.max(owner.saturating_add(1));
        }
        let whole = owners.len() == count && rest.is_empty();
        let fits = whole && met > 0 && met == self.list.len() && keys.len() == met;
        if fits { Ok(()) } else { Err(BatchError::Encryption) }
    }

    // That the word is about these very bytes. Whose word it is, is the auditor's question.
    pub(in crate::batch) fn check(&self, statement: &Statement) -> Result<(), BatchError> {
        let word = Encryption::claimed(self.word).map_err(|_| BatchError::Encryption)?;
        let digests = self.list.iter().map(|share| (share.key, share.digest()));
        let fits = word == encryption(statement, digests, self.owners);
        if fits { Ok(()) } else { Err(BatchError::Encryption) }
    }

    /// Keys, and what is under those that are not opened yet.
    pub(super) fn closed(&self) -> Vec<(KeyId, Option<&'a [u8]>)> {
        let one = |share: &Share<'a>| match share.body {
            Body::Closed(content) => (share.key, Some(content)),
            Body::Opened(_) => (share.key, None),
        };
        self.list.iter().map(one).collect()
    }

    fn owner(&self, index: usize) -> Option<(usize, &Share<'a>)> {
        let owner = self.owners.as_chunks::<2>().0.get(index).filter(|owner| **owner != NONE)?;
        let at = usize::from(u16::from_be_bytes(*owner));
        self.list.get(at).map(|share| (at, share))
    }
}

/// Steps over what stands in the place of seed or salts.
pub(in crate::batch) fn skip(reader: &mut Reader<'_>) -> Result<(), CborError> {
    reader.bytes()?;
    for _ in 0..reader.array()? {
        reader.array()?;
        reader.uint()?;
        reader.bytes()?;
        reader.bytes()?;
    }
    reader.bytes()?;
    reader.bytes().map(drop)
}

/// The word that goes with shares.
fn encryption(
    statement: &Statement,
    digests: impl ExactSizeIterator<Item = (KeyId, Hash)>,
    owners: &[u8],
) -> Encryption {
    let mut cover = Writer::new();
    cover.array(2).array(digests.len() as u64);
    digests.for_each(|(key, digest)| {
        cover.array(2).bytes(&key.0).bytes(&digest.0);
    });
    cover.bytes(owners);
    Encryption {
        ledger: statement.ledger.clone(),
        first: statement.first,
        root: statement.root,
        key: None,
        content: Hash::of(&cover.finish()),
    }
}

/// A batch taken apart, with what is secret in it divided by key.
#[derive(Debug)]
pub struct Divided<'b, 'a> {
    apart: &'b Apart<'a>,
    secrets: Vec<(KeyId, Vec<u8>)>,
    owners: Vec<u8>,
}

/// What is to be encrypted under one key, as it grows.
#[derive(Debug, Default)]
struct Secrets {
    salts: Vec<u8>,
    payloads: Writer,
}

impl<'a> Apart<'a> {
    /// Divides what is to be encrypted: `key_of` gives the key of the record at a position.
    ///
    /// # Errors
    /// Those of `key_of`, and `Encryption` when there are more keys than [`SHARES_MAX`].
    pub fn divide<E: From<BatchError>>(
        &self,
        mut key_of: impl FnMut(usize) -> Result<KeyId, E>,
    ) -> Result<Divided<'_, 'a>, E> {
        let mut places: BTreeMap<KeyId, u16> = BTreeMap::new();
        let mut secrets: Vec<(KeyId, Secrets)> = Vec::new();
        let mut owners = Vec::with_capacity(self.batch.records.len().saturating_mul(2));
        for (index, record) in self.batch.records.iter().enumerate() {
            let (Content::Present { payload, salt }, false) =
                (record.content, record.stream == Stream::Control)
            else {
                owners.extend(NONE);
                continue;
            };
            let key = key_of(index)?;
            let next = u16::try_from(secrets.len()).ok().filter(|next| next.to_be_bytes() != NONE);
            let place = match places.get(&key) {
                Some(place) => *place,
                None => {
                    let next = next.ok_or(BatchError::Encryption)?;
                    places.insert(key, next);
                    secrets.push((key, Secrets::default()));
                    next
                }
            };
            owners.extend(place.to_be_bytes());
            if let Some((_, secrets)) = secrets.get_mut(usize::from(place)) {
                secrets.salts.extend_from_slice(&salt);
                secrets.payloads.bytes(payload);
            }
        }
        let secrets = secrets.into_iter().map(|(key, secrets)| (key, secrets.finish()));
        Ok(Divided { apart: self, secrets: secrets.collect(), owners })
    }
}

impl Secrets {
    fn finish(self) -> Vec<u8> {
        let mut out = Writer::new();
        out.bytes(&self.salts).raw(&self.payloads.finish());
        out.finish()
    }
}

impl Divided<'_, '_> {
    /// What is to be encrypted under each key: salts, then payloads.
    pub fn secrets(&self) -> &[(KeyId, Vec<u8>)] {
        &self.secrets
    }

    /// The word that goes with the encrypted contents, which are given in the order of
    /// [`secrets`](Self::secrets).
    pub fn encryption(&self, contents: &[Vec<u8>]) -> Encryption {
        let digests = self.secrets.iter().zip(contents);
        let digests = digests.map(|((key, _), content)| (*key, Hash::of(content)));
        encryption(self.apart.statement(), digests, &self.owners)
    }

    /// The batch with the contents in the place of what was to be encrypted; `word` is the signed
    /// [`encryption`](Self::encryption) over them.
    pub fn with(&self, contents: &[Vec<u8>], word: &[u8]) -> Vec<u8> {
        let (salts, records) = kept(&self.apart.batch);
        let shares = self.secrets.iter().zip(contents);
        let shares =
            shares.map(|((key, _), content)| Share { key: *key, body: Body::Closed(content) });
        let shares = Shares { word, list: shares.collect(), owners: &self.owners, salts: &salts };
        let (parts, count) = (&self.apart.batch.parts, self.apart.statement().count);
        assemble(parts.statement, parts.frontier, &Secret::Shared(shares), count, &records)
    }
}

/// A share that is being opened.
struct Opening<'s> {
    salts: core::slice::Iter<'s, [u8; 16]>,
    payloads: Reader<'s>,
}

impl<'s> Opening<'s> {
    fn new(secret: &'s [u8]) -> Result<Self, BatchError> {
        let mut payloads = Reader::new(secret);
        let (salts, rest) = payloads.bytes()?.as_chunks::<16>();
        if !rest.is_empty() {
            return Err(BatchError::Secret);
        }
        Ok(Self { salts: salts.iter(), payloads })
    }

    fn next(&mut self) -> Result<(&'s [u8; 16], &'s [u8]), BatchError> {
        let salt = self.salts.next().ok_or(BatchError::Secret)?;
        Ok((salt, self.payloads.bytes()?))
    }

    fn end(self) -> Result<(), BatchError> {
        self.payloads.end()?;
        if self.salts.as_slice().is_empty() { Ok(()) } else { Err(BatchError::Secret) }
    }
}

/// The batch with those shares opened of which there is a secret.
pub(super) fn open(
    parts: &Parts<'_>,
    shares: &Shares<'_>,
    secrets: &[Option<Vec<u8>>],
) -> Result<Vec<u8>, BatchError> {
    if secrets.len() != shares.list.len() {
        return Err(BatchError::Secret);
    }
    let mut openings = Vec::with_capacity(secrets.len());
    for secret in secrets {
        openings.push(secret.as_deref().map(Opening::new).transpose()?);
    }
    let (salts, records) = fill(parts, shares, &mut openings)?;
    openings.into_iter().flatten().try_for_each(Opening::end)?;
    let list = shares.list.iter().zip(secrets).map(|(share, secret)| match secret {
        Some(_) => Share { key: share.key, body: Body::Opened(share.digest()) },
        None => *share,
    });
    let list = list.collect();
    let opened = Shares { word: shares.word, list, owners: shares.owners, salts: &salts };
    let secret = Secret::Shared(opened);
    Ok(assemble(parts.statement, parts.frontier, &secret, parts.count, &records))
}

/// Salts and records, with the payloads of shares that are being opened in their places.
fn fill(
    parts: &Parts<'_>,
    shares: &Shares<'_>,
    openings: &mut [Option<Opening<'_>>],
) -> Result<(Vec<u8>, Vec<u8>), BatchError> {
    let mut kept = shares.salts.as_chunks::<16>().0.iter();
    let mut salts = Vec::with_capacity(shares.salts.len());
    let mut outer = Reader::new(parts.records);
    let mut records = Writer::after(Vec::with_capacity(parts.records.len()));
    for index in 0..usize::try_from(parts.count).map_err(|_| CborError::Value)? {
        let fields = outer.array()?;
        records.array(fields).uint(outer.uint()?);
        let there = outer.bytes()?;
        let owner = shares.owner(index);
        let closed = owner.is_some_and(|(_, share)| matches!(share.body, Body::Closed(_)));
        let opening = owner.and_then(|(at, _)| openings.get_mut(at)?.as_mut());
        match (fields, closed, opening) {
            (2, true, Some(opening)) => {
                let (salt, payload) = opening.next()?;
                salts.extend_from_slice(salt);
                records.bytes(payload);
            }
            (2, true, None) => {
                records.bytes(there);
            }
            (2, false, None) => {
                salts.extend_from_slice(kept.next().ok_or(BatchError::Secret)?);
                records.bytes(there);
            }
            (3, false, None) => {
                records.bytes(there).bytes(outer.bytes()?);
            }
            _ => return Err(CborError::Value.into()),
        }
    }
    outer.end()?;
    Ok((salts, records.finish()))
}

#[cfg(test)]
mod tests;
