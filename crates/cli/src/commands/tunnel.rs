//! `lucarne tunnel`: a plain local port for standard clients, whose other end is the channel.
//!
//! What knows HTTP and not evidence talks to this port on the investigator's own machine; each
//! request becomes a question, with its record. The port is plain, so it binds to loopback only.

mod following;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use lucarne_gateway::websocket::{self, Successor};
use lucarne_ledger::cbor::Reader;
use lucarne_link::channel::message::{Query, Verb};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Mutex;
use tokio::task::JoinSet;

use crate::commands::query::channel::{Answer, Channel};
use crate::commands::query::connection::Connection;
use crate::failure::{Exit, Failure};
use crate::shutdown;

/// Give logcli or Grafana a local port that leads into an enclave
///
/// Paths under /loki/ are asked as Loki's API, tail over a WebSocket included, those under /api/
/// as Tempo's, and /lucarne/recent gives the newest log records (parameters from, limit, contains).
/// Every request is a question by you, and recorded. The enclave's evidence is judged before the
/// port opens and again every minute. Prints "ready" on standard output when the port is open.
///
/// Example: lucarne tunnel --listen 127.0.0.1:3100 --connect vsock:16:5100 --policy ./policy.yaml
/// --identity alice.pem --key alice.key
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    connection: Connection,
    /// Where to listen; loopback only
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:3100")]
    listen: SocketAddr,
}

/// Runs until a signal stops it.
///
/// # Errors
/// When the enclave cannot be reached or believed, or the port cannot be had.
pub fn run(args: &Args) -> Result<Exit, Failure> {
    if !args.listen.ip().is_loopback() {
        let text = format!("--listen {}: expected an address of loopback", args.listen);
        return Err(Failure::usage(text).hint("whoever reaches the port asks in your name"));
    }
    shutdown::runtime()?.block_on(async {
        let mut stop = shutdown::on_signal()?;
        let far = Far { channel: Some(Channel::open(args.connection.terms()?).await?) };
        let far = Arc::new(Mutex::new((far, args.connection.clone())));
        let listener = TcpListener::bind(args.listen).await.map_err(|error| {
            Failure::because(Exit::Usage, &format!("listen at {}", args.listen), &error)
        })?;
        println_ready()?;
        let mut tasks = JoinSet::new();
        loop {
            tokio::select! {
                () = shutdown::stopped(&mut stop) => break,
                Some(_) = tasks.join_next() => {}
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) if tasks.len() < CONNECTIONS_MAX => {
                        let far = Arc::clone(&far);
                        tasks.spawn(connection(far, args.connection.clone(), TokioIo::new(stream)));
                    }
                    Ok(_) => {}
                    Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
                }
            }
        }
        tasks.shutdown().await;
        Ok(Exit::Yes)
    })
}

fn println_ready() -> Result<(), Failure> {
    use std::io::Write as _;
    let mut out = std::io::stdout().lock();
    writeln!(out, "ready")?;
    Ok(out.flush()?)
}

/// The far end; none when the last exchange failed.
struct Far {
    channel: Option<Channel>,
}

type Shared = Arc<Mutex<(Far, Connection)>>;

async fn connection(far: Shared, own: Connection, stream: TokioIo<TcpStream>) {
    let successor = Successor::default();
    let service = service_fn(|mut request| {
        let far = Arc::clone(&far);
        let followed = (request.uri().path() == websocket::TAIL)
            .then(|| follow(&own, &mut request, &successor));
        async move {
            match followed {
                Some(answer) => Ok(answer),
                None => serve(far, request).await,
            }
        }
    });
    let served = hyper::server::conn::http1::Builder::new().serve_connection(stream, service);
    // How a connection ends is its client's business.
    drop(served.with_upgrades().await);
    successor.run().await;
}

/// `tail`: a WebSocket here, and a channel of its own there, so that other questions need not wait.
fn follow(
    own: &Connection,
    request: &mut Request<Incoming>,
    successor: &Successor,
) -> Response<Full<Bytes>> {
    let key = match websocket::asked(request) {
        Ok(key) => key,
        Err(why) => return text(StatusCode::BAD_REQUEST, why.to_owned()),
    };
    let Some(query) = question(request) else {
        return text(StatusCode::NOT_FOUND, "no such path inside\n".to_owned());
    };
    let own = own.clone();
    websocket::accept(request, &key, successor, |out| following::tell(own, query, out))
}

async fn serve(
    far: Shared,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    if request.method() != Method::GET {
        return Ok(text(StatusCode::METHOD_NOT_ALLOWED, "only GET is carried\n".into()));
    }
    let Some(query) = question(&request) else {
        return Ok(text(StatusCode::NOT_FOUND, "no such path inside\n".into()));
    };
    let mut far = far.lock().await;
    let (Far { channel }, connection) = &mut *far;
    Ok(match ask(channel, connection, &query).await {
        Ok(response) => response,
        // The next request connects anew.
        Err(failure) => text(StatusCode::BAD_GATEWAY, failure.text(false)),
    })
}

