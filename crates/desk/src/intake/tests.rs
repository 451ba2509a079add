//! Bodies as the senders write them.

use super::{IntakeError, alerts_v2, event, instant_ms, webhook};
use crate::signal::{Kind, Status};

#[test]
fn instants_are_those_of_rfc_3339() {
    for (text, ms) in [
        ("2026-05-25T10:00:00Z", Some(1_779_703_200_000)),
        ("2026-05-25T12:00:00.25+02:00", Some(1_779_703_200_250)),
        ("1970-01-01T00:00:00Z", Some(0)),
        ("2000-02-29T23:59:59.999999999Z", Some(951_868_799_999)),
        ("0001-01-01T00:00:00Z", Some(0)),
        ("2026-05-25", None),
        ("2026-05-25T10:00:00", None),
        ("2026-13-25T10:00:00Z", None),
        ("2026-05-25T24:00:00Z", None),
        ("2026-05-25T10:00:00+0200", None),
        ("-2026-05-25T10:00:00Z", None),
    ] {
        assert_eq!(instant_ms(text), ms, "{text}");
    }
}

#[test]
fn a_webhook_is_a_draft_for_each_alert() {
    let body = br#"{"version":"4","receiver":"x","notification_reason":"new","alerts":[
        {"status":"resolved","labels":{"alertname":"A","riskScore":"0.9","heartbeatMisses":"4",
         "capsuleHash":"c"},"startsAt":"1970-01-01T00:00:01Z","endsAt":"1970-01-01T00:00:02Z"},
        {"status":"firing","labels":{"alertname":"TeeAuditChainFailure"}}]}"#;
    let drafts = webhook(body).unwrap();
    let [first, second] = &drafts[..] else { panic!("{} drafts", drafts.len()) };
    assert_eq!(first.kind, Kind::GuardTrip);
    assert_eq!((first.risk.as_deref(), first.misses.as_deref()), (Some("0.9"), Some("4")));
    assert_eq!(
        (first.status, first.starts_ms, first.ends_ms),
        (Status::Resolved, 1000, Some(2000))
    );
    assert_eq!(first.labels["capsule_hash"], "c");
    assert_eq!((second.kind, second.status), (Kind::AuditIntegrity, Status::Firing));
    assert!(first.schema_known);
    let odd = br#"{"version":"5","alerts":[{"labels":{}}]}"#;
    assert!(!webhook(odd).unwrap()[0].schema_known);
    for (bad, why) in [
        (&b"{"[..], IntakeError::Shape),
        (b"{\"alerts\":{}}", IntakeError::Shape),
        (b"{\"alerts\":[{\"labels\":{},\"status\":\"?\"}]}", IntakeError::Shape),
        (b"{\"alerts\":[{\"labels\":{},\"startsAt\":\"now\"}]}", IntakeError::Time),
    ] {
        assert_eq!(webhook(bad).map(|_| ()), Err(why));
    }
    let many = format!("[{}{{\"labels\":{{}}}}]", "{\"labels\":{}},".repeat(1000));
    assert_eq!(alerts_v2(many.as_bytes(), 0).map(|_| ()), Err(IntakeError::TooMany));
}

#[test]
fn an_alert_of_the_api_is_over_when_its_end_is_past() {
    let body = br#"[{"labels":{"alertname":"A"},"endsAt":"1970-01-01T00:00:05Z"}]"#;
    assert_eq!(alerts_v2(body, 4999).unwrap()[0].status, Status::Firing);
    assert_eq!(alerts_v2(body, 5000).unwrap()[0].status, Status::Resolved);
}

#[test]
fn a_cloud_event_of_another_version_is_none() {
    let body = |version: &str| {
        format!(
            "{{\"specversion\":\"{version}\",\"type\":\"x.guard_trip\",\"id\":\"1\",\
             \"source\":\"s\",\"data\":{{\"capsuleHash\":\"c\"}}}}"
        )
    };
    assert_eq!(event(body("1.0").as_bytes(), 7).unwrap().starts_ms, 7);
    assert_eq!(event(body("0.3").as_bytes(), 7).map(|_| ()), Err(IntakeError::Shape));
}
