//! Batches whose payloads are encrypted: version 2 of the format.
//!
//! `[2, statement, frontier, [key, word, content, salts], records]`: `key` names the data key,
//! `content` holds secret and payloads under it and is opaque here, `word` is the gateway's
//! [`Encryption`] over both, `salts` are those of the records that stay plain. A record is
//! `[stream, commitment]`, and one of the control stream `[stream, payload]`: what tells the life
//! of the ledger is never encrypted. Nothing here encrypts: it takes a batch apart and puts the
//! same bytes together again. Where records have keys of their own, see [`shares`].

use alloc::vec::Vec;

use super::{
    AUTHORISATION_BYTES_MAX, BatchError, Content, Parts, Secret, VerifiedBatch, assemble, cose,
};
use crate::cbor::{CborError, Reader, Writer};
use crate::encryption::{Encryption, KeyId};
use crate::hash::Hash;
use crate::record::Stream;
use crate::statement::Statement;

pub mod shares;

/// Version of a batch with encrypted payloads.
pub const VERSION: u64 = 2;
/// Key, word, content, salts.
pub(super) const FIELDS: u64 = 4;

/// What stands in the place of seed or salts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sealing<'a> {
    pub(super) key: KeyId,
    pub(super) word: &'a [u8],
    pub(super) content: &'a [u8],
    pub(super) salts: &'a [u8],
}

impl<'a> Sealing<'a> {
    pub(super) fn read(reader: &mut Reader<'a>) -> Result<Self, BatchError> {
        let key = KeyId(reader.array_of()?);
        let word = reader.bytes()?;
        if word.len() > AUTHORISATION_BYTES_MAX {
            return Err(BatchError::Encryption);
        }
        Ok(Self { key, word, content: reader.bytes()?, salts: reader.bytes()? })
    }

    pub(super) fn write<'w>(&self, out: &'w mut Writer) -> &'w mut Writer {
        out.array(FIELDS).bytes(&self.key.0).bytes(self.word).bytes(self.content).bytes(self.salts)
    }

    // That the word is about these very bytes. Whose word it is, is the auditor's question.
    pub(super) fn check(&self, statement: &Statement) -> Result<(), BatchError> {
        let word = Encryption::claimed(self.word).map_err(|_| BatchError::Encryption)?;
        let fits = word == encryption(statement, self.key, self.content);
        if fits { Ok(()) } else { Err(BatchError::Encryption) }
    }
}

/// The word that goes with the encrypted payloads of a batch.
pub fn encryption(statement: &Statement, key: KeyId, content: &[u8]) -> Encryption {
    Encryption {
        ledger: statement.ledger.clone(),
        first: statement.first,
        root: statement.root,
        key: Some(key),
        content: Hash::of(content),
    }
}

/// A batch taken apart: what stays plain, and what is to be encrypted.
#[derive(Debug)]
pub struct Apart<'a> {
    batch: VerifiedBatch<'a>,
}

/// Takes a batch apart after every check but that of its signature, which was made when it came.
///
/// `None` when there is nothing to encrypt, or it is encrypted already.
///
/// # Errors
/// The first check that fails.
pub fn take_apart(bytes: &[u8]) -> Result<Option<Apart<'_>>, BatchError> {
    let parts = Parts::split(bytes)?;
    let statement = Statement::from_cbor(cose::unverified_payload(parts.statement)?)?;
    let batch = parts.check(statement)?;
    match batch.parts.secret {
        Secret::Seed(_) | Secret::Salts(_) => {}
        Secret::Encrypted(_) | Secret::Shared(_) => return Ok(None),
    }
    let any = batch.records.iter().any(|record| {
        record.stream != Stream::Control && matches!(record.content, Content::Present { .. })
    });
    Ok(any.then_some(Apart { batch }))
}

impl<'a> Apart<'a> {
    /// The batch. Its signature was not checked here.
    pub const fn batch(&self) -> &VerifiedBatch<'a> {
        &self.batch
    }

    /// What was signed.
    pub const fn statement(&self) -> &Statement {
        self.batch.statement()
    }

    /// What is to be encrypted: the secret of the batch, then its payloads.
    pub fn secret(&self) -> Vec<u8> {
        let mut secret = Writer::new();
        match self.batch.parts.secret {
            Secret::Seed(seed) => secret.array(2).uint(0).bytes(seed),
            Secret::Salts(salts) => secret.array(2).uint(1).bytes(salts),
            // Such a batch is not taken apart.
            Secret::Encrypted(_) | Secret::Shared(_) => &mut secret,
        };
        for record in self.batch.records.iter().filter(|one| one.stream != Stream::Control) {
            if let Content::Present { payload, .. } = record.content {
                secret.bytes(payload);
            }
        }
        secret.finish()
    }

    /// The batch with `content` in the place of what was to be encrypted; `word` is the signed
    /// [`encryption`] over it.
    pub fn with(&self, key: KeyId, content: &[u8], word: &[u8]) -> Vec<u8> {
        let (salts, records) = kept(&self.batch);
        let parts = &self.batch.parts;
        let secret = Secret::Encrypted(Sealing { key, word, content, salts: &salts });
        let count = self.batch.statement.count;
        assemble(parts.statement, parts.frontier, &secret, count, &records)
    }
}

