//! Where an OTLP receiver listens: `http://host:port` or `host:port`. TLS is refused: the
//! receivers are inside.

use std::fmt;
use std::str::FromStr;

/// Host and port of a receiver.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Endpoint {
    authority: String,
}

/// Why a text is not an endpoint.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum EndpointError {
    /// `https://`: the agent's receivers are plain, inside the TEE.
    Tls,
    /// A path or a query follows the port.
    Path,
    /// No port, or not a port number.
    Port,
    /// No host, or one with characters that a host name cannot have.
    Host,
}

impl Endpoint {
    /// `host:port`, as a socket and the `Host` header take it.
    pub fn authority(&self) -> String {
        self.authority.clone()
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}", self.authority)
    }
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        if text.starts_with("https://") {
            return Err(EndpointError::Tls);
        }
        let rest = text.strip_prefix("http://").unwrap_or(text);
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        if authority.contains(['/', '?', '#']) {
            return Err(EndpointError::Path);
        }
        let (host, port) = authority.rsplit_once(':').ok_or(EndpointError::Port)?;
        if port.parse::<u16>().is_err() {
            return Err(EndpointError::Port);
        }
        let host_ok = |c: char| c.is_ascii_alphanumeric() || "-._[]:".contains(c);
        if host.is_empty() || !host.chars().all(host_ok) {
            return Err(EndpointError::Host);
        }
        Ok(Self { authority: authority.to_owned() })
    }
}

impl fmt::Display for EndpointError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tls => write!(f, "TLS is not spoken here, use http://host:port"),
            Self::Path => write!(f, "the paths are those of OTLP, give http://host:port alone"),
            Self::Port => write!(f, "a port number is missing, expected http://host:port"),
            Self::Host => write!(f, "the host is not a name or address, expected http://host:port"),
        }
    }
}

impl std::error::Error for EndpointError {}

#[cfg(test)]
mod tests {
    use super::{Endpoint, EndpointError};

    #[track_caller]
    fn check(text: &str, expected: Result<&str, EndpointError>) {
        let got = text.parse::<Endpoint>().map(|endpoint| endpoint.authority());
        assert_eq!(got, expected.map(str::to_owned), "{text}");
    }

    #[test]
    fn one_host_one_port_nothing_else() {
        check("http://127.0.0.1:4317", Ok("127.0.0.1:4317"));
        check("http://localhost:4317/", Ok("localhost:4317"));
        check("[::1]:4318", Ok("[::1]:4318"));
        check("https://localhost:4317", Err(EndpointError::Tls));
        check("http://localhost", Err(EndpointError::Port));
        check("localhost:99999", Err(EndpointError::Port));
        check("http://localhost:4318/v1/logs", Err(EndpointError::Path));
        check(":4317", Err(EndpointError::Host));
        check("a b:1", Err(EndpointError::Host));
    }
}
