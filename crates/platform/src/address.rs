//! Addresses as configuration writes them: `vsock:CID:PORT`, `unix:/path`, `tcp:ADDRESS:PORT`.
//!
//! Each address is literal. Host names are refused: inside a TEE the answer to a name would come
//! from the host, which is the adversary.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

/// Where a listener is bound or a stream leads.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Address {
    /// `vsock:3:5000`, `vsock:host:5000`, `vsock:any:5000`.
    Vsock {
        /// Context identifier of the machine.
        cid: Cid,
        /// Port; 4294967295 lets the kernel choose one when binding.
        port: u32,
    },
    /// `unix:/run/lucarne/uplink.sock`, absolute.
    Unix(PathBuf),
    /// `tcp:127.0.0.1:4317` or `tcp:[::1]:4317`; port 0 lets the kernel choose one when binding.
    Tcp(SocketAddr),
}

/// The context identifier of a virtual machine or its host on vsock.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Cid(pub u32);

impl Cid {
    /// `any`: for binding, every identifier of this machine.
    pub const ANY: Self = Self(vsock::VMADDR_CID_ANY);
    /// `host`: the machine that runs this virtual machine, 2.
    pub const HOST: Self = Self(vsock::VMADDR_CID_HOST);
}

/// Why a text is not an address.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum AddressError {
    /// It begins with none of `vsock:`, `unix:`, `tcp:`.
    Scheme {
        /// The text.
        got: String,
    },
    /// What follows `vsock:` is not `CID:PORT`.
    Vsock {
        /// The text.
        got: String,
    },
    /// What follows `unix:` is not an absolute path that fits a socket address.
    Unix {
        /// The text.
        got: String,
    },
    /// What follows `tcp:` is not a literal IP address with a port.
    Tcp {
        /// The text.
        got: String,
    },
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Vsock { cid, port } => write!(f, "vsock:{cid}:{port}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Tcp(address) => write!(f, "tcp:{address}"),
        }
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let got = || text.to_owned();
        match text.split_once(':') {
            Some(("vsock", rest)) => vsock(rest).ok_or_else(|| AddressError::Vsock { got: got() }),
            Some(("unix", rest)) => unix(rest).ok_or_else(|| AddressError::Unix { got: got() }),
            Some(("tcp", rest)) => {
                rest.parse().map(Self::Tcp).map_err(|_| AddressError::Tcp { got: got() })
            }
            _ => Err(AddressError::Scheme { got: got() }),
        }
    }
}

impl fmt::Display for Cid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::ANY => f.write_str("any"),
            Self::HOST => f.write_str("host"),
            Self(number) => write!(f, "{number}"),
        }
    }
}

impl fmt::Display for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scheme { got } => write!(
                f,
                "{got:?} is not an address: expected vsock:CID:PORT, unix:/path or tcp:ADDRESS:PORT"
            ),
            Self::Vsock { got } => {
                write!(
                    f,
                    "{got:?} is not a vsock address: expected vsock:CID:PORT, CID a number, host \
                     or any"
                )
            }
            Self::Unix { got } => write!(
                f,
                "{got:?} is not a Unix socket address: expected unix: and an absolute path of at \
                 most {UNIX_PATH_BYTES_MAX} bytes"
            ),
            Self::Tcp { got } => write!(
                f,
                "{got:?} is not a TCP address: expected a literal address and port such as \
                 tcp:127.0.0.1:4317 (names are not resolved)"
            ),
        }
    }
}

impl std::error::Error for AddressError {}

fn vsock(text: &str) -> Option<Address> {
    let (cid, port) = text.split_once(':')?;
    let cid = match cid {
        "any" => Cid::ANY,
        "host" => Cid::HOST,
        number => Cid(decimal(number)?),
    };
    Some(Address::Vsock { cid, port: decimal(port)? })
}