/// What stays plain: salts of the control records, and every record without its payload.
fn kept(batch: &VerifiedBatch<'_>) -> (Vec<u8>, Vec<u8>) {
    let mut salts = Vec::new();
    let mut records = Writer::new();
    for record in &batch.records {
        let stream = u64::from(record.stream.code());
        match record.content {
            Content::Present { payload, salt } if record.stream == Stream::Control => {
                salts.extend_from_slice(&salt);
                records.array(2).uint(stream).bytes(payload);
            }
            Content::Present { .. } | Content::Encrypted => {
                records.array(2).uint(stream).bytes(&record.commitment.0);
            }
            Content::Withheld { authorisation } => {
                let commitment = &record.commitment.0;
                records.array(3).uint(stream).bytes(commitment).bytes(authorisation);
            }
        }
    }
    (salts, records.finish())
}

/// The encrypted part of a batch, nothing of which has been checked.
#[derive(Clone, Debug)]
pub struct Claimed<'a> {
    /// What the batch says it is.
    pub statement: Statement,
    /// The data keys that it names, and what is under each; nothing for one that was opened.
    pub shares: Vec<(KeyId, Option<&'a [u8]>)>,
}

/// What there is to decrypt in a batch; `None` when nothing is, or the bytes are no batch.
pub fn claimed(bytes: &[u8]) -> Option<Claimed<'_>> {
    // Most batches are plain, and the second byte says so.
    if !matches!(bytes.get(1), Some(2 | 3)) {
        return None;
    }
    let parts = Parts::split(bytes).ok()?;
    let shares = match &parts.secret {
        Secret::Seed(_) | Secret::Salts(_) => return None,
        Secret::Encrypted(sealing) => alloc::vec![(sealing.key, Some(sealing.content))],
        Secret::Shared(shares) => shares.closed(),
    };
    let statement = Statement::from_cbor(cose::unverified_payload(parts.statement).ok()?).ok()?;
    Some(Claimed { statement, shares })
}

/// The batch with what its shares decrypt to, in the order of [`Claimed::shares`]; those without
/// a secret stay closed. Where all payloads were under one key, it is the batch as it was.
///
/// The result is to be verified like any other: only that shows that these are the payloads that
/// were sealed.
///
/// # Errors
/// When the bytes are no encrypted batch, or a secret does not fit it.
pub fn put_together(bytes: &[u8], secrets: &[Option<Vec<u8>>]) -> Result<Vec<u8>, BatchError> {
    let parts = Parts::split(bytes)?;
    match (&parts.secret, secrets) {
        (Secret::Encrypted(_), [Some(secret)]) => restored(&parts, secret),
        (Secret::Shared(shares), secrets) => shares::open(&parts, shares, secrets),
        _ => Err(BatchError::Secret),
    }
}

/// The batch as it was before all of it was encrypted under one key.
fn restored(parts: &Parts<'_>, secret: &[u8]) -> Result<Vec<u8>, BatchError> {
    let mut inner = Reader::new(secret);
    if inner.array()? != 2 {
        return Err(CborError::Value.into());
    }
    let restored = match inner.uint()? {
        0 => Secret::Seed(inner.bytes()?.try_into().map_err(|_| BatchError::Secret)?),
        1 => Secret::Salts(inner.bytes()?),
        _ => return Err(CborError::Value.into()),
    };
    let mut outer = Reader::new(parts.records);
    let mut records = Writer::after(Vec::with_capacity(parts.records.len() + secret.len()));
    for _ in 0..parts.count {
        let fields = outer.array()?;
        let stream = outer.uint()?;
        let plain = outer.bytes()?;
        records.array(fields).uint(stream);
        match fields {
            2 if stream == u64::from(Stream::Control.code()) => records.bytes(plain),
            2 => records.bytes(inner.bytes()?),
            3 => records.bytes(plain).bytes(outer.bytes()?),
            _ => return Err(CborError::Value.into()),
        };
    }
    outer.end()?;
    inner.end()?;
    Ok(assemble(parts.statement, parts.frontier, &restored, parts.count, &records.finish()))
}

#[cfg(test)]
mod tests {
    use super::super::{claimed_statement, split_first, verify};
    use super::*;
    use crate::key::{Ed25519Key, Signer as _};
    use crate::testing::{P256, audit_batch, epoch_key, telemetry_batch};

    const KEY: KeyId = KeyId([9; 16]);

