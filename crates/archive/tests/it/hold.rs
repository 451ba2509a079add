//! Holds on a simulated disk: what they cover, and what every fault at every step leaves of them.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

use lucarne_archive::Name;
use lucarne_archive::hold::{Entry, Hold, HoldError, HoldId, Holds, Lift, NotAHoldId};
use lucarne_archive::name::SealName;
use lucarne_testkit::{Fault, Loss, SimDisk};

const EPOCH: &str = "000102030405060708090a0b0c0d0e0f";
const ROOT: &str = "7f3c000000000000000000000000000000000000000000000000000000000001";

fn seal(day: u8, instance: &str) -> SealName {
    let name =
        format!("2026/11/{day:02}/{instance}/{EPOCH}/audit/{:020}-{:020}-{ROOT}.r0.seal", 0, 7);
    match name.parse().unwrap() {
        Name::Seal(seal) => seal,
        other => panic!("{other} is no seal"),
    }
}

fn hold(instance: Option<&str>, from: Option<&str>, to: Option<&str>) -> Hold {
    let text = |text: Option<&str>| text.map(str::to_owned);
    Hold {
        authority: "Landgericht Mitte".to_owned(),
        reason: "3 O 12/26".to_owned(),
        set_ms: 1,
        instance: text(instance),
        from: text(from),
        to: text(to),
    }
}

fn lift() -> Lift {
    Lift { authority: "counsel".to_owned(), reason: "settled".to_owned(), lifted_ms: 2 }
}

fn id(text: &str) -> HoldId {
    text.parse().unwrap()
}

fn disk() -> (SimDisk, Holds) {
    let disk = SimDisk::new(Path::new("/a"));
    let holds = Holds::at(Arc::new(disk.clone()), Path::new("/a/holds"));
    (disk, holds)
}

/// Which of three files are held: the day before, the day, another instance on the day.
fn held(holds: &Holds) -> [Option<String>; 3] {
    [seal(20, "a"), seal(21, "a"), seal(21, "b")].map(|seal| match holds.clear(&seal) {
        Ok(clearance) => {
            assert_eq!(*clearance.seal(), seal);
            None
        }
        Err(error) => Some(error.to_string()),
    })
}

#[test]
fn a_hold_covers_what_it_names_until_it_is_lifted() {
    let yes = || Some("hold case-1 covers it: 3 O 12/26".to_owned());
    let table = [
        (hold(None, None, None), [yes(), yes(), yes()]),
        (hold(Some("a"), None, None), [yes(), yes(), None]),
        (hold(None, Some("2026/11/21"), None), [None, yes(), yes()]),
        (hold(None, None, Some("2026/11/20")), [yes(), None, None]),
        (hold(Some("b"), Some("2026/11/21"), Some("2026/11/21")), [None, None, yes()]),
    ];
    for (hold, expected) in table {
        let (_, holds) = disk();
        assert_eq!(held(&holds), [None, None, None]);
        assert!(!holds.any().unwrap());
        holds.set(&id("case-1"), &hold).unwrap();
        assert_eq!(held(&holds), expected, "{hold:?}");
        assert!(holds.any().unwrap());
        let again = holds.set(&id("case-1"), &hold).unwrap_err();
        assert_eq!(again.to_string(), "hold case-1 is there already");
        holds.lift(&id("case-1"), &lift()).unwrap();
        assert_eq!(held(&holds), [None, None, None]);
        assert!(!holds.any().unwrap());
        let again = holds.lift(&id("case-1"), &lift()).unwrap_err();
        assert_eq!(again.to_string(), "hold case-1 is there already");
        let whole = Entry { id: id("case-1"), hold: Some(hold), lifted: Some(lift()) };
        assert_eq!(holds.list().unwrap(), [whole]);
    }
}

#[test]
fn what_is_not_there_is_not_lifted_and_a_scope_is_checked() {
    let (_, holds) = disk();
    assert_eq!(
        holds.lift(&id("case-1"), &lift()).unwrap_err().to_string(),
        "there is no hold case-1"
    );
    for wrong in [
        hold(Some("A b"), None, None),
        hold(None, Some("2026-11-21"), None),
        hold(None, None, Some("2026/11/31")),
    ] {
        let error = holds.set(&id("case-1"), &wrong).unwrap_err();
        assert_eq!(error.to_string(), HoldError::Scope.to_string(), "{wrong:?}");
    }
    for wrong in ["", "A", "a/b", "..", &"a".repeat(64)] {
        assert_eq!(wrong.parse::<HoldId>(), Err(NotAHoldId));
    }
}

#[test]
fn a_file_that_cannot_be_read_holds_everything_and_an_unreadable_lift_lifts_nothing() {
    let (disk, holds) = disk();
    holds.set(&id("case-1"), &hold(Some("b"), None, None)).unwrap();
    disk.flip(Path::new("/a/holds/case-1.json"), 0).unwrap();
    let all = || Some("hold case-1 cannot be read and so covers everything".to_owned());
    assert_eq!(held(&holds), [all(), all(), all()]);
    holds.lift(&id("case-1"), &lift()).unwrap();
    disk.flip(Path::new("/a/holds/case-1.lifted.json"), 0).unwrap();
    assert_eq!(held(&holds), [all(), all(), all()]);
}

#[test]
fn every_fault_leaves_a_hold_that_is_whole_or_not_there_and_one_that_was_reported_stays() {
    let faults = [
        Fault::NotDone(ErrorKind::Other),
        Fault::DoneButError(ErrorKind::Other),
        Fault::Torn(ErrorKind::Other),
        Fault::Killed,
    ];
    for fault in faults {
        for step in 0.. {
            let (disk, holds) = disk();
            disk.plan(step, fault);
            let outcome = holds.set(&id("case-1"), &hold(None, None, None));
            if !disk.take_plan() {
                outcome.unwrap();
                break;
            }
            disk.crash(Loss::Power(step));
            let entries = holds.list().unwrap();
            if outcome.is_ok() {
                assert_eq!(entries.len(), 1, "{fault:?} at {step}");
            }
            let whole =
                Entry { id: id("case-1"), hold: Some(hold(None, None, None)), lifted: None };
            assert!(entries.iter().all(|entry| *entry == whole), "{fault:?} at {step}");
            // Setting it again ends the same way whatever was left.
            if entries.is_empty() {
                holds.set(&id("case-1"), &hold(None, None, None)).unwrap();
            }
            assert_eq!(holds.list().unwrap(), [whole]);
        }
    }
}
