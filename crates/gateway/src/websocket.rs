//! The server's side of a WebSocket (RFC 6455), as far as `tail` needs it: text goes out, and what
//! comes in is answered or ends it.
//!
//! The protocol is small, and this is the only place that speaks it: no library of its own, none in
//! a TEE. Refused: extensions, subprotocols, messages of a client longer than a control frame.

mod frame;

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{CONNECTION, HOST, HeaderName, HeaderValue, ORIGIN, UPGRADE};
use hyper::upgrade::Upgraded;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use lucarne_store::engine::error::QueryError;
use lucarne_store::surface::Polled;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, interval_at, sleep, timeout};

pub use self::frame::{Frame, WrongFrame, read};
use self::frame::{close, ping, pong, text};

/// The path that is asked with a WebSocket.
pub const TAIL: &str = "/loki/api/v1/tail";

/// What RFC 6455 has a server append to the client's key.
const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/// Messages between who finds them and the client.
const WAITING: usize = 16;
/// A client that does not read is let go.
const WRITE: Duration = Duration::from_secs(30);
/// As often as Loki looks.
const POLL: Duration = Duration::from_secs(1);
/// Codes of RFC 6455 §7.4.1.
/// How often a client is asked whether it is still there.
const PING: Duration = Duration::from_secs(30);
const NORMAL: u16 = 1000;
const PROTOCOL_ERROR: u16 = 1002;
const INTERNAL: u16 = 1011;

/// What is said on a WebSocket.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Message {
    /// A text.
    Text(String),
    /// The end, and why.
    End(String),
}

/// Where messages go.
pub type Out = mpsc::Sender<Message>;

type Follows = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What a connection of HTTP becomes once it has been upgraded.
#[derive(Clone, Default)]
pub struct Successor(Arc<Mutex<Option<Follows>>>);

impl std::fmt::Debug for Successor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Successor")
    }
}

impl Successor {
    fn slot(&self) -> std::sync::MutexGuard<'_, Option<Follows>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lives as what the connection has become; ends at once if it has become nothing.
    pub async fn run(self) {
        let follows = self.slot().take();
        if let Some(follows) = follows {
            follows.await;
        }
    }
}

/// The key of a request that asks for a WebSocket.
///
/// # Errors
/// What to say to a request that does not.
pub fn asked(request: &Request<Incoming>) -> Result<String, &'static str> {
    let says = |name: HeaderName, word: &str| {
        let values = request.headers().get_all(name).into_iter();
        let mut words = values.filter_map(|value| value.to_str().ok()).flat_map(|it| it.split(','));
        words.any(|it| it.trim().eq_ignore_ascii_case(word))
    };
    let version = HeaderName::from_static("sec-websocket-version");
    let upgrades = says(CONNECTION, "upgrade") && says(UPGRADE, "websocket");
    if request.method() != Method::GET || !upgrades || !says(version, "13") {
        return Err("expected a request for a WebSocket of version 13\n");
    }
    // A browser lets any page open a WebSocket to any port, and says only here whose page it is.
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok());
    let own = |origin: &HeaderValue| {
        let at = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
        at.is_some_and(|(_, at)| Some(at) == host)
    };
    if !request.headers().get_all(ORIGIN).iter().all(own) {
        return Err("a page of another origin may not follow\n");
    }
    let key = request.headers().get("sec-websocket-key").and_then(|key| key.to_str().ok());
    let sixteen = |key: &&str| STANDARD.decode(key).is_ok_and(|bytes| bytes.len() == 16);
    let key = key.filter(sixteen).ok_or("expected sec-websocket-key: 16 bytes in base64\n")?;
    Ok(key.to_owned())
}

/// Answers a request that [`asked`], and has its connection become a WebSocket on which `tell` says
/// something. `tell` ends when nobody listens any longer.
pub fn accept<F>(
    request: &mut Request<Incoming>,
    key: &str,
    successor: &Successor,
    tell: impl FnOnce(Out) -> F,
) -> Response<Full<Bytes>>
where
    F: Future<Output = ()> + Send + 'static,
{
    let upgrade = hyper::upgrade::on(request);
    let (out, messages) = mpsc::channel(WAITING);
    let telling = tell(out);
    *successor.slot() = Some(Box::pin(async move {
        let Ok(upgraded) = upgrade.await else { return };
        let carried = carry::<TokioIo<Upgraded>>(TokioIo::new(upgraded), messages);
        // Whoever tells notices that nobody listens; what is told last is still carried.
        tokio::join!(telling, carried);
    }));
    let mut response = Response::new(Full::default());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    if let Ok(answer) = HeaderValue::from_str(&answer_to(key)) {
        headers.insert(HeaderName::from_static("sec-websocket-accept"), answer);
    }
    response
}

/// RFC 6455 §4.2.2: proves that the request was understood, and nothing else.
fn answer_to(key: &str) -> String {
    let told = digest(&SHA1_FOR_LEGACY_USE_ONLY, format!("{key}{GUID}").as_bytes());
    STANDARD.encode(told.as_ref())
}

