//! Answers that the proxy makes itself, and requests that it does not take.

use destrier::demo::config::{http_manager, route};
use serde_json::{Value, json};

use super::case::{Case, On};
use super::world::{Peers, echoing, set};

const ON: On = On("local");
const WORDED: On = On("worded");

pub(super) fn listeners(peers: &Peers) -> Vec<(&'static str, Value)> {
    let direct =
        |path: &str, answer: Value| json!({ "match": { "path": path }, "direct_response": answer });
    let text =
        |status: u16, text: &str| json!({ "status": status, "body": { "inline_string": text } });
    let mut routes = peers.routes();
    routes.extend([
        route("/absent/", "absent"),
        direct("/direct", text(418, "teapot")),
        direct("/direct-empty", json!({ "status": 503 })),
        direct("/direct-200", text(200, "fine")),
        direct("/direct-204", json!({ "status": 204 })),
    ]);
    let forward = |path: &str, cluster: &str, fields: Value| {
        let mut route = route(path, cluster);
        route["route"] = set(route["route"].clone(), &fields);
        route
    };
    routes.extend([
        forward("/timed/", "good", json!({ "timeout": "0.1s", "prefix_rewrite": "/" })),
        forward("/idle/", "good", json!({ "idle_timeout": "0.1s", "prefix_rewrite": "/" })),
        forward(
            "/stream/",
            "good",
            json!({
                "max_stream_duration": { "max_stream_duration": "0.1s" }, "prefix_rewrite": "/",
            }),
        ),
        forward(
            "/grpc-timed/",
            "good",
            json!({
                "max_stream_duration": { "grpc_timeout_header_max": "0.1s" }, "prefix_rewrite": "/",
            }),
        ),
        forward(
            "/absent-404/",
            "absent",
            json!({ "cluster_not_found_response_code": "NOT_FOUND" }),
        ),
        forward(
            "/absent-500/",
            "absent",
            json!({ "cluster_not_found_response_code": "INTERNAL_SERVER_ERROR" }),
        ),
    ]);
    let local = http_manager("ingress", &routes);
    let worded = set(local.clone(), &json!({ "local_reply_config": wording() }));
    let short = |fields: Value| echoing(&fields);
    vec![
        ("local", local),
        ("worded", worded),
        ("short-request", short(json!({ "request_timeout": "0.1s" }))),
        ("short-head", short(json!({ "request_headers_timeout": "0.1s" }))),
        ("short-stream", short(json!({ "stream_idle_timeout": "0.1s" }))),
        (
            "short-life",
            short(json!({ "common_http_protocol_options": { "max_stream_duration": "0.1s" } })),
        ),
    ]
}

fn wording() -> Value {
    let status = |code: u16| {
        json!({ "status_code_filter": { "comparison": {
        "op": "EQ", "value": { "default_value": code, "runtime_key": "unused" },
    } } })
    };
    json!({
        "mappers": [
            {
                "filter": status(418),
                "status_code": 419,
                "body": { "inline_string": "not a teapot" },
                "headers_to_add": [{ "header": { "key": "x-worded", "value": "%RESPONSE_CODE%/%REQ(:path)%" } }],
            },
            {
                "filter": { "response_flag_filter": { "flags": ["UH"] } },
                "body_format_override": {
                    "json_format": { "c": "%RESPONSE_CODE%", "m": "%LOCAL_REPLY_BODY%", "p": "%REQ(:path)%", "d": "%RESPONSE_CODE_DETAILS%" },
                },
            },
            {
                "filter": { "response_flag_filter": { "flags": ["UO"] } },
                "body_format_override": {
                    "text_format_source": { "inline_string": "<b>%RESPONSE_FLAGS%</b>" },
                    "content_type": "text/html; charset=UTF-8",
                },
            },
            {
                "filter": { "header_filter": { "header": { "name": "x-worded", "present_match": true } } },
                "body": { "inline_string": "by header" },
            },
        ],
        "body_format": { "text_format_source": { "inline_string": "%RESPONSE_CODE%|%RESPONSE_FLAGS%|%LOCAL_REPLY_BODY%|%PROTOCOL%\n" } },
    })
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = answers();
    cases.extend(WORDED.rows(&[
        ("worded-direct", "GET /direct?x", ""),
        ("worded-direct-200", "GET /direct-200", ""),
        ("worded-no-host", "GET /empty/", ""),
        ("worded-overflow", "GET /full/", ""),
        ("worded-no-route", "GET /nowhere", ""),
        ("worded-by-header", "GET /nowhere", "x-worded: 1"),
        ("worded-refused", "GET /refuses/", ""),
        ("worded-no-cluster", "GET /absent/", ""),
        ("worded-grpc", "POST /nowhere", "content-type: application/grpc\ncontent-length: 0"),
        (
            "worded-grpc-no-host",
            "POST /empty/",
            "content-type: application/grpc\ncontent-length: 0",
        ),
        ("worded-head", "HEAD /nowhere", ""),
        ("worded-answer-of-backend", "GET /good/status/503", ""),
        ("worded-redirect", "GET /direct-204", ""),
    ]));
    cases.push(
        WORDED.raw("worded-bad-request", "GET /direct HTTP/1.1\r\nhost: demo\r\nx bad: 1\r\n\r\n"),
    );
    cases.push(WORDED.raw("worded-no-version", "GET /direct\r\nhost: demo\r\n\r\n"));
    cases.push(On("short-request").with("request-timeout", "POST /", "content-length: 9\n\nabc"));
    cases.push(On("short-head").raw("head-timeout", "GET / HTTP/1.1\r\nhost: demo\r\n"));
    cases.extend(On("short-stream").rows(&[
        ("stream-idle-waiting", "GET /delay/5000", ""),
        ("stream-idle-sending", "POST /echo", "content-length: 9\n\nabc"),
    ]));
    cases.extend(On("short-life").rows(&[
        ("stream-duration-waiting", "GET /delay/5000", ""),
        ("stream-duration-sending", "POST /", "content-length: 9\n\nabc"),
    ]));
    cases
}

