//! `listener.proto: Listener` to [`ListenerPolicy`]: one filter chain that ends in an HTTP connection
//! manager or a TCP proxy.

mod access_log;
mod action;
mod edge;
mod filters;
mod format;
pub(crate) mod hash_policy;
mod http;
mod local_reply;
mod log_filter;
pub(crate) mod matchers;
mod metadata_match;
mod mutation;
mod redirect;
mod rewrite;
mod routes;
mod tcp_proxy;

use std::sync::Arc;

use destrier_policy::{Address, ClusterName, FieldNote, ListenerFilter, ListenerPolicy};
use envoy_types::pb::envoy::config::core::v3::{TransportSocket, transport_socket};
use envoy_types::pb::envoy::config::listener::v3::{
    Filter, FilterChain, FilterChainMatch, Listener, filter, listener_filter,
};
use envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3::HttpConnectionManager;
use envoy_types::pb::envoy::extensions::filters::network::tcp_proxy::v3::TcpProxy;
use prost::Name;

use self::filters::NetworkFilter;
pub use self::format::parse_format;
use crate::Rejection;
use crate::fields::{Standing, Surveyed};
use crate::path::FieldPath;
use crate::proto;
use crate::report::Report;

/// A listener, and which of its fields are not in force.
#[derive(Clone, Debug, PartialEq)]
pub struct TranslatedListener {
    /// What it does.
    pub policy: ListenerPolicy,
    /// What it sets and nothing here obeys (yet, or ever).
    pub notes: Box<[FieldNote]>,
}

/// Translates a listener.
///
/// # Errors
/// Every fault found, with the path of its field. What is not supported is a fault where ignoring it
/// would let through, or send elsewhere, what was to be stopped: an unknown filter, transport socket or
/// route matcher.
pub fn translate_listener(listener: &Listener) -> Result<TranslatedListener, Vec<Rejection>> {
    let mut report = Report::new(&listener.name);
    let root = FieldPath::ROOT;
    listener.survey(Standing::InForce, &root, &mut report);
    for (field, wrong, value) in [
        ("use_original_dst", true, &listener.use_original_dst),
        ("bind_to_port", false, &listener.bind_to_port),
    ] {
        if value.as_ref().is_some_and(|value| value.value == wrong) {
            report.refuse(&root.field(field), format!("{wrong} is not supported"));
        }
    }
    let original_dst = listener_filters(listener, &mut report);
    let address = address(listener, &mut report);
    let filter = match (listener.filter_chains.as_slice(), &listener.default_filter_chain) {
        ([chain], None) => filter_chain(chain, &root.field("filter_chains").index(0), &mut report),
        ([], Some(chain)) => filter_chain(chain, &root.field("default_filter_chain"), &mut report),
        ([], None) => {
            report.refuse(&root.field("filter_chains"), "must have one");
            None
        }
        (_, _) => {
            report.refuse(&root.field("filter_chains"), "more than one is not supported yet");
            None
        }
    };
    let access_log =
        access_log::access_logs(&listener.access_log, &root.field("access_log"), &mut report);
    let notes = report.take_notes();
    let policy = report.finish(address.zip(filter))?.map(|(address, filter)| ListenerPolicy {
        name: match listener.name.as_str() {
            "" => address.to_string().into(),
            name => name.into(),
        },
        address,
        original_dst,
        per_connection_buffer_limit: listener
            .per_connection_buffer_limit_bytes
            .as_ref()
            .map_or(1 << 20, |limit| limit.value),
        access_log,
        filter,
    });
    let policy = policy.expect("what is missing has been refused");
    Ok(TranslatedListener { policy, notes })
}

/// Every cluster that a listener can send to.
pub(crate) fn clusters(listener: &ListenerPolicy) -> Vec<&ClusterName> {
    match &listener.filter {
        ListenerFilter::Http(manager) => manager.routes.clusters().collect(),
        ListenerFilter::Tcp(proxy) => proxy.cluster.names().collect(),
    }
}

fn address(listener: &Listener, report: &mut Report<'_>) -> Option<Address> {
    let root = FieldPath::ROOT;
    let path = root.field("address");
    let address = listener.address.as_ref().ok_or_else(|| "must be set".to_owned());
    report.check(&path, address.and_then(proto::address))
}

