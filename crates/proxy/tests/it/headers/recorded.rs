//! Every record of Envoy 1.40: what a host got of a request, and what its client got of the answer.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use destrier_policy::{
    AddressForm, AppendAction, Cidr, FormatOperator, FormatPart, GrpcTimeout, HcmPolicy,
    HeaderAddition, HeaderCase, HeaderFormat, HeaderMutation, HeaderMutations, HostRewrite,
    PathRewrite, Peer, RegexRewrite, Route, ServerHeader, UpgradeConfig, UpstreamProtocol,
    VirtualHost,
};
use http::{HeaderName, HeaderValue};
use serde_json::Value;

use super::upstream::{self, Got, Last};
use crate::support::{H2Client, Reply, Rig, cluster, forward_with, h2, route, virtual_host};

/// Records that wait for another issue: case, connection manager (`*` is any), why.
const WAITING: &[(&str, &str, &str)] = &[
    ("per-try-timeout", "*", "retries: a per-try timeout is told where it is enforced"),
    (
        "own-envoy-headers",
        "internal-address-config",
        "retries: so is the one that an internal client asks for",
    ),
];

/// Records that we depart from on purpose, in the same form. Not each time: what is at hand is chance.
const DEPARTING: &[(&str, &str, &str)] = &[
    ("typical", "istio-like", COOKIES),
    ("typical", "defaults", COOKIES),
    ("post-length", "istio-like", AT_HAND),
    ("post-empty", "istio-like", AT_HAND),
    ("grpc", "istio-like", AT_HAND),
];

const COOKIES: &str = "cookies of HTTP/1 go to HTTP/2 as they came (RFC 9113, 8.2.3)";
const AT_HAND: &str = "a body of HTTP/2 that is at hand has its length in HTTP/1";

/// A multiset of headers: order counts only among equal names.
type Headers = BTreeMap<String, Vec<String>>;

/// A listener with the settings of a recorded connection manager, and its hosts.
struct Recorded {
    rig: Rig,
    http1: Last,
    http2: Last,
}

impl Recorded {
    async fn start(variant: &str) -> Self {
        let (http1, http2) = (Last::default(), Last::default());
        let addresses =
            (upstream::http1(http1.clone()).await, upstream::http2(http2.clone()).await);
        let host = |name: &str, cluster: &str| VirtualHost {
            attempt_count_in_request: true,
            // Not noted with the recording, but its answers say so.
            attempt_count_in_response: variant == "request-id-in-response",
            ..virtual_host(name, &[&format!("{name}.example")], routes(variant, cluster))
        };
        let rig = Rig::builder()
            .cluster(cluster("h1", UpstreamProtocol::Http1), &[addresses.0])
            .cluster(cluster("h2", UpstreamProtocol::Http2), &[addresses.1])
            .http_hosts(vec![host("h1", "h1"), host("h2", "h2")], |manager| {
                configure(variant, manager);
            })
            .start()
            .await;
        Self { rig, http1, http2 }
    }
}

fn configure(variant: &str, manager: &mut HcmPolicy) {
    let ranges = || {
        let range = |first: u8| Cidr::new(IpAddr::from([first, 0, 0, 0]), 8).expect("in range");
        Box::from([range(10), range(127)])
    };
    match variant {
        "defaults" => {}
        "istio-like" => {
            manager.path.normalize = true;
            manager.stream_idle_timeout = None;
            manager.server_header = ServerHeader::PassThrough;
            manager.proxy_100_continue = true;
            let upgrade_type = "websocket".into();
            manager.upgrades = Box::from([UpgradeConfig { upgrade_type, enabled: true }]);
        }
        "use-remote-address" => manager.use_remote_address = true,
        "use-remote-address-hops-1" => {
            manager.use_remote_address = true;
            manager.xff_num_trusted_hops = 1;
        }
        "skip-xff-append" => {
            manager.use_remote_address = true;
            manager.skip_xff_append = true;
        }
        "server-append-if-absent" => manager.server_header = ServerHeader::AppendIfAbsent,
        "server-name" => manager.server_name = "istio-envoy".into(),
        "via" => manager.via = Some("demo".into()),
        "request-id-in-response" => manager.always_set_request_id_in_response = true,
        "no-request-id" => manager.generate_request_id = false,
        "preserve-external-request-id" => {
            manager.use_remote_address = true;
            manager.preserve_external_request_id = true;
        }
        "suppress-envoy-headers" => manager.suppress_envoy_headers = true,
        "internal-address-config" => manager.internal_addresses.ranges = ranges(),
        "use-remote-address-internal" => {
            manager.use_remote_address = true;
            manager.internal_addresses.ranges = ranges();
        }
        "proper-case" => manager.http1.header_case = HeaderCase::ProperWords,
        other => panic!("{other} is not a recorded connection manager"),
    }
}

