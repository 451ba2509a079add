//! The outbox against a model that is too simple to be wrong, under a host that lies.

extern crate std;

use std::string::ToString as _;
use std::vec;

use lucarne_ledger::control::{Control, Gap};
use lucarne_ledger::identity::{EpochId, Instance, LedgerId, LedgerKind};
use lucarne_ledger::key::{Ed25519Key, Signer as _};
use lucarne_ledger::salt::Seed;
use lucarne_ledger::seal::{Audit, Kind, Ledger, Telemetry};
use proptest::collection::vec as many;
use proptest::prelude::*;

use super::*;

fn key(n: u8) -> Ed25519Key {
    Ed25519Key::from_seed(&[n; 32]).unwrap()
}

fn instance() -> Instance {
    "nitro-001-us-east".parse().unwrap()
}

const EPOCH: EpochId = EpochId([0xe1; 16]);

/// Both ledgers of an epoch, and an outbox that believes key 1.
struct Site {
    audit: Ledger<Audit>,
    telemetry: Ledger<Telemetry>,
    outbox: Outbox<usize>,
    sealed: Vec<lucarne_ledger::statement::Statement>,
}

fn append<K: Kind>(ledger: &mut Ledger<K>, records: u64) -> Sealed {
    for time_ms in 0..records {
        let gap = Gap { time_ms, count: 1, reason: "test".to_string() };
        ledger.append_control(&Control::Gap(gap)).unwrap();
    }
    ledger.seal(&key(9), 7, Seed::new([3; 32])).unwrap().unwrap()
}

impl Site {
    fn new() -> Self {
        let seed = || Seed::new([2; 32]);
        Self {
            audit: Ledger::new(instance(), EPOCH, seed()),
            telemetry: Ledger::new(instance(), EPOCH, seed()),
            outbox: Outbox::new(key(1).public_key().clone()),
            sealed: Vec::new(),
        }
    }

    fn push(&mut self, audit: bool, records: u64) {
        let sealed = match audit {
            true => append(&mut self.audit, records),
            false => append(&mut self.telemetry, records),
        };
        self.sealed.push(sealed.statement().clone());
        let token = self.sealed.len() - 1;
        self.outbox.push(Pending { sealed, note: String::new(), urgent: false, token });
    }

    fn truth(&self, batch: usize) -> Archived {
        let statement = &self.sealed[batch];
        Archived {
            ledger: statement.ledger.clone(),
            first: statement.first,
            count: statement.count,
            root: statement.root,
        }
    }

    fn waiting(&self) -> Vec<usize> {
        self.outbox.waiting.iter().map(|pending| pending.token).collect()
    }

    fn acknowledge(&mut self, archived: &Archived, signer: u8) -> Result<Vec<usize>, AckError> {
        let message = archived.sign(&key(signer)).unwrap();
        let released = self.outbox.acknowledge(&message)?;
        assert_eq!(&released.archived, archived);
        Ok(released.batches.iter().map(|pending| pending.token).collect())
    }
}

