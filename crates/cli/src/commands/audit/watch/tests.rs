//! Rounds over an archive that grows, goes silent and is attacked between two looks.

use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use lucarne_gateway::clock::Clock;
use lucarne_ledger::audit::cause::Cause;
use lucarne_ledger::audit::finding::{Finding, FindingKind, SeqRange, Subject};

use super::Place;
use super::eye::{Eye, Looked};
use super::news::{OLD_MS, SILENT_MS, Standing};
use super::signals::{Raised, Signals};
use super::state::{self, State};
use crate::commands::audit::Wanted;
use crate::commands::audit::verify::tests::site::{FIRST, SECOND, Site};
use crate::failure::Exit;

/// Time of the records of [`Site`].
const TIME_MS: u64 = 1_779_703_200_000;
const DAY: Duration = Duration::from_hours(24);

/// A clock whose hands a test moves.
#[derive(Default)]
struct Hand(Mutex<u64>);

impl Clock for Hand {
    fn unix_ns(&self) -> u64 {
        (TIME_MS + *self.0.lock().unwrap()) * 1_000_000
    }

    fn elapsed(&self) -> Duration {
        Duration::from_millis(*self.0.lock().unwrap())
    }
}

struct Watch {
    site: Site,
    clock: Arc<Hand>,
    eye: Eye,
}

impl Watch {
    fn of(site: Site) -> Self {
        let clock = Arc::new(Hand::default());
        let eye = eye(&site, &clock, &State::default());
        Self { site, clock, eye }
    }

    fn later(&self, ms: u64) {
        *self.clock.0.lock().unwrap() += ms;
    }

    #[track_caller]
    fn look(&mut self) -> (bool, Standing) {
        match self.eye.look(&|| false).unwrap() {
            Looked::Whole { full } => (full, self.eye.standing()),
            Looked::Stopped => panic!("nobody stopped it"),
        }
    }

    /// A round has this exit and these findings.
    #[track_caller]
    fn check(&mut self, full: bool, exit: Exit, expected: &[(&str, u64, u64)]) -> Standing {
        let (was_full, standing) = self.look();
        let found: Vec<(&str, u64, u64)> = standing
            .news()
            .map(|f| (f.kind().as_str(), f.range.unwrap().first, f.range.unwrap().last))
            .collect();
        assert_eq!((was_full, standing.exit(), found), (full, exit, expected.to_vec()));
        standing
    }

    /// Files are put where nobody looks; gives what puts them back.
    fn hide(&self, paths: &[PathBuf]) -> Vec<(PathBuf, Vec<u8>)> {
        let hidden = paths.iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect();
        paths.iter().for_each(|path| fs::remove_file(path).unwrap());
        hidden
    }
}

fn eye(site: &Site, clock: &Arc<Hand>, state: &State) -> Eye {
    let (records_dir, policy) = (site.archive(), site.policy());
    let place = Place { records_dir, policy, wanted: Wanted::default() };
    let clock: Arc<dyn Clock> = Arc::<Hand>::clone(clock);
    let mut eye = Eye::new(&place, DAY, clock, false);
    eye.remember(state);
    eye
}

fn show(hidden: &[(PathBuf, Vec<u8>)]) {
    hidden.iter().for_each(|(path, bytes)| fs::write(path, bytes).unwrap());
}

/// The last segments of both ledgers and what vouches for them: without, the epoch is open.
fn ends(site: &Site) -> Vec<PathBuf> {
    ["audit", "telemetry"]
        .into_iter()
        .flat_map(|ledger| [site.seals(ledger).pop(), site.checkpoints(ledger).pop()])
        .map(Option::unwrap)
        .collect()
}

/// From where and how many records of the audit ledger were verified by the last look at it.
fn audit(standing: &Standing) -> (u64, u64, u64) {
    let ledger = &standing.report.ledgers[0];
    (ledger.from, ledger.verified, ledger.size)
}

#[test]
fn what_is_new_is_verified_and_nothing_else() {
    let mut watch = Watch::of(Site::new());
    let hidden = watch.hide(&ends(&watch.site));
    let standing = watch.check(true, Exit::Insecure, &[]);
    assert_eq!((audit(&standing), standing.open.len()), ((0, 6, 6), 2));
    // Nothing is new.
    let standing = watch.check(false, Exit::Insecure, &[]);
    assert_eq!((audit(&standing), standing.open.len()), ((0, 6, 6), 2));
    show(&hidden);
    let standing = watch.check(false, Exit::Insecure, &[]);
    assert_eq!((audit(&standing), standing.open.len()), ((6, 3, 9), 0));
    watch.later(86_400_000);
    let standing = watch.check(true, Exit::Insecure, &[]);
    assert_eq!((audit(&standing), standing.open.len()), ((0, 9, 9), 0));
}

