//! Which route a request takes, where it sends, and what is made of path and host.

use destrier::demo::config::http_manager;
use serde_json::{Value, json};

use super::case::{Case, On};
use super::world::set;

const ON: On = On("routes");

pub(super) fn listeners() -> Vec<(&'static str, Value)> {
    let mut manager = http_manager("ingress", &[]);
    let mut demo = matching();
    demo.extend(rewriting());
    demo.extend(redirecting());
    demo.extend(spreading());
    let host = |name: &str, domains: &[&str], routes: Vec<Value>| json!({ "name": name, "domains": domains, "routes": routes });
    let says = |text: &str| vec![answer(json!({ "prefix": "/" }), text)];
    let tls = |kind: &str| {
        let name = kind.to_lowercase();
        set(host(&name, &[&format!("{name}.tls")], says("no TLS")), &json!({ "require_tls": kind }))
    };
    manager["route_config"]["virtual_hosts"] = json!([
        host("demo", &["demo", "demo:*"], demo),
        host("exact", &["www.example.com"], says("exact")),
        host("suffix", &["*.example.com"], says("suffix")),
        host("longer-suffix", &["*.a.example.com"], says("longer suffix")),
        host("prefix", &["www.*"], says("prefix")),
        host("port", &["port.com:8080"], says("port")),
        host("no-port", &["port.com"], says("no port")),
        tls("ALL"),
        tls("EXTERNAL_ONLY"),
    ]);
    let mut anywhere = manager.clone();
    anywhere["route_config"]["ignore_port_in_host_matching"] = true.into();
    anywhere["route_config"]["internal_only_headers"] = json!(["x-internal"]);
    vec![("routes", manager), ("routes-any-port", anywhere)]
}

fn answer(matcher: Value, text: &str) -> Value {
    let body = json!({ "inline_string": text });
    json!({ "match": matcher, "name": text, "direct_response": { "status": 200, "body": body } })
}

/// Routes that say which they are.
fn matching() -> Vec<Value> {
    let header = |path: &str, matcher: Value| {
        answer(json!({ "path": path, "headers": [matcher] }), &format!("{path} matches"))
    };
    let text = |path: &str, matcher: Value| {
        header(path, json!({ "name": "x-a", "string_match": matcher }))
    };
    let query = |path: &str, matcher: Value| {
        answer(json!({ "path": path, "query_parameters": [matcher] }), &format!("{path} matches"))
    };
    vec![
        text("/exact", json!({ "exact": "one" })),
        text("/exact-nocase", json!({ "exact": "one", "ignore_case": true })),
        text("/prefix", json!({ "prefix": "one" })),
        text("/suffix", json!({ "suffix": "one" })),
        text("/contains", json!({ "contains": "one" })),
        text("/regex", json!({ "safe_regex": { "regex": "o.e[0-9]*" } })),
        header("/known", json!({ "name": "accept", "string_match": { "exact": "one,two" } })),
        header("/present", json!({ "name": "x-a", "present_match": true })),
        header("/absent", json!({ "name": "x-a", "present_match": false })),
        header("/range", json!({ "name": "x-a", "range_match": { "start": -5, "end": 10 } })),
        header(
            "/inverted",
            json!({ "name": "x-a", "string_match": { "exact": "one" }, "invert_match": true }),
        ),
        header(
            "/empty",
            json!({
                "name": "x-a", "string_match": { "exact": "" }, "treat_missing_header_as_empty": true,
            }),
        ),
        header("/method", json!({ "name": ":method", "string_match": { "exact": "PUT" } })),
        header(
            "/authority",
            json!({ "name": ":authority", "string_match": { "prefix": "demo:" } }),
        ),
        header("/scheme", json!({ "name": ":scheme", "string_match": { "exact": "http" } })),
        query("/q-present", json!({ "name": "q", "present_match": true })),
        query("/q-absent", json!({ "name": "q", "present_match": false })),
        query("/q-exact", json!({ "name": "q", "string_match": { "exact": "a b" } })),
        query(
            "/q-regex",
            json!({ "name": "q", "string_match": { "safe_regex": { "regex": "[0-9]+" } } }),
        ),
        answer(json!({ "path": "/CaSe", "case_sensitive": false }), "any case"),
        answer(json!({ "prefix": "/PrEfIx-", "case_sensitive": false }), "prefix in any case"),
        answer(json!({ "path_separated_prefix": "/separated" }), "separated"),
        answer(json!({ "safe_regex": { "regex": "/re/[a-z]+/x" } }), "path by regex"),
        answer(json!({ "prefix": "/grpc", "grpc": {} }), "gRPC alone"),
        answer(json!({ "prefix": "/grpc" }), "not gRPC"),
    ]
}

