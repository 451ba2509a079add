//! Notifications to real listeners that refuse, stall and come back: each arrives once and in
//! order, or shows as dead; a fallback is used, and the desk says so about itself.

use std::collections::VecDeque;
use std::error::Error as _;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use lucarne_desk::incident::IncidentId;
use lucarne_desk::store::work::NewWork;
use lucarne_desk::store::{Sqlite, Store};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::process::{Client, Home, Process, rest};

/// What a listener does with the next request; at the end it takes everything.
#[derive(Clone, Copy)]
enum Next {
    Answer(u16),
    After(u16, u64),
}

/// A request that came.
struct Came {
    at: Instant,
    headers: HeaderMap,
    body: Value,
    raw: Bytes,
    taken: bool,
}

#[derive(Clone)]
struct Listener {
    script: Arc<Mutex<VecDeque<Next>>>,
    came: Arc<Mutex<Vec<Came>>>,
}

impl Listener {
    async fn start(script: &[Next]) -> (Self, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let script = Arc::new(Mutex::new(script.iter().copied().collect()));
        let this = Self { script, came: Arc::default() };
        let router = Router::new().fallback(take).with_state(this.clone());
        drop(tokio::spawn(axum::serve(listener, router).into_future()));
        (this, address)
    }

    fn taken<T>(&self, what: impl Fn(&Came) -> T) -> Vec<T> {
        self.came.lock().unwrap().iter().filter(|came| came.taken).map(what).collect()
    }
}

async fn take(State(listener): State<Listener>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let raw = to_bytes(body, 1 << 20).await.unwrap();
    let next = listener.script.lock().unwrap().pop_front().unwrap_or(Next::Answer(200));
    let (status, after) = match next {
        Next::Answer(status) => (status, None),
        Next::After(status, seconds) => (status, Some(seconds)),
    };
    let body = serde_json::from_slice(&raw).unwrap();
    let (at, taken) = (Instant::now(), status < 300);
    listener.came.lock().unwrap().push(Came { at, headers: head.headers, body, raw, taken });
    let mut response = StatusCode::from_u16(status).unwrap().into_response();
    if let Some(seconds) = after {
        response.headers_mut().insert("retry-after", seconds.into());
    }
    response
}

/// A relay that refuses its first recipient for now, and takes all others.
async fn relay(listener: TcpListener, mails: Arc<Mutex<Vec<String>>>) {
    let mut refuse = true;
    while let Ok((stream, _)) = listener.accept().await {
        let taken = conversation(stream, std::mem::take(&mut refuse)).await;
        mails.lock().unwrap().extend(taken.unwrap());
    }
}

// RFC 5321, as far as a client may go; what is out of order is 503.
async fn conversation(stream: TcpStream, refuse: bool) -> std::io::Result<Option<String>> {
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    write.write_all(b"220 relay.example ESMTP\r\n").await?;
    let mut said = Vec::new();
    while let Some(line) = lines.next_line().await? {
        let verb = line.split([' ', ':']).next().unwrap_or_default().to_owned();
        let before: Vec<&str> = said.iter().map(String::as_str).collect();
        let answer: &[u8] = match (verb.as_str(), before.as_slice()) {
            ("EHLO", []) => b"250-relay.example\r\n250-PIPELINING\r\n250 8BITMIME\r\n",
            ("MAIL", ["EHLO"]) if line == "MAIL FROM:<desk@example.org>" => b"250 ok\r\n",
            ("RCPT", ["EHLO", "MAIL"]) if refuse => b"451 greylisted\r\n",
            ("RCPT", ["EHLO", "MAIL"]) if line == "RCPT TO:<ops@example.org>" => b"250 ok\r\n",
            ("DATA", ["EHLO", "MAIL", "RCPT"]) => b"354 go on\r\n",
            _ => b"503 not now\r\n",
        };
        write.write_all(answer).await?;
        if verb == "DATA" {
            let mut message = String::new();
            while let Some(line) = lines.next_line().await?.filter(|line| line != ".") {
                message.push_str(&line);
                message.push('\n');
            }
            write.write_all(b"250 queued\r\n").await?;
            return Ok(Some(message));
        }
        said.push(verb);
    }
    Ok(None)
}

fn trip(capsule: &str) -> Bytes {
    let alert = json!({
        "status": "firing", "startsAt": "2026-05-25T10:00:00Z",
        "labels": { "alertname": "GuardTrip", "capsuleHash": capsule, "risk_score": "0.95",
                    "heartbeat_misses": "0" },
    });
    json!({ "version": "4", "status": "firing", "alerts": [alert] }).to_string().into()
}

