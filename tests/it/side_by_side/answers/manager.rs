//! What connection managers make of requests and answers: who the client is, the normal form of path and
//! host, and what is said of the proxy.

use serde_json::{Value, json};

use super::case::{Case, On};
use super::world::echoing;
use destrier::demo::config::{http_manager, route};

pub(super) fn listeners() -> Vec<(&'static str, Value)> {
    let mut all = addresses();
    all.extend(forms());
    all.extend(sayings());
    all
}

fn addresses() -> Vec<(&'static str, Value)> {
    let loopback = json!({ "cidr_ranges": [{ "address_prefix": "127.0.0.0", "prefix_len": 8 }] });
    vec![
        ("edge", echoing(&json!({ "use_remote_address": true }))),
        (
            "hop",
            echoing(&json!({
                "use_remote_address": true, "xff_num_trusted_hops": 1, "append_x_forwarded_port": true,
            })),
        ),
        ("inside-hop", echoing(&json!({ "xff_num_trusted_hops": 1 }))),
        (
            "internal",
            echoing(&json!({
                "use_remote_address": true, "internal_address_config": loopback,
            })),
        ),
        (
            "skip-xff",
            echoing(&json!({
                "use_remote_address": true, "skip_xff_append": true, "preserve_external_request_id": true,
            })),
        ),
    ]
}

fn forms() -> Vec<(&'static str, Value)> {
    let escaped = |action: &str| echoing(&json!({ "path_with_escaped_slashes_action": action }));
    let mut normal = http_manager("ingress", &[route("/headers", "good"), route("/in/", "good")]);
    normal["normalize_path"] = true.into();
    normal["merge_slashes"] = true.into();
    normal["strip_any_host_port"] = true.into();
    normal["strip_trailing_host_dot"] = true.into();
    vec![
        ("normal", normal),
        ("merged", echoing(&json!({ "merge_slashes": true }))),
        ("unescaped", escaped("UNESCAPE_AND_FORWARD")),
        ("unescaped-redirect", escaped("UNESCAPE_AND_REDIRECT")),
        ("escaped-refused", escaped("REJECT_REQUEST")),
        ("matching-port", echoing(&json!({ "strip_matching_host_port": true }))),
    ]
}

fn sayings() -> Vec<(&'static str, Value)> {
    let server = |handling: &str| json!({ "server_header_transformation": handling, "server_name": "named" });
    let mut quiet = http_manager("ingress", &[route("/", "good"), route("/chatty/", "chatty")]);
    quiet["http_filters"][0]["typed_config"]["suppress_envoy_headers"] = true.into();
    quiet["generate_request_id"] = false.into();
    quiet["scheme_header_transformation"] = json!({ "scheme_to_overwrite": "https" });
    let chatty = |fields: &Value| {
        let manager = http_manager("ingress", &[route("/chatty", "chatty"), route("/", "good")]);
        super::world::set(manager, fields)
    };
    vec![
        ("server-overwritten", chatty(&server("OVERWRITE"))),
        ("server-if-absent", chatty(&server("APPEND_IF_ABSENT"))),
        ("server-passed", chatty(&server("PASS_THROUGH"))),
        ("via", chatty(&json!({ "via": "demo" }))),
        ("ids", chatty(&json!({ "always_set_request_id_in_response": true }))),
        ("quiet", quiet),
        ("agent", echoing(&json!({ "add_user_agent": true }))),
        ("certificates", echoing(&json!({ "forward_client_cert_details": "ALWAYS_FORWARD_ONLY" }))),
        (
            "certificates-forwarded",
            echoing(&json!({ "forward_client_cert_details": "FORWARD_ONLY" })),
        ),
    ]
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = clients();
    cases.extend(formed());
    cases.extend(said());
    cases
}

