//! A connection to an enclave: frames inside of TLS.

use std::sync::Arc;
use std::time::Duration;

use lucarne_link::channel::{Binder, TELL_BYTES_MAX};
use lucarne_link::frame::{self, FrameReader};
use lucarne_platform::{Stream, connect};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::ServerName;

use super::connection::Terms;
use super::tls;
use crate::failure::{Exit, Failure};

/// Connection and handshake; an enclave is near.
const HANDSHAKE: Duration = Duration::from_secs(15);
/// Longer than an enclave searches and waits for its evidence device.
const ANSWER: Duration = Duration::from_secs(120);
const READ_BYTES: usize = 16 << 10;

pub(super) struct Line {
    stream: TlsStream<Stream>,
    frames: FrameReader,
}

impl Line {
    /// Connects and shakes hands; what evidence must be bound to comes with it.
    pub(super) async fn open(terms: &Terms) -> Result<(Self, Binder), Failure> {
        let config = tls::client(terms.certificate.clone(), terms.key.clone_key());
        let config = config.map_err(|error| {
            Failure::because(Exit::Usage, "use the certificate and its key", &error)
        })?;
        // Nobody looks at the name: it is not sent, and evidence says who the peer is.
        let name = ServerName::try_from("enclave").map_err(|_| Failure::bug("a bad name"))?;
        let opened = async {
            let stream = connect(&terms.address)
                .await
                .map_err(|error| Failure::unreadable("reach the enclave", &error))?;
            let handshake = TlsConnector::from(Arc::new(config)).connect(name, stream).await;
            handshake.map_err(|error| {
                Failure::unreadable(&format!("shake hands with {}", terms.address), &error)
                    .hint("nothing was asked; the peer is no channel, or somebody stands between")
            })
        };
        let stream = timeout(HANDSHAKE, opened).await.map_err(|_| late(HANDSHAKE))??;
        let binder = tls::binder(stream.get_ref().1)
            .map_err(|error| Failure::unreadable("shake hands with the enclave", &error))?;
        Ok((Self { stream, frames: FrameReader::new(TELL_BYTES_MAX) }, binder))
    }

    pub(super) async fn send(&mut self, body: &[u8]) -> Result<(), Failure> {
        let sent = async {
            self.stream.write_all(&frame::encode(body)).await?;
            self.stream.flush().await
        };
        let sent = timeout(HANDSHAKE, sent).await.map_err(|_| late(HANDSHAKE))?;
        sent.map_err(|error| Failure::unreadable("ask the enclave", &error))
    }

    pub(super) async fn receive(&mut self) -> Result<Vec<u8>, Failure> {
        let mut buffer = vec![0; READ_BYTES];
        loop {
            let frame = self.frames.next_frame();
            let frame = frame.map_err(|error| {
                Failure::because(Exit::No, "the peer breaks the protocol", &error)
            })?;
            if let Some(body) = frame {
                return Ok(body.to_vec());
            }
            let read = timeout(ANSWER, self.stream.read(&mut buffer)).await;
            let read = read.map_err(|_| late(ANSWER))?;
            let count =
                read.map_err(|error| Failure::unreadable("hear from the enclave", &error))?;
            if count == 0 {
                let text = "the enclave closed the connection";
                return Err(Failure::new(Exit::Unreadable, text));
            }
            self.frames.feed(&buffer[..count]);
        }
    }
}

fn late(within: Duration) -> Failure {
    let text = format!("the enclave did not answer within {} s", within.as_secs());
    Failure::new(Exit::Unreadable, text)
}