async fn outbox(client: &mut Client) -> Vec<Value> {
    let (status, body) = client.get("/v1/outbox?limit=1000").await.unwrap();
    assert_eq!(status, 200);
    let mut work: Vec<Value> = serde_json::from_slice(&body).unwrap();
    work.reverse();
    work
}

async fn until(client: &mut Client, done: impl Fn(&[Value]) -> bool) -> Vec<Value> {
    let started = Instant::now();
    loop {
        let work = outbox(client).await;
        if done(&work) {
            return work;
        }
        assert!(started.elapsed() < Duration::from_secs(90), "{work:#?}");
        rest(Duration::from_millis(50)).await;
    }
}

fn of<'a>(work: &'a [Value], queue: &str, field: &str) -> Vec<&'a Value> {
    let mine = work.iter().filter(|one| one["queue"] == queue);
    mine.map(|one| one["body"].get(field).unwrap()).collect()
}

fn channels(home: &Home, slack: SocketAddr, pager: SocketAddr, mail: u16, hook: SocketAddr) {
    let write = |name: &str, text: String| std::fs::write(home.path(name), text).unwrap();
    write("slack", format!("http://{slack}/services/T0/B0/x"));
    write("routing", "R0123456789abcdef0123456789abcdef".to_owned());
    write("hook", "a-secret-of-the-webhook".to_owned());
    let text = std::fs::read_to_string(home.config()).unwrap();
    let channels = format!(
        "channels:
  - {{name: chat, slack_file: slack}}
  - {{name: pager, pagerduty: {{url: 'http://{pager}/v2/enqueue', routing_key_file: routing}}}}
  - {{name: mail, mail: {{relay: '127.0.0.1:{mail}', from: desk@example.org,
     to: ops@example.org}}}}
  - {{name: hook, webhook: {{url: 'http://{hook}/in', secret_file: hook}}}}
"
    );
    write("desk.yaml", text + &channels);
}

#[tokio::test(flavor = "multi_thread")]
async fn all_channels_get_everything_once_and_in_order_whatever_they_answer() {
    let (slack, slack_at) = Listener::start(&[Next::After(429, 3)]).await;
    let (pager, pager_at) = Listener::start(&[Next::Answer(500); 3]).await;
    let (hook, hook_at) = Listener::start(&[]).await;
    // The relay is down: its port is known, and nobody listens.
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let home = Home::new("{sqlite: desk.db}", "");
    channels(&home, slack_at, pager_at, port, hook_at);
    let desk = Process::start(&home.config());
    let mut client = Client::wait(desk.address, "source").await;
    for capsule in 0..4 {
        let (status, _) = client
            .post("/v1/ingest/alertmanager", trip(&format!("capsule-{capsule}")))
            .await
            .unwrap();
        assert_eq!(status, 200);
    }
    let mut admin = Client::wait(desk.address, "ann").await;
    let failing = |one: &Value| one["queue"] == "notify/mail" && one["attempts"] == 2;
    until(&mut admin, |work| work.iter().any(failing)).await;
    let mails = Arc::new(Mutex::new(Vec::new()));
    let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    drop(tokio::spawn(relay(listener, Arc::clone(&mails))));
    let all_done = |work: &[Value]| work.iter().all(|one| one["standing"] == "done");
    let work = until(&mut admin, all_done).await;

    // The two roles that are told at once, for each.
    assert_eq!(of(&work, "notify/chat", "summary").len(), 8, "{work:#?}");
    let text = |name: &'static str| move |came: &Came| came.body[name].clone();
    assert_eq!(slack.taken(text("text")).iter().collect::<Vec<_>>(), {
        of(&work, "notify/chat", "summary")
    });
    let summaries = pager.taken(|came| came.body["payload"]["summary"].clone());
    assert_eq!(summaries.iter().collect::<Vec<_>>(), of(&work, "notify/pager", "summary"));
    assert_eq!(hook.taken(text("key")).iter().collect::<Vec<_>>(), of(&work, "notify/hook", "key"));
    let line = |mail: &String| {
        let subject = mail.lines().find_map(|line| line.strip_prefix("Subject: "));
        Value::from(subject.unwrap())
    };
    let subjects: Vec<Value> = mails.lock().unwrap().iter().map(line).collect();
    assert_eq!(subjects.iter().collect::<Vec<_>>(), of(&work, "notify/mail", "summary"));

    // Slack was left alone for as long as it asked for.
    let at: Vec<Instant> = slack.came.lock().unwrap().iter().map(|came| came.at).collect();
    assert!(at[1] - at[0] >= Duration::from_secs(3), "{:?}", at[1] - at[0]);
    let refused = |came: &&Came| !came.taken;
    assert_eq!(pager.came.lock().unwrap().iter().filter(refused).count(), 3);
    let first = &pager.came.lock().unwrap()[0].body;
    assert_eq!(first["routing_key"], "R0123456789abcdef0123456789abcdef");
    assert_eq!((&first["event_action"], &first["dedup_key"]), (&json!("trigger"), &json!("INC-1")));
    hook.came.lock().unwrap().iter().for_each(is_signed);
    desk.stop();
}

