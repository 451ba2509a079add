//! Who touched the store: S3 server access logs and CloudTrail data events.
//!
//! Both are read into one [`Access`]. They are the provider's word, come late and may lack events,
//! so nothing follows from a silence. A line that is not understood is an error and not skipped:
//! what an attacker can make unreadable must not become invisible.

use std::fmt;
use std::io::Read;

use flate2::read::MultiGzDecoder;
use serde::Deserialize;

/// One request that somebody made.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Access {
    /// When, as `2026-11-21T06:33:51Z`.
    pub time: String,
    /// By whom: an ARN, or whatever the provider calls them.
    pub who: String,
    /// From which address; empty when it was not told.
    pub source: String,
    /// The provider's name of the operation.
    pub operation: String,
    /// What it comes to.
    pub kind: Kind,
    /// The bucket.
    pub bucket: String,
    /// The key; empty when it was about the bucket.
    pub key: String,
    /// The version; empty when none was named or made.
    pub version: String,
    /// How it ended.
    pub result: Outcome,
    /// The provider's number of the request.
    pub request: String,
}

/// What a request comes to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// Removes a version, or hides a key.
    Delete,
    /// Writes under a key.
    Put,
    /// Changes how long something is locked.
    Retention,
    /// Changes the rules of the bucket.
    Rules,
    /// Anything else.
    Other,
}

/// How a request ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// It was done.
    Done,
    /// It was not, for this reason.
    Refused(String),
}

/// A log that cannot be read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum LogError {
    /// It is larger than any that a provider writes.
    TooLarge,
    /// The compressed file is damaged, or goes on after its end.
    Compressed,
    /// It is not text.
    NotText,
    /// A line is not one of an access log, counted from 1.
    Line(usize),
    /// It begins like JSON and is not a CloudTrail file.
    NotCloudTrail,
}

impl fmt::Display for LogError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge => write!(f, "larger than {LOG_BYTES_MAX} bytes"),
            Self::Compressed => write!(f, "the compressed file is damaged"),
            Self::NotText => write!(f, "not a text"),
            Self::Line(line) => write!(f, "line {line} is not one of an S3 access log"),
            Self::NotCloudTrail => write!(f, "not a CloudTrail file"),
        }
    }
}

impl std::error::Error for LogError {}

impl Kind {
    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Delete => "delete",
            Self::Put => "put",
            Self::Retention => "retention",
            Self::Rules => "rules",
            Self::Other => "other",
        }
    }

    /// Of an operation of either log, as in `REST.DELETE.OBJECT` and `DeleteObject`.
    fn of(operation: &str) -> Self {
        let plain: String = operation.chars().filter(char::is_ascii_alphanumeric).collect();
        let plain = plain.to_ascii_uppercase();
        let has = |word: &str| plain.contains(word);
        let writes = has("PUT") || has("POST") || has("COPY") || has("DELETE") || has("COMPLETE");
        // `S3.EXPIRE.OBJECT` and `S3.CREATE.DELETEMARKER` are done by rules of the bucket.
        if has("EXPIREOBJECT") || has("DELETEMARKER") {
            return Self::Delete;
        }
        if !writes {
            return Self::Other;
        }
        if has("RETENTION") || has("LEGALHOLD") || has("OBJECTLOCK") {
            return Self::Retention;
        }
        let rules = ["POLICY", "LIFECYCLE", "VERSIONING", "REPLICATION", "LOGGING", "ACL"];
        if rules.into_iter().any(has) {
            return Self::Rules;
        }
        let about_object = has("OBJECT") || has("UPLOAD") || has("PART");
        match (has("DELETE"), about_object) {
            // Tags are not content, and parts of an upload are no object yet.
            (_, true) if has("TAGGING") || has("UPLOADPART") || has("ABORT") => Self::Other,
            (_, true) if plain.ends_with("PART") => Self::Other,
            (true, _) => Self::Delete,
            (false, true) => Self::Put,
            (false, false) => Self::Other,
        }
    }
}

/// Reads a log of either kind, plain or compressed by gzip.
///
/// # Errors
/// When any of it is not understood.
pub fn read(file: &[u8]) -> Result<Vec<Access>, LogError> {
    let mut unpacked = Vec::new();
    let text = if file.starts_with(&GZIP) {
        let mut limited = MultiGzDecoder::new(file).take(LOG_BYTES_MAX as u64 + 1);
        limited.read_to_end(&mut unpacked).map_err(|_| LogError::Compressed)?;
        &unpacked
    } else {
        file
    };
    if text.len() > LOG_BYTES_MAX {
        return Err(LogError::TooLarge);
    }
    let text = std::str::from_utf8(text).map_err(|_| LogError::NotText)?;
    if text.trim_start().starts_with('{') { cloud_trail(text) } else { access_log(text) }
}

fn access_log(text: &str) -> Result<Vec<Access>, LogError> {
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines.map(|(at, line)| log_line(line).ok_or(LogError::Line(at + 1))).collect()
}

