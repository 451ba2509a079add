//! What the engine promises, on both databases: nothing twice, nothing lost, nothing unseen.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::lanes::{Ask, Lanes, Unavailable};
use super::sweep::Sweeper;
use super::{Answer, Engine, EngineError, Identity, Parts, Published, rebuild};
use crate::event::Input;
use crate::incident::{IncidentId, Severity};
use crate::intake::empty;
use crate::metrics::Metrics;
use crate::person::{Actor, Person, PersonId};
use crate::policy::{Policy, Profile};
use crate::signal::{Draft, Fault, Kind, Signal, Source, Status};
use crate::store::database::Value;
use crate::store::tests::Place;
use crate::store::{Store, StoreError};

struct Desk {
    engine: Engine,
}

type Kept = Result<Vec<Answer>, Unavailable>;

impl Desk {
    fn start(place: &Place, identity: &tempfile::TempDir) -> Result<Self, EngineError> {
        let path = identity.path().join("identity");
        let name = || "desk-1".parse().unwrap();
        let identity = Identity::create(&path, name()).or_else(|_| Identity::read(&path, name()));
        let ann = Person {
            id: PersonId("ann".to_owned()),
            employee: "1".to_owned(),
            groups: ["security".to_owned()].into(),
        };
        let parts = Parts {
            store: place.open(),
            policy: Policy::shipped(Profile::ResponderDefault),
            people: vec![ann],
            channels: vec!["ops".to_owned()],
            identity: identity.unwrap(),
            metrics: Arc::new(Metrics::default()),
        };
        Engine::start(parts, Arc::new(Lanes::default())).map(|engine| Self { engine })
    }

    fn ask(&mut self, inputs: Vec<Input>) -> Kept {
        let actor = Actor::Person(PersonId("ann".to_owned()));
        let (reply, mut answer) = oneshot::channel();
        let ask = Ask { actor, inputs, came: Instant::now(), reply };
        if self.engine.writable {
            self.engine.group(vec![ask]);
        } else {
            self.engine.try_again(vec![ask]);
        }
        answer.try_recv().unwrap()
    }

    fn trip(&self, capsule: &str, risk: &str) -> Input {
        let labels = BTreeMap::from([("capsule_hash".to_owned(), capsule.to_owned())]);
        let (risk, misses) = (Some(risk.to_owned()), Some("5".to_owned()));
        let draft = empty(Source::Alertmanager, Kind::GuardTrip, capsule.into());
        let draft = Draft { labels, risk, misses, ..draft };
        let policy = &self.engine.parts.policy;
        let scrubber = self.engine.parts.identity.scrubber();
        Input::Signal(Signal::new(&draft, &scrubber, policy.chosen(draft.kind)).unwrap())
    }

    fn sweeper(&self, place: &Place) -> Sweeper {
        let identity = &self.engine.parts.identity;
        let (desk, key) = (identity.instance.clone(), identity.public_key().clone());
        Sweeper { store: place.open(), desk, key, scrubber: identity.scrubber() }
    }

    fn store(&mut self) -> &mut Store {
        &mut self.engine.parts.store
    }
}

fn everything(store: &mut Store) -> Vec<Vec<Value>> {
    store.database.rows("SELECT kind, id, ord, body FROM doc ORDER BY kind, id", &[]).unwrap()
}

fn a_restart_goes_on_where_it_ended(place: &Place) {
    let identity = tempfile::tempdir().unwrap();
    let mut desk = Desk::start(place, &identity).unwrap();
    let trip = desk.trip("c1", "0.95");
    let answer = desk.ask(vec![trip]).unwrap().remove(0);
    assert_eq!(answer.incident, Some(IncidentId(1)));
    assert_eq!(answer.decided, Some(("D5".to_owned(), "legitimate".to_owned())));
    let answer = desk.ask(vec![Input::Ack(IncidentId(1))]).unwrap().remove(0);
    assert_eq!(answer.refused, None);
    let timeline = desk.store().timeline(IncidentId(1), 0, 100).unwrap();
    assert!(timeline.is_sorted_by_key(|entry| entry.seq) && timeline.len() > 4, "{timeline:#?}");
    assert!(desk.store().backlog().unwrap().open > 0, "people are told");
    let (before, docs) = (desk.engine.desk.state().to_bytes(), everything(desk.store()));
    let last = desk.engine.desk.state().last.unwrap();
    drop(desk);
    let mut desk = Desk::start(place, &identity).unwrap();
    assert_eq!(desk.engine.desk.state().to_bytes(), before);
    assert!(desk.engine.now().mono_ms >= last.mono_ms, "the count goes on");
    rebuild(desk.store()).unwrap();
    assert_eq!(everything(desk.store()), docs, "what can be looked up follows from the log");
    let next = desk.engine.desk.state().next_seq;
    let key = desk.engine.parts.identity.public_key().clone();
    let name = "desk-1".parse().unwrap();
    assert_eq!(desk.store().verify_sealed(&name, &key).unwrap(), next, "all is sealed");
}

