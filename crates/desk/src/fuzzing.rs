//! Total functions over hostile input, for the fuzz targets and the replay of their corpora.

use crate::bundle::age;
use crate::bundle::collect::Plan;
use crate::bundle::custody::Custody;
use crate::bundle::item::Items;
use crate::bundle::manifest::Manifest;
use crate::bundle::statement::Statement;
use crate::http::auth::{AuthRefusal, Jwks, Token};
use crate::intake::{Binary, alerts_v2, batch, event, plain, webhook};
use crate::log;
use crate::policy::{Policy, Profile};
use crate::runbook::Runbook;
use crate::scrub::Scrubber;
use crate::signal::{Signal, Source};
use crate::state::State;

/// Reads a policy; whatever it is, the answer is a policy or a line of text.
pub fn fuzz_policy(yaml: &[u8]) {
    let Ok(yaml) = std::str::from_utf8(yaml) else { return };
    match Policy::parse(yaml) {
        Ok(policy) => {
            let again = Policy::parse(policy.source()).map(|again| again.digest());
            assert_eq!(again, Ok(policy.digest()), "one text is one policy");
        }
        Err(error) => assert!(!error.to_string().contains('\n'), "an error is one line"),
    }
}

/// Reads an entry and takes it in.
pub fn fuzz_entry(bytes: &[u8]) {
    let Ok(entry) = log::decode(bytes) else { return };
    assert_eq!(log::encode(&entry), bytes, "an entry has one spelling");
    let mut state = State::new(Policy::shipped(Profile::ResponderDefault));
    state.apply(&entry);
    assert!(!state.to_bytes().is_empty(), "a state can be written");
}

/// Scrubs a text; what comes out is left alone the second time.
pub fn fuzz_text(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let scrubber = Scrubber::new([7; 32]);
    let once = scrubber.scrub(&text);
    assert_eq!(scrubber.scrub(once.as_str()), once, "scrubbing comes to rest");
    let stored = serde_json::to_string(&once).unwrap_or_default();
    let back = serde_json::from_str(&stored).ok();
    assert_eq!(back, Some(once), "what is stored can be read");
}

/// Reads a body as every path of the intake would, and makes signals of what it says.
pub fn fuzz_intake(body: &[u8]) {
    let now_ms = 1_779_703_200_000;
    let binary = Binary { specversion: "1.0", kind: "x.guard_trip.v1", time: None };
    let many = [webhook(body), alerts_v2(body, now_ms), batch(body, now_ms)];
    let one =
        [event(body, now_ms), plain(body, Source::Person, now_ms), binary.draft(body, now_ms)];
    let drafts = many.into_iter().flatten().flatten().chain(one.into_iter().flatten());
    let scrubber = Scrubber::new([7; 32]);
    for draft in drafts {
        let Ok(signal) = Signal::new(&draft, &scrubber, &["instance".to_owned()]) else { continue };
        let stored = serde_json::to_vec(&signal).unwrap_or_default();
        let back: Option<Signal> = serde_json::from_slice(&stored).ok();
        assert_eq!(back, Some(signal), "what is stored can be read");
    }
}

/// Reads a manifest of a bag.
pub fn fuzz_manifest(bytes: &[u8]) {
    let Some(manifest) = Manifest::parse(bytes) else { return };
    assert_eq!(manifest.to_text().as_bytes(), bytes, "a manifest has one spelling");
}

/// Reads a chain of custody; its head is the last line's.
pub fn fuzz_custody(bytes: &[u8]) {
    let Ok(custody) = Custody::parse(bytes) else { return };
    let count = custody.lines().len();
    assert_eq!(custody.head_at(count), Some(custody.head()), "the head is at the end");
    assert_eq!(custody.head_at(count + 1), None, "and nothing after it");
}

/// Reads the list of what was collected.
pub fn fuzz_items(bytes: &[u8]) {
    let Some(items) = Items::parse(bytes) else { return };
    assert_eq!(items.to_bytes(), bytes, "a list has one spelling");
}

/// Reads a signed statement; nobody is trusted, so nothing is believed.
pub fn fuzz_statement(bytes: &[u8]) {
    let known = Statement::danger_unverified(bytes).is_ok();
    let believed = Statement::open(bytes, &[]);
    assert!(believed.is_err(), "no key, no belief, whether it is one ({known}) or not");
}

/// Reads the header of an encrypted file.
pub fn fuzz_age(bytes: &[u8]) {
    let whole = age::has_header(bytes);
    // What follows the header is none of its business.
    assert!(!whole || age::has_header(&[bytes, b"x"].concat()), "a header ends");
}

/// Reads a plan; whatever it is, the answer is a plan or a line of text.
pub fn fuzz_plan(yaml: &[u8]) {
    let Ok(yaml) = std::str::from_utf8(yaml) else { return };
    if let Err(error) = Plan::parse(yaml) {
        assert!(!error.to_string().contains('\n'), "an error is one line");
    }
}

/// Reads a runbook, and goes over what it would do.
pub fn fuzz_runbook(yaml: &[u8]) {
    let Ok(yaml) = std::str::from_utf8(yaml) else { return };
    match Runbook::parse(yaml) {
        Ok(runbook) => drop((runbook.lint(), runbook.dry_run(&[]))),
        Err(error) => assert!(!error.to_string().contains('\n'), "an error is one line"),
    }
}

/// Reads a token of an identity provider; without its keys nothing of it is believed.
pub fn fuzz_jwt(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(token) = Token::parse(text) else { return };
    let verified = token.verify(&Jwks::default()).map(|_| ());
    assert_eq!(verified, Err(AuthRefusal::Key), "no key, no belief");
}

/// Reads the keys of an identity provider.
pub fn fuzz_jwks(bytes: &[u8]) {
    let Some(keys) = Jwks::parse(bytes) else { return };
    assert_eq!(Jwks::parse(bytes), Some(keys), "one text is one set");
}

#[cfg(test)]
mod tests {
    use lucarne_testkit::replay;

    use super::*;

    #[test]
    fn corpora_are_replayed() {
        replay("desk_policy", fuzz_policy);
        replay("desk_entry", fuzz_entry);
        replay("desk_text", fuzz_text);
        replay("desk_intake", fuzz_intake);
        replay("desk_manifest", fuzz_manifest);
        replay("desk_custody", fuzz_custody);
        replay("desk_items", fuzz_items);
        replay("desk_statement", fuzz_statement);
        replay("desk_age", fuzz_age);
        replay("desk_plan", fuzz_plan);
        replay("desk_runbook", fuzz_runbook);
        replay("desk_jwt", fuzz_jwt);
        replay("desk_jwks", fuzz_jwks);
    }
}
