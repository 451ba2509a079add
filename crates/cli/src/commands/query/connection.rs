//! What every question needs: where the enclave is, what it must be, and who asks.

use std::path::{Path, PathBuf};

use lucarne_archive::Directory;
use lucarne_gateway::policy::{self, Policy};
use lucarne_ledger::identity::{EpochId, Instance};
use lucarne_ledger::register::Entry;
use lucarne_link::access::Certificate;
use lucarne_link::channel::client::Wanted;
use lucarne_link::channel::countersignature::Countersignature;
use lucarne_platform::Address;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};

use crate::commands::audit::register_log;
use crate::failure::{Exit, Failure};

/// How to reach an enclave, and as whom.
#[derive(Clone, Debug, clap::Args)]
pub(in crate::commands) struct Connection {
    /// The enclave's channel or a relay that leads there: vsock:CID:PORT, unix:/path or
    /// tcp:ADDRESS:PORT
    #[arg(long, value_name = "ADDR", env = CONNECT, hide_env_values = true)]
    connect: Address,
    /// What the enclave's evidence must be: audit-policy.yaml
    #[arg(long, value_name = "FILE", env = POLICY, hide_env_values = true)]
    policy: PathBuf,
    /// Your certificate of access, PEM
    #[arg(long, value_name = "FILE", env = IDENTITY, hide_env_values = true)]
    identity: PathBuf,
    /// The key of your certificate, PEM
    #[arg(long, value_name = "FILE", env = KEY, hide_env_values = true)]
    key: PathBuf,
    /// Refuse any other workload than this
    #[arg(long, value_name = "NAME")]
    instance: Option<Instance>,
    /// Refuse any other boot than the newest of --instance in the register of this archive, whose
    /// key the policy names
    #[arg(long, value_name = "DIR", requires = "instance")]
    register: Option<PathBuf>,
    /// Refuse any other boot than this; with --register, it must be the newest there
    #[arg(long, value_name = "ID")]
    epoch: Option<EpochId>,
    /// A second person's word for this question, as `lucarne access countersign` writes it
    #[arg(long, value_name = "FILE")]
    countersigned: Option<PathBuf>,
    /// Keep the proofs of the records, one file each, for `lucarne audit check-proof`
    #[arg(long, value_name = "DIR")]
    receipts: Option<PathBuf>,
}

/// Variables that say what an investigator would type with every question.
pub(in crate::commands) const CONNECT: &str = "LUCARNE_CONNECT";
pub(in crate::commands) const POLICY: &str = "LUCARNE_POLICY";
pub(in crate::commands) const IDENTITY: &str = "LUCARNE_IDENTITY";
pub(in crate::commands) const KEY: &str = "LUCARNE_IDENTITY_KEY";

/// The same with everything read.
pub(in crate::commands) struct Terms {
    pub(in crate::commands) address: Address,
    pub(in crate::commands) policy: Policy,
    pub(in crate::commands) wanted: Wanted,
    pub(in crate::commands) certificate: CertificateDer<'static>,
    pub(in crate::commands) key: PrivatePkcs8KeyDer<'static>,
    /// The name in the certificate.
    pub(in crate::commands) holder: String,
    pub(in crate::commands) countersignature: Option<Countersignature>,
    pub(in crate::commands) receipts: Option<PathBuf>,
}

impl Connection {
    /// Reads the files.
    ///
    /// # Errors
    /// When one cannot be read, or is not what it should be.
    pub(in crate::commands) fn terms(&self) -> Result<Terms, Failure> {
        let policy =
            policy::read(&self.policy).map_err(|error| Failure::usage(error.to_string()))?;
        let certificate = CertificateDer::from_pem_file(&self.identity)
            .map_err(|error| not_pem(&self.identity, "a certificate", &error))?;
        let key = PrivatePkcs8KeyDer::from_pem_file(&self.key)
            .map_err(|error| not_pem(&self.key, "a private key", &error))?;
        let claimed = Certificate::parse(&certificate).map_err(|error| {
            Failure::because(Exit::Usage, &format!("read {}", self.identity.display()), &error)
        })?;
        let wanted = Wanted { instance: self.instance.clone(), epoch: self.wanted_epoch(&policy)? };
        let holder = claimed.unverified().holder.to_string();
        Ok(Terms {
            address: self.connect.clone(),
            policy,
            wanted,
            holder,
            certificate,
            key,
            countersignature: self.countersigned.as_deref().map(read_word).transpose()?,
            receipts: self.receipts.clone(),
        })
    }
}

impl Connection {
    /// The boot that may answer: the one named, and the newest that the register names.
    fn wanted_epoch(&self, policy: &Policy) -> Result<Option<EpochId>, Failure> {
        let (Some(dir), Some(instance)) = (&self.register, &self.instance) else {
            return Ok(self.epoch);
        };
        let newest = newest_epoch(dir, policy, instance)?;
        match self.epoch {
            Some(named) if named != newest => {
                let text = format!("epoch {named} of {instance} is not its newest: {newest} is");
                Err(Failure::new(Exit::No, text))
            }
            Some(_) | None => Ok(Some(newest)),
        }
    }
}

/// The boot of an instance that the register names last, if nothing is wrong with the register.
fn newest_epoch(dir: &Path, policy: &Policy, instance: &Instance) -> Result<EpochId, Failure> {
    if policy.register.is_none() {
        let text = "--register: the policy names no register";
        return Err(Failure::usage(text).hint("add `register: { ed25519: HEX }`"));
    }
    let archive = Directory::open_read_only(dir)
        .map_err(|error| Failure::unreadable("read the archive", &error))?;
    let log = register_log::read(&archive, policy)?;
    if let Some(fault) = log.faults.first() {
        return Err(Failure::new(Exit::No, format!("the register is not believed: {fault}")));
    }
    let named = log.entries.iter().rev().find_map(|entry| match entry {
        Entry::Epoch { instance: of, epoch, .. } if of == instance => Some(*epoch),
        Entry::Epoch { .. } | Entry::End { .. } => None,
    });
    named.ok_or_else(|| Failure::new(Exit::No, format!("the register names no boot of {instance}")))
}

fn read_word(path: &Path) -> Result<Countersignature, Failure> {
    let what = format!("read {}", path.display());
    let bytes = std::fs::read(path).map_err(|error| Failure::unreadable(&what, &error))?;
    Countersignature::from_cbor(&bytes)
        .map_err(|error| Failure::because(Exit::Usage, &what, &error))
}

fn not_pem(path: &Path, what: &str, error: &dyn std::error::Error) -> Failure {
    let text = format!("{}: expected {what} in PEM: {error}", path.display());
    Failure::usage(text).hint("`lucarne access request` makes a key, `access issue` a certificate")
}
