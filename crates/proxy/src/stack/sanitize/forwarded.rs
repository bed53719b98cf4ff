//! What a client may say of itself and its request, and what is said of it instead: `x-forwarded-*` and
//! `x-envoy-*` of a request.

use std::net::IpAddr;

use bytes::{BufMut, BytesMut};
use destrier_policy::{Address, ForwardClientCert, Scheme};
use http::header::USER_AGENT;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::client::{Standing, identify};
use super::request_id::request_id;
use super::via;
use crate::exchange::Exchange;

pub(super) const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
pub(super) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const X_FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_ENVOY_EXTERNAL_ADDRESS: HeaderName = HeaderName::from_static("x-envoy-external-address");
const X_ENVOY_FORCE_TRACE: HeaderName = HeaderName::from_static("x-envoy-force-trace");
const X_ENVOY_INTERNAL: HeaderName = HeaderName::from_static("x-envoy-internal");
const SERVICE_CLUSTER: HeaderName = HeaderName::from_static("x-envoy-downstream-service-cluster");
const SERVICE_NODE: HeaderName = HeaderName::from_static("x-envoy-downstream-service-node");
/// Says whose certificate a client had.
const X_FORWARDED_CLIENT_CERT: HeaderName = HeaderName::from_static("x-forwarded-client-cert");

/// What only an internal client may say.
const INTERNAL_ONLY: [&str; 15] = [
    "x-envoy-expected-rq-timeout-ms",
    "x-envoy-retriable-status-codes",
    "x-envoy-retriable-header-names",
    "x-envoy-retry-on",
    "x-envoy-retry-grpc-on",
    "x-envoy-max-retries",
    "x-envoy-upstream-alt-stat-name",
    "x-envoy-upstream-rq-timeout-ms",
    "x-envoy-upstream-rq-per-try-timeout-ms",
    "x-envoy-upstream-rq-timeout-alt-response",
    "x-envoy-upstream-stream-duration-ms",
    "x-envoy-hedge-on-per-try-timeout",
    "x-envoy-force-trace",
    "x-envoy-ip-tags",
    "x-envoy-original-url",
];

/// What a stranger may not say either.
const NOT_FROM_STRANGERS: [&str; 4] = [
    "x-envoy-decorator-operation",
    "x-envoy-downstream-service-cluster",
    "x-envoy-downstream-service-node",
    "x-envoy-original-path",
];

/// Rewrites the headers of a request, and notes in the exchange whom it is from.
pub(super) fn rewrite(exchange: &mut Exchange, headers: &mut HeaderMap) {
    let scope = &*exchange.scope;
    let policy = &*scope.policy;
    join_addresses(headers);
    let client = identify(policy, &exchange.ends.peer, headers);
    exchange.client = client.named;
    // Rare, so one look at the names beats twenty look-ups.
    if headers.keys().any(|name| is_for_few(name.as_str())) {
        take_what_is_not_believed(headers, client.standing, policy.forward_client_cert);
    }
    if policy.use_remote_address
        && !policy.skip_xff_append
        && let Some(peer) = exchange.ends.peer.ip().map(|peer| peer.ip())
    {
        append_address(headers, if peer.is_loopback() { scope.node_address } else { peer });
    }
    if client.standing != Standing::Internal {
        let internal = policy.routes.internal_only_headers.iter();
        internal.for_each(|name| drop(headers.remove(name)));
    }
    // The hop before this one says what the client spoke, if it is believed.
    let overwrites = policy.use_remote_address && policy.xff_num_trusted_hops == 0;
    let scheme = policy.scheme.unwrap_or(Scheme::Http);
    if overwrites || policy.scheme.is_some() || !headers.contains_key(X_FORWARDED_PROTO) {
        headers.insert(X_FORWARDED_PROTO, name(scheme));
    }
    if policy.append_x_forwarded_port
        && (overwrites || !headers.contains_key(X_FORWARDED_PORT))
        && let Address::Ip(local) = &exchange.ends.local
    {
        headers.insert(X_FORWARDED_PORT, local.port().into());
    }
    match client.standing {
        Standing::Internal => {
            headers.insert(X_ENVOY_INTERNAL, HeaderValue::from_static("true"));
        }
        Standing::Stranger => {
            let peer = exchange.ends.peer.ip().map(|peer| peer.ip());
            if let Some(external) = client.named.or(peer) {
                headers.insert(X_ENVOY_EXTERNAL_ADDRESS, address(external));
            }
        }
        Standing::External => {}
    }
    if let Some(agent) = &scope.agent {
        headers.insert(SERVICE_CLUSTER, agent.cluster.clone());
        if headers.get(USER_AGENT).is_none_or(HeaderValue::is_empty) {
            headers.insert(USER_AGENT, agent.cluster.clone());
        }
        if let Some(node) = &agent.node {
            headers.insert(SERVICE_NODE, node.clone());
        }
    }
    if let Some(via) = &scope.via {
        via::append(headers, via);
    }
    let replaced = client.standing == Standing::Stranger && !policy.preserve_external_request_id;
    if policy.generate_request_id
        && (replaced || headers.get(X_REQUEST_ID).is_none_or(HeaderValue::is_empty))
    {
        headers.insert(X_REQUEST_ID, request_id(rand::random()));
    }
    let told = policy.always_set_request_id_in_response
        || client.standing == Standing::Internal && headers.contains_key(X_ENVOY_FORCE_TRACE);
    if told {
        exchange.request_id = headers.get(X_REQUEST_ID).cloned();
    }
}

