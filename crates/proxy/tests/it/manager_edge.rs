//! What a connection manager makes of requests and answers before and behind the routes, as measured with
//! Envoy 1.40.

use destrier_policy::{
    AddressForm, Cidr, EscapedSlashes, Format, FormatOperator, FormatPart, ForwardClientCert,
    HcmPolicy, HeaderCase, JsonTemplate, PathForm, Peer, Scheme, ServerHeader, StripPort,
    UpstreamProtocol,
};
use destrier_proxy::NodeIdentity;

use crate::access_log::Log;
use crate::support::{Backend, H2Client, Reply, Rig, cluster, forward, h2, route, virtual_host};

async fn rig(change: impl FnOnce(&mut HcmPolicy)) -> Rig {
    let backend = Backend::echoing().await;
    let clusters =
        Rig::builder().cluster(cluster("c", UpstreamProtocol::Http1), &[backend.address]);
    clusters.http(vec![route("/", forward("c"))], change).start().await
}

/// A request with further headers; the answer's body is the request that the host got.
async fn ask(rig: &Rig, line: &str, headers: &[(&str, &str)]) -> Reply {
    let mut request = format!("{line}\r\n");
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    let mut client = rig.client().await;
    client.send(request + "\r\n").await;
    client.reply().await
}

/// The value of a header that the host got.
fn got<'a>(reply: &'a Reply, name: &str) -> Option<&'a str> {
    let lines = reply.text().split("\r\n").skip(1);
    let found = lines.filter_map(|line| line.split_once(": "));
    let mut found = found.filter(|(known, _)| known.eq_ignore_ascii_case(name));
    found.next().map(|(_, value)| value)
}

const GET: &str = "GET / HTTP/1.1";
const HOST: (&str, &str) = ("host", "h");

#[tokio::test]
async fn the_host_gets_the_normal_path_and_host() {
    let rig = rig(|policy| {
        policy.path = PathForm { normalize: true, merge_slashes: true, ..PathForm::default() };
        policy.host.strip_port = StripPort::Any;
        policy.host.strip_trailing_dot = true;
    })
    .await;
    let reply = ask(&rig, "GET /a/../b//%41?x=/../y HTTP/1.1", &[("host", "h.:81")]).await;
    assert!(reply.text().starts_with("GET /b/A?x=/../y HTTP/1.1\r\n"), "{}", reply.text());
    assert_eq!(got(&reply, "host"), Some("h"));
    let reply = ask(&rig, "GET /a%00b HTTP/1.1", &[HOST]).await;
    assert_eq!((reply.status, reply.header("connection")), (400, Some("close")));
}

#[tokio::test]
async fn routes_and_virtual_hosts_are_chosen_by_the_normal_form() {
    let backend = h2::echo().await;
    let routes = vec![route("/in", forward("c"))];
    let rig = Rig::builder()
        .cluster(cluster("c", UpstreamProtocol::Http2), &[backend])
        .http_hosts(vec![virtual_host("v", &["h"], routes)], |policy| {
            policy.path.normalize = true;
            policy.host.strip_port = StripPort::Any;
        })
        .start()
        .await;
    let mut client = H2Client::connect(rig.address()).await;
    let reply = client.get("http://h:81/out/../in/%61").await.reply;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.header("got-path"), Some("/in/a"));
    assert_eq!(reply.header("got-authority"), Some("h"));
    assert_eq!(client.get("http://h:81/in/../out").await.reply.status, 404);
}

#[tokio::test]
async fn escaped_slashes_send_the_client_elsewhere_or_away() {
    let rig = rig(|policy| policy.path.escaped_slashes = EscapedSlashes::UnescapeAndRedirect).await;
    let reply = ask(&rig, "GET /a%2fb?q=1 HTTP/1.1", &[HOST]).await;
    assert_eq!((reply.status, reply.header("location")), (307, Some("/a/b?q=1")));
    assert_eq!(reply.header("connection"), None);
    assert_eq!(rig.stat("http.in.downstream_rq_redirected_with_normalized_path"), 1);
    let grpc = ("content-type", "application/grpc");
    let reply = ask(&rig, "GET /a%2fb HTTP/1.1", &[HOST, grpc]).await;
    assert_eq!((reply.status, reply.header("grpc-status")), (200, Some("13")));
    let rig = self::rig(|policy| policy.path.escaped_slashes = EscapedSlashes::RejectRequest).await;
    let reply = ask(&rig, "GET /a%5Cb HTTP/1.1", &[HOST]).await;
    assert_eq!((reply.status, reply.header("connection")), (400, Some("close")));
}

