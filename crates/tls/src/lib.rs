//! TLS as policy describes it, made of rustls.
//!
//! * [`connect`] speaks TLS over a stream that is there. Files are read for each connection: what was
//!   replaced on disk counts from the next one on.
//! * This crate must never fall back to anything weaker than what was asked for, and every fault names the
//!   part of the configuration and the file.
//! * Start reading at [`connect`], then `verify` (who the server has to be).

mod verify;

use std::path::Path;
use std::sync::Arc;

use destrier_policy::{ClientTls, DataSource, Identity};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::{CertificateError, ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, IpAddr, PrivateKeyDer, ServerName};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
pub use tokio_rustls::client::TlsStream;

use verify::PeerVerifier;

/// Why no TLS is spoken.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// Something of the configuration cannot be used.
    #[error("{field}: {cause}")]
    Configuration {
        /// `trusted_ca`, `certificate_chain`, `private_key` or `sni`, with the file if there is one.
        field: String,
        /// What is wrong.
        cause: String,
    },
    /// The other side, or what it is.
    #[error("TLS handshake: {0}")]
    Handshake(String),
}

/// Speaks TLS over `stream`, with `alpn` as the protocol.
///
/// # Errors
/// A file that cannot be read, a certificate that is none or does not belong to its key, a server that is
/// not whom it has to be.
pub async fn connect<S>(tls: &ClientTls, alpn: &[u8], stream: S) -> Result<TlsStream<S>, TlsError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let config = client_config(tls, alpn)?;
    let name = server_name(tls)?;
    let connecting = TlsConnector::from(Arc::new(config)).connect(name, stream);
    connecting.await.map_err(|error| TlsError::Handshake(words(&error)))
}

/// rustls shows an error of the verifier in the form for programmers.
fn words(error: &std::io::Error) -> String {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match inner {
        Some(rustls::Error::InvalidCertificate(CertificateError::Other(other))) => {
            other.0.to_string()
        }
        _ => error.to_string(),
    }
}

/// Reads all that a connection needs, without making one: whether the files can be used.
///
/// # Errors
/// As [`connect`].
pub fn check(tls: &ClientTls) -> Result<(), TlsError> {
    client_config(tls, b"h2").and_then(|_| server_name(tls)).map(drop)
}

fn client_config(tls: &ClientTls, alpn: &[u8]) -> Result<ClientConfig, TlsError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = PeerVerifier::new(trusted(tls)?, &provider, tls.host.as_deref(), &tls.names)
        .map_err(|cause| fault("trusted_ca", None, cause))?;
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| fault("tls_params", None, error))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let mut config = match &tls.identity {
        None => builder.with_no_client_auth(),
        Some(identity) => {
            let (chain, key) = read_identity(identity, &provider)?;
            builder
                .with_client_auth_cert(chain, key)
                .map_err(|error| fault("private_key", Some(&identity.private_key), error))?
        }
    };
    config.enable_sni = tls.sni.is_some();
    config.alpn_protocols = vec![alpn.to_vec()];
    Ok(config)
}

fn trusted(tls: &ClientTls) -> Result<Option<RootCertStore>, TlsError> {
    let Some(source) = &tls.trusted_ca else { return Ok(None) };
    let fault = |cause: String| fault("trusted_ca", Some(source), cause);
    let mut roots = RootCertStore::empty();
    for certificate in certificates(&read(source).map_err(fault)?).map_err(fault)? {
        roots.add(certificate).map_err(|error| fault(error.to_string()))?;
    }
    Ok(Some(roots))
}

fn read_identity(
    identity: &Identity,
    provider: &CryptoProvider,
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), TlsError> {
    let source = &identity.certificate_chain;
    let of_chain = |cause: String| fault("certificate_chain", Some(source), cause);
    let chain = certificates(&read(source).map_err(of_chain)?).map_err(of_chain)?;
    let source = &identity.private_key;
    let of_key = |cause: String| fault("private_key", Some(source), cause);
    let bytes = read(source).map_err(of_key)?;
    let key = PrivateKeyDer::from_pem_slice(&bytes)
        .map_err(|error| of_key(format!("no private key in PEM: {error}")))?;
    provider.key_provider.load_private_key(key.clone_key()).map_err(|e| of_key(e.to_string()))?;
    Ok((chain, key))
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let certificates = certificates.map_err(|error| format!("not PEM: {error}"))?;
    if certificates.is_empty() {
        return Err("no certificate in it".into());
    }
    Ok(certificates)
}

/// What a source holds now.
///
/// # Errors
/// The system's, in words.
pub fn read(source: &DataSource) -> Result<Vec<u8>, String> {
    match source {
        DataSource::File(path) => std::fs::read(path).map_err(|error| error.to_string()),
        DataSource::Inline(bytes) => Ok(bytes.to_vec()),
        DataSource::Environment(name) => std::env::var_os(&**name)
            .map(std::ffi::OsString::into_encoded_bytes)
            .ok_or_else(|| "the environment variable is not set".into()),
    }
}

/// The name for SNI. Without one an address stands for it, which is never sent.
fn server_name(tls: &ClientTls) -> Result<ServerName<'static>, TlsError> {
    let Some(sni) = &tls.sni else {
        return Ok(ServerName::IpAddress(IpAddr::from(std::net::Ipv4Addr::UNSPECIFIED)));
    };
    ServerName::try_from(sni.to_string())
        .map_err(|_| fault("sni", None, format!("{sni:?} is no host name")))
}

fn fault(field: &str, source: Option<&DataSource>, cause: impl ToString) -> TlsError {
    let field = match source {
        Some(DataSource::File(path)) => format!("{field} ({})", Path::display(path)),
        Some(DataSource::Environment(name)) => format!("{field} (variable {name})"),
        Some(DataSource::Inline(_)) | None => field.to_owned(),
    };
    TlsError::Configuration { field, cause: cause.to_string() }
}
