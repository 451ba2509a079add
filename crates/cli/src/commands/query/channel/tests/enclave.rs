//! An enclave of the test: real TLS, real quotes of a machine that the test made, and whatever else
//! it should say.

use std::sync::{Arc, Mutex};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use lucarne_ledger::binding::EpochBinding;
use lucarne_ledger::hash::Hash;
use lucarne_link::access::{CertificateError, self_signed};
use lucarne_link::channel::message::{Ask, Tell};
use lucarne_link::channel::{ALPN, ASK_BYTES_MAX, EXPORTER_LABEL, ROLE_ENCLAVE};
use lucarne_link::frame::{self, FrameReader};
use lucarne_testkit::TdxMachine;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::server::ParsedCertificate;
use tokio_rustls::rustls::version::TLS13;
use tokio_rustls::rustls::{ServerConfig, ServerConnection};

use super::*;

/// What it says to a challenge, and afterwards.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Says {
    /// Good evidence; questions are refused.
    TheTruth,
    /// Good evidence, and nothing to questions.
    TheTruthAndNoMore,
    /// Good evidence of another boot with the same key.
    AnotherBoot,
    /// Evidence of a machine with other code.
    AnotherMeasurement,
    /// Evidence over another nonce.
    AnotherNonce,
    /// A message that has no place there.
    OutOfOrder,
    /// Nothing.
    Nothing,
    /// Nothing at all, not even a handshake.
    NoHandshake,
}

/// What it was told; the first is the connection where there is no handshake.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Heard {
    /// A connection that gets no handshake.
    Connection,
    /// A challenge with this nonce.
    Challenge([u8; 32]),
    /// A question.
    Query,
}

type Script = dyn Fn(usize) -> Says + Send + Sync;

/// An enclave behind a socket.
pub(super) struct Enclave {
    dir: tempfile::TempDir,
    heard: watch::Receiver<Vec<Heard>>,
}

/// A key with its certificate.
struct Key {
    certificate: CertificateDer<'static>,
    private: PrivatePkcs8KeyDer<'static>,
}

impl Key {
    fn draw() -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
        let certificate = self_signed::<CertificateError>(pair.public_key().as_ref(), |message| {
            Ok(pair.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec())
        });
        let private = PrivatePkcs8KeyDer::from(pair.to_pkcs8v1().unwrap().as_ref().to_vec());
        Self { certificate: CertificateDer::from(certificate.unwrap()), private }
    }

    fn spki(&self) -> Vec<u8> {
        let parsed = ParsedCertificate::try_from(&self.certificate).unwrap();
        parsed.subject_public_key_info().to_vec()
    }
}

/// What its task works with.
struct Inside {
    machine: Mutex<TdxMachine>,
    binding: EpochBinding,
    acceptor: TlsAcceptor,
    tell: watch::Sender<Vec<Heard>>,
    script: Box<Script>,
}

impl Enclave {
    /// Serves one connection. The script is told how many challenges there were, the one to be
    /// answered included.
    pub(super) fn start(script: impl Fn(usize) -> Says + Send + Sync + 'static) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(dir.path().join("channel")).unwrap();
        let (machine, key) = (TdxMachine::new(), Key::draw());
        let policy = format!(
            "log_prefix: lucarne.example\nledgers: [audit]\ntdx: {{ insecure_roots: [\"{}\"], \
             measurements: [{{ mrtd: \"{}\" }}] }}\n",
            machine.root_sha256(),
            "a1".repeat(48)
        );
        std::fs::write(dir.path().join("policy.yaml"), policy).unwrap();
        let binding = EpochBinding {
            p256_spki: key.spki(),
            ed25519: [2; 32],
            mldsa44: None,
            channel_spki: Some(key.spki()),
            instance: "td-001".parse().unwrap(),
            nonce: [5; 32],
            configuration_sha256: [6; 32],
            contract_sha256: [7; 32],
            deployment: None,
        };
        let (tell, heard) = watch::channel(Vec::new());
        let (acceptor, script) = (acceptor(key), Box::new(script));
        let machine = Mutex::new(machine);
        let inside = Inside { machine, binding, acceptor, tell, script };
        tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            inside.serve(stream).await;
        });
        Self { dir, heard }
    }

    /// How a client comes to it.
    pub(super) fn terms(&self) -> Terms {
        let Key { certificate, private } = Key::draw();
        Terms {
            address: format!("unix:{}", self.dir.path().join("channel").display()).parse().unwrap(),
            policy: policy::read(&self.dir.path().join("policy.yaml")).unwrap(),
            wanted: Default::default(),
            certificate,
            key: private,
            holder: "alice".to_owned(),
            countersignature: None,
            receipts: None,
        }
    }

    pub(super) fn heard(&self) -> Vec<Heard> {
        self.heard.borrow().clone()
    }

    /// Waits until it has heard so many things.
    pub(super) async fn until_heard(&self, count: usize) {
        let mut heard = self.heard.clone();
        heard.wait_for(|heard| heard.len() >= count).await.unwrap();
    }
}