fn forward(matcher: Value, fields: Value) -> Value {
    let action = set(json!({ "cluster": "good" }), &fields);
    json!({ "match": matcher, "route": action })
}

fn rewriting() -> Vec<Value> {
    let regex = |pattern: &str, with: &str| json!({ "pattern": { "regex": pattern }, "substitution": with });
    vec![
        forward(json!({ "prefix": "/p/" }), json!({ "prefix_rewrite": "/headers/" })),
        forward(
            json!({ "prefix": "/P-" , "case_sensitive": false }),
            json!({ "prefix_rewrite": "/headers/" }),
        ),
        forward(json!({ "path": "/whole" }), json!({ "prefix_rewrite": "/headers/whole" })),
        forward(
            json!({ "prefix": "/r/" }),
            json!({ "regex_rewrite": regex("^/r/([^/]+)/(.*)$", r"/headers/\2/\1") }),
        ),
        forward(json!({ "prefix": "/all/" }), json!({ "regex_rewrite": regex("a", "b"), })),
        forward(
            json!({ "prefix": "/headers/host-literal" }),
            json!({ "host_rewrite_literal": "other" }),
        ),
        forward(
            json!({ "prefix": "/headers/host-appended" }),
            json!({
                "host_rewrite_literal": "other", "append_x_forwarded_host": true,
            }),
        ),
        forward(
            json!({ "prefix": "/headers/host-header" }),
            json!({ "host_rewrite_header": "x-host" }),
        ),
        forward(
            json!({ "prefix": "/headers/host-regex" }),
            json!({
                "host_rewrite_path_regex": regex("^/headers/host-regex/(.+)$", r"\1.example"),
            }),
        ),
    ]
}

fn redirecting() -> Vec<Value> {
    let redirect =
        |path: &str, fields: Value| json!({ "match": { "prefix": path }, "redirect": fields });
    vec![
        redirect("/to-host", json!({ "host_redirect": "other.example" })),
        redirect("/to-port", json!({ "port_redirect": 8443 })),
        redirect("/to-port-80", json!({ "port_redirect": 80 })),
        redirect("/to-https", json!({ "https_redirect": true })),
        redirect("/to-scheme", json!({ "scheme_redirect": "ftp" })),
        redirect("/to-path", json!({ "path_redirect": "/new" })),
        redirect("/to-query", json!({ "path_redirect": "/new?own=1" })),
        redirect("/to-prefix", json!({ "prefix_rewrite": "/moved" })),
        redirect(
            "/to-regex",
            json!({ "regex_rewrite": { "pattern": { "regex": "^/to-regex/(.*)$" }, "substitution": r"/\1/new" } }),
        ),
        redirect(
            "/to-found",
            json!({ "path_redirect": "/new", "response_code": "FOUND", "strip_query": true }),
        ),
        redirect("/to-other", json!({ "path_redirect": "/new", "response_code": "SEE_OTHER" })),
        redirect(
            "/to-temporary",
            json!({ "path_redirect": "/new", "response_code": "TEMPORARY_REDIRECT" }),
        ),
        redirect(
            "/to-permanent",
            json!({ "host_redirect": "x", "https_redirect": true, "port_redirect": 9, "response_code": "PERMANENT_REDIRECT" }),
        ),
    ]
}

/// Weights, of which only one is not 0, and hashes of which only the cookie is seen.
fn spreading() -> Vec<Value> {
    let weighted = |path: &str, clusters: Value| {
        json!({
            "match": { "prefix": path }, "route": { "weighted_clusters": { "clusters": clusters } },
        })
    };
    let hashed = |path: &str, cookie: Value| {
        forward(json!({ "prefix": path }), json!({ "hash_policy": [{ "cookie": cookie }] }))
    };
    vec![
        weighted(
            "/weights",
            json!([{ "name": "good", "weight": 1 }, { "name": "empty", "weight": 0 }]),
        ),
        weighted(
            "/headers/weights",
            json!([{ "name": "good", "weight": 7, "host_rewrite_literal": "weighted" }]),
        ),
        weighted("/weight-of-nobody", json!([{ "name": "absent", "weight": 1 }])),
        hashed("/cookie", json!({ "name": "c", "ttl": "10s", "path": "/x" })),
        hashed("/session-cookie", json!({ "name": "s", "ttl": "0s" })),
        hashed("/given-cookie", json!({ "name": "g" })),
        hashed(
            "/cookie-with-attributes",
            json!({ "name": "a", "ttl": "1s", "attributes": [{ "name": "SameSite", "value": "Strict" }, { "name": "Secure" }] }),
        ),
    ]
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = matched();
    cases.extend(hosts());
    cases.extend(changed());
    cases
}

