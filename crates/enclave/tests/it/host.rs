//! The host as the adversary: a real enclave (pipeline, sealer, uplink, software TEE) behind a
//! gateway that lies.
//!
//! Whatever it does, nobody is told `archived`, memory stays within the budget and the tasks live;
//! when an honest gateway follows, every record arrives once. Time is tokio's paused clock, so
//! waiting for a minute of silence costs nothing.

#[path = "host/attack.rs"]
mod attack;
#[path = "host/signed_json.rs"]
mod signed_json;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use lucarne_enclave::budget::Budget;
use lucarne_enclave::clock::{Clock as _, SystemClock};
use lucarne_enclave::config::Config;
use lucarne_enclave::epoch::Epoch;
use lucarne_enclave::inside_store::InsideStore;
use lucarne_enclave::intake::{Accepted, Durability, Intake as _, Raw, Refusal};
use lucarne_enclave::json_batches::{JsonBatchLimits, JsonHalf};
use lucarne_enclave::pipeline::Pipeline;
use lucarne_enclave::progress::{Position, Progress};
use lucarne_enclave::receive::Counters;
use lucarne_enclave::sealer::{self, SealError, Sealer};
use lucarne_enclave::software::{Machine, SoftwareTee};
use lucarne_enclave::uplink::Uplink;
use lucarne_ledger::batch::{self, EpochKey};
use lucarne_ledger::binding::EpochBinding;
use lucarne_ledger::control::Workload;
use lucarne_ledger::hash::to_hex;
use lucarne_ledger::identity::LedgerKind;
use lucarne_ledger::key::Signer as _;
use lucarne_ledger::payload::AuditEvent;
use lucarne_ledger::report_data::ReportData;
use lucarne_link::message::{Down, Up};
use lucarne_otlp::Signal;
use lucarne_otlp::wire::Writer;
use tokio::net::UnixListener;
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, LocalSet, spawn_local};
use tokio::time::timeout;

use attack::Attack::{self, *};
use attack::{Line, gateway_key, lie, truth};

/// Small, so that a test fills it: a few dozen requests.
const QUEUE_BYTES: usize = 64 << 10;
/// Longer than the uplink's own patience with a silent gateway, which is a minute.
const DURABILITY_WAIT: Duration = Duration::from_secs(150);
const HEARTBEAT: Duration = Duration::from_secs(15);

/// What an honest gateway was brought: every batch verified, in order and without holes.
#[derive(Default)]
struct Delivered {
    sizes: [u64; 2],
    records: Vec<Vec<u8>>,
}

async fn be_honest(listener: UnixListener, key: EpochKey) -> Delivered {
    let mut delivered = Delivered::default();
    let (stream, _) = listener.accept().await.unwrap();
    let mut line = Line::new(stream);
    line.handshake(Vec::new()).await.unwrap();
    while let Some((bytes, _)) = line.batch().await {
        let batch = batch::verify(&bytes, &key).unwrap();
        let statement = batch.statement();
        let size =
            &mut delivered.sizes[usize::from(statement.ledger.kind == LedgerKind::Telemetry)];
        assert_eq!(statement.first, *size, "a batch was lost or sent twice");
        *size = statement.size();
        delivered.records.push(bytes.clone());
        let acknowledgement = truth(statement).sign(&gateway_key()).unwrap();
        if line.send(&Down::Archived { acknowledgement }).await.is_none() {
            break;
        }
    }
    delivered
}

/// The parts of an enclave as its life puts them together, under a paused clock.
struct Enclave {
    pipeline: Arc<Pipeline>,
    budget: Budget,
    archived: watch::Receiver<Position>,
    close: watch::Sender<bool>,
    sealing: JoinHandle<Result<(), SealError>>,
    uplink: JoinHandle<()>,
    key: EpochKey,
    bound: EpochBinding,
    // Kept: an enclave whose workload is never probed.
    _workload: watch::Sender<Workload>,
}

