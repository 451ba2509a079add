//! kill -9 at random points: nothing that was acknowledged is lost, nothing happens twice, each
//! step of a run is done once, and the sealed ledger verifies. On a file with one desk, and on
//! PostgreSQL with two that share it.
//!
//! Whoever gets no answer asks again, as Alertmanager and people do.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use lucarne_desk::engine::Identity;
use lucarne_desk::event::{Entry, Event, Fact};
use lucarne_desk::store::Store;
use serde_json::{Value, json};

use crate::process::{Client, Home, Process, rest};
use crate::steps::{self, Counter, Stepped};

/// How often, and over how many desks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Campaign {
    /// Kills.
    pub(crate) kills: usize,
    /// Desks on one store.
    pub(crate) desks: usize,
    /// Of the points.
    pub(crate) seed: u64,
}

/// What was acknowledged, all the way.
#[derive(Debug, Default)]
pub(crate) struct Told {
    /// The incident of each capsule.
    pub(crate) incidents: BTreeMap<String, String>,
    /// Requests that were executed.
    pub(crate) executed: BTreeSet<String>,
    /// The run of an incident.
    pub(crate) runs: BTreeMap<String, String>,
    /// What came of the runs.
    pub(crate) stepped: Stepped,
    /// Answers that did not come.
    pub(crate) unanswered: usize,
}

/// splitmix64.
struct Random(u64);

impl Random {
    const fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % end
    }
}

impl Campaign {
    /// Kills, and checks at the end.
    pub(crate) fn run(self, home: &Home, open: impl Fn() -> Store) -> Told {
        let counter = Counter::start();
        let bags = counter.outfit(home);
        let runtime = tokio::runtime::Runtime::new().expect("the machine has threads");
        let mut random = Random(self.seed);
        let mut desks: Vec<Process> =
            (0..self.desks).map(|_| Process::start(&home.config())).collect();
        let mut told = Told::default();
        for kill in 0..self.kills {
            let addresses: Vec<SocketAddr> = desks.iter().map(|desk| desk.address).collect();
            let work = runtime.spawn(work(addresses, kill));
            // From before the first answer to well into the work, and then into the runs of it.
            let span = if kill % 2 == 0 { 0..120_000 } else { 100_000..500_000 };
            let after = span.start + random.below(span.end - span.start);
            let after = Duration::from_micros(after);
            runtime.block_on(async { rest(after).await });
            let victim = usize::try_from(random.below(self.desks as u64)).unwrap_or(0);
            desks.swap_remove(victim).kill();
            let seen = runtime.block_on(work).expect("it does not fail");
            told.incidents.extend(seen.incidents);
            told.executed.extend(seen.executed);
            told.runs.extend(seen.runs);
            told.unanswered += seen.unanswered;
            desks.push(Process::start(&home.config()));
        }
        let address = desks[0].address;
        runtime.block_on(async {
            again(address, self.kills, &mut told).await;
            counter.settle(address).await;
        });
        desks.into_iter().for_each(Process::stop);
        let entries = check(home, open(), &told);
        told.stepped = counter.check(home, &entries, &bags);
        told
    }
}

fn trip(capsule: &str) -> Bytes {
    let alert = json!({
        "status": "firing", "startsAt": "2026-05-25T10:00:00Z",
        "labels": { "alertname": "GuardTrip", "capsuleHash": capsule, "risk_score": "0.95",
                    "heartbeat_misses": "0" },
    });
    json!({ "version": "4", "status": "firing", "alerts": [alert] }).to_string().into()
}

/// Three capsules at a time, and the last of each time is throttled by request.
pub(crate) const CAPSULES: usize = 3;

fn capsule(kill: usize, number: usize) -> String {
    format!("capsule-{kill}-{number}")
}

// Until the first answer that does not come. Every desk is told everything, as in a pair of
// Alertmanagers.
async fn work(desks: Vec<SocketAddr>, kill: usize) -> Told {
    let mut told = Told::default();
    let mut tellers = tokio::task::JoinSet::new();
    for address in &desks {
        for number in 0..CAPSULES {
            tellers.spawn(tell(*address, capsule(kill, number)));
        }
    }
    for answer in tellers.join_all().await {
        match answer {
            Some((capsule, incident)) => drop(told.incidents.insert(capsule, incident)),
            None => told.unanswered += 1,
        }
    }
    let first = told.incidents.get(&capsule(kill, 0)).cloned();
    if let (Some(incident), Some(address)) = (first, desks.first()) {
        match steps::start(*address, &incident, &capsule(kill, 0)).await {
            Some(run) => drop(told.runs.insert(incident, run)),
            None => told.unanswered += 1,
        }
    }
    let last = told.incidents.get(&capsule(kill, CAPSULES - 1)).cloned();
    if let (Some(incident), Some(address)) = (last, desks.last()) {
        match approved(*address, &incident).await {
            Some(request) => drop(told.executed.insert(request)),
            None => told.unanswered += 1,
        }
    }
    told
}

