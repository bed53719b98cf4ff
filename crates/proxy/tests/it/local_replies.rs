//! Answers that the proxy makes itself, against those recorded from Envoy 1.40.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use destrier_policy::{
    ClusterChoice, DirectResponse, DropOverload, Percent, RouteAction, UpstreamProtocol,
    WeightedCluster,
};
use http::{Method, Request, Response, StatusCode};
use serde_json::Value;
use tokio::net::TcpStream;

use crate::access_log::{Log, RECORDED};
use crate::support::{
    Backend, Client, H2Client, Reply, Rig, cluster, forward, forward_with, h2, route, virtual_host,
};

/// What stands behind the route of a case.
enum Behind {
    /// No cluster of this name.
    Nothing,
    NoHosts,
    Unhealthy,
    /// A host that speaks HTTP/1.
    Http1(SocketAddr),
    /// A host that speaks HTTP/2.
    Http2(SocketAddr),
    Dropping,
    /// The limits: connections, pending, requests; so many requests block it.
    Limited([u32; 3], usize),
}

fn recorded() -> Value {
    serde_json::from_str(include_str!("../data/local-replies.json")).expect("the data is JSON")
}

async fn rig(name: &str, behind: Behind, log: &Log) -> (Rig, Vec<Client>) {
    let mut builder = Rig::builder();
    let mut blocking = 0;
    let protocol = match behind {
        Behind::Http2(_) => UpstreamProtocol::Http2,
        _ => UpstreamProtocol::Http1,
    };
    let mut policy = cluster(name, protocol);
    builder = match behind {
        Behind::Nothing => builder,
        Behind::NoHosts => builder.cluster(policy, &[]),
        Behind::Unhealthy => {
            policy.common_lb.healthy_panic_threshold = Percent::ZERO;
            builder.unhealthy_cluster(policy, &[([127, 0, 0, 1], 1).into()])
        }
        Behind::Http1(host) | Behind::Http2(host) => builder.cluster(policy, &[host]),
        Behind::Dropping => {
            let drop = DropOverload { category: "c".into(), share: Percent::HUNDRED };
            builder
                .cluster(policy, &[([127, 0, 0, 1], 1).into()])
                .endpoints(name, |endpoints| endpoints.drop_overload = Some(drop))
        }
        Behind::Limited(limits, count) => {
            blocking = count;
            let thresholds = &mut policy.circuit_breakers.thresholds[0];
            thresholds.max_connections = limits[0];
            thresholds.max_pending_requests = limits[1];
            thresholds.max_requests = limits[2];
            let silent = Backend::start(|mut peer| async move { peer.closed().await }).await;
            builder.cluster(policy, &[silent.address])
        }
    };
    let action = match name {
        "direct-response" => direct(418, "teapot"),
        "direct-response-503" => direct(503, ""),
        "weighted-cluster-not-found" => forward_with(name, |action| {
            let clusters =
                Box::from([WeightedCluster::new(name.into(), 1)]);
            action.cluster = ClusterChoice::Weighted { clusters, total: 1 };
        }),
        "route-timeout" | "route-timeout-after-headers" => {
            forward_with(name, |action| action.timeout = Some(Duration::from_millis(300)))
        }
        "route-idle-timeout" => forward_with(name, |action| {
            action.idle_timeout = Some(Duration::from_millis(300));
            action.timeout = None;
        }),
        _ => forward(name),
    };
    let domain = if name == "no-vhost" { "elsewhere" } else { "*" };
    let prefix = if name == "no-route" { "/elsewhere" } else { "/" };
    let hosts = vec![virtual_host("v", &[domain], vec![route(prefix, action)])];
    let rig = builder.http_hosts(hosts, |policy| policy.access_log = log.policies()).start().await;
    let mut blockers = Vec::new();
    for _ in 0..blocking {
        let mut client = rig.client().await;
        client.send("GET / HTTP/1.1\r\nhost: h\r\n\r\n").await;
        blockers.push(client);
        let active = blockers.len() as u64;
        let rig = &rig;
        crate::support::until(|| rig.stat("http.in.downstream_rq_active") == active).await;
    }
    (rig, blockers)
}

