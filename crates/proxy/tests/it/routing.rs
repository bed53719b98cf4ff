//! What routes do with requests, over sockets. Expectations are answers that Envoy 1.40 gave to the same.

use std::sync::Arc;
use std::time::Duration;

use destrier_policy::{
    AppendAction, ClusterChoice, DirectResponse, FormatOperator, FormatPart, HeaderAddition,
    HeaderFormat, HeaderKey, HeaderMutation, HeaderMutations, HeaderPick, Redirect, RedirectPath,
    RequireTls, Route, RouteAction, StreamDuration, UpstreamProtocol, VirtualHost, WeightedCluster,
};
use http::{HeaderName, HeaderValue, StatusCode};

use crate::support::{Backend, Reply, Rig, cluster, forward, forward_with, route, virtual_host};

fn add(name: &'static str, value: HeaderFormat, action: AppendAction) -> HeaderAddition {
    HeaderAddition { name: HeaderName::from_static(name), value, action, keep_empty: false }
}

fn literal(value: &'static str) -> HeaderFormat {
    HeaderFormat::Literal(HeaderValue::from_static(value))
}

/// `%REQ(:path)%`.
fn path() -> HeaderFormat {
    let pick = HeaderPick { name: HeaderKey::Path, alternative: None };
    HeaderFormat::Parts(Box::from([FormatPart::Operator(FormatOperator::Request(pick), None)]))
}

fn level(add: Vec<HeaderAddition>) -> Box<[Arc<HeaderMutation>]> {
    Box::from([Arc::new(HeaderMutation { remove: Box::default(), add: add.into() })])
}

/// Changes answers with one level.
fn answering(mut route: Route, additions: Vec<HeaderAddition>) -> Route {
    route.mutations = HeaderMutations::new(Box::default(), level(additions)).map(Box::new);
    route
}

/// A virtual host with `include_attempt_count_in_response`.
async fn rig(routes: Vec<Route>) -> Rig {
    let host =
        VirtualHost { attempt_count_in_response: true, ..virtual_host("all", &["*"], routes) };
    let backend = Backend::echoing().await;
    let slow = Backend::start(|mut peer| async move { while peer.head().await.is_some() {} }).await;
    Rig::builder()
        .cluster(cluster("c", UpstreamProtocol::Http1), &[backend.address])
        .cluster(cluster("slow", UpstreamProtocol::Http1), &[slow.address])
        .cluster(cluster("down", UpstreamProtocol::Http1), &[])
        .http_hosts(vec![host], |_| {})
        .start()
        .await
}

async fn get(rig: &Rig, path: &str) -> Reply {
    rig.client().await.get(path).await
}

#[tokio::test]
async fn a_route_answers_itself() {
    let direct =
        |status, body: &[u8]| RouteAction::Direct(DirectResponse { status, body: body.into() });
    let redirect = Redirect {
        scheme: Some("https".into()),
        path: RedirectPath::Whole("/p?own".into()),
        status: StatusCode::FOUND,
        ..Redirect::default()
    };
    let html = vec![
        add("content-type", literal("text/html"), AppendAction::Overwrite),
        add("content-length", literal("3"), AppendAction::Append),
        add("x-d", path(), AppendAction::Append),
    ];
    let rig = rig(vec![
        answering(route("/page", direct(StatusCode::OK, b"<b>hi</b>")), html),
        route("/made", direct(StatusCode::CREATED, b"")),
        route("/away", RouteAction::Redirect(Box::new(redirect))),
    ])
    .await;
    let page = get(&rig, "/page?x").await;
    assert_eq!((page.status, page.text()), (200, "<b>hi</b>"));
    assert_eq!(page.header("content-type"), Some("text/html"));
    assert_eq!(page.header("x-d"), Some("/page?x"));
    assert_eq!(page.header("x-envoy-attempt-count"), None, "nothing was sent");
    let made = get(&rig, "/made").await;
    assert_eq!((made.status, made.header("location")), (201, Some("http://test/made")));
    let away = get(&rig, "/away?q").await;
    assert_eq!((away.status, away.header("location")), (302, Some("https://test/p?own")));
    assert_eq!((away.header("content-type"), away.body.len()), (None, 0));
    assert_eq!(rig.stat("http.in.rq_direct_response"), 3);
}

