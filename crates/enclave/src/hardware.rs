//! Evidence of real hardware, and the choice between what a machine has.
//!
//! Chosen once, at the start: what the configuration calls INSECURE if it says so, else the Nitro
//! Secure Module, else the reports of a TDX or SEV-SNP guest. A machine that has none of them is
//! refused; nothing falls back to software.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

use lucarne_ledger::report_data::ReportData;
use lucarne_platform::{
    Configfs, Nsm, NsmDevice, NsmError, NsmFile, Tsm, TsmError, TsmProvider, TsmReport, TsmTree,
};

use crate::clock::SystemClock;
use crate::config::Config;
use crate::journal;
use crate::quote::{Question, Quote, QuoteError, Quoted};
use crate::software::{Machine, MintError, SoftwareTee};

/// A source of evidence that may be asked from several threads.
pub type Source = Arc<dyn Quote + Send + Sync>;

/// Why there is no source of evidence.
#[derive(Debug)]
pub enum SourceError {
    /// The machine has no evidence device, and the configuration names no software TEE.
    None,
    /// The configuration names no software TEE, and its root is asked for.
    NotSoftware,
    /// The running executable cannot be measured.
    Executable(io::Error),
    /// The software TEE.
    Mint(MintError),
    /// The Nitro Secure Module is there and cannot be used.
    Nsm(NsmError),
    /// The reports of the kernel are there and cannot be used.
    Tsm(TsmError),
}

impl fmt::Display for SourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => write!(
                f,
                "this machine has no evidence device: neither /dev/nsm (AWS Nitro) nor \
                 /sys/kernel/config/tsm/report (Intel TDX, AMD SEV-SNP; Linux 6.7 with configfs \
                 mounted); for development without one, name tee.insecure_software in the \
                 configuration"
            ),
            Self::NotSoftware => {
                write!(f, "the configuration names no tee.insecure_software, so it has no root")
            }
            Self::Executable(error) => write!(f, "cannot measure the executable: {error}"),
            Self::Mint(error) => write!(f, "INSECURE software TEE: {error}"),
            Self::Nsm(error) => write!(f, "evidence device: {error}"),
            Self::Tsm(error) => write!(f, "evidence device: {error}"),
        }
    }
}

impl std::error::Error for SourceError {}

/// The source of this machine.
///
/// # Errors
/// When it has none, or one that cannot be used.
pub fn choose(config: &Config) -> Result<Source, SourceError> {
    match &config.tsm_reports {
        // Somebody says which device it is.
        Some(root) => choose_from(config, || Ok::<Option<Nsm>, _>(None), || Tsm::open_at(root)),
        None => choose_from(config, Nsm::open, Tsm::open),
    }
}

/// The same with other devices.
///
/// # Errors
/// When there is none, or one that cannot be used.
pub fn choose_from<D: NsmDevice + 'static, T: TsmTree + 'static>(
    config: &Config,
    nsm: impl FnOnce() -> Result<Option<Nsm<D>>, NsmError>,
    tsm: impl FnOnce() -> Result<Option<Tsm<T>>, TsmError>,
) -> Result<Source, SourceError> {
    if config.insecure_software.is_some() {
        return Ok(Arc::new(software(config)?));
    }
    if let Some(nsm) = nsm().map_err(SourceError::Nsm)? {
        return Ok(Arc::new(NitroTee::over(nsm).map_err(SourceError::Nsm)?));
    }
    match tsm().map_err(SourceError::Tsm)? {
        Some(tsm) => Ok(Arc::new(GuestTee(tsm))),
        None => Err(SourceError::None),
    }
}

/// The INSECURE software TEE that the configuration names.
///
/// # Errors
/// When it names none, or its directory or the running executable cannot be read.
pub fn software(config: &Config) -> Result<SoftwareTee<SystemClock>, SourceError> {
    let directory: &Path = config.insecure_software.as_deref().ok_or(SourceError::NotSoftware)?;
    let machine = Machine::running(format!("software-{}", config.instance));
    let machine = machine.map_err(SourceError::Executable)?;
    SoftwareTee::open_or_mint(directory, machine, SystemClock).map_err(SourceError::Mint)
}

/// Tells the operator what vouches for this epoch.
pub fn tell(source: &Source) {
    if source.kind() == crate::software::KIND {
        journal::warn("tee", &"INSECURE: software TEE, the evidence proves nothing about hardware");
    } else {
        journal::info("tee", &format_args!("evidence comes from {} hardware", source.kind()));
    }
}

/// Documents of the Nitro Secure Module.
#[derive(Debug)]
pub struct NitroTee<D = NsmFile> {
    nsm: Nsm<D>,
    image: [u8; 48],
}

impl<D: NsmDevice> NitroTee<D> {
    /// Reads what was measured. Registers 0 to 15 are locked by the hypervisor; 16 and beyond are
    /// not used here, so nothing is left to lock.
    ///
    /// # Errors
    /// When the module does not answer.
    pub fn over(nsm: Nsm<D>) -> Result<Self, NsmError> {
        let image = nsm.pcr(0)?;
        Ok(Self { nsm, image })
    }
}

impl<D: NsmDevice> Quote for NitroTee<D> {
    fn kind(&self) -> &'static str {
        "nitro"
    }

    fn quote(&self, question: &Question<'_>) -> Result<Quoted, QuoteError> {
        let Question { report_data, public_key, nonce } = question;
        let evidence = self.nsm.attestation(report_data.as_bytes(), *nonce, public_key);
        let evidence = evidence.map_err(QuoteError::Nsm)?;
        Ok(Quoted { evidence, collateral: Vec::new(), measurement: self.image })
    }
}

/// Quotes of a TDX guest, or reports of an SEV-SNP guest.
#[derive(Debug)]
pub struct GuestTee<T = Configfs>(pub Tsm<T>);

impl<T: TsmTree> Quote for GuestTee<T> {
    fn kind(&self) -> &'static str {
        match self.0.provider() {
            TsmProvider::Tdx => "tdx",
            TsmProvider::SevSnp => "snp",
        }
    }

    fn quote(&self, question: &Question<'_>) -> Result<Quoted, QuoteError> {
        let data: &ReportData = question.report_data;
        let TsmReport { report, auxiliary } =
            self.0.report(data.as_bytes()).map_err(QuoteError::Tsm)?;
        let measurement = measurement(self.0.provider(), &report)
            .ok_or(QuoteError::Short { got: report.len() })?;
        Ok(Quoted { evidence: report, collateral: auxiliary, measurement })
    }
}

/// The launch measurement in a report: MRTD of a quote of version 4 or 5, or MEASUREMENT of a
/// report (AMD 56860, table 23). It is for display; who verifies reads it again.
fn measurement(provider: TsmProvider, report: &[u8]) -> Option<[u8; 48]> {
    let at = match provider {
        TsmProvider::SevSnp => SNP_MEASUREMENT,
        TsmProvider::Tdx => match report.first_chunk::<2>()? {
            // Version 5 has the type and the length of the body before it.
            [5, 0] => TDX_MRTD + 6,
            _ => TDX_MRTD,
        },
    };
    report.get(at..)?.first_chunk::<48>().copied()
}

const SNP_MEASUREMENT: usize = 0x90;
/// Header of 48 bytes, then MRTD at 136 of the body.
const TDX_MRTD: usize = 48 + 136;

#[cfg(test)]
mod tests;
