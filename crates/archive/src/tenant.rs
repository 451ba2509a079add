//! Tenants: whose a record is, where payloads are to be erased by tenant.
//!
//! A tenant is known here by a digest of its name only: the digest is part of the name of a key's
//! file, and neither archive nor keys tell who the tenants of a site are. Who owns a record is
//! found by whoever can read payloads, which is not this crate.

use std::fmt;
use std::str::FromStr;

use lucarne_ledger::batch::VerifiedBatch;
use lucarne_ledger::hash::{Hash, NotHex, from_hex, to_hex};

/// A tenant, by the first 16 bytes of a digest of its name.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct TenantId([u8; 16]);

impl TenantId {
    /// The tenant of this name, which is what the attribute of a record says, byte for byte.
    pub fn of(name: &str) -> Self {
        let Hash(digest) = Hash::of(&[b"lucarne/v1/tenant", name.as_bytes()].concat());
        let mut id = [0; 16];
        id.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
        Self(id)
    }
}

impl fmt::Display for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&to_hex(&self.0))
    }
}

impl FromStr for TenantId {
    type Err = NotHex;

    fn from_str(text: &str) -> Result<Self, NotHex> {
        from_hex(text).map(Self)
    }
}

/// Finds whose the records of a batch are.
///
/// The same batch always has the same answer: archiving it again after a crash must give the same
/// bytes.
pub trait Tenants: fmt::Debug + Send + Sync {
    /// For each record its tenant; `None` when it has none, and for control records.
    fn of(&self, batch: &VerifiedBatch<'_>) -> Vec<Option<TenantId>>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_is_its_name_and_its_spelling_is_read_back() {
        let [one, other] = ["acme", "Acme"].map(TenantId::of);
        assert_eq!(one, TenantId::of("acme"));
        assert_ne!(one, other);
        assert_eq!(one.to_string().parse(), Ok(one));
        assert_eq!(one.to_string(), "d897314538825524d0279424b8115d5f");
        assert!("3C".repeat(16).parse::<TenantId>().is_err());
    }
}
