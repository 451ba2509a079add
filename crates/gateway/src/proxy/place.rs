//! The two ends of a relay: where it listens and where it leads.
//!
//! A bare number is a vsock port on every context id of this machine, as AWS's proxy has it. Where
//! it leads may be a host name: the proxy runs on the host, and resolves the name anew for each
//! connection.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use lucarne_platform::{Address, Cid};

/// Where a relay listens.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Local(pub Address);

/// Where a relay leads.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Remote {
    /// A TCP port of a host, by name or literal address.
    Host {
        /// Name or address, in lower case, without brackets.
        address: String,
        /// TCP port.
        port: u16,
    },
    /// A vsock port of an enclave or guest.
    Vsock {
        /// Context id.
        cid: u32,
        /// Port.
        port: u32,
    },
    /// A Unix socket of this machine.
    Unix(PathBuf),
}

/// One relay: connections to `local` are carried to `remote`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Route {
    /// Where it listens.
    pub local: Local,
    /// Where it leads.
    pub remote: Remote,
}

/// Why a text is not an end of a relay.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum PlaceError {
    /// Not a place to listen.
    Local {
        /// The text.
        got: String,
    },
    /// Not a place to lead to.
    Remote {
        /// The text.
        got: String,
    },
    /// A route is `LOCAL=REMOTE`.
    Route {
        /// The text.
        got: String,
    },
}

impl Remote {
    /// A host as AWS's command line gives it: name and port apart.
    ///
    /// # Errors
    /// When the name cannot be one.
    pub fn host(address: &str, port: u16) -> Result<Self, PlaceError> {
        let bare = address.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        let bare = bare.unwrap_or(address).to_ascii_lowercase();
        let plain = |c: char| c.is_ascii_alphanumeric() || "-._:".contains(c);
        // `unix:4` would be read as a socket, not as a port of a host of that name.
        let is_kind = KINDS.contains(&bare.as_str());
        let length = 1..=HOST_NAME_BYTES_MAX;
        if is_kind || !length.contains(&bare.len()) || !bare.chars().all(plain) {
            return Err(PlaceError::Remote { got: address.to_owned() });
        }
        Ok(Self::Host { address: bare, port })
    }
}

impl FromStr for Local {
    type Err = PlaceError;

    fn from_str(text: &str) -> Result<Self, PlaceError> {
        let port = text.strip_prefix("vsock:").unwrap_or(text);
        if let Ok(port) = port.parse() {
            return Ok(Self(Address::Vsock { cid: Cid::ANY, port }));
        }
        text.parse().map(Self).map_err(|_| PlaceError::Local { got: text.to_owned() })
    }
}

impl FromStr for Remote {
    type Err = PlaceError;

    fn from_str(text: &str) -> Result<Self, PlaceError> {
        let wrong = || PlaceError::Remote { got: text.to_owned() };
        if text.starts_with("unix:") || text.starts_with("vsock:") {
            return match text.parse().map_err(|_| wrong())? {
                // `any` means every context id when listening; it is no place to connect to.
                Address::Vsock { cid: Cid::ANY, .. } => Err(wrong()),
                Address::Vsock { cid: Cid(cid), port } => Ok(Self::Vsock { cid, port }),
                Address::Unix(path) => Ok(Self::Unix(path)),
                Address::Tcp(_) => Err(wrong()),
            };
        }
        let host_port = text.strip_prefix("tcp:").unwrap_or(text);
        let (address, port) = host_port.rsplit_once(':').ok_or_else(wrong)?;
        let port = port.parse().map_err(|_| wrong())?;
        // A bare IPv6 address would swallow the port: it must be in brackets.
        if address.contains(':') && !address.starts_with('[') {
            return Err(wrong());
        }
        Self::host(address, port).map_err(|_| wrong())
    }
}

impl FromStr for Route {
    type Err = PlaceError;

    fn from_str(text: &str) -> Result<Self, PlaceError> {
        let (local, remote) =
            text.split_once('=').ok_or_else(|| PlaceError::Route { got: text.to_owned() })?;
        Ok(Self { local: local.parse()?, remote: remote.parse()? })
    }
}

impl fmt::Display for Local {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host { address, port } if address.contains(':') => {
                write!(f, "[{address}]:{port}")
            }
            Self::Host { address, port } => write!(f, "{address}:{port}"),
            Self::Vsock { cid, port } => write!(f, "vsock:{cid}:{port}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl fmt::Display for PlaceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local { got } => write!(
                f,
                "{got:?} is not a place to listen, expected a vsock port number, vsock:PORT, \
                 unix:/path or tcp:ADDRESS:PORT"
            ),
            Self::Remote { got } => write!(
                f,
                "{got:?} is not a place to connect to, expected HOST:PORT, vsock:CID:PORT or \
                 unix:/path"
            ),
            Self::Route { got } => write!(f, "{got:?} is not a relay, expected LOCAL=REMOTE"),
        }
    }
}

impl std::error::Error for PlaceError {}

/// What addresses begin with; no host can be called so.
const KINDS: [&str; 3] = ["tcp", "unix", "vsock"];
/// The longest name of the DNS (RFC 1035 §2.3.4).
const HOST_NAME_BYTES_MAX: usize = 253;

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn local(text: &str, expected: Option<&str>) {
        assert_eq!(text.parse::<Local>().ok().map(|it| it.to_string()).as_deref(), expected);
    }

    #[track_caller]
    fn remote(text: &str, expected: Option<&str>) {
        assert_eq!(text.parse::<Remote>().ok().map(|it| it.to_string()).as_deref(), expected);
    }

    #[test]
    fn places_to_listen() {
        local("8080", Some("vsock:any:8080"));
        local("vsock:8080", Some("vsock:any:8080"));
        local("vsock:3:8080", Some("vsock:3:8080"));
        local("unix:/run/x.sock", Some("unix:/run/x.sock"));
        local("tcp:127.0.0.1:4317", Some("tcp:127.0.0.1:4317"));
        local("tcp:localhost:4317", None);
        local("4294967296", None);
        local("", None);
    }

    #[test]
    fn places_to_lead_to() {
        remote("Otel-Collector.internal:4317", Some("otel-collector.internal:4317"));
        remote("tcp:10.0.0.1:4317", Some("10.0.0.1:4317"));
        remote("[::1]:4317", Some("[::1]:4317"));
        remote("::1:4317", None);
        remote("vsock:16:5005", Some("vsock:16:5005"));
        remote("vsock:any:5005", None);
        remote("unix:/run/gateway.sock", Some("unix:/run/gateway.sock"));
        remote("otel-collector.internal", None);
        remote("otel collector:4317", None);
        remote("host:65536", None);
        remote(":4317", None);
        remote("tcp:tcp:4", None);
        assert_eq!(Remote::host("unix", 4), Err(PlaceError::Remote { got: "unix".into() }));
    }

    #[test]
    fn routes() {
        let route: Route = "tcp:127.0.0.1:9443=vsock:16:5005".parse().unwrap();
        assert_eq!(route.remote, Remote::Vsock { cid: 16, port: 5005 });
        let got = || "8080".to_owned();
        assert_eq!("8080".parse::<Route>(), Err(PlaceError::Route { got: got() }));
    }
}
