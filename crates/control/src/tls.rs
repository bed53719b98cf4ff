//! `UpstreamTlsContext`, and the credentials of `google_grpc`.

use std::path::Path;

use destrier_policy::{ClientTls, DataSource, Identity, SanKind, SanMatcher};
use envoy_types::pb::envoy::config::core::v3::{
    DataSource as Source, data_source::Specifier, grpc_service::google_grpc::SslCredentials,
};
use envoy_types::pb::envoy::extensions::transport_sockets::tls::v3::{
    CertificateValidationContext, SubjectAltNameMatcher, UpstreamTlsContext,
    common_tls_context::ValidationContextType, subject_alt_name_matcher::SanType,
};

use crate::fields::{Standing, Surveyed as _};
use crate::listener::matchers::string_matcher;
use crate::path::FieldPath;
use crate::proto::{self, Fault};
use crate::report::Report;

/// Where systems keep the authorities that they trust, in the order in which gRPC looks for them.
const SYSTEM_ROOTS: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// What is refused is named in the report.
pub(crate) fn client_tls(
    context: &UpstreamTlsContext,
    path: &FieldPath<'_>,
    report: &mut Report<'_>,
) -> ClientTls {
    context.survey(Standing::InForce, path, report);
    let mut tls = ClientTls {
        trusted_ca: None,
        names: Box::default(),
        host: None,
        identity: None,
        sni: (!context.sni.is_empty()).then(|| context.sni.as_str().into()),
    };
    let path = path.field("common_tls_context");
    let Some(common) = &context.common_tls_context else { return tls };
    if let Some(certificate) = common.tls_certificates.first() {
        let path = path.field("tls_certificates");
        let path = path.index(0);
        tls.identity = identity(
            (certificate.certificate_chain.as_ref(), &path.field("certificate_chain")),
            (certificate.private_key.as_ref(), &path.field("private_key")),
            report,
        );
    }
    if let Some(ValidationContextType::ValidationContext(validation)) =
        &common.validation_context_type
    {
        validate(validation, &path.field("validation_context"), &mut tls, report);
    }
    tls
}

fn validate(
    context: &CertificateValidationContext,
    path: &FieldPath<'_>,
    tls: &mut ClientTls,
    report: &mut Report<'_>,
) {
    tls.trusted_ca = match &context.trusted_ca {
        Some(source) => report.check(&path.field("trusted_ca"), data_source(source)),
        None if context.system_root_certs.is_some() => Some(system_roots()),
        None => None,
    };
    let path = path.field("match_typed_subject_alt_names");
    let names = context.match_typed_subject_alt_names.iter().enumerate();
    tls.names = names.filter_map(|(index, it)| san(it, &path.index(index), report)).collect();
    if !tls.names.is_empty() && tls.trusted_ca.is_none() {
        report.refuse(&path, "says little without trusted_ca: anybody can sign any name");
    }
}

fn san(
    matcher: &SubjectAltNameMatcher,
    path: &FieldPath<'_>,
    report: &mut Report<'_>,
) -> Option<SanMatcher> {
    let kind_path = path.field("san_type");
    let kind = match report.check(&kind_path, proto::enumeration(matcher.san_type))? {
        SanType::Dns => SanKind::Dns,
        SanType::Uri => SanKind::Uri,
        other => {
            report.refuse(&kind_path, format!("{} is not supported", other.as_str_name()));
            return None;
        }
    };
    let path = path.field("matcher");
    let Some(value) = &matcher.matcher else {
        report.refuse(&path, "must be set");
        return None;
    };
    Some(SanMatcher { kind, value: string_matcher(value, &path, report)? })
}

/// Both or none.
fn identity(
    (chain, chain_path): (Option<&Source>, &FieldPath<'_>),
    (key, key_path): (Option<&Source>, &FieldPath<'_>),
    report: &mut Report<'_>,
) -> Option<Identity> {
    let mut one = |source: Option<&Source>, path: &FieldPath<'_>| match source {
        Some(source) => report.check(path, data_source(source)),
        None => {
            report.refuse(path, "must be set: a certificate and its key belong together");
            None
        }
    };
    let (certificate_chain, private_key) = (one(chain, chain_path), one(key, key_path));
    Some(Identity { certificate_chain: certificate_chain?, private_key: private_key? })
}

/// `ssl_credentials`: the server must be the host that was asked for, as gRPC has it.
pub(crate) fn ssl_credentials(
    credentials: &SslCredentials,
    host: &str,
    path: &FieldPath<'_>,
    report: &mut Report<'_>,
) -> ClientTls {
    let SslCredentials { root_certs, private_key, cert_chain } = credentials;
    let trusted_ca = match root_certs {
        Some(source) => report.check(&path.field("root_certs"), data_source(source)),
        None => Some(system_roots()),
    };
    let identity = match (cert_chain, private_key) {
        (None, None) => None,
        (chain, key) => identity(
            (chain.as_ref(), &path.field("cert_chain")),
            (key.as_ref(), &path.field("private_key")),
            report,
        ),
    };
    let is_name = host.parse::<std::net::IpAddr>().is_err();
    ClientTls {
        trusted_ca,
        names: Box::default(),
        host: Some(host.into()),
        identity,
        sni: is_name.then(|| host.into()),
    }
}

/// The first that is there, else the first, which is then named as missing.
fn system_roots() -> DataSource {
    let found = SYSTEM_ROOTS.iter().find(|path| Path::new(path).is_file());
    DataSource::File(Path::new(found.unwrap_or(&SYSTEM_ROOTS[0])).into())
}

/// `core.v3.DataSource`. Nothing is read.
pub(crate) fn data_source(source: &Source) -> Result<DataSource, Fault> {
    match &source.specifier {
        Some(Specifier::Filename(path)) if path.is_empty() => {
            Err("filename: must not be empty".into())
        }
        Some(Specifier::Filename(path)) => Ok(DataSource::File(Path::new(path).into())),
        Some(Specifier::InlineString(text)) => Ok(DataSource::Inline(text.as_bytes().into())),
        Some(Specifier::InlineBytes(bytes)) => Ok(DataSource::Inline(bytes.as_slice().into())),
        Some(Specifier::EnvironmentVariable(name)) => {
            Ok(DataSource::Environment(name.as_str().into()))
        }
        None => Err("must be set".into()),
    }
}
