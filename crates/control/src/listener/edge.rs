//! What a connection manager makes of requests before it chooses a route: whom they are from, what is
//! believed of what they say, and the one spelling of each path and host.

use std::net::IpAddr;
use std::sync::Arc;

use ::http::HeaderValue;
use destrier_policy::{
    Cidr, EscapedSlashes, ForwardClientCert, HcmPolicy, HostForm, InternalAddresses, PathForm,
    Scheme, ServerHeader, StripPort,
};
use envoy_types::pb::envoy::config::core::v3::{
    self as core, scheme_header_transformation::Transformation,
};
use envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3::{
    HttpConnectionManager, RequestIdExtension,
    http_connection_manager::{
        ForwardClientCertDetails, InternalAddressConfig, PathWithEscapedSlashesAction,
        ServerHeaderTransformation, StripPortMode,
    },
};
use envoy_types::pb::envoy::extensions::http::original_ip_detection::xff::v3::XffConfig;
use envoy_types::pb::envoy::extensions::request_id::uuid::v3::UuidRequestIdConfig;
use prost::Name;

use crate::path::FieldPath;
use crate::proto::{self, Fault};
use crate::report::Report;

/// Sets what a connection manager says of the edge. A field with a fault keeps its default.
pub(super) fn edge(
    config: &HttpConnectionManager,
    manager: &mut HcmPolicy,
    path: &FieldPath<'_>,
    report: &mut Report<'_>,
) {
    manager.use_remote_address = config.use_remote_address.is_some_and(|value| value.value);
    manager.xff_num_trusted_hops = config.xff_num_trusted_hops;
    manager.skip_xff_append = config.skip_xff_append;
    manager.append_x_forwarded_port = config.append_x_forwarded_port;
    original_addresses(config, manager, path, report);
    if let Some(config) = &config.internal_address_config {
        let path = path.field("internal_address_config");
        manager.internal_addresses = internal_addresses(config, &path, report);
    }
    let field = path.field("forward_client_cert_details");
    let details = proto::enumeration(config.forward_client_cert_details);
    if let Some(details) = report.check(&field, details) {
        manager.forward_client_cert = client_cert(details);
    }
    manager.generate_request_id = config.generate_request_id.is_none_or(|value| value.value);
    manager.preserve_external_request_id = config.preserve_external_request_id;
    manager.always_set_request_id_in_response = config.always_set_request_id_in_response;
    if let Some(extension) = &config.request_id_extension {
        let path = path.field("request_id_extension");
        report.check(&path.field("typed_config"), request_ids(extension));
    }
    manager.add_user_agent = config.add_user_agent.is_some_and(|value| value.value);
    manager.proxy_100_continue = config.proxy_100_continue;
    signature(config, manager, path, report);
    manager.path = path_form(config, path, report);
    manager.host = host_form(config, path, report);
}

/// What the connection manager writes of itself into messages.
fn signature(
    config: &HttpConnectionManager,
    manager: &mut HcmPolicy,
    path: &FieldPath<'_>,
    report: &mut Report<'_>,
) {
    if let Some(name) = name(&config.server_name, &path.field("server_name"), report) {
        manager.server_name = name;
    }
    manager.via = name(&config.via, &path.field("via"), report);
    let field = path.field("server_header_transformation");
    let transformation = proto::enumeration(config.server_header_transformation);
    if let Some(transformation) = report.check(&field, transformation) {
        manager.server_header = match transformation {
            ServerHeaderTransformation::Overwrite => ServerHeader::Overwrite,
            ServerHeaderTransformation::AppendIfAbsent => ServerHeader::AppendIfAbsent,
            ServerHeaderTransformation::PassThrough => ServerHeader::PassThrough,
        };
    }
    let scheme = config.scheme_header_transformation.as_ref();
    let scheme = scheme.and_then(|scheme| scheme.transformation.as_ref());
    if let Some(Transformation::SchemeToOverwrite(scheme)) = scheme {
        let path = path.field("scheme_header_transformation");
        manager.scheme = report.check(&path.field("scheme_to_overwrite"), scheme_of(scheme));
    }
}

/// A header's value; `None` when it is empty or has been refused.
fn name(text: &str, path: &FieldPath<'_>, report: &mut Report<'_>) -> Option<Arc<str>> {
    let is_value = HeaderValue::from_str(text);
    report.check(path, is_value.map_err(|_| "is not the value of a header"))?;
    (!text.is_empty()).then(|| text.into())
}

fn scheme_of(text: &str) -> Result<Scheme, Fault> {
    match text {
        "http" => Ok(Scheme::Http),
        "https" => Ok(Scheme::Https),
        _ => Err(format!("{text:?} is neither http nor https")),
    }
}

