//! Control records, read back strictly.

use alloc::string::ToString;
use alloc::vec;

use super::*;
use crate::hash::Hash;
use crate::seal::Telemetry;
use crate::testing::{close, gap, heartbeat, ledger, open};

#[test]
fn what_is_sealed_is_what_is_read() {
    let previous = Previous { epoch: "0".repeat(32), size: 3, root: "1".repeat(64) };
    let records = vec![
        open::<Telemetry>(None),
        open::<Telemetry>(Some(previous)),
        close(&ledger::<Telemetry>()),
        heartbeat(),
        gap(4),
    ];
    for record in records {
        let fields = record.fields();
        let object = [b"{", &fields[..], b"}"].concat();
        assert_eq!(Control::parse(&object, LedgerKind::Telemetry), Ok(record.clone()));
        assert_eq!(Control::parse(&object, LedgerKind::Audit), Err(NotControl));
        let linked = chain::link(Hash([7; 32]), &fields);
        assert_eq!(Control::parse(&linked, LedgerKind::Audit), Ok(record));
        assert_eq!(Control::parse(&linked, LedgerKind::Telemetry), Err(NotControl));
    }
}

#[test]
fn what_nobody_knows_is_refused() {
    let parse = |text: &str| Control::parse(text.as_bytes(), LedgerKind::Telemetry);
    let good = r#"{"type":"gap","time_ms":1,"count":2,"reason":"r"}"#;
    let expected = Gap { time_ms: 1, count: 2, reason: "r".to_string() };
    assert_eq!(parse(good), Ok(Control::Gap(expected)));
    for bad in [
        r#"{"type":"gap","time_ms":1,"count":2,"reason":"r","more":1}"#,
        r#"{"type":"gap","time_ms":1,"count":2}"#,
        r#"{"type":"gap","time_ms":1,"count":-2,"reason":"r"}"#,
        r#"{"type":"gap","time_ms":1,"count":2,"reason":"r","count":3}"#,
        r#"{"type":"chasm","time_ms":1,"count":2,"reason":"r"}"#,
        r#"{"type":"gap","time_ms":1,"count":2,"reason":"r"} "x""#,
        "[]",
        "",
    ] {
        assert_eq!(parse(bad), Err(NotControl), "{bad}");
    }
}
