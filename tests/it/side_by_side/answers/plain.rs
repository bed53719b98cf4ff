//! Requests that reach a backend in the usual way, and what backends make of them.

use serde_json::Value;

use super::case::{Case, On};
use super::world::{Peers, set};
use destrier::demo::config::http_manager;

const ON: On = On("plain");

/// The manager that leads to every cluster.
pub(super) fn listeners(peers: &Peers) -> Vec<(&'static str, Value)> {
    let upgrades = serde_json::json!({ "upgrade_configs": [{ "upgrade_type": "websocket" }] });
    let plain = http_manager("ingress", &peers.routes());
    vec![("upgrading", set(plain.clone(), &upgrades)), ("plain", plain)]
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = forwarded();
    cases.extend(backends());
    cases.extend(expecting());
    cases
}

fn forwarded() -> Vec<Case> {
    let mut cases = ON.rows(&[
        ("plain", "GET /good/", ""),
        ("plain-http2", "GET /good-2/", ""),
        ("what-the-backend-sees", "GET /good/headers?query=1&b", ""),
        ("what-an-http2-backend-sees", "GET /good-2/headers?query=1&b", ""),
        (
            "hop-by-hop",
            "GET /good/headers",
            "connection: keep-alive, x-own\nx-own: 1\nkeep-alive: timeout=5\nte: trailers\nproxy-connection: keep-alive\nx-forwarded-for: 10.0.0.1\nx-envoy-internal: true\nx-request-id: mine\nx-forwarded-proto: https",
        ),
        (
            "hop-by-hop-http2",
            "GET /good-2/headers",
            "connection: keep-alive, x-own\nx-own: 1\nkeep-alive: timeout=5\nte: trailers\nproxy-connection: keep-alive",
        ),
        ("te-gzip", "GET /good-2/headers", "te: gzip, trailers"),
        ("connection-names-host", "GET /good/headers", "connection: close, host, x-a\nx-a: 1"),
        ("client-closes", "GET /good/", "connection: close"),
        ("client-keeps-alive", "GET /good/", "connection: keep-alive"),
        ("repeated-header", "GET /good/headers", "x-a: 1\nx-b: 2\nX-A: 3"),
        ("repeated-header-http2", "GET /good-2/headers", "x-a: 1\nx-b: 2\nX-A: 3"),
        ("cookies", "GET /good/headers", "cookie: a=1\ncookie: b=2"),
        ("cookies-http2", "GET /good-2/headers", "cookie: a=1\ncookie: b=2"),
        ("empty-header", "GET /good/headers", "x-empty:\nx-space: \t a b \t"),
        ("tokens-in-names", "GET /good/headers", "x!#$%&'*+-.^_`|~9: 1"),
        ("underscores", "GET /good/headers", "x_a: 1"),
        ("bytes-above-127", "GET /good/headers", "x-high: \u{e9}\u{20ac}"),
        ("user-agent", "GET /good/headers", "user-agent: mine\naccept: */*"),
        ("internal-claims", "GET /good/headers", "x-envoy-internal: true\nx-envoy-external-address: 1.2.3.4\nx-envoy-downstream-service-cluster: me"),
        ("attempts-claimed", "GET /good/headers", "x-envoy-attempt-count: 7\nx-envoy-original-path: /x\nx-envoy-expected-rq-timeout-ms: 5"),
        ("retry-headers", "GET /good/headers", "x-envoy-max-retries: 3\nx-envoy-upstream-rq-per-try-timeout-ms: 90\nx-envoy-hedge-on-per-try-timeout: true"),
        ("certificate-claimed", "GET /good/headers", "x-forwarded-client-cert: By=x"),
        ("forwarded-host", "GET /good/headers", "x-forwarded-host: other\nx-forwarded-port: 99"),
        ("scheme-claimed", "GET /good/headers", "x-forwarded-proto: nonsense"),
        ("post", "POST /good/echo", "content-length: 5\n\nhello"),
        ("post-http2", "POST /good-2/echo", "content-length: 5\n\nhello"),
        ("post-without-body", "POST /good/headers", ""),
        ("post-zero-length", "POST /good/headers", "content-length: 0"),
        ("post-zero-length-http2", "POST /good-2/headers", "content-length: 0"),
        ("put", "PUT /good/echo", "content-length: 2\n\nab"),
        ("delete-with-body", "DELETE /good/echo", "content-length: 2\n\nab"),
        ("get-with-body", "GET /good/echo", "content-length: 2\n\nab"),
        ("patch", "PATCH /good/headers", "content-length: 2\n\nab"),
        ("own-method", "BREW /good/headers", ""),
        ("lower-case-method", "get /good/headers", ""),
        ("head", "HEAD /good/bytes/1000", ""),
        ("head-no-route", "HEAD /nowhere", ""),
        ("head-empty", "HEAD /empty/", ""),
        ("204", "GET /good/status/204", ""),
        ("304", "GET /good/status/304", ""),
        ("404", "GET /good/status/404", ""),
        ("429", "GET /good/status/429", ""),
        ("500", "GET /good/status/500", ""),
        ("299", "GET /good/status/299", ""),
        ("599", "GET /good/status/599", ""),
        ("big-answer", "GET /good/bytes/100000", ""),
        ("absolute", "GET http://demo/good/headers?x", ""),
        ("absolute-other-host", "GET http://other:99/good/headers", ""),
        ("absolute-https", "GET https://demo/good/headers", ""),
        ("options", "OPTIONS /good/headers", ""),
        ("options-everything", "OPTIONS *", ""),
        ("trace", "TRACE /good/headers", ""),
        ("host-with-port", "GET /good/headers", "host: demo:8080"),
        ("host-upper-case", "GET /good/headers", "host: DeMo"),
        ("host-ipv6", "GET /good/headers", "host: [::1]:80"),
        ("dots-in-path", "GET /good/../good/./headers", ""),
        ("slashes-in-path", "GET /good//headers//x", ""),
        ("escaped-path", "GET /good/headers/%2e%2F%41", ""),
        ("bad-escape-in-path", "GET /good/headers/%zz", ""),
        ("strange-characters", "GET /good/headers/a|b{c}\"d<e>^`", ""),
        ("long-query", "GET /good/headers?a=%20&b=c=d&&e", ""),
        ("grpc", "POST /good/", "content-type: application/grpc\ncontent-length: 5\n\nhello"),
        ("grpc-http2", "POST /good-2/", "content-type: application/grpc\nte: trailers\ncontent-length: 5\n\nhello"),
        ("grpc-timeout", "POST /good/headers", "content-type: text/plain\ngrpc-timeout: 5S\ncontent-length: 0"),
        ("timeout-header", "GET /good/headers", "x-envoy-upstream-rq-timeout-ms: 5000"),
    ]);
    cases.push(ON.raw(
        "post-chunked",
        "POST /good/echo HTTP/1.1\r\nhost: demo\r\ntransfer-encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
    ));
    cases.push(ON.raw(
        "post-trailers",
        "POST /good-2/echo HTTP/1.1\r\nhost: demo\r\ntransfer-encoding: chunked\r\ntrailer: x-t\r\n\r\n3\r\nabc\r\n0\r\nx-t: 1\r\n\r\n",
    ));
    cases.push(ON.raw("leading-line-feeds", "\r\n\r\nGET /good/ HTTP/1.1\r\nhost: demo\r\n\r\n"));
    cases.push(ON.raw(
        "names-in-capitals",
        "GET /good/headers HTTP/1.1\r\nHOST: demo\r\nX-CAPITALS: Kept\r\n\r\n",
    ));
    cases
}

