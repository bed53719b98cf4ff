//! What is asked, and where the answers differ on purpose.

use destrier_testkit::AnswerTo;
use http::Method;

/// A difference on purpose.
pub(super) struct Departure {
    case: &'static str,
    /// How our answer begins.
    pub(super) ours: &'static str,
    /// Why it is not Envoy's.
    pub(super) reason: &'static str,
}

const DEPARTURES: &[Departure] = &[
    Departure {
        case: "post-chunked",
        ours: r#"200 ["content-length: 5", "#,
        reason: "a body that is there as a whole goes on with its length, in one write",
    },
    Departure {
        case: "head-no-route",
        ours: r#"404 ["server: envoy"]"#,
        reason: "an answer to HEAD does not speak of chunks that would not come for GET either",
    },
    Departure {
        case: "options",
        ours: r#"200 ["content-length: 187", "#,
        reason: "a length of 0 is sent only with methods that expect content (RFC 9110, 8.6)",
    },
    Departure {
        case: "unasked-upgrade",
        ours: "502 ",
        reason: "a 101 that nobody asked for is a fault of the host, and no tunnel is opened",
    },
    Departure {
        case: "two-hosts",
        ours: "400 ",
        reason: "which host is meant is not to be guessed (RFC 9112, 3.2)",
    },
    Departure {
        case: "bare-line-feeds",
        ours: "400 ",
        reason: "a line ends in CR LF; leniency invites smuggling",
    },
    Departure {
        case: "folded",
        ours: "400 ",
        reason: "obsolete line folding is refused (RFC 9112, 5.2)",
    },
    Departure {
        case: "bare-cr",
        ours: "400 ",
        reason: "a bare CR in a value is refused (RFC 9112, 2.2)",
    },
];

/// How and why the answer to a case is not Envoy's, if it is not meant to be.
pub(super) fn departure(case: &str) -> Option<&'static Departure> {
    DEPARTURES.iter().find(|departure| departure.case == case)
}

/// One request.
pub(super) struct Case {
    pub(super) name: &'static str,
    pub(super) request: Vec<u8>,
    pub(super) answer_to: AnswerTo,
}

/// A request line and further header lines, with a host.
fn with(name: &'static str, line: &str, rest: &str) -> Case {
    raw(name, format!("{line} HTTP/1.1\r\nhost: demo\r\n{rest}\r\n"))
}

fn get(name: &'static str, path: &str) -> Case {
    with(name, &format!("GET {path}"), "")
}

/// A request as it is on the wire.
fn raw(name: &'static str, request: impl Into<Vec<u8>>) -> Case {
    let request = request.into();
    let method = request.split(|byte| *byte == b' ').next().unwrap_or_default();
    let method = Method::from_bytes(method).unwrap_or_default();
    Case { name, answer_to: AnswerTo::method(&method), request }
}

/// All cases.
pub(super) fn all() -> Vec<Case> {
    let mut cases = good();
    cases.extend(local_answers());
    cases.extend(bad_upstreams());
    cases.extend(bad_requests());
    cases
}

fn good() -> Vec<Case> {
    vec![
        get("plain", "/good/"),
        get("plain-http2", "/good-2/"),
        get("what-the-backend-sees", "/good/headers?query=1&b"),
        get("what-an-http2-backend-sees", "/good-2/headers?query=1&b"),
        with(
            "hop-by-hop",
            "GET /good/headers",
            "connection: keep-alive, x-own\r\nx-own: 1\r\nkeep-alive: timeout=5\r\nte: trailers\r\nproxy-connection: keep-alive\r\nx-forwarded-for: 10.0.0.1\r\nx-envoy-internal: true\r\nx-request-id: mine\r\nx-forwarded-proto: https\r\n",
        ),
        with("client-closes", "GET /good/", "connection: close\r\n"),
        with("repeated-header", "GET /good/headers", "x-a: 1\r\nx-b: 2\r\nX-A: 3\r\n"),
        with("empty-header", "GET /good/headers", "x-empty:\r\nx-space: \t a b \t\r\n"),
        with("post", "POST /good/echo", "content-length: 5\r\n\r\nhello"),
        raw(
            "post-chunked",
            "POST /good/echo HTTP/1.1\r\nhost: demo\r\ntransfer-encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
        ),
        with("head", "HEAD /good/bytes/1000", ""),
        with("head-no-route", "HEAD /nowhere", ""),
        with("head-empty", "HEAD /empty/", ""),
        get("204", "/good/status/204"),
        get("304", "/good/status/304"),
        get("404-of-the-backend", "/good/status/404"),
        get("503-of-the-backend", "/good/status/503"),
        with("post-without-length", "POST /good/headers", ""),
        with("delete", "DELETE /good/headers", ""),
        with("options", "OPTIONS /good/headers", ""),
        with("unknown-method", "BREW /good/headers", ""),
        raw("absolute-target", "GET http://other/good/headers HTTP/1.1\r\nhost: demo\r\n\r\n"),
        raw("host-with-port", "GET /good/headers HTTP/1.1\r\nhost: demo:8080\r\n\r\n"),
        get("dots-in-path", "/good/../good/./headers"),
        get("escaped-path", "/good/headers/%2e%2F%41"),
        get("until-close", "/until-close/"),
        get("old-backend", "/old/"),
        get("early-hints", "/early-hints/"),
        with(
            "expect-continue",
            "POST /good/early",
            "expect: 100-continue\r\ncontent-length: 0\r\n",
        ),
    ]
}

