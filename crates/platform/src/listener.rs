//! Bound sockets that accept connections.
//!
//! A Unix socket is created with mode 0600, not changed to it afterwards, so there is no moment in
//! which another user could connect. A socket file that nobody listens on is replaced; two
//! processes that find the same stale file at the same moment can still take it from each other.

use std::error::Error;
use std::fmt;
use std::fs::{File, Permissions};
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::os::unix::net as std_unix;
use std::path::Path;

use nix::errno::Errno;
use nix::sys::socket::{self, AddressFamily, Backlog, SockFlag, SockType, UnixAddr};
use tokio::net::{TcpListener, UnixListener};

use crate::address::Address;
use crate::stream::Stream;
use crate::virtio;

/// A socket that is bound and listens.
#[derive(Debug)]
pub struct Listener {
    carrier: Carrier,
    address: Address,
}

impl Listener {
    /// Binds to an address and listens. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// When the address is taken, not of this machine, or not permitted; see [`BindError`].
    pub fn bind(address: &Address) -> Result<Self, BindError> {
        let (carrier, address) = match address {
            Address::Vsock { cid, port } => bind_vsock(*cid, *port),
            Address::Unix(path) => bind_unix(path).map(|carrier| (carrier, address.clone())),
            Address::Tcp(address) => bind_tcp(*address),
        }
        .map_err(|cause| BindError::new(address, cause))?;
        Ok(Self { carrier, address })
    }

    /// The address that it is bound to, with the port that the kernel chose.
    pub const fn address(&self) -> &Address {
        &self.address
    }

    /// The next connection. Cancel safe.
    ///
    /// # Errors
    /// When this connection failed, or the process is out of descriptors or memory; the listener
    /// stays usable. Wait a little before the next call, or a lasting shortage becomes a busy loop.
    pub async fn accept(&self) -> io::Result<Stream> {
        match &self.carrier {
            Carrier::Vsock(listener) => listener.accept().await.map(Stream::vsock),
            Carrier::Unix(listener) => Ok(Stream::unix(listener.accept().await?.0)),
            Carrier::Tcp(listener) => Stream::tcp(listener.accept().await?.0),
        }
    }
}

/// Why an address could not be bound. Each is the operator's to solve.
#[derive(Debug)]
pub enum BindError {
    /// Another socket has it.
    InUse {
        /// The address.
        address: Address,
    },
    /// The path exists and is not a socket; it was left alone.
    NotASocket {
        /// The address.
        address: Address,
    },
    /// Anything else that the kernel refused.
    Refused {
        /// The address.
        address: Address,
        /// What the kernel said.
        source: io::Error,
    },
}

impl BindError {
    fn new(address: &Address, cause: Cause) -> Self {
        let address = address.clone();
        match cause {
            Cause::NotASocket => Self::NotASocket { address },
            Cause::Io(error) if error.kind() == io::ErrorKind::AddrInUse => Self::InUse { address },
            Cause::Io(source) => Self::Refused { address, source },
        }
    }

    /// The address that could not be had.
    pub const fn address(&self) -> &Address {
        match self {
            Self::InUse { address }
            | Self::NotASocket { address }
            | Self::Refused { address, .. } => address,
        }
    }

    /// What to do about it, if the kind of error tells.
    fn hint(source: &io::Error) -> Option<&'static str> {
        if source.raw_os_error() == Some(Errno::EAFNOSUPPORT as i32) {
            return Some("this kernel lacks the address family");
        }
        match source.kind() {
            io::ErrorKind::PermissionDenied => {
                Some("this user may not bind there: choose a port from 1024 or another directory")
            }
            io::ErrorKind::AddrNotAvailable => Some("the address is not one of this machine"),
            io::ErrorKind::NotFound => Some("the directory does not exist: create it first"),
            _ => None,
        }
    }
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InUse { address } => write!(
                f,
                "{address} is in use by another process: stop it or configure another address"
            ),
            Self::NotASocket { address } => write!(
                f,
                "{address} exists and is not a socket: remove it or configure another path"
            ),
            Self::Refused { address, source } => match Self::hint(source) {
                Some(hint) => write!(f, "bind {address}: {hint}"),
                None => write!(f, "bind {address}"),
            },
        }
    }
}

impl Error for BindError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::InUse { .. } | Self::NotASocket { .. } => None,
            Self::Refused { source, .. } => Some(source),
        }
    }
}

fn bind_vsock(cid: crate::Cid, port: u32) -> Result<(Carrier, Address), Cause> {
    let listener = virtio::Listener::bind(cid, port)?;
    let (cid, port) = listener.local()?;
    Ok((Carrier::Vsock(listener), Address::Vsock { cid, port }))
}

fn bind_tcp(address: SocketAddr) -> Result<(Carrier, Address), Cause> {
    let listener = std::net::TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    Ok((Carrier::Tcp(TcpListener::from_std(listener)?), Address::Tcp(address)))
}

fn bind_unix(path: &Path) -> Result<Carrier, Cause> {
    remove_stale(path)?;
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    let socket = socket::socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
    // Binding gives the file the mode of the socket itself (unix_bind in net/unix/af_unix.c).
    let socket = File::from(socket);
    socket.set_permissions(Permissions::from_mode(SOCKET_MODE))?;
    socket::bind(socket.as_raw_fd(), &UnixAddr::new(path)?)?;
    socket::listen(&socket, Backlog::new(BACKLOG)?)?;
    let listener = std_unix::UnixListener::from(std::os::fd::OwnedFd::from(socket));
    Ok(Carrier::Unix(UnixListener::from_std(listener)?))
}

/// Removes a socket file that a dead process left behind, and only such a file.
fn remove_stale(path: &Path) -> Result<(), Cause> {
    let metadata = match path.symlink_metadata() {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    if !metadata.file_type().is_socket() {
        return Err(Cause::NotASocket);
    }
    match std_unix::UnixStream::connect(path) {
        Ok(_alive) => Err(io::Error::from(io::ErrorKind::AddrInUse).into()),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            Ok(std::fs::remove_file(path)?)
        }
        Err(error) => Err(error.into()),
    }
}

#[derive(Debug)]
enum Carrier {
    Vsock(virtio::Listener),
    Unix(UnixListener),
    Tcp(TcpListener),
}

enum Cause {
    NotASocket,
    Io(io::Error),
}

impl From<io::Error> for Cause {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<Errno> for Cause {
    fn from(error: Errno) -> Self {
        Self::Io(error.into())
    }
}

/// Only the user of the process connects; another role gets its own socket.
const SOCKET_MODE: u32 = 0o600;
/// What the standard library uses for TCP.
const BACKLOG: i32 = 128;