fn configuration(directory: &Path, socket: &Path) -> Config {
    let key = to_hex(gateway_key().public_key().raw());
    let text = format!(
        "instance: nitro-001-us-east\nlog_prefix: example.com/lucarne\n\
         tee: {{ insecure_software: {{ dir: tee }} }}\n\
         otlp: {{ grpc: \"127.0.0.1:0\", http: \"127.0.0.1:0\" }}\n\
         uplink: {{ address: \"unix:{}\", acknowledgement_key: \"{key}\" }}\n",
        socket.display()
    );
    let file = directory.join("enclave.yaml");
    std::fs::write(&file, text).unwrap();
    Config::load(&file).unwrap()
}

fn key_of(epoch: &Epoch) -> EpochKey {
    EpochKey {
        instance: epoch.identity.instance.clone(),
        epoch: epoch.id,
        key: epoch.keys.public_key().clone(),
    }
}

impl Enclave {
    fn start(directory: &Path, socket: &Path) -> Self {
        Self::start_with(directory, socket, None)
    }

    fn start_with(directory: &Path, socket: &Path, json: Option<JsonBatchLimits>) -> Self {
        let config = configuration(directory, socket);
        let machine = Machine { module_id: "m".into(), executable_sha384: [5; 48] };
        let tee = SoftwareTee::open_or_mint(
            config.insecure_software.as_ref().unwrap(),
            machine,
            SystemClock,
        )
        .unwrap();
        let epoch = Epoch::begin(&config, Arc::new(tee)).unwrap();
        let budget = Budget::new(QUEUE_BYTES);
        let (queue, work) = mpsc::channel(1024);
        let (outgoing, to_uplink) = mpsc::channel(64);
        let sealed = watch::Sender::new(Position::default());
        let archived = watch::Sender::new(Position::default());
        let told = archived.subscribe();
        let (sealed_at, archived_at) = (sealed.subscribe(), archived.subscribe());
        let progress = Progress { sealed: sealed_at, archived: archived_at, witnessed: None };
        let json = json.map(|limits| JsonHalf::new(epoch.measurement(), limits));
        let pipeline = Pipeline::new(
            config.contract,
            budget.clone(),
            queue,
            InsideStore::nothing(),
            progress,
            DURABILITY_WAIT,
        );
        let pipeline = if json.is_some() { pipeline.with_json_batches() } else { pipeline };
        let pipeline = Arc::new(pipeline);
        let identity = Arc::clone(&epoch.identity);
        let uplink = Uplink::new(
            config.uplink,
            identity,
            config.acknowledgement_key,
            archived,
            None,
            to_uplink,
        );
        let (probe, workload) = watch::channel(Workload::Unknown);
        let sealer = Sealer::new(sealer::Parts {
            received: Arc::new(Counters::new()),
            instance: epoch.identity.instance.clone(),
            epoch: epoch.id,
            keys: Arc::clone(&epoch.keys),
            json,
            log_prefix: config.log_prefix,
            clock: SystemClock,
            pipeline: Arc::clone(&pipeline),
            work,
            outgoing,
            sealed,
            workload,
        })
        .unwrap();
        let key = key_of(&epoch);
        let bound = epoch.identity.bound.clone();
        let (close, closing) = watch::channel(false);
        let open = move |kind| epoch.open(kind, &[], SystemClock.now_ms());
        Self {
            pipeline,
            budget,
            archived: told,
            close,
            sealing: spawn_local(sealer.run(open, HEARTBEAT, closing)),
            uplink: tokio::spawn(uplink.run()),
            key,
            bound,
            _workload: probe,
        }
    }

    async fn send(&self, id: &str, durability: Durability) -> Result<Accepted, Refusal> {
        self.pipeline.accept(Signal::Logs, Raw::new(log(id)), durability).await
    }

