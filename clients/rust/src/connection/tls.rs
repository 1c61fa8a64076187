//! TLS: what is trusted, what is checked, and the channel binding.

use std::io::ErrorKind;
use std::sync::{Arc, OnceLock};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use vitrail_proto::limits::ALPN;

use crate::config::{Endpoint, Tls, TlsMode};
use crate::error::Error;

/// TLS, ready to connect: certificates read, sessions cached for resumption.
pub struct TlsSetup {
    settings: Tls,
    /// Made when it is first needed: with [`TlsMode::Auto`] that may be never.
    connector: OnceLock<TlsConnector>,
}

/// Why there is no TLS.
pub(super) struct Failed {
    pub(super) error: Error,
    /// What the server sent is not TLS.
    pub(super) not_tls: bool,
}

impl TlsSetup {
    /// TLS as `tls` says for connections to `endpoints`; reads its files unless none of them needs TLS. `None` if TLS is
    /// disabled.
    ///
    /// # Errors
    ///
    /// A file that cannot be read or used, or no authority to trust.
    pub fn load(tls: &Tls, endpoints: &[Endpoint]) -> Result<Option<TlsSetup>, Error> {
        if tls.mode == TlsMode::Disable {
            return Ok(None);
        }
        let setup = TlsSetup { settings: tls.clone(), connector: OnceLock::new() };
        if endpoints.iter().any(|endpoint| tls.mode.towards(endpoint) != TlsMode::Disable) {
            setup.connector()?;
        }
        Ok(Some(setup))
    }

    /// Whether and how a connection to this endpoint uses TLS.
    pub(super) fn mode(&self, endpoint: &Endpoint) -> TlsMode {
        self.settings.mode.towards(endpoint)
    }

    /// A client certificate is shown.
    pub(super) fn has_identity(&self) -> bool {
        self.settings.certificate.is_some()
    }

    fn connector(&self) -> Result<&TlsConnector, Error> {
        if let Some(connector) = self.connector.get() {
            return Ok(connector);
        }
        let connector = connector(&self.settings)?;
        Ok(self.connector.get_or_init(|| connector))
    }

    /// Shakes hands, checks the protocol's name and computes the channel binding.
    pub(super) async fn connect(
        &self,
        host: &str,
        stream: TcpStream,
    ) -> Result<(TlsStream<TcpStream>, Vec<u8>), Failed> {
        let failed = |error| Failed { error, not_tls: false };
        let name = ServerName::try_from(host.to_owned())
            .map_err(|_| failed(Error::config(format!("`{host}` is no name that a certificate can have"))))?;
        let connector = self.connector().map_err(failed)?;
        let stream = connector.connect(name, stream).await.map_err(|error| explain(host, error))?;
        let session = stream.get_ref().1;
        if session.alpn_protocol() != Some(ALPN) {
            return Err(failed(Error::connect(format!("`{host}` does not speak vitrail/1: is the port right?"))));
        }
        let certificate = session.peer_certificates().and_then(<[_]>::first);
        let binding =
            certificate.map(|certificate| vitrail_proto::scram::server_end_point(certificate)).unwrap_or_default();
        Ok((stream, binding))
    }
}

impl std::fmt::Debug for TlsSetup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TlsSetup").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// A handshake that failed, with the option that may help.
fn explain(host: &str, error: std::io::Error) -> Failed {
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref::<rustls::Error>());
    let not_tls = matches!(cause, Some(rustls::Error::InvalidMessage(_)))
        || matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset);
    if not_tls {
        let message = format!(
            "`{host}` does not answer in TLS: is the port right? If it speaks plain text, say so by `tls=disable` in the URL"
        );
        return Failed { error: Error::connect(message).with_source(error), not_tls };
    }
    let hint = match cause {
        Some(rustls::Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        )) => "; connect by a name of the certificate, or check less by `tls=verify-ca`",
        Some(rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer)) => {
            "; name the authority to trust by `ca=` in the URL"
        }
        // A cause that rustls only hands on.
        Some(rustls::Error::InvalidCertificate(CertificateError::Other(other)))
            if format!("{other:?}").contains("CaUsedAsEndEntity") =>
        {
            "; it is the certificate of an authority, which no server may show: make the server one with basicConstraints=CA:FALSE"
        }
        Some(rustls::Error::NoApplicationProtocol) => "; it does not speak vitrail/1: is the port right?",
        _ => "",
    };
    let error = Error::connect(format!("TLS with `{host}` failed: {error}{hint}"))
        .with_code(vitrail_proto::error::Code::Unauthenticated)
        .with_source(error);
    Failed { error, not_tls }
}

fn connector(tls: &Tls) -> Result<TlsConnector, Error> {
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
    Ok(TlsConnector::from(Arc::new(config)))
}

fn unreadable(what: &str, path: &std::path::Path, error: &dyn std::fmt::Display) -> Error {
    Error::config(format!("cannot read the {what} `{}`: {error}", path.display()))
}

fn verifier(tls: &Tls, provider: &Arc<CryptoProvider>) -> Result<Arc<dyn ServerCertVerifier>, Error> {
    if matches!(tls.mode, TlsMode::Require | TlsMode::Prefer) {
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
