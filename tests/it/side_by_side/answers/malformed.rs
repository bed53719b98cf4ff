//! Requests of HTTP/1 that are wrong, or that few send, and the limits of a manager.

use serde_json::{Value, json};

use super::case::{Case, On};
use super::world::echoing;

const ON: On = On("plain");

pub(super) fn listeners() -> Vec<(&'static str, Value)> {
    let common = |options: Value| echoing(&json!({ "common_http_protocol_options": options }));
    let http1 = |options: Value| echoing(&json!({ "http_protocol_options": options }));
    vec![
        ("few-headers", common(json!({ "max_headers_count": 5 }))),
        (
            "rejects-underscores",
            common(json!({ "headers_with_underscores_action": "REJECT_REQUEST" })),
        ),
        ("drops-underscores", common(json!({ "headers_with_underscores_action": "DROP_HEADER" }))),
        ("one-request", common(json!({ "max_requests_per_connection": 1 }))),
        ("small-heads", echoing(&json!({ "max_request_headers_kb": 1 }))),
        (
            "old-clients",
            http1(json!({ "accept_http_10": true, "default_host_for_http_10": "old.example" })),
        ),
        ("old-clients-with-host", http1(json!({ "accept_http_10": true }))),
        ("relative", http1(json!({ "allow_absolute_url": false }))),
        ("trailers", http1(json!({ "enable_trailers": true }))),
        ("proper-case", http1(json!({ "header_key_format": { "proper_case_words": {} } }))),
        ("only-http1", echoing(&json!({ "codec_type": "HTTP1" }))),
    ]
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = wrong();
    cases.extend(framing());
    cases.extend(limits());
    cases
}

fn wrong() -> Vec<Case> {
    let large = "x".repeat(70 * 1024);
    let mut cases = ON.rows(&[
        ("large-head", "GET /good/", &format!("x-large: {large}")),
        ("large-target", &format!("GET /good/{large}"), ""),
        ("many-headers", "GET /good/", &"x-many: 1\n".repeat(101)),
        ("a-hundred-headers", "GET /good/", &"x-many: 1\n".repeat(99)),
        ("empty-host", "GET /good/", "host:"),
        ("bad-host", "GET /good/", "host: a b"),
        ("host-with-path", "GET /good/", "host: a/b"),
        ("host-with-user", "GET /good/headers", "host: me@demo"),
        ("two-hosts", "GET /good/", "host: a\nhost: b"),
        ("space-before-colon", "GET /good/", "x-bad : 1"),
        ("space-in-name", "GET /good/", "x bad: 1"),
        ("no-colon", "GET /good/", "x-bad"),
        ("no-name", "GET /good/", ": 1"),
        ("folded", "GET /good/", "x-folded: 1\n 2"),
        ("bare-cr", "GET /good/", "x-bad: 1\r2"),
        ("nul", "GET /good/", "x-bad: 1\x002"),
        ("control-in-value", "GET /good/", "x-bad: 1\x012"),
        ("delete-in-value", "GET /good/", "x-bad: 1\x7f2"),
        ("name-above-127", "GET /good/", "x-\u{e9}: 1"),
        ("connect", "CONNECT demo:80", "host: demo:80"),
        ("fragment", "GET /good/headers#part", ""),
        ("fragment-behind-query", "GET /good/headers?a#part", ""),
        ("target-above-127", "GET /good/headers/\u{e9}", ""),
        ("target-with-tab", "GET /good/\theaders", ""),
        ("target-star", "GET *", ""),
        ("target-empty-authority", "GET http:///good/", ""),
        ("target-other-scheme", "GET ftp://demo/good/headers", ""),
        ("target-without-path", "GET http://demo", ""),
        ("query-without-path", "GET ?x", ""),
        ("no-slash", "GET good", ""),
        ("bad-method", "G@T /good/", ""),
    ]);
    let raw = [
        ("host-missing", "GET /good/ HTTP/1.1\r\n\r\n"),
        ("http-1.0", "GET /good/ HTTP/1.0\r\nhost: demo\r\n\r\n"),
        ("http-0.9", "GET /good/\r\n\r\n"),
        ("http-1.2", "GET /good/ HTTP/1.2\r\nhost: demo\r\n\r\n"),
        ("http-2-in-text", "GET /good/ HTTP/2.0\r\nhost: demo\r\n\r\n"),
        ("http-lower-case", "GET /good/ http/1.1\r\nhost: demo\r\n\r\n"),
        ("no-version", "GET /good/\r\nhost: demo\r\n\r\n"),
        ("two-spaces", "GET  /good/ HTTP/1.1\r\nhost: demo\r\n\r\n"),
        ("space-behind-version", "GET /good/ HTTP/1.1 \r\nhost: demo\r\n\r\n"),
        ("space-in-target", "GET /good/ x HTTP/1.1\r\nhost: demo\r\n\r\n"),
        ("space-in-front", " GET /good/ HTTP/1.1\r\nhost: demo\r\n\r\n"),
        ("garbage-request", "no request at all\r\n\r\n"),
        ("bare-line-feeds", "GET /good/ HTTP/1.1\nhost: demo\n\n"),
        ("first-line-folded", "GET /good/ HTTP/1.1\r\n host: demo\r\n\r\n"),
        ("tls-hello", "\x16\x03\x01\x02\x00\x01\x00\x01\u{7c}\x03\x03"),
    ];
    cases.extend(raw.map(|(name, text)| ON.raw(name, text)));
    cases
}