#[tokio::test]
async fn local_answers_have_a_routes_headers_and_attempts_that_were_made() {
    let with = || vec![add("x-d", literal("d"), AppendAction::Append)];
    let not_found = forward_with("nobody", |action| {
        action.cluster_not_found = StatusCode::NOT_FOUND;
    });
    let late = forward_with("slow", |action| action.timeout = Some(Duration::from_millis(50)));
    let long = forward_with("slow", |action| {
        let max = Some(Duration::from_millis(50));
        action.stream_duration = Some(StreamDuration { max, grpc: None });
    });
    let idle = forward_with("slow", |action| action.idle_timeout = Some(Duration::from_millis(50)));
    let rig = rig(vec![
        answering(route("/down", forward("down")), with()),
        answering(route("/nobody", not_found), with()),
        answering(route("/late", late), with()),
        answering(route("/long", long), with()),
        answering(route("/idle", idle), with()),
    ])
    .await;
    for (path, status, body, attempts) in [
        ("/down", 503, "no healthy upstream", Some("1")),
        ("/nobody", 404, "", None),
        ("/late", 504, "upstream request timeout", Some("1")),
        ("/long", 504, "downstream duration timeout", None),
        ("/idle", 504, "stream timeout", None),
    ] {
        let reply = get(&rig, path).await;
        assert_eq!((reply.status, reply.text()), (status, body), "{path}");
        assert_eq!(reply.header("x-d"), Some("d"), "{path}");
        assert_eq!(reply.header("x-envoy-attempt-count"), attempts, "{path}");
    }
    assert_eq!(rig.stat("http.in.downstream_rq_max_duration_reached"), 1);
}

#[tokio::test]
async fn a_weighted_cluster_changes_headers_before_its_route() {
    let order = |value| add("x-order", literal(value), AppendAction::Append);
    let wins = |value| add("x-win", literal(value), AppendAction::Overwrite);
    let of = |value| level(vec![order(value), wins(value)]);
    let mut choice = WeightedCluster::new("c".into(), 1);
    choice.mutations = HeaderMutations::new(of("weighted"), Box::default()).map(Box::new);
    choice.host_rewrite = Some(HeaderValue::from_static("whost"));
    let mut weighted = route(
        "/",
        forward_with("c", |action| {
            action.cluster = ClusterChoice::Weighted { clusters: Box::from([choice]), total: 1 };
        }),
    );
    weighted.mutations = HeaderMutations::new(of("route"), level(vec![wins("r")])).map(Box::new);
    let rig = rig(vec![weighted]).await;
    let reply = get(&rig, "/").await;
    let seen = reply.text();
    assert!(seen.contains("x-order: weighted\r\nx-order: route\r\n"), "{seen}");
    assert!(seen.contains("x-win: route\r\n") && seen.contains("host: whost\r\n"), "{seen}");
    assert!(!seen.contains("x-envoy-original-host"), "{seen}");
    assert_eq!(reply.header("x-win"), Some("r"));
    assert_eq!(reply.header("x-envoy-attempt-count"), Some("1"));
}

#[tokio::test]
async fn a_host_that_wants_tls_sends_others_there() {
    let backend = Backend::echoing().await;
    let host = VirtualHost {
        require_tls: RequireTls::All,
        ..virtual_host("tls", &["*"], vec![route("/", forward("c"))])
    };
    let rig = Rig::builder()
        .cluster(cluster("c", UpstreamProtocol::Http1), &[backend.address])
        .http_hosts(vec![host], |_| {})
        .start()
        .await;
    let away = get(&rig, "/zz?q").await;
    assert_eq!((away.status, away.header("location")), (301, Some("https://test/zz?q")));
    let mut client = rig.client().await;
    client.send("GET / HTTP/1.1\r\nhost: h\r\nx-forwarded-proto: https\r\n\r\n").await;
    assert_eq!(client.reply().await.status, 200);
}

#[tokio::test]
async fn some_headers_are_for_internal_clients_alone() {
    let backend = Backend::echoing().await;
    let rig = Rig::builder()
        .cluster(cluster("c", UpstreamProtocol::Http1), &[backend.address])
        .http(vec![route("/", forward("c"))], |manager| {
            let mut table = (*manager.routes).clone();
            table.internal_only_headers = Box::from([HeaderName::from_static("x-admin")]);
            manager.routes = Arc::new(table);
        })
        .start()
        .await;
    let mut client = rig.client().await;
    client.send("GET / HTTP/1.1\r\nhost: h\r\nx-admin: 1\r\nx-other: 1\r\n\r\n").await;
    let seen = client.reply().await.text().to_owned();
    assert!(!seen.contains("x-admin") && seen.contains("x-other"), "{seen}");
}
