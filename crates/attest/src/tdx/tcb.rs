//! The state of a machine: which TCB level it reaches, and what it lacks for the best.
//!
//! The machine, the TDX module and the quoting enclave each have a level; one verdict comes out, as
//! bad as the worst of them. Revocation of any of them ends it, whatever else matches.

use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::platform::Platform;
use super::quote::{Body, QeReport};
use super::rejected::{QeField, Rejected};
use super::tcb_info::{Level, Module, QeIdentity, Standing, SvnLevel, TcbInfo};
use crate::time::Time;

/// What Intel says of a machine's state.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum TcbStatus {
    /// Everything that Intel published is in place.
    UpToDate,
    /// The software in the TD must mitigate something itself.
    SwHardeningNeeded,
    /// The platform must be configured otherwise.
    ConfigurationNeeded,
    /// Both.
    ConfigurationAndSwHardeningNeeded,
    /// An update is missing.
    OutOfDate,
    /// An update is missing, and the platform must be configured otherwise.
    OutOfDateConfigurationNeeded,
    /// Keys of this state are known to others. No policy can accept it.
    Revoked,
}

impl TcbStatus {
    /// Its name, as Intel writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UpToDate => "UpToDate",
            Self::SwHardeningNeeded => "SWHardeningNeeded",
            Self::ConfigurationNeeded => "ConfigurationNeeded",
            Self::ConfigurationAndSwHardeningNeeded => "ConfigurationAndSWHardeningNeeded",
            Self::OutOfDate => "OutOfDate",
            Self::OutOfDateConfigurationNeeded => "OutOfDateConfigurationNeeded",
            Self::Revoked => "Revoked",
        }
    }

    /// The status of this name.
    pub(super) fn from_intel(name: &str) -> Option<Self> {
        let all = [
            Self::UpToDate,
            Self::SwHardeningNeeded,
            Self::ConfigurationNeeded,
            Self::ConfigurationAndSwHardeningNeeded,
            Self::OutOfDate,
            Self::OutOfDateConfigurationNeeded,
            Self::Revoked,
        ];
        all.into_iter().find(|status| status.as_str() == name)
    }

    /// The status of a machine with a part that is out of date.
    const fn with_part_out_of_date(self) -> Self {
        match self {
            Self::UpToDate | Self::SwHardeningNeeded | Self::OutOfDate => Self::OutOfDate,
            Self::ConfigurationNeeded
            | Self::ConfigurationAndSwHardeningNeeded
            | Self::OutOfDateConfigurationNeeded => Self::OutOfDateConfigurationNeeded,
            Self::Revoked => Self::Revoked,
        }
    }
}

impl core::fmt::Display for TcbStatus {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The state of a machine.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Tcb {
    /// The verdict on machine, module and quoting enclave together.
    pub status: TcbStatus,
    /// Advisories published before this day do not concern a machine of its level.
    pub date: Time,
    /// Advisories that concern it.
    pub advisories: BTreeSet<String>,
    /// What it lacks for the best level that Intel names.
    pub short: Vec<Shortfall>,
}

/// A component with a lower SVN than a level asks for.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Shortfall {
    /// Which one.
    pub component: Component,
    /// SVN found.
    pub got: u16,
    /// SVN asked for.
    pub want: u16,
}

/// A part of a machine that has an SVN.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Component {
    /// SGX component 1 to 16: microcode and firmware.
    Sgx(u8),
    /// The provisioning certification enclave.
    Pce,
    /// TDX component 1 to 16: the module and its loader.
    Tdx(u8),
    /// The TDX module, by its identity.
    Module,
    /// The quoting enclave.
    QuotingEnclave,
}

/// That the quoting enclave is Intel's, in every field that Intel names.
pub(super) fn check_qe(report: &QeReport<'_>, identity: &QeIdentity) -> Result<(), Rejected> {
    let differs = |field, got: &[u8], want: &[u8]| {
        Err(Rejected::QeIdentity { field, got: got.into(), want: want.into() })
    };
    if report.mr_signer != identity.mr_signer {
        return differs(QeField::MrSigner, &report.mr_signer, &identity.mr_signer);
    }
    if report.isv_prod_id != identity.isv_prod_id {
        let [got, want] = [report.isv_prod_id, identity.isv_prod_id].map(u16::to_be_bytes);
        return differs(QeField::IsvProdId, &got, &want);
    }
    let got = masked(report.misc_select, identity.misc_select_mask);
    if got != masked(identity.misc_select, identity.misc_select_mask) {
        return differs(QeField::MiscSelect, &report.misc_select, &identity.misc_select);
    }
    let got = masked(report.attributes, identity.attributes_mask);
    if got != masked(identity.attributes, identity.attributes_mask) {
        return differs(QeField::Attributes, &report.attributes, &identity.attributes);
    }
    // Whatever the mask leaves out: an enclave in debug mode gives its keys to the host.
    let [flags, ..] = report.attributes;
    if flags & SGX_DEBUG != 0 { Err(Rejected::QeDebug) } else { Ok(()) }
}

/// The level of the quoting enclave.
pub(super) fn qe_level(svn: u16, identity: &QeIdentity) -> Result<&SvnLevel, Rejected> {
    let level = identity.levels.iter().find(|level| level.svn <= svn);
    level.ok_or(Rejected::QeLevel { svn })
}

