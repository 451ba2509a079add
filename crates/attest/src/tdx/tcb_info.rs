//! TCB info and QE identity: the two JSON documents in which Intel says what is up to date.
//!
//! Read only after their signatures held. Every array has its full length here or the document is
//! refused, and levels stand in the order in which they are tried: a reader that stops at the
//! shorter of two arrays, or at a level out of place, takes old machines for new ones.

use alloc::string::String;
use alloc::vec::Vec;

use lucarne_ledger::hash::from_hex;
use serde::Deserialize;

use super::rejected::{DocumentFault, Rejected, Source};
use super::tcb::TcbStatus;
use crate::time::Time;
use crate::x509::two_digits;

/// What TCB info says of a family of machines.
pub(super) struct TcbInfo {
    pub(super) issued: Time,
    pub(super) next_update: Time,
    pub(super) evaluation_number: u32,
    pub(super) fmspc: [u8; 6],
    pub(super) pce_id: [u8; 2],
    /// The module of machines whose `TEE_TCB_SVN[1]` is 0.
    pub(super) module: Module,
    /// The modules of all others.
    pub(super) modules: Vec<VersionedModule>,
    pub(super) levels: Vec<Level>,
}

/// Who may have signed a TDX module, and with which attributes.
pub(super) struct Module {
    pub(super) mr_signer: [u8; 48],
    pub(super) attributes: [u8; 8],
    pub(super) attributes_mask: [u8; 8],
}

/// A TDX module by its version.
pub(super) struct VersionedModule {
    pub(super) id: String,
    pub(super) module: Module,
    pub(super) levels: Vec<SvnLevel>,
}

/// A state of machines of the family. The first that a machine reaches is its level.
pub(super) struct Level {
    pub(super) sgx: [u8; 16],
    pub(super) pce: u16,
    pub(super) tdx: [u8; 16],
    pub(super) standing: Standing,
}

/// A state of a module or of the quoting enclave, which one number names.
pub(super) struct SvnLevel {
    pub(super) svn: u16,
    pub(super) standing: Standing,
}

/// What Intel says of a level.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Standing {
    pub(super) status: TcbStatus,
    pub(super) date: Time,
    pub(super) advisories: Vec<String>,
}

/// What Intel's quoting enclave for TDX is.
pub(super) struct QeIdentity {
    pub(super) issued: Time,
    pub(super) next_update: Time,
    pub(super) evaluation_number: u32,
    pub(super) misc_select: [u8; 4],
    pub(super) misc_select_mask: [u8; 4],
    pub(super) attributes: [u8; 16],
    pub(super) attributes_mask: [u8; 16],
    pub(super) mr_signer: [u8; 32],
    pub(super) isv_prod_id: u16,
    pub(super) levels: Vec<SvnLevel>,
}

impl TcbInfo {
    pub(super) fn parse(json: &[u8]) -> Result<Self, Rejected> {
        read_tcb_info(json).map_err(|fault| Rejected::Document { source: Source::TcbInfo, fault })
    }
}

impl QeIdentity {
    pub(super) fn parse(json: &[u8]) -> Result<Self, Rejected> {
        read_qe_identity(json)
            .map_err(|fault| Rejected::Document { source: Source::QeIdentity, fault })
    }
}

fn read_tcb_info(json: &[u8]) -> Result<TcbInfo, DocumentFault> {
    let wire: TcbInfoWire = serde_json::from_slice(json).map_err(|error| json_fault(&error))?;
    if wire.id != "TDX" || wire.tcb_type != 0 {
        return Err(DocumentFault::Id);
    }
    if wire.version != 3 {
        return Err(DocumentFault::Version { got: wire.version });
    }
    let module = wire.tdx_module.ok_or(DocumentFault::Id)?;
    let modules: Result<Vec<_>, _> =
        wire.tdx_module_identities.into_iter().map(VersionedModuleWire::read).collect();
    let modules = modules?;
    for (at, one) in modules.iter().enumerate() {
        if modules.iter().skip(at + 1).any(|other| other.id == one.id) {
            return Err(DocumentFault::LevelOrder);
        }
    }
    let levels: Result<Vec<_>, _> = wire.tcb_levels.into_iter().map(LevelWire::read).collect();
    let info = TcbInfo {
        issued: time(&wire.issue_date)?,
        next_update: time(&wire.next_update)?,
        evaluation_number: wire.tcb_evaluation_data_number,
        fmspc: hex(&wire.fmspc)?,
        pce_id: hex(&wire.pce_id)?,
        module: module.read()?,
        modules,
        levels: levels?,
    };
    check_order(&info.levels)?;
    Ok(info)
}

