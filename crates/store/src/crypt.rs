//! What a block looks like wherever it is not this process's memory: AES-256-GCM.
//!
//! The place of a block (segment, number, epoch) is authenticated with it, so a block that is
//! handed back in the place of another is not that block. Nonces are random; a key is made for one
//! epoch and seals far fewer than 2^32 blocks. The plain header serves to say what came instead.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
use zeroize::Zeroizing;

use crate::block::BlockId;

/// Begins every encrypted block; the digit is the version.
const MAGIC: &[u8; 4] = b"LSE1";
const HEADER_BYTES: usize = 4 + 16 + 4 + 4;
const NONCE_BYTES: usize = 12;
const TAG_BYTES: usize = 16;
/// What encryption adds to a block.
pub const OVERHEAD_BYTES: usize = HEADER_BYTES + NONCE_BYTES + TAG_BYTES;

/// The first 16 bytes of the digest of an epoch's binding.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Epoch(pub [u8; 16]);

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Encrypts and decrypts the blocks of one epoch.
pub struct BlockCipher {
    key: RandomizedNonceKey,
    epoch: Epoch,
}

impl fmt::Debug for BlockCipher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BlockCipher({})", self.epoch)
    }
}

/// The library could not encrypt; it says no more.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct CipherFailed;

impl fmt::Display for CipherFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the cryptographic library failed")
    }
}

impl std::error::Error for CipherFailed {}

/// What bytes say that they are. Nothing is authenticated yet.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Claim {
    /// The epoch that is named.
    pub epoch: Epoch,
    /// The block that is named.
    pub id: BlockId,
}

impl BlockCipher {
    /// A cipher from its key, which is wiped once it was expanded.
    ///
    /// # Errors
    /// When the library refuses.
    pub fn new(key: &Zeroizing<[u8; 32]>, epoch: Epoch) -> Result<Self, CipherFailed> {
        let key =
            RandomizedNonceKey::new(&AES_256_GCM, key.as_slice()).map_err(|_| CipherFailed)?;
        Ok(Self { key, epoch })
    }

    /// The epoch whose blocks these are.
    #[must_use]
    pub const fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// The encrypted form of a block.
    ///
    /// # Errors
    /// When the library refuses.
    pub fn seal(&self, id: BlockId, plain: &[u8]) -> Result<Vec<u8>, CipherFailed> {
        let header = header(Claim { epoch: self.epoch, id });
        let mut out = Vec::with_capacity(plain.len() + OVERHEAD_BYTES);
        out.extend_from_slice(&header);
        out.extend_from_slice(&[0; NONCE_BYTES]);
        out.extend_from_slice(plain);
        let content = out.get_mut(HEADER_BYTES + NONCE_BYTES..).ok_or(CipherFailed)?;
        let (nonce, tag) = self
            .key
            .seal_in_place_separate_tag(Aad::from(header), content)
            .map_err(|_| CipherFailed)?;
        let slot = out.get_mut(HEADER_BYTES..HEADER_BYTES + NONCE_BYTES).ok_or(CipherFailed)?;
        slot.copy_from_slice(nonce.as_ref());
        out.extend_from_slice(tag.as_ref());
        Ok(out)
    }

    /// The block in these bytes, if it is the one that is asked for.
    #[must_use]
    pub fn open(&self, id: BlockId, sealed: &[u8]) -> Option<Vec<u8>> {
        let wanted = header(Claim { epoch: self.epoch, id });
        let rest = sealed.strip_prefix(&wanted)?;
        let (nonce, content) = rest.split_first_chunk::<NONCE_BYTES>()?;
        let mut content = content.to_vec();
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let length = self.key.open_in_place(nonce, Aad::from(wanted), &mut content).ok()?.len();
        content.truncate(length);
        Some(content)
    }
}

/// What the plain header of an encrypted block says; `None` when it has none.
#[must_use]
pub fn claim(sealed: &[u8]) -> Option<Claim> {
    let rest = sealed.strip_prefix(MAGIC)?;
    let (epoch, rest) = rest.split_first_chunk::<16>()?;
    let (segment, rest) = rest.split_first_chunk::<4>()?;
    let (block, rest) = rest.split_first_chunk::<4>()?;
    let id = BlockId { segment: u32::from_be_bytes(*segment), block: u32::from_be_bytes(*block) };
    (rest.len() >= NONCE_BYTES + TAG_BYTES).then_some(Claim { epoch: Epoch(*epoch), id })
}

fn header(claim: Claim) -> [u8; HEADER_BYTES] {
    let mut out = [0; HEADER_BYTES];
    let parts = [
        MAGIC.as_slice(),
        &claim.epoch.0,
        &claim.id.segment.to_be_bytes(),
        &claim.id.block.to_be_bytes(),
    ];
    for (slot, byte) in out.iter_mut().zip(parts.into_iter().flatten()) {
        *slot = *byte;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cipher(key: u8, epoch: u8) -> BlockCipher {
        BlockCipher::new(&Zeroizing::new([key; 32]), Epoch([epoch; 16])).unwrap()
    }

    const ID: BlockId = BlockId { segment: 2, block: 7 };

    #[test]
    fn only_the_same_key_epoch_and_place_open_a_block() {
        let sealed = cipher(1, 1).seal(ID, b"content").unwrap();
        assert_eq!(sealed.len(), 7 + OVERHEAD_BYTES);
        assert_eq!(cipher(1, 1).open(ID, &sealed), Some(b"content".to_vec()));
        assert_eq!(cipher(2, 1).open(ID, &sealed), None);
        assert_eq!(cipher(1, 2).open(ID, &sealed), None);
        assert_eq!(cipher(1, 1).open(ID.next(), &sealed), None);
        assert_eq!(claim(&sealed), Some(Claim { epoch: Epoch([1; 16]), id: ID }));
    }

    #[test]
    fn each_changed_bit_is_noticed() {
        let sealed = cipher(1, 1).seal(ID, b"content").unwrap();
        for bit in 0..sealed.len() * 8 {
            let mut changed = sealed.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(cipher(1, 1).open(ID, &changed), None, "bit {bit}");
        }
        for end in 0..sealed.len() {
            assert_eq!(cipher(1, 1).open(ID, &sealed[..end]), None, "cut at {end}");
        }
    }

    #[test]
    fn a_block_sealed_again_looks_different() {
        let cipher = cipher(1, 1);
        assert_ne!(cipher.seal(ID, b"content").unwrap(), cipher.seal(ID, b"content").unwrap());
    }
}
