//! A witness that starts again: epochs of TDX and SEV-SNP that it believed once are known for good,
//! by what it kept and by nothing that was put in its place.

use std::cell::Cell;

use lucarne_attest::{Format, Rejected};
use lucarne_ledger::binding::EpochBinding;
use lucarne_ledger::cbor::{Reader, Writer};
use lucarne_ledger::checkpoint::{Checkpoint, origin};
use lucarne_ledger::hash::Hash;
use lucarne_ledger::identity::{LedgerId, LedgerKind};
use lucarne_ledger::key::{Ed25519Key, Signer as _};
use lucarne_ledger::note;
use lucarne_ledger::report_data::ReportData;
use lucarne_ledger::witness;
use lucarne_testkit::{SnpMachine, TdxMachine};

use super::*;
use crate::policy;
use crate::witness::logs::Epochs;

const DAY_S: u64 = 86_400;

/// A machine with what is fetched for it.
enum Machine {
    Tdx(Box<TdxMachine>),
    Snp(Box<SnpMachine>),
}

impl Machine {
    /// Evidence and what comes along with it.
    fn report(&self, data: &ReportData) -> (Vec<u8>, Vec<Vec<u8>>) {
        match self {
            Self::Tdx(machine) => (machine.quote(data.as_bytes()), Vec::new()),
            Self::Snp(machine) => {
                (machine.report(data.as_bytes()), vec![machine.certificate_table()])
            }
        }
    }

    /// The policy of a witness, and its file of collateral.
    fn policy(&self) -> (String, Vec<u8>) {
        let measured = "a1".repeat(48);
        match self {
            Self::Tdx(machine) => {
                let root = machine.root_sha256();
                let text = format!(
                    "tdx: {{ insecure_roots: [\"{root}\"], measurements: [{{ mrtd: \
                     \"{measured}\" }}] }}\n"
                );
                (text, machine.bundle())
            }
            Self::Snp(machine) => {
                let root = machine.root_sha256();
                let text = format!(
                    "snp: {{ insecure_roots: [\"{root}\"], products: [genoa], measurements: \
                     [\"{measured}\"] }}\n"
                );
                (text, machine.revocation_list())
            }
        }
    }

    fn revocation(&self) -> Vec<u8> {
        match self {
            Self::Tdx(machine) => machine.revocation_of_issuer(),
            Self::Snp(machine) => machine.revocation_of_issuer(),
        }
    }
}

/// A boot of an instance on that machine.
struct Boot {
    binding: EpochBinding,
    key: Ed25519Key,
    size: Cell<u64>,
}

impl Boot {
    fn new(number: u8) -> Self {
        let key = Ed25519Key::from_seed(&[number; 32]).unwrap();
        let binding = EpochBinding {
            p256_spki: vec![1; 91],
            ed25519: key.public_key().raw().try_into().unwrap(),
            mldsa44: None,
            channel_spki: None,
            instance: "td-001".parse().unwrap(),
            nonce: [number; 32],
            configuration_sha256: [6; 32],
            contract_sha256: [7; 32],
            deployment: None,
        };
        Self { binding, key, size: Cell::new(0) }
    }

    fn name(&self) -> String {
        self.binding.epoch_id().to_string()
    }

    /// The next checkpoint of its audit ledger, as it is sent to a witness.
    fn checkpoint(&self) -> Vec<u8> {
        let ledger = LedgerId {
            instance: self.binding.instance.clone(),
            epoch: self.binding.epoch_id(),
            kind: LedgerKind::Audit,
        };
        let (origin, old) = (origin("lucarne.example", &ledger), self.size.get());
        // Of one record; asked for again the witness has it already.
        let head = Checkpoint { origin, size: 1, root: Hash::of(b"\0record") };
        let key = NoteKey::new(&head.origin, self.key.public_key().clone());
        let line = key.line(&self.key.sign(head.to_string().as_bytes()).unwrap());
        witness::write(old, &[], &note::assemble(&head.to_string(), &[line])).into_bytes()
    }
}

