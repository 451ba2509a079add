//! The gateway's own messages: one JSON object a line, constant message and fields.
//!
//! They go to a writer (standard error) and, when somebody listens, into a bounded feed, from which
//! they are exported as `job="otel-collector-external"`. Fields are counts, names and reasons out
//! of closed sets; telemetry content has no way in but through somebody who passes it, so nobody
//! does.

use std::fmt;
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use tokio::sync::mpsc;

use crate::clock::Clock;
use crate::export::timestamp::rfc3339;
use crate::export::{HostJob, HostMessage};

/// Where messages go. Clones share it.
#[derive(Clone)]
pub struct Journal {
    shared: Arc<Shared>,
}

struct Shared {
    clock: Arc<dyn Clock>,
    out: Mutex<Box<dyn Write + Send>>,
    feed: Option<mpsc::Sender<HostMessage>>,
}

impl fmt::Debug for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Journal").finish_non_exhaustive()
    }
}

/// How much a message matters; the names are those of the exported lines.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Level {
    /// Life-cycle only.
    Information,
    /// An operator should act.
    Warning,
    /// Somebody is to be called.
    Error,
}

/// The value of a field.
#[derive(Clone, Copy)]
pub enum Value<'a> {
    /// Text from a closed set, or a name.
    Text(&'a str),
    /// Anything that prints itself without content, such as an error.
    Shown(&'a (dyn fmt::Display + Sync)),
    /// A count.
    Number(u64),
}

impl Journal {
    /// A journal that writes to `out`; messages also go into `feed`, unless that is full.
    pub fn new(
        clock: Arc<dyn Clock>,
        out: Box<dyn Write + Send>,
        feed: Option<mpsc::Sender<HostMessage>>,
    ) -> Self {
        Self { shared: Arc::new(Shared { clock, out: Mutex::new(out), feed }) }
    }

    /// Writes one message.
    pub fn note(&self, level: Level, message: &'static str, fields: &[(&'static str, Value<'_>)]) {
        let line = line(self.shared.clock.unix_ns(), level, message, fields);
        if let Some(feed) = &self.shared.feed {
            let json = Bytes::copy_from_slice(&line);
            // A full feed means that export is behind; the line below is still written.
            drop(feed.try_send(HostMessage { job: HostJob::Gateway, json }));
        }
        let mut whole = line;
        whole.push(b'\n');
        let mut out = self.shared.out.lock().unwrap_or_else(PoisonError::into_inner);
        // Standard error that is gone is no reason to stop a gateway.
        drop(out.write_all(&whole).and_then(|()| out.flush()));
    }
}

fn line(
    unix_ns: u64,
    level: Level,
    message: &'static str,
    fields: &[(&'static str, Value<'_>)],
) -> Vec<u8> {
    let mut object = serde_json::Map::new();
    let mut put = |key: &str, value: serde_json::Value| object.insert(key.to_owned(), value);
    put("timestamp", rfc3339(unix_ns).into());
    put("level", format!("{level:?}").into());
    put("job", HostJob::Gateway.as_str().into());
    put("message", message.into());
    for (key, value) in fields {
        match value {
            Value::Text(text) => put(key, (*text).into()),
            Value::Shown(shown) => put(key, shown.to_string().into()),
            Value::Number(number) => put(key, (*number).into()),
        };
    }
    serde_json::Value::Object(object).to_string().into_bytes()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::clock::SystemClock;

    /// What a journal wrote.
    #[derive(Clone, Default)]
    pub(crate) struct Written(Arc<Mutex<Vec<u8>>>);

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl Written {
        /// Each as `Level: message reason`.
        pub(crate) fn messages(&self) -> Vec<String> {
            let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
            let message = |line: &str| {
                let value: serde_json::Value = serde_json::from_str(line).unwrap();
                format!(
                    "{}: {} {}",
                    value["level"].as_str().unwrap(),
                    value["message"].as_str().unwrap(),
                    value.get("reason").and_then(|reason| reason.as_str()).unwrap_or_default()
                )
            };
            text.lines().map(message).collect()
        }
    }

    #[test]
    fn a_message_is_one_flat_object() {
        let fields = [("exporter", Value::Text("loki")), ("records", Value::Number(3))];
        let text = line(0, Level::Warning, "exporter cannot deliver", &fields);
        let expected = serde_json::json!({
            "timestamp": "1970-01-01T00:00:00.000000000Z", "level": "Warning",
            "job": "otel-collector-external", "message": "exporter cannot deliver",
            "exporter": "loki", "records": 3,
        });
        assert_eq!(serde_json::from_slice::<serde_json::Value>(&text).unwrap(), expected);
    }

    #[test]
    fn a_full_feed_drops_and_does_not_block() {
        let (feed, mut messages) = mpsc::channel(1);
        let clock = Arc::new(SystemClock::start());
        let journal = Journal::new(clock, Box::new(std::io::sink()), Some(feed));
        journal.note(Level::Information, "one", &[]);
        journal.note(Level::Information, "two", &[]);
        let first = messages.try_recv().unwrap();
        assert_eq!(first.job, HostJob::Gateway);
        assert_eq!(messages.try_recv(), Err(mpsc::error::TryRecvError::Empty));
    }
}
