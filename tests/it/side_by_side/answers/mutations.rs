//! Headers that routes, virtual hosts and route tables add and remove.

use destrier::demo::config::http_manager;
use serde_json::{Value, json};

use super::case::{Case, On};
use super::world::set;

const ON: On = On("mutations");

pub(super) fn listeners() -> Vec<(&'static str, Value)> {
    let mut manager = http_manager("ingress", &[]);
    let mut host = json!({ "name": "v", "domains": ["*"], "routes": routes() });
    host = set(host, &level("host"));
    host["include_request_attempt_count"] = true.into();
    host["include_attempt_count_in_response"] = true.into();
    manager["route_config"] = set(json!({ "virtual_hosts": [host] }), &level("table"));
    let mut specific = manager.clone();
    specific["route_config"]["most_specific_header_mutations_wins"] = true.into();
    vec![("mutations", manager), ("mutations-specific", specific)]
}

fn add(key: &str, value: &str, action: &str) -> Value {
    json!({ "header": { "key": key, "value": value }, "append_action": action })
}

const APPEND: &str = "APPEND_IF_EXISTS_OR_ADD";
const ABSENT: &str = "ADD_IF_ABSENT";
const OVERWRITE: &str = "OVERWRITE_IF_EXISTS_OR_ADD";
const EXISTING: &str = "OVERWRITE_IF_EXISTS";

/// What every level does.
fn level(name: &str) -> Value {
    let additions = json!([
        add("x-order", name, APPEND),
        add("x-first", name, ABSENT),
        add("x-last", name, OVERWRITE),
    ]);
    json!({
        "request_headers_to_add": additions,
        "response_headers_to_add": additions,
        "request_headers_to_remove": [format!("x-no-{name}")],
        "response_headers_to_remove": ["x-backend"],
    })
}

fn routes() -> Vec<Value> {
    let echo = |path: &str, fields: Value| {
        set(
            json!({ "match": { "prefix": path }, "route": { "cluster": "good", "prefix_rewrite": "/headers" } }),
            &fields,
        )
    };
    let requests =
        |path: &str, additions: Value| echo(path, json!({ "request_headers_to_add": additions }));
    let answers =
        |path: &str, additions: Value| echo(path, json!({ "response_headers_to_add": additions }));
    let weighted = set(json!({ "name": "good", "weight": 1 }), &level("weighted"));
    let direct = |path: &str, additions: Value| {
        json!({
            "match": { "prefix": path },
            "direct_response": { "status": 200, "body": { "inline_string": "<b>hi</b>" } },
            "response_headers_to_add": additions,
        })
    };
    vec![
        echo("/levels", level("route")),
        set(
            json!({ "match": { "prefix": "/weighted" }, "route": {
                "weighted_clusters": { "clusters": [weighted] }, "prefix_rewrite": "/headers",
            } }),
            &level("route"),
        ),
        requests("/existing", json!([add("x-a", "new", EXISTING), add("x-b", "new", EXISTING)])),
        requests(
            "/actions",
            json!([
                add("x-a", "appended", APPEND),
                add("x-b", "absent", ABSENT),
                add("x-c", "over", OVERWRITE),
            ]),
        ),
        requests(
            "/formats",
            json!([
                add("x-path", "%REQ(:path)%", APPEND),
                add("x-host", "<%REQ(:authority):3%>", APPEND),
                add("x-alternative", "%REQ(x-none?x-a)%", APPEND),
                add("x-nothing", "%REQ(x-none)%", APPEND),
                add("x-protocol", "%PROTOCOL%", APPEND),
                add("x-remote", "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%", APPEND),
                add("x-direct", "%DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%", APPEND),
                add("x-local", "%DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT%", APPEND),
                add("x-route", "%ROUTE_NAME%", APPEND),
                add("x-cluster", "%UPSTREAM_CLUSTER%", APPEND),
                add("x-percent", "100%%", APPEND),
            ]),
        ),
        requests(
            "/empty-values",
            json!([
                add("x-gone", "", APPEND),
                { "header": { "key": "x-kept", "value": "" }, "keep_empty_value": true },
                { "header": { "key": "x-kept-nothing", "value": "%REQ(x-none)%" }, "keep_empty_value": true },
            ]),
        ),
        requests(
            "/host",
            json!([
                add("x-forwarded-proto", "https", OVERWRITE),
                add("user-agent", "me", OVERWRITE)
            ]),
        ),
        answers(
            "/answers",
            json!([
                add("x-code", "%RESPONSE_CODE%", APPEND),
                add("x-flags", "%RESPONSE_FLAGS%", APPEND),
                add("x-upstream", "%UPSTREAM_HOST%", APPEND),
                add("x-cluster", "%UPSTREAM_CLUSTER%", APPEND),
                add("x-type", "%RESP(content-type)%", APPEND),
                add("x-path", "%REQ(:path)%", APPEND),
                add("x-was", "%REQ(x-envoy-original-path)%", APPEND),
                add("server", "route", OVERWRITE),
                add("date", "never", APPEND),
            ]),
        ),
        answers(
            "/answer-existing",
            json!([add("content-type", "text/x", EXISTING), add("content-length", "3", EXISTING)]),
        ),
        set(
            json!({ "match": { "prefix": "/no-host" }, "route": { "cluster": "empty" } }),
            &json!({ "response_headers_to_add": [add("x-details", "%RESPONSE_CODE_DETAILS%", APPEND)] }),
        ),
        direct(
            "/direct",
            json!([
                add("content-type", "text/html", OVERWRITE),
                add("content-length", "3", APPEND),
                add("x-path", "%REQ(:path)%", APPEND),
            ]),
        ),
        direct("/direct-second-type", json!([add("content-type", "text/html", APPEND)])),
        json!({
            "match": { "prefix": "/moved" },
            "redirect": { "path_redirect": "/new" },
            "response_headers_to_add": [add("cache-control", "no-store", APPEND), add("location", "/own", OVERWRITE)],
        }),
    ]
}