/// Polls a query each second until nobody listens; `calls` bounds how many are polled at a time.
pub async fn tell(
    mut poll: impl FnMut() -> Result<Polled, QueryError> + Send + 'static,
    calls: Arc<Semaphore>,
    out: Out,
) {
    loop {
        let polled = {
            let Ok(_room) = calls.acquire().await else { return };
            spawn_blocking(move || (poll(), poll)).await
        };
        let Ok((polled, again)) = polled else { return };
        poll = again;
        let more = match polled {
            Ok(Polled { message, more, .. }) => {
                let sent = match message {
                    Some(message) => out.send(Message::Text(message)).await.is_ok(),
                    None => !out.is_closed(),
                };
                if !sent {
                    return;
                }
                more
            }
            Err(error) => {
                drop(out.send(Message::End(error.to_string())).await);
                return;
            }
        };
        if !more {
            tokio::select! {
                () = out.closed() => return,
                () = sleep(POLL) => {}
            }
        }
    }
}

/// Carries messages to the client until either side ends.
async fn carry<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    mut messages: mpsc::Receiver<Message>,
) {
    let mut buffer = Vec::new();
    let mut piece = [0; 1024];
    let mut heard = Instant::now();
    let mut pings = interval_at(heard + PING, PING);
    loop {
        let (frame, last) = match next(&mut buffer) {
            Ok(Some(Frame::Ping(payload))) => (pong(&payload), false),
            Ok(Some(Frame::Close)) => (close(NORMAL, ""), true),
            // Clients of `tail` have nothing to say.
            Ok(Some(Frame::Other)) => continue,
            Err(WrongFrame) => (close(PROTOCOL_ERROR, ""), true),
            Ok(None) => tokio::select! {
                message = messages.recv() => match message {
                    Some(Message::Text(message)) => (text(&message), false),
                    Some(Message::End(why)) => (close(INTERNAL, &why), true),
                    None => (close(NORMAL, ""), true),
                },
                // A client that has vanished is noticed although nothing is told.
                _ = pings.tick() => {
                    if heard.elapsed() > PING * 2 {
                        return;
                    }
                    (ping(), false)
                }
                count = stream.read(&mut piece) => match count {
                    Ok(count) if count > 0 => {
                        heard = Instant::now();
                        buffer.extend_from_slice(&piece[..count]);
                        continue;
                    }
                    Ok(_) | Err(_) => return,
                },
            },
        };
        let written = async {
            stream.write_all(&frame).await?;
            stream.flush().await
        };
        if !matches!(timeout(WRITE, written).await, Ok(Ok(()))) || last {
            return;
        }
    }
}

/// The next whole frame of what was read.
fn next(buffer: &mut Vec<u8>) -> Result<Option<Frame>, WrongFrame> {
    let Some((frame, length)) = read(buffer)? else { return Ok(None) };
    buffer.drain(..length);
    Ok(Some(frame))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_to_a_key_is_that_of_the_standard() {
        // RFC 6455 §1.3.
        assert_eq!(answer_to("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[tokio::test]
    async fn messages_go_out_and_pings_are_answered_until_the_client_closes() {
        let (mut client, server) = tokio::io::duplex(1 << 16);
        let (out, messages) = mpsc::channel(WAITING);
        let carried = tokio::spawn(carry(server, messages));
        out.send(Message::Text("one".into())).await.unwrap();
        let mut got = [0; 5];
        client.read_exact(&mut got).await.unwrap();
        assert_eq!(&got, b"\x81\x03one");
        client.write_all(b"\x89\x82\x00\x00\x00\x00hi").await.unwrap();
        let mut got = [0; 4];
        client.read_exact(&mut got).await.unwrap();
        assert_eq!(&got, b"\x8a\x02hi");
        client.write_all(b"\x88\x80\x00\x00\x00\x00").await.unwrap();
        let mut rest = Vec::new();
        client.read_to_end(&mut rest).await.unwrap();
        assert_eq!(rest, b"\x88\x02\x03\xe8");
        carried.await.unwrap();
        assert!(out.is_closed());
    }

    #[tokio::test]
    async fn an_end_says_why_and_what_is_no_frame_ends_it() {
        for (sent, expected) in [
            (Some(Message::End("why".into())), &b"\x88\x05\x03\xf3why"[..]),
            (None, b"\x88\x02\x03\xea"),
        ] {
            let (mut client, server) = tokio::io::duplex(1 << 16);
            let (out, messages) = mpsc::channel(WAITING);
            let carried = tokio::spawn(carry(server, messages));
            match sent {
                Some(message) => out.send(message).await.unwrap(),
                None => client.write_all(b"\x81\x01x").await.unwrap(),
            }
            let mut rest = Vec::new();
            client.read_to_end(&mut rest).await.unwrap();
            assert_eq!(rest, expected);
            carried.await.unwrap();
        }
    }
}
