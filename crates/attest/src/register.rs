//! Registers and fingerprints: the two kinds of value that a policy compares evidence with.

use core::fmt;
use core::str::FromStr;

use lucarne_ledger::hash::Hash;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

/// One register of evidence: a SHA-384 value, such as a PCR.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Register(pub [u8; 48]);

/// Registers that a Nitro document can hold: PCR0 to PCR31.
pub const REGISTER_COUNT_MAX: u8 = 32;

impl Register {
    /// What a register holds that nothing was measured into.
    pub const ZERO: Self = Self([0; 48]);
}

impl fmt::Display for Register {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Register {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that is not 96 hex digits.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct NotARegister;

impl fmt::Display for NotARegister {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a register is 96 hex digits (SHA-384)")
    }
}

impl core::error::Error for NotARegister {}

impl FromStr for Register {
    type Err = NotARegister;

    /// 96 hex digits in either case: build tools print both.
    fn from_str(text: &str) -> Result<Self, NotARegister> {
        lucarne_ledger::hash::from_hex(&text.to_ascii_lowercase())
            .map(Self)
            .map_err(|_| NotARegister)
    }
}

/// The name of a root: SHA-256 of its DER certificate, as `openssl x509 -fingerprint -sha256` has
/// it.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Fingerprint(pub [u8; 32]);

impl Fingerprint {
    /// The fingerprint of a certificate.
    pub fn of(der: &[u8]) -> Self {
        Self(Hash::of(der).0)
    }

    /// The fingerprint of the one certificate in a PEM file.
    ///
    /// # Errors
    /// When there is none, or more than one.
    pub fn of_pem(pem: &[u8]) -> Result<Self, NotACertificate> {
        let mut found = CertificateDer::pem_slice_iter(pem);
        match (found.next(), found.next()) {
            (Some(Ok(der)), None) => Ok(Self::of(&der)),
            _ => Err(NotACertificate),
        }
    }
}

/// A text that is not one certificate in PEM.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct NotACertificate;

impl fmt::Display for NotACertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not one certificate in PEM")
    }
}

impl core::error::Error for NotACertificate {}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&Hash(self.0), f)
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Fingerprint {
    type Err = lucarne_ledger::hash::NotHex;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        lucarne_ledger::hash::from_hex(text).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn text_goes_there_and_back() {
        let register = Register(core::array::from_fn(|i| u8::try_from(i).unwrap() * 5));
        assert_eq!(register.to_string().parse(), Ok(register));
        assert_eq!(register.to_string().to_ascii_uppercase().parse(), Ok(register));
        let fingerprint = Fingerprint::of(b"abc");
        assert_eq!(fingerprint.to_string().parse(), Ok(fingerprint));
    }

    #[test]
    fn another_length_or_digit_is_refused() {
        for text in ["", "00", &"0".repeat(95), &"0".repeat(97), &"g".repeat(96)] {
            assert_eq!(text.parse::<Register>(), Err(NotARegister), "{text}");
        }
    }
}
