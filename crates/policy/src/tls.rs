//! TLS towards a server (`envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext`).

use std::path::Path;
use std::sync::Arc;

use crate::StringMatcher;

/// Where bytes come from (`core.v3.DataSource`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DataSource {
    /// `filename`: read whenever it is needed, so that a new file counts.
    File(Arc<Path>),
    /// `inline_bytes` or `inline_string`.
    Inline(Arc<[u8]>),
    /// `environment_variable`.
    Environment(Box<str>),
}

/// How TLS is spoken as a client.
#[derive(Clone, Debug, PartialEq)]
pub struct ClientTls {
    /// Who may sign the server's certificate; `None` is whoever (Envoy without a `validation_context`).
    pub trusted_ca: Option<DataSource>,
    /// `match_typed_subject_alt_names`: one of the server's names must match. Empty is any name.
    pub names: Box<[SanMatcher]>,
    /// The certificate must be valid for this host (RFC 9525), as gRPC's own credentials have it.
    pub host: Option<Box<str>>,
    /// Who we are.
    pub identity: Option<Identity>,
    /// `sni`; `None` sends none.
    pub sni: Option<Box<str>>,
}

/// `tls_certificates`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// `certificate_chain`, in PEM.
    pub certificate_chain: DataSource,
    /// `private_key`, in PEM.
    pub private_key: DataSource,
}

/// `SubjectAltNameMatcher`.
#[derive(Clone, Debug, PartialEq)]
pub struct SanMatcher {
    /// `san_type`.
    pub kind: SanKind,
    /// `matcher`.
    pub value: StringMatcher,
}

/// `SubjectAltNameMatcher.SanType`, as far as it is matched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SanKind {
    /// `DNS`.
    Dns,
    /// `URI`, such as a SPIFFE id.
    Uri,
}
