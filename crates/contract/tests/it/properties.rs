//! What holds for any request.

use lucarne_contract::Contract;
use lucarne_otlp::Signal;
use lucarne_otlp::wire::Writer;
use proptest::prelude::*;

use crate::capture::{DEFAULT, capture, capture_sanitized, sanitize};
use crate::request::{V, attributes, message, metric, number_point, request, sum};

/// A text that no slot of any contract here admits, and that can be looked for.
const TOKEN: &str = "Zq7#applicant Jane Roe#95000";

const KEYS: [&str; 16] = [
    "executionId",
    "tenantHash",
    "durationMs",
    "errorCode",
    "nodeType",
    "stepCount",
    "traceId",
    "spanId",
    "severity",
    "outcome",
    "workflowType",
    "lucarne.withheld",
    "event.name",
    "service.name",
    "form.income",
    "",
];
const LABELS: [&str; 5] = ["tenant_hash", "outcome", "node_type", "amount_range", "error_code"];
const TEXTS: [&str; 14] = [
    "exec-abc-123",
    "t_8f3a2b1c",
    "E_OK",
    "calculation",
    "4bf92f3577b34da6a3ce929d0e0e4736",
    "00f067aa0ba902b7",
    "Error",
    "completed",
    "workflow started",
    "processengine",
    TOKEN,
    "",
    "node.started",
    "4111111111111111",
];

#[derive(Clone, Debug)]
enum Value {
    Text(usize),
    Int(i64),
    Double(f64),
    Bool(bool),
    Bytes,
    List(Vec<Self>),
    Map(Vec<(usize, Self)>),
}

impl Value {
    fn view(&self) -> V<'_> {
        match self {
            Self::Text(text) => V::S(TEXTS[*text]),
            Self::Int(number) => V::I(*number),
            Self::Double(number) => V::D(*number),
            Self::Bool(truth) => V::B(*truth),
            Self::Bytes => V::Bytes(TOKEN.as_bytes()),
            Self::List(values) => V::List(values.iter().map(Self::view).collect()),
            Self::Map(entries) => {
                V::Map(entries.iter().map(|(key, value)| (KEYS[*key], value.view())).collect())
            }
        }
    }
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        6 => (0..TEXTS.len()).prop_map(Value::Text),
        3 => prop_oneof![0..1000_i64, any::<i64>()].prop_map(Value::Int),
        1 => any::<f64>().prop_map(Value::Double),
        1 => any::<bool>().prop_map(Value::Bool),
        1 => Just(Value::Bytes),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::List),
            prop::collection::vec((0..KEYS.len(), inner), 0..4).prop_map(Value::Map),
        ]
    })
}

type Entries = Vec<(usize, Value)>;

fn entries() -> impl Strategy<Value = Entries> {
    prop::collection::vec((0..KEYS.len(), value()), 0..8)
}

fn named<'a>(entries: &'a Entries, keys: &[&'static str]) -> Vec<(&'static str, V<'a>)> {
    entries.iter().map(|(key, value)| (keys[key % keys.len()], value.view())).collect()
}

/// The same attributes in an encoding that nobody uses: a name that is overwritten, the value in
/// front of the name, lengths that could be shorter.
fn roundabout(writer: &mut Writer<'_>, number: u32, entries: &[(&str, V<'_>)]) {
    for (at, (key, value)) in entries.iter().enumerate() {
        writer.message(number, |writer| match at % 3 {
            0 => {
                writer.bytes(1, b"tenantHash");
                writer.bytes(1, key.as_bytes());
                writer.message(2, |writer| value.write(writer));
            }
            1 => {
                writer.message(2, |writer| value.write(writer));
                writer.bytes(1, key.as_bytes());
            }
            _ => {
                let length = u8::try_from(key.len()).unwrap();
                writer.encoded(&[0x0a, length | 0x80, 0]);
                writer.encoded(key.as_bytes());
                writer.message(2, |writer| value.write(writer));
            }
        });
    }
}

fn log() -> impl Strategy<Value = Vec<u8>> {
    (entries(), value(), 0..TEXTS.len(), any::<[u8; 4]>()).prop_map(
        |(entries, body, text, bits)| {
            message(|w| {
                w.fixed64(1, u64::from(bits[0]));
                w.varint(2, u64::from(bits[1]) % 30);
                w.bytes(3, TEXTS[text].as_bytes());
                w.message(5, |w| body.view().write(w));
                attributes(w, 6, &named(&entries, &KEYS));
                w.bytes(9, &[bits[2]; 16]);
                w.bytes(10, &TOKEN.as_bytes()[..8]);
                w.bytes(12, TEXTS[text].as_bytes());
                w.bytes(77, TOKEN.as_bytes());
            })
        },
    )
}

