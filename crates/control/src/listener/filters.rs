//! Which filters are known, by the type of their config. An unknown one may guard something and refuses
//! the listener.

use envoy_types::pb::envoy::extensions::filters::http::cors::v3::Cors;
use envoy_types::pb::envoy::extensions::filters::http::fault::v3::HttpFault;
use envoy_types::pb::envoy::extensions::filters::http::router::v3::Router;
use envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3::{
    HttpConnectionManager, HttpFilter, http_filter,
};
use envoy_types::pb::envoy::extensions::filters::network::tcp_proxy::v3::TcpProxy;
use envoy_types::pb::google::protobuf::Any;
use prost::Name;

use crate::fields::{Standing, Surveyed};
use crate::path::FieldPath;
use crate::proto::{self, Fault};
use crate::report::Report;

/// Filters that observe, or that prepare what needs TLS: left out without harm.
const TELEMETRY: [&str; 8] = [
    "envoy.extensions.filters.http.grpc_stats.v3.FilterConfig",
    "envoy.tcp.metadataexchange.config.MetadataExchange",
    "io.istio.http.peer_metadata.Config",
    "io.istio.network.metadata_exchange.Config",
    "io.istio.network.stats.Config",
    "io.istio.http.stats.Config",
    "istio.envoy.config.filter.http.alpn.v2alpha1.FilterConfig",
    "stats.PluginConfig",
];

/// A filter of a filter chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NetworkFilter {
    Http,
    Tcp,
    /// Left out.
    Telemetry,
}

impl NetworkFilter {
    pub(super) fn of(config: &Any) -> Result<Self, Fault> {
        let type_url = proto::type_url(config)?;
        match proto::type_name(&type_url) {
            name if name == HttpConnectionManager::full_name() => Ok(Self::Http),
            name if name == TcpProxy::full_name() => Ok(Self::Tcp),
            name if TELEMETRY.contains(&name) => Ok(Self::Telemetry),
            _ => Err(format!("the filter {type_url} is not supported")),
        }
    }
}

/// What the router is told.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct RouterOptions {
    pub(super) suppress_envoy_headers: bool,
}

/// `http_filters`: what may stand there, with the router at the end.
pub(super) fn http_filters(
    filters: &[HttpFilter],
    path: &FieldPath<'_>,
    report: &mut Report<'_>,
) -> RouterOptions {
    let mut router = None;
    for (index, filter) in filters.iter().enumerate() {
        if filter.disabled {
            continue;
        }
        let path = path.index(index);
        let path = path.field("typed_config");
        if router.is_some() {
            report.refuse(&path, "nothing may follow the router");
        }
        let config = match &filter.config_type {
            Some(http_filter::ConfigType::TypedConfig(config)) => config,
            Some(http_filter::ConfigType::ConfigDiscovery(_)) => continue, // Refused by its row.
            None => {
                report.refuse(&path, "must be set");
                continue;
            }
        };
        match http_filter(config) {
            Ok(HttpFilterKind::Router) => {
                let config = report.check(&path, unpack_router(config)).unwrap_or_default();
                config.survey(Standing::InForce, &path, report);
                let Router { suppress_envoy_headers, .. } = config;
                router = Some(RouterOptions { suppress_envoy_headers });
            }
            Ok(HttpFilterKind::Inert) => {}
            Err(_) if filter.is_optional => {}
            Err(reason) => report.refuse(&path, reason),
        }
    }
    if router.is_none() {
        report.refuse(path, "must end in the router");
    }
    router.unwrap_or_default()
}

/// The options in a `TypedStruct` are not read, as with any other filter.
fn unpack_router(config: &Any) -> Result<Router, Fault> {
    match proto::type_name(&config.type_url) == Router::full_name() {
        true => proto::unpack(config),
        false => Ok(Router::default()),
    }
}

/// `typed_per_filter_config`: settings of filters for a part of the routes.
pub(super) fn per_filter_config<'a>(
    configs: impl IntoIterator<Item = (&'a String, &'a Any)>,
    path: &FieldPath<'_>,
    report: &mut Report<'_>,
) {
    let path = path.field("typed_per_filter_config");
    for (name, config) in configs {
        if let Err(reason) = http_filter(config) {
            report.refuse(&path.key(name), reason);
        }
    }
}

enum HttpFilterKind {
    Router,
    /// It does nothing, or nothing that matters here.
    Inert,
}

fn http_filter(config: &Any) -> Result<HttpFilterKind, Fault> {
    let type_url = proto::type_url(config)?;
    match proto::type_name(&type_url) {
        name if name == Router::full_name() => Ok(HttpFilterKind::Router),
        // It acts by the CORS policies of routes alone, and those are refused.
        name if name == Cors::full_name() => Ok(HttpFilterKind::Inert),
        name if name == HttpFault::full_name() => {
            let fault = proto::unpack::<HttpFault>(config)?;
            if fault.delay.is_some() || fault.abort.is_some() || fault.response_rate_limit.is_some()
            {
                return Err("injecting faults is not supported".into());
            }
            Ok(HttpFilterKind::Inert)
        }
        name if TELEMETRY.contains(&name) => Ok(HttpFilterKind::Inert),
        _ => Err(format!("the filter {type_url} is not supported")),
    }
}
