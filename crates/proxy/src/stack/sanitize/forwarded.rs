//! Who the client was and what it may say of itself: `x-forwarded-*` and `x-envoy-*` of a request.
//!
//! Two kinds of listeners: with `use_remote_address` clients are strangers and what they say of themselves
//! is replaced; without, the client is a proxy or an application of ours and is believed.

use std::net::IpAddr;

use bytes::{BufMut, BytesMut};
use destrier_policy::Address;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::request_id::request_id;
use crate::exchange::Exchange;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const X_ENVOY_EXTERNAL_ADDRESS: HeaderName = HeaderName::from_static("x-envoy-external-address");
/// Says whose certificate a client had; nobody may claim one (`forward_client_cert_details: SANITIZE`).
const X_FORWARDED_CLIENT_CERT: HeaderName = HeaderName::from_static("x-forwarded-client-cert");

/// What only an internal client may say; no address is internal without `internal_address_config`
/// (Envoy: `ConnectionManagerUtility::mutateRequestHeaders`).
const INTERNAL_ONLY: [&str; 16] = [
    "x-envoy-internal",
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

/// Rewrites the headers of a request.
pub(super) fn rewrite(exchange: &Exchange, headers: &mut HeaderMap) {
    let scope = &exchange.scope;
    let strangers = scope.policy.use_remote_address;
    // Rare, so one look at the names beats twenty look-ups.
    if headers.keys().any(|name| is_for_few(name.as_str())) {
        headers.remove(X_FORWARDED_CLIENT_CERT);
        INTERNAL_ONLY.iter().for_each(|name| drop(headers.remove(*name)));
        if strangers {
            NOT_FROM_STRANGERS.iter().for_each(|name| drop(headers.remove(*name)));
        }
    }
    if strangers && let Some(peer) = exchange.ends.peer.ip().map(|peer| peer.ip()) {
        append_address(headers, if peer.is_loopback() { scope.node_address } else { peer });
    }
    if strangers || headers.get(X_FORWARDED_PROTO).is_none_or(|scheme| !is_scheme(scheme)) {
        headers.insert(X_FORWARDED_PROTO, HeaderValue::from_static("http"));
    }
    if strangers && let Address::Ip(peer) = exchange.ends.peer {
        headers.insert(X_ENVOY_EXTERNAL_ADDRESS, address(peer.ip()));
    }
    if scope.policy.generate_request_id
        && (strangers || headers.get(X_REQUEST_ID).is_none_or(HeaderValue::is_empty))
    {
        headers.insert(X_REQUEST_ID, request_id(rand::random()));
    }
}

/// Whether it may be one that not every client may say.
fn is_for_few(name: &str) -> bool {
    name.starts_with("x-envoy-") || name == X_FORWARDED_CLIENT_CERT.as_str()
}

fn is_scheme(value: &HeaderValue) -> bool {
    [b"http", b"https".as_slice()]
        .iter()
        .any(|scheme| value.as_bytes().eq_ignore_ascii_case(scheme))
}

fn address(address: IpAddr) -> HeaderValue {
    HeaderValue::from_str(&address.to_string()).expect("an address is visible ASCII")
}

/// Appends to the last `x-forwarded-for`, with a comma and no space, as Envoy does.
fn append_address(headers: &mut HeaderMap, peer: IpAddr) {
    let Some(known) = headers.get(X_FORWARDED_FOR).filter(|known| !known.is_empty()) else {
        headers.insert(X_FORWARDED_FOR, address(peer));
        return;
    };
    let mut text = BytesMut::from(known.as_bytes());
    // Several headers of this name are one list.
    for more in headers.get_all(X_FORWARDED_FOR).iter().skip(1) {
        text.put_u8(b',');
        text.put_slice(more.as_bytes());
    }
    text.put_u8(b',');
    text.put_slice(peer.to_string().as_bytes());
    let value = HeaderValue::from_maybe_shared(text.freeze());
    headers.insert(X_FORWARDED_FOR, value.expect("parts of header values make a header value"));
}