fn clients() -> Vec<Case> {
    let hops = "x-forwarded-for: 8.8.8.8, 10.0.0.1";
    let claims = "x-envoy-internal: true\nx-envoy-external-address: 1.2.3.4\nx-envoy-force-trace: true\nx-request-id: mine\nx-envoy-upstream-rq-timeout-ms: 9000\nx-envoy-retry-on: 5xx";
    let mut cases = On("edge").rows(&[
        ("edge-plain", "GET /headers", ""),
        ("edge-forwarded", "GET /headers", hops),
        ("edge-claims", "GET /headers", claims),
        ("edge-scheme", "GET /headers", "x-forwarded-proto: https"),
    ]);
    cases.extend(On("hop").rows(&[
        ("hop-plain", "GET /headers", ""),
        ("hop-forwarded", "GET /headers", hops),
        (
            "hop-scheme",
            "GET /headers",
            "x-forwarded-for: 8.8.8.8\nx-forwarded-proto: https\nx-forwarded-port: 444",
        ),
        ("hop-nonsense", "GET /headers", "x-forwarded-for: nonsense"),
    ]));
    cases.extend(On("inside-hop").rows(&[
        ("inside-hop-plain", "GET /headers", ""),
        ("inside-hop-forwarded", "GET /headers", hops),
        ("inside-hop-three", "GET /headers", "x-forwarded-for: 1.1.1.1,8.8.8.8 , 10.0.0.1"),
    ]));
    cases.extend(On("internal").rows(&[
        ("internal-plain", "GET /headers", ""),
        ("internal-with-claims", "GET /headers", claims),
        ("internal-forwarded", "GET /headers", "x-forwarded-for: 127.0.0.9\nx-request-id: mine"),
    ]));
    cases.extend(On("skip-xff").rows(&[
        ("skip-xff-plain", "GET /headers", "x-request-id: mine"),
        ("skip-xff-forwarded", "GET /headers", hops),
    ]));
    cases.extend(On("plain").rows(&[
        ("sidecar-forwarded", "GET /good/headers", hops),
        ("sidecar-claims", "GET /good/headers", claims),
        (
            "sidecar-forwarded-external",
            "GET /good/headers",
            "x-forwarded-for: 8.8.8.8\nx-envoy-force-trace: true\nx-request-id: mine",
        ),
        ("sidecar-forwarded-nonsense", "GET /good/headers", "x-forwarded-for: nonsense, :1"),
        ("sidecar-forwarded-empty", "GET /good/headers", "x-forwarded-for:"),
        (
            "sidecar-forwarded-twice",
            "GET /good/headers",
            "x-forwarded-for: 10.0.0.1\nx-forwarded-for: 10.0.0.2",
        ),
        ("sidecar-forwarded-ipv6", "GET /good/headers", "x-forwarded-for: ::1"),
        ("sidecar-forwarded-with-port", "GET /good/headers", "x-forwarded-for: 10.0.0.1:80"),
    ]));
    cases
}

