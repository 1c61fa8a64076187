//! TLS: what is trusted, what is checked, and the channel binding.

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::config::{Tls, TlsMode};
use crate::error::Error;

/// The protocol's name in ALPN; both sides refuse another.
const ALPN: &[u8] = b"vitrail/1";

/// TLS, ready to connect: certificates read, sessions cached for resumption.
#[derive(Clone)]
pub struct TlsSetup {
    connector: TlsConnector,
    /// A client certificate is shown.
    pub(super) has_identity: bool,
}

impl std::fmt::Debug for TlsSetup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TlsSetup").field("has_identity", &self.has_identity).finish_non_exhaustive()
    }
}

impl TlsSetup {
    /// Reads the files that `tls` names; `None` if TLS is disabled.
    pub fn load(tls: &Tls) -> Result<Option<TlsSetup>, Error> {
        if tls.mode == TlsMode::Disable {
            return Ok(None);
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = rustls::ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(|error| Error::config(format!("TLS cannot be set up: {error}")))?
            .dangerous()
            .with_custom_certificate_verifier(verifier(tls, &provider)?);
        let mut config = match (&tls.certificate, &tls.key) {
            (Some(certificate), Some(key)) => {
                let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(certificate)
                    .and_then(Iterator::collect)
                    .map_err(|error| unreadable("certificate", certificate, &error))?;
                let key = PrivateKeyDer::from_pem_file(key).map_err(|error| unreadable("key", key, &error))?;
                builder
                    .with_client_auth_cert(chain, key)
                    .map_err(|error| Error::config(format!("the client certificate cannot be used: {error}")))?
            }
            (None, None) => builder.with_no_client_auth(),
            _ => return Err(Error::config("a client certificate needs both `cert` and `key`")),
        };
        config.alpn_protocols = vec![ALPN.to_vec()];
        config.enable_early_data = false;
        Ok(Some(TlsSetup { connector: TlsConnector::from(Arc::new(config)), has_identity: tls.certificate.is_some() }))
    }

    /// Shakes hands, checks the protocol's name and computes the channel binding.
    pub(super) async fn connect(
        &self,
        host: &str,
        stream: TcpStream,
    ) -> Result<(TlsStream<TcpStream>, Vec<u8>), Error> {
        let name = ServerName::try_from(host.to_owned())
            .map_err(|_| Error::config(format!("`{host}` is no name that a certificate can have")))?;
        let stream = self.connector.connect(name, stream).await.map_err(|error| {
            let hint = match error.kind() {
                std::io::ErrorKind::UnexpectedEof => "; does the server use TLS?",
                _ => "; see `tls`, `ca` in the URL",
            };
            Error::connect(format!("TLS with `{host}` failed: {error}{hint}"))
                .with_code(vitrail_proto::error::Code::Unauthenticated)
                .with_source(error)
        })?;
        let session = stream.get_ref().1;
        if session.alpn_protocol() != Some(ALPN) {
            return Err(Error::connect(format!("`{host}` does not speak vitrail/1: is the port right?")));
        }
        let certificate = session.peer_certificates().and_then(<[_]>::first);
        let binding =
            certificate.map(|certificate| vitrail_proto::scram::server_end_point(certificate)).unwrap_or_default();
        Ok((stream, binding))
    }
}

fn unreadable(what: &str, path: &std::path::Path, error: &dyn std::fmt::Display) -> Error {
    Error::config(format!("cannot read the {what} `{}`: {error}", path.display()))
}

fn verifier(tls: &Tls, provider: &Arc<CryptoProvider>) -> Result<Arc<dyn ServerCertVerifier>, Error> {
    if tls.mode == TlsMode::Require {
        return Ok(Arc::new(Lenient { chain: None, provider: provider.clone() }));
    }
    let mut roots = RootCertStore::empty();
    match &tls.ca {
        Some(path) => {
            let authorities =
                CertificateDer::pem_file_iter(path).map_err(|error| unreadable("authority", path, &error))?;
            for authority in authorities {
                let authority = authority.map_err(|error| unreadable("authority", path, &error))?;
                roots.add(authority).map_err(|error| unreadable("authority", path, &error))?;
            }
        }
        None => {
            let found = rustls_native_certs::load_native_certs();
            roots.add_parsable_certificates(found.certs);
        }
    }
    if roots.is_empty() {
        return Err(Error::config("no authority to trust: name one with `ca`, or install the system's certificates"));
    }
    let chain = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone())
        .build()
        .map_err(|error| Error::config(format!("TLS cannot be set up: {error}")))?;
    match tls.mode {
        TlsMode::VerifyCa => Ok(Arc::new(Lenient { chain: Some(chain), provider: provider.clone() })),
        _ => Ok(chain),
    }
}

/// Checks less than a name: the chain only (`verify-ca`), or nothing of the certificate (`require`). That the server holds
/// the certificate's key is always checked.
#[derive(Debug)]
struct Lenient {
    chain: Option<Arc<WebPkiServerVerifier>>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Lenient {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let Some(chain) = &self.chain else { return Ok(ServerCertVerified::assertion()) };
        match chain.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now) {
            Err(rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
