//! A desk on a virtual clock, with the people of the scenarios.
//!
//! At its end each run checks what every scenario asserts: the log is in order, names a cause for
//! every fact, is the same when it is run again, gives the same state, seals and verifies.

use std::collections::BTreeMap;

use lucarne_desk::approval::{ActionSpec, RequestId};
use lucarne_desk::decide::Desk;
use lucarne_desk::decision::{Action, Decision, Notice, What};
use lucarne_desk::digest::Digest;
use lucarne_desk::event::{Entry, Event, Fact, Input};
use lucarne_desk::incident::{Incident, IncidentId, Phase};
use lucarne_desk::log::{self, SealedLog};
use lucarne_desk::moment::Moment;
use lucarne_desk::person::{Actor, Person, PersonId};
use lucarne_desk::policy::{Policy, Profile, Response};
use lucarne_desk::refusal::Refusal;
use lucarne_desk::scrub::{Scrubbed, Scrubber};
use lucarne_desk::signal::{Draft, Fault, Kind, Signal, Source, Status};
use lucarne_desk::state::State;
use lucarne_ledger::batch::EpochKey;
use lucarne_ledger::identity::EpochId;
use lucarne_ledger::key::{Ed25519Key, Signer};
use lucarne_ledger::salt::Seed;

/// 2026-05-25T10:00:00Z.
pub(crate) const T0: Moment = Moment { wall_ms: 1_779_703_200_000, mono_ms: 0 };
pub(crate) const SECOND: u64 = 1000;
pub(crate) const MINUTE: u64 = 60 * SECOND;

pub(crate) struct Scene {
    desk: Desk,
    first: Policy,
    pub(crate) log: Vec<Entry>,
    pub(crate) actions: Vec<Action>,
    now: Moment,
}

impl Scene {
    pub(crate) fn new() -> Self {
        Self::by(Policy::shipped(Profile::ResponderDefault))
    }

    pub(crate) fn by(policy: Policy) -> Self {
        let desk = Desk::comparing(policy.clone());
        let mut scene = Self { desk, first: policy, log: Vec::new(), actions: Vec::new(), now: T0 };
        for (id, groups) in [
            ("responder-a", &["responder"][..]),
            ("responder-b", &["responder"]),
            ("security-approver", &["security"]),
            ("compliance-approver", &["compliance"]),
            ("ciso", &["ciso"]),
            ("commander", &["commander"]),
        ] {
            scene.person(id, id, groups);
        }
        scene
    }

    pub(crate) fn person(&mut self, id: &str, employee: &str, groups: &[&str]) {
        let person = Person {
            id: PersonId(id.to_owned()),
            employee: employee.to_owned(),
            groups: groups.iter().map(|group| (*group).to_owned()).collect(),
        };
        self.input(Input::Person(person));
    }

    /// Goes on to a time after the start, a tick every second.
    pub(crate) fn until(&mut self, ms: u64) {
        while self.now.mono_ms + SECOND <= ms {
            self.now = self.now.plus_ms(SECOND);
            self.input(Input::Tick);
        }
        self.now = T0.plus_ms(ms);
    }

    /// Goes on without a tick: the desk is away.
    pub(crate) fn away(&mut self, ms: u64) {
        self.now = self.now.plus_ms(ms);
    }

    /// The wall jumps; nothing else does.
    pub(crate) fn jump_wall(&mut self, ms: i64) {
        self.now.wall_ms = self.now.wall_ms.checked_add_signed(ms).unwrap();
    }

    pub(crate) fn input(&mut self, input: Input) -> &mut Self {
        self.take(Actor::Adapter("test".to_owned()), input)
    }

    pub(crate) fn says(&mut self, who: &str, input: Input) -> &mut Self {
        self.take(Actor::Person(PersonId(who.to_owned())), input)
    }

    pub(crate) fn take(&mut self, actor: Actor, input: Input) -> &mut Self {
        let (entries, actions) = self.desk.take(self.now, actor, input);
        self.log.extend(entries);
        self.actions.extend(actions);
        self
    }

