//! Policies: which machines, firmware and code a relying party accepts.
//!
//! Every demand is a field, so that a policy says all of what it asks for. [`Policy::strict`]
//! refuses whatever a guest can do without; an empty list accepts nothing.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec;
use alloc::vec::Vec;

use super::claims::{Caveat, Claims};
use super::product::Product;
use super::rejected::{Field, Protection, Rejected};
use super::report::KeyClass;
use super::tcb::Tcb;
use crate::baseline::{Authority, Standing};
use crate::register::{Fingerprint, Register};

/// What a relying party trusts.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Policy {
    /// Launch measurements of accepted code.
    pub measurements: Measurements,
    /// Roots besides AMD's, by the SHA-256 of their certificates, which then come with the
    /// evidence. What is verified under one of them is marked insecure.
    pub insecure_roots: Vec<Fingerprint>,
    /// Accepted products, each with the least firmware, part by part. Compared with the versions
    /// that the certificate vouches for, not with those that the machine says it runs.
    /// Naming [`Product::Milan`] accepts that its reports may be forged.
    pub products: BTreeMap<Product, Tcb>,
    /// Least version of the report. From 3 on, the report itself names the processor.
    pub version_min: u32,
    /// Guests in debug mode.
    pub debug: Allowance,
    /// Guests with a migration agent.
    pub migration_agent: Allowance,
    /// Keys that name no chip.
    pub vlek: Allowance,
    /// Reports that name no chip.
    pub masked_chip_id: Allowance,
    /// Guests that may run with simultaneous multithreading.
    pub smt: Allowance,
    /// Guests that may run on several sockets.
    pub several_sockets: Allowance,
    /// Least interface version (major, minor) that the guest demands of the firmware.
    pub abi_min: (u8, u8),
    /// Greatest VMPL number; 0 has the most privilege.
    pub vmpl_max: u32,
    /// Protections that the machine must have.
    pub protections: Vec<Protection>,
    /// Whether a revocation list must be given.
    pub revocation: Need,
    /// Least security version of the guest.
    pub guest_svn_min: u32,
    /// Mitigations that must be on, by bit; reports name them from version 5 on.
    pub mitigations: u64,
    /// What the host gave the guest at launch.
    pub host_data: Accepted<[u8; 32]>,
    /// Name of the chip.
    pub chip_id: Accepted<[u8; 64]>,
    /// Digest of the key that signed the identity block.
    pub id_key_digest: Accepted<Register>,
    /// Digest of the key that certified that key.
    pub author_key_digest: Accepted<Register>,
    /// Family of the guest.
    pub family_id: Accepted<[u8; 16]>,
    /// Image of the guest.
    pub image_id: Accepted<[u8; 16]>,
}

/// Which measurements a relying party accepts.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Measurements {
    /// Whatever runs in the guest. The claims must be compared with something afterwards.
    DangerAny,
    /// One of these. An empty list accepts nothing.
    OneOf(Vec<Register>),
    /// What a baseline authorises at the time that the report is judged at.
    Baseline(Box<Authority>),
}

/// Which values a relying party accepts.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Accepted<T> {
    /// Whatever it is. The claims must be compared with something afterwards, or it does not
    /// matter.
    DangerAny,
    /// One of these. An empty list accepts nothing.
    OneOf(Vec<T>),
}

/// What to make of something that weakens a guest.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Allowance {
    /// It is refused.
    Refuse,
    /// It is accepted, and the claims say so.
    Allow,
}

/// Whether something must be there.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Need {
    /// Without it the report is refused.
    Required,
    /// It is checked when it is there.
    Optional,
}

impl Policy {
    /// Genoa and Turin with these measurements, and nothing that weakens a guest.
    ///
    /// Simultaneous multithreading and several sockets are allowed, since no cloud is without.
    /// There is no floor for the firmware: which one is right changes with each bulletin of AMD.
    pub fn strict(measurements: Vec<Register>) -> Self {
        Self {
            measurements: Measurements::OneOf(measurements),
            insecure_roots: Vec::new(),
            products: BTreeMap::from([(Product::Genoa, Tcb::ZERO), (Product::Turin, Tcb::ZERO)]),
            version_min: 3,
            debug: Allowance::Refuse,
            migration_agent: Allowance::Refuse,
            vlek: Allowance::Refuse,
            masked_chip_id: Allowance::Refuse,
            smt: Allowance::Allow,
            several_sockets: Allowance::Allow,
            abi_min: (0, 0),
            vmpl_max: 0,
            protections: vec![Protection::AliasCheck],
            revocation: Need::Required,
            guest_svn_min: 0,
            mitigations: 0,
            host_data: Accepted::DangerAny,
            chip_id: Accepted::DangerAny,
            id_key_digest: Accepted::DangerAny,
            author_key_digest: Accepted::DangerAny,
            family_id: Accepted::DangerAny,
            image_id: Accepted::DangerAny,
        }
    }

