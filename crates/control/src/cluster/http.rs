//! HTTP towards the endpoints: `HttpProtocolOptions` in `typed_extension_protocol_options`, and the
//! deprecated fields of the cluster that it replaces.

use std::time::Duration;

use destrier_policy::{FieldStanding, HttpOptions, UnderscorePolicy, UpstreamProtocol};
use envoy_types::pb::envoy::config::cluster::v3::{Cluster, cluster::ClusterProtocolSelection};
use envoy_types::pb::envoy::config::core::v3::{
    self as core, Http1ProtocolOptions, Http2ProtocolOptions,
    http_protocol_options::HeadersWithUnderscoresAction,
};
use envoy_types::pb::envoy::extensions::filters::http::upstream_codec::v3::UpstreamCodec;
use envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3::{
    HttpFilter, http_filter::ConfigType,
};
use envoy_types::pb::envoy::extensions::upstreams::http::v3::{
    HttpProtocolOptions,
    http_protocol_options::{
        AutoHttpConfig, UpstreamProtocolOptions, UseDownstreamHttpConfig,
        explicit_http_config::ProtocolConfig,
    },
};
use envoy_types::pb::envoy::extensions::upstreams::tcp::v3::TcpProtocolOptions;
use envoy_types::pb::google::protobuf::{self, Any, UInt32Value};
use prost::Name;

use super::error_match;
use crate::fields::Standing;
use crate::http_options::{http1_options, http2_options};
use crate::proto::{self, Fault};
use crate::report::Reader;

/// The options; typed ones replace the deprecated fields as a whole.
pub(super) fn translate(cluster: &Cluster, reader: &mut Reader<'_, '_>) -> HttpOptions {
    let legacy = legacy(cluster, reader);
    let mut reader = reader.field("typed_extension_protocol_options");
    // In the order of their keys: a map has none, and faults are to be reported alike every time.
    let mut extensions: Vec<(&String, &Any)> =
        cluster.typed_extension_protocol_options.iter().collect();
    extensions.sort_unstable_by_key(|(key, _)| *key);
    let mut typed = None;
    for (key, config) in extensions {
        let mut reader = reader.key(key);
        let name = proto::type_name(&config.type_url);
        if name == HttpProtocolOptions::full_name() {
            let options = reader.check(proto::unpack(config));
            typed = options.map(|options| {
                check_single_limit(cluster, &options, &mut reader);
                self::typed(&options, &mut reader)
            });
        } else if name == TcpProtocolOptions::full_name() {
            reader.note(destrier_policy::FieldStanding::Tolerated);
        } else {
            reader.refuse(format!("options of type {:?} are not supported", config.type_url));
        }
    }
    typed.unwrap_or(legacy)
}

#[expect(deprecated, reason = "control planes still send these fields")]
fn legacy(cluster: &Cluster, reader: &mut Reader<'_, '_>) -> HttpOptions {
    let mut options = HttpOptions::default();
    let common = cluster.common_http_protocol_options.as_ref();
    apply_common(common, &mut options, &mut reader.field("common_http_protocol_options"));
    if let Some(limit) = &cluster.max_requests_per_connection {
        options.max_requests_per_connection = unless_zero(limit);
    }
    let http2 = cluster.http2_protocol_options.as_ref();
    options.http1 = http1_options(cluster.http_protocol_options.as_ref());
    options.http2 = http2_options(http2, &mut reader.field("http2_protocol_options"));
    apply_tls(cluster.upstream_http_protocol_options.as_ref(), &mut options);
    let selection = reader.read(
        "protocol_selection",
        Some(cluster.protocol_selection),
        proto::enumeration::<ClusterProtocolSelection>,
    );
    options.protocol = if selection == Some(ClusterProtocolSelection::UseDownstreamProtocol) {
        UpstreamProtocol::UseDownstream
    } else if http2.is_some() {
        UpstreamProtocol::Http2
    } else {
        UpstreamProtocol::Http1
    };
    options
}

fn check_single_limit(cluster: &Cluster, typed: &HttpProtocolOptions, reader: &mut Reader<'_, '_>) {
    #[expect(deprecated, reason = "control planes still send this field")]
    let deprecated = cluster.max_requests_per_connection;
    let common = typed.common_http_protocol_options.as_ref();
    if deprecated.is_some() && common.is_some_and(|c| c.max_requests_per_connection.is_some()) {
        reader
            .field("common_http_protocol_options")
            .field("max_requests_per_connection")
            .refuse("also set in the cluster itself");
    }
}