fn two_desks_decide_a_signal_once(place: &Place) {
    let identity = tempfile::tempdir().unwrap();
    let mut one = Desk::start(place, &identity).unwrap();
    let mut other = Desk::start(place, &identity).unwrap();
    let opened = |desk: &Desk| desk.engine.desk.state().incidents().count();
    let before = opened(&one);
    let trip = one.trip("c-shared", "0.95");
    for _ in 0..10 {
        one.ask(vec![trip.clone()]).unwrap();
        other.ask(vec![trip.clone()]).unwrap();
    }
    one.ask(vec![Input::Tick]).unwrap();
    let (ours, theirs) = (opened(&one), opened(&other));
    assert_eq!((ours, theirs), (before + 1, before + 1));
    let next = one.engine.desk.state().next_seq;
    assert_eq!(one.store().entries(0, u64::from(u32::MAX)).unwrap().len() as u64, next);
    let sql = "SELECT key FROM work WHERE body LIKE '%opened%'";
    let told = one.store().database.rows(sql, &[]).unwrap();
    let keys: std::collections::BTreeSet<_> = told.iter().map(|row| format!("{row:?}")).collect();
    assert_eq!(keys.len(), told.len());
}

fn what_somebody_changed_in_the_database_shows(place: &Place) {
    let identity = tempfile::tempdir().unwrap();
    let mut desk = Desk::start(place, &identity).unwrap();
    let trip = desk.trip("c2", "0.9");
    desk.ask(vec![trip]).unwrap();
    desk.engine.seal(0).unwrap();
    let row = &desk.store().database.rows("SELECT body FROM entry WHERE seq = 1", &[]).unwrap()[0];
    let Value::Bytes(body) = &row[0] else { panic!("{row:?}") };
    let text = String::from_utf8(body.clone()).unwrap();
    let bent = text.replacen("\"wall_ms\":1", "\"wall_ms\":2", 1);
    assert_ne!(bent, text);
    let values = [Value::Bytes(bent.into_bytes())];
    desk.store().database.run("UPDATE entry SET body = $1 WHERE seq = 1", &values).unwrap();
    // By the hourly sweep, on a connection of its own.
    let mut sweeper = desk.sweeper(place);
    let found = sweeper.sweep(&Policy::shipped(Profile::ResponderDefault)).unwrap().unwrap();
    let Input::Signal(signal) = &found else { panic!("{found:?}") };
    assert_eq!((signal.source, signal.fault), (Source::Desk, Some(Fault::ChainMismatch)));
    assert_eq!(signal.labels["batch"].as_str(), "0");
    // And by the next start, which says so to everybody.
    drop(desk);
    let mut desk = Desk::start(place, &identity).unwrap();
    let state = desk.engine.desk.state();
    let incident = state.incidents().last().unwrap();
    let seen = (incident.kind, incident.severity, incident.labels["instance"].as_str());
    assert_eq!(seen, (Kind::AuditIntegrity, Severity::Sev0, "desk-1"));
    assert!(state.is_held(incident.id) && state.is_frozen());
    assert_eq!(state.gate("executions"), Some(incident.id));
    let told = desk.store().work(u64::MAX, 1).unwrap().remove(0);
    assert!(told.body.contains("SEV0") && told.body.contains("audit_integrity"), "{}", told.body);
    // The same finding once more belongs to the same incident.
    let before = desk.engine.desk.state().incidents().count();
    desk.ask(vec![found]).unwrap();
    assert_eq!(desk.engine.desk.state().incidents().count(), before);
    // A row that nobody can read is found as well, and there is nothing to start on.
    desk.store().database.run("UPDATE entry SET body = $1 WHERE seq = 1", &[bytes(b"{}")]).unwrap();
    let found = sweeper.sweep(&Policy::shipped(Profile::ResponderDefault)).unwrap().unwrap();
    assert!(matches!(found, Input::Signal(one) if one.is_integrity()));
    drop(desk);
    let refused = Desk::start(place, &identity).map(|_| ()).unwrap_err();
    assert!(matches!(refused, EngineError::Store(StoreError::Entry { seq: 1, .. })), "{refused:?}");
}