fn formed() -> Vec<Case> {
    let mut cases = On("normal").rows(&[
        ("normal-dots", "GET /out/../headers/./a//b?x=/../y", ""),
        ("normal-escapes", "GET /%68eaders/%41%2d%7e%2f%25", ""),
        ("normal-escaped-dots", "GET /headers/a/%2e%2E/b", ""),
        ("normal-above-root", "GET /../../headers", ""),
        ("normal-nul", "GET /headers/a%00b", ""),
        ("normal-bad-escape", "GET /headers/%zz%4", ""),
        ("normal-backslash", "GET /headers\\a\\..\\b", ""),
        ("normal-trailing-dots", "GET /headers/a/..", ""),
        ("normal-slashes", "GET //headers///a//", ""),
        ("normal-query", "GET /headers?a//b/../c", ""),
        ("normal-absolute", "GET http://demo/x/../headers", ""),
        ("normal-spaces", "GET /headers/%20%7B|", ""),
        ("normal-semicolon", "GET /headers/a;b=c/..;/d", ""),
        ("normal-dot-semicolon", "GET /headers/a/.;/d", ""),
        ("normal-escaped-dots-semicolon", "GET /headers/a/%2e%2e;/d", ""),
        ("normal-semicolon-backslash", "GET /headers/a/..;x\\..;/d", ""),
        ("normal-half-escaped-dots-semicolon", "GET /headers/a/%2E.;/d", ""),
        ("normal-backslash-dot-semicolon", "GET /headers/a\\.;x/d", ""),
        ("normal-dots-semicolon-query", "GET /headers/a/b/..;?q", ""),
        ("normal-escaped-semicolon", "GET /headers/a/..%3b/d", ""),
        ("normal-port", "GET /headers", "host: demo:8080"),
        ("normal-dot", "GET /headers", "host: demo."),
        ("normal-dot-and-port", "GET /headers", "host: demo.:81"),
        ("normal-ipv6", "GET /headers", "host: [::1]:81"),
        ("normal-no-route", "GET /headers/../other", ""),
    ]);
    cases.extend(On("merged").rows(&[
        ("merged-slashes", "GET //headers//a///?b//c", ""),
        ("merged-dots", "GET /headers/.//..//x", ""),
    ]));
    cases.extend(On("unescaped").rows(&[
        ("unescaped-slash", "GET /headers%2fa%5cb%41?c%2fd", ""),
        ("unescaped-none", "GET /headers/a", ""),
    ]));
    cases.extend(On("unescaped-redirect").rows(&[
        ("unescaped-away", "GET /headers%2Fa?q=%2f", ""),
        ("unescaped-away-post", "POST /headers%2Fa", "content-length: 2\n\nab"),
        (
            "unescaped-away-grpc",
            "POST /headers%2Fa",
            "content-type: application/grpc\ncontent-length: 0",
        ),
        ("unescaped-stays", "GET /headers/%41", ""),
    ]));
    cases.extend(On("escaped-refused").rows(&[
        ("escaped-slash-refused", "GET /headers%2fa", ""),
        ("escaped-backslash-refused", "GET /headers%5Ca", ""),
        ("escaped-in-query", "GET /headers?a%2fb", ""),
        (
            "escaped-refused-grpc",
            "POST /headers%2fa",
            "content-type: application/grpc\ncontent-length: 0",
        ),
    ]));
    cases.extend(On("matching-port").rows(&[
        ("another-port-stays", "GET /headers", "host: demo:8080"),
        ("no-port-stays", "GET /headers", "host: demo"),
    ]));
    cases
}

fn said() -> Vec<Case> {
    vec![
        On("server-overwritten").get("server-overwritten", "/chatty"),
        On("server-if-absent").get("server-kept", "/chatty"),
        On("server-if-absent").get("server-added", "/"),
        On("server-passed").get("server-passed", "/chatty"),
        On("server-passed").get("server-none", "/"),
        On("via").get("via-answer", "/chatty"),
        On("via").with("via-request", "GET /headers", "via: 1.1 other"),
        On("via").get("via-no-answer", "/"),
        On("ids").with("id-in-answer", "GET /headers", "x-request-id: mine"),
        On("ids").get("id-made-in-answer", "/headers"),
        On("ids").get("id-of-backend", "/chatty"),
        On("quiet").get("quiet", "/headers"),
        On("quiet").with("quiet-with-id", "GET /headers", "x-request-id: mine"),
        On("quiet").with(
            "quiet-grpc",
            "POST /",
            "content-type: application/grpc\ncontent-length: 0",
        ),
        On("agent").get("agent-added", "/headers"),
        On("agent").with("agent-kept", "GET /headers", "user-agent: mine"),
        On("certificates").with(
            "certificate-kept",
            "GET /headers",
            "x-forwarded-client-cert: By=x",
        ),
        On("certificates-forwarded").with(
            "certificate-taken",
            "GET /headers",
            "x-forwarded-client-cert: By=x",
        ),
    ]
}
