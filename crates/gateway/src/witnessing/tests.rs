//! Against a real witness, over files that a real sealer wrote; and against witnesses that lie.

use std::path::Path;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use axum::Router;
use axum::http::StatusCode;
use lucarne_archive::{Directory, Put};
use lucarne_ledger::checkpoint::Checkpoint;
use lucarne_ledger::cosignature::Cosigner;
use lucarne_ledger::hash::Hash;
use lucarne_ledger::key::{Ed25519Key, PublicKey, Signer, SigningFailed};
use lucarne_ledger::note::{self, NoteKey};
use lucarne_ledger::payload::AuditEvent;
use lucarne_ledger::salt::Seed;
use lucarne_ledger::seal::{Audit, Ledger};

use super::history::HistoryError;
use super::*;
use crate::archiver::{Archived, Names};
use crate::clock::SystemClock;
use crate::delivery::Batch;
use crate::export::client::{ClientError, Endpoint, Version};
use crate::http::Server;
use crate::journal::tests::Written;
use crate::run_of_batches;
use crate::wal::{Limits, Wal};
use crate::witness::logs::Logs;
use crate::witness::store::Store;

const PREFIX: &str = "lucarne.local";

struct P256(EcdsaKeyPair, PublicKey);

impl P256 {
    fn fresh() -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let public = PublicKey::from_p256_point(pair.public_key().as_ref()).unwrap();
        Self(pair, public)
    }
}

impl Signer for P256 {
    fn public_key(&self) -> &PublicKey {
        &self.1
    }

    fn sign(&self, message: &[u8]) -> Result<[u8; 64], SigningFailed> {
        let signature = self.0.sign(&SystemRandom::new(), message).map_err(|_| SigningFailed)?;
        signature.as_ref().try_into().map_err(|_| SigningFailed)
    }
}

/// A gateway's archive, as far as witnesses are concerned.
struct Site {
    p256: P256,
    ed25519: Ed25519Key,
    ledger: Ledger<Audit>,
    archive: Arc<Directory>,
    names: Names,
    through: watch::Sender<u64>,
    wal: Wal,
    _dir: tempfile::TempDir,
}

impl Site {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (p256, ed25519) = (P256::fresh(), Ed25519Key::from_seed(&[7; 32]).unwrap());
        let binding = EpochBinding {
            p256_spki: p256.1.spki().to_vec(),
            ed25519: ed25519.public_key().raw().try_into().unwrap(),
            mldsa44: None,
            channel_spki: None,
            instance: "nitro-001".parse().unwrap(),
            nonce: [1; 32],
            configuration_sha256: [2; 32],
            contract_sha256: [3; 32],
            deployment: None,
        };
        let (instance, epoch) = (binding.instance.clone(), binding.epoch_id());
        let archive = Arc::new(Directory::open(&dir.path().join("archive")).unwrap());
        for (file, bytes) in
            [(EpochFile::Binding, binding.to_cbor()), (EpochFile::Evidence, b"evidence".to_vec())]
        {
            let name = Name::Epoch(EpochName { instance: instance.clone(), epoch, file });
            assert_eq!(archive.put(&name, &bytes).unwrap(), Put::Created);
        }
        let limits = Limits { total_bytes_max: 1 << 20 };
        let wal = Wal::open(&dir.path().join("wal"), limits).unwrap().0;
        let ledger = Ledger::new(instance, epoch, Seed::new([1; 32]));
        let (names, through) = (Names::default(), watch::Sender::new(0));
        Self { p256, ed25519, ledger, archive, names, through, wal, _dir: dir }
    }

    fn origin(&self) -> String {
        origin(PREFIX, self.ledger.id())
    }

    fn log_key(&self) -> NoteKey {
        NoteKey::new(&self.origin(), self.ed25519.public_key().clone())
    }

    /// Seals batches of these sizes and archives them as one roll, with one file.
    fn archive(&mut self, sizes: &[u32]) {
        let mut batches = Vec::new();
        for size in sizes {
            for n in 0..*size {
                let fields = format!("\"event_type\":\"e\",\"n\":{n}").into_bytes();
                self.ledger.append_event(&AuditEvent::assertion_by_contract(fields)).unwrap();
            }
            let sealed = self.ledger.seal(&self.p256, 1, Seed::new([2; 32])).unwrap().unwrap();
            let (size, root) = (self.ledger.size(), self.ledger.root());
            let text = Checkpoint { origin: self.origin(), size, root }.to_string();
            let line = self.log_key().line(&self.ed25519.sign(text.as_bytes()).unwrap());
            let note = note::assemble(&text, &[line]);
            batches.push(Batch { bytes: sealed.into_bytes().into(), note, copies: Vec::new() });
        }
        let runs = run_of_batches::cut(batches).unwrap();
        let [run] = &runs[..] else { panic!("one run") };
        let mut file = lucarne_archive::segment::SegmentWriter::new().unwrap();
        run.batches.iter().for_each(|batch| file.push(&batch.bytes).unwrap());
        let seal = Name::Seal(run.seal_name(0));
        self.archive.put(&Name::Checkpoint(run.checkpoint_name()), run.note().as_bytes()).unwrap();
        self.archive.put(&seal, &file.finish()).unwrap();
        let roll = *self.through.borrow();
        self.names.insert(roll, &[seal]);
        self.through.send_replace(roll + 1);
    }

    /// A gateway that has just started and asks these witnesses.
    fn witnessing(&self, policy: &str, endpoints: Vec<(usize, Endpoint)>) -> Witnessing {
        let archived = Archived {
            reader: self.wal.reader(),
            names: self.names.clone(),
            through: self.through.subscribe(),
        };
        let archive: Arc<dyn Archive> = Arc::clone(&self.archive) as _;
        let believed = lucarne_attest::Policy {
            roots: Vec::new(),
            measurements: lucarne_attest::Measurements::OneOf(Vec::new()),
            debug: lucarne_attest::DebugMode::Refuse,
        };
        let rolls = Rolls { archived, archive, keys: None, terms: Arc::new(believed.into()) };
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
        let journal = Journal::new(Arc::clone(&clock), Box::new(std::io::sink()), None);
        let witnesses = Witnesses { policy: policy.parse().unwrap(), endpoints };
        let epochs = Arc::new(Epochs::new(PREFIX));
        Witnessing::new(witnesses, &rolls, epochs, None, clock, journal)
    }

    /// Sizes of the cosigned checkpoints that are stored.
    fn cosigned(&self) -> Vec<u64> {
        let names = self.archive.list("checkpoints/").unwrap().map(Result::unwrap);
        let sizes = names.filter_map(|name| match name {
            Name::Checkpoint(name) if name.cosigned => Some(name.size),
            _ => None,
        });
        sizes.collect()
    }
}

