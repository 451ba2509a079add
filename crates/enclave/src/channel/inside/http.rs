//! The HTTP APIs of Loki and Tempo, for clients at the other end of a tunnel.
//!
//! A question is a target (`/loki/api/v1/labels?start=1`) and, in lines of their own, the few
//! headers that change an answer. The answer is CBOR `[status, content type, what it lacks]` and
//! the body. What the role may not see or cost is as with every other question.

use std::time::{Duration, Instant};

use lucarne_ledger::cbor::Writer;
use lucarne_store::Store;
use lucarne_store::engine::error::QueryError;
use lucarne_store::engine::limits::{Cancel, Limits};
use lucarne_store::surface::{self, Asker, Mode, Request, Response, Tailing};

use super::allowed::Allowed;
use super::lines::{limits, now_ns, too_far};
use super::turns::Turns;
use crate::channel::answers::{AnswerError, Rows};
use crate::channel::permit::Permit;
use crate::channel::recorder::Outcome;

/// Answers a request of an API whose paths begin with one of `prefixes`.
pub(super) fn request(
    store: &Store,
    prefixes: &[&str],
    turns: &Turns,
    permit: &Permit,
    rows: &mut Rows,
) -> Result<(), AnswerError> {
    let text = &permit.query().text;
    let request =
        read(text).filter(|request| prefixes.iter().any(|prefix| request.path.starts_with(prefix)));
    let request = request.ok_or_else(|| AnswerError::Malformed(EXPECTED.into()))?;
    let now_ns = now_ns();
    let allowed = Allowed::new(store, permit.streams(), permit.span_ns_max(), now_ns);
    let turn = if request.path == READY { None } else { Some(turns.take(rows)?) };
    let (cancel, began) = (Cancel::default(), Instant::now());
    // Nobody searches for who has gone, nor longer than the answer may take with all its waiting.
    let over = || rows.check().is_err();
    let asker = Asker {
        limits: Limits { rows: permit.rows_max(), ..limits(permit) },
        mode: Mode::Extended,
        cancel: &cancel,
        now_ns,
        elapsed: &|| if over() { Duration::MAX } else { began.elapsed() },
    };
    let response = surface::answer(&request, &allowed, &asker);
    drop(turn);
    if allowed.went_too_far() {
        return Err(too_far(permit));
    }
    let head = head(&response);
    // Whole or not at all: half a document is none, and its head would promise one.
    rows.fits(head.len().saturating_add(response.body.len()))?;
    rows.write(&head)?;
    rows.write(&response.body)?;
    // The client is told in its own words; the record of the answer is told so here.
    if response.status >= 400 {
        rows.ended(Outcome::Failed);
    } else if !lacks(&response).is_empty() {
        rows.ended(Outcome::Partial);
    }
    Ok(())
}

/// Whether it asks for an answer that does not end by itself.
pub(super) fn is_followed(permit: &Permit) -> bool {
    read(&permit.query().text).is_some_and(|request| request.path == TAIL)
}

