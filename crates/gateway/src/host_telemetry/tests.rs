//! What is taken of a request, and what a client is told.

use lucarne_ledger::key::Ed25519Key;
use lucarne_redact::{OnHit, Rules, RulesConfig};

use super::*;

fn outer(on_hit: OnHit) -> OuterLayer {
    let rules = Rules::compile(RulesConfig { on_hit, ..RulesConfig::shipped() }).unwrap();
    OuterLayer::new(rules, Ed25519Key::from_seed(&[7; 32]).unwrap())
}

fn attribute(number: u32, key: &str, value: &str, out: &mut Writer<'_>) {
    out.message(number, |pair| {
        pair.bytes(1, key.as_bytes());
        pair.message(2, |any| any.bytes(1, value.as_bytes()));
    });
}

/// A request with a resource, a scope and one record for each attribute.
fn request(resource: &[(&str, &str)], records: &[(&str, &str)]) -> Vec<u8> {
    let mut out = Vec::new();
    Writer::new(&mut out).message(1, |element| {
        element.message(1, |it| resource.iter().for_each(|(k, v)| attribute(1, k, v, it)));
        element.message(2, |scoped| {
            scoped.message(1, |scope| scope.bytes(1, b"lib"));
            for (key, value) in records {
                scoped.message(2, |log| attribute(6, key, value, log));
            }
        });
    });
    out
}

fn hit(rule: &str, key: &str) -> Hit {
    Hit { rule: rule.into(), key: Some(key.into()) }
}

#[test]
fn records_are_screened_one_by_one() {
    let records = [("a", "1"), ("form.income", "95000"), ("b", "078-05-1120"), ("c", "2")];
    let sent = request(&[("service.name", "x")], &records);
    let screened = screen(&outer(OnHit::Drop), Signal::Logs, &sent).unwrap();
    let expected = Screened {
        request: request(&[("service.name", "x")], &[("a", "1"), ("c", "2")]),
        records: 2,
        hits: vec![hit("key:form.*", "form.income"), hit("value:2", "b")],
    };
    assert_eq!(screened, expected);
    assert_eq!(super::records(&screened.request).unwrap().len(), 2);
}

#[test]
fn a_hit_in_a_resource_costs_its_records_only_that() {
    let sent = request(&[("applicant.id", "7")], &[("a", "1")]);
    let screened = screen(&outer(OnHit::Drop), Signal::Logs, &sent).unwrap();
    let expected = Screened {
        request: request(&[], &[("a", "1")]),
        records: 1,
        hits: vec![hit("key:applicant.*", "applicant.id")],
    };
    assert_eq!(screened, expected);
}

#[test]
fn what_is_no_request_is_refused_whole() {
    let mut sent = request(&[], &[("a", "1")]);
    sent.extend_from_slice(&[0x0a, 0x7f]);
    let refused = screen(&outer(OnHit::Drop), Signal::Logs, &sent);
    assert_eq!(refused, Err(WireError::Truncated));
}