fn matched() -> Vec<Case> {
    ON.rows(&[
        ("header-exact", "GET /exact", "x-a: one"),
        ("header-exact-not", "GET /exact", "x-a: ONE"),
        ("header-exact-twice", "GET /exact", "x-a: one\nx-a: two"),
        ("header-exact-in-a-list", "GET /exact", "x-a: one,two"),
        ("header-exact-missing", "GET /exact", ""),
        ("header-nocase", "GET /exact-nocase", "x-a: ONE"),
        ("header-prefix", "GET /prefix", "x-a: one two"),
        ("header-prefix-not", "GET /prefix", "x-a: two one"),
        ("header-suffix", "GET /suffix", "x-a: two one"),
        ("header-suffix-of-list", "GET /suffix", "x-a: two\nx-a: one"),
        ("header-contains", "GET /contains", "x-a: not none."),
        ("header-regex", "GET /regex", "x-a: ore12"),
        ("header-regex-in-part", "GET /regex", "x-a: ore12 "),
        ("header-regex-not", "GET /regex", "x-a: xore12"),
        ("header-known-twice", "GET /known", "accept: one\naccept: two"),
        ("header-present", "GET /present", "x-a:"),
        ("header-present-not", "GET /present", ""),
        ("header-absent", "GET /absent", ""),
        ("header-absent-not", "GET /absent", "x-a: 1"),
        ("header-range", "GET /range", "x-a: -5"),
        ("header-range-end", "GET /range", "x-a: 10"),
        ("header-range-no-number", "GET /range", "x-a: 5x"),
        ("header-range-plus", "GET /range", "x-a: +5"),
        ("header-inverted", "GET /inverted", "x-a: two"),
        ("header-inverted-missing", "GET /inverted", ""),
        ("header-inverted-not", "GET /inverted", "x-a: one"),
        ("header-inverted-twice", "GET /inverted", "x-a: one\nx-a: two"),
        ("header-missing-as-empty", "GET /empty", ""),
        ("header-method", "PUT /method", "content-length: 0"),
        ("header-method-not", "GET /method", ""),
        ("header-authority", "GET /authority", "host: demo:80"),
        ("header-scheme", "GET /scheme", ""),
        ("query-present", "GET /q-present?x=1&q", ""),
        ("query-present-not", "GET /q-present?x=q", ""),
        ("query-absent", "GET /q-absent?x=1", ""),
        ("query-absent-not", "GET /q-absent?q=", ""),
        ("query-exact", "GET /q-exact?q=a%20b", ""),
        ("query-exact-plus", "GET /q-exact?q=a+b", ""),
        ("query-exact-twice", "GET /q-exact?q=a%20b&q=c", ""),
        ("query-exact-second", "GET /q-exact?q=c&q=a%20b", ""),
        ("query-regex", "GET /q-regex?q=12", ""),
        ("query-regex-not", "GET /q-regex?q=12x", ""),
        ("path-in-any-case", "GET /cAsE", ""),
        ("path-in-any-case-with-query", "GET /cAsE?x", ""),
        ("path-in-its-case", "GET /EXACT", "x-a: one"),
        ("prefix-in-any-case", "GET /pReFiX-x", ""),
        ("separated", "GET /separated", ""),
        ("separated-below", "GET /separated/x?y", ""),
        ("separated-not", "GET /separatedx", ""),
        ("separated-query", "GET /separated?x", ""),
        ("path-regex", "GET /re/abc/x?y=1", ""),
        ("path-regex-not", "GET /re/abc/xy", ""),
        ("route-for-grpc", "POST /grpc", "content-type: application/grpc\ncontent-length: 0"),
        (
            "route-for-grpc-proto",
            "POST /grpc",
            "content-type: application/grpc+proto\ncontent-length: 0",
        ),
        ("route-not-for-grpc", "POST /grpc", "content-type: application/grpcx\ncontent-length: 0"),
    ])
}