// Standard Webhooks: the HMAC over id, time and body.
fn is_signed(came: &Came) {
    let text = |name: &str| came.headers[name].to_str().unwrap();
    let signed = [text("webhook-id"), ".", text("webhook-timestamp"), "."].concat();
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, b"a-secret-of-the-webhook");
    let tag = aws_lc_rs::hmac::sign(&key, &[signed.as_bytes(), &came.raw].concat());
    assert_eq!(text("webhook-signature"), format!("v1,{}", STANDARD.encode(tag.as_ref())));
    assert_eq!(text("webhook-id"), came.body["key"].as_str().unwrap());
}

fn piece(queue: &str, key: &str, age_ms: u64) -> NewWork {
    let body = json!({
        "key": key, "incident": "INC-1", "event": "opened", "role": null, "severity": "SEV1",
        "kind": "guard_trip", "phase": "detected", "verdict": "legitimate", "summary": key,
        "at_ms": 1,
    });
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let made_ms = u64::try_from(now.as_millis()).unwrap() - age_ms;
    let (queue, key) = (queue.to_owned(), key.to_owned());
    NewWork { queue, key, incident: IncidentId(1), body: body.to_string(), made_ms }
}

fn add(home: &Home, work: &[NewWork]) {
    let mut store = Store::new(Box::new(Sqlite::open(&home.path("desk.db")).unwrap())).unwrap();
    store.locked(|store, _| store.add_work(work)).unwrap();
}

const FALLBACK: &str = "
  - {name: first, fallback: second, slack_file: slack}
  - {name: second, webhook: {url: 'URL', secret_file: hook}}
";

