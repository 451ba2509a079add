//! Which checkpoints are asked for, in which order, and what is said when there is no stamp.

use std::path::Path;
use std::sync::Mutex;

use axum::Router;
use http::StatusCode;
use lucarne_archive::{Directory, Put};
use lucarne_ledger::hash::Hash;
use lucarne_ledger::identity::{EpochId, LedgerKind};

use super::*;
use crate::archiver::{Archived, Names};
use crate::clock::SystemClock;
use crate::export::client::{Endpoint, Version};
use crate::http::Server;
use crate::journal::tests::Written;
use crate::wal::{Limits, Wal};

struct Site {
    stamping: Stamping,
    said: Written,
    asked: Arc<Mutex<u32>>,
    _dir: tempfile::TempDir,
    _stop: watch::Sender<bool>,
    _through: watch::Sender<u64>,
}

fn head(instance: &str) -> CheckpointName {
    let (instance, epoch) = (instance.parse().unwrap(), EpochId([0xab; 16]));
    let ledger = LedgerId { instance, epoch, kind: LedgerKind::Audit };
    CheckpointName { ledger, size: 3, root: Hash([7; 32]), cosigned: false }
}

/// An authority that answers like this, and checkpoints of which only some can be read.
async fn site(status: StatusCode, readable: &[&str], all: &[&str]) -> Site {
    let asked = Arc::new(Mutex::new(0));
    let counted = Arc::clone(&asked);
    let answer = move || async move {
        *counted.lock().unwrap() += 1;
        (status, [("content-type", "application/timestamp-reply")], "no reply")
    };
    let router = Router::new().fallback(answer);
    let server = Server::bind_router("127.0.0.1:0".parse().unwrap(), router).await.unwrap();
    let uri = format!("http://{}", server.local_address().unwrap()).parse().unwrap();
    let (stop, stopping) = watch::channel(false);
    tokio::spawn(server.run(stopping));
    let (headers, timeout) = (http::HeaderMap::new(), Duration::from_secs(5));
    let (tls, bearer_token_file, version) = (None, None, Version::Http1);
    let endpoint = Endpoint { uri, tls, headers, bearer_token_file, timeout, version };

    let dir = tempfile::tempdir().unwrap();
    let archive = Directory::open(&dir.path().join("archive")).unwrap();
    for instance in readable {
        let put = archive.put(&Name::Checkpoint(head(instance)), b"a note").unwrap();
        assert_eq!(put, Put::Created);
    }
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
    let said = Written::default();
    let journal = Journal::new(Arc::clone(&clock), Box::new(said.clone()), None);
    let (rolls, through) = rolls(dir.path(), Arc::new(archive));
    let every = Duration::from_hours(1);
    let stamps = TimeStamps { authority: Authority::new(endpoint, Vec::new()), every };
    let mut stamping = Stamping::new(stamps, &rolls, clock, journal);
    stamping.pending = all.iter().map(|name| head(name)).map(|h| (h.ledger.clone(), h)).collect();
    Site { stamping, said, asked, _dir: dir, _stop: stop, _through: through }
}

fn rolls(dir: &Path, archive: Arc<dyn Archive>) -> (Rolls, watch::Sender<u64>) {
    let wal = Wal::open(&dir.join("wal"), Limits { total_bytes_max: 1 << 20 }).unwrap().0;
    let through = watch::Sender::new(0);
    let (reader, names) = (wal.reader(), Names::default());
    let archived = Archived { reader, names, through: through.subscribe() };
    let believed = lucarne_attest::Policy {
        roots: Vec::new(),
        measurements: lucarne_attest::Measurements::OneOf(Vec::new()),
        debug: lucarne_attest::DebugMode::Refuse,
    };
    (Rolls { archived, archive, keys: None, terms: Arc::new(believed.into()) }, through)
}

impl Site {
    fn counts(&self) -> (u32, usize, usize) {
        (*self.asked.lock().unwrap(), self.stamping.late.len(), self.said.messages().len())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_that_cannot_be_read_keeps_no_other_waiting() {
    let mut site = site(StatusCode::OK, &["b", "c"], &["a", "b", "c"]).await;
    site.stamping.round(false).await;
    assert_eq!(site.counts(), (1, 3, 2), "who is refused once is not asked for the next");
    site.stamping.round(false).await;
    assert_eq!(site.counts(), (1, 3, 2), "it is not their time");
    let wait = site.stamping.wait();
    assert!(Duration::ZERO < wait && wait < Duration::from_secs(1), "{wait:?}");
    site.stamping.round(true).await;
    let c = Some(head("c").ledger);
    assert_eq!((site.counts(), site.stamping.said.contains_key(&c)), ((2, 3, 3), true), "its turn");
    site.stamping.round(true).await;
    assert_eq!(site.counts(), (3, 3, 3), "and nothing is said twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authority_that_does_not_answer_is_asked_once_and_said_once() {
    let mut site = site(StatusCode::SERVICE_UNAVAILABLE, &["a", "b"], &["a", "b"]).await;
    site.stamping.round(false).await;
    assert_eq!(site.counts(), (1, 2, 1));
    let next = head("c");
    site.stamping.pending.insert(next.ledger.clone(), next);
    site.stamping.round(false).await;
    assert_eq!(site.counts(), (1, 2, 1), "what is new waits for it as well");
    site.stamping.round(true).await;
    assert_eq!(site.counts(), (2, 3, 1));
}