/// A level that is no lower anywhere than one before it can never be reached.
fn check_order(levels: &[Level]) -> Result<(), DocumentFault> {
    if levels.is_empty() || levels.len() > LEVELS_MAX {
        return Err(DocumentFault::LevelCount { got: levels.len() });
    }
    let covers = |later: &Level, earlier: &Level| {
        let no_lower =
            |later: &[u8], earlier: &[u8]| later.iter().zip(earlier).all(|(l, e)| l >= e);
        no_lower(&later.sgx, &earlier.sgx)
            && no_lower(&later.tdx, &earlier.tdx)
            && later.pce >= earlier.pce
    };
    for (at, later) in levels.iter().enumerate() {
        if levels.iter().take(at).any(|earlier| covers(later, earlier)) {
            return Err(DocumentFault::LevelOrder);
        }
    }
    Ok(())
}

fn read_qe_identity(json: &[u8]) -> Result<QeIdentity, DocumentFault> {
    let wire: QeIdentityWire = serde_json::from_slice(json).map_err(|error| json_fault(&error))?;
    if wire.id != "TD_QE" {
        return Err(DocumentFault::Id);
    }
    if !matches!(wire.version, 2 | 3) {
        return Err(DocumentFault::Version { got: wire.version });
    }
    Ok(QeIdentity {
        issued: time(&wire.issue_date)?,
        next_update: time(&wire.next_update)?,
        evaluation_number: wire.tcb_evaluation_data_number,
        misc_select: hex(&wire.miscselect)?,
        misc_select_mask: hex(&wire.miscselect_mask)?,
        attributes: hex(&wire.attributes)?,
        attributes_mask: hex(&wire.attributes_mask)?,
        mr_signer: hex(&wire.mrsigner)?,
        isv_prod_id: wire.isvprodid,
        levels: svn_levels(wire.tcb_levels)?,
    })
}

/// Levels of a module or enclave: SVNs that fall, and only statuses that such a thing can have.
fn svn_levels(wire: Vec<SvnLevelWire>) -> Result<Vec<SvnLevel>, DocumentFault> {
    if wire.is_empty() || wire.len() > LEVELS_MAX {
        return Err(DocumentFault::LevelCount { got: wire.len() });
    }
    let mut levels: Vec<SvnLevel> = Vec::new();
    for level in wire {
        let svn = level.tcb.isvsvn;
        if levels.last().is_some_and(|last| last.svn <= svn) {
            return Err(DocumentFault::LevelOrder);
        }
        let standing = standing(&level.tcb_status, &level.tcb_date, level.advisories)?;
        match standing.status {
            TcbStatus::UpToDate | TcbStatus::OutOfDate | TcbStatus::Revoked => {}
            TcbStatus::SwHardeningNeeded
            | TcbStatus::ConfigurationNeeded
            | TcbStatus::ConfigurationAndSwHardeningNeeded
            | TcbStatus::OutOfDateConfigurationNeeded => return Err(DocumentFault::Status),
        }
        levels.push(SvnLevel { svn, standing });
    }
    Ok(levels)
}