fn direct(status: u16, body: &str) -> RouteAction {
    RouteAction::Direct(DirectResponse {
        status: StatusCode::from_u16(status).expect("a status"),
        body: body.as_bytes().into(),
    })
}

/// Compares one answer with the recorded one.
fn compare(what: &str, wanted: &Value, got: &Reply, reset: Option<u32>) {
    assert_eq!(wanted["status"], got.status, "{what}: status");
    assert_eq!(wanted["body"].as_str().unwrap_or_default(), got.text(), "{what}: body");
    // Envoy knows no teapot.
    if let Some(reason) = wanted["reason"].as_str().filter(|reason| *reason != "Unknown") {
        assert_eq!(reason, got.reason, "{what}: reason");
    }
    let volatile = |name: &str, value: &str| match name {
        "date" | "x-envoy-upstream-service-time" => format!("{name}: volatile"),
        _ => format!("{name}: {value}"),
    };
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let wanted_headers = wanted["headers"].as_array().expect("headers").iter();
    let mut wanted_headers: Vec<_> =
        wanted_headers.map(|pair| volatile(&text(&pair[0]), &text(&pair[1]))).collect();
    let mut headers: Vec<_> =
        got.headers.iter().map(|(name, value)| volatile(name, value)).collect();
    wanted_headers.sort();
    headers.sort();
    assert_eq!(wanted_headers, headers, "{what}: headers");
    let cut = wanted["body_cut"] == true || wanted["stream_reset"].is_number();
    assert_eq!(cut, !got.whole, "{what}: cut");
    assert_eq!(wanted["stream_reset"].as_u64(), reset.map(u64::from), "{what}: reset");
}

async fn check(name: &str, behind: Behind) {
    let all = recorded();
    let replies = all["replies"].as_array().expect("a list");
    let wanted = replies.iter().find(|reply| reply["name"] == name).expect("it was recorded");
    let log = Log::new();
    let (rig, blockers) = rig(name, behind, &log).await;
    for kind in ["h1", "h2", "h1-grpc", "h2-grpc"] {
        let what = format!("{name} {kind}");
        let wanted = &wanted["answers"][kind];
        if kind.starts_with("h1") {
            let mut client = rig.client().await;
            let upgrade = match name {
                "upgrade-not-configured" => "connection: upgrade\r\nupgrade: websocket\r\n",
                _ => "",
            };
            client
                .send(match kind {
                    "h1" => format!("GET /x HTTP/1.1\r\nhost: h\r\n{upgrade}\r\n"),
                    _ => "POST /x HTTP/1.1\r\nhost: h\r\ncontent-type: application/grpc\r\n\
                          content-length: 0\r\n\r\n"
                        .into(),
                })
                .await;
            if !wanted.is_object() {
                continue;
            }
            let reply = client.reply().await;
            compare(&what, wanted, &reply, None);
            if wanted["connection_closed_after"] == true {
                assert!(client.closes().await, "{what}: closes");
            }
        } else if wanted.is_object() {
            let mut client = H2Client::connect(rig.address()).await;
            let request = Request::builder().uri("http://h/x");
            let request = match kind {
                "h2" => request,
                _ => request.method(Method::POST).header("content-type", "application/grpc"),
            };
            let got = client.call(request.body(()).expect("valid")).await;
            compare(&what, wanted, &got.reply, got.reset);
        }
        if wanted.is_object() {
            let line = log.next().await;
            compare_line(&what, &wanted["access_log"], &line);
        }
    }
    drop(blockers);
}

fn compare_line(what: &str, wanted: &Value, line: &Value) {
    for key in RECORDED {
        // Ports differ; `-` stands for none.
        if matches!(key, "upstream_host" | "method")
            // Envoy names the cluster of the route here; ours is looked up when it is used.
            || key == "upstream_cluster" && what.starts_with("upgrade-not-configured")
        {
            continue;
        }
        let of = |value: &Value| match &value[key] {
            Value::String(dash) if dash == "-" => Value::Null,
            other => other.clone(),
        };
        assert_eq!(of(wanted), of(line), "{what}: access log: {key}");
    }
    assert_eq!(wanted["upstream_host"].is_null(), line["upstream_host"].is_null(), "{what}: host");
}

