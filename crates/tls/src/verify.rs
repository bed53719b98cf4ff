//! Who the server has to be: signed by whom, and by which name. Meshes know workloads by SPIFFE URIs, which
//! no host name check would look at.

use std::fmt;

use destrier_policy::{SanKind, SanMatcher};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, DigitallySignedStruct, Error, OtherError, RootCertStore, SignatureScheme,
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use webpki::EndEntityCert;

pub(crate) struct PeerVerifier {
    /// `None`: whoever signed it.
    roots: Option<RootCertStore>,
    host: Option<ServerName<'static>>,
    names: Box<[SanMatcher]>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl PeerVerifier {
    pub(crate) fn new(
        roots: Option<RootCertStore>,
        provider: &CryptoProvider,
        host: Option<&str>,
        names: &[SanMatcher],
    ) -> Result<Self, String> {
        if roots.is_none() && (host.is_some() || !names.is_empty()) {
            return Err("names are to be matched, but whoever may have signed them".into());
        }
        let host = host.map(|host| ServerName::try_from(host.to_owned()));
        let host = host.transpose().map_err(|_| "the host is no host name")?;
        let algorithms = provider.signature_verification_algorithms;
        Ok(Self { roots, host, names: names.into(), algorithms })
    }

    /// Whether one of the names in the certificate is wanted; the names, if not.
    fn check_names(&self, certificate: &CertificateDer<'_>) -> Result<(), Error> {
        if self.names.is_empty() {
            return Ok(());
        }
        let certificate = EndEntityCert::try_from(certificate)
            .map_err(|_| Error::InvalidCertificate(CertificateError::BadEncoding))?;
        let dns: Vec<&str> = certificate.valid_dns_names().collect();
        let uris: Vec<&str> = certificate.valid_uri_names().collect();
        let fits = |matcher: &SanMatcher| {
            let names = match matcher.kind {
                SanKind::Dns => &dns,
                SanKind::Uri => &uris,
            };
            names.iter().any(|name| matcher.value.matches(name.as_bytes()))
        };
        if self.names.iter().any(fits) {
            return Ok(());
        }
        let names: Vec<_> = dns.iter().chain(&uris).map(|name| (*name).to_owned()).collect();
        let other = OtherError(std::sync::Arc::new(UnwantedNames(names)));
        Err(Error::InvalidCertificate(CertificateError::Other(other)))
    }
}

/// None of the server's names is the one that was asked for.
#[derive(Debug)]
struct UnwantedNames(Vec<String>);

impl fmt::Display for UnwantedNames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "match_typed_subject_alt_names: the server is {:?}", self.0)
    }
}

impl std::error::Error for UnwantedNames {}

impl fmt::Debug for PeerVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PeerVerifier").field("names", &self.names).finish_non_exhaustive()
    }
}

impl ServerCertVerifier for PeerVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if let Some(roots) = &self.roots {
            let certificate = ParsedCertificate::try_from(end_entity)?;
            verify_server_cert_signed_by_trust_anchor(
                &certificate,
                roots,
                intermediates,
                now,
                self.algorithms.all,
            )?;
            if let Some(host) = &self.host {
                verify_server_name(&certificate, host)?;
            }
            self.check_names(end_entity)?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