fn what_somebody_did_to_the_seals_shows(place: &Place) {
    let identity = tempfile::tempdir().unwrap();
    let mut desk = Desk::start(place, &identity).unwrap();
    for capsule in ["s1", "s2", "s3"] {
        let trip = desk.trip(capsule, "0.9");
        desk.ask(vec![trip]).unwrap();
        desk.engine.seal(0).unwrap();
    }
    let end = desk.store().sealed_end().unwrap().0;
    let mut sweeper = desk.sweeper(place);
    let mut broken = || {
        let found = sweeper.sweep(&Policy::shipped(Profile::ResponderDefault)).unwrap();
        found.map(|found| match found {
            Input::Signal(signal) if signal.is_integrity() => signal.labels["batch"].to_string(),
            other => panic!("{other:?}"),
        })
    };
    assert_eq!((end > 2, broken()), (true, None));
    let sql = "UPDATE sealed SET spki = $2 WHERE position = $1";
    desk.store().database.run(sql, &[Value::of(end - 1), bytes(b"x")]).unwrap();
    assert_eq!(broken(), Some((end - 1).to_string()), "another key's");
    let sql = "DELETE FROM sealed WHERE position = $1";
    desk.store().database.run(sql, &[Value::of(end - 2)]).unwrap();
    assert_eq!(broken(), Some((end - 2).to_string()), "gone from the middle");
}

fn count(desk: &mut Desk, sql: &str) -> u64 {
    desk.store().database.rows(sql, &[]).unwrap()[0][0].count().unwrap()
}

// Trips, a snapshot that is sealed, and one trip after it.
fn with_snapshot(place: &Place, identity: &tempfile::TempDir) -> (Desk, Vec<u8>) {
    let mut desk = Desk::start(place, identity).unwrap();
    assert!(!desk.engine.was_read_in_part());
    for capsule in ["c1", "c2", "c3"] {
        let trip = desk.trip(capsule, "0.9");
        desk.ask(vec![trip]).unwrap();
    }
    desk.engine.snapshot().unwrap();
    desk.engine.seal(0).unwrap();
    let trip = desk.trip("c4", "0.9");
    desk.ask(vec![trip]).unwrap();
    let state = desk.engine.desk.state().to_bytes();
    (desk, state)
}

fn a_start_goes_on_from_a_snapshot(place: &Place) {
    let identity = tempfile::tempdir().unwrap();
    let (mut desk, before) = with_snapshot(place, &identity);
    for _ in 0..3 {
        desk.engine.snapshot().unwrap();
    }
    assert_eq!(count(&mut desk, "SELECT COUNT(*) FROM snapshot"), 3, "a few are kept");
    let newest = desk.engine.snapshotted;
    drop(desk);
    // None of the newest is sealed, and the sealed one is gone: the log is read from the first.
    let desk = Desk::start(place, &identity).unwrap();
    assert_eq!((desk.engine.was_read_in_part(), desk.engine.snapshotted), (false, 0));
    // That start has sealed them.
    drop(desk);
    let mut desk = Desk::start(place, &identity).unwrap();
    assert_eq!((desk.engine.was_read_in_part(), desk.engine.snapshotted), (true, newest));
    let (now, then) = (desk.engine.desk.state(), crate::state::State::from_bytes(&before).unwrap());
    assert_eq!(now.incidents().count(), then.incidents().count());
    let entries = desk.store().entries(0, u64::from(u32::MAX)).unwrap();
    let first = Policy::shipped(Profile::ResponderDefault);
    let whole = crate::log::rebuild(first, &entries).to_bytes();
    assert_eq!(desk.engine.desk.state().to_bytes(), whole, "as if it had read everything");
    // What was changed before the snapshot the sweep finds, which comes right after such a start.
    let bent = [bytes(b"{}")];
    desk.store().database.run("UPDATE entry SET body = $1 WHERE seq = 2", &bent).unwrap();
    drop(desk);
    let desk = Desk::start(place, &identity).unwrap();
    assert!(desk.engine.was_read_in_part());
    let found = desk.sweeper(place).sweep(&Policy::shipped(Profile::ResponderDefault)).unwrap();
    assert!(matches!(found, Some(Input::Signal(one)) if one.is_integrity()));
}

