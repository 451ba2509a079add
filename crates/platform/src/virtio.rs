//! Virtual sockets on the reactor: the blocking types of `vsock`, made nonblocking and driven by
//! `AsyncFd`.
//!
//! The crate that does this ready made would bring twenty others into the trusted computing base.
//! Here is one of the two unsafe blocks of the repository: [`register`].

use std::io::{self, Read as _, Write as _};
use std::net::Shutdown;
use std::os::fd::AsRawFd;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use vsock::{VsockAddr, VsockListener, VsockStream};

use crate::address::Cid;

/// A bound vsock socket.
#[derive(Debug)]
pub(crate) struct Listener(AsyncFd<VsockListener>);

impl Listener {
    /// Binds and listens.
    pub(crate) fn bind(cid: Cid, port: u32) -> io::Result<Self> {
        let listener = VsockListener::bind_with_cid_port(cid.0, port)?;
        listener.set_nonblocking(true)?;
        Ok(Self(register(listener)?))
    }

    /// The identifier and port that it is bound to.
    pub(crate) fn local(&self) -> io::Result<(Cid, u32)> {
        let address = self.0.get_ref().local_addr()?;
        Ok((Cid(address.cid()), address.port()))
    }

    /// The next connection.
    pub(crate) async fn accept(&self) -> io::Result<Stream> {
        loop {
            let mut ready = self.0.readable().await?;
            if let Ok(accepted) = ready.try_io(|listener| listener.get_ref().accept()) {
                let (stream, _peer) = accepted?;
                stream.set_nonblocking(true)?;
                return Ok(Stream(register(stream)?));
            }
        }
    }
}

/// A connected vsock socket.
#[derive(Debug)]
pub(crate) struct Stream(AsyncFd<VsockStream>);

impl Stream {
    /// Connects without blocking the thread; the kernel gives up after two seconds of silence.
    pub(crate) async fn connect(cid: Cid, port: u32) -> io::Result<Self> {
        let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
        let socket = socket(AddressFamily::Vsock, SockType::Stream, flags, None)?;
        let address = VsockAddr::new(cid.0, port);
        match nix::sys::socket::connect(socket.as_raw_fd(), &address) {
            Ok(()) | Err(Errno::EINPROGRESS) => {}
            Err(error) => return Err(error.into()),
        }
        let stream = register(VsockStream::from(socket))?;
        loop {
            let mut ready = stream.writable().await?;
            if let Some(error) = stream.get_ref().take_error()? {
                return Err(error);
            }
            match stream.get_ref().peer_addr() {
                Ok(_) => break,
                // Readiness is a hint: without an error and without a peer it was not yet true.
                Err(error) if error.kind() == io::ErrorKind::NotConnected => ready.clear_ready(),
                Err(error) => return Err(error),
            }
        }
        Ok(Self(stream))
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            let mut ready = ready!(self.0.poll_read_ready(context))?;
            let unfilled = buffer.initialize_unfilled();
            if let Ok(read) = ready.try_io(|stream| stream.get_ref().read(unfilled)) {
                return Poll::Ready(read.map(|count| buffer.advance(count)));
            }
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        loop {
            let mut ready = ready!(self.0.poll_write_ready(context))?;
            if let Ok(written) = ready.try_io(|stream| stream.get_ref().write(bytes)) {
                return Poll::Ready(written);
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.0.get_ref().shutdown(Shutdown::Write))
    }
}

/// The two socket types that [`register`] may be given.
///
/// Whoever implements it vouches that the type owns its descriptor, never closes or replaces it
/// before it is dropped, and returns the same one from each `as_raw_fd`. Both hold one private
/// `OwnedFd` and have no method that replaces it.
trait OwnsOneDescriptor: AsRawFd {}
impl OwnsOneDescriptor for VsockListener {}
impl OwnsOneDescriptor for VsockStream {}

#[expect(unsafe_code, reason = "the reactor takes descriptors only on the caller's word")]
fn register<T: OwnsOneDescriptor>(socket: T) -> io::Result<AsyncFd<T>> {
    // SAFETY: `OwnsOneDescriptor` promises that the descriptor is open, and stays the same one, for
    // as long as the `AsyncFd` owns the value; nothing here takes the value out of it.
    Ok(unsafe { AsyncFd::register(socket) }?)
}

#[cfg(test)]
mod tests;
