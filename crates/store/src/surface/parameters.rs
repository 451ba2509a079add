//! Parameters of a request: of its query string and, with POST, of its form.
//!
//! The first value of a name counts, as in Go. Bounds come first: pairs are counted before they
//! are decoded. Defaults that more than one endpoint has are here.

use super::error::Refusal;
use super::{Request, time};
use crate::engine::source::{Direction, TimeRange};

/// Pairs of one request; the clients need a dozen.
const PAIRS_MAX: usize = 1024;
const HOUR: i64 = 3600 * 1_000_000_000;
/// Loki's default for the range of queries.
pub(super) const QUERY_SINCE_NS: i64 = HOUR;
/// Loki's default for the range of names.
pub(super) const NAMES_SINCE_NS: i64 = 6 * HOUR;

/// Decoded parameters in their order.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Parameters(Vec<(String, String)>);

impl Parameters {
    pub(super) fn of(request: &Request<'_>) -> Result<Self, Refusal> {
        let is_form = request.method == "POST"
            && request.content_type.starts_with("application/x-www-form-urlencoded");
        let form = if is_form { request.body } else { &[] };
        let form = std::str::from_utf8(form).map_err(|_| Refusal::Form)?;
        let pairs = form.split('&').chain(request.query.split('&'));
        let mut decoded = Vec::new();
        for pair in pairs.filter(|pair| !pair.is_empty()) {
            if decoded.len() == PAIRS_MAX {
                return Err(Refusal::Form);
            }
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            decoded.push((decode(name)?, decode(value)?));
        }
        Ok(Self(decoded))
    }

    /// The first value that is not empty.
    pub(super) fn get(&self, name: &'static str) -> Option<&str> {
        self.all(name).find(|value| !value.is_empty())
    }

    pub(super) fn all(&self, name: &'static str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(have, _)| have == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn needed(&self, name: &'static str) -> Result<&str, Refusal> {
        self.get(name).ok_or(Refusal::Missing { name })
    }

    pub(super) fn instant(&self, name: &'static str) -> Result<Option<i64>, Refusal> {
        let expected = "unix seconds, unix nanoseconds or RFC 3339";
        let read = |text| time::instant(text).ok_or(Refusal::Parameter { name, expected });
        self.get(name).map(read).transpose()
    }

    pub(super) fn length(&self, name: &'static str) -> Result<Option<i64>, Refusal> {
        let expected = "a number of seconds or a duration";
        let read = |text| time::length(text).ok_or(Refusal::Parameter { name, expected });
        self.get(name).map(read).transpose()
    }

    /// `start`, `end` and `since`; the end is now by default.
    pub(super) fn range(&self, since_ns: i64, now_ns: i64) -> Result<TimeRange, Refusal> {
        let to_ns = self.instant("end")?.unwrap_or(now_ns);
        let since = self.length("since")?.unwrap_or(since_ns);
        // With an end in the future the default start still counts from now.
        let from = to_ns.min(now_ns).saturating_sub(since);
        let from_ns = self.instant("start")?.unwrap_or(from);
        if to_ns < from_ns {
            let expected = "no instant before start";
            return Err(Refusal::Parameter { name: "end", expected });
        }
        Ok(TimeRange { from_ns, to_ns })
    }

    /// A number above zero.
    pub(super) fn count(&self, name: &'static str, default: u64) -> Result<u64, Refusal> {
        let expected = "a positive number";
        let Some(text) = self.get(name) else { return Ok(default) };
        let read = text.parse().ok().filter(|&count| count > 0);
        read.ok_or(Refusal::Parameter { name, expected })
    }

    /// `forward` or `backward` in any case; backward by default.
    pub(super) fn direction(&self) -> Result<Direction, Refusal> {
        match self.get("direction").map(str::to_ascii_lowercase).as_deref() {
            None | Some("backward") => Ok(Direction::Backward),
            Some("forward") => Ok(Direction::Forward),
            Some(_) => {
                Err(Refusal::Parameter { name: "direction", expected: "forward or backward" })
            }
        }
    }
}

/// Undoes percent-encoding and the plus sign of forms.
pub(super) fn decode(text: &str) -> Result<String, Refusal> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || {
                    let digit = bytes.next().and_then(|digit| char::from(digit).to_digit(16));
                    digit.and_then(|digit| u8::try_from(digit).ok()).ok_or(Refusal::Form)
                };
                digit()? << 4 | digit()?
            }
            byte => byte,
        });
    }
    String::from_utf8(out).map_err(|_| Refusal::Form)
}