#[tokio::test]
async fn a_trusted_hop_says_who_the_client_is() {
    let rig = rig(|policy| {
        policy.use_remote_address = true;
        policy.xff_num_trusted_hops = 1;
        policy.append_x_forwarded_port = true;
    })
    .await;
    let forwarded = ("x-forwarded-for", "8.8.8.8, 10.0.0.1");
    let reply = ask(&rig, GET, &[HOST, forwarded, ("x-forwarded-proto", "https")]).await;
    assert_eq!(got(&reply, "x-forwarded-for"), Some("8.8.8.8, 10.0.0.1,10.9.8.7"));
    assert_eq!(got(&reply, "x-envoy-external-address"), Some("10.0.0.1"));
    assert_eq!(got(&reply, "x-forwarded-proto"), Some("https"));
    let port = rig.address().port().to_string();
    assert_eq!(got(&reply, "x-forwarded-port"), Some(&*port));
}

#[tokio::test]
async fn the_log_says_whom_the_request_is_from() {
    let log = Log::new();
    let rig = rig(|policy| {
        let mut one = log.policies().into_vec().remove(0);
        let remote = FormatOperator::Address(Peer::DownstreamRemote, AddressForm::Whole);
        let direct =
            FormatOperator::Address(Peer::DownstreamDirectRemote, AddressForm::WithoutPort(None));
        let field =
            |operator| JsonTemplate::Text(Box::from([FormatPart::Operator(operator, None)]));
        let fields = [("remote".into(), field(remote)), ("direct".into(), field(direct))];
        one.format = Format::json(JsonTemplate::Object(Box::from(fields)));
        policy.access_log = Box::from([one]);
    })
    .await;
    ask(&rig, GET, &[HOST, ("x-forwarded-for", "8.8.8.8, 10.0.0.1")]).await;
    let line = log.next().await;
    assert_eq!(line["remote"], "10.0.0.1:0", "no header says the port");
    assert_eq!(line["direct"], "127.0.0.1");
}

#[tokio::test]
async fn an_internal_client_is_believed() {
    let loopback = Cidr::new([127, 0, 0, 0].into(), 8).expect("eight of 32");
    let rig = rig(|policy| {
        policy.use_remote_address = true;
        policy.internal_addresses.ranges = Box::from([loopback]);
    })
    .await;
    let own = [HOST, ("x-envoy-force-trace", "true"), ("x-request-id", "mine")];
    let reply = ask(&rig, GET, &own).await;
    assert_eq!(got(&reply, "x-envoy-internal"), Some("true"));
    assert_eq!(got(&reply, "x-envoy-force-trace"), Some("true"));
    assert_eq!(got(&reply, "x-request-id"), Some("mine"));
    assert_eq!(got(&reply, "x-envoy-external-address"), None);
    assert_eq!(reply.header("x-request-id"), Some("mine"), "who forces a trace is told its id");
    let forwarded = [&own[..], &[("x-forwarded-for", "127.0.0.9")]].concat();
    let reply = ask(&rig, GET, &forwarded).await;
    assert_eq!(got(&reply, "x-envoy-internal"), None, "it came through a proxy");
    assert_eq!(got(&reply, "x-envoy-force-trace"), None);
    assert_ne!(got(&reply, "x-request-id"), Some("mine"));
    assert_eq!(reply.header("x-request-id"), None);
}

#[tokio::test]
async fn what_the_manager_says_of_itself() {
    let rig = rig(|policy| {
        policy.via = Some("demo".into());
        policy.server_header = ServerHeader::PassThrough;
        policy.always_set_request_id_in_response = true;
        policy.scheme = Some(Scheme::Https);
        policy.suppress_envoy_headers = true;
    })
    .await;
    let reply = ask(&rig, GET, &[HOST, ("via", "1.1 other"), ("x-request-id", "mine")]).await;
    assert_eq!(got(&reply, "via"), Some("1.1 other, demo"));
    assert_eq!(got(&reply, "x-forwarded-proto"), Some("https"));
    assert_eq!(got(&reply, "x-envoy-expected-rq-timeout-ms"), None);
    for name in ["server", "x-envoy-upstream-service-time"] {
        assert_eq!(reply.header(name), None, "{name}");
    }
    assert_eq!((reply.header("via"), reply.header("x-request-id")), (Some("demo"), Some("mine")));
}

