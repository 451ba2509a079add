//! A week of decisions by another policy, before people agree to it: on a virtual clock, and over
//! HTTP by a desk that has that week in its log.

use std::collections::BTreeMap;

use lucarne_desk::engine::Identity;
use lucarne_desk::event::{Event, Fact, Input, SignalId, Window};
use lucarne_desk::incident::IncidentId;
use lucarne_desk::log::{self, Difference, Replay};
use lucarne_desk::number::Number;
use lucarne_desk::policy::{Policy, Profile, Verdict};
use lucarne_desk::signal::{Draft, Fault, Kind, Status};
use lucarne_desk::store::{Line, Sqlite, Store};
use serde_json::{Value, json};

use crate::clock::{MINUTE, SECOND, Scene, T0, draft, integrity, normal, scope, text, trip};
use crate::process::{Client, Home, Process};

const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

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

/// A day before the week and the week, and what must differ when 0.85 is high.
struct Past {
    scene: Scene,
    // signal to the row that it would be decided by, and its day
    border: BTreeMap<SignalId, (&'static str, u64)>,
}

impl Past {
    fn new() -> Self {
        let mut past = Self { scene: Scene::new(), border: BTreeMap::new() };
        let mut random = Random(5);
        for hour in 0..8 * 24 {
            past.hour(hour, &mut random);
        }
        past
    }

    fn signal(&mut self, draft: &Draft) -> SignalId {
        let so_far = |entry: &&lucarne_desk::event::Entry| {
            matches!(entry.event, Event::Input(Input::Signal(_)))
        };
        let number = self.scene.log.iter().filter(so_far).count() as u64;
        self.scene.input(Input::Signal(normal(draft)));
        SignalId::Received(number)
    }

    fn hour(&mut self, hour: u64, random: &mut Random) {
        for minute in 0..60 {
            self.scene.away(MINUTE);
            self.scene.input(Input::Tick);
            if minute % 10 == 3 {
                self.ordinary(random);
            }
        }
        // Around the threshold, three a day, each a capsule of its own.
        if hour % 8 == 5 {
            let misses = random.below(6);
            let risk = ["0.80", "0.82", "0.84"][usize::try_from(hour / 8 % 3).unwrap()];
            let draft = trip(&format!("border-{hour}"), Some(risk), Some(&misses.to_string()));
            let signal = self.signal(&draft);
            let row = if misses >= 3 { "D6" } else { "D7" };
            self.border.insert(signal, (row, hour / 24));
            let draft = trip(&format!("high-{hour}"), Some("0.85"), Some("0"));
            self.signal(&draft);
        }
        match hour {
            50 => self.errors(),
            76 => self.silence(),
            100 => self.planned(hour),
            120 => {
                let broken = integrity(Kind::AuditIntegrity, Fault::ChainMismatch, "i9");
                self.scene.input(Input::Signal(broken));
            }
            _ => {}
        }
    }

    // Capsules that come back, away from the threshold: duplicates, stronger rows, ends.
    fn ordinary(&mut self, random: &mut Random) {
        let capsule = format!("c{}", random.below(25));
        let risk = match random.below(4) {
            0 => 86 + random.below(14),
            _ => random.below(79),
        };
        let (risk, misses) = (format!("0.{risk:02}"), random.below(6).to_string());
        let status = if random.below(5) == 0 { Status::Resolved } else { Status::Firing };
        let draft = Draft { status, ..trip(&capsule, Some(&risk), Some(&misses)) };
        self.signal(&draft);
    }

    fn errors(&mut self) {
        for status in [Status::Firing, Status::Firing, Status::Resolved] {
            let labels = [("instance", "nitro-001"), ("alertname", "errors")];
            let draft = Draft { status, ..draft(Kind::WorkflowErrorRate, &labels) };
            self.signal(&draft);
        }
    }