fn span() -> impl Strategy<Value = Vec<u8>> {
    (entries(), 0..TEXTS.len(), any::<[u8; 4]>()).prop_map(|(entries, text, bits)| {
        message(|w| {
            w.bytes(1, &[bits[0]; 16]);
            w.bytes(2, &[bits[1]; 8]);
            w.bytes(3, TOKEN.as_bytes());
            w.bytes(5, if bits[2] > 127 { b"node" } else { TEXTS[text].as_bytes() });
            w.varint(6, u64::from(bits[2]) % 8);
            w.fixed64(7, u64::from(bits[3]) * 777_777);
            attributes(w, 9, &named(&entries, &KEYS));
            w.message(15, |w| w.bytes(2, TOKEN.as_bytes()));
        })
    })
}

fn metric_of() -> impl Strategy<Value = Vec<u8>> {
    let point = (entries(), any::<[u8; 2]>(), any::<i32>());
    (prop::collection::vec(point, 0..6), 0..4_u8).prop_map(|(points, kind)| {
        let points: Vec<Vec<u8>> = points
            .iter()
            .map(|(entries, [start, time], value)| {
                let labels = named(entries, &LABELS);
                number_point(&labels, u64::from(*start), u64::from(*time), i64::from(*value))
            })
            .collect();
        match kind {
            0 => metric("bizfirst_workflow_active", 5, &points),
            1 => metric(TOKEN, 5, &points),
            kind => sum("bizfirst_workflow_executions_total", u64::from(kind) - 1, &points),
        }
    })
}

fn check(signal: Signal, resource: &Entries, scope: usize, records: &[Vec<u8>]) {
    let contract = &*DEFAULT;
    let scope = if scope == 0 { "audit" } else { TEXTS[scope] };
    let request = request(&named(resource, &KEYS), scope, records);
    let captured = capture(contract, signal, &request);
    crate::crossing::assert_absent(&captured, TOKEN);
    crate::crossing::assert_absent(&captured, "4111111111111111");
    // Sanitising what was sanitised changes nothing and withholds nothing.
    let again = capture(contract, signal, &captured.again);
    assert_eq!(again.records, captured.records);
    assert_eq!(again.withheld(), [""; 0]);
    assert_eq!(again.audit, [""; 0]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn logs_hold_no_raw_token_and_are_stable(
        resource in entries(), scope in 0..TEXTS.len(),
        records in prop::collection::vec(log(), 0..5),
    ) {
        check(Signal::Logs, &resource, scope, &records);
    }

    #[test]
    fn what_leaves_does_not_depend_on_the_encoding(
        records in prop::collection::vec(entries(), 1..4),
    ) {
        let contract = &*DEFAULT;
        let [plain, other] = [attributes, roundabout].map(|write| {
            let records: Vec<Vec<u8>> = records
                .iter()
                .map(|entries| message(|w| write(w, 6, &named(entries, &KEYS))))
                .collect();
            capture(contract, Signal::Logs, &request(&[], "app", &records))
        });
        prop_assert_eq!(&plain.again, &other.again);
        prop_assert_eq!(plain.withheld(), other.withheld());
    }

    #[test]
    fn spans_hold_no_raw_token_and_are_stable(
        resource in entries(), scope in 0..TEXTS.len(),
        records in prop::collection::vec(span(), 0..5),
    ) {
        check(Signal::Traces, &resource, scope, &records);
    }

    #[test]
    fn metrics_hold_no_raw_token_and_are_stable(
        resource in entries(), scope in 0..TEXTS.len(),
        records in prop::collection::vec(metric_of(), 0..5),
    ) {
        check(Signal::Metrics, &resource, scope, &records);
    }

    #[test]
    fn hostile_bytes_are_sanitised_or_refused(
        mut records in prop::collection::vec(prop_oneof![log(), span(), metric_of()], 1..3),
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let contract = &*DEFAULT;
        for record in &mut records {
            for (at, byte) in &flips {
                let at = at.index(record.len());
                record[at] = *byte;
            }
        }
        let request = request(&[], "app", &records);
        for signal in [Signal::Logs, Signal::Metrics, Signal::Traces] {
            if let Ok(sanitized) = sanitize(contract, signal, &request) {
                // What was accepted of it is well-formed: sealing and reading back checks that.
                let captured = capture_sanitized(sanitized);
                let again = capture(contract, signal, &captured.again);
                prop_assert_eq!(again.records, captured.records);
            }
        }
    }

    #[test]
    fn a_pattern_matches_the_whole_value(before in "[ -~]{0,3}", after in "[ -~\n]{0,3}") {
        let contract = Contract::parse(
            "contract: a/1\nreject: []\n\
             logs: { attributes: { k: { type: string, pattern: 'ab|abc' } } }",
        )
        .unwrap();
        let text = format!("{before}abc{after}");
        let record = message(|w: &mut Writer<'_>| attributes(w, 6, &[("k", V::S(&text))]));
        let captured = capture(&contract, Signal::Logs, &request(&[], "app", &[record]));
        let expected = if text == "abc" { "log k=\"abc\"" } else { "log lucarne.withheld=[\"k\"]" };
        prop_assert_eq!(captured.records, [expected]);
    }
}
