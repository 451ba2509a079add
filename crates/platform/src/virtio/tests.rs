//! What a machine without a hypervisor can show of vsock: binding, its errors, and a connect that
//! the kernel refuses. Where the kernel lacks vsock each test says so and ends.
//!
//! The calls behind reading, writing, closing and accepting are those of any stream socket, so a
//! pair of Unix sockets in vsock's types shows the code around them; the kernel's vsock it does not
//! show.

use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;

fn dressed_up(stream: UnixStream) -> Stream {
    stream.set_nonblocking(true).unwrap();
    Stream(register(VsockStream::from(OwnedFd::from(stream))).unwrap())
}

/// More bytes than the kernel buffers, so that both ends must wait for readiness.
async fn check_carries(mut near: Stream, mut far: Stream) {
    let sent: Vec<u8> = (0..4 << 20).map(|i: u32| (i % 251) as u8).collect();
    let send = async {
        near.write_all(&sent).await.unwrap();
        near.shutdown().await.unwrap();
        near.read_u64().await.unwrap()
    };
    let receive = async {
        let mut got = Vec::new();
        far.read_to_end(&mut got).await.unwrap();
        far.write_u64(got.len() as u64).await.unwrap();
        got
    };
    let (answer, got) = tokio::join!(send, receive);
    assert_eq!(answer, 4 << 20);
    assert!(got == sent, "the bytes differ");
}

#[tokio::test]
async fn a_stream_carries_bytes_both_ways() {
    let (near, far) = UnixStream::pair().unwrap();
    check_carries(dressed_up(near), dressed_up(far)).await;
}

#[tokio::test]
async fn a_listener_waits_for_connections() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("s");
    let listener = VsockListener::from(OwnedFd::from(UnixListener::bind(&path).unwrap()));
    listener.set_nonblocking(true).unwrap();
    let listener = Listener(register(listener).unwrap());
    let connect = async {
        tokio::task::yield_now().await;
        dressed_up(UnixStream::connect(&path).unwrap())
    };
    let (accepted, connected) = tokio::join!(listener.accept(), connect);
    check_carries(connected, accepted.unwrap()).await;
}

/// `None`, with the reason printed, where the kernel has no vsock.
#[expect(clippy::print_stderr, reason = "a skipped test must say so")]
fn bound() -> Option<Listener> {
    match Listener::bind(Cid::ANY, u32::MAX) {
        Ok(listener) => Some(listener),
        Err(error) => {
            eprintln!("skipped: this kernel has no vsock ({error})");
            None
        }
    }
}

#[tokio::test]
async fn binding_any_port_tells_the_port() {
    let Some(listener) = bound() else { return };
    let (cid, port) = listener.local().unwrap();
    assert_eq!(cid, Cid::ANY);
    assert_ne!(port, u32::MAX);
}

#[tokio::test]
async fn a_taken_port_is_refused() {
    let Some(listener) = bound() else { return };
    let (_, port) = listener.local().unwrap();
    let error = Listener::bind(Cid::ANY, port).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
}

/// Loopback needs `vsock_loopback`; without it the nonblocking connect must end in an error, not
/// hang.
#[tokio::test]
#[expect(clippy::print_stderr, reason = "a skipped test must say so")]
async fn loopback_carries_bytes_or_is_refused() {
    let Some(listener) = bound() else { return };
    let (_, port) = listener.local().unwrap();
    let connecting = Stream::connect(Cid(vsock::VMADDR_CID_LOCAL), port);
    let limit = std::time::Duration::from_secs(10);
    let client = match tokio::time::timeout(limit, connecting).await.unwrap() {
        Ok(client) => client,
        Err(error) => {
            eprintln!("no loopback on this machine: connect and accept are not shown ({error})");
            let refusals = [
                Errno::ENODEV,
                Errno::ECONNRESET,
                Errno::ENETUNREACH,
                Errno::ETIMEDOUT,
                Errno::EADDRNOTAVAIL,
                Errno::EHOSTUNREACH,
            ];
            assert!(refusals.map(|e| Some(e as i32)).contains(&error.raw_os_error()), "{error:?}");
            return;
        }
    };
    let server = listener.accept().await.unwrap();
    check_carries(client, server).await;
}
