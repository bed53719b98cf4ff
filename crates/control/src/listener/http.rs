//! `http_connection_manager.proto: HttpConnectionManager`.

use std::sync::Arc;
use std::time::Duration;

use destrier_policy::{CodecType, HcmPolicy, UnderscorePolicy, UpgradeConfig};
use envoy_types::pb::envoy::config::core::v3 as core;
use envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3::{
    HttpConnectionManager,
    http_connection_manager::{CodecType as CodecTypeProto, RouteSpecifier},
};
use envoy_types::pb::google::protobuf::{self, UInt32Value};

use super::access_log::{access_logs, hcm_log_options};
use super::action::upgrade_config;
use super::edge::edge;
use super::filters::http_filters;
use super::local_reply::local_replies;
use super::routes::route_table;
use crate::http_options::{http1_options, http2_options};
use crate::path::FieldPath;
use crate::proto;
use crate::report::{Reader, Report};

/// `None` when it has been refused.
pub(super) fn connection_manager(
    config: &HttpConnectionManager,
    path: &FieldPath<'_>,
    report: &mut Report<'_>,
) -> Option<HcmPolicy> {
    if config.stat_prefix.is_empty() {
        report.refuse(&path.field("stat_prefix"), "must not be empty");
    }
    let router = http_filters(&config.http_filters, &path.field("http_filters"), report);
    let codec = codec(config, path, report);
    let routes = match &config.route_specifier {
        Some(RouteSpecifier::RouteConfig(routes)) => {
            route_table(routes, &path.field("route_config"), report)
        }
        // Refused by their rows.
        Some(RouteSpecifier::Rds(_) | RouteSpecifier::ScopedRoutes(_)) => None,
        None => {
            report.refuse(&path.field("route_config"), "must be set");
            None
        }
    };
    let mut manager = HcmPolicy::new(config.stat_prefix.as_str().into(), Arc::default());
    timeouts(config, &mut manager, path, report);
    common_options(config, &mut manager, path, report);
    if let Some(kb) =
        limit(&config.max_request_headers_kb, 1..=8192, path, "max_request_headers_kb", report)
    {
        manager.max_request_headers_kb = kb;
    }
    edge(config, &mut manager, path, report);
    manager.suppress_envoy_headers = router.suppress_envoy_headers;
    manager.upgrades = upgrades(config, path, report);
    manager.http1 = http1_options(config.http_protocol_options.as_ref());
    let mut reader = Reader::at(path.field("http2_protocol_options"), report);
    manager.http2 = http2_options(config.http2_protocol_options.as_ref(), &mut reader);
    manager.access_log_options = hcm_log_options(config);
    manager.local_replies = local_replies(
        config.local_reply_config.as_ref(),
        &path.field("local_reply_config"),
        report,
    );
    manager.access_log = access_logs(&config.access_log, &path.field("access_log"), report);
    manager.codec = codec?;
    manager.routes = Arc::new(routes?);
    Some(manager)
}

fn codec(
    config: &HttpConnectionManager,
    path: &FieldPath<'_>,
    report: &mut Report<'_>,
) -> Option<CodecType> {
    let path = path.field("codec_type");
    match report.check(&path, proto::enumeration(config.codec_type))? {
        CodecTypeProto::Auto => Some(CodecType::Auto),
        CodecTypeProto::Http1 => Some(CodecType::Http1),
        CodecTypeProto::Http2 => Some(CodecType::Http2),
        CodecTypeProto::Http3 => {
            report.refuse(&path, "HTTP/3 is not supported");
            None
        }
    }
}

fn timeouts(
    config: &HttpConnectionManager,
    manager: &mut HcmPolicy,
    path: &FieldPath<'_>,
    report: &mut Report<'_>,
) {
    for (field, value, timeout) in [
        ("request_timeout", &config.request_timeout, &mut manager.request_timeout),
        (
            "request_headers_timeout",
            &config.request_headers_timeout,
            &mut manager.request_headers_timeout,
        ),
        ("stream_idle_timeout", &config.stream_idle_timeout, &mut manager.stream_idle_timeout),
        (
            "delayed_close_timeout",
            &config.delayed_close_timeout,
            &mut manager.delayed_close_timeout,
        ),
    ] {
        set_timeout(value, timeout, &path.field(field), report);
    }
    if let Some(value) = &config.drain_timeout {
        let timeout = report.check(&path.field("drain_timeout"), proto::duration(value));
        manager.drain_timeout = timeout.unwrap_or_default();
    }
}

/// What is absent leaves the default, and 0 is no timeout.
fn set_timeout(
    value: &Option<protobuf::Duration>,
    timeout: &mut Option<Duration>,
    path: &FieldPath<'_>,
    report: &mut Report<'_>,
) {
    if let Some(value) = value
        && let Some(found) = report.check(path, proto::duration(value))
    {
        *timeout = Some(found).filter(|timeout| !timeout.is_zero());
    }
}

fn common_options(
    config: &HttpConnectionManager,
    manager: &mut HcmPolicy,
    path: &FieldPath<'_>,
    report: &mut Report<'_>,
) {
    use core::http_protocol_options::HeadersWithUnderscoresAction;
    let Some(options) = &config.common_http_protocol_options else { return };
    let path = path.field("common_http_protocol_options");
    for (field, value, timeout) in [
        ("idle_timeout", &options.idle_timeout, &mut manager.idle_timeout),
        (
            "max_connection_duration",
            &options.max_connection_duration,
            &mut manager.max_connection_duration,
        ),
        ("max_stream_duration", &options.max_stream_duration, &mut manager.max_stream_duration),
    ] {
        set_timeout(value, timeout, &path.field(field), report);
    }
    let requests = options.max_requests_per_connection.map_or(0, |requests| requests.value);
    manager.max_requests_per_connection = Some(requests).filter(|requests| *requests > 0);
    if let Some(count) =
        limit(&options.max_headers_count, 1..=u32::MAX, &path, "max_headers_count", report)
    {
        manager.max_headers_count = count;
    }
    let field = path.field("headers_with_underscores_action");
    let action = proto::enumeration(options.headers_with_underscores_action);
    if let Some(action) = report.check(&field, action) {
        manager.headers_with_underscores = match action {
            HeadersWithUnderscoresAction::Allow => UnderscorePolicy::Allow,
            HeadersWithUnderscoresAction::RejectRequest => UnderscorePolicy::RejectRequest,
            HeadersWithUnderscoresAction::DropHeader => UnderscorePolicy::DropHeader,
        };
    }
}

fn upgrades(
    config: &HttpConnectionManager,
    path: &FieldPath<'_>,
    report: &mut Report<'_>,
) -> Box<[UpgradeConfig]> {
    let path = path.field("upgrade_configs");
    let upgrades = config.upgrade_configs.iter().enumerate().map(|(index, upgrade)| {
        let path = path.index(index);
        upgrade_config(&upgrade.upgrade_type, upgrade.enabled.as_ref(), &path, report)
    });
    upgrades.collect()
}

fn limit(
    value: &Option<UInt32Value>,
    range: std::ops::RangeInclusive<u32>,
    path: &FieldPath<'_>,
    field: &str,
    report: &mut Report<'_>,
) -> Option<u32> {
    let value = value.as_ref()?.value;
    if range.contains(&value) {
        return Some(value);
    }
    let (least, most) = range.into_inner();
    report.refuse(&path.field(field), format!("{value} is not from {least} to {most}"));
    None
}
