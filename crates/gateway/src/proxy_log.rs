//! Takes the lines of proxies over a Unix socket and exports them with `job="vsock-proxy"`.
//!
//! Who may speak is a matter of the file system: the socket is this user's alone. A line is read
//! under a limit and strictly, passes the outer layer, and only then reaches the log; whoever sends
//! faster than the log takes has to wait, and the proxy drops on its own side. Refused, and
//! counted: what is no line of a proxy.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use lucarne_platform::{Listener, Stream};
use serde::Serialize;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::archiver::{Job, Stopped};
use crate::export::HostJob;
use crate::journal::{Journal, Level, Value};
use crate::outer_layer::{OuterLayer, ScreenedLine};
use crate::proxy::message::{self, LINE_BYTES_MAX, Message, MessageError};
use crate::uplink::Shared;

/// Serves proxies until told to stop.
pub async fn serve(listener: Listener, shared: Arc<Shared>, mut stop: watch::Receiver<bool>) {
    let mut proxies = JoinSet::new();
    loop {
        tokio::select! {
            () = stopped(&mut stop) => break,
            Some(_) = proxies.join_next() => {}
            accepted = listener.accept(), if proxies.len() < PROXIES_MAX => match accepted {
                Ok(stream) => {
                    proxies.spawn(take_all(stream, Arc::clone(&shared)));
                }
                Err(error) => {
                    let fields = [("error", Value::Shown(&error))];
                    shared.journal.note(Level::Warning, "proxy log cannot accept", &fields);
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    proxies.shutdown().await;
}

// Also when nobody is left who could say stop.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    drop(stop.wait_for(|stop| *stop).await);
}

async fn take_all(stream: Stream, shared: Arc<Shared>) {
    let mut reader = BufReader::new(stream);
    let mut told = false;
    // How the connection ends is the proxy's affair: it comes again and goes on.
    while let Ok(Some(line)) = next_line(&mut reader).await {
        let is_end = line.is_err();
        let outcome = match line.and_then(|line| screen(&line, &shared.outer_layer)) {
            Ok(screened) => take(screened, &shared).await,
            Err(error) => {
                shared.counters.proxy_lines_refused.add(1);
                // Once for each connection: somebody who sends only garbage fills no journal.
                if !std::mem::replace(&mut told, true) {
                    note_refused(&shared.journal, error);
                }
                Ok(())
            }
        };
        if is_end || outcome.is_err() {
            return;
        }
    }
}

fn note_refused(journal: &Journal, error: MessageError) {
    journal.note(Level::Warning, "not a line of a proxy", &[("error", Value::Shown(&error))]);
}

/// A line without its end; none at the end of the stream. Behind a line that is too long, or that
/// the end cuts off, nothing more can be read.
async fn next_line(
    reader: &mut BufReader<Stream>,
) -> io::Result<Option<Result<Vec<u8>, MessageError>>> {
    let mut line = Vec::new();
    let limit = LINE_BYTES_MAX as u64 + 1;
    if reader.take(limit).read_until(b'\n', &mut line).await? == 0 {
        return Ok(None);
    }
    Ok(Some(match line.pop_if(|byte| *byte == b'\n') {
        Some(_) => Ok(line),
        None if line.len() > LINE_BYTES_MAX => Err(MessageError::TooLong),
        None => Err(MessageError::Json),
    }))
}

/// What is exported of a line, and the rule that was hit.
#[derive(Debug, Eq, PartialEq)]
struct Screened {
    json: Vec<u8>,
    rule: Option<String>,
}

fn screen(line: &[u8], outer_layer: &OuterLayer) -> Result<Screened, MessageError> {
    let message = Message::parse(line)?;
    Ok(match outer_layer.screen_line(line) {
        ScreenedLine::Clean => Screened { json: line.to_vec(), rule: None },
        ScreenedLine::Hit { rule, copy } => {
            let json = copy.unwrap_or_else(|| withheld(&message, &rule));
            Screened { json, rule: Some(rule) }
        }
    })
}

/// What is said instead of a line: that there was one, and which rule it hit.
fn withheld(message: &Message, rule: &str) -> Vec<u8> {
    #[derive(Serialize)]
    struct Withheld<'a> {
        timestamp: &'a str,
        level: message::Level,
        job: message::Job,
        status: message::Status,
        message: &'static str,
        rule: &'a str,
    }
    let said = Withheld {
        timestamp: &message.timestamp,
        level: message.level,
        job: message.job,
        status: message.status,
        message: "a line was withheld by the outer layer",
        rule,
    };
    serde_json::to_vec(&said).unwrap_or_default()
}

async fn take(screened: Screened, shared: &Shared) -> Result<(), Stopped> {
    let Screened { json, rule } = screened;
    match &rule {
        None => shared.counters.proxy_lines.add(1),
        Some(rule) => {
            shared.counters.proxy_lines_withheld.add(1);
            let fields = [("rule", Value::Text(rule))];
            shared.journal.note(Level::Warning, "outer layer withheld a proxy's line", &fields);
        }
    }
    let Ok(job) = Job::message(HostJob::Proxy, json) else { return Ok(()) };
    shared.archiver.send(job).await
}

/// One a host, and some that come back before their old connection is gone.
const PROXIES_MAX: usize = 16;
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use lucarne_ledger::key::Ed25519Key;
    use lucarne_redact::{OnHit, Rules, RulesConfig};

    use super::*;

    const LINE: &str = concat!(
        r#"{"timestamp":"2023-11-14T22:13:20.123456789Z","level":"Error","job":"vsock-proxy","#,
        r#""status":"error","local":"unix:/run/proxy.sock","remote":"10.0.0.1:4317","#,
        r#""message":"connection failed","reason":"connect","detail":"refused"}"#
    );

    fn outer_layer(on_hit: OnHit) -> OuterLayer {
        let rules = Rules::compile(RulesConfig { on_hit, ..RulesConfig::shipped() }).unwrap();
        OuterLayer::new(rules, Ed25519Key::from_seed(&[7; 32]).unwrap())
    }

    #[test]
    fn an_ordinary_line_is_taken_as_it_is() {
        let screened = screen(LINE.as_bytes(), &outer_layer(OnHit::Drop));
        assert_eq!(screened, Ok(Screened { json: LINE.as_bytes().to_vec(), rule: None }));
    }

    #[test]
    fn a_forbidden_value_is_not_what_is_exported() {
        let planted = "4111111111111111";
        let line = LINE.replace("refused", planted);
        let dropped = screen(line.as_bytes(), &outer_layer(OnHit::Drop)).unwrap();
        assert_eq!(dropped.rule.as_deref(), Some("value:1"));
        let expected = concat!(
            r#"{"timestamp":"2023-11-14T22:13:20.123456789Z","level":"Error","#,
            r#""job":"vsock-proxy","status":"error","#,
            r#""message":"a line was withheld by the outer layer","rule":"value:1"}"#
        );
        assert_eq!(String::from_utf8(dropped.json).unwrap(), expected);
        let rewritten = screen(line.as_bytes(), &outer_layer(OnHit::Rewrite)).unwrap();
        let text = String::from_utf8(rewritten.json).unwrap();
        assert!(text.contains("10.0.0.1:4317") && !text.contains(planted), "{text}");
    }

    #[test]
    fn what_is_no_line_is_refused() {
        let other = LINE.replace("vsock-proxy", "tee-audit");
        assert_eq!(screen(other.as_bytes(), &outer_layer(OnHit::Drop)), Err(MessageError::Json));
    }
}