/// The directory of a witness with its policy.
struct Place {
    dir: tempfile::TempDir,
    machine: Machine,
}

impl Place {
    fn new(machine: Machine) -> Self {
        let place = Self { dir: tempfile::tempdir().unwrap(), machine };
        let (accepts, collateral) = place.machine.policy();
        place.write("collateral", &collateral);
        place.write_policy(&format!("{accepts}collateral: [ collateral ]\n"));
        place
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        std::fs::write(self.dir.path().join(name), bytes).unwrap();
    }

    fn write_policy(&self, accepts: &str) {
        let text = format!("log_prefix: lucarne.example\nledgers: [audit]\n{accepts}");
        self.write("policy.yaml", text.as_bytes());
    }

    /// A process that starts: it has read the policy, and knows nothing but its state.
    fn start(&self) -> Witness {
        let policy = policy::read(&self.dir.path().join("policy.yaml")).unwrap();
        let state = self.dir.path().join("state");
        let store = Store::open_on(Arc::new(RealDisk), &state).unwrap();
        let logs = Logs::new(Vec::new(), Some(Epochs::new(policy)));
        Witness::new(vec![Cosigner::ed25519("w.example", &[5; 32]).unwrap()], logs, store)
    }

    fn enrolment(&self, boot: &Boot) -> Vec<u8> {
        let (evidence, came) = self.machine.report(&ReportData::epoch(&boot.binding));
        assert_ne!(Format::of(&evidence), Format::Nitro);
        let came = lucarne_attest::CollateralFiles::new(came);
        let came = Some(came).filter(|files| !files.is_empty()).map(|files| files.to_cbor());
        Enrolment::write(&boot.binding.to_cbor(), &evidence, came.as_deref())
    }

    fn kept(&self, boot: &Boot) -> PathBuf {
        self.dir.path().join("state/epochs").join(boot.name())
    }
}

/// Whether the boot's next checkpoint is cosigned.
fn cosigned(witness: &Witness, boot: &Boot, at_s: u64) -> Result<(), AddError> {
    let lines = witness.add_checkpoint(&boot.checkpoint(), at_s)?;
    assert_eq!(lines.len(), 1);
    boot.size.set(1);
    Ok(())
}

#[track_caller]
fn not_known<T: fmt::Debug>(outcome: Result<T, AddError>) {
    let refused = outcome.unwrap_err();
    assert!(matches!(refused, AddError::Refused(Refusal::UnknownOrigin)), "{refused}");
}

/// The reason why evidence is not believed.
#[track_caller]
fn not_believed<T: fmt::Debug>(outcome: Result<T, AddError>) -> Rejected {
    match outcome.unwrap_err() {
        AddError::Evidence(rejected) => rejected,
        other => panic!("{other}"),
    }
}

fn unix_seconds() -> u64 {
    SystemClock::start().unix_ns() / 1_000_000_000
}

fn machines() -> [Machine; 2] {
    [Machine::Tdx(Box::new(TdxMachine::new())), Machine::Snp(Box::new(SnpMachine::new()))]
}

#[test]
fn epochs_that_were_believed_are_known_after_a_restart() {
    for machine in machines() {
        let (place, boot, now_s) = (Place::new(machine), Boot::new(3), unix_seconds());
        let first = place.start();
        not_known(cosigned(&first, &boot, now_s));
        first.add_epoch(&place.enrolment(&boot), now_s).unwrap();
        cosigned(&first, &boot, now_s).unwrap();
        drop(first);
        // What was fetched is gone, and would be over: the state has what was used, and when.
        std::fs::remove_file(place.dir.path().join("collateral")).unwrap();
        for days in [0, 1, 4_000] {
            let later = place.start();
            cosigned(&later, &boot, now_s + days * DAY_S).unwrap();
            // Nobody has enrolled it again, and a boot that nobody enrolled is not known.
            not_known(cosigned(&later, &Boot::new(4), now_s));
        }
    }
}

