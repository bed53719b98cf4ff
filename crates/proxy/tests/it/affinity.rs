//! Clients that keep to their host, and clients that name it.

use std::net::SocketAddr;
use std::time::Duration;

use destrier_policy::{
    ClusterChoice, ClusterPolicy, Discovery, HashPolicy, HashSource, HashedHeader, LbPolicy,
    MadeCookie, OriginalDstOptions, Route, RouteAction, UpstreamProtocol,
};
use http::HeaderName;

use crate::support::{Backend, Rig, cluster, forward, route, until};

/// A backend that says its name, and the rig of three in a ring.
async fn ring(policies: Vec<HashPolicy>) -> (Rig, Vec<Backend>) {
    let mut backends = Vec::new();
    for name in ["a", "b", "c"] {
        let answer = format!("HTTP/1.1 200 OK\r\nx-name: {name}\r\ncontent-length: 0\r\n\r\n");
        backends.push(Backend::answering(answer).await);
    }
    let lb = LbPolicy::RingHash {
        minimum_ring_size: 1024,
        maximum_ring_size: 8 << 20,
        hash_function: Default::default(),
        hashing: Default::default(),
    };
    let policy = ClusterPolicy { lb, ..cluster("c", UpstreamProtocol::Http1) };
    let addresses: Vec<SocketAddr> = backends.iter().map(|backend| backend.address).collect();
    let rig = Rig::builder()
        .cluster(policy, &addresses)
        .http(vec![hashed(policies)], |_| {})
        .start()
        .await;
    (rig, backends)
}

fn hashed(policies: Vec<HashPolicy>) -> Route {
    let mut route = route("/", forward("c"));
    let RouteAction::Forward(action) = &mut route.action else { panic!("it forwards") };
    action.hash = policies.into();
    route
}

fn policy(source: HashSource) -> HashPolicy {
    HashPolicy { source, terminal: false }
}

#[tokio::test]
async fn a_header_keeps_a_client_to_its_host() {
    let name = HashedHeader::Name(HeaderName::from_static("x-user"));
    let (rig, _backends) = ring(vec![policy(HashSource::Header { name, rewrite: None })]).await;
    let mut client = rig.client().await;
    let mut seen = std::collections::HashSet::new();
    for user in 0..20 {
        let mut hosts = std::collections::HashSet::new();
        for _ in 0..3 {
            client.send(&format!("GET / HTTP/1.1\r\nhost: h\r\nx-user: {user}\r\n\r\n")).await;
            let reply = client.reply().await;
            hosts.insert(reply.header("x-name").expect("it says its name").to_owned());
        }
        assert_eq!(hosts.len(), 1, "user {user} met {hosts:?}");
        seen.extend(hosts);
    }
    assert_eq!(seen.len(), 3);
}

#[tokio::test]
async fn a_cookie_that_is_made_leads_back_to_the_same_host() {
    let made = MadeCookie {
        max_age: 60,
        path: "/p".into(),
        attributes: Box::from([("SameSite".into(), "Strict".into())]),
    };
    let cookie = HashSource::Cookie { name: "s".into(), made: Some(made) };
    let (rig, _backends) = ring(vec![policy(cookie)]).await;
    for _ in 0..10 {
        let mut client = rig.client().await;
        let reply = client.get("/").await;
        let name = reply.header("x-name").expect("it says its name").to_owned();
        let cookie = reply.header("set-cookie").expect("one is made").to_owned();
        let value = cookie.strip_prefix("s=\"").and_then(|rest| rest.get(..16)).expect("a value");
        assert_eq!(
            cookie,
            format!("s=\"{value}\"; Max-Age=60; Path=/p; SameSite=Strict; HttpOnly")
        );
        assert!(value.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f')), "{value}");
        client.send(&format!("GET / HTTP/1.1\r\nhost: h\r\ncookie: s=\"{value}\"\r\n\r\n")).await;
        let reply = client.reply().await;
        assert_eq!(reply.header("x-name"), Some(&*name));
        assert_eq!(reply.header("set-cookie"), None);
    }
}

/// An ORIGINAL_DST cluster whose hosts a header names.
fn by_header(cleanup_interval: Duration) -> ClusterPolicy {
    let header = Some(HeaderName::from_static("x-envoy-original-dst-host"));
    let options = OriginalDstOptions { header, port: None, cleanup_interval };
    ClusterPolicy {
        discovery: Discovery::OriginalDst(options),
        lb: LbPolicy::ClusterProvided,
        ..cluster("c", UpstreamProtocol::Http1)
    }
}

#[tokio::test]
async fn a_header_names_the_host() {
    let backend = Backend::answering("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let rig = Rig::to(by_header(Duration::from_secs(5)), &[]).await;
    let mut client = rig.client().await;
    let named = |host: &str| {
        format!("GET / HTTP/1.1\r\nhost: h\r\nx-envoy-original-dst-host: {host}\r\n\r\n")
    };
    client.send(&named(&backend.address.to_string())).await;
    assert_eq!(client.reply().await.status, 200);
    until(|| rig.cluster_stat("c", "membership_total") == 1).await;
    client.send(&named("nowhere")).await;
    assert_eq!(client.reply().await.status, 503);
    assert_eq!(rig.cluster_stat("c", "original_dst_host_invalid"), 1);
    assert_eq!(client.get("/").await.status, 503);
    assert_eq!(rig.cluster_stat("c", "upstream_cx_none_healthy"), 2);
    assert_eq!(rig.cluster_stat("c", "upstream_rq_total"), 1);
}

#[tokio::test]
async fn a_host_that_nobody_uses_goes() {
    let closing = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
    let backend = Backend::answering(closing).await;
    let rig = Rig::to(by_header(Duration::from_millis(20)), &[]).await;
    let mut client = rig.client().await;
    let host = backend.address;
    client
        .send(&format!("GET / HTTP/1.1\r\nhost: h\r\nx-envoy-original-dst-host: {host}\r\n\r\n"))
        .await;
    assert_eq!(client.reply().await.status, 200);
    // It came and went.
    until(|| rig.cluster_stat("c", "membership_change") == 2).await;
    assert_eq!(rig.cluster_stat("c", "membership_total"), 0);
}

#[tokio::test]
async fn a_connection_that_was_not_redirected_has_no_destination() {
    let policy = ClusterPolicy {
        discovery: Discovery::OriginalDst(OriginalDstOptions::default()),
        lb: LbPolicy::ClusterProvided,
        ..cluster("c", UpstreamProtocol::Http1)
    };
    let rig = Rig::builder()
        .cluster(policy, &[])
        .tcp(ClusterChoice::One("c".into()), |_| {})
        .start()
        .await;
    let mut client = rig.client().await;
    assert_eq!(client.rest().await, b"");
    until(|| rig.cluster_stat("c", "upstream_cx_none_healthy") == 1).await;
}
