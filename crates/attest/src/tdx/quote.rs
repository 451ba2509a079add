//! TDX quotes, version 4 and 5 (Intel TDX DCAP Quoting Library API, appendix A), read in place.
//!
//! Every length is checked against the bytes that are there, and the signature data must be used up
//! to its last byte. Cloud providers pad quotes with zeros; those are read over and belong to no
//! hash, any other byte behind a quote is refused. Quotes of SGX enclaves are refused.

use lucarne_ledger::hash::Hash;

use super::rejected::{Part, Rejected};
use crate::register::Register;

/// A quote in good form. Whether any of it is true is not known yet.
#[derive(Clone, Debug)]
pub(super) struct Quote<'a> {
    /// Version of the format, 4 or 5.
    pub(super) version: u16,
    /// Header and body: what the attestation key signed.
    pub(super) signed: &'a [u8],
    /// The report on the TD.
    pub(super) body: Body,
    /// Raw ECDSA signature over `signed`, r and s.
    pub(super) signature: [u8; 64],
    /// The attestation key: x and y of a point on P-256.
    pub(super) key: [u8; 64],
    /// The report on the quoting enclave, which vouches for the attestation key.
    pub(super) qe_report: QeReport<'a>,
    /// Raw ECDSA signature over the report, by the PCK.
    pub(super) qe_signature: [u8; 64],
    /// What the quoting enclave hashed into its report behind the attestation key.
    pub(super) qe_auth: &'a [u8],
    /// The PCK chain in PEM. Nothing signs it as a whole.
    pub(super) chain: &'a [u8],
}

/// The report on the TD, version 1.0 or 1.5.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Body {
    pub(super) tee_tcb_svn: [u8; 16],
    pub(super) mr_seam: Register,
    pub(super) mr_signer_seam: Register,
    pub(super) seam_attributes: [u8; 8],
    pub(super) td_attributes: u64,
    pub(super) xfam: u64,
    pub(super) mr_td: Register,
    pub(super) mr_config_id: Register,
    pub(super) mr_owner: Register,
    pub(super) mr_owner_config: Register,
    pub(super) rtmr: [Register; 4],
    pub(super) report_data: [u8; 64],
    /// What only version 1.5 has.
    pub(super) later: Option<Later>,
}

/// What version 1.5 of the report adds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Later {
    /// The TCB that runs now, where `tee_tcb_svn` is the one the TD was launched on.
    pub(super) tee_tcb_svn2: [u8; 16],
    /// The measurement of the service TDs bound to this one; zero without any.
    pub(super) mr_service_td: Register,
}

/// The report on the quoting enclave: an SGX report body.
#[derive(Clone, Debug)]
pub(super) struct QeReport<'a> {
    /// All 384 bytes, which the PCK signed.
    pub(super) signed: &'a [u8],
    pub(super) misc_select: [u8; 4],
    pub(super) attributes: [u8; 16],
    pub(super) mr_signer: [u8; 32],
    pub(super) isv_prod_id: u16,
    pub(super) isv_svn: u16,
    pub(super) report_data: [u8; 64],
}

impl<'a> Quote<'a> {
    /// Reads a quote.
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, Rejected> {
        if bytes.len() > QUOTE_BYTES_MAX {
            return Err(Rejected::TooLong { got: bytes.len() });
        }
        let mut input = Input { rest: bytes };
        let version = header(&mut input)?;
        let body = match version {
            4 => Body::parse(&mut input, BODY_1_0)?,
            _ => described_body(&mut input)?,
        };
        let signed_bytes = bytes.len() - input.rest.len();
        let signed = bytes.get(..signed_bytes).unwrap_or_default();

        let length = size(input.u32(Part::Signature)?);
        let mut data = Input { rest: input.slice(length, Part::Signature)? };
        if let Some(at) = input.rest.iter().position(|byte| *byte != 0) {
            return Err(Rejected::Trailing { at: bytes.len() - input.rest.len() + at });
        }
        let signature = data.array(Part::Signature)?;
        let key = data.array(Part::Signature)?;
        let mut qe = data.certification(CERTIFICATION_QE_REPORT)?;
        data.end(Part::Signature)?;

        let qe_report = QeReport::parse(qe.slice(QE_REPORT_BYTES, Part::QeReport)?)?;
        let qe_signature = qe.array(Part::QeReport)?;
        let auth_bytes = usize::from(qe.u16(Part::QeReport)?);
        if auth_bytes > AUTH_BYTES_MAX {
            return Err(Rejected::AuthTooLong { got: auth_bytes });
        }
        let qe_auth = qe.slice(auth_bytes, Part::QeReport)?;
        let chain = qe.certification(CERTIFICATION_PCK_CHAIN)?.rest;
        qe.end(Part::Certification)?;
        Ok(Self { version, signed, body, signature, key, qe_report, qe_signature, qe_auth, chain })
    }

    /// The name of what was said: SHA-256 of the signed part, whatever surrounds it.
    pub(super) fn identity(&self) -> Hash {
        Hash::of(self.signed)
    }
}

/// The header of 48 bytes, down to the version.
fn header(input: &mut Input<'_>) -> Result<u16, Rejected> {
    let part = Part::Header;
    let version = input.u16(part)?;
    if !matches!(version, 4 | 5) {
        return Err(Rejected::Version { got: version });
    }
    let key_type = input.u16(part)?;
    if key_type != ECDSA_P256 {
        return Err(Rejected::KeyType { got: key_type });
    }
    let tee = input.u32(part)?;
    if tee != TEE_TDX {
        return Err(Rejected::TeeType { got: tee });
    }
    input.slice(RESERVED_BYTES, part)?;
    let vendor = input.array(part)?;
    if vendor != INTEL_QE_VENDOR {
        return Err(Rejected::Vendor { got: vendor });
    }
    input.slice(USER_DATA_BYTES, part)?;
    Ok(version)
}

