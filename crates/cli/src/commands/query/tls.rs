//! The client's TLS: version 1.3, one suite, one key agreement, no tickets and no early data.
//!
//! The certificate of the enclave is only checked for possession of its key. That it is the
//! enclave's key, evidence says, over this very connection, before anything is asked.

use std::sync::Arc;

use lucarne_ledger::hash::Hash;
use lucarne_link::channel::{ALPN, Binder, EXPORTER_LABEL, ROLE_ENCLAVE};
use tokio_rustls::rustls::client::Resumption;
use tokio_rustls::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use tokio_rustls::rustls::crypto::aws_lc_rs::cipher_suite::TLS13_AES_256_GCM_SHA384;
use tokio_rustls::rustls::crypto::aws_lc_rs::{default_provider, kx_group};
use tokio_rustls::rustls::crypto::{CryptoProvider, verify_tls13_signature};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use tokio_rustls::rustls::server::ParsedCertificate;
use tokio_rustls::rustls::version::TLS13;
use tokio_rustls::rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, Error, SignatureScheme,
};

/// The client's end, for the holder of this certificate.
///
/// # Errors
/// When key and certificate do not belong together.
pub(super) fn client(
    certificate: CertificateDer<'static>,
    key: PrivatePkcs8KeyDer<'static>,
) -> Result<ClientConfig, Error> {
    let provider = Arc::new(CryptoProvider {
        cipher_suites: vec![TLS13_AES_256_GCM_SHA384],
        kx_groups: vec![kx_group::X25519MLKEM768],
        ..default_provider()
    });
    let mut config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Possession { provider }))
        .with_client_auth_cert(vec![certificate], key.into())?;
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.resumption = Resumption::disabled();
    config.enable_early_data = false;
    config.enable_sni = false;
    Ok(config)
}

/// What evidence must be bound to on this connection.
///
/// # Errors
/// When the peer speaks another protocol inside of TLS.
pub(super) fn binder(connection: &ClientConnection) -> Result<Binder, Error> {
    if connection.alpn_protocol() != Some(ALPN) {
        return Err(Error::NoApplicationProtocol);
    }
    let context = Some(ROLE_ENCLAVE.as_bytes());
    let exporter = connection.export_keying_material([0; 32], EXPORTER_LABEL, context)?;
    let shown = connection.peer_certificates().and_then(<[_]>::first);
    let leaf = ParsedCertificate::try_from(shown.ok_or(Error::NoCertificatesPresented)?)?;
    let leaf_spki_sha256 = Hash::of(&leaf.subject_public_key_info()).0;
    Ok(Binder { leaf_spki_sha256, exporter })
}

#[derive(Debug)]
struct Possession {
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Possession {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
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
