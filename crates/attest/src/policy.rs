//! Policies: which roots a relying party trusts for what, and which measurements it accepts.
//!
//! A policy is what the relying party's own configuration says. Evidence adds nothing to it.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::baseline::Authority;
use crate::measurement::Measurement;
use crate::register::Fingerprint;

/// What sort of machine evidence is from. A root that a policy pins speaks for one kind, Nitro or
/// software; the roots of Intel and AMD belong to the policies of their kinds.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Kind {
    /// An AWS Nitro enclave.
    Nitro,
    /// A software TEE: the Nitro format under a root that some machine minted. Protects nothing.
    Software,
    /// A trust domain of Intel TDX.
    Tdx,
    /// A guest of AMD SEV-SNP.
    Snp,
}

impl Kind {
    /// Its name, with INSECURE where that is so.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Nitro => "nitro",
            Self::Software => "software (INSECURE)",
            Self::Tdx => "tdx",
            Self::Snp => "snp",
        }
    }
}

impl core::fmt::Display for Kind {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A root of trust, pinned by the SHA-256 of its certificate.
///
/// Which kind a root is for is said by who pins it, never by the evidence.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Root {
    fingerprint: Fingerprint,
    kind: Kind,
}

impl Root {
    /// The root of AWS Nitro enclaves in the commercial partition, valid to 2049.
    pub const fn aws_nitro() -> Self {
        Self { fingerprint: AWS_NITRO_G1, kind: Kind::Nitro }
    }

    /// Another Nitro root, such as those of GovCloud and China. A software root is refused as one.
    pub const fn nitro(fingerprint: Fingerprint) -> Self {
        Self { fingerprint, kind: Kind::Nitro }
    }

    /// The root of a software TEE. Everything verified under it is marked insecure.
    ///
    /// Only for a fingerprint that the relying party's own configuration names under `insecure`.
    pub const fn insecure_software(fingerprint: Fingerprint) -> Self {
        Self { fingerprint, kind: Kind::Software }
    }

    /// SHA-256 of its certificate.
    pub const fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// What it speaks for.
    pub const fn kind(&self) -> Kind {
        self.kind
    }
}

/// Which measurements a relying party accepts.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Measurements {
    /// Whatever code the root vouches for. Anyone can rent such a machine, so the claims must be
    /// compared with something afterwards.
    DangerAny,
    /// One of these. An empty list accepts nothing.
    OneOf(Vec<Measurement>),
    /// What a baseline authorises at the time that the evidence is judged at.
    Baseline(Box<Authority>),
}

/// What to make of a machine in debug mode, whose memory its host can read (PCR0–2 are zero).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum DebugMode {
    /// It is refused.
    Refuse,
    /// It is accepted and its claims are marked insecure.
    InsecureAccept,
}

/// What a relying party trusts.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Policy {
    /// Roots; without one, everything is refused.
    pub roots: Vec<Root>,
    /// Measurements; an empty list refuses everything.
    pub measurements: Measurements,
    /// Debug mode.
    pub debug: DebugMode,
}

/// Published by AWS with its root. This is the hash of the certificate, not of the archive it came
/// in.
const AWS_NITRO_G1: Fingerprint = Fingerprint([
    0x64, 0x1a, 0x03, 0x21, 0xa3, 0xe2, 0x44, 0xef, 0xe4, 0x56, 0x46, 0x31, 0x95, 0xd6, 0x06, 0x31,
    0x7e, 0xd7, 0xcd, 0xcc, 0x3c, 0x17, 0x56, 0xe0, 0x98, 0x93, 0xf3, 0xc6, 0x8f, 0x79, 0xbb, 0x5b,
]);
