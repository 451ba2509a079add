//! The birth of an epoch: keys, binding, evidence, and the `open` record that tells of them.

use std::sync::Arc;

use lucarne_ledger::binding::EpochBinding;
use lucarne_ledger::control::{Open, Previous};
use lucarne_ledger::hash::{Hash, to_hex};
use lucarne_ledger::identity::{EpochId, LedgerKind};
use lucarne_ledger::key::{Signer, SigningFailed};
use lucarne_ledger::report_data::ReportData;
use lucarne_ledger::trust_policy::TrustPolicy;
use lucarne_link::message::PreviousHead;
use tokio::sync::watch;

use crate::channel::{self, identity::ChannelKey};
use crate::config::Config;
use crate::entropy;
use crate::progress::Position;
use crate::quote::{Question, Quote, QuoteError};
use crate::signer::EpochKeys;
use crate::uplink::{Identity, Witnesses};
use crate::witnesses::Quorum;

/// One boot of an instance.
pub struct Epoch {
    /// Its name.
    pub id: EpochId,
    /// Its keys.
    pub keys: Arc<EpochKeys>,
    /// What it shows to the gateway.
    pub identity: Arc<Identity>,
    /// The key of the attested channel, if the configuration asks for one.
    pub channel: Option<Arc<ChannelKey>>,
    tee: &'static str,
    measurement: String,
}

/// Why an epoch cannot begin.
#[derive(Debug)]
pub enum BirthError {
    /// No randomness, or no key.
    Keys(SigningFailed),
    /// The evidence device refused.
    Quote(QuoteError),
}

impl std::fmt::Display for BirthError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Keys(_) => write!(f, "cannot draw the keys of the epoch"),
            Self::Quote(_) => write!(f, "cannot get evidence for the epoch"),
        }
    }
}

impl std::error::Error for BirthError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Keys(error) => Some(error),
            Self::Quote(error) => Some(error),
        }
    }
}

impl From<SigningFailed> for BirthError {
    fn from(error: SigningFailed) -> Self {
        Self::Keys(error)
    }
}

impl Epoch {
    /// Waits for a quorum of `policy` over the ledgers of this epoch.
    pub fn witnesses(&self, policy: TrustPolicy, log_prefix: &str) -> Witnesses {
        let keys = [self.keys.public_key(), self.keys.ed25519()].map(Clone::clone);
        let quorum = Quorum::new(policy, log_prefix, (&self.identity.instance, self.id), &keys);
        Witnesses { quorum, witnessed: watch::Sender::new(Position::default()) }
    }

    /// Draws keys, binds them and has the hardware sign the binding.
    ///
    /// # Errors
    /// When there is no randomness or no evidence.
    pub fn begin(config: &Config, quote: Arc<dyn Quote + Send + Sync>) -> Result<Self, BirthError> {
        let keys = EpochKeys::generate()?;
        let ed25519 = keys.ed25519().raw().try_into().map_err(|_| SigningFailed)?;
        let channel = channel::key_for(config.access.as_ref())?;
        let binding = EpochBinding {
            p256_spki: keys.public_key().spki().to_vec(),
            ed25519,
            mldsa44: None,
            channel_spki: channel.as_ref().map(|key| key.spki().to_vec()),
            instance: config.instance.clone(),
            nonce: entropy::bytes()?,
            configuration_sha256: config.sha256,
            contract_sha256: config.contract_sha256,
            deployment: config.deployment.clone(),
        };
        let report_data = ReportData::epoch(&binding);
        let nonce = &binding.nonce;
        let question =
            Question { report_data: &report_data, public_key: &binding.p256_spki, nonce };
        let quoted = quote.quote(&question).map_err(BirthError::Quote)?;
        let id = binding.epoch_id();
        let (tee, measurement) = (quote.kind(), to_hex(&quoted.measurement));
        let identity = Identity {
            instance: config.instance.clone(),
            epoch: id,
            binding: binding.to_cbor(),
            bound: binding,
            evidence: quoted.evidence,
            collateral: quoted.collateral,
            quote,
        };
        let (keys, identity) = (Arc::new(keys), Arc::new(identity));
        Ok(Self { id, keys, identity, channel, tee, measurement })
    }

    /// Measurement of the code, in hex.
    pub fn measurement(&self) -> &str {
        &self.measurement
    }

    /// Record 0 of a ledger; `previous` is what the gateway says of the epoch before.
    pub fn open(&self, kind: LedgerKind, previous: &[PreviousHead], time_ms: u64) -> Open {
        let before = previous.iter().find(|head| head.kind == kind && head.epoch != self.id);
        Open {
            time_ms,
            instance: self.identity.instance.to_string(),
            epoch: self.id.to_string(),
            ledger: kind.to_string(),
            tee: self.tee.into(),
            measurement: self.measurement.clone(),
            binding: to_hex(&self.identity.binding),
            evidence_sha256: Hash::of(&self.identity.evidence).to_string(),
            previous: before.map(|head| Previous {
                epoch: head.epoch.to_string(),
                size: head.size,
                root: to_hex(&head.root),
            }),
        }
    }
}