    pub(crate) fn now(&self) -> Moment {
        self.now
    }

    pub(crate) fn desk(&self) -> &Desk {
        &self.desk
    }

    #[track_caller]
    pub(crate) fn incident(&self, number: u64) -> &Incident {
        self.desk.state().incident(IncidentId(number)).unwrap()
    }

    pub(crate) fn incidents(&self) -> usize {
        self.desk.state().incidents().count()
    }

    pub(crate) fn decisions(&self) -> Vec<&Decision> {
        let decided = self.log.iter().filter_map(|entry| match &entry.event {
            Event::Fact(Fact::Decided(decision)) => Some(decision),
            _ => None,
        });
        decided.collect()
    }

    #[track_caller]
    pub(crate) fn last(&self) -> &Decision {
        self.decisions().last().copied().unwrap()
    }

    /// The last refusal, if it came of the last input.
    pub(crate) fn refused(&self) -> Option<&Refusal> {
        match &self.log.last()?.event {
            Event::Fact(Fact::Refused { why, .. }) => Some(why),
            _ => None,
        }
    }

    pub(crate) fn facts(&self, wanted: impl Fn(&Fact) -> bool) -> usize {
        let is = |entry: &&Entry| matches!(&entry.event, Event::Fact(fact) if wanted(fact));
        self.log.iter().filter(is).count()
    }

    pub(crate) fn count(&self, response: Response) -> usize {
        let is = |action: &&Action| action.what == What::Respond(response);
        self.actions.iter().filter(is).count()
    }

    pub(crate) fn notices(&self) -> Vec<&Notice> {
        let told = self.actions.iter().filter_map(|action| match &action.what {
            What::Tell(notice) => Some(notice),
            What::Respond(_) | What::Execute { .. } => None,
        });
        told.collect()
    }

    /// Roles that were told, in order, with the second in which each was.
    pub(crate) fn ladder(&self) -> Vec<(u64, &str)> {
        let told = self.log.iter().filter_map(|entry| match &entry.event {
            Event::Fact(Fact::Issued(Action {
                what: What::Tell(Notice::Escalated { role }),
                ..
            })) => Some((entry.at.mono_ms / SECOND, role.as_str())),
            _ => None,
        });
        told.collect()
    }

    pub(crate) fn moves(&mut self, incident: u64, to: Phase) -> &mut Self {
        let incident = IncidentId(incident);
        self.input(Input::Move { incident, to, reason: text("runbook") })
    }

    pub(crate) fn seal_bundle(&mut self, incident: u64) {
        let bundle = Digest::of(b"bundle");
        self.input(Input::Sealed { incident: IncidentId(incident), bundle });
    }

    pub(crate) fn ask(&mut self, who: &str, incident: u64, name: &str, instance: &str) {
        let incident = IncidentId(incident);
        let action = spec(name, instance);
        self.says(who, Input::Request { incident, action, reason: text("because") });
    }

    pub(crate) fn approve(&mut self, who: &str, request: u64) {
        let request = RequestId(request);
        let digest = self.desk.state().request(request).unwrap().digest;
        self.says(who, Input::Approve { request, digest });
    }

    /// What every scenario asserts. Returns the log as text, to look for what must not be there.
    #[track_caller]
    pub(crate) fn check(&self) -> String {
        let mut inputs = 0;
        for (at, entry) in self.log.iter().enumerate() {
            assert_eq!(entry.seq, at as u64, "numbers rise by one");
            match (&entry.event, entry.cause) {
                (Event::Input(_), None) => inputs = entry.seq,
                (Event::Fact(_), Some(cause)) => assert_eq!(cause, inputs, "of {entry:?}"),
                _ => panic!("inputs have no cause, facts have one: {entry:?}"),
            }
        }
        let bytes = |log: &[Entry]| log.iter().map(log::encode).collect::<Vec<_>>();
        let stored = bytes(&self.log);
        let back: Vec<Entry> = stored.iter().map(|entry| log::decode(entry).unwrap()).collect();
        assert_eq!(back, self.log, "what is written is read");
        assert_eq!(bytes(&log::rerun(self.first.clone(), &back)), stored, "the same log again");
        let rebuilt = log::rebuild(self.first.clone(), &back);
        assert_eq!(rebuilt.to_bytes(), self.desk.state().to_bytes(), "the same state again");
        assert_eq!(log::replay(&back, &self.first), [], "the same verdicts again");
        let state = self.desk.state().to_bytes();
        let again = State::from_bytes(&state).map(|again| again.to_bytes());
        assert!(again.is_some_and(|again| again == state), "a state is read as it was written");
        self.check_seal();
        String::from_utf8(stored.concat()).unwrap()
    }

