//! One line of the proxy as it is written and as the gateway reads it: a flat JSON object.
//!
//! What happened and why come from closed sets, places are addresses, counts are numbers; the one
//! free text is what the system said about a failure. Reading refuses unknown members, any other
//! spelling than that of writing, and a line longer than [`LINE_BYTES_MAX`].

use std::fmt;

use lucarne_platform::Address;
use serde::{Deserialize, Serialize};

use super::log::Reason;
use super::place::Remote;
use crate::export::timestamp::{parse_rfc3339, rfc3339};

/// One line.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Message {
    /// When, RFC 3339 with nanoseconds.
    pub timestamp: String,
    /// `Error` for each line with a reason.
    pub level: Level,
    /// Always that of the proxy.
    pub job: Job,
    /// `error` for each line with a reason.
    pub status: Status,
    /// Where the relay listens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub local: Option<String>,
    /// Where it leads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remote: Option<String>,
    /// What happened.
    #[serde(rename = "message")]
    pub event: Event,
    /// Why it is an error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// What the system said about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// Bytes towards the remote end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes_up: Option<u64>,
    /// Bytes from the remote end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes_down: Option<u64>,
    /// How long the connection lasted, milliseconds.
    #[serde(rename = "durationMs", skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
    /// Lines that were not handed over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dropped: Option<u64>,
}

/// The two levels of the proxy, in the names of the seeds.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub enum Level {
    /// As it should be.
    Information,
    /// Somebody should look.
    Error,
}

/// The stream that the line belongs to.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub enum Job {
    /// The proxy.
    #[serde(rename = "vsock-proxy")]
    Proxy,
}

/// Whether something failed.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Nothing.
    Ok,
    /// The line says why.
    Error,
}

/// What happened, constant text.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub enum Event {
    /// A relay accepts connections.
    #[serde(rename = "listening")]
    Listening,
    /// Both sides have closed.
    #[serde(rename = "connection finished")]
    Finished,
    /// It leads where the list does not allow.
    #[serde(rename = "connection closed: not in the allow-list")]
    NotAllowed,
    /// It ended for another reason.
    #[serde(rename = "connection failed")]
    Failed,
    /// The list was read anew.
    #[serde(rename = "allow-list read again")]
    Reloaded,
    /// The list could not be read anew.
    #[serde(rename = "allow-list not usable, the one before stays in force")]
    NotReloaded,
    /// A bug of ours.
    #[serde(rename = "a relay task failed")]
    TaskFailed,
    /// The gateway did not take lines fast enough; they are on standard error only.
    #[serde(rename = "lines were not handed over to the gateway")]
    LinesDropped,
    /// The proxy ends.
    #[serde(rename = "stopped")]
    Stopped,
}

/// Why bytes are not a line of the proxy.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum MessageError {
    /// Longer than any line.
    TooLong,
    /// Not a JSON object with these members and values.
    Json,
    /// A text that is not what it stands for: a time, a place, a printable detail.
    Text,
    /// Level, status and reason contradict each other.
    Verdict,
    /// Another spelling of what it says.
    Spelling,
}

impl fmt::Display for MessageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLong => "longer than a line of the proxy",
            Self::Json => "not an object with the members of a line",
            Self::Text => "a text that is not what it stands for",
            Self::Verdict => "level, status and reason contradict each other",
            Self::Spelling => "not spelled as the proxy does",
        })
    }
}

impl std::error::Error for MessageError {}

impl Message {
    /// The line without its end.
    pub fn encode(&self) -> Vec<u8> {
        // Text, numbers and unit variants: nothing that JSON could not say.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Reads what `encode` writes.
    ///
    /// # Errors
    /// When the bytes are nothing that it writes.
    pub fn parse(line: &[u8]) -> Result<Self, MessageError> {
        if line.len() > LINE_BYTES_MAX {
            return Err(MessageError::TooLong);
        }
        let message: Self = serde_json::from_slice(line).map_err(|_| MessageError::Json)?;
        if !message.has_plain_texts() {
            return Err(MessageError::Text);
        }
        let failed = message.reason.is_some();
        if (message.status == Status::Error) != failed || (message.level == Level::Error) != failed
        {
            return Err(MessageError::Verdict);
        }
        if message.encode() == line { Ok(message) } else { Err(MessageError::Spelling) }
    }

    fn has_plain_texts(&self) -> bool {
        let is_time = parse_rfc3339(&self.timestamp).map(rfc3339).as_ref() == Some(&self.timestamp);
        let is_local = |text: &String| text.parse::<Address>().is_ok();
        let is_remote = |text: &String| text.parse::<Remote>().is_ok();
        is_time
            && self.local.as_ref().is_none_or(is_local)
            && self.remote.as_ref().is_none_or(is_remote)
            && self.detail.as_ref().is_none_or(|text| *text == detail(text))
    }
}

/// A text as a line may carry it: without control characters, and cut where nobody reads on.
pub(super) fn detail(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars().map(|c| if c.is_control() { ' ' } else { c }) {
        if out.len() + c.len_utf8() > DETAIL_BYTES_MAX {
            break;
        }
        out.push(c);
    }
    out
}

/// Two places, a detail that JSON escapes in full, and the rest.
pub const LINE_BYTES_MAX: usize = 8 << 10;
/// A path and what the kernel says about it.
const DETAIL_BYTES_MAX: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;