#[derive(Clone, Debug)]
enum Step {
    Push { audit: bool, records: u64 },
    Send,
    Rewind,
    Ack { batch: prop::sample::Index, lie: Lie },
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Lie {
    None,
    Key,
    Epoch,
    Instance,
    Kind,
    Root,
    Future,
    Bent,
}

fn steps() -> impl Strategy<Value = Step> {
    let lies = [
        Lie::None,
        Lie::Key,
        Lie::Epoch,
        Lie::Instance,
        Lie::Kind,
        Lie::Root,
        Lie::Future,
        Lie::Bent,
    ];
    // Half of all acknowledgements are honest, or the outbox would never shrink.
    let lie = prop_oneof![Just(Lie::None), prop::sample::select(lies.to_vec())];
    prop_oneof![
        3 => (any::<bool>(), 1_u64..4).prop_map(|(audit, records)| Step::Push { audit, records }),
        3 => Just(Step::Send),
        1 => Just(Step::Rewind),
        3 => (any::<prop::sample::Index>(), lie).prop_map(|(batch, lie)| Step::Ack { batch, lie }),
    ]
}

/// What must be in the outbox: batches not yet released, and those this connection has sent.
#[derive(Default)]
struct Model {
    waiting: Vec<usize>,
    sent: Vec<usize>,
}

impl Model {
    // Sound reasoning about one ledger only: the named batch and all before it in that ledger.
    fn release(&mut self, site: &Site, batch: usize) -> Vec<usize> {
        let named = &site.sealed[batch];
        if !self.waiting.contains(&batch) {
            return Vec::new();
        }
        let goes =
            |token: &usize| *token <= batch && site.sealed[*token].ledger.kind == named.ledger.kind;
        let gone: Vec<_> = self.waiting.iter().copied().filter(|token| goes(token)).collect();
        self.waiting.retain(|token| !gone.contains(token));
        self.sent.retain(|token| !gone.contains(token));
        gone
    }
}

fn tell(mut truth: Archived, lie: Lie) -> Archived {
    match lie {
        Lie::None | Lie::Key | Lie::Bent => {}
        Lie::Epoch => truth.ledger.epoch = EpochId([0xe2; 16]),
        Lie::Instance => truth.ledger.instance = "nitro-002-us-east".parse().unwrap(),
        Lie::Kind => {
            truth.ledger.kind = match truth.ledger.kind {
                LedgerKind::Audit => LedgerKind::Telemetry,
                LedgerKind::Telemetry => LedgerKind::Audit,
            };
        }
        Lie::Root => truth.root.0[31] ^= 1,
        Lie::Future => truth.count += 1_000_000,
    }
    truth
}

fn step(site: &mut Site, model: &mut Model, step: &Step) -> Result<(), TestCaseError> {
    match *step {
        Step::Push { audit, records } => {
            site.push(audit, records);
            model.waiting.push(site.sealed.len() - 1);
        }
        Step::Send => {
            let next = model.waiting.iter().copied().find(|token| !model.sent.contains(token));
            prop_assert_eq!(site.outbox.next_to_send().map(|pending| pending.token), next);
            model.sent.extend(next);
        }
        Step::Rewind => {
            site.outbox.rewind();
            model.sent.clear();
        }
        Step::Ack { ref batch, lie } if !site.sealed.is_empty() => {
            let batch = batch.index(site.sealed.len());
            let archived = tell(site.truth(batch), lie);
            let mut message = archived.sign(&key(1 + u8::from(lie == Lie::Key))).unwrap();
            if lie == Lie::Bent {
                let at = message.len() - 1 - batch % 64;
                message[at] ^= 1;
            }
            let result = site.outbox.acknowledge(&message);
            let released = result.map(|it| it.batches.iter().map(|p| p.token).collect::<Vec<_>>());
            match lie {
                Lie::None => prop_assert_eq!(released, Ok(model.release(site, batch))),
                Lie::Key | Lie::Bent => {
                    prop_assert!(matches!(released, Err(AckError::Signature(_))));
                }
                // A position below one already passed reads as a repeat; it releases nothing
                // either.
                _ => prop_assert_eq!(released.unwrap_or_default(), Vec::<usize>::new()),
            }
        }
        Step::Ack { .. } => {}
    }
    prop_assert_eq!(site.waiting(), &model.waiting[..]);
    prop_assert_eq!(site.outbox.len(), model.waiting.len());
    prop_assert_eq!(site.outbox.is_empty(), model.waiting.is_empty());
    prop_assert_eq!(site.outbox.sent, model.sent.len());
    Ok(())
}

proptest! {
    #[test]
    fn it_does_what_the_model_does(script in many(steps(), 1..40)) {
        let (mut site, mut model) = (Site::new(), Model::default());
        for one in script {
            step(&mut site, &mut model, &one)?;
        }
    }
}

/// audit 0, telemetry 1, audit 2, telemetry 3.
fn four() -> Site {
    let mut site = Site::new();
    for (audit, records) in [(true, 1), (false, 2), (true, 3), (false, 4)] {
        site.push(audit, records);
    }
    site
}

#[test]
fn an_acknowledgement_covers_its_own_ledger_up_to_the_named_batch() {
    let mut site = four();
    assert_eq!(site.acknowledge(&site.truth(3), 1), Ok(vec![1, 3]));
    assert_eq!(site.waiting(), [0, 2]);
    assert_eq!(site.acknowledge(&site.truth(3), 1), Ok(vec![]));
    assert_eq!(site.acknowledge(&site.truth(1), 1), Ok(vec![]));
    assert_eq!(site.acknowledge(&site.truth(0), 1), Ok(vec![0]));
    assert_eq!(site.acknowledge(&site.truth(2), 1), Ok(vec![2]));
    assert!(site.outbox.is_empty());
}

#[test]
fn every_lie_is_named_and_changes_nothing() {
    let expected = [
        (Lie::Epoch, AckError::Foreign),
        (Lie::Instance, AckError::Foreign),
        (Lie::Kind, AckError::Unknown),
        (Lie::Root, AckError::Unknown),
        (Lie::Future, AckError::Unknown),
    ];
    for (lie, error) in expected {
        let mut site = four();
        let told = tell(site.truth(2), lie);
        assert_eq!(site.acknowledge(&told, 1), Err(error), "{lie:?}");
        assert_eq!(site.waiting(), [0, 1, 2, 3], "{lie:?}");
    }
    let mut site = four();
    let refused = site.acknowledge(&site.truth(2), 2).unwrap_err();
    assert_eq!(refused.to_string(), "acknowledgement is not signed by the pinned key");
    assert_eq!(site.waiting(), [0, 1, 2, 3]);
}

#[test]
fn a_signature_over_something_else_is_no_acknowledgement() {
    use lucarne_ledger::statement::Withholding;
    let mut site = four();
    let ledger = LedgerId { instance: instance(), epoch: EPOCH, kind: LedgerKind::Audit };
    let (commitment, rule) = (site.sealed[0].root, "r".to_string());
    let withholding = Withholding { ledger, seq: 0, commitment, rule, time_ms: 0 };
    let message = withholding.sign(&key(1)).unwrap();
    let refused = site.outbox.acknowledge(&message).map(|_| ()).unwrap_err();
    assert!(matches!(refused, AckError::Signature(_)), "{refused}");
    assert_eq!(site.waiting(), [0, 1, 2, 3]);
}

#[test]
fn no_byte_of_an_acknowledgement_can_change() {
    let mut site = four();
    let message = site.truth(2).sign(&key(1)).unwrap();
    for at in 0..message.len() {
        let mut bent = message.clone();
        bent[at] ^= 1 << (at % 8);
        let refused = site.outbox.acknowledge(&bent).map(|_| ()).unwrap_err();
        assert!(matches!(refused, AckError::Signature(_)), "{at}: {refused}");
        assert!(site.outbox.acknowledge(&message[..at]).is_err(), "cut at {at}");
    }
    assert_eq!(site.waiting(), [0, 1, 2, 3]);
}

#[test]
fn a_new_connection_sends_again_in_order_what_is_left() {
    let mut site = four();
    let sent = |site: &mut Site| {
        let mut tokens = Vec::new();
        while let Some(pending) = site.outbox.next_to_send() {
            tokens.push(pending.token);
        }
        tokens
    };
    assert_eq!(sent(&mut site), [0, 1, 2, 3]);
    assert_eq!(site.acknowledge(&site.truth(1), 1), Ok(vec![1]));
    assert_eq!(sent(&mut site), [0; 0]);
    site.push(false, 1);
    assert_eq!(sent(&mut site), [4]);
    site.outbox.rewind();
    assert_eq!(sent(&mut site), [0, 2, 3, 4]);
}