fn hosts() -> Vec<Case> {
    let mut cases = ON.rows(&[
        ("domain-exact", "GET /", "host: www.example.com"),
        ("domain-in-capitals", "GET /", "host: WWW.Example.Com"),
        ("domain-suffix", "GET /", "host: x.example.com"),
        ("domain-longer-suffix", "GET /", "host: x.a.example.com"),
        ("domain-bare-suffix", "GET /", "host: .example.com"),
        ("domain-without-suffix", "GET /", "host: example.com"),
        ("domain-prefix", "GET /", "host: www.example.org"),
        ("domain-prefix-before-port", "GET /", "host: www.example.com:80"),
        ("domain-port", "GET /", "host: port.com:8080"),
        ("domain-other-port", "GET /", "host: port.com:8081"),
        ("domain-no-port", "GET /", "host: port.com"),
        ("domain-unknown", "GET /", "host: nobody"),
        ("domain-trailing-dot", "GET /", "host: www.example.com."),
        ("tls-wanted", "GET /zz?q", "host: all.tls"),
        ("tls-wanted-port", "GET /", "host: all.tls:80"),
        ("tls-wanted-and-claimed", "GET /", "host: all.tls\nx-forwarded-proto: https"),
        ("tls-wanted-of-strangers", "GET /", "host: external_only.tls"),
        ("tls-wanted-of-a-stranger", "GET /", "host: external_only.tls\nx-forwarded-for: 8.8.8.8"),
    ]);
    cases.extend(On("routes-any-port").rows(&[
        ("domain-any-port", "GET /", "host: port.com:8081"),
        ("domain-any-port-exact", "GET /", "host: port.com:8080"),
        ("internal-only-header", "GET /p/x", "x-internal: 1\nx-forwarded-for: 8.8.8.8"),
        ("internal-only-header-inside", "GET /p/x", "x-internal: 1\nx-forwarded-for: 10.0.0.1"),
    ]));
    cases
}

fn changed() -> Vec<Case> {
    ON.rows(&[
        ("rewrite-prefix", "GET /p/a?b=/p/", ""),
        ("rewrite-prefix-in-any-case", "GET /p-a", ""),
        ("rewrite-whole", "GET /whole?x=1", ""),
        ("rewrite-regex", "GET /r/one/two?x=/r/a/b", ""),
        ("rewrite-regex-not-matching", "GET /r/one", ""),
        ("rewrite-regex-everywhere", "GET /all/banana?a=a", ""),
        ("host-literal", "GET /headers/host-literal", ""),
        ("host-appended", "GET /headers/host-appended", ""),
        ("host-appended-to", "GET /headers/host-appended", "x-forwarded-host: first"),
        ("host-of-header", "GET /headers/host-header", "x-host: from-header"),
        ("host-of-no-header", "GET /headers/host-header", ""),
        ("host-of-path", "GET /headers/host-regex/abc?x", ""),
        ("redirect-host", "GET /to-host/a?b", ""),
        ("redirect-host-port", "GET /to-host", "host: demo:8080"),
        ("redirect-port", "GET /to-port?x", "host: demo:80"),
        ("redirect-port-80", "GET /to-port-80", "host: demo:99"),
        ("redirect-https", "GET /to-https", ""),
        ("redirect-https-port-80", "GET /to-https", "host: demo:80"),
        ("redirect-https-port-81", "GET /to-https", "host: demo:81"),
        ("redirect-scheme", "GET /to-scheme", ""),
        ("redirect-path", "GET /to-path/old?x=1", ""),
        ("redirect-path-with-query", "GET /to-query?x=1", ""),
        ("redirect-prefix", "GET /to-prefix/old?x=1", ""),
        ("redirect-regex", "GET /to-regex/old?x=1", ""),
        ("redirect-found", "GET /to-found?x=1", ""),
        ("redirect-see-other", "POST /to-other", "content-length: 2\n\nab"),
        ("redirect-temporary", "GET /to-temporary", ""),
        ("redirect-permanent", "GET /to-permanent/x", ""),
        ("redirect-head", "HEAD /to-host", ""),
        ("redirect-grpc", "POST /to-host", "content-type: application/grpc\ncontent-length: 0"),
        ("redirect-forwarded-https", "GET /to-host", "x-forwarded-proto: https"),
        ("weights", "GET /weights", ""),
        ("weights-host", "GET /headers/weights", ""),
        ("weight-of-nobody", "GET /weight-of-nobody", ""),
        ("cookie-made", "GET /cookie", ""),
        ("cookie-there", "GET /cookie", "cookie: b=1; c=mine"),
        ("cookie-for-session", "GET /session-cookie", ""),
        ("cookie-not-made", "GET /given-cookie", ""),
        ("cookie-with-attributes", "GET /cookie-with-attributes", ""),
    ])
}
