//! `tail` through the tunnel: one question after the other, each of which is answered for most of a
//! minute, and each with its record.
//!
//! The enclave's last line says where the next question goes on. A client that does not read what
//! comes is let go, because the channel must not wait for it.

use lucarne_gateway::websocket::{Message, Out};
use lucarne_link::channel::message::Query;
use serde_json::Value;

use super::head;
use crate::commands::query::channel::{Answer, Channel};
use crate::commands::query::connection::Connection;
use crate::failure::{Exit, Failure};

/// An answer that is being read: its head, and what is behind the last whole line.
#[derive(Default)]
struct Reading {
    bytes: Vec<u8>,
    is_behind_head: bool,
    next: Option<String>,
}

/// Tells what the enclave finds until nobody listens, or the enclave ends it.
pub(super) async fn tell(own: Connection, mut query: Query, out: Out) {
    let told = tokio::select! {
        () = out.closed() => return,
        told = follow(&own, &mut query, &out) => told,
    };
    if let Err(failure) = told {
        drop(out.send(Message::End(failure.text(false))).await);
    }
}

async fn follow(own: &Connection, query: &mut Query, out: &Out) -> Result<(), Failure> {
    let mut channel = Channel::open(own.terms()?).await?;
    loop {
        let mut reading = Reading::default();
        match channel.ask(query, |piece| reading.take(piece, out)).await? {
            Answer::Refused { reason, .. } => return Err(Failure::new(Exit::No, reason)),
            Answer::Done { partial: Some(why), .. } => return Err(Failure::new(Exit::No, why)),
            Answer::Done { .. } => {}
        }
        let Some(next) = reading.next else {
            // What cannot be followed is answered as by Loki: a status and a text.
            let body = head(&reading.bytes).map_or(&reading.bytes[..], |(_, _, _, body)| body);
            let said = String::from_utf8_lossy(body).trim_end().to_owned();
            return Err(Failure::new(Exit::No, said));
        };
        query.text = go_on(&query.text, &next);
    }
}

impl Reading {
    fn take(&mut self, piece: &[u8], out: &Out) -> Result<(), Failure> {
        self.bytes.extend_from_slice(piece);
        if !self.is_behind_head {
            // The head is written in one piece, and pieces are long.
            let behind = head(&self.bytes)
                .and_then(|(status, _, _, rest)| status.is_success().then(|| rest.to_vec()));
            let Some(rest) = behind else { return Ok(()) };
            (self.bytes, self.is_behind_head) = (rest, true);
        }
        while let Some(end) = self.bytes.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.bytes.drain(..=end).collect();
            let line = String::from_utf8_lossy(line.get(..end).unwrap_or_default()).into_owned();
            if let Some(next) = next_of(&line) {
                self.next = Some(next);
            } else if out.try_send(Message::Text(line)).is_err() {
                return Err(Failure::new(Exit::No, "the client does not read what comes"));
            }
        }
        Ok(())
    }
}

/// Where to go on, if the line says that.
fn next_of(line: &str) -> Option<String> {
    let value: Value = serde_json::from_str(line.strip_prefix("{\"next\"").map(|_| line)?).ok()?;
    Some(value.get("next")?.as_str()?.to_owned())
}

/// The same question from another start; the lines behind the target are headers.
fn go_on(text: &str, start: &str) -> String {
    let (target, headers) =
        text.split_once('\n').map_or((text, None), |(it, rest)| (it, Some(rest)));
    let (path, parameters) = target.split_once('?').unwrap_or((target, ""));
    let kept = parameters.split('&').filter(|pair| !pair.starts_with("start=") && !pair.is_empty());
    let mut text = format!("{path}?start={start}");
    kept.for_each(|pair| {
        text.push('&');
        text.push_str(pair);
    });
    if let Some(headers) = headers {
        text.push('\n');
        text.push_str(headers);
    }
    text
}

#[cfg(test)]
mod tests {
    use lucarne_ledger::cbor::Writer;
    use tokio::sync::mpsc;

    use super::*;

    #[test]
    fn an_answer_is_read_line_by_line_however_it_is_cut() {
        let mut whole = Writer::new();
        whole.array(3).uint(200).text("application/x-ndjson").text("");
        let mut whole = whole.finish();
        whole.extend_from_slice(b"{\"streams\":[1]}\n{\"streams\":[2]}\n{\"next\":\"17\"}\n");
        for cut in 0..whole.len() {
            let (out, mut messages) = mpsc::channel(4);
            let mut reading = Reading::default();
            reading.take(&whole[..cut], &out).unwrap();
            reading.take(&whole[cut..], &out).unwrap();
            drop(out);
            let mut told = Vec::new();
            while let Some(message) = messages.blocking_recv() {
                told.push(message);
            }
            let text = |n: u8| Message::Text(format!("{{\"streams\":[{n}]}}"));
            assert_eq!((told, reading.next.as_deref()), (vec![text(1), text(2)], Some("17")));
        }
    }

    #[test]
    fn a_client_that_does_not_read_ends_it() {
        let (out, _messages) = mpsc::channel(1);
        let mut reading = Reading { is_behind_head: true, ..Reading::default() };
        assert!(reading.take(b"one\n", &out).is_ok());
        assert!(reading.take(b"two\n", &out).is_err());
    }

    #[test]
    fn the_next_question_begins_where_the_last_ended() {
        for (text, expected) in [
            ("/t?query=a&start=1&limit=2", "/t?start=9&query=a&limit=2"),
            ("/t?query=a\naccept: b", "/t?start=9&query=a\naccept: b"),
            ("/t", "/t?start=9"),
        ] {
            assert_eq!(go_on(text, "9"), expected);
        }
    }
}
