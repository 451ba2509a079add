//! Who sits on the host: a relay that keeps what it sees, and a middle man with TLS of his own.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use lucarne_link::access::{CertificateError, self_signed};
use lucarne_link::channel::{ALPN, TELL_BYTES_MAX};
use lucarne_link::frame::{self, FrameReader};
use tokio_rustls::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use tokio_rustls::rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, Error, HandshakeKind, ServerConfig,
    ServerConnection, SignatureScheme, StreamOwned, SupportedProtocolVersion,
};

use crate::process::PATIENCE;

/// A relay as the host runs one: it sees every byte, and changes none.
pub(super) struct Relay {
    at: SocketAddr,
    captured: Arc<Mutex<Vec<u8>>>,
}

impl Relay {
    pub(super) fn start(to: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let at = listener.local_addr().unwrap();
        let captured = Arc::new(Mutex::new(Vec::new()));
        let keep = Arc::clone(&captured);
        thread::spawn(move || {
            while let Ok((near, _)) = listener.accept() {
                let far = TcpStream::connect(to).unwrap();
                for (from, into) in [(&near, &far), (&far, &near)] {
                    let (from, into) = (from.try_clone().unwrap(), into.try_clone().unwrap());
                    let keep = Arc::clone(&keep);
                    thread::spawn(move || pump(from, into, &keep));
                }
            }
        });
        Self { at, captured }
    }

    pub(super) const fn at(&self) -> SocketAddr {
        self.at
    }

    pub(super) fn captured(&self) -> Vec<u8> {
        self.captured.lock().unwrap().clone()
    }
}

fn pump(mut from: TcpStream, mut into: TcpStream, keep: &Mutex<Vec<u8>>) {
    let mut buffer = [0; 16 << 10];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        keep.lock().unwrap().extend_from_slice(&buffer[..count]);
        if into.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    into.shutdown(Shutdown::Write).ok();
}

/// What the middle man saw of one connection, in the clear.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Frames that the client sent inside of his TLS.
    pub(super) frames: Vec<Vec<u8>>,
    /// Whether the handshake was a whole one; none when there was none.
    pub(super) full_handshake: Option<bool>,
}

/// What he says to each frame: frames of his own, or none to hang up.
pub(super) type Says = Box<dyn FnMut(&[u8]) -> Option<Vec<Vec<u8>>> + Send>;

/// A middle man who ends TLS with a certificate of his own.
pub(super) struct Middle {
    pub(super) at: SocketAddr,
    seen: Receiver<Seen>,
}

impl Middle {
    /// Serves `connections`, one after the other, and gives tickets for resumption.
    pub(super) fn start(
        versions: &[&'static SupportedProtocolVersion],
        connections: usize,
        mut says: Says,
    ) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let at = listener.local_addr().unwrap();
        let config = Arc::new(server(versions));
        let (tell, seen) = channel();
        thread::spawn(move || {
            for _ in 0..connections {
                let (stream, _) = listener.accept().unwrap();
                tell.send(serve(stream, &config, &mut says)).unwrap();
            }
        });
        Self { at, seen }
    }

    /// What he saw of the next connection that has ended.
    pub(super) fn saw(&self) -> Seen {
        self.seen.recv_timeout(PATIENCE).unwrap()
    }
}

fn server(versions: &[&'static SupportedProtocolVersion]) -> ServerConfig {
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
    let certificate = self_signed::<CertificateError>(pair.public_key().as_ref(), |message| {
        Ok(pair.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec())
    });
    let key = PrivatePkcs8KeyDer::from(pair.to_pkcs8v1().unwrap().as_ref().to_vec());
    let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![CertificateDer::from(certificate.unwrap())], key.into())
        .unwrap();
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.send_tls13_tickets = 4;
    config.max_early_data_size = 16 << 10;
    config
}

fn serve(stream: TcpStream, config: &Arc<ServerConfig>, says: &mut Says) -> Seen {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut seen = Seen::default();
    let mut stream = StreamOwned::new(ServerConnection::new(Arc::clone(config)).unwrap(), stream);
    let mut frames = FrameReader::new(TELL_BYTES_MAX);
    let mut buffer = [0; 16 << 10];
    while let Ok(count @ 1..) = stream.read(&mut buffer) {
        frames.feed(&buffer[..count]);
        while let Some(body) = frames.next_frame().unwrap() {
            seen.frames.push(body.to_vec());
            let Some(answers) = says(body) else { break };
            for answer in answers {
                stream.write_all(&frame::encode(&answer)).ok();
            }
            stream.flush().ok();
        }
        let kind = stream.conn.handshake_kind();
        seen.full_handshake = Some(!matches!(kind, None | Some(HandshakeKind::Resumed)));
    }
    seen
}

/// A client with whichever key, that believes every server: what a middle man or a curious client
/// is to the enclave.
pub(super) struct Client {
    pub(super) stream: StreamOwned<ClientConnection, TcpStream>,
    frames: FrameReader,
}

/// How such a client shakes hands. Resumption is on, as it is by default.
pub(super) fn client_config(
    certificate: &Path,
    key: &Path,
    versions: &[&'static SupportedProtocolVersion],
) -> Arc<ClientConfig> {
    let certificate = CertificateDer::from_pem_file(certificate).unwrap();
    let key = PrivatePkcs8KeyDer::from_pem_file(key).unwrap();
    let mut config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Believer))
        .with_client_auth_cert(vec![certificate], key.into())
        .unwrap();
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.enable_early_data = true;
    Arc::new(config)
}

impl Client {
    pub(super) fn connect(at: SocketAddr, config: &Arc<ClientConfig>) -> Self {
        let stream = TcpStream::connect(at).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let name = ServerName::try_from("enclave").unwrap();
        let connection = ClientConnection::new(Arc::clone(config), name).unwrap();
        let frames = FrameReader::new(TELL_BYTES_MAX);
        Self { stream: StreamOwned::new(connection, stream), frames }
    }

    /// Sends a frame and gives the next one; none when the enclave hangs up.
    pub(super) fn exchange(&mut self, body: &[u8]) -> Option<Vec<u8>> {
        self.stream.write_all(&frame::encode(body)).ok()?;
        self.stream.flush().ok()?;
        let mut buffer = [0; 16 << 10];
        loop {
            if let Some(body) = self.frames.next_frame().unwrap() {
                return Some(body.to_vec());
            }
            let count = self.stream.read(&mut buffer).ok().filter(|count| *count > 0)?;
            self.frames.feed(&buffer[..count]);
        }
    }
}

#[derive(Debug)]
struct Believer;

impl ServerCertVerifier for Believer {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ECDSA_NISTP256_SHA256]
    }
}
