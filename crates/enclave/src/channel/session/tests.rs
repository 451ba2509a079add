//! Time-outs of the enclave's end: whoever is slow, silent or deaf is not waited for, and a device
//! that does not answer is not either. Nobody sleeps: time runs as fast as nothing happens.

use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use lucarne_contract::Contract;
use lucarne_ledger::batch::EpochKey;
use lucarne_ledger::binding::EpochBinding;
use lucarne_ledger::key::Signer as _;
use lucarne_link::access::{Certificate, Serial};
use lucarne_link::channel::ALPN;
use lucarne_link::channel::message::Ask;
use lucarne_platform::{Address, Listener};
use tokio::net::UnixStream;
use tokio::sync::{Mutex, Notify};
use tokio::time::{Instant, advance};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream as ClientStream;
use tokio_rustls::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use tokio_rustls::rustls::version::TLS13;
use tokio_rustls::rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};

use super::*;
use crate::budget::Budget;
use crate::channel::answers::Answers;
use crate::channel::config::tests::{access, authority, sample};
use crate::channel::identity::ChannelKey;
use crate::channel::recorder::Recorder;
use crate::channel::strangers::Strangers;
use crate::channel::used::Used;
use crate::channel::watermark::Watermark;
use crate::clock::SystemClock;
use crate::inside_store::InsideStore;
use crate::pipeline::Pipeline;
use crate::progress::{Position, Progress};
use crate::quote::{Quote, QuoteError, Quoted};
use crate::uplink::Identity;

/// Evidence is some kilobytes, as that of machines is.
const EVIDENCE_BYTES: usize = 6 << 10;

/// A device that answers at once, or not before it is let.
#[derive(Default)]
struct Device {
    asked: Notify,
    // nobody who asks while this is held gets an answer
    busy: Mutex<()>,
}

impl Quote for Device {
    fn kind(&self) -> &'static str {
        "test"
    }

    fn quote(&self, _: &Question<'_>) -> Result<Quoted, QuoteError> {
        self.asked.notify_one();
        drop(self.busy.blocking_lock());
        let evidence = vec![7; EVIDENCE_BYTES];
        Ok(Quoted { evidence, collateral: Vec::new(), measurement: [1; 48] })
    }
}

/// Answers no question: none is asked here.
struct Nobody;

impl Answers for Nobody {
    fn answer(&self, _: &Permit, _: &mut Rows) -> Result<(), AnswerError> {
        Err(AnswerError::Unavailable)
    }
}

/// The enclave's end behind a socket, and an investigator.
struct Site {
    shared: Arc<Shared>,
    acceptor: TlsAcceptor,
    listener: Listener,
    device: Arc<Device>,
    connector: TlsConnector,
    dir: tempfile::TempDir,
}

impl Site {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let address = Address::Unix(dir.path().join("channel"));
        let (key, device) = (ChannelKey::generate().unwrap(), Arc::new(Device::default()));
        let shared = Arc::new(shared(&key, Arc::clone(&device)));
        let acceptor = TlsAcceptor::from(Arc::new(tls::server(&key).unwrap()));
        let listener = Listener::bind(&address).unwrap();
        Self { shared, acceptor, listener, device, connector: investigator(), dir }
    }

    /// Serves the next connection to its end: what was wrong, and after how many seconds.
    async fn served(&self) -> (String, u64) {
        let stream = self.listener.accept().await.unwrap();
        let (_run, stop) = watch::channel(false);
        let began = Instant::now();
        let ended = serve(&self.shared, &self.acceptor, stream, stop).await;
        let said = ended.map_or_else(|error| error.to_string(), |()| "nothing".to_owned());
        (said, began.elapsed().as_secs())
    }

    async fn socket(&self) -> UnixStream {
        UnixStream::connect(self.dir.path().join("channel")).await.unwrap()
    }

    async fn client(&self) -> ClientStream<UnixStream> {
        let name = ServerName::try_from("enclave").unwrap();
        self.connector.connect(name, self.socket().await).await.unwrap()
    }
}

fn shared(key: &ChannelKey, device: Arc<Device>) -> Shared {
    let signer = authority();
    let bound = EpochBinding {
        p256_spki: vec![1; 91],
        ed25519: [2; 32],
        mldsa44: None,
        channel_spki: Some(key.spki().to_vec()),
        instance: "nitro-001-us-east".parse().unwrap(),
        nonce: [5; 32],
        configuration_sha256: [6; 32],
        contract_sha256: [7; 32],
        deployment: None,
    };
    let identity = Arc::new(Identity {
        instance: bound.instance.clone(),
        epoch: bound.epoch_id(),
        binding: bound.to_cbor(),
        evidence: Vec::new(),
        collateral: Vec::new(),
        quote: device,
        bound,
    });
    let position = || watch::channel(Position::default()).1;
    let progress = Progress { sealed: position(), archived: position(), witnessed: None };
    let (queue, _) = mpsc::channel(1);
    let (contract, budget) = (Contract::default_contract(), Budget::new(1 << 20));
    let inside = InsideStore::nothing();
    let wait = Duration::from_secs(1);
    let pipeline = Pipeline::new(contract, budget, queue, inside, progress, wait);
    let statements = EpochKey {
        instance: identity.instance.clone(),
        epoch: identity.epoch,
        key: signer.public_key().clone(),
    };
    Shared {
        leaf_spki_sha256: key.spki_sha256(),
        access: access(&sample()).unwrap(),
        recorder: Recorder::new(Arc::new(pipeline), Arc::clone(&identity), statements),
        answers: Arc::new(Nobody),
        time: Watermark::new(SystemClock),
        strangers: Strangers::new(),
        used: Used::new(),
        identity,
    }
}