fn framing() -> Vec<Case> {
    let mut cases = ON.rows(&[
        ("bad-length", "POST /good/", "content-length: x"),
        ("negative-length", "POST /good/", "content-length: -1"),
        ("plus-length", "POST /good/", "content-length: +1"),
        ("huge-length", "POST /good/", "content-length: 99999999999999999999"),
        ("two-lengths-asked", "POST /good/", "content-length: 1\ncontent-length: 2\n\nab"),
        ("same-length-twice", "POST /good/echo", "content-length: 2\ncontent-length: 2\n\nab"),
        ("lengths-in-a-list", "POST /good/echo", "content-length: 2, 2\n\nab"),
        (
            "length-and-chunked-asked",
            "POST /good/",
            "content-length: 5\ntransfer-encoding: chunked\n\n0\r\n\r\n",
        ),
        ("unknown-coding", "POST /good/", "transfer-encoding: gzip"),
        ("coding-before-chunked", "POST /good/", "transfer-encoding: gzip, chunked\n\n0\r\n\r\n"),
        ("chunked-twice", "POST /good/", "transfer-encoding: chunked, chunked\n\n0\r\n\r\n"),
        ("chunked-in-capitals", "POST /good/", "transfer-encoding: Chunked\n\n0\r\n\r\n"),
        ("identity-coding", "POST /good/", "transfer-encoding: identity"),
        ("get-chunked", "GET /good/echo", "transfer-encoding: chunked\n\n1\r\na\r\n0\r\n\r\n"),
        ("bad-chunk", "POST /good/early", "transfer-encoding: chunked\n\nxyz\r\n"),
        ("bad-chunk-no-route", "POST /nowhere", "transfer-encoding: chunked\n\nxyz\r\n"),
        ("huge-chunk", "POST /good/", "transfer-encoding: chunked\n\nfffffffffffffffff\r\n"),
        ("chunk-without-end", "POST /good/", "transfer-encoding: chunked\n\n1\r\nabc\r\n0\r\n\r\n"),
        (
            "trailers-dropped",
            "POST /good-2/echo",
            "transfer-encoding: chunked\n\n1\r\na\r\n0\r\nx-t: 1\r\n\r\n",
        ),
    ]);
    cases.push(On("trailers").with(
        "trailers-kept",
        "POST /headers",
        "transfer-encoding: chunked\n\n1\r\na\r\n0\r\nx-t: 1\r\n\r\n",
    ));
    cases
}

fn limits() -> Vec<Case> {
    let old = |on: &'static str, name, text: &str| On(on).raw(name, text);
    let mut cases = On("few-headers").rows(&[
        ("headers-few", "GET /headers", "x-1: 1\nx-2: 1"),
        ("headers-too-many", "GET /", "x-1: 1\nx-2: 1\nx-3: 1\nx-4: 1\nx-5: 1"),
    ]);
    cases.extend([
        On("rejects-underscores").with("underscores-rejected", "GET /headers", "x_a: 1"),
        On("rejects-underscores").with("no-underscores-rejected", "GET /headers", "x-a: _"),
        On("drops-underscores").with("underscores-dropped", "GET /headers", "x_a: 1\nx-a: 1"),
        On("one-request").get("one-request", "/"),
        On("small-heads").with("head-small", "GET /headers", "x-a: 1"),
        On("small-heads").with("head-too-large", "GET /", &format!("x-a: {}", "a".repeat(1100))),
        old("old-clients", "old-client", "GET /headers HTTP/1.0\r\n\r\n"),
        old("old-clients", "old-client-with-host", "GET /headers HTTP/1.0\r\nhost: demo\r\n\r\n"),
        old("old-clients", "old-client-stays", "GET / HTTP/1.0\r\nconnection: keep-alive\r\n\r\n"),
        old(
            "old-clients",
            "old-client-posts",
            "POST /echo HTTP/1.0\r\ncontent-length: 2\r\n\r\nab",
        ),
        old("old-clients", "old-client-not-so", "GET / HTTP/1.1\r\n\r\n"),
        old("old-clients", "oldest-client", "GET /\r\n\r\n"),
        old("old-clients-with-host", "old-client-needs-host", "GET / HTTP/1.0\r\n\r\n"),
        old("old-clients-with-host", "old-client-has-host", "GET / HTTP/1.0\r\nhost: x\r\n\r\n"),
        On("relative").with("absolute-not-taken", "GET http://demo/headers", ""),
        On("proper-case").with("proper-case", "GET /headers", "x-a: 1"),
        On("only-http1").get("only-http1", "/"),
    ]);
    cases
}