// Each is a way to make a start believe in a state that never was: here, one without its gates.
fn a_forged_snapshot_is_refused_and_told(place: &Place, forge: Forge) {
    let identity = tempfile::tempdir().unwrap();
    let (mut desk, _) = with_snapshot(place, &identity);
    forge(&mut desk);
    drop(desk);
    let mut desk = Desk::start(place, &identity).unwrap();
    assert!(!desk.engine.was_read_in_part(), "the log is read from its first entry");
    let incident = desk.engine.desk.state().incidents().last().unwrap();
    assert_eq!((incident.kind, incident.severity), (Kind::AuditIntegrity, Severity::Sev0));
    assert_eq!(desk.engine.desk.state().incidents().count(), 5, "and nothing is missing");
    let entries = desk.store().entries(0, u64::from(u32::MAX));
    let first = Policy::shipped(Profile::ResponderDefault);
    let whole = entries.map(|entries| crate::log::rebuild(first, &entries).to_bytes()).unwrap();
    assert_eq!(desk.engine.desk.state().to_bytes(), whole);
}

// The state with one incident less, and its digest.
fn forged(desk: &mut Desk) -> (Vec<u8>, crate::digest::Digest) {
    let seq = desk.engine.snapshotted;
    let body = desk.store().snapshot(seq).unwrap().unwrap();
    let mut state = crate::state::State::from_bytes(&body).unwrap();
    assert!(state.incidents.remove(&IncidentId(2)).is_some());
    let body = state.to_bytes();
    let digest = crate::digest::Digest::of(&body);
    let values = [Value::of(seq), bytes(&body)];
    let sql = "UPDATE snapshot SET body = $2 WHERE seq = $1";
    assert_eq!(desk.store().database.run(sql, &values).unwrap(), 1);
    (body, digest)
}

fn other_bytes(desk: &mut Desk) {
    forged(desk);
}

fn other_bytes_and_their_digest_in_the_log(desk: &mut Desk) {
    let seq = desk.engine.snapshotted;
    let before = desk.store().entries(seq, 1).unwrap().remove(0);
    let (_, digest) = forged(desk);
    let event = match before.event {
        crate::event::Event::Input(Input::Snapshot { version, .. }) => {
            crate::event::Event::Input(Input::Snapshot { state: digest, version })
        }
        other => panic!("{other:?}"),
    };
    let bent = crate::log::encode(&crate::event::Entry { event, ..before });
    let values = [Value::of(before.seq), bytes(&bent)];
    let sql = "UPDATE entry SET body = $2 WHERE seq = $1";
    assert_eq!(desk.store().database.run(sql, &values).unwrap(), 1);
}

fn a_row_beside_another_entry(desk: &mut Desk) {
    forged(desk);
    let sql = "UPDATE snapshot SET seq = 1";
    assert_eq!(desk.store().database.run(sql, &[]).unwrap(), 1);
}

fn bytes(bytes: &[u8]) -> Value {
    Value::Bytes(bytes.to_vec())
}

type Forge = fn(&mut Desk);

