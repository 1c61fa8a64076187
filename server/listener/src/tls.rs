//! The server's side of TLS: certificate, protocol name, client certificates, and the binding of SCRAM to them.

use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ServerSessionMemoryCache, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig, ServerConnection};
use tokio::net::TcpStream;

use vitrail_proto::limits::ALPN;
use vitrail_proto::scram::server_end_point;

use crate::error::ListenerError;

/// Sessions that may resume without a full handshake.
const RESUMABLE: usize = 32 * 1024;

/// A certificate with its key, ready to serve. Sessions resume under the identity that they began with, and no other: after a
/// change everybody sees the new certificate, and authorities that are gone are asked no more.
pub struct TlsIdentity {
    pub(crate) config: Arc<ServerConfig>,
    /// `tls-server-end-point` of the certificate.
    pub(crate) end_point: Box<[u8]>,
}

impl TlsIdentity {
    /// Reads the certificate chain (leaf first) and the key as PEM. With `client_authorities` (PEM), clients may show a
    /// certificate signed by one of them; mechanism EXTERNAL needs it.
    ///
    /// # Errors
    ///
    /// [`ListenerError::Tls`] says which of the three is unusable.
    pub fn from_pem(chain: &[u8], key: &[u8], client_authorities: Option<&[u8]>) -> Result<TlsIdentity, ListenerError> {
        let chain = certificates(chain, "the certificate chain")?;
        let leaf = chain.first().ok_or_else(|| unusable("the certificate chain", &"it is empty"))?.clone();
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| unusable("the private key", &error))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(|error| unusable("the protocol versions", &error))?;
        let builder = match client_authorities {
            None => builder.with_no_client_auth(),
            Some(authorities) => {
                let mut roots = RootCertStore::empty();
                for authority in certificates(authorities, "the client authorities")? {
                    roots.add(authority).map_err(|error| unusable("a client authority", &error))?;
                }
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                    .allow_unauthenticated()
                    .build()
                    .map_err(|error| unusable("the client authorities", &error))?;
                builder.with_client_cert_verifier(verifier)
            }
        };
        let mut config =
            builder.with_single_cert(chain, key).map_err(|error| unusable("the certificate and its key", &error))?;
        config.alpn_protocols = vec![ALPN.to_vec()];
        config.max_early_data_size = 0;
        config.session_storage = ServerSessionMemoryCache::new(RESUMABLE);
        config.send_tls13_tickets = 1;
        Ok(TlsIdentity { config: Arc::new(config), end_point: server_end_point(&leaf).into() })
    }
}

/// Whether what a client sends first is TLS, as far as it has been sent: a record of a handshake.
pub(crate) async fn begins(stream: &TcpStream) -> bool {
    const HANDSHAKE: u8 = 0x16;
    let mut first = [0; 3];
    match stream.peek(&mut first).await {
        // HELLO begins with its length, whose third byte is 0 before authentication.
        Ok(3) => first[0] == HANDSHAKE && first[1] == 3 && first[2] != 0,
        // The handshake finds out.
        Ok(_) | Err(_) => true,
    }
}

/// The DNS names in the certificate that the client has shown; none if it has shown none.
pub(crate) fn client_names(session: &ServerConnection) -> Vec<Box<str>> {
    let Some(leaf) = session.peer_certificates().and_then(|chain| chain.first()) else { return Vec::new() };
    match webpki::EndEntityCert::try_from(leaf) {
        Ok(certificate) => certificate.valid_dns_names().map(Box::from).collect(),
        Err(_) => Vec::new(),
    }
}

fn certificates(pem: &[u8], what: &str) -> Result<Vec<CertificateDer<'static>>, ListenerError> {
    CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().map_err(|error| unusable(what, &error))
}

fn unusable(what: &str, error: &dyn std::fmt::Display) -> ListenerError {
    ListenerError::Tls(format!("{what}: {error}"))
}