/// That Intel signed the TDX module that a TD was launched on.
pub(super) fn check_module(body: &Body, info: &TcbInfo) -> Result<(), Rejected> {
    let module = match versioned(&body.tee_tcb_svn, info)? {
        None => &info.module,
        Some((module, _)) => module,
    };
    if body.mr_signer_seam.0 != module.mr_signer {
        return Err(Rejected::ModuleSigner { got: body.mr_signer_seam });
    }
    let mask = module.attributes_mask;
    if masked(body.seam_attributes, mask) != masked(module.attributes, mask) {
        return Err(Rejected::ModuleAttributes { got: body.seam_attributes });
    }
    Ok(())
}

/// The state of a machine with these TDX SVNs.
pub(super) fn evaluate(
    platform: &Platform,
    svns: &[u8; 16],
    info: &TcbInfo,
    qe: &SvnLevel,
    qe_svns: [u16; 2],
) -> Result<Tcb, Rejected> {
    let module = match versioned(svns, info)? {
        None => None,
        Some((_, levels)) => {
            let [svn, ..] = svns.map(u16::from);
            let level = levels.iter().find(|level| level.svn <= svn);
            let best = levels.first().map_or(0, |level| level.svn);
            Some((level.ok_or(Rejected::ModuleLevel { svn })?, [svn, best]))
        }
    };
    // Where a module has an identity, its two SVNs are judged by that alone.
    let skip = if module.is_some() { 2 } else { 0 };
    let short_of = |level: &Level| shortfalls(platform, svns, skip, level);
    let level = info.levels.iter().find(|level| short_of(level).is_empty());
    let lowest =
        || Rejected::TcbLevel { short: info.levels.last().map(short_of).unwrap_or_default() };
    let level = level.ok_or_else(lowest)?;

    let mut short = info.levels.first().map(short_of).unwrap_or_default();
    let mut parts = alloc::vec![(Component::QuotingEnclave, &qe.standing, qe_svns)];
    parts.extend(module.map(|(level, svns)| (Component::Module, &level.standing, svns)));
    for (component, _, [got, want]) in &parts {
        if got < want {
            short.push(Shortfall { component: *component, got: *got, want: *want });
        }
    }
    converge(&level.standing, &parts, short)
}

fn converge(
    machine: &Standing,
    parts: &[(Component, &Standing, [u16; 2])],
    short: Vec<Shortfall>,
) -> Result<Tcb, Rejected> {
    let mut tcb = Tcb {
        status: machine.status,
        date: machine.date,
        advisories: machine.advisories.iter().cloned().collect(),
        short,
    };
    if machine.status == TcbStatus::Revoked {
        return Err(Rejected::Revoked { component: None });
    }
    for (component, standing, _) in parts {
        match standing.status {
            TcbStatus::Revoked => return Err(Rejected::Revoked { component: Some(*component) }),
            TcbStatus::UpToDate => {}
            TcbStatus::SwHardeningNeeded
            | TcbStatus::ConfigurationNeeded
            | TcbStatus::ConfigurationAndSwHardeningNeeded
            | TcbStatus::OutOfDate
            | TcbStatus::OutOfDateConfigurationNeeded => {
                tcb.status = tcb.status.with_part_out_of_date();
            }
        }
        tcb.date = tcb.date.min(standing.date);
        tcb.advisories.extend(standing.advisories.iter().cloned());
    }
    Ok(tcb)
}

/// The identity of the module that these SVNs name; none for the first modules, which have none.
fn versioned<'a>(
    svns: &[u8; 16],
    info: &'a TcbInfo,
) -> Result<Option<(&'a Module, &'a [SvnLevel])>, Rejected> {
    let [_, version, ..] = *svns;
    if version == 0 {
        return Ok(None);
    }
    let id = format!("TDX_{version:02X}");
    let found = info.modules.iter().find(|module| module.id == id);
    let found = found.ok_or(Rejected::ModuleUnknown { version })?;
    Ok(Some((&found.module, &found.levels)))
}

fn shortfalls(platform: &Platform, tdx: &[u8; 16], skip: usize, level: &Level) -> Vec<Shortfall> {
    let named = |name: fn(u8) -> Component| (1..=16).map(name);
    let pairs = |got: &[u8; 16], want: &[u8; 16]| {
        let pairs: Vec<_> = got.iter().copied().zip(want.iter().copied()).collect();
        pairs.into_iter().map(|(got, want)| (u16::from(got), u16::from(want)))
    };
    let sgx = named(Component::Sgx).zip(pairs(&platform.sgx_svns, &level.sgx));
    let pce = [(Component::Pce, (platform.pce_svn, level.pce))];
    let tdx = named(Component::Tdx).zip(pairs(tdx, &level.tdx)).skip(skip);
    sgx.chain(pce)
        .chain(tdx)
        .filter(|(_, (got, want))| got < want)
        .map(|(component, (got, want))| Shortfall { component, got, want })
        .collect()
}

fn masked<const N: usize>(value: [u8; N], mask: [u8; N]) -> [u8; N] {
    let mut out = value;
    out.iter_mut().zip(mask).for_each(|(byte, mask)| *byte &= mask);
    out
}

/// Bit 1 of the attributes of an SGX enclave.
const SGX_DEBUG: u8 = 0x02;
