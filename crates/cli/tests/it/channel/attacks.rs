//! The known attacks on attested channels, each by a real middle man: relay, reflection, replay,
//! diversion, resumption, downgrade. Whatever he does, all that he is ever told is a challenge.

use lucarne_link::channel::message::{Ask, Tell};
use tokio_rustls::rustls::HandshakeKind;
use tokio_rustls::rustls::version::{TLS12, TLS13};

use super::middle::{Client, Middle, Relay, Says, Seen, client_config};
use super::*;

const QUESTION: [&str; 3] = ["recent", "--contains", "the-question-itself"];

/// That he was told a challenge and nothing else.
#[track_caller]
fn only_a_challenge(seen: &Seen) -> [u8; 32] {
    let [body] = &seen.frames[..] else { panic!("{} frames", seen.frames.len()) };
    let Ok(Ask::Challenge { nonce }) = Ask::decode(body) else { panic!("{body:?}") };
    nonce
}

/// Asks by way of the middle man and fails with these words.
#[track_caller]
fn fails(inside: &Inside, at: SocketAddr, code: i32, words: &str) {
    let output = inside.ask("alice", at, &QUESTION);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{said}");
    assert!(said.contains(words), "{words:?} in {said}");
    assert_eq!(text(&output.stdout), "");
}

fn mallory(inside: &Inside) -> Client {
    let (certificate, key) = (inside.path("gina.pem"), inside.path("gina.key"));
    // An insider with a certificate of his own, so that the enclave speaks to him.
    Client::connect(inside.channel, &client_config(&certificate, &key, &[&TLS13]))
}

const STANDS_BETWEEN: &str = "somebody stands in between";

#[test]
fn relay() {
    let inside = Inside::start();
    let mut far = mallory(&inside);
    let says: Says = Box::new(move |body| far.exchange(body).map(|answer| vec![answer]));
    let middle = Middle::start(&[&TLS13], 1, says);
    // He passes on what a genuine enclave answers to the genuine challenge.
    fails(&inside, middle.at, 1, STANDS_BETWEEN);
    only_a_challenge(&middle.saw());
}

#[test]
fn reflection() {
    let inside = Inside::start();
    // The client hears itself.
    let says: Says = Box::new(|body| Some(vec![body.to_vec()]));
    let middle = Middle::start(&[&TLS13], 1, says);
    fails(&inside, middle.at, 1, "malformed message");
    only_a_challenge(&middle.saw());
}

#[test]
fn replay() {
    let inside = Inside::start();
    let mut far = mallory(&inside);
    let earlier = far.exchange(&Ask::Challenge { nonce: [1; 32] }.encode()).unwrap();
    assert!(matches!(Tell::decode(&earlier), Ok(Tell::Attested { .. })));
    let says: Says = Box::new(move |_| Some(vec![earlier.clone()]));
    let middle = Middle::start(&[&TLS13], 2, says);
    let nonces = [(); 2].map(|()| {
        fails(&inside, middle.at, 1, STANDS_BETWEEN);
        only_a_challenge(&middle.saw())
    });
    // Nothing said to one challenge can be kept for the next.
    assert!(nonces[0] != nonces[1] && !nonces.contains(&[1; 32]));
}

#[test]
fn diversion() {
    let mut inside = Inside::start();
    let relay = Relay::start(inside.channel);
    let mut asked = vec!["recent", "--instance", "nitro-009-us-east"];
    let other = inside.ask("alice", relay.at(), &asked);
    assert_eq!(other.status.code(), Some(1));
    let said = text(&other.stderr);
    assert!(said.contains("the peer is nitro-001-us-east, which is not the instance"), "{said}");

    // Another boot of the same code and instance, to which the host leads a client of the first.
    let shown = inside.ask("alice", relay.at(), &["attestation", "--latest"]);
    let shown = text(&shown.stdout);
    let epoch = shown.lines().find_map(|line| line.strip_prefix("epoch ")).unwrap().trim();
    inside.site.enclave.take().unwrap().stop("-TERM");
    inside.site.start_enclave();
    asked = vec!["recent", "--instance", "nitro-001-us-east", "--epoch", epoch];
    let later = inside.ask("alice", relay.at(), &asked);
    assert_eq!(later.status.code(), Some(1));
    let said = text(&later.stderr);
    assert!(said.contains("which is not the one that was asked for"), "{said}");
    // Neither of them was asked: the second epoch has recorded nothing of alice.
    let records: Vec<Value> = (0..2).map(|seq| inside.newest(seq)).collect();
    assert!(!format!("{records:?}").contains("alice"), "{records:?}");
    asked = vec!["recent", "--instance", "nitro-001-us-east"];
    assert_eq!(inside.ask("alice", relay.at(), &asked).status.code(), Some(5));

    // Who does not know the boot has it looked up in the site's register.
    let register = format!("--register={}", inside.path("archive").display());
    asked.push(&register);
    until("the register names the new boot", PATIENCE, || {
        let looked_up = inside.ask("alice", relay.at(), &asked);
        (looked_up.status.code() == Some(5)).then_some(())
    });
    asked.extend(["--epoch", epoch]);
    let stale = inside.ask("alice", relay.at(), &asked);
    assert_eq!(stale.status.code(), Some(1));
    let said = text(&stale.stderr);
    assert!(
        said.contains(&format!("epoch {epoch} of nitro-001-us-east is not its newest")),
        "{said}"
    );
}