    fn check_seal(&self) {
        let key = Ed25519Key::from_seed(&[3; 32]).unwrap();
        let (desk, epoch) = ("desk-1".parse().unwrap(), EpochId([9; 16]));
        let mut sealed = SealedLog::new(&desk, epoch, Seed::new([1; 32]), T0.wall_ms).unwrap();
        let mut batches = Vec::new();
        for (n, part) in self.log.chunks(500).enumerate() {
            for entry in part {
                sealed.append(entry).unwrap();
            }
            let seed = Seed::new([u8::try_from(n % 200).unwrap(); 32]);
            batches.push(sealed.seal(&key, T0.wall_ms, seed).unwrap().unwrap().into_bytes());
        }
        let batches: Vec<&[u8]> = batches.iter().map(Vec::as_slice).collect();
        let key = EpochKey { instance: desk, epoch, key: key.public_key().clone() };
        assert_eq!(log::read(&batches, &key).as_ref(), Ok(&self.log), "the sealed log is the log");
        let mut bent = batches[0].to_vec();
        let middle = bent.len() / 2;
        bent[middle] ^= 1;
        let refused = log::read(&[&bent], &key).unwrap_err();
        assert!(matches!(refused, log::LogError::Batch { position: 0, .. }), "{refused:?}");
        if let [_, rest @ ..] = batches.as_slice()
            && !rest.is_empty()
        {
            assert_eq!(log::read(rest, &key), Err(log::LogError::NotNext { position: 0 }));
        }
    }
}

pub(crate) fn scrubber() -> Scrubber {
    Scrubber::new([7; 32])
}

pub(crate) fn text(text: &str) -> Scrubbed {
    scrubber().scrub(text)
}

pub(crate) fn spec(name: &str, instance: &str) -> ActionSpec {
    let args = [("instance".to_owned(), text(instance))].into();
    ActionSpec { name: name.to_owned(), args }
}

pub(crate) fn scope(name: &str, value: &str) -> BTreeMap<String, String> {
    [(name.to_owned(), value.to_owned())].into()
}

pub(crate) fn draft(kind: Kind, labels: &[(&str, &str)]) -> Draft {
    let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    Draft {
        source: Source::Kafka,
        kind,
        fault: None,
        labels: labels.iter().map(own).collect(),
        value: None,
        risk: None,
        misses: None,
        stated_ms: None,
        starts_ms: T0.wall_ms,
        ends_ms: None,
        status: Status::Firing,
        schema_known: true,
        secret: None,
        raw: b"{}".to_vec(),
    }
}

pub(crate) fn normal(draft: &Draft) -> Signal {
    let policy = Policy::shipped(Profile::ResponderDefault);
    Signal::new(draft, &scrubber(), policy.chosen(draft.kind)).unwrap()
}

/// A guard trip as it is written.
pub(crate) fn trip(capsule: &str, risk: Option<&str>, misses: Option<&str>) -> Draft {
    Draft {
        risk: risk.map(str::to_owned),
        misses: misses.map(str::to_owned),
        ..draft(Kind::GuardTrip, &[("capsule_hash", capsule), ("tenant_id", "t-1")])
    }
}

pub(crate) fn integrity(kind: Kind, fault: Fault, instance: &str) -> Signal {
    normal(&Draft { fault: Some(fault), ..draft(kind, &[("instance", instance)]) })
}
