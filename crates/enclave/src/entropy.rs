//! Randomness of the process, from the library's generator, which the TEE's own source seeds.

use aws_lc_rs::rand::fill;
use lucarne_ledger::key::SigningFailed;
use lucarne_ledger::salt::Seed;

/// `N` random bytes.
///
/// # Errors
/// When the generator has none; whoever needs them must stop.
pub fn bytes<const N: usize>() -> Result<[u8; N], SigningFailed> {
    let mut out = [0; N];
    fill(&mut out).map_err(|_| SigningFailed)?;
    Ok(out)
}

/// The seed of a batch.
///
/// # Errors
/// As [`bytes()`].
pub fn seed() -> Result<Seed, SigningFailed> {
    bytes().map(Seed::new)
}
