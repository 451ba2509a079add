//! Whose a record is: of itself, of its scope, of its resource, and nobody's where that is open.

use lucarne_ledger::batch::{EpochKey, verify};
use lucarne_ledger::control::{Control, Open};
use lucarne_ledger::identity::{EpochId, LedgerKind};
use lucarne_ledger::key::{Ed25519Key, Signer as _};
use lucarne_ledger::payload::{AuditEvent, ContextSlot, Payloads, RecordSlot};
use lucarne_ledger::salt::Seed;
use lucarne_ledger::seal::{Audit, Kind, Ledger, Telemetry};
use lucarne_otlp::wire::Writer;

use super::*;

const TIME_MS: u64 = 1_779_703_200_000;

fn ledger<K: Kind>() -> Ledger<K> {
    let (instance, epoch) = ("a".parse().unwrap(), EpochId([1; 16]));
    let mut ledger = Ledger::<K>::new(instance, epoch, Seed::new([1; 32]));
    let open = Open {
        time_ms: TIME_MS,
        instance: "a".to_owned(),
        epoch: epoch.to_string(),
        ledger: K::KIND.to_string(),
        tee: "test".to_owned(),
        measurement: String::new(),
        binding: String::new(),
        evidence_sha256: String::new(),
        previous: None,
    };
    ledger.append_control(&Control::Open(open)).unwrap();
    ledger
}

/// What the records behind `open` are found to be.
fn found<K: Kind>(mut ledger: Ledger<K>) -> Vec<Option<TenantId>> {
    let signer = Ed25519Key::from_seed(&[3; 32]).unwrap();
    let sealed = ledger.seal(&signer, TIME_MS, Seed::new([2; 32])).unwrap().unwrap();
    let (instance, epoch) = ("a".parse().unwrap(), EpochId([1; 16]));
    let key = EpochKey { instance, epoch, key: signer.public_key().clone() };
    let batch = verify(sealed.bytes(), &key).unwrap();
    let tenants = ByAttribute::new("tenant.id".to_owned()).of(&batch);
    assert_eq!((tenants.len(), tenants[0]), (batch.records().len(), None));
    tenants[1..].to_vec()
}

