//! The attestation report: 1,184 bytes in the layout of AMD 56860, table 23.
//!
//! Versions are an explicit list and every byte that a version reserves must be zero, so that a
//! field of a later version is never passed over. What is signed is the first 672 bytes as they
//! came; the signature itself is two little-endian numbers in wider fields.

use core::fmt;

use aws_lc_rs::signature::{ECDSA_P384_SHA384_FIXED, UnparsedPublicKey};

use super::product::Product;
use super::rejected::Rejected;
use crate::register::Register;

/// A report whose form is right. Whether its signature is, [`Report::check_signature`] says.
pub(super) struct Report<'a> {
    /// The signed bytes as they came.
    pub(super) signed: &'a [u8],
    /// `r` and `s`, big-endian.
    signature: [u8; 96],
    pub(super) version: u32,
    pub(super) guest_svn: u32,
    pub(super) policy: GuestPolicy,
    pub(super) family_id: [u8; 16],
    pub(super) image_id: [u8; 16],
    pub(super) vmpl: u32,
    pub(super) platform: PlatformInfo,
    pub(super) key: KeyClass,
    pub(super) report_data: [u8; 64],
    pub(super) measurement: Register,
    pub(super) host_data: [u8; 32],
    pub(super) id_key_digest: Register,
    pub(super) author_key_digest: Register,
    pub(super) report_id: [u8; 32],
    /// By CPUID; reports of version 2 do not say.
    pub(super) product: Option<Product>,
    pub(super) chip_id: [u8; 64],
    pub(super) reported_tcb: [u8; 8],
    pub(super) committed_tcb: [u8; 8],
    pub(super) current_tcb: [u8; 8],
    pub(super) launch_tcb: [u8; 8],
    pub(super) mitigations: u64,
}

impl<'a> Report<'a> {
    /// Reads a report.
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, Rejected> {
        if bytes.len() != REPORT_BYTES {
            return Err(Rejected::Length { got: bytes.len() });
        }
        let (signed, signature) =
            bytes.split_at_checked(SIGNED_BYTES).ok_or(Rejected::Length { got: bytes.len() })?;
        let mut fields = Fields { rest: signed, at: 0 };
        let version = fields.u32()?;
        if !(VERSION_MIN..=VERSION_MAX).contains(&version) {
            return Err(Rejected::Version { got: version });
        }
        let guest_svn = fields.u32()?;
        let policy = GuestPolicy::read(fields.u64()?)?;
        let (family_id, image_id) = (fields.take()?, fields.take()?);
        let vmpl = fields.u32()?;
        match fields.u32()? {
            ECDSA_P384_SHA384 => {}
            got => return Err(Rejected::SignatureAlgorithm { got }),
        }
        let current_tcb = fields.take()?;
        let platform = PlatformInfo::read(fields.u64()?)?;
        let key = key_class(fields.u32()?)?;
        fields.zeros::<4>()?;
        let (report_data, measurement) = (fields.take()?, Register(fields.take()?));
        let host_data = fields.take()?;
        let (id_key_digest, author_key_digest) =
            (Register(fields.take()?), Register(fields.take()?));
        let report_id = fields.take()?;
        // The report of the migration agent; a guest with one is refused by its policy bit.
        fields.take::<32>()?;
        let reported_tcb = fields.take()?;
        let product = product(version, &mut fields)?;
        let (chip_id, committed_tcb) = (fields.take()?, fields.take()?);
        firmware_version(&mut fields)?;
        firmware_version(&mut fields)?;
        let launch_tcb = fields.take()?;
        let mitigations = mitigations(version, &mut fields)?;
        Ok(Self {
            signed,
            signature: fixed_signature(signature)?,
            version,
            guest_svn,
            policy,
            family_id,
            image_id,
            vmpl,
            platform,
            key,
            report_data,
            measurement,
            host_data,
            id_key_digest,
            author_key_digest,
            report_id,
            product,
            chip_id,
            reported_tcb,
            committed_tcb,
            current_tcb,
            launch_tcb,
            mitigations,
        })
    }

