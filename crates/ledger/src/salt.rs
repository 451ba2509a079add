//! Salts of a batch: AES-256 in counter mode under the batch's seed, one block a sequence number.
//!
//! `salt_i = AES-256(seed, be128(i))`, so a seed of 32 bytes gives all salts of a batch, and one
//! salt can be given away (when a neighbour is withheld) without giving away any other.

use aws_lc_rs::cipher::{AES_256, EncryptingKey, EncryptionContext, UnboundCipherKey};
use aws_lc_rs::iv::FixedLength;
use zeroize::Zeroize;

/// 16 bytes that hide a payload behind its commitment.
pub type Salt = [u8; 16];

/// The secret of one batch. It leaves with the batch unless something in it is withheld.
pub struct Seed([u8; 32]);

impl Seed {
    /// A seed from 32 random bytes.
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes, for the batch.
    pub(crate) const fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Fills `salts` with those of the records from `first` on.
    ///
    /// # Panics
    /// Never on any input: the key has the cipher's length, which is all that the library checks.
    #[expect(
        clippy::expect_used,
        reason = "only the length of key and IV can be wrong, and both are typed"
    )]
    pub fn fill(&self, first: u64, salts: &mut [Salt]) {
        let stream = salts.as_flattened_mut();
        stream.fill(0);
        let key = UnboundCipherKey::new(&AES_256, &self.0).expect("AES-256 takes 32 bytes");
        let iv = FixedLength::from(u128::from(first).to_be_bytes());
        EncryptingKey::ctr(key)
            .and_then(|key| key.less_safe_encrypt(stream, EncryptionContext::Iv128(iv)))
            .expect("counter mode takes any length");
    }
}

impl Drop for Seed {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl core::fmt::Debug for Seed {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Seed")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_salt_is_one_block_of_the_cipher() {
        // FIPS 197 C.3: AES-256 of 00112233445566778899aabbccddeeff under 000102..1f.
        let mut bytes = [0; 32];
        bytes.iter_mut().zip(0..).for_each(|(byte, i)| *byte = i);
        let seed = Seed::new(bytes);
        let iv = FixedLength::from(0x0011_2233_4455_6677_8899_aabb_ccdd_eeff_u128.to_be_bytes());
        let mut block = [0; 16];
        let key = UnboundCipherKey::new(&AES_256, seed.bytes()).unwrap();
        EncryptingKey::ctr(key)
            .unwrap()
            .less_safe_encrypt(&mut block, EncryptionContext::Iv128(iv))
            .unwrap();
        assert_eq!(crate::hash::to_hex(&block), "8ea2b7ca516745bfeafc49904b496089");
    }

    #[test]
    fn salts_do_not_depend_on_how_they_are_asked_for() {
        let seed = Seed::new([7; 32]);
        let mut all = [[0; 16]; 20];
        seed.fill(5, &mut all);
        for (offset, salt) in (5_u64..).zip(&all) {
            let mut one = [[1; 16]; 1];
            seed.fill(offset, &mut one);
            assert_eq!(one[0], *salt);
        }
    }
}
