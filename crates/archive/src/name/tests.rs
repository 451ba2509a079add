//! Names round trip, and nothing but names is one.

use super::*;

const EPOCH: &str = "000102030405060708090a0b0c0d0e0f";
const ROOT: &str = "7f3c000000000000000000000000000000000000000000000000000000000001";

fn seal() -> String {
    format!(
        "2025/11/21/nitro-001-us-east/{EPOCH}/audit/\
         00000000000000001042-00000000000000001047-{ROOT}.r0.seal"
    )
}

#[track_caller]
fn check(text: &str) {
    assert_eq!(text.parse::<Name>().unwrap().to_string(), text);
}

#[track_caller]
fn refused(text: &str) {
    assert_eq!(text.parse::<Name>(), Err(NotAName), "{text}");
}

#[test]
fn the_kinds_round_trip() {
    check(&seal());
    check(&seal().replace(".r0.", ".r4294967295."));
    for file in EpochFile::ALL {
        check(&format!("epochs/a/{EPOCH}/{}", file.as_str()));
    }
    check(&format!("checkpoints/a-1/{EPOCH}/telemetry/18446744073709551615-{ROOT}.note"));
    check(&format!("register/{:020}.cbor", 7));
    check(&format!("register/{:020}-{ROOT}.note", 7));
    check(&format!("register/{:020}-{ROOT}.cosigned.note", 7));
    check(&format!("checkpoints/a-1/{EPOCH}/audit/{:020}-{ROOT}.note.tsr", 7));
    check(&format!("checkpoints/a-1/{EPOCH}/audit/{:020}-{ROOT}.cosigned.note.tsr", 7));
    refused(&format!("checkpoints/a-1/{EPOCH}/audit/{:020}-{ROOT}.tsr", 7));
    refused(&format!("checkpoints/a-1/{EPOCH}/audit/{:020}-{ROOT}.note.tsr.tsr", 7));
    refused(&format!("register/{:020}-{ROOT}.note.tsr", 7));
    refused("register/7.cbor");
    refused(&format!("register/{:020}-{ROOT}.cbor", 7));
    refused(&format!("register/a/{:020}.cbor", 7));
    check(&format!("checkpoints/a-1/{EPOCH}/telemetry/{:020}-{ROOT}.cosigned.note", 7));
    refused(&format!("checkpoints/a-1/{EPOCH}/audit/{:020}-{ROOT}.cosigned.cosigned.note", 7));
    refused(&format!("checkpoints/a-1/{EPOCH}/audit/{:020}.cosigned-{ROOT}.note", 7));
}

#[test]
fn a_batch_in_json_is_named_by_its_number() {
    let place = format!("json/2025/11/21/nitro-001/{EPOCH}");
    let name = JsonName {
        date: Date::new(2025, 11, 21).unwrap(),
        instance: "nitro-001".parse().unwrap(),
        epoch: EPOCH.parse().unwrap(),
        sequence: 42,
    };
    assert_eq!(format!("{place}/{:020}.json", 42).parse(), Ok(Name::Json(name)));
    check(&format!("{place}/18446744073709551615.json"));
    refused(&format!("{place}/{:020}.json", 0));
    refused(&format!("{place}/42.json"));
    refused(&format!("{place}/{:020}.jsonl", 42));
    refused(&format!("{place}/audit/{:020}.json", 42));
    refused(&format!("json/2025/11/nitro-001/{EPOCH}/{:020}.json", 42));
    refused(&format!("json/2025/11/31/nitro-001/{EPOCH}/{:020}.json", 42));
}

#[test]
fn the_parts_are_what_the_text_says() {
    let name = SealName {
        date: Date::new(2025, 11, 21).unwrap(),
        ledger: ledger_id("nitro-001-us-east", EPOCH, "audit").unwrap(),
        first: 1042,
        last: 1047,
        root: ROOT.parse().unwrap(),
        revision: 0,
    };
    assert_eq!(seal().parse(), Ok(Name::Seal(name)));
}

#[test]
fn every_other_spelling_is_refused() {
    for (from, to) in [
        ("2025/11/21", "2025/11/31"),
        ("2025/11/21", "2025/1/21"),
        ("2025/11/21", "+025/11/21"),
        ("nitro-001", "Nitro-001"),
        ("nitro-001-us-east", "."),
        ("nitro-001-us-east", ".."),
        ("nitro-001-us-east", ""),
        ("nitro-001-us-east", "a%2fb"),
        ("0a0b", "0A0B"),
        ("audit", "Audit"),
        ("audit", "control"),
        ("audit/", "audit//"),
        ("00000000000000001042", "1042"),
        ("00000000000000001042", "99999999999999999999"),
        ("00000000000000001042", "+0000000000000001042"),
        ("00000000000000001042", "00000000000000001048"),
        ("7f3c", "7F3C"),
        ("7f3c0", "7f3c"),
        (".r0.", ".r00."),
        (".r0.", ".r."),
        (".r0.", ".r4294967296."),
        (".r0.", "."),
        (".seal", ".seal/"),
        (".seal", ".seal.tmp"),
        (".seal", ".seal\0"),
        (".seal", ".SEAL"),
    ] {
        let other = seal().replacen(from, to, 1);
        assert_ne!(other, seal(), "{from}");
        refused(&other);
    }
}

#[test]
fn tricks_with_paths_are_no_names() {
    refused("");
    refused("/");
    refused(&format!("/{}", seal()));
    refused(&format!("./{}", seal()));
    refused(&format!("../{}", seal()));
    refused(&format!("{}/..", seal()));
    refused(&seal().replace('/', "\\"));
    refused(&format!("epochs/a/{EPOCH}/../{EPOCH}/open.note"));
    refused(&format!("epochs/a/{EPOCH}/passwd"));
    refused(".staging/0");
    refused(".lock");
    refused(&"a/".repeat(10_000));
}