pub(super) fn cases() -> Vec<Case> {
    let own = "x-order: client\nx-first: client\nx-last: client\nx-no-table: 1\nx-no-host: 1\nx-no-route: 1\nx-no-weighted: 1";
    let mut cases = ON.rows(&[
        ("levels", "GET /levels", ""),
        ("levels-with-own", "GET /levels", own),
        ("levels-weighted", "GET /weighted", own),
        ("mutation-existing", "GET /existing", "x-a: old"),
        ("mutation-existing-twice", "GET /existing", "x-a: old\nx-a: older"),
        ("mutation-actions", "GET /actions", "x-a: old\nx-b: old\nx-c: old"),
        ("mutation-actions-absent", "GET /actions", ""),
        ("mutation-formats", "GET /formats?q=1", "x-a: other"),
        ("mutation-formats-forwarded", "GET /formats", "x-forwarded-for: 8.8.8.8"),
        ("mutation-formats-twice", "GET /formats", "x-a: 1\nx-a: 2"),
        ("mutation-empty", "GET /empty-values", ""),
        ("mutation-of-known-headers", "GET /host", "user-agent: you"),
        ("mutation-answers", "GET /answers?x", ""),
        ("mutation-answer-existing", "GET /answer-existing", ""),
        ("mutation-local-answer", "GET /no-host", ""),
        ("mutation-direct", "GET /direct?x", ""),
        ("mutation-direct-second-type", "GET /direct-second-type", ""),
        ("mutation-redirect", "GET /moved", ""),
        ("mutation-no-route", "GET /nowhere", ""),
        ("mutation-attempts", "GET /levels", "x-envoy-attempt-count: 5"),
    ]);
    cases.extend(On("mutations-specific").rows(&[
        ("specific-levels", "GET /levels", ""),
        ("specific-levels-with-own", "GET /levels", own),
        ("specific-levels-weighted", "GET /weighted", own),
    ]));
    cases.push(ON.stream("mutation-formats-http2", "GET /formats?q=1", "x-a: other", ""));
    cases
}