fn acceptor(key: Key) -> TlsAcceptor {
    let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[&TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![key.certificate], key.private.into())
        .unwrap();
    config.alpn_protocols = vec![ALPN.to_vec()];
    TlsAcceptor::from(Arc::new(config))
}

impl Inside {
    async fn serve(self, stream: UnixStream) {
        if (self.script)(0) == Says::NoHandshake {
            self.tell.send_modify(|heard| heard.push(Heard::Connection));
            return std::future::pending().await;
        }
        let mut stream = self.acceptor.accept(stream).await.unwrap();
        let binder = self.binder(stream.get_ref().1);
        let (mut frames, mut buffer) = (FrameReader::new(ASK_BYTES_MAX), vec![0; 8 << 10]);
        let mut challenges = 0;
        while let Ok(count @ 1..) = stream.read(&mut buffer).await {
            frames.feed(&buffer[..count]);
            while let Some(body) = frames.next_frame().unwrap() {
                let answer = self.answer(&Ask::decode(body).unwrap(), &binder, &mut challenges);
                let Some(answer) = answer else { continue };
                stream.write_all(&frame::encode(&answer)).await.unwrap();
                stream.flush().await.unwrap();
            }
        }
    }

    fn binder(&self, connection: &ServerConnection) -> Binder {
        let context = Some(ROLE_ENCLAVE.as_bytes());
        let exporter = connection.export_keying_material([0; 32], EXPORTER_LABEL, context);
        let leaf = Hash::of(self.binding.channel_spki.as_ref().unwrap());
        Binder { leaf_spki_sha256: leaf.0, exporter: exporter.unwrap() }
    }

    fn answer(&self, ask: &Ask, binder: &Binder, challenges: &mut usize) -> Option<Vec<u8>> {
        let heard = match ask {
            Ask::Challenge { nonce } => Heard::Challenge(*nonce),
            Ask::Query { .. } => Heard::Query,
        };
        let answer = match ask {
            Ask::Challenge { nonce } => {
                *challenges += 1;
                self.evidence((self.script)(*challenges), nonce, binder)
            }
            Ask::Query { .. } => match (self.script)(*challenges) {
                Says::TheTruthAndNoMore => None,
                _ => Some(Tell::Refused(Refused {
                    code: REFUSED.to_owned(),
                    reason: "no".to_owned(),
                    receipt: None,
                    time_verified: false,
                })),
            },
        };
        // Told when the answer is ready, so that who waits for silence does not wait for work.
        self.tell.send_modify(|list| list.push(heard));
        answer.map(|tell| tell.encode())
    }

    fn evidence(&self, says: Says, nonce: &[u8; 32], binder: &Binder) -> Option<Tell> {
        let mut binding = self.binding.clone();
        let mut nonce = *nonce;
        let mut machine = self.machine.lock().unwrap();
        let good = machine.mrtd;
        match says {
            Says::Nothing | Says::NoHandshake => return None,
            Says::OutOfOrder => return Some(Tell::Chunk { bytes: vec![1] }),
            Says::AnotherBoot => binding.nonce = [9; 32],
            Says::AnotherNonce => nonce[0] ^= 1,
            Says::AnotherMeasurement => machine.mrtd = [0xb2; 48],
            Says::TheTruth | Says::TheTruthAndNoMore => {}
        }
        let data = ReportData::channel(&binding, &end(binder, &nonce));
        let evidence = machine.quote(data.as_bytes());
        machine.mrtd = good;
        let (binding, collateral) = (binding.to_cbor(), machine.bundle());
        Some(Tell::Attested { binding, evidence, collateral })
    }
}