#[tokio::test]
async fn certificates_that_a_client_claims() {
    let claim = ("x-forwarded-client-cert", "By=x");
    for (handling, wanted) in
        [(ForwardClientCert::Sanitize, None), (ForwardClientCert::AlwaysForwardOnly, Some("By=x"))]
    {
        let rig = rig(|policy| policy.forward_client_cert = handling).await;
        let reply = ask(&rig, GET, &[HOST, claim]).await;
        assert_eq!(got(&reply, "x-forwarded-client-cert"), wanted, "{handling:?}");
    }
}

#[tokio::test]
async fn the_node_as_user_agent() {
    let backend = Backend::echoing().await;
    let node = NodeIdentity { id: "n".into(), cluster: "c".into(), ..NodeIdentity::default() };
    let rig = Rig::builder()
        .cluster(cluster("c", UpstreamProtocol::Http1), &[backend.address])
        .node(node)
        .http(vec![route("/", forward("c"))], |policy| policy.add_user_agent = true)
        .start()
        .await;
    let reply = ask(&rig, GET, &[HOST]).await;
    assert_eq!(got(&reply, "user-agent"), Some("c"));
    assert_eq!(got(&reply, "x-envoy-downstream-service-cluster"), Some("c"));
    assert_eq!(got(&reply, "x-envoy-downstream-service-node"), Some("n"));
    let reply = ask(&rig, GET, &[HOST, ("user-agent", "mine")]).await;
    assert_eq!(got(&reply, "user-agent"), Some("mine"));
}

#[tokio::test]
async fn names_in_proper_case() {
    let backend = Backend::echoing().await;
    let mut upstream = cluster("c", UpstreamProtocol::Http1);
    upstream.http.http1.header_case = HeaderCase::ProperWords;
    let rig = Rig::builder()
        .cluster(upstream, &[backend.address])
        .http(vec![route("/", forward("c"))], |policy| {
            policy.http1.header_case = HeaderCase::ProperWords;
        })
        .start()
        .await;
    let reply = ask(&rig, GET, &[HOST, ("x-a", "b")]).await;
    assert!(reply.text().contains("\r\nX-A: b\r\n"), "{}", reply.text());
    let names: Vec<_> = reply.headers.iter().map(|(name, _)| name.as_str()).collect();
    assert!(names.contains(&"X-Envoy-Upstream-Service-Time"), "{names:?}");
    assert!(names.contains(&"Content-Length"), "{names:?}");
}

#[tokio::test]
async fn an_old_client() {
    let rig = rig(|policy| {
        policy.http1.accept_http_10 = true;
        policy.http1.default_host_for_http_10 = Some("old.example".into());
    })
    .await;
    let mut client = rig.client().await;
    client.send("GET / HTTP/1.0\r\n\r\n").await;
    let answer = String::from_utf8(client.rest().await).expect("text");
    assert!(answer.starts_with("HTTP/1.0 200 OK\r\n"), "{answer}");
    assert!(answer.contains("connection: close\r\n"), "{answer}");
    assert!(answer.to_ascii_lowercase().contains("\r\nhost: old.example\r\n"), "{answer}");
}

#[tokio::test]
async fn absolute_targets_where_they_are_not_allowed() {
    let rig = rig(|policy| policy.http1.disallow_absolute_url = true).await;
    let reply = ask(&rig, "GET http://x/abs HTTP/1.1", &[HOST]).await;
    assert_eq!((reply.status, reply.header("connection")), (404, None));
    assert_eq!(rig.stat("http.in.downstream_rq_non_relative_path"), 1);
}

#[tokio::test]
async fn other_expectations_are_the_hosts() {
    let rig = rig(|_| {}).await;
    let reply = ask(&rig, GET, &[HOST, ("expect", "something")]).await;
    assert_eq!(got(&reply, "expect"), Some("something"));
}