/// A number in its one spelling: `parse` alone would take `+5` and `005`.
fn decimal(text: &str) -> Option<u32> {
    let number: u32 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

fn unix(text: &str) -> Option<Address> {
    let fits = text.starts_with('/') && text.len() <= UNIX_PATH_BYTES_MAX;
    // A trailing slash names a directory, a NUL byte would end the path early in the kernel.
    let names_file = !text.ends_with('/') && !text.contains('\0');
    (fits && names_file).then(|| Address::Unix(PathBuf::from(text)))
}

/// `sun_path` of `unix(7)` has 108 bytes, one of them for the terminator.
const UNIX_PATH_BYTES_MAX: usize = 107;

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &Address) {
        assert_eq!(text.parse::<Address>().as_ref(), Ok(expected));
        assert_eq!(expected.to_string(), text);
    }

    #[track_caller]
    fn refuse(text: &str, expected: fn(String) -> AddressError) {
        assert_eq!(text.parse::<Address>(), Err(expected(text.to_owned())));
    }

    #[test]
    fn addresses_are_read_and_printed_alike() {
        check("vsock:3:5000", &Address::Vsock { cid: Cid(3), port: 5000 });
        check("vsock:host:5000", &Address::Vsock { cid: Cid(2), port: 5000 });
        check("vsock:any:5000", &Address::Vsock { cid: Cid(u32::MAX), port: 5000 });
        check("vsock:3:4294967295", &Address::Vsock { cid: Cid(3), port: u32::MAX });
        check("unix:/run/a b.sock", &Address::Unix(PathBuf::from("/run/a b.sock")));
        check("unix:/run/a:b", &Address::Unix(PathBuf::from("/run/a:b")));
        check("tcp:127.0.0.1:4317", &Address::Tcp(([127, 0, 0, 1], 4317).into()));
        let loopback_six = std::net::Ipv6Addr::LOCALHOST;
        check("tcp:[::1]:0", &Address::Tcp((loopback_six, 0).into()));
        let longest = format!("/{}", "a".repeat(106));
        check(&format!("unix:{longest}"), &Address::Unix(longest.into()));
    }

    #[test]
    fn the_host_may_be_written_as_its_number() {
        assert_eq!("vsock:2:9".parse(), Ok(Address::Vsock { cid: Cid::HOST, port: 9 }));
    }

    #[test]
    fn what_is_no_address_is_refused_with_its_kind() {
        for text in ["", "4317", "127.0.0.1:4317", "http://127.0.0.1:1", "TCP:127.0.0.1:1", " tcp:"]
        {
            refuse(text, |got| AddressError::Scheme { got });
        }
        for text in [
            "vsock:3",
            "vsock:3:",
            "vsock::1",
            "vsock:03:1",
            "vsock:3:+1",
            "vsock:3:1:2",
            "vsock:4294967296:1",
            "vsock:-1:1",
            "vsock:HOST:1",
            "vsock:3: 1",
        ] {
            refuse(text, |got| AddressError::Vsock { got });
        }
        let too_long = format!("unix:/{}", "a".repeat(107));
        for text in ["unix:", "unix:run/x", "unix:/", "unix:/run/", "unix:/a\0b", &too_long] {
            refuse(text, |got| AddressError::Unix { got });
        }
        for text in ["tcp:", "tcp:localhost:1", "tcp:127.0.0.1", "tcp:127.0.0.1:65536", "tcp:::1:1"]
        {
            refuse(text, |got| AddressError::Tcp { got });
        }
    }

    #[test]
    fn errors_say_what_was_expected() {
        assert_eq!(
            "tcp:localhost:1".parse::<Address>().unwrap_err().to_string(),
            "\"tcp:localhost:1\" is not a TCP address: expected a literal address and port such as \
             tcp:127.0.0.1:4317 (names are not resolved)"
        );
        assert_eq!(
            "vsock:x:1".parse::<Address>().unwrap_err().to_string(),
            "\"vsock:x:1\" is not a vsock address: expected vsock:CID:PORT, CID a number, host \
             or any"
        );
    }
}