    /// That the key at this point of P-384 signed the report. Either of the two forms of `s` will
    /// do, which is why identity is a hash of the signed part.
    pub(super) fn check_signature(&self, point: &[u8]) -> Result<(), Rejected> {
        UnparsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, point)
            .verify(self.signed, &self.signature)
            .map_err(|_| Rejected::Signature)
    }
}

/// What sort of key signed a report.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum KeyClass {
    /// The key of one chip, derived from its secret and its TCB.
    Vcek,
    /// A key that AMD lends to a cloud for all of its chips: it names no chip.
    Vlek,
}

impl KeyClass {
    /// Common name of certificates of such keys.
    pub(super) const fn common_name(self) -> &'static str {
        match self {
            Self::Vcek => "SEV-VCEK",
            Self::Vlek => "SEV-VLEK",
        }
    }
}

impl fmt::Display for KeyClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Vcek => "VCEK",
            Self::Vlek => "VLEK",
        })
    }
}

/// What the owner of a guest allows its host to do with it (AMD 56860, table 9).
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
pub struct GuestPolicy(u64);

impl GuestPolicy {
    fn read(bits: u64) -> Result<Self, Rejected> {
        if bits & POLICY_MUST_BE_ONE == 0 {
            return Err(Rejected::PolicyBit17);
        }
        match bits & POLICY_RESERVED {
            0 => Ok(Self(bits)),
            got => Err(Rejected::PolicyReserved { got }),
        }
    }

    /// All bits as they came.
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// Least version of the firmware interface: major, minor.
    pub const fn abi(self) -> (u8, u8) {
        let [minor, major, ..] = self.0.to_le_bytes();
        (major, minor)
    }

    /// It may run on a machine with simultaneous multithreading.
    pub const fn smt(self) -> bool {
        self.0 & (1 << 16) != 0
    }

    /// It may be moved by a migration agent, which then is trusted with its memory.
    pub const fn migration_agent(self) -> bool {
        self.0 & (1 << 18) != 0
    }

    /// Its host may read and write its memory.
    pub const fn debug(self) -> bool {
        self.0 & (1 << 19) != 0
    }

    /// It may run only on a machine with one socket.
    pub const fn single_socket(self) -> bool {
        self.0 & (1 << 20) != 0
    }
}

impl fmt::Debug for GuestPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

/// What the machine says of itself (AMD 56860, table 24).
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
pub struct PlatformInfo(u64);

impl PlatformInfo {
    fn read(bits: u64) -> Result<Self, Rejected> {
        match bits & PLATFORM_RESERVED {
            0 => Ok(Self(bits)),
            got => Err(Rejected::PlatformReserved { got }),
        }
    }

    /// All bits as they came.
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// Simultaneous multithreading is on.
    pub const fn smt(self) -> bool {
        self.0 & 1 != 0
    }

    /// All memory is encrypted, that of the host as well.
    pub const fn tsme(self) -> bool {
        self.0 & (1 << 1) != 0
    }

    /// Memory has error correction.
    pub const fn ecc(self) -> bool {
        self.0 & (1 << 2) != 0
    }

    /// The host cannot read the ciphertext of the guest's memory.
    pub const fn ciphertext_hiding(self) -> bool {
        self.0 & (1 << 4) != 0
    }

    /// The firmware has looked for memory modules that lie about their size (CVE-2024-21944).
    pub const fn alias_check(self) -> bool {
        self.0 & (1 << 5) != 0
    }
}

impl fmt::Debug for PlatformInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