fn local_answers() -> Vec<Case> {
    let grpc = "content-type: application/grpc\r\ncontent-length: 0\r\n";
    vec![
        get("no-route", "/nowhere"),
        get("no-cluster", "/absent/"),
        get("no-host", "/empty/"),
        get("refused", "/refuses/"),
        get("refused-http2", "/refuses-2/"),
        get("overflow", "/full/"),
        get("direct", "/direct"),
        get("direct-empty", "/direct-empty"),
        get("timeout", "/timed/delay/5000"),
        with("grpc-no-route", "POST /nowhere", grpc),
        with("grpc-no-host", "POST /empty/", grpc),
        with("grpc-refused", "POST /refuses/", grpc),
        with("grpc-overflow", "POST /full/", grpc),
        with("upgrade-not-allowed", "GET /good/", "connection: upgrade\r\nupgrade: websocket\r\n"),
        with("head-refused", "HEAD /refuses/", ""),
    ]
}

fn bad_upstreams() -> Vec<Case> {
    vec![
        get("closes", "/closes/"),
        get("garbage", "/garbage/"),
        get("http2-to-http1", "/speaks-1/"),
        get("bad-header", "/bad-header/"),
        get("two-lengths", "/two-lengths/"),
        get("length-and-chunked", "/length-and-chunked/"),
        get("cut-short", "/cut-short/"),
        get("unasked-upgrade", "/upgrade/"),
    ]
}

fn bad_requests() -> Vec<Case> {
    let large = "x".repeat(70 * 1024);
    vec![
        with("large-head", "GET /good/", &format!("x-large: {large}\r\n")),
        get("large-target", &format!("/good/{large}")),
        with("many-headers", "GET /good/", &"x-many: 1\r\n".repeat(101)),
        raw("host-missing", "GET /good/ HTTP/1.1\r\n\r\n"),
        raw("empty-host", "GET /good/ HTTP/1.1\r\nhost:\r\n\r\n"),
        raw("two-hosts", "GET /good/ HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n"),
        raw("http-1.0", "GET /good/ HTTP/1.0\r\nhost: demo\r\n\r\n"),
        raw("http-2-in-text", "GET /good/ HTTP/2.0\r\nhost: demo\r\n\r\n"),
        raw("no-version", "GET /good/\r\nhost: demo\r\n\r\n"),
        raw("garbage-request", "no request at all\r\n\r\n"),
        raw("bad-method", "G@T /good/ HTTP/1.1\r\nhost: demo\r\n\r\n"),
        raw("no-slash", "GET good HTTP/1.1\r\nhost: demo\r\n\r\n"),
        raw("bare-line-feeds", "GET /good/ HTTP/1.1\nhost: demo\n\n"),
        with("space-before-colon", "GET /good/", "x-bad : 1\r\n"),
        with("no-colon", "GET /good/", "x-bad\r\n"),
        with("folded", "GET /good/", "x-folded: 1\r\n 2\r\n"),
        with("bare-cr", "GET /good/", "x-bad: 1\r2\r\n"),
        with("nul", "GET /good/", "x-bad: 1\x002\r\n"),
        with("bad-length", "POST /good/", "content-length: x\r\n"),
        with(
            "two-lengths-asked",
            "POST /good/",
            "content-length: 1\r\ncontent-length: 2\r\n\r\nab",
        ),
        with(
            "length-and-chunked-asked",
            "POST /good/",
            "content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n",
        ),
        with("unknown-coding", "POST /good/", "transfer-encoding: gzip\r\n"),
        raw(
            "bad-chunk",
            "POST /good/early HTTP/1.1\r\nhost: demo\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n",
        ),
        raw("connect", "CONNECT demo:80 HTTP/1.1\r\nhost: demo:80\r\n\r\n"),
        raw("fragment", "GET /good/headers#part HTTP/1.1\r\nhost: demo\r\n\r\n"),
    ]
}
