//! Clients that speak HTTP/2.

use destrier_testkit::h2::{Frame, flag};

use super::case::{Case, On};

const ON: On = On("plain");
const LOCAL: On = On("local");

pub(super) fn cases() -> Vec<Case> {
    let mut cases = streams();
    cases.extend(wrong());
    cases
}

fn streams() -> Vec<Case> {
    let grpc = "content-type: application/grpc\nte: trailers\n";
    vec![
        ON.stream("h2-plain", "GET /good/", "", ""),
        ON.stream("h2-to-http2", "GET /good-2/", "", ""),
        ON.stream(
            "h2-seen",
            "GET /good/headers?a=b",
            "x-a: 1\nx-a: 2\ncookie: a=1\ncookie: b=2",
            "",
        ),
        ON.stream(
            "h2-seen-http2",
            "GET /good-2/headers?a=b",
            "x-a: 1\nx-a: 2\ncookie: a=1\ncookie: b=2",
            "",
        ),
        ON.stream(
            "h2-claims",
            "GET /good/headers",
            "x-forwarded-for: 10.0.0.1\nx-request-id: mine\nx-envoy-internal: true",
            "",
        ),
        ON.stream("h2-head", "HEAD /good/bytes/1000", "", ""),
        ON.stream("h2-post", "POST /good/echo", "content-length: 5", "hello"),
        ON.stream("h2-post-no-length", "POST /good/echo", "", "hello"),
        ON.stream("h2-post-to-http2", "POST /good-2/echo", "", "hello"),
        ON.stream("h2-204", "GET /good/status/204", "", ""),
        ON.stream("h2-304", "GET /good/status/304", "", ""),
        ON.stream("h2-big", "GET /good/bytes/100000", "", ""),
        ON.stream("h2-trailers", "POST /good/echo", "trailers\nx-t: 1\n", "hello"),
        ON.stream("h2-trailers-to-http2", "POST /good-2/echo", "trailers\nx-t: 1\n", "hello"),
        ON.stream("h2-answer-trailers", "GET /trailers/", "", ""),
        ON.stream("h2-until-close", "GET /until-close/", "", ""),
        ON.stream("h2-early-hints", "GET /early-hints/", "", ""),
        ON.stream("h2-chatty", "GET /chatty/", "", ""),
        ON.stream("h2-garbage", "GET /garbage/", "", ""),
        ON.stream("h2-closes", "GET /closes/", "", ""),
        ON.stream("h2-resets", "GET /resets/", "", ""),
        ON.stream("h2-resets-http2", "GET /resets-2/", "", ""),
        ON.stream("h2-options", "OPTIONS /good/headers", "", ""),
        ON.stream("h2-expect", "POST /good/early", "expect: 100-continue", ""),
        ON.stream("h2-grpc", "POST /good-2/", grpc, "hello"),
        ON.stream("h2-grpc-to-http1", "POST /good/", grpc, "hello"),
        ON.stream("h2-grpc-seen", "POST /good-2/headers", &format!("{grpc}grpc-timeout: 5S"), ""),
        LOCAL.stream("h2-no-route", "GET /nowhere", "", ""),
        LOCAL.stream("h2-no-cluster", "GET /absent/", "", ""),
        LOCAL.stream("h2-no-host", "GET /empty/", "", ""),
        LOCAL.stream("h2-refused", "GET /refuses/", "", ""),
        LOCAL.stream("h2-overflow", "GET /full/", "", ""),
        LOCAL.stream("h2-direct", "GET /direct", "", ""),
        LOCAL.stream("h2-direct-post", "POST /direct", "", "abc"),
        LOCAL.stream("h2-timeout", "GET /timed/delay/5000", "", ""),
        LOCAL.stream("h2-grpc-no-route", "POST /nowhere", grpc, ""),
        LOCAL.stream("h2-grpc-no-host", "POST /empty/", grpc, ""),
        LOCAL.stream("h2-grpc-refused", "POST /refuses-2/", grpc, ""),
        LOCAL.stream("h2-grpc-overflow", "POST /full-2/", grpc, ""),
        LOCAL.stream("h2-grpc-timeout", "POST /timed/delay/5000", grpc, ""),
        LOCAL.stream("h2-grpc-direct", "POST /direct", grpc, ""),
        On("worded").stream("h2-worded", "GET /direct", "", ""),
        On("edge").stream("h2-edge", "GET /headers", "x-forwarded-for: 8.8.8.8", ""),
        On("normal").stream("h2-normal", "GET /x/../headers//a", "", ""),
        On("unescaped-redirect").stream("h2-unescaped-away", "GET /headers%2fa", "", ""),
        On("rejects-underscores").stream("h2-underscores-rejected", "GET /headers", "x_a: 1", ""),
        On("drops-underscores").stream("h2-underscores-dropped", "GET /headers", "x_a: 1", ""),
        On("few-headers").stream(
            "h2-headers-too-many",
            "GET /",
            "x-1: 1\nx-2: 1\nx-3: 1\nx-4: 1\nx-5: 1\nx-6: 1",
            "",
        ),
        On("routes").stream("h2-redirect", "GET /to-https?x", "", ""),
        On("routes").stream("h2-cookie-made", "GET /cookie", "", ""),
        On("mutations").stream("h2-levels", "GET /levels", "x-order: client", ""),
        On("short-life").stream("h2-stream-duration", "GET /delay/5000", "", ""),
        On("short-stream").stream("h2-stream-idle", "GET /delay/5000", "", ""),
    ]
}