#[test]
fn an_open_epoch_is_no_finding_until_it_is_silent_and_again_when_it_goes_on() {
    let mut watch = Watch::of(Site::of_single_records());
    let (seals, notes) = (watch.site.seals("audit"), watch.site.checkpoints("audit"));
    let fourth = watch.hide(&[seals[3].clone(), notes[3].clone()]);
    watch.hide(&[seals[4].clone(), notes[4].clone()]);
    let signals = signals(None);
    watch.later(OLD_MS - 1);
    watch.check(true, Exit::Insecure, &[]);
    assert_eq!(raise(&signals, &watch, true), Vec::<String>::new());
    // The head is old before the epoch is silent: a signal of its own, until more comes.
    watch.later(SILENT_MS - OLD_MS);
    let standing = watch.check(false, Exit::CouldNotTell, &[("STALE", 2, 2)]);
    assert_eq!(standing.count(FindingKind::Stale), 1);
    let told_once = |watch: &Watch| {
        let told = (raise(&signals, watch, false).len(), raise(&signals, watch, false).len());
        assert_eq!(told, (1, 0));
        while let Some((id, _)) = signals.next(None) {
            signals.sent(&id).unwrap();
        }
    };
    told_once(&watch);
    let silent = |watch: &mut Watch| {
        let (was_full, standing) = watch.look();
        let kinds: Vec<&str> = standing.news().map(|found| found.kind().as_str()).collect();
        // The other ledger, which the policy requires, was never begun.
        assert_eq!(kinds, ["UNCLEAN_END", "UNCLEAN_END"]);
        assert_eq!((was_full, standing.exit()), (false, Exit::CouldNotTell));
        let told = (raise(&signals, watch, false).len(), raise(&signals, watch, false).len());
        assert_eq!(told, (2, 0));
        while let Some((id, _)) = signals.next(None) {
            signals.sent(&id).unwrap();
        }
    };
    watch.later(1);
    silent(&mut watch);
    // What comes late was sealed long ago: the epoch lives, and its head is old.
    show(&fourth);
    watch.check(false, Exit::CouldNotTell, &[("STALE", 3, 3)]);
    told_once(&watch);
    watch.later(SILENT_MS);
    silent(&mut watch);
}

#[test]
fn an_anchor_ahead_of_its_records_is_tampering_once_nothing_comes() {
    let mut watch = Watch::of(Site::new());
    let seal = watch.site.seals("audit").pop().unwrap();
    watch.hide(&[seal]);
    let standing = watch.check(true, Exit::Insecure, &[]);
    assert_eq!(standing.excused.len(), 1);
    watch.later(SILENT_MS);
    watch.check(false, Exit::No, &[("TRUNCATED", 6, 8)]);
}

#[test]
fn an_end_that_was_there_is_missed_by_every_later_look() {
    let mut watch = Watch::of(Site::new());
    watch.check(true, Exit::Insecure, &[]);
    let hidden = watch.hide(&ends(&watch.site)[..2]);
    // The files alone look like those of an epoch that goes on.
    watch.check(false, Exit::No, &[("TRUNCATED", 6, 8)]);
    watch.later(86_400_000);
    watch.check(true, Exit::No, &[("TRUNCATED", 6, 8)]);
    show(&hidden);
    watch.check(false, Exit::Insecure, &[]);
}

#[test]
fn what_was_verified_before_a_restart_is_missed_after_it() {
    let mut watch = Watch::of(Site::new());
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("state.json");
    watch.check(true, Exit::Insecure, &[]);
    raise(&signals(Some(path.clone())), &watch, true);
    watch.hide(&ends(&watch.site)[..2]);
    let blank = eye(&watch.site, &watch.clock, &State::default());
    watch.eye = eye(&watch.site, &watch.clock, &state::load(&path).unwrap());
    watch.check(true, Exit::No, &[("TRUNCATED", 6, 8)]);
    watch.eye = blank;
    watch.check(true, Exit::Insecure, &[]);
}