#[tokio::test(flavor = "multi_thread")]
async fn after_a_minute_a_fallback_has_a_copy_and_the_desk_says_that_it_is_stuck() {
    let (_slack, slack_at) = Listener::start(&[Next::After(503, 3600); 9]).await;
    let (hook, hook_at) = Listener::start(&[]).await;
    let home = Home::new("{sqlite: desk.db}", "");
    channels(&home, slack_at, slack_at, 1, hook_at);
    let text = std::fs::read_to_string(home.config()).unwrap();
    let text = text.split("channels:").next().unwrap().to_owned();
    let channels = FALLBACK.replace("URL", &format!("http://{hook_at}/in"));
    std::fs::write(home.config(), format!("{text}channels:{channels}")).unwrap();
    let desk = Process::start(&home.config());
    let mut client = Client::wait(desk.address, "ann").await;
    // One that is young waits with its channel; one that is old does not.
    add(&home, &[piece("notify/first", "young", 30_000)]);
    let tried = |work: &[Value]| work.iter().any(|one| one["attempts"] == 1);
    let work = until(&mut client, tried).await;
    let waits = work[0]["due_ms"].as_u64().unwrap() - work[0]["body"]["at_ms"].as_u64().unwrap();
    assert!(waits > 0 && hook.taken(|_| ()).is_empty(), "{work:#?}");
    desk.kill();
    let mut store = Store::new(Box::new(Sqlite::open(&home.path("desk.db")).unwrap())).unwrap();
    let young = store.work(u64::MAX, 1).unwrap().remove(0);
    store.lease(&young.queue, "test", u64::MAX >> 2, 1).unwrap().unwrap();
    let done = lucarne_desk::store::work::Standing::Done;
    assert!(store.settle(young.id, "test", done, 0, "").unwrap());
    drop(store);

    // Neither do those behind it, which nobody has tried.
    let behind = piece("notify/first", "behind", 61_000);
    add(&home, &[piece("notify/first", "old", 61_000), behind]);
    let desk = Process::start(&home.config());
    let mut client = Client::wait(desk.address, "ann").await;
    let copied = |work: &[Value]| {
        let done =
            |key: &str| work.iter().any(|one| one["key"] == key && one["standing"] == "done");
        done("old/fallback") && done("behind/fallback")
    };
    until(&mut client, copied).await;
    assert_eq!(hook.taken(|came| came.body["key"].clone())[..2], ["old", "behind"]);
    // The desk about itself, through what still works.
    let started = Instant::now();
    let incidents = loop {
        let body = client.get("/v1/incidents").await.unwrap().1;
        let incidents: Vec<Value> = serde_json::from_slice(&body).unwrap();
        if !incidents.is_empty() {
            break incidents;
        }
        assert!(started.elapsed() < Duration::from_secs(30));
        rest(Duration::from_millis(50)).await;
    };
    let incident = &incidents[0]["incident"];
    let seen = (&incident["kind"], &incident["labels"]["alertname"]);
    assert_eq!(seen, (&json!("desk_fault"), &json!("DeskOutboxStuck")), "{incident:#}");
    desk.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_sent_long_ago_is_forgotten_and_what_was_not_is_kept() {
    let home = Home::new("{sqlite: desk.db}", "");
    let day = 86_400_000;
    let ages = [("long-ago", 91 * day), ("lately", 89 * day), ("never", 91 * day)];
    add(&home, &ages.map(|(key, age)| piece("notify/gone", key, age)));
    let mut store = Store::new(Box::new(Sqlite::open(&home.path("desk.db")).unwrap())).unwrap();
    for _ in 0..2 {
        let sent = store.lease("notify/gone", "test", u64::MAX >> 2, 1).unwrap().unwrap();
        let done = lucarne_desk::store::work::Standing::Done;
        assert!(store.settle(sent.id, "test", done, 0, "").unwrap());
    }
    drop(store);
    let desk = Process::start(&home.config());
    let mut client = Client::wait(desk.address, "ann").await;
    let gone = |work: &[Value]| work.iter().all(|one| one["key"] != "long-ago");
    let work = until(&mut client, gone).await;
    let keys: Vec<&Value> = work.iter().map(|one| &one["key"]).collect();
    assert_eq!(keys, ["lately", "never"]);
    desk.stop();
}

#[test]
fn channels_that_tell_nobody_first_are_refused() {
    let home = Home::new("{sqlite: desk.db}", "");
    let at: SocketAddr = "127.0.0.1:9".parse().unwrap();
    channels(&home, at, at, 1, at);
    let text = std::fs::read_to_string(home.config()).unwrap();
    let text = text.split("channels:").next().unwrap().to_owned();
    let check = |fallbacks: [&str; 3]| {
        let channels = ["a", "b", "c"].iter().zip(fallbacks).map(|(name, fallback)| {
            format!("  - {{name: {name}, {fallback} slack_file: slack}}\n")
        });
        let channels: String = channels.collect();
        std::fs::write(home.config(), format!("{text}channels:\n{channels}")).unwrap();
        let checked = lucarne_desk::service::check(&home.config());
        checked.map_err(|error| error.source().map(ToString::to_string).unwrap_or_default())
    };
    assert_eq!(check(["", "", ""]), Ok(()));
    assert_eq!(check(["fallback: b,", "", ""]), Ok(()));
    for each_other in [["", "fallback: c,", "fallback: b,"], ["fallback: b,", "fallback: c,", ""]] {
        let refused = check(each_other).unwrap_err();
        assert!(refused.contains("channels."), "{refused}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_takes_is_dead_visible_and_can_be_tried_again() {
    let (slack, slack_at) = Listener::start(&[Next::Answer(404)]).await;
    let home = Home::new("{sqlite: desk.db}", "");
    channels(&home, slack_at, slack_at, 1, slack_at);
    let text = std::fs::read_to_string(home.config()).unwrap();
    let text = text.split("channels:").next().unwrap().to_owned();
    let only = "channels:\n  - {name: chat, slack_file: slack}\n";
    std::fs::write(home.config(), text + only).unwrap();
    let desk = Process::start(&home.config());
    let mut client = Client::wait(desk.address, "ann").await;
    add(&home, &[piece("notify/chat", "one", 0), piece("notify/chat", "two", 0)]);
    let dead = |work: &[Value]| work.iter().any(|one| one["standing"] == "dead");
    let work = until(&mut client, dead).await;
    let one = work.iter().find(|one| one["key"] == "one").unwrap();
    assert_eq!((&one["standing"], &one["error"]), (&json!("dead"), &json!("answered 404")));
    // The one behind it does not wait for ever.
    let two =
        |work: &[Value]| work.iter().any(|one| one["key"] == "two" && one["standing"] == "done");
    until(&mut client, two).await;
    let metrics = client.get("/metrics").await.unwrap().1;
    let metrics = String::from_utf8_lossy(&metrics).into_owned();
    assert!(metrics.contains("incident_outbox_dead_total{channel=\"chat\"} 1"), "{metrics}");
    let path = format!("/v1/outbox/{}/retry", one["id"]);
    assert_eq!(client.post(&path, Bytes::new()).await.unwrap().0, 200);
    let none_dead = |work: &[Value]| work.iter().all(|one| one["standing"] == "done");
    until(&mut client, none_dead).await;
    assert!(slack.taken(|came| came.body["text"].clone()).contains(&json!("one")));
    desk.stop();
}