/// A header block in place of that of a GET that is right.
fn block(name: &'static str, headers: &[(&str, &str)]) -> Case {
    ON.frames(name, vec![Frame::headers(1, headers).with(flag::END_STREAM)])
}

fn wrong() -> Vec<Case> {
    const GET: [(&str, &str); 4] =
        [(":method", "GET"), (":scheme", "http"), (":authority", "demo"), (":path", "/good/")];
    let with = |name, more: &[(&str, &str)]| block(name, &[&GET, more].concat());
    let post = [&[(":method", "POST")], &GET[1..]].concat();
    let body = |name, length: &str, data: &'static str| {
        let head = [&post[..], &[("content-length", length)]].concat();
        let data = Frame::data(1, data).with(flag::END_STREAM);
        ON.frames(name, vec![Frame::headers(1, &head), data])
    };
    vec![
        block("frames-right", &GET),
        block("frames-no-method", &GET[1..]),
        block("frames-no-path", &GET[..3]),
        block("frames-no-scheme", &[GET[0], GET[2], GET[3]]),
        block("frames-no-authority", &[GET[0], GET[1], GET[3]]),
        block("frames-host-for-authority", &[GET[0], GET[1], GET[3], ("host", "demo")]),
        block("frames-empty-path", &[GET[0], GET[1], GET[2], (":path", "")]),
        block("frames-path-without-slash", &[GET[0], GET[1], GET[2], (":path", "good/")]),
        block("frames-path-with-space", &[GET[0], GET[1], GET[2], (":path", "/good/ x")]),
        block("frames-fragment", &[GET[0], GET[1], GET[2], (":path", "/good/#x")]),
        block("frames-pseudo-behind", &[GET[0], GET[1], GET[3], ("x-a", "1"), GET[2]]),
        with("frames-pseudo-twice", &[(":path", "/x")]),
        with("frames-pseudo-unknown", &[(":x", "1")]),
        with("frames-pseudo-of-answers", &[(":status", "200")]),
        with("frames-capitals", &[("X-A", "1")]),
        with("frames-connection", &[("connection", "close")]),
        with("frames-transfer-encoding", &[("transfer-encoding", "chunked")]),
        with("frames-keep-alive", &[("keep-alive", "1")]),
        with("frames-upgrade", &[("upgrade", "x")]),
        with("frames-te", &[("te", "gzip")]),
        with("frames-line-feed", &[("x-a", "1\n2")]),
        with("frames-nul", &[("x-a", "1\x002")]),
        with("frames-space-in-name", &[("x a", "1")]),
        with("frames-empty-name", &[("", "1")]),
        with("frames-other-host", &[("host", "other")]),
        with("frames-bad-length", &[("content-length", "x")]),
        with("frames-length-without-body", &[("content-length", "5")]),
        body("frames-length-too-long", "5", "abc"),
        body("frames-length-too-short", "2", "abc"),
        body("frames-length-right", "3", "abc"),
        with("frames-too-large", &[("x-large", &"x".repeat(16_000))]),
        block("frames-connect", &[(":method", "CONNECT"), (":authority", "demo:80")]),
    ]
}
