//! Shares of a batch: each is read with its own key and with no other, and nothing of who owns
//! what can be changed.

use alloc::vec;
use alloc::vec::Vec;

use super::*;
use crate::batch::encrypted::{claimed, put_together, take_apart};
use crate::batch::{claimed_statement, split_first, verify};
use crate::key::{Ed25519Key, Signer as _};
use crate::testing::{P256, audit_batch, epoch_key, telemetry_batch};

const KEYS: [KeyId; 3] = [KeyId([9; 16]), KeyId([7; 16]), KeyId([8; 16])];

fn signer() -> Ed25519Key {
    Ed25519Key::from_seed(&[3; 32]).unwrap()
}

/// Not a cipher: what is encrypted, and how, is not this module's business.
fn turned(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().map(|byte| !byte).collect()
}

fn divide<'b, 'a>(apart: &'b Apart<'a>, key_of: impl Fn(usize) -> KeyId) -> Divided<'b, 'a> {
    apart.divide(|index| Ok::<_, BatchError>(key_of(index))).unwrap()
}

/// The batch with each record under the key that `key_of` gives.
fn shared(bytes: &[u8], key_of: impl Fn(usize) -> KeyId) -> Vec<u8> {
    let apart = take_apart(bytes).unwrap().unwrap();
    let divided = divide(&apart, key_of);
    let contents: Vec<Vec<u8>> = divided.secrets().iter().map(|(_, s)| turned(s)).collect();
    let word = divided.encryption(&contents).sign(&signer()).unwrap();
    divided.with(&contents, &word)
}

/// What opens those shares whose keys are given.
fn secrets(batch: &[u8], keys: &[KeyId]) -> Vec<Option<Vec<u8>>> {
    let shares = claimed(batch).unwrap().shares;
    let one = |(key, content): (KeyId, Option<&[u8]>)| {
        content.filter(|_| keys.contains(&key)).map(turned)
    };
    shares.into_iter().map(one).collect()
}

#[test]
fn each_key_opens_its_own_records_and_the_batch_verifies_with_any_of_them() {
    let (key, signer) = (P256::of_rfc_6979(), signer());
    let epoch = epoch_key(&key);
    let turn = |index: usize| KEYS[index % 3];
    for sealed in [audit_batch(&key, 7), telemetry_batch(&key)] {
        let whole = verify(sealed.bytes(), &epoch).unwrap();
        let last = whole.records().len() - 1;
        let holes = whole.withhold(|at| (at == last).then(|| vec![7]));
        for plain in [sealed.bytes(), &holes] {
            let before = verify(plain, &epoch).unwrap();
            let hidden = shared(plain, turn);
            for given in 0..8_usize {
                let keys: Vec<KeyId> =
                    (0..3).filter(|n| given & (1 << n) != 0).map(|n| KEYS[n]).collect();
                let opened = put_together(&hidden, &secrets(&hidden, &keys)).unwrap();
                assert_eq!(opened == hidden, keys.is_empty());
                let batch = verify(&opened, &epoch).unwrap();
                let word = batch.encryption().unwrap();
                let word = Encryption::verify(word, signer.public_key()).unwrap();
                assert_eq!((word.key, word.root), (None, whole.statement().root));
                assert_eq!(batch.end().root(), whole.end().root());
                for (index, (one, other)) in
                    before.records().iter().zip(batch.records()).enumerate()
                {
                    assert_eq!((one.leaf, one.stream), (other.leaf, other.stream));
                    let is_in_a_share = one.stream != Stream::Control
                        && matches!(one.content, Content::Present { .. });
                    let own = is_in_a_share.then(|| turn(index));
                    assert_eq!(batch.data_key(index), own);
                    let closed = own.is_some_and(|own| !keys.contains(&own));
                    let expected = if closed { Content::Encrypted } else { one.content };
                    assert_eq!(other.content, expected);
                }
                let rest: Vec<KeyId> = KEYS.into_iter().filter(|k| !keys.contains(k)).collect();
                let all = put_together(&opened, &secrets(&opened, &rest)).unwrap();
                let at_once = put_together(&hidden, &secrets(&hidden, &KEYS)).unwrap();
                assert_eq!(all, at_once, "in whatever order shares are opened");
                assert_eq!(batch.withhold(|_| Some(Vec::new())), opened);
            }
            assert!(take_apart(&hidden).unwrap().is_none(), "once is enough");
            assert_eq!(&claimed_statement(&hidden).unwrap(), whole.statement());
            let two = [&hidden[..], plain].concat();
            assert_eq!(split_first(&two), (&hidden[..], plain));
        }
    }
}

#[test]
fn what_one_key_holds_tells_neither_salt_nor_payload_of_another() {
    let key = P256::of_rfc_6979();
    let sealed = audit_batch(&key, 4);
    let whole = verify(sealed.bytes(), &epoch_key(&key)).unwrap();
    let apart = take_apart(sealed.bytes()).unwrap().unwrap();
    let divided = divide(&apart, |index| KEYS[index % 2]);
    let holds = |bytes: &[u8], what: &[u8]| bytes.windows(what.len()).any(|part| part == what);
    let hidden = shared(sealed.bytes(), |index| KEYS[index % 2]);
    for (index, record) in whole.records().iter().enumerate().skip(1) {
        let Content::Present { payload, salt } = record.content else { panic!("it is there") };
        for (key, secret) in divided.secrets() {
            let own = *key == KEYS[index % 2];
            assert_eq!((holds(secret, payload), holds(secret, &salt)), (own, own));
        }
        assert!(!holds(&hidden, payload) && !holds(&hidden, &salt));
    }
    let Secret::Seed(seed) = whole.parts.secret else { panic!("a seed") };
    assert!(divided.secrets().iter().all(|(_, secret)| !holds(secret, seed)));
}