    /// Not a cipher: what is encrypted, and how, is not this module's business.
    fn encrypt(bytes: &[u8], signer: &Ed25519Key) -> Vec<u8> {
        let apart = take_apart(bytes).unwrap().unwrap();
        let content: Vec<u8> = apart.secret().iter().map(|byte| !byte).collect();
        let word = encryption(apart.statement(), KEY, &content).sign(signer).unwrap();
        apart.with(KEY, &content, &word)
    }

    #[test]
    fn a_batch_taken_apart_verifies_and_put_together_is_the_same_bytes() {
        let (key, signer) = (P256::of_rfc_6979(), Ed25519Key::from_seed(&[3; 32]).unwrap());
        let epoch = epoch_key(&key);
        for sealed in [audit_batch(&key, 3), telemetry_batch(&key)] {
            let whole = verify(sealed.bytes(), &epoch).unwrap();
            let last = whole.records().len() - 1;
            let holes = whole.withhold(|at| (at == last).then(|| alloc::vec![7]));
            for plain in [sealed.bytes(), &holes] {
                let hidden = encrypt(plain, &signer);
                let batch = verify(&hidden, &epoch).unwrap();
                assert_eq!(batch.statement(), whole.statement());
                assert_eq!(batch.end().root(), whole.end().root());
                assert_eq!(batch.has_holes(), plain == holes);
                let word = batch.encryption().unwrap();
                let word = Encryption::verify(word, signer.public_key()).unwrap();
                assert_eq!((word.key, word.root), (Some(KEY), whole.statement().root));
                for (index, (one, other)) in whole.records().iter().zip(batch.records()).enumerate()
                {
                    assert_eq!((one.leaf, one.stream), (other.leaf, other.stream));
                    let plain = matches!(other.content, Content::Present { .. });
                    assert_eq!(plain, one.stream == Stream::Control);
                    let closed = matches!(other.content, Content::Encrypted);
                    assert_eq!(batch.data_key(index), closed.then_some(KEY));
                }
                let found = claimed(&hidden).unwrap();
                assert_eq!(&found.statement, whole.statement());
                let [(KEY, Some(content))] = found.shares[..] else { panic!("one key") };
                let secret: Vec<u8> = content.iter().map(|byte| !byte).collect();
                assert_eq!(put_together(&hidden, &[Some(secret)]).unwrap(), plain);
                assert_eq!(put_together(&hidden, &[None]), Err(BatchError::Secret));
                assert!(take_apart(&hidden).unwrap().is_none(), "once is enough");
                assert_eq!(&claimed_statement(&hidden).unwrap(), whole.statement());
                let two = [&hidden[..], plain].concat();
                assert_eq!(split_first(&two), (&hidden[..], plain));
                assert_eq!(batch.withhold(|_| Some(Vec::new())), hidden);
            }
        }
    }

    #[test]
    fn nothing_of_the_encrypted_part_can_be_exchanged() {
        let (key, signer) = (P256::of_rfc_6979(), Ed25519Key::from_seed(&[3; 32]).unwrap());
        let epoch = epoch_key(&key);
        let sealed = audit_batch(&key, 3);
        let apart = take_apart(sealed.bytes()).unwrap().unwrap();
        let statement = apart.statement();
        let word = encryption(statement, KEY, b"content").sign(&signer).unwrap();
        let verdict = |bytes: &[u8]| verify(bytes, &epoch).map(drop);
        assert_eq!(verdict(&apart.with(KEY, b"content", &word)), Ok(()));
        let other = apart.with(KEY, b"Content", &word);
        assert_eq!(verdict(&other), Err(BatchError::Encryption));
        let other = apart.with(KeyId([8; 16]), b"content", &word);
        assert_eq!(verdict(&other), Err(BatchError::Encryption));
        let moved = Statement { first: statement.first + 1, ..statement.clone() };
        let word = encryption(&moved, KEY, b"content").sign(&signer).unwrap();
        assert_eq!(verdict(&apart.with(KEY, b"content", &word)), Err(BatchError::Encryption));
        let long = alloc::vec![0; AUTHORISATION_BYTES_MAX + 1];
        assert_eq!(verdict(&apart.with(KEY, b"content", &long)), Err(BatchError::Encryption));
    }

    #[test]
    fn what_decrypts_to_something_else_is_not_put_together_or_does_not_verify() {
        let (key, signer) = (P256::of_rfc_6979(), Ed25519Key::from_seed(&[3; 32]).unwrap());
        let sealed = audit_batch(&key, 3);
        let hidden = encrypt(sealed.bytes(), &signer);
        let secret = take_apart(sealed.bytes()).unwrap().unwrap().secret();
        for cut in 0..secret.len() {
            let cut_off = [Some(secret[..cut].to_vec())];
            assert!(put_together(&hidden, &cut_off).is_err(), "cut at {cut}");
        }
        let mut other = secret;
        let inside = other.len() - 3;
        other[inside] ^= 1;
        let plain = put_together(&hidden, &[Some(other)]).unwrap();
        let Err(BatchError::Root { .. }) = verify(&plain, &epoch_key(&key)) else { panic!() };
    }
}