/// Listener filters look at the first bytes to choose a filter chain. With one chain there is nothing to
/// choose; any that does more is refused.
///
/// Whether one asks where redirected connections were to go.
fn listener_filters(listener: &Listener, report: &mut Report<'_>) -> bool {
    const ORIGINAL_DST: &str = "envoy.extensions.filters.listener.original_dst.v3.OriginalDst";
    const INSPECTORS: [&str; 2] = [
        "envoy.extensions.filters.listener.http_inspector.v3.HttpInspector",
        "envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector",
    ];
    let root = FieldPath::ROOT;
    let path = root.field("listener_filters");
    let mut original_dst = false;
    for (index, filter) in listener.listener_filters.iter().enumerate() {
        let path = path.index(index);
        let path = path.field("typed_config");
        match &filter.config_type {
            Some(listener_filter::ConfigType::TypedConfig(config)) => {
                let Some(type_url) = report.check(&path, proto::type_url(config)) else { continue };
                let filter = proto::type_name(&type_url);
                original_dst |= filter == ORIGINAL_DST;
                if filter != ORIGINAL_DST && !INSPECTORS.contains(&filter) {
                    report.refuse(&path, format!("the filter {type_url} is not supported"));
                }
            }
            Some(listener_filter::ConfigType::ConfigDiscovery(_)) => {} // Refused by its row.
            None => report.refuse(&path, "must be set"),
        }
    }
    original_dst
}

fn filter_chain(
    chain: &FilterChain,
    path: &FieldPath<'_>,
    report: &mut Report<'_>,
) -> Option<ListenerFilter> {
    if chain.filter_chain_match.as_ref().is_some_and(|found| *found != FilterChainMatch::default())
    {
        report.refuse(&path.field("filter_chain_match"), "conditions are not supported yet");
    }
    #[expect(deprecated, reason = "it still changes what the first bytes of a connection mean")]
    let use_proxy_proto = chain.use_proxy_proto.as_ref();
    if use_proxy_proto.is_some_and(|value| value.value) {
        report.refuse(&path.field("use_proxy_proto"), "true is not supported");
    }
    transport_socket(chain.transport_socket.as_ref(), path, report);

    let filters_path = path.field("filters");
    let mut terminal = None;
    for (index, filter) in chain.filters.iter().enumerate() {
        let path = filters_path.index(index);
        let is_last = index + 1 == chain.filters.len();
        let found = network_filter(filter, &path, report)?;
        match (found, is_last) {
            (Some(filter), true) => terminal = Some(filter),
            (Some(_), false) => report.refuse(&path, "must be the last of the chain"),
            (None, true) => {
                report.refuse(&path, "the last filter must be a connection manager or a TCP proxy");
            }
            (None, false) => {}
        }
    }
    if chain.filters.is_empty() {
        report.refuse(&filters_path, "must not be empty");
    }
    terminal
}

/// `None` when the filter has been refused, `Some(None)` when it is one that does nothing here.
fn network_filter(
    filter: &Filter,
    path: &FieldPath<'_>,
    report: &mut Report<'_>,
) -> Option<Option<ListenerFilter>> {
    let path = path.field("typed_config");
    let config = match &filter.config_type {
        Some(filter::ConfigType::TypedConfig(config)) => config,
        Some(filter::ConfigType::ConfigDiscovery(_)) => return None, // Refused by its row.
        None => {
            report.refuse(&path, "must be set");
            return None;
        }
    };
    match report.check(&path, NetworkFilter::of(config))? {
        NetworkFilter::Http => {
            let config = report.check(&path, proto::unpack::<HttpConnectionManager>(config))?;
            config.survey(Standing::InForce, &path, report);
            let policy = http::connection_manager(&config, &path, report)?;
            Some(Some(ListenerFilter::Http(Arc::new(policy))))
        }
        NetworkFilter::Tcp => {
            let config = report.check(&path, proto::unpack::<TcpProxy>(config))?;
            config.survey(Standing::InForce, &path, report);
            let policy = tcp_proxy::tcp_proxy(&config, &path, report)?;
            Some(Some(ListenerFilter::Tcp(Arc::new(policy))))
        }
        NetworkFilter::Telemetry => Some(None),
    }
}

/// Only plain text is spoken; anything else that was asked for must not become it.
fn transport_socket(
    socket: Option<&TransportSocket>,
    path: &FieldPath<'_>,
    report: &mut Report<'_>,
) {
    use envoy_types::pb::envoy::extensions::transport_sockets::raw_buffer::v3::RawBuffer;
    let Some(socket) = socket else { return };
    let path = path.field("transport_socket");
    let path = path.field("typed_config");
    match &socket.config_type {
        Some(transport_socket::ConfigType::TypedConfig(config)) => {
            let Some(type_url) = report.check(&path, proto::type_url(config)) else { return };
            if proto::type_name(&type_url) != RawBuffer::full_name() {
                report
                    .refuse(&path, format!("the transport socket {type_url} is not supported yet"));
            }
        }
        None => report.refuse(&path, "must be set: a socket is known by the type of its config"),
    }
}
