//! The copies: what is another in them, and what becomes of them.

use std::future::poll_fn;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use destrier_policy::{Address, ClusterName, MirrorHost, MirrorPolicy, RoutingPriority};
use destrier_upstream::{Affinity, Body, Caller, Downstream, Target, UpstreamInfo};
use http::header::{HeaderMap, HeaderName, HeaderValue, UPGRADE};
use http::{Method, Request};
use http_body::Body as _;

use super::body::share;
use crate::exchange::{Exchange, Protocol};
use crate::stack::route::{authority, set_host};
use crate::stack::{Dispatch, Routed};

const INTERNAL: HeaderName = HeaderName::from_static("x-envoy-internal");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// How long a copy lasts at most where its route has no timeout. Nobody waits for it.
const LONGEST: Duration = Duration::from_secs(300);

/// Starts a copy for each policy whose share the request is in. Each has a task of its own on this worker.
pub(super) fn send<D: Dispatch + Clone + 'static>(
    dispatch: &D,
    exchange: &Exchange,
    routed: &mut Routed,
    mirrors: &[MirrorPolicy],
) {
    let Routed { request, lot, priority, .. } = routed;
    // What is no request and answer cannot be copied.
    if request.method() == Method::CONNECT || request.headers().contains_key(UPGRADE) {
        return;
    }
    let chosen = mirrors.iter().filter(|mirror| mirror.share.hits(lot.get()));
    let copies: Vec<_> = chosen.map(|mirror| (mirror, head(mirror, exchange, request))).collect();
    let bodies = share(request.body_mut(), copies.len());
    for ((mirror, head), body) in copies.into_iter().zip(bodies) {
        let (head, ()) = head.into_parts();
        let copy = Copy {
            request: Request::from_parts(head, body),
            cluster: mirror.cluster.clone(),
            priority: *priority,
            downstream: match exchange.protocol {
                Protocol::Http10 | Protocol::Http11 => Downstream::Http1,
                Protocol::Http2 => Downstream::Http2,
            },
            timeout: exchange.timers.response.unwrap_or(LONGEST),
        };
        tokio::spawn(copy.run(dispatch.clone()));
    }
}

/// The head of the copy: as Envoy's, that of an internal client.
fn head(mirror: &MirrorPolicy, exchange: &Exchange, request: &Request<Body>) -> Request<()> {
    let mut head = Request::new(());
    *head.method_mut() = request.method().clone();
    *head.uri_mut() = request.uri().clone();
    *head.version_mut() = request.version();
    *head.headers_mut() = request.headers().clone();
    let host = match &mirror.host {
        MirrorHost::Kept => None,
        MirrorHost::Literal(host) => Some(host.clone()),
        MirrorHost::Suffixed => authority(request).and_then(suffixed),
    };
    if let Some(host) = host {
        set_host(&host, &mut head);
    }
    head.headers_mut().insert(INTERNAL, HeaderValue::from_static("true"));
    append_address(head.headers_mut(), exchange);
    head
}

/// `name-shadow`, `name-shadow:port`.
fn suffixed(host: &str) -> Option<HeaderValue> {
    const SUFFIX: &str = "-shadow";
    let shadow = match host.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => format!("{name}{SUFFIX}:{port}"),
        _ => format!("{host}{SUFFIX}"),
    };
    HeaderValue::try_from(shadow).ok()
}

/// This node is one more on the way.
fn append_address(headers: &mut HeaderMap, exchange: &Exchange) {
    let own = match &exchange.ends.local {
        Address::Ip(local) if !local.ip().is_loopback() => local.ip(),
        _ => exchange.scope.node_address,
    };
    let own = own.to_string();
    let value = match headers.get(FORWARDED_FOR) {
        Some(known) if !known.is_empty() => {
            Bytes::from([known.as_bytes(), b",", own.as_bytes()].concat())
        }
        _ => Bytes::from(own),
    };
    let value = HeaderValue::from_maybe_shared(value);
    headers.insert(FORWARDED_FOR, value.expect("a list of addresses makes a header value"));
}

/// A copy on its way.
struct Copy {
    request: Request<Body>,
    cluster: ClusterName,
    priority: RoutingPriority,
    downstream: Downstream,
    timeout: Duration,
}

impl Copy {
    /// Sends it and reads the answer to its end. Whatever happens is for the statistics of its cluster.
    async fn run<D: Dispatch>(self, dispatch: D) {
        let Self { request, cluster, priority, downstream, timeout } = self;
        let affinity = Affinity::default();
        let target = Target { cluster: &cluster, priority, downstream, affinity };
        let mut upstream = UpstreamInfo::default();
        let sending = async {
            let Ok(answer) = dispatch.dispatch(target, request, &mut upstream).await else {
                return;
            };
            let mut body = answer.into_body();
            while let Some(Ok(_)) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {}
        };
        if tokio::time::timeout(timeout, sending).await.is_err()
            && let Some(cluster) = &upstream.cluster
        {
            cluster.record_response_timeout(upstream.host.as_ref(), Caller::Internal);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_is_suffixed_and_the_port_is_not() {
        for (host, shadow) in [
            ("h", "h-shadow"),
            ("h:80", "h-shadow:80"),
            ("[::1]:80", "[::1]-shadow:80"),
            ("[::1]", "[::1]-shadow"),
        ] {
            assert_eq!(suffixed(host).expect("a value"), shadow);
        }
    }
}
