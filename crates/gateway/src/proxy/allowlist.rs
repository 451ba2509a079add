//! The allow-list of the proxy: AWS's `vsock-proxy.yaml`, and two kinds of entry that AWS does not
//! have.
//!
//! ```yaml
//! allowlist:
//! - {address: "otel-collector.internal", port: 4317}   # as AWS's: a host, by its very name
//! - {cid: 16, port: 5005}                              # a vsock port of an enclave
//! - {unix: /run/lucarne/gateway.sock}                  # a Unix socket
//! ```
//!
//! Everything not listed is denied; an empty list denies everything. Names are compared as names:
//! an address that a listed name happens to resolve to today is not listed by it.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_saphyr::Spanned;

use super::place::Remote;

/// The places that may be connected to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Allowlist {
    entries: Vec<Remote>,
}

/// Why an allow-list is not usable. The operator's to solve.
#[derive(Debug)]
pub enum AllowlistError {
    /// The file cannot be read.
    Read {
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        source: std::io::Error,
    },
    /// The file is longer than an allow-list can be.
    TooLong {
        /// The file.
        path: PathBuf,
    },
    /// Not YAML, an unknown key, or a value of the wrong type.
    Syntax {
        /// The file.
        path: PathBuf,
        /// Line and column, from 1.
        at: (u64, u64),
        /// The key and what is wrong with it.
        problem: String,
    },
    /// An entry is none of the three kinds.
    Entry {
        /// The file.
        path: PathBuf,
        /// Line and column, from 1.
        at: (u64, u64),
    },
}

impl Allowlist {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// When it cannot be read or is not an allow-list.
    pub fn load(path: &Path) -> Result<Self, AllowlistError> {
        let read = |source| AllowlistError::Read { path: path.to_owned(), source };
        if std::fs::metadata(path).map_err(read)?.len() > FILE_BYTES_MAX {
            return Err(AllowlistError::TooLong { path: path.to_owned() });
        }
        Self::parse(&std::fs::read_to_string(path).map_err(read)?, path)
    }

    /// Checks the text of a file; `path` is for the errors.
    ///
    /// # Errors
    /// When it is not an allow-list.
    pub fn parse(text: &str, path: &Path) -> Result<Self, AllowlistError> {
        let options = serde_saphyr::options! { with_snippet: false };
        let mut track = serde_path_to_error::Track::new();
        let file = serde_saphyr::with_deserializer_from_str_with_options(text, options, |yaml| {
            File::deserialize(serde_path_to_error::Deserializer::new(yaml, &mut track))
        })
        .map_err(|error| syntax(path, &track.path().to_string(), &error))?;
        let entries = file.allowlist.into_iter().map(|written| entry(written, path));
        Ok(Self { entries: entries.collect::<Result<_, _>>()? })
    }

    /// Whether this place may be connected to.
    pub fn allows(&self, remote: &Remote) -> bool {
        self.entries.contains(remote)
    }

    /// The entry that was probably meant: the same port under a name of which one begins with the
    /// other.
    pub fn nearest(&self, remote: &Remote) -> Option<&Remote> {
        let Remote::Host { address: asked, port: asked_port } = remote else { return None };
        self.entries.iter().find(|entry| match entry {
            Remote::Host { address, port } => {
                let alike = address.starts_with(asked.as_str()) || asked.starts_with(address);
                address == asked || (port == asked_port && alike)
            }
            Remote::Vsock { .. } | Remote::Unix(_) => false,
        })
    }

    /// The entry that would list a place, as it is written in the file.
    pub fn entry_for(remote: &Remote) -> String {
        match remote {
            Remote::Host { address, port } => format!("- {{address: \"{address}\", port: {port}}}"),
            Remote::Vsock { cid, port } => format!("- {{cid: {cid}, port: {port}}}"),
            Remote::Unix(path) => format!("- {{unix: {}}}", path.display()),
        }
    }
}

impl fmt::Display for AllowlistError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read { path, .. } => write!(f, "read the allow-list {}", path.display()),
            Self::TooLong { path } => write!(
                f,
                "{}: longer than {FILE_BYTES_MAX} bytes, which no allow-list is",
                path.display()
            ),
            Self::Syntax { path, at: (line, column), problem } => {
                write!(f, "{}:{line}:{column}: {problem}", path.display())
            }
            Self::Entry { path, at: (line, column) } => {
                write!(f, "{}:{line}:{column}: allowlist: expected {KINDS}", path.display())
            }
        }
    }
}

impl std::error::Error for AllowlistError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Read { source, .. } => Some(source),
            Self::TooLong { .. } | Self::Syntax { .. } | Self::Entry { .. } => None,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    allowlist: Vec<Spanned<Entry>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    address: Option<String>,
    port: Option<u32>,
    cid: Option<u32>,
    unix: Option<PathBuf>,
}