fn answers() -> Vec<Case> {
    let grpc = "content-type: application/grpc\ncontent-length: 0";
    ON.rows(&[
        ("no-route", "GET /nowhere", ""),
        ("no-cluster", "GET /absent/", ""),
        ("no-cluster-404", "GET /absent-404/", ""),
        ("no-cluster-500", "GET /absent-500/", ""),
        ("no-host", "GET /empty/", ""),
        ("refused", "GET /refuses/", ""),
        ("refused-http2", "GET /refuses-2/", ""),
        ("overflow", "GET /full/", ""),
        ("overflow-http2", "GET /full-2/", ""),
        ("overflow-connections", "GET /no-connection/", ""),
        ("direct", "GET /direct", ""),
        ("direct-empty", "GET /direct-empty", ""),
        ("direct-200", "GET /direct-200", ""),
        ("direct-204", "GET /direct-204", ""),
        ("direct-head", "HEAD /direct", ""),
        ("direct-with-body", "POST /direct", "content-length: 3\n\nabc"),
        ("direct-closes", "GET /direct", "connection: close"),
        ("timeout", "GET /timed/delay/5000", ""),
        ("timeout-grpc", "POST /timed/delay/5000", grpc),
        ("timeout-by-header", "GET /good/delay/300", "x-envoy-upstream-rq-timeout-ms: 50"),
        (
            "timeout-by-header-of-stranger",
            "GET /good/delay/10",
            "x-envoy-upstream-rq-timeout-ms: 1\nx-forwarded-for: 8.8.8.8",
        ),
        ("idle-timeout", "GET /idle/delay/5000", ""),
        ("max-stream-duration", "GET /stream/delay/5000", ""),
        (
            "grpc-timeout-header",
            "POST /grpc-timed/delay/5000",
            "grpc-timeout: 20m\ncontent-type: application/grpc\ncontent-length: 0",
        ),
        (
            "grpc-timeout-cut",
            "POST /grpc-timed/delay/5000",
            "grpc-timeout: 9S\ncontent-type: application/grpc\ncontent-length: 0",
        ),
        ("grpc-no-route", "POST /nowhere", grpc),
        ("grpc-no-cluster", "POST /absent/", grpc),
        ("grpc-no-host", "POST /empty/", grpc),
        ("grpc-refused", "POST /refuses/", grpc),
        ("grpc-overflow", "POST /full/", grpc),
        ("grpc-direct", "POST /direct", grpc),
        ("grpc-direct-503", "POST /direct-empty", grpc),
        (
            "grpc-web-no-route",
            "POST /nowhere",
            "content-type: application/grpc-web\ncontent-length: 0",
        ),
        (
            "grpc-proto-no-route",
            "POST /nowhere",
            "content-type: application/grpc+proto\ncontent-length: 0",
        ),
        ("head-refused", "HEAD /refuses/", ""),
        ("head-overflow", "HEAD /full/", ""),
        ("post-no-route", "POST /nowhere", "content-length: 3\n\nabc"),
        ("post-no-host", "POST /empty/", "content-length: 3\n\nabc"),
        ("post-refused", "POST /refuses/", "content-length: 3\n\nabc"),
    ])
}