/// One line: fields by spaces, times in brackets, texts in quotes, `-` for none.
fn log_line(line: &str) -> Option<Access> {
    let fields = fields(line)?;
    let field = |at: usize| fields.get(at).copied().map(|text| if text == "-" { "" } else { text });
    let status: u16 = match field(9)? {
        // What a rule of the bucket did has no status.
        "" => 200,
        text => text.parse().ok()?,
    };
    let operation = field(6)?.to_owned();
    let code = field(10)?;
    // The agent's text may hold quotes and looks then like more fields; nothing after it does.
    let after_agent = line.rsplit_once('"').map_or("", |(_, after)| after);
    let version = after_agent.split_whitespace().next().filter(|text| *text != "-").unwrap_or("");
    let result = match (status, code) {
        (200..=399, _) => Outcome::Done,
        (_, "") => Outcome::Refused(status.to_string()),
        (_, code) => Outcome::Refused(format!("{status} {code}")),
    };
    Some(Access {
        time: log_time(field(2)?)?,
        who: field(4)?.to_owned(),
        source: field(3)?.to_owned(),
        kind: Kind::of(&operation),
        operation,
        bucket: field(1)?.to_owned(),
        key: unescaped(field(7)?)?,
        version: version.to_owned(),
        result,
        request: field(5)?.to_owned(),
    })
}

/// The fields of a line; none when a bracket or quote is left open.
fn fields(line: &str) -> Option<Vec<&str>> {
    let mut found = Vec::new();
    let mut rest = line.trim();
    while !rest.is_empty() && found.len() < FIELDS_MAX {
        let (field, after) = match rest.as_bytes().first()? {
            b'[' => rest[1..].split_once(']')?,
            // A quote within a text is written `%22` or `\"`; the text ends before a space.
            b'"' => quoted(&rest[1..])?,
            _ => rest.split_once(' ').unwrap_or((rest, "")),
        };
        found.push(field);
        rest = after.trim_start();
    }
    (found.len() > FIELDS_MIN).then_some(found)
}

fn quoted(text: &str) -> Option<(&str, &str)> {
    let ends = text.match_indices('"').map(|(at, _)| (&text[..at], &text[at + 1..]));
    ends.into_iter().find(|(_, after)| after.is_empty() || after.starts_with(' '))
}

/// Keys are escaped twice where they have anything to escape, which no name of ours has.
fn unescaped(key: &str) -> Option<String> {
    let once = crate::s3::version::decoded(&key.replace('+', "%2B"))?;
    crate::s3::version::decoded(&once.replace('+', "%2B")).or(Some(once))
}

/// `21/Nov/2026:06:33:51 +0000`
fn log_time(text: &str) -> Option<String> {
    let (stamp, zone) = text.split_once(' ')?;
    let (date, clock) = stamp.split_once(':')?;
    let [day, month, year] = date.split('/').collect::<Vec<_>>().try_into().ok()?;
    let month = MONTHS.iter().position(|name| *name == month)? + 1;
    let digits =
        |text: &str, count: usize| text.len() == count && text.bytes().all(|b| b.is_ascii_digit());
    let times: Vec<&str> = clock.split(':').collect();
    let good = digits(day, 2) && digits(year, 4) && zone == "+0000";
    (good && times.len() == 3 && times.iter().all(|part| digits(part, 2)))
        .then(|| format!("{year}-{month:02}-{day}T{clock}Z"))
}

#[derive(Deserialize)]
struct Trail {
    #[serde(rename = "Records")]
    records: Vec<Event>,
}

/// Fields that AWS adds are not our business; those that we name are looked at strictly.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    event_time: String,
    event_name: String,
    event_source: String,
    #[serde(default)]
    user_identity: Identity,
    #[serde(default, rename = "sourceIPAddress")]
    source: String,
    #[serde(default)]
    error_code: Option<String>,
    #[serde(default)]
    request_parameters: Option<Parameters>,
    #[serde(default)]
    response_elements: Option<Elements>,
    #[serde(default, rename = "requestID")]
    request: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Identity {
    #[serde(default)]
    arn: Option<String>,
    #[serde(default)]
    principal_id: Option<String>,
    #[serde(default)]
    invoked_by: Option<String>,
    #[serde(default)]
    account_id: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Parameters {
    #[serde(default)]
    bucket_name: Option<String>,
    #[serde(default)]
    key: Option<String>,
    #[serde(default)]
    version_id: Option<String>,
}

#[derive(Default, Deserialize)]
struct Elements {
    #[serde(default, rename = "x-amz-version-id")]
    version: Option<String>,
}

fn cloud_trail(text: &str) -> Result<Vec<Access>, LogError> {
    let trail: Trail = serde_json::from_str(text).map_err(|_| LogError::NotCloudTrail)?;
    let ours = trail.records.into_iter().filter(|event| event.event_source == "s3.amazonaws.com");
    Ok(ours.map(access).collect())
}

fn access(event: Event) -> Access {
    let Identity { arn, principal_id, invoked_by, account_id } = event.user_identity;
    let asked = event.request_parameters.unwrap_or_default();
    let made = event.response_elements.unwrap_or_default().version;
    Access {
        time: event.event_time,
        who: arn.or(principal_id).or(invoked_by).or(account_id).unwrap_or_default(),
        source: event.source,
        kind: Kind::of(&event.event_name),
        operation: event.event_name,
        bucket: asked.bucket_name.unwrap_or_default(),
        key: asked.key.unwrap_or_default(),
        version: asked.version_id.or(made).unwrap_or_default(),
        result: event.error_code.map_or(Outcome::Done, Outcome::Refused),
        request: event.request.unwrap_or_default(),
    }
}

const GZIP: [u8; 2] = [0x1f, 0x8b];
/// CloudTrail files have some megabytes, access logs less.
pub const LOG_BYTES_MAX: usize = 64 << 20;
/// AWS writes 26 and adds some at the end now and then.
const FIELDS_MAX: usize = 64;
/// Those up to the error code are always there.
const FIELDS_MIN: usize = 10;
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

#[cfg(test)]
mod tests;
