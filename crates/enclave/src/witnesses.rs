//! Witnesses that this enclave believes: whose word that they have seen a checkpoint is waited for.
//!
//! The host brings their lines; it can keep them back, and it cannot make them up. A checkpoint
//! counts only when the epoch's own keys signed it, so a quorum vouches for nothing but what was
//! sealed here.

use lucarne_ledger::checkpoint::{CheckpointError, origin};
use lucarne_ledger::identity::{EpochId, Instance, LedgerId, LedgerKind};
use lucarne_ledger::key::PublicKey;
use lucarne_ledger::note::NoteKey;
use lucarne_ledger::trust_policy::TrustPolicy;

/// A quorum, and the checkpoints that it may be about.
#[derive(Debug)]
pub struct Quorum {
    policy: TrustPolicy,
    logs: [(LedgerKind, [NoteKey; 2]); 2],
}

impl Quorum {
    /// The quorum of `policy` over the two ledgers of an epoch, whose checkpoints are signed by
    /// both `keys`.
    pub fn new(
        policy: TrustPolicy,
        log_prefix: &str,
        (instance, epoch): (&Instance, EpochId),
        keys: &[PublicKey; 2],
    ) -> Self {
        let logs = LedgerKind::ALL.map(|kind| {
            let ledger = LedgerId { instance: instance.clone(), epoch, kind };
            let name = origin(log_prefix, &ledger);
            (kind, keys.each_ref().map(|key| NoteKey::new(&name, key.clone())))
        });
        Self { policy, logs }
    }

    /// The ledger and the size that a quorum has seen; `None` when it is no quorum's word.
    ///
    /// # Errors
    /// When it is no checkpoint of this epoch, or a line of a witness is bad.
    pub fn judge(&self, note: &str) -> Result<Option<(LedgerKind, u64)>, CheckpointError> {
        let mut refused = CheckpointError::NotCanonical;
        for (kind, keys) in &self.logs {
            match self.policy.judge(note, keys) {
                Ok(said) if keys.iter().all(|key| key.name() == said.checkpoint.origin) => {
                    return Ok(said.is_quorum().then_some((*kind, said.checkpoint.size)));
                }
                Ok(_) => {}
                Err(error) => refused = error,
            }
        }
        Err(refused)
    }
}

#[cfg(test)]
mod tests {
    use lucarne_ledger::checkpoint::Checkpoint;
    use lucarne_ledger::cosignature::Cosigner;
    use lucarne_ledger::hash::Hash;
    use lucarne_ledger::key::{Ed25519Key, Signer as _};
    use lucarne_ledger::note;

    use super::*;

    fn key(seed: u8) -> Ed25519Key {
        Ed25519Key::from_seed(&[seed; 32]).unwrap()
    }

    fn witness(seed: u8) -> Cosigner {
        Cosigner::ed25519("w.example", &[seed; 32]).unwrap()
    }

    fn quorum() -> Quorum {
        let [one, two] = [witness(8), witness(9)].map(|witness| witness.verifier().to_string());
        let policy = format!("witness a {one}\nwitness b {two}\ngroup g all a b\nquorum g\n");
        let keys = [key(1), key(2)].map(|key| key.public_key().clone());
        let instance = "nitro-001".parse().unwrap();
        Quorum::new(policy.parse().unwrap(), "l.example", (&instance, EpochId([7; 16])), &keys)
    }

    /// A checkpoint of a ledger, signed by these keys and cosigned by these witnesses.
    fn signed(kind: LedgerKind, epoch: u8, keys: &[u8], witnesses: &[u8]) -> String {
        let instance = "nitro-001".parse().unwrap();
        let ledger = LedgerId { instance, epoch: EpochId([epoch; 16]), kind };
        let origin = origin("l.example", &ledger);
        let head = Checkpoint { origin: origin.clone(), size: 42, root: Hash([3; 32]) };
        let text = head.to_string();
        let lines = keys.iter().map(|seed| {
            let key = key(*seed);
            let line = key.sign(text.as_bytes()).unwrap();
            NoteKey::new(&origin, key.public_key().clone()).line(&line)
        });
        let lines: Vec<String> = lines.collect();
        let cosigned = witnesses.iter().map(|seed| witness(*seed).cosign(&head, 1).unwrap());
        note::assemble(&text, &lines) + &cosigned.collect::<String>()
    }

    #[test]
    fn a_quorum_over_a_checkpoint_of_this_epoch_counts_and_nothing_else() {
        let quorum = quorum();
        for kind in LedgerKind::ALL {
            let judged = quorum.judge(&signed(kind, 7, &[1, 2], &[8, 9]));
            assert_eq!(judged, Ok(Some((kind, 42))));
        }
        let audit = LedgerKind::Audit;
        assert_eq!(quorum.judge(&signed(audit, 7, &[1, 2], &[8])), Ok(None));
        assert_eq!(quorum.judge(&signed(audit, 7, &[1, 2], &[8, 8])), Ok(None));
        let refused = |note: String| quorum.judge(&note).unwrap_err();
        refused(signed(audit, 6, &[1, 2], &[8, 9]));
        refused(signed(audit, 7, &[3], &[8, 9]));
        refused(signed(audit, 7, &[1, 2], &[8, 9]).replacen("\n42\n", "\n43\n", 1));
        refused(String::new());
    }
}