/// Whether it may be one that not every client may say.
fn is_for_few(name: &str) -> bool {
    name.starts_with("x-envoy-") || name == X_FORWARDED_CLIENT_CERT.as_str()
}

fn take_what_is_not_believed(
    headers: &mut HeaderMap,
    standing: Standing,
    certificates: ForwardClientCert,
) {
    headers.remove(X_ENVOY_INTERNAL);
    if certificates == ForwardClientCert::Sanitize {
        headers.remove(X_FORWARDED_CLIENT_CERT);
    }
    if standing != Standing::Internal {
        INTERNAL_ONLY.iter().for_each(|name| drop(headers.remove(*name)));
    }
    if standing == Standing::Stranger {
        NOT_FROM_STRANGERS.iter().for_each(|name| drop(headers.remove(*name)));
    }
}

fn name(scheme: Scheme) -> HeaderValue {
    HeaderValue::from_static(match scheme {
        Scheme::Http => "http",
        Scheme::Https => "https",
    })
}

fn address(address: IpAddr) -> HeaderValue {
    HeaderValue::from_str(&address.to_string()).expect("an address is visible ASCII")
}

/// Several `x-forwarded-for` are one list, which Envoy keeps in one header.
fn join_addresses(headers: &mut HeaderMap) {
    let mut lists = headers.get_all(X_FORWARDED_FOR).iter();
    let (Some(first), Some(second)) = (lists.next(), lists.next()) else { return };
    let mut joined = BytesMut::from(first.as_bytes());
    for list in std::iter::once(second).chain(lists) {
        joined.put_u8(b',');
        joined.put_slice(list.as_bytes());
    }
    set_addresses(headers, joined);
}

/// Appends to `x-forwarded-for`, with a comma and no space, as Envoy does.
fn append_address(headers: &mut HeaderMap, peer: IpAddr) {
    let Some(known) = headers.get(X_FORWARDED_FOR).filter(|known| !known.is_empty()) else {
        headers.insert(X_FORWARDED_FOR, address(peer));
        return;
    };
    let mut list = BytesMut::from(known.as_bytes());
    list.put_u8(b',');
    list.put_slice(peer.to_string().as_bytes());
    set_addresses(headers, list);
}

fn set_addresses(headers: &mut HeaderMap, list: BytesMut) {
    let value = HeaderValue::from_maybe_shared(list.freeze());
    headers.insert(X_FORWARDED_FOR, value.expect("parts of header values make a header value"));
}