async fn ask(
    channel: &mut Option<Channel>,
    connection: &Connection,
    query: &Query,
) -> Result<Response<Full<Bytes>>, Failure> {
    // Out of its place until the exchange is whole: a client that goes away in the middle leaves
    // none behind that somebody else would be answered by.
    let mut open = match channel.take() {
        Some(open) => open,
        None => Channel::open(connection.terms()?).await?,
    };
    let mut answer = Vec::new();
    let take = |piece: &[u8]| {
        answer.extend_from_slice(piece);
        Ok(())
    };
    let answered = open.ask(query, take).await?;
    *channel = Some(open);
    match answered {
        Answer::Done { partial, .. } => Ok(document(query.verb, &answer, partial.as_deref())),
        Answer::Refused { code, reason, seq, .. } => {
            let status = match code.as_str() {
                "unavailable" => StatusCode::NOT_IMPLEMENTED,
                "unrecorded" => StatusCode::SERVICE_UNAVAILABLE,
                "malformed" => StatusCode::BAD_REQUEST,
                "failed" => StatusCode::INTERNAL_SERVER_ERROR,
                _ => StatusCode::FORBIDDEN,
            };
            let record = seq.map(|seq| format!("; audit record {seq}")).unwrap_or_default();
            Ok(text(status, format!("{reason} ({code}){record}\n")))
        }
    }
}

fn question(request: &Request<Incoming>) -> Option<Query> {
    let path = request.uri().path();
    let mut all = request.uri().path_and_query()?.as_str().to_owned();
    for name in CARRIED {
        if let Some(value) = request.headers().get(name).and_then(|value| value.to_str().ok()) {
            all.push_str(&format!("\n{name}: {value}"));
        }
    }
    let whole = |verb| Query { verb, text: all, from_ns: 0, to_ns: u64::MAX, limit: ROWS_MAX };
    if path == "/lucarne/recent" {
        return recent(request.uri().query().unwrap_or_default());
    }
    if path.starts_with("/loki/") || path == "/ready" {
        return Some(whole(Verb::Loki));
    }
    path.starts_with("/api/").then(|| whole(Verb::Tempo))
}

fn recent(parameters: &str) -> Option<Query> {
    let hour_ago = crate::clock::unix_ns().saturating_sub(3_600_000_000_000);
    let (mut from_ns, mut limit, mut text) = (hour_ago, 1_000, String::new());
    for pair in parameters.split('&').filter(|pair| !pair.is_empty()) {
        match pair.split_once('=')? {
            ("from", value) => from_ns = value.parse().ok()?,
            ("limit", value) => limit = value.parse().ok()?,
            ("contains", value) => text = lucarne_store::surface::decoded(value)?,
            _ => return None,
        }
    }
    Some(Query { verb: Verb::Recent, text, from_ns, to_ns: u64::MAX, limit })
}

/// An answer as HTTP: those of HTTP APIs begin with CBOR `[status, content type, what it lacks]`.
fn document(verb: Verb, answer: &[u8], partial: Option<&str>) -> Response<Full<Bytes>> {
    let (status, kind, lacks, body) = match verb {
        Verb::Loki | Verb::Tempo => match head(answer) {
            Some(parts) => parts,
            // It was stopped before its beginning: the reason is the answer.
            None if let Some(why) = partial => {
                return text(StatusCode::BAD_REQUEST, format!("{why}\n"));
            }
            None => return text(StatusCode::BAD_GATEWAY, "the answer has no head\n".into()),
        },
        _ => (StatusCode::OK, NDJSON, "", answer),
    };
    let mut response = Response::new(Full::new(Bytes::copy_from_slice(body)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    if let Ok(kind) = kind.parse() {
        headers.insert(header::CONTENT_TYPE, kind);
    }
    let lacks = partial.or(Some(lacks).filter(|lacks| !lacks.is_empty()));
    if let Some(Ok(why)) = lacks.map(str::parse) {
        headers.insert("lucarne-partial", why);
    }
    response
}

/// Status, content type, what the answer lacks, and its body.
pub(in crate::commands) fn head(answer: &[u8]) -> Option<(StatusCode, &str, &str, &[u8])> {
    let mut reader = Reader::new(answer);
    if reader.array().ok()? != 3 {
        return None;
    }
    let status = StatusCode::from_u16(u16::try_from(reader.uint().ok()?).ok()?).ok()?;
    let (kind, lacks) = (reader.text().ok()?, reader.text().ok()?);
    Some((status, kind, lacks, reader.rest()))
}

fn text(status: StatusCode, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response
}

/// Headers of a request that change what Loki and Tempo answer.
const CARRIED: [&str; 2] = ["accept", "x-loki-response-encoding-flags"];
/// One person's tools.
const CONNECTIONS_MAX: usize = 64;
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// The role's own limit is lower.
const ROWS_MAX: u64 = 1_000_000;
const NDJSON: &str = "application/x-ndjson";