    /// Sends until there is no room; says what was taken.
    async fn fill(&self) -> Vec<String> {
        let mut taken = Vec::new();
        loop {
            let id = format!("exec-fill-{}", taken.len());
            match self.send(&id, Durability::Accepted).await {
                Ok(_) => taken.push(id),
                Err(Refusal::Overloaded(_)) => return taken,
                Err(other) => panic!("{other:?}"),
            }
            // Lets sealer and uplink move what they can.
            tokio::task::yield_now().await;
        }
    }

    async fn end(self, honest: JoinHandle<Delivered>) -> Delivered {
        self.pipeline.stop();
        self.close.send_replace(true);
        assert!(matches!(self.sealing.await.unwrap(), Ok(())));
        timeout(Duration::from_secs(600), self.uplink).await.unwrap().unwrap();
        assert_eq!(self.budget.used(), 0);
        honest.await.unwrap()
    }
}

/// One log record with an execution id of its own.
fn log(id: &str) -> Bytes {
    let mut request = Vec::new();
    Writer::new(&mut request).message(1, |resource| {
        resource.message(2, |scope| {
            scope.message(2, |record| {
                record.fixed64(1, 1_795_230_000_250_000_000);
                record.varint(2, 9);
                record.message(6, |attribute| {
                    attribute.bytes(1, b"executionId");
                    attribute.message(2, |value| value.bytes(1, id.as_bytes()));
                });
            });
        });
    });
    request.into()
}

fn occurrences(haystack: &[Vec<u8>], id: &str) -> usize {
    let found = |bytes: &Vec<u8>| {
        let ends = |at: usize| bytes.get(at + id.len()).is_none_or(|b| !b.is_ascii_digit());
        let windows = bytes.windows(id.len()).enumerate();
        windows.filter(|(at, window)| *window == id.as_bytes() && ends(*at)).count()
    };
    haystack.iter().map(found).sum()
}