#[test]
fn a_file_before_the_head_that_goes_is_missed_at_once() {
    let mut watch = Watch::of(Site::new());
    watch.check(true, Exit::Insecure, &[]);
    let seal = watch.site.seals("audit").remove(0);
    let hidden = watch.hide(&[seal]);
    let standing = watch.check(false, Exit::No, &[("MISSING", 0, 2)]);
    assert_eq!(audit(&standing), (0, 6, 9));
    // It stands while nothing changes, and until everything was verified again.
    watch.check(false, Exit::No, &[("MISSING", 0, 2)]);
    show(&hidden);
    watch.check(false, Exit::No, &[("MISSING", 0, 2)]);
    watch.later(86_400_000);
    watch.check(true, Exit::Insecure, &[]);
}

#[test]
fn bytes_that_change_under_their_name_are_found_by_the_next_full_verification() {
    let mut watch = Watch::of(Site::new());
    watch.check(true, Exit::Insecure, &[]);
    let seal = watch.site.seals("audit").remove(1);
    let mut bytes = fs::read(&seal).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&seal, bytes).unwrap();
    watch.check(false, Exit::Insecure, &[]);
    watch.later(86_399_999);
    watch.check(false, Exit::Insecure, &[]);
    watch.later(1);
    watch.check(true, Exit::No, &[("MODIFIED", 3, 5)]);
}

#[test]
fn a_new_epoch_and_a_new_policy_bring_a_full_verification_forward() {
    let mut watch = Watch::of(Site::new());
    watch.check(true, Exit::Insecure, &[]);
    watch.site.add_epoch(&SECOND);
    let standing = watch.check(true, Exit::Insecure, &[]);
    assert_eq!(standing.shown.len(), 4);
    watch.check(false, Exit::Insecure, &[]);
    let policy = fs::read_to_string(watch.site.policy()).unwrap();
    fs::write(watch.site.policy(), format!("{policy}\n")).unwrap();
    watch.check(true, Exit::Insecure, &[]);
    fs::write(watch.site.policy(), "nonsense").unwrap();
    let failure = watch.eye.look(&|| false).unwrap_err();
    assert_eq!(failure.exit(), Exit::Usage);
    assert_eq!(watch.eye.standing().exit(), Exit::Insecure, "what was known is still known");
}

#[test]
fn an_epoch_of_which_nobody_vouches_for_the_key_is_told() {
    let mut watch = Watch::of(Site::new());
    fs::remove_file(watch.site.epoch_file(&FIRST, "evidence.cbor")).unwrap();
    let (full, standing) = watch.look();
    let kinds: Vec<&str> = standing.news().map(|finding| finding.kind().as_str()).collect();
    assert_eq!((full, standing.exit(), kinds), (true, Exit::CouldNotTell, vec!["INCOMPLETE"]));
}

#[test]
fn a_round_that_is_stopped_changes_nothing() {
    let mut watch = Watch::of(Site::new());
    assert_eq!(watch.eye.look(&|| true).unwrap(), Looked::Stopped);
    assert!(!watch.eye.has_looked());
    watch.check(true, Exit::Insecure, &[]);
}

fn signals(path: Option<PathBuf>) -> Signals {
    let state = path.as_deref().map(|path| state::load(path).unwrap()).unwrap_or_default();
    Signals::new(state, path, "./archive".to_owned(), true)
}

fn raise(signals: &Signals, watch: &Watch, full: bool) -> Vec<String> {
    let (eye, now_ms) = (&watch.eye, watch.clock.unix_ns() / 1_000_000);
    let standing = eye.standing();
    let raised = signals.raise(&standing, eye.memory(), eye.policy_sha256(), full, now_ms).unwrap();
    assert_eq!((raised.left_out, raised.unsaved.map(|failure| failure.exit())), (0, None));
    raised.lines
}