/// `routes_istio_like`; without Istio's the last has the default timeout.
fn routes(variant: &str, cluster: &str) -> Vec<Route> {
    let rewrite = |to: &str| Some(PathRewrite::Prefix(to.into()));
    let limited = |timeout: u64| {
        forward_with(cluster, |action| {
            action.timeout =
                Some(Duration::from_secs(timeout)).filter(|timeout| !timeout.is_zero());
            action.path_rewrite = rewrite("/echo");
            action.max_grpc_timeout = Some(ANY_GRPC_TIMEOUT);
        })
    };
    let host = forward_with(cluster, |action| {
        action.timeout = None;
        action.path_rewrite = rewrite("/echo");
        let host = HeaderValue::from_static("rewritten.example");
        action.host_rewrite = Some(HostRewrite::Literal(host));
    });
    let regex = forward_with(cluster, |action| {
        action.timeout = None;
        let regex = RegexRewrite::new("^/regex/.*", "/echo").expect("an expression");
        action.path_rewrite = Some(PathRewrite::Regex(regex));
    });
    let any = forward_with(cluster, |action| {
        if variant == "istio-like" {
            action.timeout = None;
            action.max_grpc_timeout = Some(ANY_GRPC_TIMEOUT);
        }
    });
    let mut changed = route("/addremove", limited(0));
    changed.mutations = mutations();
    vec![
        route("/timeout", limited(3)),
        route("/pertry", limited(3)),
        route("/hostrewrite", host),
        route("/regex", regex),
        changed,
        route("/", any),
    ]
}

/// `max_grpc_timeout: 0s`.
const ANY_GRPC_TIMEOUT: GrpcTimeout = GrpcTimeout { max: Duration::ZERO, offset: Duration::ZERO };

/// What the route `/addremove` asks for.
fn mutations() -> Option<Box<HeaderMutations>> {
    let literal = |value| HeaderFormat::Literal(HeaderValue::from_static(value));
    let made = |operator| HeaderFormat::Parts(Box::from([FormatPart::Operator(operator, None)]));
    let add = |name, value, action| HeaderAddition {
        name: HeaderName::from_static(name),
        value,
        action,
        keep_empty: false,
    };
    let remote = FormatOperator::Address(Peer::DownstreamRemote, AddressForm::WithoutPort(None));
    let request = HeaderMutation {
        remove: Box::from([HeaderName::from_static("x-gone")]),
        add: Box::from([
            add("x-added", literal("a"), AppendAction::Append),
            add("x-over", literal("new"), AppendAction::Overwrite),
            add("x-remote", made(remote), AppendAction::Append),
        ]),
    };
    let flags = made(FormatOperator::ResponseFlags);
    let response = HeaderMutation {
        remove: Box::from([HeaderName::from_static("x-upstream")]),
        add: Box::from([add("x-resp", flags, AppendAction::Append)]),
    };
    HeaderMutations::new(Box::from([Arc::new(request)]), Box::from([Arc::new(response)]))
        .map(Box::new)
}

