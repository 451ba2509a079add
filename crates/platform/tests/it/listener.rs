//! Listeners and streams over real sockets.

use std::os::unix::fs::PermissionsExt as _;

use lucarne_platform::{Address, BindError, Listener, Stream, connect};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

fn address(text: &str) -> Address {
    text.parse().unwrap()
}

fn socket_in(directory: &tempfile::TempDir) -> Address {
    Address::Unix(directory.path().join("s"))
}

/// Connects, sends a megabyte one way and its length back, and closes in order.
async fn check_carries(listener: &Listener) {
    let (client, server) = tokio::join!(connect(listener.address()), listener.accept());
    let (mut client, mut server) = (client.unwrap(), server.unwrap());
    let sent: Vec<u8> = (0..1 << 20).map(|i: u32| (i % 251) as u8).collect();
    let receive = async {
        let mut got = Vec::new();
        server.read_to_end(&mut got).await.unwrap();
        server.write_all(&(got.len() as u64).to_be_bytes()).await.unwrap();
        got
    };
    let send = async {
        client.write_all(&sent).await.unwrap();
        client.shutdown().await.unwrap();
        client.read_u64().await.unwrap()
    };
    let (got, answer) = tokio::join!(receive, send);
    assert_eq!(answer, 1 << 20);
    assert!(got == sent, "the bytes differ");
}

#[tokio::test]
async fn tcp_carries_bytes_and_tells_its_port() {
    let listener = Listener::bind(&address("tcp:127.0.0.1:0")).unwrap();
    assert!(matches!(listener.address(), Address::Tcp(bound) if bound.port() != 0));
    check_carries(&listener).await;
}

#[tokio::test]
async fn a_unix_socket_carries_bytes_for_its_user_alone() {
    let directory = tempfile::tempdir().unwrap();
    let wanted = socket_in(&directory);
    let listener = Listener::bind(&wanted).unwrap();
    assert_eq!(listener.address(), &wanted);
    let mode = directory.path().join("s").metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o600);
    check_carries(&listener).await;
}

#[tokio::test]
async fn a_stale_socket_is_replaced_and_a_living_one_is_not() {
    let directory = tempfile::tempdir().unwrap();
    let wanted = socket_in(&directory);
    drop(Listener::bind(&wanted).unwrap());
    assert!(directory.path().join("s").exists(), "the file outlives its listener");
    let listener = Listener::bind(&wanted).unwrap();
    let error = Listener::bind(&wanted).unwrap_err();
    assert!(matches!(&error, BindError::InUse { address } if *address == wanted), "{error:?}");
    check_carries_after_probe(&listener).await;
}

/// Looking whether the socket is stale left one closed connection in the queue.
async fn check_carries_after_probe(listener: &Listener) {
    let mut probe: Stream = listener.accept().await.unwrap();
    assert_eq!(probe.read(&mut [0]).await.unwrap(), 0);
    check_carries(listener).await;
}

#[tokio::test]
async fn a_file_that_is_no_socket_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("s"), "precious").unwrap();
    let wanted = socket_in(&directory);
    let error = Listener::bind(&wanted).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("{wanted} exists and is not a socket: remove it or configure another path")
    );
    assert_eq!(std::fs::read_to_string(directory.path().join("s")).unwrap(), "precious");
}

#[tokio::test]
async fn bind_errors_name_the_address_and_the_remedy() {
    let taken = Listener::bind(&address("tcp:127.0.0.1:0")).unwrap();
    let error = Listener::bind(taken.address()).unwrap_err();
    let named = taken.address();
    assert_eq!(
        error.to_string(),
        format!("{named} is in use by another process: stop it or configure another address")
    );
    for (text, expected) in [
        ("unix:/no/such/s", "bind unix:/no/such/s: the directory does not exist: create it first"),
        ("tcp:192.0.2.1:1", "bind tcp:192.0.2.1:1: the address is not one of this machine"),
    ] {
        assert_eq!(Listener::bind(&address(text)).unwrap_err().to_string(), expected);
    }
}

#[tokio::test]
async fn a_refused_connection_names_the_address() {
    let listener = Listener::bind(&address("tcp:127.0.0.1:0")).unwrap();
    let gone = listener.address().clone();
    drop(listener);
    let error = connect(&gone).await.unwrap_err();
    assert_eq!(error.to_string(), format!("connect to {gone}"));
    assert_eq!(error.address, gone);
    assert_eq!(error.source.kind(), std::io::ErrorKind::ConnectionRefused);
}