    // Beats every five seconds, and then none: the desk makes signals of it.
    fn silence(&mut self) {
        for _ in 0..60 {
            self.scene.away(5 * SECOND);
            self.scene.input(Input::Beat { capsule: text("c-beats"), stated_ms: None });
        }
        for _ in 0..60 {
            self.scene.away(SECOND);
            self.scene.input(Input::Tick);
        }
    }

    fn planned(&mut self, hour: u64) {
        let from_ms = T0.wall_ms + hour * HOUR;
        let window = Window {
            id: "W-1".to_owned(),
            scope: scope("tenant_id", "t-1"),
            from_ms,
            to_ms: from_ms + 6 * HOUR,
        };
        self.scene.input(Input::Window(window));
        let verdict = Verdict::FalsePositive;
        self.scene.says("responder-a", Input::Label { incident: IncidentId(2), verdict });
    }

    fn of_days(&self, days: std::ops::Range<u64>) -> Vec<(SignalId, &'static str)> {
        let of = self.border.iter().filter(|(_, (_, day))| days.contains(day));
        of.map(|(signal, (row, _))| (*signal, *row)).collect()
    }
}

fn stricter() -> Policy {
    let high = Number::new(0.85).unwrap();
    Policy::shipped(Profile::ResponderDefault).with_high(high).unwrap()
}

// Signal and the row that it would be decided by; until now it was D5.
fn rows(differences: &[Difference]) -> Vec<(SignalId, &str)> {
    let row = |said: &[log::Said]| said.iter().map(|one| one.rule.clone()).collect::<Vec<_>>();
    let one = |one: &'_ Difference| {
        let was = row(&one.was);
        assert_eq!(was.iter().flatten().map(|it| it.as_str()).collect::<Vec<_>>(), ["D5"]);
        assert_eq!(one.now.len(), 1, "{one:?}");
        one.signal
    };
    let now = |one: &'_ Difference| match one.now[0].rule.as_ref().map(|rule| rule.as_str()) {
        Some("D6") => "D6",
        Some("D7") => "D7",
        other => panic!("{other:?}"),
    };
    differences.iter().map(|it| (one(it), now(it))).collect()
}

#[test]
fn a_week_by_a_higher_threshold_differs_where_it_must_and_nowhere_else() {
    let past = Past::new();
    let log = &past.scene.log;
    assert_eq!(past.border.len(), 24);
    assert_eq!(rows(&log::replay(log, &stricter())), past.of_days(0..8));
    let mut week = Replay::new(stricter(), T0.wall_ms + DAY);
    log.iter().for_each(|entry| week.take(entry));
    let compared = week.compared();
    // In pieces of whatever length only what differs is held.
    for piece in [1, 7, 1000] {
        let mut pieces = Replay::new(stricter(), T0.wall_ms + DAY);
        for entries in log.chunks(piece) {
            entries.iter().for_each(|entry| pieces.take(entry));
            pieces.settle();
        }
        let differs = past.of_days(1..8).len();
        assert_eq!((pieces.compared(), pieces.held()), (compared, differs), "{piece}");
        assert_eq!(rows(&pieces.differences()), past.of_days(1..8), "{piece}");
    }
    assert_eq!(rows(&week.differences()), past.of_days(1..8), "the day before is not asked for");
    let sensed = past.scene.facts(|fact| matches!(fact, Fact::Sensed(_)));
    let after = |entry: &&lucarne_desk::event::Entry| {
        matches!(entry.event, Event::Input(Input::Signal(_))) && entry.at.mono_ms >= DAY
    };
    assert_eq!((sensed, compared), (2, sensed + log.iter().filter(after).count()));
    assert!(compared > 1000, "a realistic week: {compared}");
    let same = Policy::shipped(Profile::ResponderDefault);
    assert_eq!(log::replay(log, &same), [], "the policy that holds says the same again");
}