fn check(make: fn() -> Place, forges: &[Forge]) {
    let place = make();
    a_restart_goes_on_where_it_ended(&place);
    // Another key is another desk.
    let stranger = tempfile::tempdir().unwrap();
    let refused = Desk::start(&place, &stranger).map(|_| ()).unwrap_err();
    assert!(
        matches!(refused, EngineError::Store(StoreError::Stranger { position: 0 })),
        "{refused:?}"
    );
    let place = make();
    two_desks_decide_a_signal_once(&place);
    let place = make();
    a_start_goes_on_from_a_snapshot(&place);
    for forge in forges {
        a_forged_snapshot_is_refused_and_told(&make(), *forge);
    }
    let place = make();
    what_somebody_changed_in_the_database_shows(&place);
    what_somebody_did_to_the_seals_shows(&make());
}

#[test]
fn a_desk_on_a_file() {
    let forges: [Forge; 3] =
        [other_bytes, other_bytes_and_their_digest_in_the_log, a_row_beside_another_entry];
    check(Place::file, &forges);
}

#[test]
fn desks_on_a_server() {
    check(Place::server, &[other_bytes]);
}

#[test]
fn a_full_disk_refuses_and_nothing_of_it_is_kept() {
    let (place, identity) = (Place::file(), tempfile::tempdir().unwrap());
    let mut desk = Desk::start(&place, &identity).unwrap();
    let pages = desk.store().database.rows("PRAGMA page_count", &[]).unwrap()[0][0].clone();
    let pages = pages.count().unwrap();
    desk.store().database.script(&format!("PRAGMA max_page_count = {pages}")).unwrap();
    let many: Vec<Input> = (0..50).map(|n| desk.trip(&format!("c{n}"), "0.9")).collect();
    let before = desk.engine.desk.state().to_bytes();
    assert_eq!(desk.ask(many.clone()), Err(Unavailable::Full));
    assert_eq!(desk.engine.desk.state().to_bytes(), before, "nothing has happened");
    desk.engine.publish();
    assert!(!desk.engine.published().read().unwrap().writable);
    assert_eq!(desk.ask(many.clone()), Err(Unavailable::Full), "and it stays so");
    desk.store().database.script("PRAGMA max_page_count = 1000000").unwrap();
    assert_eq!(desk.ask(many).unwrap().len(), 50);
    assert_eq!(desk.engine.desk.state().incidents().count(), 50);
}

#[test]
fn a_state_that_may_be_ahead_of_its_log_is_neither_shown_nor_decided_by() {
    let (place, identity) = (Place::file(), tempfile::tempdir().unwrap());
    let mut desk = Desk::start(&place, &identity).unwrap();
    let trip = desk.trip("c1", "0.9");
    assert_eq!(desk.ask(vec![trip]).unwrap().len(), 1);
    desk.engine.publish();
    let shown = desk.engine.published().read().unwrap().clone();
    // Entries can be neither written nor read.
    desk.store().database.script("ALTER TABLE entry RENAME TO gone").unwrap();
    let other = desk.trip("c2", "0.9");
    assert!(desk.ask(vec![other.clone()]).is_err());
    desk.engine.publish();
    let still = desk.engine.published().read().unwrap().clone();
    assert!(!still.writable && shown.writable);
    assert_eq!((still.next, still.open, still.gates), (shown.next, shown.open, shown.gates));
    assert!(desk.ask(vec![other.clone()]).is_err(), "the store takes writes, but is not read");
    desk.store().database.script("ALTER TABLE gone RENAME TO entry").unwrap();
    assert_eq!(desk.ask(vec![other]).unwrap().len(), 1);
    desk.engine.publish();
    assert!(desk.engine.published().read().unwrap().writable);
    let next = desk.engine.desk.state().next_seq;
    assert_eq!(desk.store().locked(|_, found| Ok::<_, StoreError>(found)).unwrap(), next);
    assert_eq!(desk.engine.desk.state().incidents().count(), 2);
}

#[test]
fn a_state_with_more_than_the_log_is_not_written_on() {
    let (place, identity) = (Place::file(), tempfile::tempdir().unwrap());
    let mut desk = Desk::start(&place, &identity).unwrap();
    let trip = desk.trip("c1", "0.9");
    assert_eq!(desk.ask(vec![trip.clone()]).unwrap().len(), 1);
    let set_back = "UPDATE meta SET number = number - 1 WHERE name = 'log'";
    desk.store().database.script(set_back).unwrap();
    assert!(desk.ask(vec![trip]).is_err());
}