    fn full() -> Message {
        Message {
            timestamp: rfc3339(1_700_000_000_123_456_789),
            level: Level::Error,
            job: Job::Proxy,
            status: Status::Error,
            local: Some("vsock:any:8080".to_owned()),
            remote: Some("collector.example:4317".to_owned()),
            event: Event::Failed,
            reason: Some(Reason::Connect),
            detail: Some("Connection refused (os error 111)".to_owned()),
            bytes_up: Some(1),
            bytes_down: Some(0),
            duration_ms: Some(7),
            dropped: None,
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let written = full().encode();
        let expected = concat!(
            r#"{"timestamp":"2023-11-14T22:13:20.123456789Z","level":"Error","job":"vsock-proxy","#,
            r#""status":"error","local":"vsock:any:8080","remote":"collector.example:4317","#,
            r#""message":"connection failed","reason":"connect","#,
            r#""detail":"Connection refused (os error 111)","bytes_up":1,"bytes_down":0,"#,
            r#""durationMs":7}"#
        );
        assert_eq!(std::str::from_utf8(&written).unwrap(), expected);
        assert_eq!(Message::parse(&written), Ok(full()));
        let worst = Message { detail: Some(detail(&"\"".repeat(600))), ..full() };
        assert_eq!(Message::parse(&worst.encode()), Ok(worst));
    }

    #[track_caller]
    fn refused(change: impl FnOnce(&mut Message), expected: MessageError) {
        let mut message = full();
        change(&mut message);
        assert_eq!(Message::parse(&message.encode()), Err(expected));
    }

    #[test]
    fn what_contradicts_itself_or_is_not_what_it_stands_for_is_refused() {
        refused(|m| m.timestamp = "2023-11-14T22:13:20Z".to_owned(), MessageError::Text);
        refused(|m| m.timestamp = "yesterday".to_owned(), MessageError::Text);
        refused(|m| m.local = Some("here".to_owned()), MessageError::Text);
        refused(|m| m.remote = Some("there".to_owned()), MessageError::Text);
        refused(|m| m.detail = Some("a\nb".to_owned()), MessageError::Text);
        refused(|m| m.detail = Some("x".repeat(513)), MessageError::Text);
        refused(|m| m.level = Level::Information, MessageError::Verdict);
        refused(|m| m.status = Status::Ok, MessageError::Verdict);
        refused(|m| m.reason = None, MessageError::Verdict);
    }

    #[test]
    fn other_members_and_spellings_are_refused() {
        let text = String::from_utf8(full().encode()).unwrap();
        let check = |text: &str, expected| {
            assert_eq!(Message::parse(text.as_bytes()), Err(expected), "{text}");
        };
        check(&text.replace("{\"", "{ \""), MessageError::Spelling);
        check(&text.replace("}", ",\"dropped\":null}"), MessageError::Spelling);
        check(&format!("{text} "), MessageError::Spelling);
        check(&text.replace("}", ",\"more\":1}"), MessageError::Json);
        check(&text.replace("}", ",\"bytes_up\":1}"), MessageError::Json);
        check(&text.replace("vsock-proxy", "tee-audit"), MessageError::Json);
        check(&text.replace("connection failed", "all is well"), MessageError::Json);
        check(&text.replace("\"connect\"", "\"because\""), MessageError::Json);
        check("[]", MessageError::Json);
        check("", MessageError::Json);
        check(&" ".repeat(LINE_BYTES_MAX + 1), MessageError::TooLong);
    }
}