async fn tell(address: SocketAddr, capsule: String) -> Option<(String, String)> {
    let mut client = Client::connect(address, "source").await?;
    let (status, body) = client.post("/v1/ingest/alertmanager", trip(&capsule)).await?;
    // A desk that is being started again on a shared store may have to wait for its lock.
    if status != 200 {
        return None;
    }
    let incident = body["answers"][0]["incident"].as_str()?.to_owned();
    Some((capsule, incident))
}

// Two people; executed twice, of which one is refused.
async fn approved(address: SocketAddr, incident: &str) -> Option<String> {
    let mut ann = Client::connect(address, "ann").await?;
    let mut ben = Client::connect(address, "ben").await?;
    let ask =
        json!({ "action": "throttle_tenant", "args": { "tenant": incident }, "reason": "load" });
    let path = format!("/v1/incidents/{incident}/approvals");
    let (status, made) = ann.post(&path, ask.to_string().into()).await?;
    let request = made["request"].as_str().filter(|_| status == 200)?.to_owned();
    let shown = ann.get(&format!("/v1/approvals/{request}")).await?.1;
    let shown: Value = serde_json::from_slice(&shown).ok()?;
    let digest = json!({ "digest": shown["digest"] }).to_string();
    let (status, _) = ben.post(&format!("/v1/approvals/{request}/approve"), digest.into()).await?;
    assert!(status == 200 || status == 503, "{status}");
    let path = format!("/v1/approvals/{request}/execute");
    let (first, second) =
        tokio::join!(ann.post(&path, Bytes::new()), ben.post(&path, Bytes::new()));
    let statuses = [first?.0, second?.0];
    assert!(statuses.iter().filter(|status| **status == 200).count() <= 1, "{statuses:?}");
    statuses.contains(&200).then_some(request)
}

// Whatever was not acknowledged is said again, and so is what was.
async fn again(address: SocketAddr, kills: usize, told: &mut Told) {
    for kill in 0..kills {
        for number in 0..CAPSULES {
            let capsule = capsule(kill, number);
            let (_, incident) = tell(address, capsule.clone()).await.expect("a desk that runs");
            let before = told.incidents.insert(capsule, incident.clone());
            assert!(before.is_none_or(|before| before == incident), "one cause, one incident");
        }
    }
    // Who starts a run and hears nothing looks whether it runs.
    let mut ann = Client::wait(address, "ann").await;
    let of = |run: &Value| run["incident"].as_str().map(str::to_owned);
    let running: BTreeSet<String> = steps::runs(&mut ann).await.iter().filter_map(of).collect();
    for kill in 0..kills {
        let capsule = capsule(kill, 0);
        let incident = &told.incidents[&capsule];
        if !running.contains(incident) {
            let run = steps::start(address, incident, &capsule).await.expect("a desk that runs");
            told.runs.insert(incident.clone(), run);
        }
    }
    assert!(told.runs.keys().all(|incident| told.incidents.values().any(|it| it == incident)));
}

fn check(home: &Home, mut store: Store, told: &Told) -> Vec<Entry> {
    let name = "desk-1".parse().expect("it is a name");
    let identity = Identity::read(&home.path("identity"), name).expect("it was made");
    let sealed = store.verify_sealed(&identity.instance, identity.public_key());
    let entries = store.entries(0, u64::from(u32::MAX)).expect("the log can be read");
    assert_eq!(sealed.ok(), Some(entries.len() as u64), "all is sealed and verifies");
    let opened = opened(&entries);
    let acknowledged: BTreeMap<&str, &str> =
        told.incidents.iter().map(|(capsule, name)| (capsule.as_str(), name.as_str())).collect();
    let found: BTreeMap<&str, &str> =
        opened.iter().map(|(capsule, name)| (capsule.as_str(), name.as_str())).collect();
    assert_eq!(opened.len(), found.len(), "no capsule has two incidents");
    assert_eq!(found, acknowledged);
    let mut executed: BTreeMap<String, usize> = BTreeMap::new();
    for entry in &entries {
        if let Event::Fact(Fact::Executed(request)) = &entry.event {
            *executed.entry(request.to_string()).or_default() += 1;
        }
    }
    assert!(executed.values().all(|count| *count == 1), "{executed:?}");
    let lost: Vec<_> = told.executed.iter().filter(|it| !executed.contains_key(*it)).collect();
    assert_eq!(lost, Vec::<&String>::new(), "what was acknowledged is in the log");
    let began = |entry: &Entry| match &entry.event {
        Event::Fact(Fact::RunBegan { run, incident, .. }) => {
            Some((incident.to_string(), run.to_string()))
        }
        _ => None,
    };
    let began: BTreeMap<String, String> = entries.iter().filter_map(began).collect();
    assert!(told.runs.iter().all(|(incident, run)| began.get(incident) == Some(run)));
    entries
}

fn opened(entries: &[Entry]) -> Vec<(String, String)> {
    let opened = entries.iter().filter_map(|entry| match &entry.event {
        Event::Fact(Fact::Opened { incident, labels, .. }) => {
            let capsule = labels.get("capsule_hash")?.as_str().to_owned();
            Some((capsule, incident.to_string()))
        }
        _ => None,
    });
    opened.collect()
}