fn entry(written: Spanned<Entry>, path: &Path) -> Result<Remote, AllowlistError> {
    let at = (written.referenced.line(), written.referenced.column());
    let remote = match written.value {
        Entry { address: Some(address), port: Some(port), cid: None, unix: None } => {
            u16::try_from(port).ok().and_then(|port| Remote::host(&address, port).ok())
        }
        Entry { address: None, port: Some(port), cid: Some(cid), unix: None } => {
            Some(Remote::Vsock { cid, port })
        }
        Entry { address: None, port: None, cid: None, unix: Some(path) } => {
            path.is_absolute().then_some(Remote::Unix(path))
        }
        Entry { .. } => None,
    };
    remote.ok_or_else(|| AllowlistError::Entry { path: path.to_owned(), at })
}

fn syntax(path: &Path, key: &str, error: &serde_saphyr::Error) -> AllowlistError {
    let at = error.location().map_or((1, 1), |location| (location.line(), location.column()));
    // The parser repeats the place at the end of its text; we print it once, in front.
    let text = error.without_snippet().to_string();
    let text = text.rsplit_once(" at line ").map_or(text.as_str(), |(head, _)| head);
    // `value` is the wrapper that keeps the place of an entry, not a key that anybody wrote.
    let key = if key == "." { "the file".to_owned() } else { key.replace("].value", "]") };
    let more =
        if text.contains("expected") { String::new() } else { format!(", expected {KINDS}") };
    AllowlistError::Syntax { path: path.to_owned(), at, problem: format!("{key}: {text}{more}") }
}

/// The three kinds of entry.
const KINDS: &str =
    "{address: HOST, port: 1 to 65535}, {cid: NUMBER, port: NUMBER} or {unix: /path}";

/// 64 KiB are a thousand entries; a proxy that leads to more places is not a boundary.
const FILE_BYTES_MAX: u64 = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Allowlist, String> {
        Allowlist::parse(text, Path::new("vsock-proxy.yaml")).map_err(|error| error.to_string())
    }

    #[test]
    fn the_file_of_the_seed_and_our_kinds() {
        let list = parse(
            "# deny all not listed\nallowlist:\n\
             - {address: \"otel-collector.internal.bizfirstai.com\", port: 4317}\n\
             # Any other outbound connection is blocked\n\
             - {cid: 16, port: 5005}\n- {unix: /run/g.sock}\n",
        )
        .unwrap();
        for (text, allowed) in [
            ("otel-collector.internal.bizfirstai.com:4317", true),
            ("OTEL-collector.internal.bizfirstai.com:4317", true),
            ("otel-collector.internal.bizfirstai.com:4318", false),
            ("otel-collector.internal:4317", false),
            ("vsock:16:5005", true),
            ("vsock:16:5006", false),
            ("vsock:17:5005", false),
            ("unix:/run/g.sock", true),
            ("unix:/run/h.sock", false),
        ] {
            assert_eq!(list.allows(&text.parse().unwrap()), allowed, "{text}");
        }
    }

    #[test]
    fn an_empty_list_allows_nothing() {
        let list = parse("allowlist: []").unwrap();
        assert!(!list.allows(&"a:1".parse().unwrap()));
    }

    #[test]
    fn the_near_miss_is_found() {
        let list =
            parse("allowlist:\n- {address: a.example, port: 1}\n- {address: b, port: 2}").unwrap();
        let near = |text: &str| list.nearest(&text.parse().unwrap()).map(ToString::to_string);
        assert_eq!(near("a:1").as_deref(), Some("a.example:1"));
        assert_eq!(near("a.example:9").as_deref(), Some("a.example:1"));
        assert_eq!(near("c:1"), None);
    }

    #[track_caller]
    fn refused(text: &str, expected: &str) {
        assert_eq!(parse(text).unwrap_err(), expected);
    }

    #[test]
    fn entries_that_are_none_of_the_kinds() {
        let expected = "vsock-proxy.yaml:2:3: allowlist: expected {address: HOST, port: 1 to \
                        65535}, {cid: NUMBER, port: NUMBER} or {unix: /path}";
        for entry in [
            "{address: a}",
            "{port: 1}",
            "{address: a, port: 65536}",
            "{address: a, cid: 3, port: 1}",
            "{unix: relative.sock}",
            "{address: 'a b', port: 1}",
            "{}",
        ] {
            refused(&format!("allowlist:\n- {entry}\n"), expected);
        }
    }

    #[test]
    fn unknown_keys_and_wrong_types_name_their_line() {
        refused(
            "allowlist:\n- {adress: a, port: 1}\n",
            "vsock-proxy.yaml:2:4: allowlist[0].adress: unknown field `adress`, expected one of \
             address, port, cid, unix",
        );
        refused(
            "denylist: []\n",
            "vsock-proxy.yaml:1:1: denylist: unknown field `denylist`, expected one of allowlist",
        );
        let kinds = |start: &str| format!("{start}, expected {KINDS}");
        refused(
            "allowlist:\n- {address: a, port: many}\n",
            &kinds("vsock-proxy.yaml:2:22: allowlist[0].port: invalid u32"),
        );
        refused("allowlist: [", &kinds("vsock-proxy.yaml:1:12: allowlist: unclosed bracket '['"));
        refused("", "vsock-proxy.yaml:1:1: the file: unexpected end of input");
    }
}
