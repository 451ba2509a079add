//! Evidence of the real software TEE, judged as the gateway does it; time is a number.

use std::fs;
use std::sync::atomic::{AtomicU64, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lucarne_attest::baseline::{
    Approval, Approver, Approvers, Authority, Baseline, Entry, Version, approval_message,
};
use lucarne_attest::{
    DebugMode, Fingerprint, Measurement, Measurements, Policy, Root, When, verify_fresh,
};
use lucarne_enclave::quote::{Question, Quote as _};
use lucarne_enclave::software::{Machine, SoftwareTee};
use lucarne_ledger::key::{Ed25519Key, Signer as _};
use lucarne_ledger::report_data::ReportData;
use lucarne_link::message::Fault;
use tokio::sync::mpsc;

use super::*;
use crate::export::HostMessage;

/// 2026-11-21T03:00:00.000Z.
const START_MS: u64 = 1_795_230_000_000;
const NONCE: [u8; 32] = [7; 32];
const MINUTE: u64 = 60_000;

/// Milliseconds since [`START_MS`], the same for enclave and gateway.
#[derive(Clone, Default)]
struct Hands(Arc<AtomicU64>);

impl Hands {
    fn pass(&self, ms: u64) {
        self.0.fetch_add(ms, Ordering::Relaxed);
    }

    fn ms(&self) -> u64 {
        START_MS + self.0.load(Ordering::Relaxed)
    }
}

impl Clock for Hands {
    fn unix_ns(&self) -> u64 {
        self.ms() * 1_000_000
    }

    fn elapsed(&self) -> Duration {
        Duration::from_millis(self.ms() - START_MS)
    }
}

impl lucarne_enclave::clock::Clock for Hands {
    fn now_ms(&self) -> u64 {
        self.ms()
    }
}

fn binding() -> EpochBinding {
    EpochBinding {
        p256_spki: vec![1; 91],
        ed25519: [2; 32],
        mldsa44: None,
        channel_spki: None,
        instance: "nitro-001-us-east".parse().unwrap(),
        nonce: [5; 32],
        configuration_sha256: [6; 32],
        contract_sha256: [7; 32],
        deployment: None,
    }
}

/// A gateway's monitor, and machines whose evidence it may believe.
struct Rig {
    monitor: Monitor,
    hands: Hands,
    lines: mpsc::Receiver<HostMessage>,
    directory: tempfile::TempDir,
}

/// Runs code of this digest under the root that the policy names.
fn machine(directory: &Path, hands: &Hands, code: u8) -> SoftwareTee<Hands> {
    let machine = Machine { module_id: "m".into(), executable_sha384: [code; 48] };
    SoftwareTee::open_or_mint(directory, machine, hands.clone()).unwrap()
}

fn rig(measurements: Measurements) -> Rig {
    let directory = tempfile::tempdir().unwrap();
    let hands = Hands::default();
    let root = machine(&directory.path().join("tee"), &hands, 0).root_fingerprint();
    let (feed, lines) = mpsc::channel(64);
    let clock: Arc<dyn Clock> = Arc::new(hands.clone());
    let policy = Policy {
        roots: vec![Root::insecure_software(Fingerprint(root.0))],
        measurements,
        debug: DebugMode::Refuse,
    };
    let parts = Parts {
        settings: MonitorFile::default().check().unwrap(),
        terms: policy.into(),
        journal: Journal::new(Arc::clone(&clock), Box::new(io::sink()), Some(feed)),
        clock,
        counters: Arc::default(),
    };
    let monitor = Monitor::open(&directory.path().join("monitor"), parts).unwrap();
    Rig { monitor, hands, lines, directory }
}

fn one_of(code: u8) -> Measurements {
    let registers = BTreeMap::from([(0, Register([code; 48]))]);
    Measurements::OneOf(vec![Measurement::new(registers).unwrap()])
}

fn key(seed: u8) -> Ed25519Key {
    Ed25519Key::from_seed(&[seed; 32]).unwrap()
}

/// A baseline that knows these versions; those with `true` are approved by two.
fn baseline(codes: &[(u8, bool)]) -> Measurements {
    let public = |seed| key(seed).public_key().raw().try_into().unwrap();
    let people = [("alice", 1), ("bob", 2)];
    let version = |(code, approved): &(u8, bool)| {
        let entry = Entry {
            version: format!("v{code}"),
            any_of: vec![[0, 2].map(|index| (index, Register([*code; 48]))).into()],
            valid_from: Time::from_unix_ms(0),
            valid_until: None,
            deployment: None,
            change: None,
            git_commit: None,
            build_digest: None,
        };
        let (digest, at) = (entry.digest(), Time::from_unix_ms(5));
        let people = people.iter().filter(|_| *approved);
        let approvals = people.map(|(by, seed)| Approval {
            by: (*by).into(),
            key: public(*seed),
            at,
            signature: key(*seed).sign(&approval_message(&digest, by, at)).unwrap(),
        });
        Version { approvals: approvals.collect(), entry, retirement: None }
    };
    let people = people.map(|(name, seed)| Approver { name: name.into(), key: public(seed) });
    Measurements::Baseline(Box::new(Authority {
        baseline: Baseline::new(codes.iter().map(version).collect()).unwrap(),
        approvers: Approvers::new(people.into()).unwrap(),
    }))
}

impl Rig {
    fn evidence(&self, code: u8, report_data: &ReportData, nonce: &[u8; 32]) -> Vec<u8> {
        let tee = machine(&self.directory.path().join("tee"), &self.hands, code);
        let binding = binding();
        let public_key = &binding.p256_spki;
        tee.quote(&Question { report_data, public_key, nonce }).unwrap().evidence
    }

    fn fresh(&self, code: u8) -> Vec<u8> {
        self.evidence(code, &ReportData::monitor(&binding(), &NONCE), &NONCE)
    }

    /// What a monitor makes of evidence that an accepted enclave shows.
    fn hears(&self, evidence: &[u8]) -> &'static str {
        let answer = Answer::Fresh { evidence, collateral: &[] };
        self.hears_answer(Occasion::Monitor, answer)
    }

    fn hears_answer(&self, occasion: Occasion, answer: Answer<'_>) -> &'static str {
        self.monitor.hear(&exchange(&binding(), occasion, answer)).as_str()
    }

    /// Class before and after of each line for the operator.
    fn told(&mut self) -> Vec<(String, String)> {
        let mut told = Vec::new();
        while let Ok(message) = self.lines.try_recv() {
            let line: serde_json::Value = serde_json::from_slice(&message.json).unwrap();
            assert_eq!(line["job"], "otel-collector-external");
            assert_eq!(line["message"], "attestation changed its class");
            assert_eq!(line["instance"], "nitro-001-us-east");
            let text = |key: &str| line[key].as_str().unwrap().to_owned();
            told.push((text("before"), text("class")));
        }
        told
    }

    fn kept(&self) -> Vec<serde_json::Value> {
        let mut files: Vec<_> = fs::read_dir(self.directory.path().join("monitor"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        files.sort();
        let text: String = files.iter().map(|file| fs::read_to_string(file).unwrap()).collect();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn counts(&self) -> Vec<(&'static str, u64)> {
        self.monitor.measured().remove(0).counts
    }
}

fn exchange<'a>(binding: &'a EpochBinding, occasion: Occasion, answer: Answer<'a>) -> Exchange<'a> {
    let (instance, epoch, nonce) = (&binding.instance, binding.epoch_id(), &NONCE);
    Exchange { instance, epoch, binding: Some(binding), occasion, nonce, answer }
}

fn pair(before: &str, class: &str) -> (String, String) {
    (before.to_owned(), class.to_owned())
}

#[test]
fn an_answer_that_is_as_it_should_be_is_kept_whole_and_told_once() {
    let mut rig = rig(one_of(1));
    let evidence = rig.fresh(1);
    assert_eq!(rig.hears(&evidence), "match");
    rig.hands.pass(MINUTE);
    assert_eq!(rig.hears(&rig.fresh(1)), "match");
    assert_eq!(rig.told(), [pair("none", "match")]);
    assert_eq!(rig.counts(), [("match", 2)]);

    let kept = &rig.kept()[0];
    let decoded = |key: &str| STANDARD.decode(kept[key].as_str().unwrap()).unwrap();
    assert_eq!(decoded("evidence"), evidence);
    assert_eq!((&kept["class"], &kept["occasion"]), (&"match".into(), &"monitor".into()));
    assert_eq!(kept["time"], "2026-11-21T03:00:00.000000000Z");
    // Everything that a later judge needs is in the line.
    let shown = EpochBinding::from_cbor(&decoded("binding")).unwrap();
    let nonce = lucarne_ledger::hash::from_hex(kept["nonce"].as_str().unwrap()).unwrap();
    let policy = rig.monitor.parts.terms.accepts.nitro.as_ref().unwrap();
    let again = verify_fresh(&decoded("evidence"), &shown, policy, When::Replay, nonce);
    assert_eq!(again.map(|keys| keys.epoch), Ok(binding().epoch_id()));
}

#[test]
fn code_modified() {
    let mut rig = rig(baseline(&[(1, true)]));
    assert_eq!(rig.hears(&rig.fresh(1)), "match");
    assert_eq!(rig.hears(&rig.fresh(9)), "modified-code");
    // It stays so; what nobody authorised is not what the next answer is compared with.
    assert_eq!(rig.hears(&rig.fresh(9)), "modified-code");
    assert_eq!(rig.hears(&rig.fresh(1)), "match");
    let expected =
        [pair("none", "match"), pair("match", "modified-code"), pair("modified-code", "match")];
    assert_eq!(rig.told(), expected);
    assert_eq!(rig.counts(), [("match", 2), ("modified-code", 2)]);
    let listed = self::rig(one_of(1));
    assert_eq!(listed.hears(&listed.fresh(9)), "modified-code");
}

#[test]
fn unauthorised_deployment() {
    let mut rig = rig(baseline(&[(1, true), (2, false)]));
    assert_eq!(rig.hears(&rig.fresh(1)), "match");
    assert_eq!(rig.hears(&rig.fresh(2)), "unauthorised-deployment");
    assert_eq!(rig.told()[1], pair("match", "unauthorised-deployment"));
    assert_eq!(rig.kept()[1]["reason"], "v2 has 0 of the 2 approvals that it needs");
}

#[test]
fn hardware_failure() {
    let mut rig = rig(one_of(1));
    assert_eq!(rig.hears(&rig.fresh(1)), "match");
    for fault in [Fault::Device, Fault::TimedOut] {
        let class = rig.hears_answer(Occasion::Monitor, Answer::None(fault));
        assert_eq!(class, "hardware-failure");
    }
    assert_eq!(rig.told(), [pair("none", "match"), pair("match", "hardware-failure")]);
    assert_eq!(rig.kept()[1]["reason"], "the evidence device fails");
    assert_eq!(rig.kept()[1]["evidence"], serde_json::Value::Null);
}

#[test]
fn attestation_service_outage() {
    let mut rig = rig(one_of(1));
    assert_eq!(rig.hears(&rig.fresh(1)), "match");
    rig.hands.pass(2 * MINUTE);
    rig.monitor.look();
    assert_eq!(rig.counts(), [("match", 1)]);
    rig.hands.pass(1);
    rig.monitor.look();
    rig.hands.pass(MINUTE);
    rig.monitor.look();
    assert_eq!(rig.counts(), [("match", 1), ("outage", 2)]);
    let measured = rig.monitor.measured().remove(0);
    let age = Duration::from_millis(3 * MINUTE + 1);
    assert_eq!((measured.class, measured.match_age), (Some("outage"), Some(age)));
    assert_eq!(rig.hears(&rig.fresh(1)), "match");
    let expected = [pair("none", "match"), pair("match", "outage"), pair("outage", "match")];
    assert_eq!(rig.told(), expected);
}

/// The same for machines whose evidence needs something besides: that it is not there says nothing
/// about them.
#[test]
fn missing_collateral_is_an_outage_and_no_mismatch() {
    let mut rig = rig(one_of(1));
    let snp = Path::new(env!("CARGO_MANIFEST_DIR")).join("../attest/testdata/snp/ms-tav");
    let report = fs::read(snp.join("turin_attestation_report.bin")).unwrap();
    assert_eq!(rig.hears(&report), "untrusted");
    let terms = &mut rig.monitor.parts.terms;
    terms.accepts.snp = Some(lucarne_attest::snp::Policy::strict(vec![Register([1; 48])]));
    assert_eq!(rig.hears(&report), "outage");
    // Its files are read when they are needed.
    let terms = &mut rig.monitor.parts.terms;
    terms.collateral = vec![snp.join("turin_vcek.pem")];
    assert_eq!(rig.hears(&report), "outage");
}

#[test]
fn an_instance_that_said_its_end_is_not_missed_until_it_begins_again() {
    let rig = rig(one_of(1));
    assert_eq!(rig.hears(&rig.fresh(1)), "match");
    let instance = binding().instance;
    rig.monitor.ended(&instance, EpochId([0; 16]));
    rig.hands.pass(3 * MINUTE);
    rig.monitor.look();
    assert_eq!(rig.counts(), [("match", 1), ("outage", 1)]);
    rig.monitor.ended(&instance, binding().epoch_id());
    rig.monitor.look();
    assert_eq!(rig.counts(), [("match", 1), ("outage", 1)]);
    let evidence = rig.fresh(1);
    let answer = Answer::Fresh { evidence: &evidence, collateral: &[] };
    assert_eq!(rig.hears_answer(Occasion::Handshake, answer), "match");
    rig.hands.pass(3 * MINUTE);
    rig.monitor.look();
    assert_eq!(rig.counts(), [("match", 2), ("outage", 2)]);
}

#[test]
fn a_class_goes_on_over_a_restart_unless_the_end_was_said() {
    let rig = rig(one_of(1));
    assert_eq!(rig.hears(&rig.fresh(1)), "match");
    rig.hands.pass(MINUTE);
    let bad = rig.hears(&rig.fresh(2));
    let kept = rig.monitor.kept();
    let again = self::rig(one_of(1));
    again.hands.pass(5 * MINUTE);
    assert!(kept.iter().all(|kept| again.monitor.restore(kept)));
    again.hands.pass(MINUTE);
    again.monitor.look();
    let [one, _] = &again.monitor.measured()[..] else { panic!("one instance") };
    assert_eq!((one.instance.as_ref(), one.class), (Some(&binding().instance), Some(bad)));
    assert_eq!(one.match_age, Some(Duration::from_millis(6 * MINUTE)));
    again.hands.pass(2 * MINUTE);
    again.monitor.look();
    assert_eq!(again.monitor.measured()[0].class, Some("outage"), "it has had its time");
    // It is silence that is forgotten after a week, and not what was found a week ago.
    rig.hands.pass(8 * 24 * 60 * MINUTE);
    assert_eq!(rig.hears(&rig.fresh(2)), bad);
    let late = self::rig(one_of(1));
    late.hands.pass(8 * 24 * 60 * MINUTE + 2 * MINUTE);
    assert!(rig.monitor.kept().iter().chain(&kept).all(|kept| late.monitor.restore(kept)));
    assert_eq!(late.monitor.measured()[0].class, Some(bad));
    let gone = self::rig(one_of(1));
    gone.hands.pass(8 * 24 * 60 * MINUTE);
    assert!(kept.iter().all(|kept| gone.monitor.restore(kept)));
    assert_eq!(gone.monitor.measured().len(), 1, "only what is of nobody");
    rig.monitor.ended(&binding().instance, binding().epoch_id());
    assert_eq!(rig.monitor.kept(), []);
    let named = |class: Class| Class::named(class.as_str());
    let all = Change::ALL.map(Class::Change);
    assert!(all.iter().all(|class| named(*class) == Some(*class)) && Class::named("x").is_none());
}

#[test]
fn an_approved_change_of_code_is_told_and_is_good() {
    let mut rig = rig(baseline(&[(1, true), (2, true)]));
    assert_eq!(rig.hears(&rig.fresh(1)), "match");
    assert_eq!(rig.hears(&rig.fresh(2)), "authorised-change");
    assert_eq!(rig.hears(&rig.fresh(2)), "match");
    let last = rig.told().pop().unwrap();
    assert_eq!(last, pair("authorised-change", "match"));
}

#[test]
fn what_is_old_or_answers_another_question_is_a_replay() {
    let rig = rig(one_of(1));
    let other = rig.evidence(1, &ReportData::monitor(&binding(), &[8; 32]), &[8; 32]);
    assert_eq!(rig.hears(&other), "replay");
    let old = rig.fresh(1);
    rig.hands.pass(MINUTE);
    assert_eq!(rig.hears(&old), "match");
    rig.hands.pass(1);
    assert_eq!(rig.hears(&old), "replay");
}

#[test]
fn each_other_reason_has_its_own_class() {
    let rig = rig(one_of(1));
    assert_eq!(rig.hears(b"not evidence"), "malformed");
    let mut forged = rig.fresh(1);
    *forged.last_mut().unwrap() ^= 1;
    assert_eq!(rig.hears(&forged), "untrusted");
    assert_eq!(rig.hears(&self::rig(one_of(1)).fresh(1)), "untrusted");
    // Evidence of the boot does not stand in for fresh evidence, whatever its nonce.
    let boot = rig.evidence(1, &ReportData::epoch(&binding()), &NONCE);
    assert_eq!(rig.hears(&boot), "not-bound");
    let of = |rejected| Judged::refused(&rejected).class.as_str();
    // The software TEE always measures something, so a debug machine is only named here.
    assert_eq!([of(Rejected::DebugMode), of(Rejected::NoRoots)], ["debug-mode", "no-policy"]);
    assert_eq!([of(Rejected::NonceMissing), of(Rejected::NonceDiffers)], ["replay", "replay"]);
    let own = rig.hears_answer(Occasion::Monitor, Answer::None(Fault::Own));
    assert_eq!(own, "outage");
    let ahead = rig.hands.clone();
    ahead.pass(10 * MINUTE);
    let early = rig.fresh(1);
    ahead.0.store(0, Ordering::Relaxed);
    assert_eq!(rig.hears(&early), "not-in-time");
    assert_eq!(self::rig(Measurements::OneOf(vec![])).hears(&rig.fresh(1)), "untrusted");
}

#[test]
fn a_peer_that_is_refused_is_no_label_and_cannot_fill_the_log() {
    let mut rig = rig(baseline(&[(1, true)]));
    let refuse = |rig: &Rig, evidence: &[u8], refused: &Rejected| {
        let answer = Answer::Fresh { evidence, collateral: &[] };
        let binding = binding();
        let exchange = exchange(&binding, Occasion::Handshake, answer);
        rig.monitor.hear_refused(&exchange, Some(refused)).as_str()
    };
    let noise = vec![1; 100_000];
    for _ in 0..3 {
        assert_eq!(refuse(&rig, &noise, &Rejected::Empty), "malformed");
    }
    for _ in 0..3 {
        assert_eq!(refuse(&rig, &rig.fresh(9), &Rejected::Signature), "modified-code");
    }
    // The fresh evidence is good, and something else was not.
    assert_eq!(refuse(&rig, &rig.fresh(1), &Rejected::Signature), "untrusted");
    assert_eq!(rig.monitor.measured().len(), 1);
    let counts = vec![("malformed", 3), ("modified-code", 3), ("untrusted", 1)];
    assert_eq!((rig.monitor.measured()[0].instance.clone(), rig.counts()), (None, counts));
    // Said once, though the peer comes again and again.
    let expected = [
        pair("none", "malformed"),
        pair("malformed", "modified-code"),
        pair("modified-code", "untrusted"),
    ];
    assert_eq!(rig.told(), expected);
    let kept = rig.kept();
    let whole: Vec<bool> = kept.iter().map(|line| line.get("evidence").is_some()).collect();
    assert_eq!(whole, [false, true, false]);
    assert_eq!(kept[0]["evidence_sha256"], lucarne_ledger::hash::Hash::of(&noise).to_string());
}

#[test]
fn the_log_goes_on_after_a_restart_and_forgets_the_oldest() {
    let directory = tempfile::tempdir().unwrap();
    let names = || {
        let mut names: Vec<_> = fs::read_dir(directory.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    };
    fs::write(directory.path().join("README"), b"not ours").unwrap();
    let bound = binding();
    let evidence = vec![3; 3_000];
    let answer = Answer::Fresh { evidence: &evidence, collateral: &[] };
    let exchange = exchange(&bound, Occasion::Monitor, answer);
    let line = Line::new(&exchange, Class::Change(Change::Match), "", 0, true);
    let length = serde_json::to_vec(&line).unwrap().len() as u64 + 1;
    // Two lines fill a file; three files are more than may be kept.
    let keep = length * 4;
    let mut log = EvidenceLog::open(directory.path(), keep).unwrap();
    for _ in 0..3 {
        log.append(&line).unwrap();
    }
    drop(log);
    assert_eq!(names(), ["0000000000000000.jsonl", "0000000000000001.jsonl", "README"]);
    let mut log = EvidenceLog::open(directory.path(), keep).unwrap();
    log.append(&line).unwrap();
    let three = [0, 1, 2].map(|number| format!("{number:016}.jsonl"));
    assert_eq!(names()[..3], three);
    log.append(&line).unwrap();
    assert_eq!(names()[..2], three[1..]);
    for _ in 0..20 {
        log.append(&line).unwrap();
        let kept: u64 = names()[..names().len() - 1]
            .iter()
            .map(|name| directory.path().join(name).metadata().unwrap().len())
            .sum();
        assert!(kept <= keep, "{kept} bytes are kept");
    }
    assert_eq!(fs::read(directory.path().join("README")).unwrap(), b"not ours");
}