/// Sends what was sent then.
async fn send(rig: &Rig, record: &Value) -> (Reply, bool) {
    let text = |key: &str| record[key].as_str().expect("text");
    let sent = pairs(&record["sent"]);
    let (path, host, method) = (text("path"), text("host"), text("method"));
    let body = if text("case") == "post-length" { "hello" } else { "" };
    if text("client") == "h1" {
        let mut request = format!("{method} {path} HTTP/1.1\r\nhost: {host}\r\n");
        for (name, value) in &sent {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        let mut client = rig.client().await;
        client.send(request + "\r\n" + body).await;
        let reply = client.reply().await;
        let closes = record["connection_closed_after"] == true && client.closes().await;
        return (reply, closes);
    }
    let mut request = http::Request::builder().method(method).uri(format!("http://{host}{path}"));
    for (name, value) in &sent {
        request = request.header(name, value);
    }
    let request = request.body(()).expect("valid");
    let mut client = H2Client::connect(rig.address()).await;
    if method == "GET" {
        return (client.call(request).await.reply, false);
    }
    let (response, mut stream) = client.begin(request, false).await;
    stream.send_data(Bytes::from_static(body.as_bytes()), true).expect("the stream is open");
    (h2::read(response).await.reply, false)
}

fn pairs(value: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let pairs = value.as_array().into_iter().flatten();
    pairs.map(|pair| (text(&pair[0]), text(&pair[1]))).collect()
}

/// Values that are made anew each time become those of the recordings.
fn normal(variant: &str, echoed: bool, headers: Vec<(String, String)>) -> Headers {
    let mut all = Headers::new();
    for (name, value) in headers {
        let value = match name.to_ascii_lowercase().as_str() {
            // That of an answer that echoes depends on who wrote it.
            "content-length" if echoed => continue,
            "date" if !value.starts_with("Mon, 01 Jan 2024") => "<date>".to_owned(),
            "x-envoy-upstream-service-time" if variant != "suppress-envoy-headers" => {
                "<ms>".to_owned()
            }
            "x-request-id" if value.len() == 36 && value.matches('-').count() == 4 => {
                "<uuid>".to_owned()
            }
            "x-forwarded-for" => value.replace("10.9.8.7", "<node-ip>"),
            _ => value,
        };
        all.entry(name).or_default().push(value);
    }
    all
}

/// What differs from a record.
fn differences(record: &Value, reply: &Reply, closed: bool, got: Option<&Got>) -> Vec<String> {
    let text = |key: &str| record[key].as_str().expect("text");
    let variant = text("hcm");
    let mut found = Vec::new();
    let mut compare = |what: &str, wanted: Headers, has: Headers| {
        if wanted != has {
            found.push(format!("{what}:\n    wanted {wanted:?}\n    has    {has:?}"));
        }
    };
    if let Some(wanted) = record["upstream_request_headers"].as_array() {
        let got = got.cloned().unwrap_or_default();
        let wanted = pairs(&Value::Array(wanted.clone()));
        let (wanted, has) =
            (normal(variant, false, wanted), normal(variant, false, got.headers.clone()));
        compare("the host's headers", wanted, has);
        let line = |line: Option<&str>| {
            BTreeMap::from([("line".to_owned(), vec![line.unwrap_or_default().to_owned()])])
        };
        compare(
            "the host's request line",
            line(record["upstream_request_line"].as_str()),
            line(got.line.as_deref()),
        );
    }
    let echoed = record.get("body").is_none() && reply.status == 200 && !reply.body.is_empty();
    compare(
        "the client's headers",
        normal(variant, echoed, pairs(&record["response_headers"])),
        normal(variant, echoed, reply.headers.clone()),
    );
    if record["response_status"] != u64::from(reply.status) {
        found.push(format!("status {}", reply.status));
    }
    if closed != (record["connection_closed_after"] == true && text("client") == "h1") {
        found.push(format!("closed after it: {closed}"));
    }
    found
}

fn listed<'a>(list: &[(&str, &str, &'a str)], case: &str, variant: &str) -> Option<&'a str> {
    let found = list.iter().find(|(known, of, _)| *known == case && (*of == "*" || *of == variant));
    found.map(|(_, _, why)| *why)
}

#[tokio::test]
async fn messages_have_the_headers_that_envoy_gives_them() {
    let data: Value =
        serde_json::from_str(include_str!("../../data/headers.json")).expect("the data is JSON");
    let mut rigs = BTreeMap::new();
    let (mut covered, mut excused, mut faults) = (0, BTreeMap::<_, usize>::new(), Vec::new());
    for record in data["records"].as_array().expect("a list") {
        let text = |key: &str| record[key].as_str().expect("text");
        let (case, variant) = (text("case"), text("hcm"));
        if !rigs.contains_key(variant) {
            rigs.insert(variant, Recorded::start(variant).await);
        }
        let recorded = &rigs[variant];
        let (reply, closed) = send(&recorded.rig, record).await;
        let last = if text("upstream") == "h1" { &recorded.http1 } else { &recorded.http2 };
        let found = differences(record, &reply, closed, last.take().as_ref());
        let what = format!("{case} {variant} {} to {}", text("client"), text("upstream"));
        let waits = listed(WAITING, case, variant);
        let departs = listed(DEPARTING, case, variant);
        match (waits, departs, found.is_empty()) {
            (Some(why), _, true) => faults.push(format!("{what} does not wait: {why}")),
            (Some(why), _, false) => *excused.entry(("waiting", why)).or_default() += 1,
            (None, _, true) => covered += 1,
            (None, Some(why), false) => *excused.entry(("departing", why)).or_default() += 1,
            (None, None, false) => faults.push(format!("{what}: {}", found.join("\n  "))),
        }
    }
    println!("headers.json: {covered} covered");
    for ((kind, why), count) in &excused {
        println!("headers.json: {count} {kind}: {why}");
    }
    assert!(faults.is_empty(), "{} records differ:\n{}", faults.len(), faults.join("\n"));
    assert_eq!(covered + excused.values().sum::<usize>(), 181, "every record");
}