/// The body of version 5, which says itself what it is.
fn described_body(input: &mut Input<'_>) -> Result<Body, Rejected> {
    let kind = input.u16(Part::Body)?;
    let got = input.u32(Part::Body)?;
    let want = match kind {
        2 => BODY_1_0,
        3 => BODY_1_5,
        _ => return Err(Rejected::BodyType { got: kind }),
    };
    if size(got) != want {
        return Err(Rejected::BodySize { kind, got });
    }
    Body::parse(input, want)
}

impl Body {
    fn parse(input: &mut Input<'_>, bytes: usize) -> Result<Self, Rejected> {
        let mut input = Input { rest: input.slice(bytes, Part::Body)? };
        let input = &mut input;
        let part = Part::Body;
        let mut body = Self {
            tee_tcb_svn: input.array(part)?,
            mr_seam: input.register()?,
            mr_signer_seam: input.register()?,
            seam_attributes: input.array(part)?,
            td_attributes: u64::from_le_bytes(input.array(part)?),
            xfam: u64::from_le_bytes(input.array(part)?),
            mr_td: input.register()?,
            mr_config_id: input.register()?,
            mr_owner: input.register()?,
            mr_owner_config: input.register()?,
            rtmr: [input.register()?, input.register()?, input.register()?, input.register()?],
            report_data: input.array(part)?,
            later: None,
        };
        if bytes == BODY_1_5 {
            let (tee_tcb_svn2, mr_service_td) = (input.array(part)?, input.register()?);
            body.later = Some(Later { tee_tcb_svn2, mr_service_td });
        }
        input.end(part)?;
        Ok(body)
    }
}

impl<'a> QeReport<'a> {
    fn parse(signed: &'a [u8]) -> Result<Self, Rejected> {
        let mut input = Input { rest: signed };
        let part = Part::QeReport;
        input.slice(16, part)?; // CPUSVN: judged by the PCK certificate, which names the same
        let misc_select = input.array(part)?;
        input.slice(28, part)?;
        let attributes = input.array(part)?;
        input.slice(64, part)?; // MRENCLAVE, which moves with every build, and reserved bytes
        let mr_signer = input.array(part)?;
        input.slice(96, part)?;
        let (isv_prod_id, isv_svn) = (input.u16(part)?, input.u16(part)?);
        input.slice(60, part)?;
        let report_data = input.array(part)?;
        input.end(part)?;
        Ok(Self { signed, misc_select, attributes, mr_signer, isv_prod_id, isv_svn, report_data })
    }
}

/// Reads parts one after the other; all numbers are little-endian.
struct Input<'a> {
    rest: &'a [u8],
}

impl<'a> Input<'a> {
    fn slice(&mut self, length: usize, part: Part) -> Result<&'a [u8], Rejected> {
        let (head, rest) =
            self.rest.split_at_checked(length).ok_or(Rejected::Truncated { part })?;
        self.rest = rest;
        Ok(head)
    }

    fn array<const N: usize>(&mut self, part: Part) -> Result<[u8; N], Rejected> {
        let (head, rest) = self.rest.split_first_chunk().ok_or(Rejected::Truncated { part })?;
        self.rest = rest;
        Ok(*head)
    }

    fn u16(&mut self, part: Part) -> Result<u16, Rejected> {
        self.array(part).map(u16::from_le_bytes)
    }

    fn u32(&mut self, part: Part) -> Result<u32, Rejected> {
        self.array(part).map(u32::from_le_bytes)
    }

    fn register(&mut self) -> Result<Register, Rejected> {
        self.array(Part::Body).map(Register)
    }

    /// Certification data of the one type that belongs here.
    fn certification(&mut self, want: u16) -> Result<Self, Rejected> {
        let got = self.u16(Part::Certification)?;
        if got != want {
            return Err(Rejected::CertificationType { got, want });
        }
        let length = size(self.u32(Part::Certification)?);
        Ok(Self { rest: self.slice(length, Part::Certification)? })
    }

    fn end(&self, part: Part) -> Result<(), Rejected> {
        match self.rest.len() {
            0 => Ok(()),
            got => Err(Rejected::Surplus { part, got }),
        }
    }
}

/// A length that a quote states. One that does not fit is longer than any quote.
fn size(stated: u32) -> usize {
    usize::try_from(stated).unwrap_or(usize::MAX)
}

/// Quotes have 5 KB; providers pad them to 8,000 bytes. TDX with DICE writes CBOR, not quotes.
pub(super) const QUOTE_BYTES_MAX: usize = 16 * 1024;
/// The quoting enclave of Intel writes 32 bytes, its sample none.
const AUTH_BYTES_MAX: usize = 64;
const BODY_1_0: usize = 584;
const BODY_1_5: usize = 648;
const QE_REPORT_BYTES: usize = 384;
const RESERVED_BYTES: usize = 4;
const USER_DATA_BYTES: usize = 20;
const ECDSA_P256: u16 = 2;
const TEE_TDX: u32 = 0x81;
const CERTIFICATION_QE_REPORT: u16 = 6;
const CERTIFICATION_PCK_CHAIN: u16 = 5;
const INTEL_QE_VENDOR: [u8; 16] = [
    0x93, 0x9a, 0x72, 0x33, 0xf7, 0x9c, 0x4c, 0xa9, 0x94, 0x0a, 0x0d, 0xb3, 0x95, 0x7f, 0x06, 0x07,
];