#[tokio::test]
async fn without_a_route_or_a_cluster() {
    for name in ["no-vhost", "no-route", "cluster-not-found", "weighted-cluster-not-found"] {
        check(name, Behind::Nothing).await;
    }
}

#[tokio::test]
async fn direct_responses() {
    for name in ["direct-response", "direct-response-503"] {
        check(name, Behind::Nothing).await;
    }
}

#[tokio::test]
async fn without_a_usable_host() {
    check("no-hosts", Behind::NoHosts).await;
    check("no-healthy-host", Behind::Unhealthy).await;
    check("drop-overload", Behind::Dropping).await;
}

#[tokio::test]
async fn without_a_connection() {
    check("connect-refused", Behind::Http1(Backend::refusing().await)).await;
    check("connect-refused-h2-upstream", Behind::Http2(Backend::refusing().await)).await;
}

#[tokio::test]
async fn when_nobody_answers_the_connection_request() {
    // A queue of one that is full: the system drops further requests to connect.
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None);
    let socket = socket.expect("a socket");
    let any: SocketAddr = ([127, 0, 0, 1], 0).into();
    socket.bind(&any.into()).expect("port 0 is always free");
    socket.listen(0).expect("it is bound");
    let address = socket.local_addr().ok().and_then(|address| address.as_socket());
    let address = address.expect("it is bound");
    let _in_queue = TcpStream::connect(address).await.expect("there is one place");
    check("connect-timeout", Behind::Http1(address)).await;
}

/// A backend that reads a request and answers these bytes, then ends in this way.
async fn answering(answer: impl AsRef<[u8]>, end: End) -> Behind {
    let answer = Bytes::copy_from_slice(answer.as_ref());
    let backend = Backend::start(move |mut peer| {
        let answer = answer.clone();
        async move {
            if end == End::AtOnce {
                return;
            }
            let _ = peer.request().await;
            peer.send(&answer).await;
            match end {
                End::Stays => peer.closed().await,
                End::Resets => {
                    // What was sent must be read before the reset, which discards it.
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    peer.reset();
                }
                End::Closes | End::AtOnce => {}
            }
        }
    })
    .await;
    Behind::Http1(backend.address)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    AtOnce,
    Closes,
    Resets,
    Stays,
}

#[tokio::test]
async fn when_the_host_ends_before_its_answer() {
    check("close-on-accept", answering("", End::AtOnce).await).await;
    check("reset-before-headers", answering("", End::Closes).await).await;
    check("reset-before-headers-rst", answering("", End::Resets).await).await;
}

#[tokio::test]
async fn when_the_host_ends_in_its_answer() {
    let cut = "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n0123456789";
    check("reset-after-headers", answering(cut, End::Closes).await).await;
    check("reset-after-headers-rst", answering(cut, End::Resets).await).await;
    let cut = "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n12345";
    check("route-timeout-after-headers", answering(cut, End::Stays).await).await;
}

#[tokio::test]
async fn when_the_answer_is_not_http() {
    let head = |headers: &str| format!("HTTP/1.1 200 OK\r\n{headers}\r\nok");
    let many: String = (0..150).map(|n| format!("x-{n}: 1\r\n")).collect();
    for (name, answer) in [
        ("upstream-garbage", "GARBAGE\r\n\r\n".to_owned()),
        ("upstream-bad-header", head("content-length: 2\r\nbad header: 1\r\n")),
        ("upstream-cl-te", head("content-length: 2\r\ntransfer-encoding: chunked\r\n")),
        ("upstream-two-content-lengths", head("content-length: 2\r\ncontent-length: 3\r\n")),
        ("upstream-big-header", head(&format!("x: {}\r\n", "a".repeat(100_000)))),
        ("upstream-many-headers", head(&many)),
    ] {
        check(name, answering(answer, End::Stays).await).await;
    }
}

#[tokio::test]
async fn when_time_runs_out() {
    check("route-timeout", answering("", End::Stays).await).await;
    check("route-idle-timeout", answering("", End::Stays).await).await;
}