/// What comes of bad and odd backends.
fn backends() -> Vec<Case> {
    ON.rows(&[
        ("until-close", "GET /until-close/", ""),
        ("old-backend", "GET /old/", ""),
        ("early-hints", "GET /early-hints/", ""),
        ("closes", "GET /closes/", ""),
        ("garbage", "GET /garbage/", ""),
        ("http2-to-http1", "GET /speaks-1/", ""),
        ("bad-header", "GET /bad-header/", ""),
        ("two-lengths", "GET /two-lengths/", ""),
        ("length-and-chunked", "GET /length-and-chunked/", ""),
        ("cut-short", "GET /cut-short/", ""),
        ("unasked-upgrade", "GET /upgrade/", ""),
        ("chatty-backend", "GET /chatty/", ""),
        ("trailers-of-http1", "GET /trailers/", ""),
        ("status-without-reason", "GET /no-reason/", ""),
        ("bad-status", "GET /bad-status/", ""),
        ("bad-chunks", "GET /bad-chunks/", ""),
        ("only-head", "GET /only-head/", ""),
        ("head-to-only-head", "HEAD /only-head/", ""),
        ("half-a-head", "GET /half-a-head/", ""),
        ("bare-lf-answer", "GET /bare-lf-head/", ""),
        ("backend-says-close", "GET /says-close/", ""),
        ("304-with-length", "GET /not-modified/", ""),
        ("204-with-length", "GET /no-content/", ""),
        ("resets", "GET /resets/", ""),
        ("resets-http2", "GET /resets-2/", ""),
        ("post-closes", "POST /closes/", "content-length: 2\n\nab"),
        ("post-resets", "POST /resets/", "content-length: 2\n\nab"),
        ("grpc-resets", "POST /resets-2/", "content-type: application/grpc\ncontent-length: 0"),
        ("grpc-closes", "POST /closes/", "content-type: application/grpc\ncontent-length: 0"),
        ("grpc-garbage", "POST /garbage/", "content-type: application/grpc\ncontent-length: 0"),
        (
            "grpc-status-404",
            "POST /no-content/",
            "content-type: application/grpc\ncontent-length: 0",
        ),
    ])
}

/// Expectations and upgrades.
fn expecting() -> Vec<Case> {
    let mut cases = ON.rows(&[
        ("expect-continue", "POST /good/early", "expect: 100-continue\ncontent-length: 0"),
        ("expect-nonsense", "GET /good/headers", "expect: nonsense"),
        ("upgrade-not-allowed", "GET /good/", "connection: upgrade\nupgrade: websocket"),
        (
            "upgrade-h2c",
            "GET /good/headers",
            "connection: upgrade, http2-settings\nupgrade: h2c\nhttp2-settings: AAMAAABkAAQAAP__",
        ),
    ]);
    cases.extend(On("upgrading").rows(&[
        ("upgrade", "GET /good/", "connection: Upgrade\nupgrade: websocket"),
        (
            "upgrade-in-capitals",
            "GET /good/",
            "connection: keep-alive, UPGRADE\nupgrade: WebSocket",
        ),
        ("upgrade-of-another-kind", "GET /good/", "connection: upgrade\nupgrade: other"),
        ("upgrade-to-nobody", "GET /empty/", "connection: upgrade\nupgrade: websocket"),
        ("upgrade-not-spoken", "GET /old/", "connection: upgrade\nupgrade: websocket"),
        ("upgrade-without-connection", "GET /good/headers", "upgrade-insecure-requests: 1"),
    ]));
    cases
}