async fn serve(router: Router) -> (Endpoint, watch::Sender<bool>) {
    let server = Server::bind_router("127.0.0.1:0".parse().unwrap(), router).await.unwrap();
    let uri = format!("http://{}", server.local_address().unwrap()).parse().unwrap();
    let (stop, stopping) = watch::channel(false);
    tokio::spawn(server.run(stopping));
    let endpoint = Endpoint {
        uri,
        tls: None,
        headers: http::HeaderMap::new(),
        bearer_token_file: None,
        timeout: Duration::from_secs(5),
        version: Version::Http1,
    };
    (endpoint, stop)
}

fn cosigner() -> Cosigner {
    Cosigner::ed25519("w.example", &[5; 32]).unwrap()
}

fn policy() -> String {
    format!("witness w {} http://h/\nquorum w\n", cosigner().verifier())
}

/// A real witness that knows the site's log.
async fn witness(site: &Site, state: &Path) -> (Endpoint, watch::Sender<bool>) {
    let store = Store::open_on(Arc::new(lucarne_archive::disk::RealDisk), state).unwrap();
    let logs = Logs::new(vec![site.log_key()], None);
    let witness = crate::witness::Witness::new(vec![cosigner()], logs, store);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
    let journal = Journal::new(Arc::clone(&clock), Box::new(std::io::sink()), None);
    serve(crate::witness::pages::router("", witness, clock, journal)).await
}

