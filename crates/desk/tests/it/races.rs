//! Two approvers at the same moment: both are in the record, and what they agreed to is done once.
//! On one desk, and on two that share a server.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use bytes::Bytes;
use lucarne_desk::event::{Event, Fact};
use lucarne_desk::store::{Postgres, Sqlite, Store};
use lucarne_testkit::Postgres as Server;
use serde_json::{Value, json};

use crate::process::{Client, Home, Process};
use crate::steps::{Counter, RUNS};

/// Requests, each a race of its own.
const RACES: usize = 12;

async fn asked(ann: &mut Client, source: &mut Client, race: usize) -> String {
    let labels = json!({ "alertname": format!("race-{race}"), "instance": "i1" });
    let signal = json!({ "kind": "other", "labels": labels }).to_string();
    let (status, taken) = source.post("/v1/signals", signal.into()).await.unwrap();
    assert_eq!(status, 200, "{taken}");
    let incident = taken["answers"][0]["incident"].as_str().unwrap();
    let ask = json!({ "action": "redeploy_known_good", "args": { "instance": "i1" },
                      "reason": "it is known to be good" });
    let path = format!("/v1/incidents/{incident}/approvals");
    let (status, made) = ann.post(&path, ask.to_string().into()).await.unwrap();
    assert_eq!(status, 200, "{made}");
    made["request"].as_str().unwrap().to_owned()
}

// Approves, and wants it done at once; whether that was the one that did it.
async fn agree(client: &mut Client, request: &str, digest: &Value) -> bool {
    let body = json!({ "digest": digest }).to_string();
    let path = format!("/v1/approvals/{request}");
    let (status, said) = client.post(&format!("{path}/approve"), body.into()).await.unwrap();
    assert_eq!(status, 200, "{said}");
    let (status, said) = client.post(&format!("{path}/execute"), Bytes::new()).await.unwrap();
    let code = &said["error"]["code"];
    assert!(status == 200 || code == "quorum_not_met" || code == "not_open", "{status} {said}");
    status == 200
}

async fn race(addresses: [SocketAddr; 2]) -> BTreeSet<String> {
    let [one, other] = addresses;
    let mut source = Client::wait(one, "source").await;
    let mut ann = Client::wait(one, "ann").await;
    let mut ben = Client::wait(one, "ben").await;
    let mut eve = Client::wait(other, "eve").await;
    let mut requests = BTreeSet::new();
    for number in 0..RACES {
        let request = asked(&mut ann, &mut source, number).await;
        let path = format!("/v1/approvals/{request}");
        let shown: Value = serde_json::from_slice(&ann.get(&path).await.unwrap().1).unwrap();
        let digest = shown["digest"].clone();
        let done =
            tokio::join!(agree(&mut ben, &request, &digest), agree(&mut eve, &request, &digest));
        assert!(done.0 != done.1, "{request}: exactly one of the two has it done: {done:?}");
        let shown: Value = serde_json::from_slice(&ann.get(&path).await.unwrap().1).unwrap();
        assert_eq!(shown["granted"], json!(["ben", "eve"]), "{request}");
        assert_eq!(shown["standing"], "executed", "{shown}");
        requests.insert(request);
    }
    requests
}

fn check(mut store: Store, requests: &BTreeSet<String>) {
    let entries = store.entries(0, u64::from(u32::MAX)).unwrap();
    let of = |wanted: fn(&Fact) -> Option<String>| -> Vec<String> {
        let found = entries.iter().filter_map(|entry| match &entry.event {
            Event::Fact(fact) => wanted(fact),
            Event::Input(_) => None,
        });
        found.collect()
    };
    let executed = of(|fact| match fact {
        Fact::Executed(request) => Some(request.to_string()),
        _ => None,
    });
    assert_eq!(executed.len(), RACES, "{executed:?}");
    assert_eq!(&executed.into_iter().collect::<BTreeSet<_>>(), requests);
    let granted = of(|fact| match fact {
        Fact::Granted { request, by } => Some(format!("{request} {by:?}")),
        _ => None,
    });
    assert_eq!(granted.len(), 2 * RACES, "{granted:?}");
    let done = of(|fact| match fact {
        Fact::Done(action) => Some(format!("{action:?}")),
        _ => None,
    });
    assert!(done.len() <= RACES, "{done:?}");
}

#[test]
fn two_approvers_at_the_same_moment_lead_to_one_execution() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let home = Home::new("{sqlite: desk.db}", RUNS);
    Counter::start().outfit(&home);
    let desk = Process::start(&home.config());
    let requests = runtime.block_on(race([desk.address, desk.address]));
    desk.stop();
    check(Store::new(Box::new(Sqlite::open(&home.path("desk.db")).unwrap())).unwrap(), &requests);
}

#[test]
fn two_approvers_at_two_desks_lead_to_one_execution() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let server = Server::start();
    let home = Home::new("{postgres_file: url}", RUNS);
    std::fs::write(home.path("url"), server.url()).unwrap();
    Process::first(&home);
    Counter::start().outfit(&home);
    let (one, other) = (Process::start(&home.config()), Process::start(&home.config()));
    let requests = runtime.block_on(race([one.address, other.address]));
    one.stop();
    other.stop();
    check(Store::new(Box::new(Postgres::connect(&server.url()).unwrap())).unwrap(), &requests);
}
