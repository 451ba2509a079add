//! One POST over a connection of its own: notifications are few. It follows no redirects, reads no
//! proxy variables, and looks at the status and at `Retry-After` only.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST, RETRY_AFTER};
use http::{Request, Uri};
use http_body_util::Full;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::ClientConfig;

use super::channel::Sent;

/// For everything, from the connection to the answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Posts JSON.
pub(super) async fn post(
    uri: &Uri,
    tls: Option<&Arc<ClientConfig>>,
    headers: &[(&'static str, String)],
    body: Bytes,
) -> Sent {
    match tokio::time::timeout(PATIENCE, exchange(uri, tls, headers, body)).await {
        Ok(Ok(sent)) => sent,
        Ok(Err(error)) => Sent::Later { after_ms: None, error },
        Err(_) => Sent::Later { after_ms: None, error: "timed out".to_owned() },
    }
}

async fn exchange(
    uri: &Uri,
    tls: Option<&Arc<ClientConfig>>,
    headers: &[(&'static str, String)],
    body: Bytes,
) -> Result<Sent, String> {
    let host = uri.host().ok_or("address has no host")?.trim_matches(['[', ']']);
    let port = uri.port_u16().unwrap_or(if tls.is_some() { 443 } else { 80 });
    let stream =
        TcpStream::connect((host, port)).await.map_err(|error| error.kind().to_string())?;
    let authority = uri.authority().map_or(host, |authority| authority.as_str());
    let mut request = Request::post(uri.path_and_query().map_or("/", |path| path.as_str()))
        .header(HOST, authority)
        .header(CONTENT_TYPE, "application/json");
    for (name, value) in headers {
        request = request.header(*name, value);
    }
    let request = request.body(Full::new(body)).map_err(|_| "request cannot be written")?;
    match tls {
        None => send(stream, request).await,
        Some(config) => {
            let name = ServerName::try_from(host.to_owned()).map_err(|_| "host is no name")?;
            let connector = TlsConnector::from(Arc::clone(config));
            let stream = connector.connect(name, stream).await.map_err(|_| "TLS failed")?;
            send(stream, request).await
        }
    }
}

async fn send(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: Request<Full<Bytes>>,
) -> Result<Sent, String> {
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(|_| "no HTTP")?;
    let driver = tokio::spawn(async move { drop(connection.await) });
    let response = sender.send_request(request).await.map_err(|_| "connection ended")?;
    driver.abort();
    let status = response.status();
    let after = response.headers().get(RETRY_AFTER).and_then(|text| text.to_str().ok());
    let after_ms = after.and_then(|text| text.parse::<u64>().ok()).map(|s| s.saturating_mul(1000));
    let error = format!("answered {}", status.as_u16());
    Ok(match status.as_u16() {
        200..300 => Sent::Done,
        // Everything else of 4xx stays as wrong as it is.
        408 | 425 | 429 | 500.. => Sent::Later { after_ms, error },
        _ => Sent::Never(error),
    })
}