async fn collect_and_ask(witnessing: &mut Witnessing) {
    tokio::task::block_in_place(|| witnessing.collect());
    witnessing.round().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_witness_that_was_away_is_caught_up_with_over_many_files() {
    let mut site = Site::new();
    let state = tempfile::tempdir().unwrap();
    let (endpoint, _stop) = witness(&site, &state.path().join("w")).await;
    let started = |site: &Site| site.witnessing(&policy(), vec![(0, endpoint.clone())]);
    site.archive(&[1, 2, 4]);
    let mut gateway = started(&site);
    collect_and_ask(&mut gateway).await;
    assert_eq!(site.cosigned(), [7]);
    assert_eq!(gateway.measures.lag(), Duration::ZERO);
    for sizes in [&[1][..], &[5, 9], &[3], &[30, 1]] {
        site.archive(sizes);
    }
    // It remembers what the witness holds.
    collect_and_ask(&mut gateway).await;
    assert_eq!(site.cosigned(), [7, 56]);
    site.archive(&[2]);
    site.archive(&[100]);
    // It has forgotten, and is told.
    let mut again = started(&site);
    collect_and_ask(&mut again).await;
    assert_eq!(site.cosigned(), [7, 56, 158]);
    assert_eq!(again.measures.cosigned.value(), 1);
    // What is cosigned is not asked for again.
    let mut once_more = started(&site);
    collect_and_ask(&mut once_more).await;
    let [(_, tally)] = once_more.measures.witnesses() else { panic!("one witness") };
    assert_eq!(tally.results().map(|(_, counter)| counter.value()), [0, 0, 0]);
    let opened = site.archive.list("checkpoints/").unwrap().map(Result::unwrap);
    for name in opened.filter(|name| matches!(name, Name::Checkpoint(one) if one.cosigned)) {
        let note = read_up_to(&*again.archive, &name, 1 << 20).unwrap();
        let policy: TrustPolicy = policy().parse().unwrap();
        let judged = policy.judge(str::from_utf8(&note).unwrap(), &[site.log_key()]).unwrap();
        assert!(judged.is_quorum(), "{name}");
    }
}

/// What is made of an answer to the first question about a log of 3 records.
async fn asked(status: u16, body: String) -> AskError {
    let mut site = Site::new();
    site.archive(&[3]);
    let answer = move || async move { (StatusCode::from_u16(status).unwrap(), body) };
    let (endpoint, _stop) = serve(Router::new().fallback(answer)).await;
    let mut gateway = site.witnessing(&policy(), vec![(0, endpoint)]);
    tokio::task::block_in_place(|| gateway.collect());
    let head = Arc::clone(&gateway.pending.values().next().unwrap().head);
    let mut asker = gateway.witnesses[0].asker.lock().await;
    let mut answers = asker.ask_all(&[head], gateway.heads.archived(), &*gateway.archive).await;
    drop(asker);
    gateway.round().await;
    assert_eq!(site.cosigned(), [0_u64; 0]);
    let [(_, tally)] = gateway.measures.witnesses() else { panic!("one witness") };
    let error = answers.pop().unwrap().1.unwrap_err();
    let counted = if error.is_refusal() { [0, 1, 0] } else { [0, 0, 1] };
    assert_eq!(tally.results().map(|(_, counter)| counter.value()), counted);
    error
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_lying_witness_answers_is_not_stored() {
    let other = Checkpoint { origin: "other".into(), size: 3, root: Hash([0; 32]) };
    let foreign = Cosigner::ed25519("w.example", &[6; 32]).unwrap();
    for lines in [
        String::new(),
        "nothing\n".to_owned(),
        cosigner().cosign(&other, 7).unwrap(),
        foreign.cosign(&other, 7).unwrap(),
    ] {
        assert_eq!(asked(200, lines).await, AskError::NotCosigned);
    }
    let status = |status| AskError::Status { status };
    assert_eq!(asked(400, String::new()).await, status(400));
    // A witness of another make knows neither the log nor how to learn it.
    assert_eq!(asked(404, String::new()).await, status(404));
    assert_eq!(asked(422, String::new()).await, status(422));
    assert_eq!(asked(503, String::new()).await, status(503));
    for size in ["", "3", "03\n", "-1\n", "many\n"] {
        assert_eq!(asked(409, size.to_owned()).await, status(409));
    }
    assert_eq!(asked(409, "4\n".to_owned()).await, AskError::Ahead { size: 4 });
    assert_eq!(asked(409, "3\n".to_owned()).await, AskError::Fickle);
    assert_eq!(asked(409, "2\n".to_owned()).await, AskError::Fickle);
    let long = "x".repeat(1 << 20);
    assert_eq!(asked(200, long).await, AskError::Client(ClientError::AnswerTooLong));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_witness_that_is_down_is_waited_for_and_said_to_be() {
    let mut site = Site::new();
    site.archive(&[3]);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let uri = format!("http://{}", taken.local_addr().unwrap()).parse().unwrap();
    drop(taken);
    let endpoint = Endpoint {
        uri,
        tls: None,
        headers: http::HeaderMap::new(),
        bearer_token_file: None,
        timeout: Duration::from_secs(5),
        version: Version::Http1,
    };
    let mut gateway = site.witnessing(&policy(), vec![(0, endpoint)]);
    assert_eq!(gateway.wait(), Duration::MAX);
    collect_and_ask(&mut gateway).await;
    collect_and_ask(&mut gateway).await;
    let [(name, tally)] = gateway.measures.witnesses() else { panic!("one witness") };
    let counts = tally.results().map(|(_, counter)| counter.value());
    assert_eq!((name.as_str(), counts), ("w", [0, 0, 1]), "asked once: it is not its time");
    assert!(gateway.wait() < Duration::from_secs(1));
    assert_eq!((gateway.pending.len(), site.cosigned().len()), (1, 0));
}

#[test]
fn records_that_are_not_there_prove_nothing() {
    let mut site = Site::new();
    site.archive(&[3]);
    site.archive(&[2]);
    site.archive(&[2]);
    let mut gateway = site.witnessing(&policy(), Vec::new());
    gateway.collect();
    let head = Arc::clone(&gateway.pending.values().next().unwrap().head);
    let path = |old| history::path(gateway.heads.archived(), &*gateway.archive, &head, old);
    assert_eq!(path(0).unwrap().len(), 0);
    assert_eq!(path(7).unwrap().len(), 0);
    assert_eq!(path(3).unwrap().len(), 4);
    site.names.insert(1, &[]);
    assert_eq!(path(5).unwrap().len(), 4);
    assert_eq!(path(4), Err(HistoryError::Hole { before: 5 }));
}

#[test]
fn of_a_long_past_only_so_much_is_held_at_a_time() {
    let mut site = Site::new();
    site.archive(&[1]);
    let mut gateway = site.witnessing(&policy(), Vec::new());
    gateway.collect();
    let cosigned = gateway.pending.values().next().unwrap().head.cosigned.clone();
    let Name::Checkpoint(one) = cosigned else { panic!("{cosigned}") };
    let count = PENDING_MAX + 3;
    for n in 1..count {
        let epoch = lucarne_ledger::identity::EpochId((n as u128).to_be_bytes());
        let ledger = LedgerId { epoch, ..one.ledger.clone() };
        let name = CheckpointName { ledger, size: 1, cosigned: false, ..one.clone() };
        gateway.heads.found.insert(name.ledger.clone(), name);
    }
    // None of these is in the archive, so each is read, said to be absent, and kept by its name.
    gateway.collect();
    let held = |gateway: &Witnessing| {
        (gateway.pending.len(), gateway.heads.found.len(), gateway.aside.len())
    };
    assert_eq!(held(&gateway), (1, 3, PENDING_MAX - 1));
    let is_retry = |wait: Duration| RETRY / 2 < wait && wait <= RETRY;
    assert!(is_retry(gateway.wait()), "there is no witness to wait for");
    gateway.pending.clear();
    assert_eq!(gateway.wait(), ROUND_MIN);
    gateway.collect();
    assert_eq!(held(&gateway), (0, 0, count - 1));
    assert!(is_retry(gateway.wait()), "only what cannot be read is left");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_that_could_not_be_read_is_shown_when_it_can() {
    let mut site = Site::new();
    let state = tempfile::tempdir().unwrap();
    let (endpoint, _stop) = witness(&site, &state.path().join("w")).await;
    site.archive(&[3]);
    let epochs = site.archive.root().join("epochs");
    let away = site.archive.root().with_file_name("away");
    std::fs::rename(&epochs, &away).unwrap();
    let mut gateway = site.witnessing(&policy(), vec![(0, endpoint)]);
    collect_and_ask(&mut gateway).await;
    gateway.measure();
    assert_eq!((gateway.pending.len(), gateway.aside.len()), (0, 1));
    assert!(gateway.measures.lag() > Duration::ZERO, "it waits, and that is measured");
    let wait = gateway.wait();
    assert!(Duration::from_secs(1) < wait && wait <= RETRY, "{wait:?}");
    std::fs::rename(&away, &epochs).unwrap();
    gateway.reread_at = Duration::ZERO;
    collect_and_ask(&mut gateway).await;
    gateway.measure();
    assert_eq!((site.cosigned(), gateway.aside.len()), (vec![3], 0));
    assert_eq!(gateway.measures.lag(), Duration::ZERO);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_witness_says_of_one_log_is_said_and_delays_no_other() {
    let mut site = Site::new();
    site.archive(&[3]);
    let nowhere = serve(Router::new()).await.0;
    let mut gateway = site.witnessing(&policy(), vec![(0, nowhere)]);
    let said = Written::default();
    gateway.journal = Journal::new(Arc::clone(&gateway.clock), Box::new(said.clone()), None);
    gateway.collect();
    let log = gateway.pending.keys().next().unwrap().clone();
    let lines = || said.messages().len();
    let status = |status| Err(AskError::Status { status });
    gateway.take(0, vec![(log.clone(), status(403)), (Log::Register, status(404))]);
    assert_eq!(lines(), 2, "each of both");
    let slot = &gateway.witnesses[0];
    assert_eq!(slot.not_before, Duration::ZERO, "others are asked as ever");
    assert!(slot.next(&log) > Duration::ZERO && gateway.wait() < Duration::from_secs(1));
    gateway.take(0, vec![(log.clone(), status(403)), (Log::Register, status(404))]);
    assert_eq!(lines(), 2, "and once");
    gateway.take(0, vec![(log.clone(), Err(AskError::Ahead { size: 9 }))]);
    assert_eq!(lines(), 3, "what is new is said");
    gateway.take(0, vec![(log, status(503))]);
    gateway.take(0, vec![(Log::Register, status(503))]);
    assert_eq!(lines(), 4, "a witness that cannot answer is one message");
    assert!(gateway.witnesses[0].not_before > Duration::ZERO);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_every_witness_refuses_makes_way_when_there_is_no_room() {
    let mut site = Site::new();
    site.archive(&[3]);
    let nowhere = serve(Router::new()).await.0;
    let mut gateway = site.witnessing(&policy(), vec![(0, nowhere)]);
    gateway.collect();
    let (log, one) = gateway.pending.pop_first().unwrap();
    let (Log::Ledger(ledger), Name::Checkpoint(name)) = (&log, &one.head.cosigned) else {
        panic!("{log}")
    };
    for n in 0..PENDING_MAX {
        let epoch = lucarne_ledger::identity::EpochId((n as u128).to_be_bytes());
        let ledger = LedgerId { epoch, ..ledger.clone() };
        let cosigned = Name::Checkpoint(CheckpointName { ledger: ledger.clone(), ..name.clone() });
        let (log, note) = (Log::Ledger(ledger), one.head.note.clone());
        let head =
            Head { log: log.clone(), size: 3, note, cosigned, keys: Vec::new(), epoch: None };
        let (head, lines) = (Arc::new(head), BTreeMap::new());
        gateway.pending.insert(log.clone(), Pending { head, since: Duration::ZERO, lines });
        if n > 0 {
            gateway.witnesses[0].refused(log, AskError::Status { status: 403 }, Duration::ZERO);
        }
    }
    gateway.heads.found.insert(ledger.clone(), CheckpointName { cosigned: false, ..name.clone() });
    gateway.collect();
    let held = (gateway.pending.len(), gateway.pending.contains_key(&log));
    assert_eq!(held, (2, true), "one was not refused, and the new one has room");
    assert_eq!(gateway.aside.len(), PENDING_MAX - 1);
    // None of them is in the archive; which have been tried shows in where it goes on.
    let sixteenth = gateway.aside.keys().nth(REREAD_MAX - 1).cloned();
    assert_eq!(gateway.reread_from, sixteenth);
    gateway.measure();
    assert!(gateway.measures.lag() > Duration::ZERO);
}

#[test]
fn what_is_aside_keeps_nobody_waiting_and_goes_by_its_newest_name() {
    let mut site = Site::new();
    site.archive(&[3]);
    let mut gateway = site.witnessing(&policy(), Vec::new());
    gateway.heads.collect();
    let one = gateway.heads.found.values().next().unwrap().clone();
    let epoch = lucarne_ledger::identity::EpochId([0; 16]);
    let ledger = LedgerId { epoch, ..one.ledger.clone() };
    let named = |size| CheckpointName { ledger: ledger.clone(), size, ..one.clone() };
    let (log, since) = (Log::Ledger(ledger.clone()), Duration::ZERO);
    gateway.aside.insert(log.clone(), (Wanted::Ledger(named(1)), since));
    gateway.reread_at = Duration::from_hours(1);
    gateway.heads.found.insert(ledger.clone(), named(9));
    gateway.collect();
    assert_eq!((gateway.pending.len(), gateway.heads.found.len()), (1, 0));
    let (Wanted::Ledger(aside), kept) = &gateway.aside[&log] else { panic!("a ledger") };
    assert_eq!((aside.size, *kept), (9, since));
    // Its turn: it is not there, and the next turn begins behind it.
    gateway.reread_at = Duration::ZERO;
    gateway.collect();
    assert_eq!((gateway.aside.len(), gateway.reread_from.as_ref()), (1, Some(&log)));
}