#[tokio::test]
async fn when_a_limit_is_reached() {
    check("overflow-requests", Behind::Limited([1024, 1024, 1], 1)).await;
    check("overflow-pending", Behind::Limited([1, 1, 1024], 2)).await;
}

#[tokio::test]
async fn upgrades_that_are_not_configured() {
    check("upgrade-not-configured", Behind::Nothing).await;
}

async fn resetting(reason: ::h2::Reason) -> Behind {
    let address = h2::backend(move |(_, mut respond)| async move { respond.send_reset(reason) });
    Behind::Http2(address.await)
}

#[tokio::test]
async fn when_an_h2_host_resets() {
    for (name, reason) in [
        ("h2-rst-stream-cancel", ::h2::Reason::CANCEL),
        ("h2-rst-stream-internal", ::h2::Reason::INTERNAL_ERROR),
        ("h2-rst-stream-no-error", ::h2::Reason::NO_ERROR),
        ("h2-rst-stream-refused", ::h2::Reason::REFUSED_STREAM),
        ("h2-rst-stream-protocol", ::h2::Reason::PROTOCOL_ERROR),
        ("h2-rst-stream-enhance", ::h2::Reason::ENHANCE_YOUR_CALM),
    ] {
        check(name, resetting(reason).await).await;
    }
}

#[tokio::test]
async fn when_an_h2_host_resets_in_its_answer() {
    let address = h2::backend(|(_, mut respond)| async move {
        let mut body = respond.send_response(Response::new(()), false).expect("it is open");
        body.send_data(Bytes::from_static(b"01234"), false).expect("it is open");
        tokio::time::sleep(Duration::from_millis(50)).await;
        body.send_reset(::h2::Reason::INTERNAL_ERROR);
    });
    check("h2-rst-after-headers", Behind::Http2(address.await)).await;
}

#[tokio::test]
async fn what_is_no_request() {
    let text = include_str!("../data/local-replies-bad-requests.json");
    let all: Value = serde_json::from_str(text).expect("the data is JSON");
    let backend = Backend::echoing().await;
    let log = Log::new();
    let rig = Rig::builder()
        .cluster(cluster("ok-200", UpstreamProtocol::Http1), &[backend.address])
        .http_hosts(
            vec![virtual_host("v", &["ok-200"], vec![route("/", forward("ok-200"))])],
            |p| {
                p.access_log = log.policies();
            },
        )
        .start()
        .await;
    for case in all["bad_requests_http1"].as_array().expect("a list") {
        let name = case["name"].as_str().expect("text");
        let mut request = case["request"].as_str().expect("text").to_owned();
        match name {
            "101-headers" | "grpc-101-headers" => {
                let many: String = (0..101).map(|n| format!("x-{n}: 1\r\n")).collect();
                request = format!("GET / HTTP/1.1\r\nhost: ok-200\r\n{many}\r\n");
            }
            "header-61k" => {
                let long = "a".repeat(61_500);
                request = format!("GET / HTTP/1.1\r\nhost: ok-200\r\nx: {long}\r\n\r\n");
            }
            "header-59k" => {
                let long = "a".repeat(59_000);
                request = format!("GET / HTTP/1.1\r\nhost: ok-200\r\nx: {long}\r\n\r\n");
            }
            _ => {}
        }
        let mut client = rig.client().await;
        let bytes: Vec<u8> = request.chars().map(|c| c as u8).collect();
        client.send(bytes).await;
        let mut reply = client.reply().await;
        if reply.status == 100 {
            reply = client.reply().await;
        }
        let line = log.next().await;
        // Where Envoy is lenient we are not: Envoy forwards these.
        let (status, details) = match name {
            "folded-header" | "lf-only" | "two-hosts" => (400, "http1.codec_error".into()),
            _ => (
                case["status"].as_u64().expect("a number"),
                case["access_log"][0]["details"].clone(),
            ),
        };
        assert_eq!(status, u64::from(reply.status), "{name}");
        assert_eq!(details, line["details"], "{name}");
        if status == 200
            || !case["headers"].is_array()
            || reply.status == 400 && case["status"] != 400
        {
            continue;
        }
        compare(name, case, &reply, None);
        assert_eq!(case["access_log"][0]["flags"], line["flags"], "{name}");
    }
}