/// Without TLS no client shows a certificate, so that all but one come to the same.
fn client_cert(details: ForwardClientCertDetails) -> ForwardClientCert {
    match details {
        ForwardClientCertDetails::Sanitize
        | ForwardClientCertDetails::ForwardOnly
        | ForwardClientCertDetails::AppendForward
        | ForwardClientCertDetails::SanitizeSet => ForwardClientCert::Sanitize,
        ForwardClientCertDetails::AlwaysForwardOnly => ForwardClientCert::AlwaysForwardOnly,
    }
}

/// `original_ip_detection_extensions`: the one that does what the connection manager does without it.
fn original_addresses(
    config: &HttpConnectionManager,
    manager: &mut HcmPolicy,
    path: &FieldPath<'_>,
    report: &mut Report<'_>,
) {
    let extensions = &config.original_ip_detection_extensions;
    let path = path.field("original_ip_detection_extensions");
    if !extensions.is_empty() && (manager.use_remote_address || manager.xff_num_trusted_hops > 0) {
        report.refuse(&path, "does not go with use_remote_address or xff_num_trusted_hops");
    }
    if extensions.len() > 1 {
        report.refuse(&path, "more than one is not supported");
    }
    for (index, extension) in extensions.iter().enumerate() {
        let path = path.index(index);
        if let Some(hops) = report.check(&path.field("typed_config"), trusted_hops(extension)) {
            manager.xff_num_trusted_hops = hops;
        }
    }
}

fn trusted_hops(extension: &core::TypedExtensionConfig) -> Result<u32, Fault> {
    let config = extension.typed_config.as_ref().ok_or("must be set")?;
    if proto::type_name(&config.type_url) != XffConfig::full_name() {
        return Err(format!("the extension {} is not supported", config.type_url));
    }
    let XffConfig { xff_num_trusted_hops, xff_trusted_cidrs, skip_xff_append } =
        proto::unpack(config)?;
    if xff_trusted_cidrs.is_some() {
        return Err("xff_trusted_cidrs: not supported".into());
    }
    if skip_xff_append.is_some_and(|skip| !skip.value) {
        return Err("skip_xff_append: false is not supported".into());
    }
    Ok(xff_num_trusted_hops)
}

fn internal_addresses(
    config: &InternalAddressConfig,
    path: &FieldPath<'_>,
    report: &mut Report<'_>,
) -> InternalAddresses {
    let path = path.field("cidr_ranges");
    let ranges = config.cidr_ranges.iter().enumerate();
    let ranges = ranges.filter_map(|(index, range)| report.check(&path.index(index), cidr(range)));
    InternalAddresses { unix_sockets: config.unix_sockets, ranges: ranges.collect() }
}

fn cidr(range: &core::CidrRange) -> Result<Cidr, Fault> {
    let core::CidrRange { address_prefix, prefix_len } = range;
    let address: IpAddr = address_prefix
        .parse()
        .map_err(|_| format!("address_prefix: malformed IP address: {address_prefix}"))?;
    let length = prefix_len.map_or(0, |length| length.value);
    let range = u8::try_from(length).ok().and_then(|length| Cidr::new(address, length));
    range.ok_or_else(|| format!("prefix_len: {address} does not have {length} bits"))
}

fn request_ids(extension: &RequestIdExtension) -> Result<(), Fault> {
    let Some(config) = &extension.typed_config else { return Err("must be set".into()) };
    // Its options are about traces.
    proto::unpack::<UuidRequestIdConfig>(config).map(drop)
}

fn path_form(
    config: &HttpConnectionManager,
    path: &FieldPath<'_>,
    report: &mut Report<'_>,
) -> PathForm {
    use PathWithEscapedSlashesAction as Action;
    let field = path.field("path_with_escaped_slashes_action");
    let action = report.check(&field, proto::enumeration(config.path_with_escaped_slashes_action));
    PathForm {
        escaped_slashes: match action {
            None | Some(Action::ImplementationSpecificDefault | Action::KeepUnchanged) => {
                EscapedSlashes::KeepUnchanged
            }
            Some(Action::RejectRequest) => EscapedSlashes::RejectRequest,
            Some(Action::UnescapeAndRedirect) => EscapedSlashes::UnescapeAndRedirect,
            Some(Action::UnescapeAndForward) => EscapedSlashes::UnescapeAndForward,
        },
        normalize: config.normalize_path.is_some_and(|value| value.value),
        merge_slashes: config.merge_slashes,
    }
}

fn host_form(
    config: &HttpConnectionManager,
    path: &FieldPath<'_>,
    report: &mut Report<'_>,
) -> HostForm {
    let any = config.strip_port_mode == Some(StripPortMode::StripAnyHostPort(true));
    if any && config.strip_matching_host_port {
        let field = path.field("strip_any_host_port");
        report.refuse(&field, "does not go with strip_matching_host_port");
    }
    HostForm {
        strip_trailing_dot: config.strip_trailing_host_dot,
        strip_port: match (any, config.strip_matching_host_port) {
            (true, _) => StripPort::Any,
            (false, true) => StripPort::Matching,
            (false, false) => StripPort::Never,
        },
    }
}