#[test]
fn a_finding_is_signalled_once_and_kept_until_it_is_taken() {
    let mut watch = Watch::of(Site::new());
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("state.json");
    let seals = watch.site.seals("audit");
    let hidden = watch.hide(&seals[..1]);
    watch.check(true, Exit::No, &[("MISSING", 0, 2)]);
    let first = signals(Some(path.clone()));
    let lines = raise(&first, &watch, true);
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].starts_with("MISSING nitro-001-us-east/") && lines[0].contains(" seq 0-2: "));
    assert_eq!(raise(&first, &watch, true), Vec::<String>::new());
    let (id, body) = first.next(None).unwrap();

    // A restart neither repeats nor loses it.
    let second = signals(Some(path.clone()));
    assert_eq!(raise(&second, &watch, true), Vec::<String>::new());
    assert_eq!(second.next(None), Some((id.clone(), body.clone())));
    let signal: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(signal["schema"], "lucarne.audit.signal/1");
    assert_eq!((&signal["id"], &signal["archive"]), (&id.clone().into(), &"./archive".into()));
    assert_eq!(signal["raised"], "2026-05-25T10:00:00.000000000Z");
    assert_eq!(signal["policy_sha256"], watch.eye.policy_sha256().to_string());
    assert_eq!(
        (&signal["finding"]["kind"], &signal["finding"]["last"]),
        (&"MISSING".into(), &2.into())
    );
    second.sent(&id).unwrap();
    let third = signals(Some(path));
    assert_eq!((third.next(None), third.waiting()), (None, 0));
    assert_eq!(raise(&third, &watch, true), Vec::<String>::new());

    // What was mended and comes back is told again, under another id.
    show(&hidden);
    watch.later(86_400_000);
    watch.check(true, Exit::Insecure, &[]);
    assert_eq!(raise(&third, &watch, true), Vec::<String>::new());
    watch.hide(&seals[..1]);
    watch.check(false, Exit::No, &[("MISSING", 0, 2)]);
    assert_eq!(raise(&third, &watch, false).len(), 1);
    assert_ne!(third.next(None).unwrap().0, id);
}

#[test]
fn a_state_that_cannot_be_written_keeps_nothing_back_and_is_written_when_it_can() {
    let mut watch = Watch::of(Site::new());
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("gone/state.json");
    watch.hide(&watch.site.seals("audit")[..1]);
    watch.check(true, Exit::No, &[("MISSING", 0, 2)]);
    let first = signals(Some(path.clone()));
    let (eye, standing) = (&watch.eye, watch.eye.standing());
    let raise_at = |now_ms| {
        let raised = first.raise(&standing, eye.memory(), eye.policy_sha256(), true, now_ms);
        let Raised { lines, unsaved, .. } = raised.unwrap();
        (lines.len(), unsaved.map(|failure| failure.exit()))
    };
    assert_eq!(raise_at(1), (1, Some(Exit::Unreadable)));
    let (id, _) = first.next(None).unwrap();
    assert_eq!(raise_at(2), (0, Some(Exit::Unreadable)), "said once, and never called well");
    fs::create_dir(path.parent().unwrap()).unwrap();
    assert_eq!(raise_at(3), (0, None));
    assert_eq!(signals(Some(path)).next(None).unwrap().0, id);
}

/// A finding of each of these numbers.
fn found(numbers: std::ops::Range<u64>, cause: &Cause) -> Vec<Finding> {
    let at = |seq| Some(SeqRange { first: seq, last: seq });
    let (subject, accepted) = (Subject::Archive, None);
    let finding = |range| {
        let (subject, cause) = (subject.clone(), cause.clone());
        Finding { subject, range, file: None, cause, accepted: accepted.clone() }
    };
    numbers.map(|seq| finding(at(seq))).collect()
}

#[test]
fn what_is_harmless_takes_no_signal_of_evidence() {
    let watch = Watch::of(Site::new());
    let (first, eye) = (signals(None), &watch.eye);
    let raise = |findings| {
        let mut standing = eye.standing();
        standing.report.findings = findings;
        first.raise(&standing, eye.memory(), eye.policy_sha256(), true, 1).unwrap()
    };
    let gap = Cause::GapDeclared { count: 1, reason: "full".to_owned() };
    let mut all = found(0..1_500, &gap);
    let raised = raise(all.clone());
    assert_eq!((raised.lines.len(), raised.left_out), (1_000, 500));
    all.extend(found(7..8, &Cause::BatchesAbsent));
    let raised = raise(all.clone());
    assert_eq!((raised.lines.len(), raised.left_out), (1, 500));
    assert!(raised.lines[0].starts_with("MISSING archive seq 7: "), "{:?}", raised.lines);
    assert_eq!(raise(all).lines, Vec::<String>::new());
}

#[test]
fn the_signals_that_wait_take_turns() {
    let mut watch = Watch::of(Site::new());
    let (audit, telemetry) = (watch.site.seals("audit"), watch.site.seals("telemetry"));
    watch.hide(&[audit[0].clone(), telemetry[0].clone()]);
    watch.look();
    let signals = signals(None);
    assert_eq!(raise(&signals, &watch, true).len(), 2);
    let (one, _) = signals.next(None).unwrap();
    let (other, _) = signals.next(Some(&one)).unwrap();
    assert_ne!(one, other);
    assert_eq!(signals.next(Some(&other)).unwrap().0, one);
    signals.sent(&one).unwrap();
    assert_eq!(signals.next(Some(&other)).unwrap().0, other);
}
