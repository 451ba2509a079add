//! What every question needs: where the enclave is, what it must be, and who asks.

use std::path::{Path, PathBuf};

use lucarne_gateway::policy::{self, Policy};
use lucarne_ledger::identity::{EpochId, Instance};
use lucarne_link::access::Certificate;
use lucarne_link::channel::client::Wanted;
use lucarne_link::channel::countersignature::Countersignature;
use lucarne_platform::Address;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};

use crate::failure::{Exit, Failure};

/// How to reach an enclave, and as whom.
#[derive(Clone, Debug, clap::Args)]
pub(in crate::commands) struct Connection {
    /// The enclave's channel or a relay that leads there: vsock:CID:PORT, unix:/path or
    /// tcp:ADDRESS:PORT
    #[arg(long, value_name = "ADDR")]
    connect: Address,
    /// What the enclave's evidence must be: audit-policy.yaml
    #[arg(long, value_name = "FILE")]
    policy: PathBuf,
    /// Your certificate of access, PEM
    #[arg(long, value_name = "FILE")]
    identity: PathBuf,
    /// The key of your certificate, PEM
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// Refuse any other workload than this
    #[arg(long, value_name = "NAME")]
    instance: Option<Instance>,
    /// Refuse any other boot than this
    #[arg(long, value_name = "ID")]
    epoch: Option<EpochId>,
    /// A second person's word for this question, as `lucarne access countersign` writes it
    #[arg(long, value_name = "FILE")]
    countersigned: Option<PathBuf>,
    /// Keep the proofs of the records, one file each, for `lucarne audit check-proof`
    #[arg(long, value_name = "DIR")]
    receipts: Option<PathBuf>,
}

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
        let holder = claimed.unverified().holder.to_string();
        Ok(Terms {
            address: self.connect.clone(),
            policy,
            wanted: Wanted { instance: self.instance.clone(), epoch: self.epoch },
            holder,
            certificate,
            key,
            countersignature: self.countersigned.as_deref().map(read_word).transpose()?,
            receipts: self.receipts.clone(),
        })
    }
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