fn message(write: impl FnOnce(&mut Writer<'_>)) -> Vec<u8> {
    let mut out = Vec::new();
    write(&mut Writer::new(&mut out));
    out
}

/// An attribute in the field `number` of a message.
fn attribute(number: u32, key: &str, value: &str, out: &mut Writer<'_>) {
    out.message(number, |pair| {
        pair.bytes(1, key.as_bytes());
        pair.message(2, |any| any.bytes(1, value.as_bytes()));
    });
}

fn attributed(number: u32, tenant: &str) -> Vec<u8> {
    message(|out| {
        attribute(number, "other", "x", out);
        attribute(number, "tenant.id", tenant, out);
    })
}

/// A metric of the kind in the field `data`, whose points have attributes in the field `number`.
fn metric(data: u32, number: u32, points: &[Option<&str>]) -> Vec<u8> {
    message(|out| {
        out.bytes(1, b"requests");
        out.message(data, |data| {
            for tenant in points {
                data.message(1, |point| {
                    attribute(number, "other", "x", point);
                    if let Some(tenant) = tenant {
                        attribute(number, "tenant.id", tenant, point);
                    }
                });
            }
        });
    })
}

/// A batch with one resource, one scope and these records.
fn telemetry(
    resource: &[u8],
    scope: &[u8],
    records: &[(Stream, Vec<u8>)],
) -> Vec<Option<TenantId>> {
    let mut buffer = Vec::new();
    let mut slot = |message: &[u8]| {
        let start = buffer.len();
        buffer.extend_from_slice(&[0; 4]);
        buffer.extend_from_slice(message);
        start..buffer.len()
    };
    let contexts = vec![
        ContextSlot { resource: None, range: slot(resource) },
        ContextSlot { resource: Some(0), range: slot(scope) },
    ];
    let records = records.iter().map(|(stream, message)| RecordSlot {
        stream: *stream,
        scope: 1,
        range: slot(message),
    });
    let records = records.collect();
    let mut payloads = Payloads::assertion_by_contract(buffer, contexts, records);
    let mut ledger = ledger::<Telemetry>();
    ledger.append(&mut payloads).unwrap();
    found(ledger)
}

fn some(name: &str) -> Option<TenantId> {
    Some(TenantId::of(name))
}

#[test]
fn a_record_is_its_own_tenants_else_that_of_its_scope_else_that_of_its_resource() {
    let log = |tenant| (Stream::Logs, attributed(6, tenant));
    let span = |tenant| (Stream::Traces, attributed(9, tenant));
    let silent = (Stream::Logs, message(|out| attribute(6, "other", "x", out)));
    let records = || vec![log("b"), silent.clone(), span("c"), (Stream::Traces, Vec::new())];
    let nobody = telemetry(&[], &[], &records());
    assert_eq!(nobody, [None, None, some("b"), None, some("c"), None]);
    let of_resource = telemetry(&attributed(1, "a"), &[], &records());
    assert_eq!(of_resource, [some("a"), some("a"), some("b"), some("a"), some("c"), some("a")]);
    let of_scope = telemetry(&attributed(1, "a"), &attributed(3, "s"), &records());
    assert_eq!(of_scope, [some("a"), some("s"), some("b"), some("s"), some("c"), some("s")]);
}

#[test]
fn a_metric_is_a_tenants_when_all_its_points_are() {
    // Gauge, sum, histogram, exponential histogram, summary.
    for (data, number) in [(5, 7), (7, 7), (9, 9), (10, 1), (11, 7)] {
        let metric = |points: &[Option<&str>]| (Stream::Metrics, metric(data, number, points));
        let records = || {
            vec![
                metric(&[Some("b"), Some("b")]),
                metric(&[Some("b"), Some("c")]),
                metric(&[Some("a"), None]),
                metric(&[None]),
                metric(&[]),
            ]
        };
        let alone = telemetry(&[], &[], &records());
        assert_eq!(alone[2..], [some("b"), None, None, None, None], "kind {data}");
        let within = telemetry(&attributed(1, "a"), &[], &records());
        let a = some("a");
        assert_eq!(within[2..], [some("b"), None, a, a, a], "kind {data}");
    }
}

#[test]
fn text_and_whole_numbers_name_a_tenant_and_nothing_else_does() {
    let value = |write: &dyn Fn(&mut Writer<'_>)| {
        let log = message(|out| {
            out.message(6, |pair| {
                pair.bytes(1, b"tenant.id");
                pair.message(2, |any| write(any));
            });
        });
        telemetry(&[], &[], &[(Stream::Logs, log)])[2]
    };
    assert_eq!(value(&|any| any.bytes(1, "ä b".as_bytes())), some("ä b"));
    assert_eq!(value(&|any| any.varint(3, 42)), some("42"));
    assert_eq!(value(&|any| any.varint(3, u64::MAX)), some("-1"));
    assert_eq!(value(&|any| any.bytes(1, b"")), None);
    assert_eq!(value(&|any| any.varint(2, 1)), None);
    assert_eq!(value(&|any| any.double(4, 1.0)), None);
    assert_eq!(value(&|any| any.bytes(7, b"a")), None);
    let twice = message(|out| {
        attribute(6, "tenant.id", "a", out);
        attribute(6, "tenant.id", "b", out);
    });
    assert_eq!(telemetry(&[], &[], &[(Stream::Logs, twice)])[2], some("b"));
    let torn = (Stream::Logs, vec![0x32, 9]);
    assert_eq!(telemetry(&attributed(1, "a"), &[], &[torn])[2], None);
}

#[test]
fn an_event_of_the_audit_ledger_says_its_tenant_in_its_own_fields() {
    assert_eq!(Audit::KIND, LedgerKind::Audit);
    let mut ledger = ledger::<Audit>();
    let fields = [
        r#""event_type":"a","tenant.id":"acme""#,
        r#""event_type":"b","tenant.id":7"#,
        r#""event_type":"c","tenant.id":1.5"#,
        r#""event_type":"d","tenant.id":{"tenant.id":"acme"}"#,
        r#""event_type":"e","tenant.id":"""#,
        r#""event_type":"f","inner":{"tenant.id":"acme"}"#,
    ];
    for fields in fields {
        let event = AuditEvent::assertion_by_contract(fields.as_bytes().to_vec());
        ledger.append_event(&event).unwrap();
    }
    assert_eq!(found(ledger), [some("acme"), some("7"), None, None, None, None]);
}