impl Inside {
    /// What the gateway's log of the enclave that runs now says of this audit record.
    fn newest(&self, seq: u64) -> Value {
        let epochs = self.path("archive").join("epochs/nitro-001-us-east");
        let newest = until("the new epoch is archived", PATIENCE, || {
            let list = std::fs::read_dir(&epochs).ok()?;
            let named = |entry: std::fs::DirEntry| {
                let made = entry.metadata().unwrap().modified().unwrap();
                (made, entry.file_name().into_string().unwrap())
            };
            list.map(|entry| named(entry.unwrap())).max()
        });
        let (archive, policy) = (self.path("archive"), self.path("audit-policy.yaml"));
        let seq = seq.to_string();
        let args = ["audit", "show", &seq, "--ledger", "audit", "--records-dir"];
        let more = [archive.to_str().unwrap(), "--policy", policy.to_str().unwrap(), "--epoch"];
        let args = [&args[..], &more[..], &[&newest.1]].concat();
        let shown = until("the record is archived", PATIENCE, || {
            let output = run(lucarne_program(), &args);
            (output.status.code() == Some(5)).then_some(output.stdout)
        });
        serde_json::from_slice(&shown).unwrap()
    }
}

#[test]
fn resumption() {
    let inside = Inside::start();
    // He hands out tickets and takes early data; the client wants neither.
    let mut far = mallory(&inside);
    let says: Says = Box::new(move |body| far.exchange(body).map(|answer| vec![answer]));
    let middle = Middle::start(&[&TLS13], 2, says);
    for _ in 0..2 {
        fails(&inside, middle.at, 1, "nothing was asked");
        let seen = middle.saw();
        only_a_challenge(&seen);
        assert_eq!(seen.full_handshake, Some(true));
    }
    // The enclave gives no tickets to a client that would use them.
    let (certificate, key) = (inside.path("alice.pem"), inside.path("alice.key"));
    let config = client_config(&certificate, &key, &[&TLS13]);
    for nonce in [[1; 32], [2; 32]] {
        let mut client = Client::connect(inside.channel, &config);
        let answer = client.exchange(&Ask::Challenge { nonce }.encode()).unwrap();
        assert!(matches!(Tell::decode(&answer), Ok(Tell::Attested { .. })));
        let kind = client.stream.conn.handshake_kind();
        assert!(!matches!(kind, None | Some(HandshakeKind::Resumed)), "{kind:?}");
        assert_eq!(client.stream.conn.tls13_tickets_received(), 0);
        assert!(!client.stream.conn.is_early_data_accepted());
    }
}

#[test]
fn downgrade() {
    let inside = Inside::start();
    let says: Says = Box::new(|_| None);
    let middle = Middle::start(&[&TLS12], 1, says);
    fails(&inside, middle.at, 4, "nothing was asked");
    let seen = middle.saw();
    assert_eq!((seen.frames.len(), seen.full_handshake), (0, None));

    // The enclave speaks neither an older TLS nor another version of the channel.
    let (certificate, key) = (inside.path("alice.pem"), inside.path("alice.key"));
    let old = client_config(&certificate, &key, &[&TLS12]);
    let challenge = Ask::Challenge { nonce: [1; 32] }.encode();
    assert_eq!(Client::connect(inside.channel, &old).exchange(&challenge), None);
    let config = client_config(&certificate, &key, &[&TLS13]);
    let mut other = challenge.clone();
    other[2] = 2;
    assert_eq!(Client::connect(inside.channel, &config).exchange(&other), None);
    let early = Ask::Query {
        query: lucarne_link::channel::message::Query {
            verb: "recent".parse().unwrap(),
            text: String::new(),
            from_ns: 0,
            to_ns: 1,
            limit: 1,
        },
        countersignature: None,
    };
    assert_eq!(Client::connect(inside.channel, &config).exchange(&early.encode()), None);
    let answer = Client::connect(inside.channel, &config).exchange(&challenge).unwrap();
    assert!(matches!(Tell::decode(&answer), Ok(Tell::Attested { .. })));
}