// A desk whose log is that week.
fn seeded(past: &Past) -> Home {
    let home = Home::new("{sqlite: desk.db}", "");
    Identity::create(&home.path("identity"), "desk-1".parse().unwrap()).unwrap();
    let file = Sqlite::open(&home.path("desk.db")).unwrap();
    let mut store = Store::new(Box::new(file)).unwrap();
    let bodies: Vec<Vec<u8>> = past.scene.log.iter().map(log::encode).collect();
    let lines = past.scene.log.iter().zip(&bodies);
    let lines: Vec<Line<'_>> =
        lines.map(|(entry, body)| Line { entry, body, incident: None }).collect();
    store
        .locked(|store, next| {
            assert_eq!(next, 0);
            store.append(&lines)
        })
        .unwrap();
    home
}

async fn posted(client: &mut Client, path: &str, body: &Value) -> (u16, Value) {
    client.post(path, body.to_string().into()).await.unwrap()
}

#[test]
fn what_a_proposal_would_change_is_shown_before_two_agree_to_it() {
    let past = Past::new();
    let home = seeded(&past);
    let desk = Process::start(&home.config());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let mut ann = Client::wait(desk.address, "ann").await;
        let propose = json!({ "high": 0.85, "reason": "false positives" });
        assert_eq!(posted(&mut ann, "/v1/policies", &propose).await.0, 200);
        let shown: Value =
            serde_json::from_slice(&ann.get("/v1/policies").await.unwrap().1).unwrap();
        let digest = shown["proposals"][0]["policy"].clone();
        assert_eq!(shown["high"], 0.8, "it waits");
        let week = T0.wall_ms + DAY;
        let ask = json!({ "proposal": digest, "from_ms": week });
        let mut looker = Client::wait(desk.address, "looker").await;
        let (status, told) = posted(&mut looker, "/v1/replay", &ask).await;
        assert_eq!(status, 200, "{told}");
        let expected = past.of_days(1..8);
        assert_eq!((told["differ"].as_u64(), &told["policy"]), (Some(21), &digest), "{told}");
        assert_eq!(told["truncated"], false);
        for (line, (signal, row)) in told["differences"].as_array().unwrap().iter().zip(expected) {
            assert_eq!(line["signal"], json!(signal));
            assert_eq!(
                (&line["was"][0]["rule"], &line["would_be"][0]["rule"]),
                (&json!("D5"), &json!(row))
            );
            assert_eq!(line["would_be"][0]["actions"][0] == "rollback", row == "D6", "{line}");
        }
        let (_, by_text) =
            posted(&mut looker, "/v1/replay", &json!({ "high": 0.85, "from_ms": week })).await;
        assert_eq!(by_text["differences"], told["differences"]);
        // Without a time it is the last seven days, in which nothing came.
        let (_, recent) = posted(&mut looker, "/v1/replay", &json!({ "high": 0.85 })).await;
        assert_eq!((&recent["signals"], &recent["differ"]), (&json!(0), &json!(0)), "{recent}");
        for (body, expected) in [
            (json!({}), 400),
            (json!({ "high": 0.9, "proposal": digest }), 400),
            (json!({ "source": "policy: x" }), 400),
            (json!({ "proposal": "0".repeat(64) }), 404),
        ] {
            assert_eq!(posted(&mut looker, "/v1/replay", &body).await.0, expected, "{body}");
        }
        let mut source = Client::wait(desk.address, "source").await;
        let mut boss = Client::wait(desk.address, "boss").await;
        assert_eq!(posted(&mut boss, "/v1/replay", &ask).await.0, 200);
        for name in ["ben", "eve"] {
            let path = format!("/v1/policies/{}/approve", digest.as_str().unwrap());
            let mut client = Client::wait(desk.address, name).await;
            assert_eq!(posted(&mut client, &path, &json!({})).await.0, 200, "{name}");
        }
        let shown: Value =
            serde_json::from_slice(&ann.get("/v1/policies").await.unwrap().1).unwrap();
        assert_eq!((&shown["high"], &shown["policy"]), (&json!(0.85), &digest));
        assert_eq!(source.get("/v1/policies").await.map(|(status, _)| status), Some(200));
    });
    desk.stop();
}
