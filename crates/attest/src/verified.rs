//! Trust as a type: what carries it was checked here.

/// Proof that `T` was verified by this crate.
///
/// Its one constructor is named `assertion` and is private to this crate.
///
/// ```compile_fail
/// // The field is private: trust cannot be typed in.
/// let forged = lucarne_attest::Verified("nitro-001-us-east");
/// ```
///
/// ```compile_fail
/// let forged = lucarne_attest::Verified::assertion("nitro-001-us-east");
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Verified<T>(T);

impl<T> Verified<T> {
    /// This crate's word that every check passed.
    pub(crate) const fn assertion(value: T) -> Self {
        Self(value)
    }

    /// What was verified.
    pub const fn get(&self) -> &T {
        &self.0
    }

    /// What was verified, without the proof.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> core::ops::Deref for Verified<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}