#[test]
fn a_full_lane_refuses_and_integrity_comes_first() {
    let lanes = Lanes::default();
    let ask = |inputs: Vec<Input>| {
        let (reply, answer) = oneshot::channel();
        // Nobody waits for the answer here.
        drop(answer);
        Ask { actor: Actor::Desk, inputs, came: Instant::now(), reply }
    };
    let labels = BTreeMap::from([("instance".to_owned(), "i1".to_owned())]);
    let draft = empty(Source::Audit, Kind::AuditIntegrity, Vec::new());
    let scrubber = crate::scrub::Scrubber::new([7; 32]);
    let integrity = Signal::new(&Draft { labels, ..draft }, &scrubber, &[]).unwrap();
    lanes.push(ask(vec![Input::Tick; 20_000])).unwrap();
    assert_eq!(lanes.push(ask(vec![Input::Tick])), Err(Unavailable::Busy));
    lanes.push(ask(vec![Input::Signal(integrity)])).unwrap();
    let group = lanes.wait(1, Duration::ZERO).unwrap();
    assert!(matches!(group[0].inputs[..], [Input::Signal(_)]), "{:?}", group[0].inputs.len());
    assert_eq!(lanes.wait(1, Duration::ZERO).unwrap()[0].inputs.len(), 20_000);
    lanes.close();
    assert_eq!(lanes.push(ask(vec![Input::Tick])), Err(Unavailable::Stopping));
    assert!(lanes.wait(1, Duration::ZERO).is_none());
}

// The desk may read its log by other ways yet; the sweep cannot.
#[tokio::test(start_paused = true)]
async fn a_log_that_cannot_be_swept_is_told_of_once_and_when_it_can_be_again() {
    let (place, identity) = (Place::file(), tempfile::tempdir().unwrap());
    let mut desk = Desk::start(&place, &identity).unwrap();
    let trip = desk.trip("c1", "0.9");
    desk.ask(vec![trip]).unwrap();
    desk.engine.seal(0).unwrap();
    let sweeper = desk.sweeper(&place);
    let rename = |desk: &mut Desk, from: &str, to: &str| {
        let sql = format!("ALTER TABLE {from} RENAME TO {to}");
        desk.store().database.run(&sql, &[]).unwrap();
    };
    rename(&mut desk, "entry", "gone");
    let lanes = Arc::new(Lanes::default());
    let policy = Some(Arc::new(Policy::shipped(Profile::ResponderDefault)));
    let published = Arc::new(std::sync::RwLock::new(Published { policy, ..Published::default() }));
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let began = tokio::time::Instant::now();
    let running = tokio::spawn(sweeper.run(Arc::clone(&lanes), published, true, stopped));
    // An engine that takes everything, on a thread that no virtual clock waits for.
    let (said, mut heard) = tokio::sync::mpsc::unbounded_channel();
    let taken = Arc::clone(&lanes);
    let engine = std::thread::spawn(move || {
        while let Some(group) = taken.wait(9, Duration::from_secs(20)) {
            for ask in group {
                // Before the sweep goes on: what is idle lets the virtual clock jump.
                said.send(ask.inputs).unwrap();
                ask.reply.send(Ok(Vec::new())).unwrap();
            }
        }
    });
    let mut next = async || {
        let inputs = heard.recv().await.unwrap();
        let [Input::Signal(signal)] = inputs.as_slice() else { panic!("{inputs:?}") };
        (signal.kind, signal.labels["alertname"].as_str().to_owned(), signal.status)
    };
    let fault = |status| (Kind::DeskFault, "DeskLogUnread".to_owned(), status);
    assert_eq!(next().await, fault(Status::Firing));
    let minute = 60..62;
    assert!(
        minute.contains(&began.elapsed().as_secs()),
        "at the second try: {:?}",
        began.elapsed()
    );
    // It is tried again each minute, and said once.
    for _ in 0..3 {
        tokio::time::advance(Duration::from_secs(60)).await;
        tokio::task::spawn_blocking(|| {}).await.unwrap();
    }
    rename(&mut desk, "gone", "entry");
    assert_eq!(next().await, fault(Status::Resolved));
    assert!((240..=360).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
    stop.send(true).unwrap();
    running.await.unwrap();
    lanes.close();
    engine.join().unwrap();
}