    /// A policy that can accept nothing says so, whatever the report is.
    pub(super) fn check_usable(&self) -> Result<(), Rejected> {
        if self.products.is_empty() {
            return Err(Rejected::NoProducts);
        }
        match &self.measurements {
            Measurements::OneOf(list) if list.is_empty() => Err(Rejected::NoMeasurements),
            Measurements::OneOf(_) | Measurements::Baseline(_) | Measurements::DangerAny => Ok(()),
        }
    }

    /// That genuine claims are acceptable.
    pub(super) fn check(&self, claims: &Claims) -> Result<(), Rejected> {
        self.check_machine(claims)?;
        self.check_guest(claims)?;
        self.check_code(claims)
    }

    fn check_machine(&self, claims: &Claims) -> Result<(), Rejected> {
        let product = claims.product;
        let floor = self.products.get(&product).ok_or(match product {
            Product::Milan => Rejected::Milan,
            Product::Genoa | Product::Turin => Rejected::Product { got: product },
        })?;
        let (got, min) = (claims.version, self.version_min);
        if got < min {
            return Err(Rejected::VersionOld { got, min });
        }
        self.vlek.check(claims.key == KeyClass::Vlek, Rejected::Vlek)?;
        self.masked_chip_id.check(claims.chip_id.is_none(), Rejected::ChipIdMasked)?;
        let shortfalls = claims.reported_tcb.shortfalls(floor);
        if !shortfalls.is_empty() {
            return Err(Rejected::TcbShort { product, shortfalls });
        }
        let mut wanted = self.protections.iter().copied();
        if let Some(lacking) = wanted.find(|protection| !protection.is_on(claims)) {
            return Err(Rejected::Protection { lacking });
        }
        let missing = self.mitigations & !claims.mitigations;
        if missing != 0 {
            return Err(Rejected::Mitigations { missing });
        }
        if self.revocation == Need::Required && claims.caveats.contains(&Caveat::NoRevocationList) {
            return Err(Rejected::RevocationMissing);
        }
        Ok(())
    }

    fn check_guest(&self, claims: &Claims) -> Result<(), Rejected> {
        let policy = claims.policy;
        self.debug.check(policy.debug(), Rejected::Debug)?;
        self.migration_agent.check(policy.migration_agent(), Rejected::MigrationAgent)?;
        self.smt.check(policy.smt(), Rejected::Smt)?;
        self.several_sockets.check(!policy.single_socket(), Rejected::SeveralSockets)?;
        let (got, min) = (policy.abi(), self.abi_min);
        if got < min {
            return Err(Rejected::Abi { got, min });
        }
        let (got, max) = (claims.vmpl, self.vmpl_max);
        if got > max {
            return Err(Rejected::Vmpl { got, max });
        }
        Ok(())
    }

    fn check_code(&self, claims: &Claims) -> Result<(), Rejected> {
        let got = claims.measurement;
        if got == Register::ZERO {
            return Err(Rejected::MeasurementZero);
        }
        self.measurements.check(claims)?;
        let (got, min) = (claims.guest_svn, self.guest_svn_min);
        if got < min {
            return Err(Rejected::GuestSvn { got, min });
        }
        let refused = |field| Rejected::Field { field };
        self.host_data.check(&claims.host_data, refused(Field::HostData))?;
        // A masked name is not one that anybody pins.
        let chip_id = claims.chip_id.unwrap_or([0; 64]);
        self.chip_id.check(&chip_id, refused(Field::ChipId))?;
        self.id_key_digest.check(&claims.id_key_digest, refused(Field::IdKeyDigest))?;
        self.author_key_digest.check(&claims.author_key_digest, refused(Field::AuthorKeyDigest))?;
        self.family_id.check(&claims.family_id, refused(Field::FamilyId))?;
        self.image_id.check(&claims.image_id, refused(Field::ImageId))
    }
}

impl Measurements {
    fn check(&self, claims: &Claims) -> Result<(), Rejected> {
        let got = claims.measurement;
        match self {
            Self::DangerAny => Ok(()),
            Self::OneOf(list) if list.contains(&got) => Ok(()),
            Self::OneOf(_) => Err(Rejected::Measurement { got }),
            Self::Baseline(authority) => {
                match authority.standing(&BTreeMap::from([(0, got)]), claims.judged_at) {
                    Standing::Authorised { .. } => Ok(()),
                    standing => Err(Rejected::NotAuthorised { standing }),
                }
            }
        }
    }
}

impl<T: PartialEq> Accepted<T> {
    fn check(&self, value: &T, refused: Rejected) -> Result<(), Rejected> {
        match self {
            Self::DangerAny => Ok(()),
            Self::OneOf(list) if list.contains(value) => Ok(()),
            Self::OneOf(_) => Err(refused),
        }
    }
}

impl Allowance {
    fn check(self, found: bool, refused: Rejected) -> Result<(), Rejected> {
        match self {
            Self::Refuse if found => Err(refused),
            Self::Refuse | Self::Allow => Ok(()),
        }
    }
}

impl Protection {
    const fn is_on(self, claims: &Claims) -> bool {
        match self {
            Self::AliasCheck => claims.platform.alias_check(),
            Self::Tsme => claims.platform.tsme(),
            Self::Ecc => claims.platform.ecc(),
            Self::CiphertextHiding => claims.platform.ciphertext_hiding(),
        }
    }
}
