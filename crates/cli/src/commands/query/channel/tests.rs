//! The client against an enclave of the test: a machine with TDX of the test's own making that
//! answers, says nothing, or becomes another.

mod enclave;

use lucarne_gateway::policy;
use lucarne_ledger::report_data::ReportData;
use lucarne_link::channel::message::Verb;
use tokio::time;

use self::enclave::{Enclave, Heard, Says};
use super::*;

fn question() -> Query {
    let (from_ns, to_ns) = (0, 1);
    Query { verb: Verb::Recent, text: String::new(), from_ns, to_ns, limit: 1 }
}

async fn ask(channel: &mut Channel) -> Result<Answer, Failure> {
    channel.ask(&question(), |_| Ok(())).await
}

const REFUSED: &str = "of-the-test";

#[track_caller]
fn refused(answer: Result<Answer, Failure>) {
    let (code, reason) = (REFUSED.to_owned(), "no".to_owned());
    let expected = Answer::Refused { code, reason, seq: None, time_verified: false };
    assert_eq!(answer.unwrap(), expected);
}

#[track_caller]
fn failed<T>(outcome: Result<T, Failure>, exit: Exit, words: &str) {
    let Err(failure) = outcome else { panic!("it went on") };
    let said = failure.text(false);
    assert_eq!(failure.exit(), exit, "{said}");
    assert!(said.contains(words), "{words:?} in {said}");
}

#[test]
fn evidence_is_old_after_a_minute_or_when_what_judged_it_has_ended() {
    let [early, end] = [1_000, 2_000].map(Time::from_unix_ms);
    let (young, old) = (RENEW - Duration::from_nanos(1), RENEW);
    assert_eq!(
        [(young, early), (old, early), (young, end), (Duration::ZERO, end)]
            .map(|(age, now)| is_due(age, now, end)),
        [false, true, true, true]
    );
}

#[tokio::test]
async fn evidence_is_asked_for_again_before_a_question_when_it_is_old() {
    let enclave = Enclave::start(|_| Says::TheTruth);
    let mut channel = Channel::open(enclave.terms()).await.unwrap();
    refused(ask(&mut channel).await);
    refused(ask(&mut channel).await);
    time::pause();
    time::advance(RENEW).await;
    time::resume();
    refused(ask(&mut channel).await);
    let heard = enclave.heard();
    let [
        Heard::Challenge(first),
        Heard::Query,
        Heard::Query,
        Heard::Challenge(second),
        Heard::Query,
    ] = heard[..]
    else {
        panic!("{heard:?}")
    };
    assert_ne!(first, second, "each has its own nonce");
}

/// What is shown the second time is judged like the first; the question is not sent before.
#[tokio::test]
async fn who_is_another_when_asked_again_is_not_asked_any_more() {
    for (says, exit, words) in [
        (Says::AnotherBoot, Exit::No, "became another epoch on one connection"),
        (Says::AnotherMeasurement, Exit::No, "the measurement is not one of the policy"),
        (Says::AnotherNonce, Exit::No, "the quote is about other report data"),
        (Says::OutOfOrder, Exit::No, "message out of order"),
    ] {
        let enclave = Enclave::start(move |challenges| match challenges {
            1 => Says::TheTruth,
            _ => says,
        });
        let mut channel = Channel::open(enclave.terms()).await.unwrap();
        refused(ask(&mut channel).await);
        time::pause();
        time::advance(RENEW).await;
        time::resume();
        failed(ask(&mut channel).await, exit, words);
        failed(ask(&mut channel).await, Exit::Unreadable, "the channel has ended");
        let heard = enclave.heard();
        let asked = heard.iter().filter(|heard| **heard == Heard::Query).count();
        assert_eq!((heard.len(), asked), (3, 1), "{heard:?}");
    }
}

/// Time stands still until the enclave has fallen silent, and then runs as fast as nobody speaks.
async fn until_silent<T>(
    enclave: &Enclave,
    heard: usize,
    waiting: impl Future<Output = T>,
) -> (T, Duration) {
    let silent = async {
        enclave.until_heard(heard).await;
        time::pause();
        Instant::now()
    };
    let (outcome, since) = tokio::join!(waiting, silent);
    (outcome, since.elapsed())
}

#[tokio::test]
async fn who_does_not_shake_hands_is_not_waited_for() {
    let enclave = Enclave::start(|_| Says::NoHandshake);
    let opening = Channel::open(enclave.terms());
    let (opened, waited) = until_silent(&enclave, 1, opening).await;
    failed(opened, Exit::Unreadable, "the enclave did not answer within 15 s");
    assert!((14..=16).contains(&waited.as_secs()), "{waited:?}");
}

#[tokio::test]
async fn who_shows_no_evidence_is_not_waited_for() {
    let enclave = Enclave::start(|_| Says::Nothing);
    let opening = Channel::open(enclave.terms());
    let (opened, waited) = until_silent(&enclave, 1, opening).await;
    failed(opened, Exit::Unreadable, "the enclave did not answer within 120 s");
    assert!((119..=121).contains(&waited.as_secs()), "{waited:?}");
}

#[tokio::test]
async fn who_answers_no_question_is_not_waited_for() {
    let enclave = Enclave::start(|_| Says::TheTruthAndNoMore);
    let mut channel = Channel::open(enclave.terms()).await.unwrap();
    let (answer, waited) = until_silent(&enclave, 2, ask(&mut channel)).await;
    failed(answer, Exit::Unreadable, "the enclave did not answer within 120 s");
    assert!((119..=121).contains(&waited.as_secs()), "{waited:?}");
    failed(ask(&mut channel).await, Exit::Unreadable, "the channel has ended");
}