/// A boot that comes years later cannot live on the collateral of those days.
#[test]
fn what_was_kept_for_one_epoch_vouches_for_no_other() {
    for machine in machines() {
        let (place, boot, now_s) = (Place::new(machine), Boot::new(3), unix_seconds());
        place.start().add_epoch(&place.enrolment(&boot), now_s).unwrap();
        let later = place.start();
        let refused = not_believed(later.add_epoch(&place.enrolment(&Boot::new(4)), now_s * 2));
        assert_eq!(refused.class(), lucarne_attest::Class::Time, "{refused}");
        cosigned(&later, &boot, now_s * 2).unwrap();
    }
}

#[test]
fn what_was_kept_cannot_be_exchanged_for_less() {
    for machine in machines() {
        let (place, boot, now_s) = (Place::new(machine), Boot::new(3), unix_seconds());
        place.start().add_epoch(&place.enrolment(&boot), now_s).unwrap();
        let (path, whole) = (place.kept(&boot), std::fs::read(place.kept(&boot)).unwrap());
        // Enrolled again, also at another time, what is there stays.
        place.start().add_epoch(&place.enrolment(&boot), now_s + DAY_S).unwrap();
        assert!(std::fs::read(&path).unwrap() == whole);

        let mut reader = Reader::new(&whole);
        assert_eq!(reader.array(), Ok(2));
        let (body, at_ms) = (reader.bytes().unwrap(), reader.uint().unwrap());
        assert_eq!(at_ms, now_s * 1_000);
        let dated = |at_ms| {
            let mut out = Writer::new();
            out.array(2).bytes(body).uint(at_ms);
            out.finish()
        };
        // Without its time nobody can say at which to judge it; at another it was not good.
        std::fs::write(&path, body).unwrap();
        let refused = not_believed(cosigned(&place.start(), &boot, now_s));
        assert!(matches!(refused, Rejected::Undated { .. }), "{refused}");
        for at_ms in [1_000, now_s * 2_000] {
            std::fs::write(&path, dated(at_ms)).unwrap();
            let refused = not_believed(cosigned(&place.start(), &boot, now_s));
            assert_eq!(refused.class(), lucarne_attest::Class::Time, "{refused}");
        }
        // The evidence of another boot under this one's name.
        let other = Boot::new(4);
        place.start().add_epoch(&place.enrolment(&other), now_s).unwrap();
        std::fs::copy(place.kept(&other), &path).unwrap();
        let refused = cosigned(&place.start(), &boot, now_s).unwrap_err();
        assert!(matches!(refused, AddError::Store(StoreError::Damaged { .. })), "{refused}");
        std::fs::write(&path, whole).unwrap();
        cosigned(&place.start(), &boot, now_s).unwrap();
    }
}

/// To be known for good means: as long as this policy believes it.
#[test]
fn a_policy_that_believes_less_is_asked_again_at_the_next_start() {
    for machine in machines() {
        let (place, boot, now_s) = (Place::new(machine), Boot::new(3), unix_seconds());
        place.start().add_epoch(&place.enrolment(&boot), now_s).unwrap();
        let (accepts, _) = place.machine.policy();
        place.write("own.crl", &place.machine.revocation());
        place.write_policy(&format!("{accepts}revocations: [ own.crl ]\n"));
        let refused = not_believed(cosigned(&place.start(), &boot, now_s));
        assert!(refused.to_string().contains("revoked"), "{refused}");
        let other = accepts.replace(&"a1".repeat(48), &"b2".repeat(48));
        place.write_policy(&other);
        let refused = not_believed(cosigned(&place.start(), &boot, now_s));
        assert!(refused.is_measurement(), "{refused}");
        place.write_policy(&accepts);
        cosigned(&place.start(), &boot, now_s).unwrap();
    }
}
