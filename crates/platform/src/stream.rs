//! One connection, whatever carries it.

use std::error::Error;
use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

use crate::address::Address;
use crate::virtio;

/// A connected byte stream over vsock, a Unix socket or TCP.
#[derive(Debug)]
pub struct Stream(Carrier);

/// Connects to an address. There is no time limit but the kernel's: wrap the call in one.
///
/// # Errors
/// When the peer refuses, does not answer, or the kernel lacks the address family.
pub async fn connect(address: &Address) -> Result<Stream, ConnectError> {
    let connected = match address {
        Address::Vsock { cid, port } => {
            virtio::Stream::connect(*cid, *port).await.map(Stream::vsock)
        }
        Address::Unix(path) => UnixStream::connect(path).await.map(Stream::unix),
        Address::Tcp(address) => match TcpStream::connect(address).await {
            Ok(stream) => Stream::tcp(stream),
            Err(error) => Err(error),
        },
    };
    connected.map_err(|source| ConnectError { address: address.clone(), source })
}

/// A connection that did not come about.
#[derive(Debug)]
pub struct ConnectError {
    /// Where to.
    pub address: Address,
    /// What the kernel said.
    pub source: io::Error,
}

impl Stream {
    pub(crate) fn tcp(stream: TcpStream) -> io::Result<Self> {
        // Frames and answers are written whole; waiting to join them would only add latency.
        stream.set_nodelay(true)?;
        Ok(Self(Carrier::Tcp(stream)))
    }

    pub(crate) const fn unix(stream: UnixStream) -> Self {
        Self(Carrier::Unix(stream))
    }

    pub(crate) const fn vsock(stream: virtio::Stream) -> Self {
        Self(Carrier::Vsock(stream))
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut self.get_mut().0 {
            Carrier::Tcp(stream) => Pin::new(stream).poll_read(context, buffer),
            Carrier::Unix(stream) => Pin::new(stream).poll_read(context, buffer),
            Carrier::Vsock(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().0 {
            Carrier::Tcp(stream) => Pin::new(stream).poll_write(context, bytes),
            Carrier::Unix(stream) => Pin::new(stream).poll_write(context, bytes),
            Carrier::Vsock(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().0 {
            Carrier::Tcp(stream) => Pin::new(stream).poll_write_vectored(context, slices),
            Carrier::Unix(stream) => Pin::new(stream).poll_write_vectored(context, slices),
            Carrier::Vsock(stream) => Pin::new(stream).poll_write_vectored(context, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match &self.0 {
            Carrier::Tcp(stream) => stream.is_write_vectored(),
            Carrier::Unix(stream) => stream.is_write_vectored(),
            Carrier::Vsock(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().0 {
            Carrier::Tcp(stream) => Pin::new(stream).poll_flush(context),
            Carrier::Unix(stream) => Pin::new(stream).poll_flush(context),
            Carrier::Vsock(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().0 {
            Carrier::Tcp(stream) => Pin::new(stream).poll_shutdown(context),
            Carrier::Unix(stream) => Pin::new(stream).poll_shutdown(context),
            Carrier::Vsock(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "connect to {}", self.address)
    }
}

impl Error for ConnectError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.source)
    }
}

#[derive(Debug)]
enum Carrier {
    Tcp(TcpStream),
    Unix(UnixStream),
    Vsock(virtio::Stream),
}