#[test]
fn no_bit_of_a_shared_batch_can_change_unnoticed() {
    let (key, signer) = (P256::of_rfc_6979(), signer());
    let epoch = epoch_key(&key);
    let hidden = shared(audit_batch(&key, 3).bytes(), |index| KEYS[index % 3]);
    let half = put_together(&hidden, &secrets(&hidden, &KEYS[..1])).unwrap();
    for bytes in [hidden, half] {
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            if let Ok(batch) = verify(&flipped, &epoch) {
                // The signature of the word is the auditor's to check.
                let word = batch.encryption().unwrap();
                Encryption::verify(word, signer.public_key()).unwrap_err();
            }
        }
    }
}

/// The shares of a batch of three events, each under its own key, once `change` was at them.
fn changed(change: impl FnOnce(&mut Shares<'_>), sign: bool) -> Result<(), BatchError> {
    let key = P256::of_rfc_6979();
    let hidden = shared(audit_batch(&key, 3).bytes(), |index| KEYS[index - 1]);
    let parts = Parts::split(&hidden).unwrap();
    let Secret::Shared(mut shares) = parts.secret else { panic!("shares") };
    change(&mut shares);
    let statement = claimed_statement(&hidden).unwrap();
    let digests: Vec<_> = shares.list.iter().map(|share| (share.key, share.digest())).collect();
    let word = encryption(&statement, digests.into_iter(), shares.owners).sign(&signer()).unwrap();
    if sign {
        shares.word = &word;
    }
    let secret = Secret::Shared(shares);
    let bytes = assemble(parts.statement, parts.frontier, &secret, parts.count, parts.records);
    verify(&bytes, &epoch_key(&key)).map(drop)
}

#[test]
fn shares_have_one_form_whoever_signs_for_them() {
    assert_eq!(changed(|_| {}, true), Ok(()));
    assert_eq!(changed(|_| {}, false), Ok(()), "the same bytes are signed again");
    type Change = fn(&mut Shares<'_>);
    let table: [Change; 10] = [
        |shares| shares.list.swap(0, 1),
        |shares| shares.owners = &[0xff, 0xff, 0, 1, 0, 0, 0, 2],
        |shares| shares.owners = &[0xff, 0xff, 0, 0, 0, 1, 0, 1],
        |shares| shares.owners = &[0xff, 0xff, 0, 0, 0, 1, 0, 3],
        |shares| shares.owners = &[0xff, 0xff, 0, 0, 0, 1, 0xff, 0xff],
        |shares| shares.owners = &[0, 0, 0, 0, 0, 1, 0, 2],
        |shares| shares.owners = &[0xff, 0xff, 0, 0, 0, 1, 0, 2, 0],
        |shares| shares.owners = &[0xff, 0xff, 0, 0, 0, 1, 0, 2, 0, 2],
        |shares| shares.list.truncate(2),
        |shares| shares.list[1].key = shares.list[0].key,
    ];
    let refused = Err(BatchError::Encryption);
    for (index, change) in table.into_iter().enumerate() {
        assert_eq!(changed(change, false), refused, "case {index}: the word is of others");
        // Two shares that change places are another true batch, if the gateway says so.
        let expected = if index == 0 { Ok(()) } else { refused };
        assert_eq!(changed(change, true), expected, "case {index}");
    }
    let long = vec![0; AUTHORISATION_BYTES_MAX + 1];
    let key = P256::of_rfc_6979();
    let sealed = audit_batch(&key, 2);
    let apart = take_apart(sealed.bytes()).unwrap().unwrap();
    let divided = divide(&apart, |_| KEYS[0]);
    let verdict = verify(&divided.with(&[vec![1]], &long), &epoch_key(&key)).map(drop);
    assert_eq!(verdict, refused);
    assert_eq!(changed(|shares| shares.salts = &[], true), Err(BatchError::Secret));
    let more = |shares: &mut Shares<'_>| shares.salts = &[0; 32];
    assert_eq!(changed(more, true), Err(BatchError::Secret));
}

#[test]
fn what_a_share_decrypts_to_must_fit_its_records() {
    let key = P256::of_rfc_6979();
    let hidden = shared(audit_batch(&key, 5).bytes(), |index| KEYS[index % 2]);
    let whole = secrets(&hidden, &KEYS);
    let refused = |secrets: &[Option<Vec<u8>>]| put_together(&hidden, secrets).is_err();
    assert!(!refused(&whole));
    assert!(refused(&whole[..1]) && refused(&[]));
    assert!(refused(&[whole[1].clone(), whole[0].clone()]));
    let secret = whole[0].clone().unwrap();
    for cut in 0..secret.len() {
        assert!(refused(&[Some(secret[..cut].to_vec()), None]), "cut at {cut}");
    }
    assert!(refused(&[Some([&secret[..], &[0x40]].concat()), None]), "a payload to spare");
    let opened = put_together(&hidden, &whole).unwrap();
    assert!(put_together(&opened, &whole).is_err(), "it is opened already");
    let mut other = secret;
    let inside = other.len() - 3;
    other[inside] ^= 1;
    let opened = put_together(&hidden, &[Some(other), None]).unwrap();
    let Err(BatchError::Root { .. }) = verify(&opened, &epoch_key(&key)) else { panic!() };
}