fn standing(status: &str, date: &str, advisories: Vec<String>) -> Result<Standing, DocumentFault> {
    let status = TcbStatus::from_intel(status).ok_or(DocumentFault::Status)?;
    Ok(Standing { status, date: time(date)?, advisories })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TcbInfoWire {
    id: String,
    version: u32,
    issue_date: String,
    next_update: String,
    fmspc: String,
    pce_id: String,
    tcb_type: u32,
    tcb_evaluation_data_number: u32,
    tdx_module: Option<ModuleWire>,
    #[serde(default)]
    tdx_module_identities: Vec<VersionedModuleWire>,
    tcb_levels: Vec<LevelWire>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ModuleWire {
    mrsigner: String,
    attributes: String,
    attributes_mask: String,
}

impl ModuleWire {
    fn read(self) -> Result<Module, DocumentFault> {
        Ok(Module {
            mr_signer: hex(&self.mrsigner)?,
            attributes: hex(&self.attributes)?,
            attributes_mask: hex(&self.attributes_mask)?,
        })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct VersionedModuleWire {
    id: String,
    mrsigner: String,
    attributes: String,
    attributes_mask: String,
    tcb_levels: Vec<SvnLevelWire>,
}

impl VersionedModuleWire {
    fn read(self) -> Result<VersionedModule, DocumentFault> {
        let Self { id, mrsigner, attributes, attributes_mask, tcb_levels } = self;
        let module = ModuleWire { mrsigner, attributes, attributes_mask }.read()?;
        Ok(VersionedModule { id, module, levels: svn_levels(tcb_levels)? })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LevelWire {
    tcb: TcbWire,
    tcb_status: String,
    tcb_date: String,
    #[serde(default, rename = "advisoryIDs")]
    advisories: Vec<String>,
}

#[derive(Deserialize)]
struct TcbWire {
    sgxtcbcomponents: Vec<ComponentWire>,
    pcesvn: u16,
    tdxtcbcomponents: Vec<ComponentWire>,
}

#[derive(Deserialize)]
struct ComponentWire {
    svn: u8,
}

impl LevelWire {
    fn read(self) -> Result<Level, DocumentFault> {
        Ok(Level {
            sgx: components(&self.tcb.sgxtcbcomponents)?,
            pce: self.tcb.pcesvn,
            tdx: components(&self.tcb.tdxtcbcomponents)?,
            standing: standing(&self.tcb_status, &self.tcb_date, self.advisories)?,
        })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SvnLevelWire {
    tcb: SvnWire,
    tcb_status: String,
    tcb_date: String,
    #[serde(default, rename = "advisoryIDs")]
    advisories: Vec<String>,
}

#[derive(Deserialize)]
struct SvnWire {
    isvsvn: u16,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct QeIdentityWire {
    id: String,
    version: u32,
    issue_date: String,
    next_update: String,
    tcb_evaluation_data_number: u32,
    miscselect: String,
    miscselect_mask: String,
    attributes: String,
    attributes_mask: String,
    mrsigner: String,
    isvprodid: u16,
    tcb_levels: Vec<SvnLevelWire>,
}

fn components(list: &[ComponentWire]) -> Result<[u8; 16], DocumentFault> {
    let svns: Vec<u8> = list.iter().map(|component| component.svn).collect();
    svns.try_into().map_err(|_| DocumentFault::ComponentCount { got: list.len() })
}

fn hex<const N: usize>(text: &str) -> Result<[u8; N], DocumentFault> {
    from_hex(&text.to_ascii_lowercase()).map_err(|_| DocumentFault::Hex)
}

/// A time as Intel writes it, `2025-06-19T10:16:03Z`.
fn time(text: &str) -> Result<Time, DocumentFault> {
    let parts = match text.as_bytes() {
        [a, b, c, d, b'-', e, f, b'-', g, h, b'T', i, j, b':', k, l, b':', m, n, b'Z'] => {
            [[*a, *b], [*c, *d], [*e, *f], [*g, *h], [*i, *j], [*k, *l], [*m, *n]]
        }
        _ => return Err(DocumentFault::Time),
    };
    let mut numbers = [0; 7];
    for (number, pair) in numbers.iter_mut().zip(&parts) {
        *number = two_digits(pair).ok_or(DocumentFault::Time)?;
    }
    let [century, year, month, day, hour, minute, second] = numbers;
    Time::from_civil([century * 100 + year, month, day], [hour, minute, second])
        .ok_or(DocumentFault::Time)
}

fn json_fault(error: &serde_json::Error) -> DocumentFault {
    DocumentFault::Json { line: error.line(), column: error.column() }
}

/// Families have fewer than twenty; more would make the check of their order slow.
const LEVELS_MAX: usize = 128;
