//! The same checks for both databases.

use lucarne_testkit::Postgres as Server;
use tempfile::TempDir;

use super::work::{NewWork, Standing};
use super::{Doc, Postgres, Sqlite, Store, StoreError};
use crate::incident::IncidentId;

/// Where a store is, and how to open it again.
pub(crate) enum Place {
    File(TempDir),
    Server(Server),
}

impl Place {
    pub(crate) fn file() -> Self {
        Self::File(tempfile::tempdir().unwrap())
    }

    pub(crate) fn server() -> Self {
        Self::Server(Server::start())
    }

    pub(crate) fn open(&self) -> Store {
        match self {
            Self::File(dir) => {
                let database = Sqlite::open(&dir.path().join("desk.db")).unwrap();
                Store::new(Box::new(database)).unwrap()
            }
            Self::Server(server) => {
                Store::new(Box::new(Postgres::connect(&server.url()).unwrap())).unwrap()
            }
        }
    }
}

fn doc(id: &str, order: u64, body: Option<&str>) -> Doc {
    Doc { kind: "incident", id: id.to_owned(), order, body: body.map(str::to_owned) }
}

fn piece(queue: &str, key: &str, made_ms: u64) -> NewWork {
    let (queue, key) = (queue.to_owned(), key.to_owned());
    NewWork { queue, key, incident: IncidentId(1), body: "{}".to_owned(), made_ms }
}

fn check(place: &Place) {
    docs_are_written_over_and_listed_newest_first(&mut place.open());
    nothing_of_a_refused_transaction_is_kept(&mut place.open());
    work_is_leased_once_and_in_order(&mut place.open(), &mut place.open());
    late_work_is_copied_once(&mut place.open());
}

fn docs_are_written_over_and_listed_newest_first(store: &mut Store) {
    let docs = [doc("INC-1", 1, Some("1")), doc("INC-2", 2, Some("2")), doc("INC-3", 3, Some("3"))];
    store.put(&docs).unwrap();
    store.put(&[doc("INC-1", 1, Some("one")), doc("INC-2", 2, None)]).unwrap();
    assert_eq!(store.doc("incident", "INC-1").unwrap().as_deref(), Some("one"));
    assert_eq!(store.doc("incident", "INC-2").unwrap(), None);
    assert_eq!(store.docs("incident", 9, 9).unwrap(), ["3", "one"]);
    assert_eq!(store.docs("incident", 3, 9).unwrap(), ["one"]);
    assert_eq!(store.docs("incident", 9, 1).unwrap(), ["3"]);
    store.forget_docs().unwrap();
    assert_eq!(store.docs("incident", 9, 9).unwrap(), Vec::<String>::new());
}

fn nothing_of_a_refused_transaction_is_kept(store: &mut Store) {
    let refused: Result<(), StoreError> = store.locked(|store, next| {
        assert_eq!(next, 0);
        store.put(&[doc("INC-7", 7, Some("7"))])?;
        Err(StoreError::Full)
    });
    assert!(matches!(refused, Err(StoreError::Full)), "{refused:?}");
    assert_eq!(store.doc("incident", "INC-7").unwrap(), None);
    store.probe().unwrap();
}

fn work_is_leased_once_and_in_order(one: &mut Store, other: &mut Store) {
    let work = [piece("a", "1", 10), piece("a", "2", 20), piece("b", "3", 30)];
    one.locked(|store, _| store.add_work(&work)).unwrap();
    // The same key is the same work.
    one.locked(|store, _| store.add_work(&[piece("a", "1", 99)])).unwrap();
    let first = one.lease("a", "x", 100, 50).unwrap().unwrap();
    assert_eq!((first.key.as_str(), first.attempts, first.made_ms), ("1", 1, 10));
    // Leased: not again, and not the next before it.
    assert_eq!(other.lease("a", "y", 149, 50).unwrap(), None);
    assert_eq!(other.lease("b", "y", 100, 50).unwrap().unwrap().key, "3");
    // Its worker died.
    let again = other.lease("a", "y", 150, 50).unwrap().unwrap();
    assert_eq!((again.id, again.attempts), (first.id, 2));
    assert!(!one.settle(first.id, "x", Standing::Done, 160, "").unwrap(), "its lease is lost");
    assert!(other.settle(first.id, "y", Standing::Open, 200, "no").unwrap());
    assert_eq!(one.lease("a", "x", 199, 50).unwrap(), None, "not due");
    let again = one.lease("a", "x", 200, 50).unwrap().unwrap();
    assert_eq!(again.error, "no");
    assert!(one.settle(again.id, "x", Standing::Dead, 200, "never").unwrap());
    assert_eq!(one.lease("a", "x", 200, 50).unwrap().unwrap().key, "2");
    let backlog = one.backlog().unwrap();
    assert_eq!((backlog.open, backlog.oldest_ms), (2, Some(20)));
    assert_eq!(backlog.dead, [("a".to_owned(), 1)]);
    assert!(one.revive(again.id, 300).unwrap());
    assert!(!one.revive(again.id, 300).unwrap(), "it is dead no more");
    let standing: Vec<_> = one.work(u64::MAX, 9).unwrap().iter().map(|it| it.standing).collect();
    assert_eq!(standing, [Standing::Open; 3]);
    assert!(one.has_open_work(IncidentId(1)).unwrap());
    assert!(!one.has_open_work(IncidentId(2)).unwrap());
}

fn late_work_is_copied_once(store: &mut Store) {
    let key = |work: Vec<super::work::Work>| -> Vec<String> {
        work.into_iter().map(|one| one.key).collect()
    };
    let work = [piece("c", "old", 10), piece("c", "older", 9), piece("c", "young", 11)];
    let others = [piece("d", "other", 1), piece("d", "copied", 1), piece("d", "copied/x", 5)];
    store.locked(|store, _| store.add_work(&[&work[..], &others[..]].concat())).unwrap();
    let mut late = |queue, most| key(store.without_copy(queue, "/x", 10, most).unwrap());
    assert_eq!(late("c", 9), ["old", "older"], "as they were made, whatever was tried");
    assert_eq!(late("c", 1), ["old"]);
    assert_eq!(late("d", 9), ["other", "copied/x"], "a copy is its sender's to leave alone");
    // What is sent needs no copy.
    let first = store.lease("c", "x", 100, 50).unwrap().unwrap();
    assert!(store.settle(first.id, "x", Standing::Done, 100, "").unwrap());
    assert_eq!(key(store.without_copy("c", "/x", 10, 9).unwrap()), ["older"]);
}

#[test]
fn a_file_is_a_store() {
    check(&Place::file());
}

#[test]
fn a_server_is_a_store() {
    check(&Place::server());
}

#[test]
fn a_server_that_asks_for_a_password_is_told_one_by_scram() {
    let server = Server::start_with_password("a-pass-phrase");
    let mut store = Store::new(Box::new(Postgres::connect(&server.url()).unwrap())).unwrap();
    store.probe().unwrap();
    for wrong in [server.url().replace("a-pass", "b-pass"), server.url().replace(" password", " ")]
    {
        let refused = Postgres::connect(&wrong.replace(" =a-pass-phrase", "")).unwrap_err();
        let StoreError::Postgres(cause) = &refused else { panic!("{refused:?}") };
        let code = cause.code().map(|code| code.code().to_owned());
        // A client without a password gives up by itself.
        assert!(code.is_none() || code.as_deref() == Some("28P01"), "{cause:?}");
    }
}