async fn survives(attack: Attack) {
    let directory = tempfile::tempdir().unwrap();
    let socket: PathBuf = directory.path().join("uplink.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    let connections = watch::Sender::new(0);
    let seen = connections.subscribe();
    let liar = tokio::spawn(lie(listener, attack, connections));
    let enclave = Enclave::start(directory.path(), &socket);

    let waited = enclave.send("exec-waiting-1", Durability::Archived).await;
    assert_eq!(waited, Err(Refusal::TimedOut(Durability::Sealed)), "{attack:?}");
    let mut taken = enclave.fill().await;
    assert!(taken.len() > 10, "{attack:?}: only {} were taken", taken.len());
    pass(Duration::from_secs(300)).await;
    // Full still: nothing was released, and nothing more is held than may be.
    let refused = enclave.send("exec-late-1", Durability::Accepted).await;
    assert_eq!(refused, Err(Refusal::Overloaded(Duration::from_secs(1))), "{attack:?}");
    // Who comes to look why is let in: what the enclave itself records has room of its own.
    let event = AuditEvent::assertion_by_channel(b"\"event_type\":\"access.query\"".to_vec());
    assert!(enclave.pipeline.record(event).is_ok(), "{attack:?}");
    // Beside the records, each batch that the last of them went into counts for itself.
    let beyond = enclave.budget.used().saturating_sub(QUEUE_BYTES);
    assert!(beyond <= 8 << 10, "{attack:?}: {beyond} bytes too many");
    assert_eq!(*enclave.archived.borrow(), Position::default(), "{attack:?}");
    assert!(!enclave.uplink.is_finished() && !enclave.sealing.is_finished(), "{attack:?}");
    assert!(!liar.is_finished(), "{attack:?}: the liar itself broke");
    // Nobody is waited for without end, not even one who reads on and never acknowledges.
    assert!(*seen.borrow() >= 4, "{attack:?}: {} connections", *seen.borrow());

    liar.abort();
    drop(liar.await);
    std::fs::remove_file(&socket).unwrap();
    let listener = UnixListener::bind(&socket).unwrap();
    let honest = tokio::spawn(be_honest(listener, enclave.key.clone()));
    // Room again as soon as somebody honest acknowledges.
    pass(Duration::from_secs(5)).await;
    let after = enclave.send("exec-after-1", Durability::Archived).await;
    assert_eq!(after, Ok(Accepted { rejected: 0 }), "{attack:?}");
    let delivered = enclave.end(honest).await;
    taken.extend(["exec-waiting-1".to_owned(), "exec-after-1".to_owned()]);
    for id in &taken {
        assert_eq!(occurrences(&delivered.records, id), 1, "{attack:?}: {id}");
    }
    assert_eq!(occurrences(&delivered.records, "exec-late-1"), 0, "{attack:?}");
}

async fn survives_all<const N: usize>(attacks: [Attack; N]) {
    let all = async {
        for attack in attacks {
            survives(attack).await;
        }
    };
    // The sealer's future stays on its thread, as in the process.
    LocalSet::new().run_until(all).await;
}

#[tokio::test(start_paused = true)]
async fn a_host_that_breaks_the_handshake() {
    let attacks = [SaysNothing, ClosesAtOnce, AcceptsBeforeChallenge, ArchivesInHandshake];
    survives_all(attacks).await;
    survives_all([AcceptsWithForgedAcknowledgement, ClosesAfterChallenge]).await;
}

#[tokio::test(start_paused = true)]
async fn a_host_that_sends_no_frames() {
    survives_all([SendsGarbage, AnnouncesHugeFrame, AnnouncesEmptyFrame, CutsAFrame]).await;
}

#[tokio::test(start_paused = true)]
async fn a_host_that_breaks_the_stream() {
    survives_all([ClosesAfterAccepted, ClosesAfterBatch, NeverAcknowledges]).await;
    survives_all([ChallengesAgain, SpeaksLikeAnEnclave, FloodsWithRefusals]).await;
}

#[tokio::test(start_paused = true)]
async fn a_host_that_asks_for_evidence_as_it_may_not() {
    survives_all([AsksTwiceAtOnce, AsksAndNeverAcknowledges]).await;
}

/// A gateway that asks in the middle of a session gets evidence for its nonce and the epoch, and
/// the batches go on beside it.
#[tokio::test(start_paused = true)]
async fn a_question_is_answered_with_fresh_evidence() {
    let asked = async {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("uplink.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        let enclave = Enclave::start(directory.path(), &socket);
        let (stream, _) = listener.accept().await.unwrap();
        let mut line = Line::new(stream);
        line.handshake(Vec::new()).await.unwrap();
        let mut shown = Vec::new();
        for round in [1, 2] {
            line.send(&Down::Monitor { nonce: [round; 32] }).await.unwrap();
            let evidence = loop {
                let body = line.receive().await.unwrap();
                match Up::decode(&body).unwrap() {
                    Up::Fresh { evidence, collateral: [] } => break evidence.to_vec(),
                    Up::Batch { .. } => {}
                    other => panic!("{other:?}"),
                }
            };
            let read = lucarne_attest::read_unverified(&evidence).unwrap();
            assert_eq!(read.nonce, Some(vec![round; 32]));
            let expected = ReportData::monitor(&enclave.bound, &[round; 32]);
            assert_eq!(read.user_data, Some(expected.as_bytes().to_vec()));
            shown.push(evidence);
        }
        assert_ne!(shown[0], shown[1]);
        enclave.uplink.abort();
    };
    LocalSet::new().run_until(asked).await;
}

#[tokio::test(start_paused = true)]
async fn a_host_that_acknowledges_what_it_may_not() {
    survives_all([FloodsWithGarbageAcknowledgements, SignsWithAnotherKey]).await;
    survives_all([NamesAnotherEpoch, NamesWhatWasNeverSent, NamesAnotherRoot]).await;
}

/// Lets virtual time pass; the runtime's clock moves on when everybody waits.
async fn pass(time: Duration) {
    drop(timeout(time, std::future::pending::<()>()).await);
}