/// TLS of somebody with a certificate of access.
fn investigator() -> TlsConnector {
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
    let certificate = Certificate {
        serial: Serial::from_random([9; 16]),
        authority: "board".parse().unwrap(),
        holder: "alice".parse().unwrap(),
        role: "investigator".parse().unwrap(),
        not_before: 1_795_226_400,
        not_after: 1_795_230_000,
        point: pair.public_key().as_ref().try_into().unwrap(),
    };
    let message = certificate.to_be_signed().unwrap();
    let signed = Certificate::assemble(&message, &authority().sign(&message).unwrap());
    let key = PrivatePkcs8KeyDer::from(pair.to_pkcs8v1().unwrap().as_ref().to_vec());
    let mut config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[&TLS13])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Believer))
        .with_client_auth_cert(vec![CertificateDer::from(signed)], key.into())
        .unwrap();
    config.alpn_protocols = vec![ALPN.to_vec()];
    TlsConnector::from(Arc::new(config))
}

/// Believes every enclave: it is the enclave that is looked at here.
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
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ECDSA_NISTP256_SHA256]
    }
}

fn challenge() -> Vec<u8> {
    frame::encode(&Ask::Challenge { nonce: [3; 32] }.encode())
}

/// Reads until the whole of an answer with evidence is there.
async fn evidence(client: &mut ClientStream<UnixStream>) {
    let (mut buffer, mut count) = (vec![0; 64 << 10], 0);
    while count < EVIDENCE_BYTES {
        count += client.read(&mut buffer).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn who_does_not_shake_hands_is_not_waited_for() {
    let site = Site::new();
    let late = ("the client took too long: handshake".to_owned(), 10);
    let (ended, _silent) = tokio::join!(site.served(), site.socket());
    assert_eq!(ended, late);
    let (ended, _half) = tokio::join!(site.served(), async {
        let mut socket = site.socket().await;
        socket.write_all(&[0x16, 3, 1]).await.unwrap();
        socket
    });
    assert_eq!(ended, late);
}

#[tokio::test(start_paused = true)]
async fn who_challenges_nobody_is_not_waited_for() {
    let site = Site::new();
    let late = ("the client took too long: its next question".to_owned(), 10);
    let (ended, _silent) = tokio::join!(site.served(), site.client());
    assert_eq!(ended, late);
    // A byte now and then does not begin the time anew.
    let (ended, _slow) = tokio::join!(site.served(), async {
        let mut client = site.client().await;
        for byte in challenge() {
            timeout(Duration::from_secs(3), std::future::pending::<()>()).await.ok();
            if client.write_all(&[byte]).await.and(client.flush().await).is_err() {
                break;
            }
        }
        client
    });
    assert_eq!(ended, late);
}

#[tokio::test(start_paused = true)]
async fn a_connection_on_which_nobody_asks_is_closed() {
    let site = Site::new();
    let (ended, _idle) = tokio::join!(site.served(), async {
        let mut client = site.client().await;
        client.write_all(&challenge()).await.unwrap();
        client.flush().await.unwrap();
        evidence(&mut client).await;
        client
    });
    assert_eq!(ended, ("the client took too long: its next question".to_owned(), 600));
}

#[tokio::test(start_paused = true)]
async fn who_does_not_read_is_not_waited_for() {
    let site = Site::new();
    let (ended, _deaf) = tokio::join!(site.served(), async {
        let mut client = site.client().await;
        // More answers than any buffer between them holds; the questions for them fit into one.
        for _ in 0..200 {
            client.write_all(&challenge()).await.unwrap();
        }
        client.flush().await.unwrap();
        client
    });
    assert_eq!(ended, ("the client took too long: reading the answer".to_owned(), 30));
}

#[tokio::test(start_paused = true)]
async fn a_device_that_does_not_answer_is_not_waited_for() {
    let site = Site::new();
    let busy = site.device.busy.lock().await;
    let (ended, _waiting) = tokio::join!(site.served(), async {
        let mut client = site.client().await;
        client.write_all(&challenge()).await.unwrap();
        client.flush().await.unwrap();
        site.device.asked.notified().await;
        // While a thread waits for a device, time stands still by itself.
        advance(EVIDENCE).await;
        client
    });
    assert_eq!(ended, ("the evidence device does not answer in time".to_owned(), 40));
    drop(busy);
}