/// Lines of JSON as they come, each a message of Loki's `tail`, for less time than a question may
/// take; the last says where the next question goes on.
pub(super) fn follow(
    store: &Store,
    turns: &Turns,
    permit: &Permit,
    rows: &mut Rows,
) -> Result<(), AnswerError> {
    let text = &permit.query().text;
    let request = read(text).ok_or_else(|| AnswerError::Malformed(EXPECTED.into()))?;
    let allowed = &Allowed::new(store, permit.streams(), permit.span_ns_max(), now_ns());
    let (cancel, until) = (Cancel::default(), Instant::now() + FOLLOW);
    let (mut open, mut told) = (None, 0_u64);
    loop {
        let began = Instant::now();
        let asker = Asker {
            limits: Limits { rows: permit.rows_max(), ..limits(permit) },
            mode: Mode::Extended,
            cancel: &cancel,
            now_ns: now_ns(),
            elapsed: &|| began.elapsed(),
        };
        let tailing = match &mut open {
            Some(tailing) => tailing,
            None => match Tailing::open(&request, &asker) {
                Ok(tailing) => {
                    rows.write(&encode_head(200, "application/x-ndjson", ""))?;
                    open.insert(tailing)
                }
                Err(response) => {
                    rows.write(&head(&response))?;
                    return Ok(rows.write(&response.body)?);
                }
            },
        };
        let Some(turn) = turns.wait(rows, until)? else {
            return Ok(rows.write(next(tailing).as_bytes())?);
        };
        let polled = tailing.poll(allowed, &asker).map_err(|error| match error {
            _ if allowed.went_too_far() => too_far(permit),
            QueryError::Exceeded(limit) => AnswerError::TooMuch(limit),
            error => AnswerError::Malformed(error.to_string()),
        })?;
        drop(turn);
        if let Some(message) = polled.message {
            rows.write(message.as_bytes())?;
            rows.write(b"\n")?;
            rows.counted(polled.rows);
            rows.flush()?;
            told = told.saturating_add(polled.rows);
        }
        // The next frame might be more than a role may have of one question; another one goes on.
        let had = told.saturating_add(tailing.rows_a_frame()) > permit.rows_max();
        if polled.more && !had {
            continue;
        }
        if had || Instant::now() >= until {
            return Ok(rows.write(next(tailing).as_bytes())?);
        }
        rows.rest(POLL)?;
    }
}

/// The last line: where the next question goes on.
fn next(tailing: &Tailing) -> String {
    format!("{{\"next\":\"{}\"}}\n", tailing.next_ns())
}

fn head(response: &Response) -> Vec<u8> {
    encode_head(response.status, response.content_type, lacks(response))
}

fn lacks(response: &Response) -> &str {
    let lacks = response.headers.iter().find(|(name, _)| *name == "lucarne-partial");
    lacks.map_or("", |(_, value)| value)
}

fn encode_head(status: u16, content_type: &str, lacks: &str) -> Vec<u8> {
    let mut out = Writer::new();
    out.array(3).uint(u64::from(status)).text(content_type).text(lacks);
    out.finish()
}

const EXPECTED: &str = "expected a target of the API, and headers that change its answer";
/// Says that there is a view, and searches nothing.
const READY: &str = "/ready";
/// The one path whose answer does not end by itself.
const TAIL: &str = "/loki/api/v1/tail";
/// A question may take a minute, its end included.
const FOLLOW: Duration = Duration::from_secs(45);
/// As often as Loki looks.
const POLL: Duration = Duration::from_secs(1);

/// A target in the first line; then at most the headers that an answer depends on.
fn read(text: &str) -> Option<Request<'_>> {
    let mut lines = text.split('\n');
    let (path, query) =
        lines.next().map(|target| target.split_once('?').unwrap_or((target, "")))?;
    let mut request = Request {
        method: "GET",
        path,
        query,
        content_type: "",
        accept: "",
        encoding_flags: "",
        body: &[],
    };
    for line in lines {
        match line.split_once(": ")? {
            ("accept", value) if request.accept.is_empty() => request.accept = value,
            ("x-loki-response-encoding-flags", value) if request.encoding_flags.is_empty() => {
                request.encoding_flags = value;
            }
            _ => return None,
        }
    }
    Some(request)
}

#[cfg(test)]
mod tests {
    use super::read;

    #[track_caller]
    fn check(text: &str, expected: Option<(&str, &str, &str, &str)>) {
        let request = read(text);
        let parts = request.as_ref().map(|r| (r.path, r.query, r.accept, r.encoding_flags));
        assert_eq!(parts, expected, "{text}");
    }

    #[test]
    fn a_question_is_a_target_and_two_headers() {
        check("/ready", Some(("/ready", "", "", "")));
        check("/api/search?q=%7B%7D", Some(("/api/search", "q=%7B%7D", "", "")));
        let both = "/a?b\naccept: application/protobuf\nx-loki-response-encoding-flags: c";
        check(both, Some(("/a", "b", "application/protobuf", "c")));
        check("/a\naccept: x\naccept: y", None);
        check("/a\ncookie: x", None);
        check("/a\n", None);
    }
}