fn typed(typed: &HttpProtocolOptions, reader: &mut Reader<'_, '_>) -> HttpOptions {
    reader.survey(typed, Standing::InForce);
    let mut options = HttpOptions::default();
    let common = typed.common_http_protocol_options.as_ref();
    apply_common(common, &mut options, &mut reader.field("common_http_protocol_options"));
    apply_tls(typed.upstream_http_protocol_options.as_ref(), &mut options);
    options.error_match = typed
        .outlier_detection
        .as_ref()
        .and_then(|outlier| outlier.error_matcher.as_ref())
        .and_then(|matcher| {
            let mut reader = reader.field("outlier_detection");
            error_match::translate(matcher, &mut reader.field("error_matcher"))
        });
    check_http_filters(&typed.http_filters, &mut reader.field("http_filters"));
    match &typed.upstream_protocol_options {
        Some(UpstreamProtocolOptions::ExplicitHttpConfig(config)) => {
            let mut reader = reader.field("explicit_http_config");
            match &config.protocol_config {
                Some(ProtocolConfig::HttpProtocolOptions(http1)) => {
                    set_versions(Some(http1), None, &mut options, &mut reader);
                }
                Some(ProtocolConfig::Http2ProtocolOptions(http2)) => {
                    options.protocol = UpstreamProtocol::Http2;
                    set_versions(None, Some(http2), &mut options, &mut reader);
                }
                // The field table refuses it.
                Some(ProtocolConfig::Http3ProtocolOptions(_)) => {}
                None => reader.refuse("names no protocol"),
            }
        }
        Some(UpstreamProtocolOptions::UseDownstreamProtocolConfig(config)) => {
            let UseDownstreamHttpConfig { http_protocol_options, http2_protocol_options, .. } = config;
            let (http1, http2) = (http_protocol_options.as_ref(), http2_protocol_options.as_ref());
            let mut reader = reader.field("use_downstream_protocol_config");
            options.protocol = UpstreamProtocol::UseDownstream;
            set_versions(http1, http2, &mut options, &mut reader);
        }
        Some(UpstreamProtocolOptions::AutoConfig(config)) => {
            let AutoHttpConfig { http_protocol_options, http2_protocol_options, .. } = config;
            let (http1, http2) = (http_protocol_options.as_ref(), http2_protocol_options.as_ref());
            options.protocol = UpstreamProtocol::Auto;
            set_versions(http1, http2, &mut options, &mut reader.field("auto_config"));
        }
        None => reader.refuse(
            "one of explicit_http_config, use_downstream_protocol_config and auto_config must be set",
        ),
    }
    options
}

fn set_versions(
    http1: Option<&Http1ProtocolOptions>,
    http2: Option<&Http2ProtocolOptions>,
    options: &mut HttpOptions,
    reader: &mut Reader<'_, '_>,
) {
    options.http1 = http1_options(http1);
    options.http2 = http2_options(http2, &mut reader.field("http2_protocol_options"));
}

fn apply_common(
    common: Option<&core::HttpProtocolOptions>,
    options: &mut HttpOptions,
    reader: &mut Reader<'_, '_>,
) {
    let Some(common) = common else { return };
    // Zero switches each of these off.
    let nonzero = |duration: Duration| Some(duration).filter(|duration| !duration.is_zero());
    let mut duration = |field, value: &Option<protobuf::Duration>| {
        reader.read(field, value.as_ref(), proto::duration)
    };
    if let Some(timeout) = duration("idle_timeout", &common.idle_timeout) {
        options.idle_timeout = nonzero(timeout);
    }
    let max_connection = duration("max_connection_duration", &common.max_connection_duration);
    options.max_connection_duration = max_connection.and_then(nonzero);
    let max_stream = duration("max_stream_duration", &common.max_stream_duration);
    options.max_stream_duration = max_stream.and_then(nonzero);
    options.max_requests_per_connection =
        common.max_requests_per_connection.as_ref().and_then(unless_zero);
    let count = common.max_headers_count.as_ref();
    if let Some(count) = reader.read("max_headers_count", count, |count| at_most(count, u32::MAX)) {
        options.max_headers_count = count;
    }
    let size = common.max_response_headers_kb.as_ref();
    if let Some(size) = reader.read("max_response_headers_kb", size, |size| at_most(size, 8192)) {
        options.max_response_headers_kb = size;
    }
    let action = Some(common.headers_with_underscores_action);
    if let Some(action) = reader.read("headers_with_underscores_action", action, underscores) {
        options.headers_with_underscores = action;
    }
    if options.headers_with_underscores != UnderscorePolicy::Allow {
        reader.field("headers_with_underscores_action").note(FieldStanding::Later);
    }
}

fn underscores(action: i32) -> Result<UnderscorePolicy, Fault> {
    Ok(match proto::enumeration(action)? {
        HeadersWithUnderscoresAction::Allow => UnderscorePolicy::Allow,
        HeadersWithUnderscoresAction::RejectRequest => UnderscorePolicy::RejectRequest,
        HeadersWithUnderscoresAction::DropHeader => UnderscorePolicy::DropHeader,
    })
}

fn at_most(value: &UInt32Value, most: u32) -> Result<u32, Fault> {
    let value = value.value;
    if (1..=most).contains(&value) {
        Ok(value)
    } else {
        Err(format!("{value} is not from 1 to {most}"))
    }
}

fn unless_zero(limit: &UInt32Value) -> Option<u32> {
    Some(limit.value).filter(|limit| *limit != 0)
}

fn apply_tls(tls: Option<&core::UpstreamHttpProtocolOptions>, options: &mut HttpOptions) {
    if let Some(tls) = tls {
        options.auto_sni = tls.auto_sni;
        options.auto_san_validation = tls.auto_san_validation;
    }
}

/// The chain of upstream filters may only say what happens anyway.
fn check_http_filters(filters: &[HttpFilter], reader: &mut Reader<'_, '_>) {
    for (index, filter) in filters.iter().enumerate() {
        let mut reader = reader.index(index);
        match &filter.config_type {
            Some(ConfigType::TypedConfig(config)) => {
                reader.read("typed_config", Some(config), |config| {
                    proto::unpack::<UpstreamCodec>(config).map_err(|_| {
                        format!("filters of type {:?} are not supported", config.type_url)
                    })
                });
            }
            Some(ConfigType::ConfigDiscovery(_)) => {
                reader.field("config_discovery").refuse("not supported");
            }
            None => reader.field("typed_config").refuse("must be set"),
        }
    }
}
