//! TLS of the channel: version 1.3, one suite, one key agreement, no tickets and no early data.
//!
//! Both ends are ours, so there is nothing to negotiate and nothing to be talked down to. The
//! certificate that a client shows is only checked for possession of its key: who may ask is judged
//! afterwards, so that a refusal can be recorded with the name of whom it was for.

use std::sync::Arc;

use lucarne_link::access::CERTIFICATE_BYTES_MAX;
use lucarne_link::channel::{ALPN, Binder, EXPORTER_LABEL, ROLE_ENCLAVE};
use tokio_rustls::rustls::client::danger::HandshakeSignatureValid;
use tokio_rustls::rustls::crypto::aws_lc_rs::cipher_suite::TLS13_AES_256_GCM_SHA384;
use tokio_rustls::rustls::crypto::aws_lc_rs::{default_provider, kx_group};
use tokio_rustls::rustls::crypto::{CryptoProvider, verify_tls13_signature};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, UnixTime};
use tokio_rustls::rustls::server::NoServerSessionStorage;
use tokio_rustls::rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use tokio_rustls::rustls::version::TLS13;
use tokio_rustls::rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, ServerConfig,
    ServerConnection, SignatureScheme,
};

use super::identity::ChannelKey;

/// The server's end.
pub(super) fn server(key: &ChannelKey) -> Result<ServerConfig, Error> {
    let provider = Arc::new(CryptoProvider {
        cipher_suites: vec![TLS13_AES_256_GCM_SHA384],
        // Hybrid: what is captured today stays closed when one of the two is broken.
        kx_groups: vec![kx_group::X25519MLKEM768],
        ..default_provider()
    });
    let certificate = CertificateDer::from(key.certificate().to_vec());
    let private = PrivatePkcs8KeyDer::from(key.pkcs8().to_vec());
    let mut config = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&TLS13])?
        .with_client_cert_verifier(Arc::new(Possession { provider }))
        .with_single_cert(vec![certificate], private.into())?;
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config.max_early_data_size = 0;
    Ok(config)
}

/// What the handshake has established: what evidence is bound to, and the client's certificate.
pub(super) fn established(
    connection: &ServerConnection,
    leaf_spki_sha256: [u8; 32],
) -> Result<(Binder, Vec<u8>), Error> {
    if connection.alpn_protocol() != Some(ALPN) {
        return Err(Error::NoApplicationProtocol);
    }
    let context = Some(ROLE_ENCLAVE.as_bytes());
    let exporter = connection.export_keying_material([0; 32], EXPORTER_LABEL, context)?;
    let shown = connection.peer_certificates().and_then(<[_]>::first);
    let shown = shown.ok_or(Error::NoCertificatesPresented)?;
    Ok((Binder { leaf_spki_sha256, exporter }, shown.to_vec()))
}

/// Takes every certificate whose key the client has.
#[derive(Debug)]
struct Possession {
    provider: Arc<CryptoProvider>,
}

impl ClientCertVerifier for Possession {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        if end_entity.len() > CERTIFICATE_BYTES_MAX || !intermediates.is_empty() {
            return Err(Error::InvalidCertificate(CertificateError::BadEncoding));
        }
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("only TLS 1.3 is spoken here".into()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ECDSA_NISTP256_SHA256]
    }
}