/// Fields one after the other. The length was checked before, so none is ever short.
struct Fields<'a> {
    rest: &'a [u8],
    at: usize,
}

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], Rejected> {
        let short = Rejected::Length { got: self.at + self.rest.len() };
        let (field, rest) = self.rest.split_first_chunk().ok_or(short)?;
        self.rest = rest;
        self.at += N;
        Ok(*field)
    }

    fn u32(&mut self) -> Result<u32, Rejected> {
        self.take().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, Rejected> {
        self.take().map(u64::from_le_bytes)
    }

    /// Bytes that must be zero.
    fn zeros<const N: usize>(&mut self) -> Result<(), Rejected> {
        let start = self.at;
        match self.take::<N>()?.iter().position(|byte| *byte != 0) {
            None => Ok(()),
            Some(found) => Err(Rejected::Reserved { offset: start + found }),
        }
    }
}

/// `FLAGS`: who signed, in bits 2 to 4.
fn key_class(flags: u32) -> Result<KeyClass, Rejected> {
    if flags >> 5 != 0 {
        return Err(Rejected::Reserved { offset: FLAGS_OFFSET });
    }
    if flags & MASK_CHIP_KEY != 0 {
        return Err(Rejected::ChipKeyMasked);
    }
    match flags >> 2 & 7 {
        0 => Ok(KeyClass::Vcek),
        1 => Ok(KeyClass::Vlek),
        7 => Err(Rejected::NotSigned),
        got => Err(Rejected::KeyUnknown { got }),
    }
}

/// The processor, which reports name from version 3 on.
fn product(version: u32, fields: &mut Fields<'_>) -> Result<Option<Product>, Rejected> {
    if version < 3 {
        fields.zeros::<24>()?;
        return Ok(None);
    }
    let [family, model, stepping] = fields.take()?;
    fields.zeros::<21>()?;
    let product = Product::of_cpuid(family, model);
    product.map(Some).ok_or(Rejected::Processor { family, model, stepping })
}

/// Build, minor and major of the firmware, which its security versions say better.
fn firmware_version(fields: &mut Fields<'_>) -> Result<(), Rejected> {
    fields.take::<3>()?;
    fields.zeros::<1>()
}

/// The mitigations that are on, which reports name from version 5 on.
fn mitigations(version: u32, fields: &mut Fields<'_>) -> Result<u64, Rejected> {
    if version < 5 {
        fields.zeros::<168>()?;
        return Ok(0);
    }
    let (_at_launch, now) = (fields.u64()?, fields.u64()?);
    fields.zeros::<152>()?;
    Ok(now)
}

/// `r` and `s` in the order and width that others write them.
fn fixed_signature(bytes: &[u8]) -> Result<[u8; 96], Rejected> {
    let mut fields = Fields { rest: bytes, at: SIGNED_BYTES };
    let mut number = || {
        let mut number = fields.take::<48>()?;
        number.reverse();
        fields.zeros::<24>().map(|()| number)
    };
    let (r, s) = (number()?, number()?);
    fields.zeros::<368>()?;
    let mut both = [0; 96];
    let (head, tail) = both.split_at_mut(48);
    head.copy_from_slice(&r);
    tail.copy_from_slice(&s);
    Ok(both)
}

/// Length of a report, of every version so far.
pub const REPORT_BYTES: usize = 1_184;
const SIGNED_BYTES: usize = 0x2a0;
/// Version 1 was never shipped; what version 6 will mean is not known.
const VERSION_MIN: u32 = 2;
const VERSION_MAX: u32 = 5;
const ECDSA_P384_SHA384: u32 = 1;
const FLAGS_OFFSET: usize = 0x48;
const MASK_CHIP_KEY: u32 = 1 << 1;
const POLICY_MUST_BE_ONE: u64 = 1 << 17;
/// Bit 25 (page swap) is the last with a meaning.
const POLICY_RESERVED: u64 = u64::MAX << 26;
/// Bit 7 (trusted I/O) is the last with a meaning. Bit 6 has none, and genuine machines set it.
const PLATFORM_RESERVED: u64 = u64::MAX << 8;
