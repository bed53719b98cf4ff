//! What a real istiod sent for a sidecar without interception: a request goes through.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use destrier::demo::config::{Ads, bootstrap, http_manager, listener, route, with_control_plane};
use destrier::demo::local::{LocalAgent, request};
use destrier_mock_xds::{MockXds, Variant, load_folder};
use destrier_testkit::{Backend, EchoTcp, Gate, RawConn, RawResponse};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::mesh::{PATIENCE, header, text, until};

const WEB: &str = "outbound|18080||web.demo.svc.cluster.local";
const API: &str = "outbound|18081||api.demo.svc.cluster.local";
const DB: &str = "outbound|18082||db.demo.svc.cluster.local";
const OWN: &str = "outbound|18090||own.demo.svc.cluster.local";

fn recordings() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/data/no-interception")
}

fn at(ip: [u8; 4], port: u16) -> SocketAddr {
    SocketAddr::from((ip, port))
}

/// Peers on the recorded addresses. They exist once, so both variants are looked at in one test.
struct Peers {
    web: Vec<Backend>,
    _api: Vec<Backend>,
    _db: Vec<EchoTcp>,
}

impl Peers {
    fn start() -> Result<Self> {
        let backend = |name: &str, address| {
            Backend::start(name, address).with_context(|| format!("{address} is taken"))
        };
        Ok(Self {
            web: (1..=3)
                .map(|n| backend(&format!("web-{n}"), at([127, 0, 51, n], 8080)))
                .collect::<Result<_>>()?,
            _api: (1..=2)
                .map(|n| backend(&format!("api-{n}"), at([127, 0, 52, n], 8081)))
                .collect::<Result<_>>()?,
            _db: (1..=2)
                .map(|n| Ok(EchoTcp::start(at([127, 0, 53, n], 8082))?))
                .collect::<Result<_>>()?,
        })
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn recorded_clusters_and_endpoints_serve_in_both_variants() -> Result<()> {
    let peers = Peers::start()?;
    for (ads, folder, variant) in
        [(Ads::Delta, "delta", Variant::Delta), (Ads::StateOfTheWorld, "sotw", Variant::Sotw)]
    {
        let plane = MockXds::start_local().await?;
        plane.apply(load_folder(&recordings().join(folder))?);
        let agent = LocalAgent::start(&recorded_bootstrap(&plane, ads)?)?;
        agent.ready().await?;
        node_is_sent_as_it_is(&plane, variant).await?;
        forwards(&agent).await?;
        keeps_the_limits_of_web(&agent, &peers).await?;
        refuses_the_endpoint_of_another_transport(&agent).await?;
        drop(agent);
        for web in &peers.web {
            web.counts().wait_until(|counts| counts.connections.active() == 0).await?;
        }
    }
    Ok(())
}

/// The node of the recording; a route to each service, and `db` behind a TCP listener.
fn recorded_bootstrap(plane: &MockXds, ads: Ads) -> Result<Value> {
    let routes = [route("/web", WEB), route("/api", API), route("/own", OWN)];
    let tcp = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
        "stat_prefix": "db",
        "cluster": DB,
    });
    let listeners = [listener("http", &http_manager("recorded", &routes)), listener("db", &tcp)];
    let mut plain = bootstrap(&listeners, &[]);
    plain["node"] =
        serde_json::from_str(&std::fs::read_to_string(recordings().join("node.json"))?)?;
    Ok(with_control_plane(plain, plane.address().context("it listens on TCP")?, ads))
}

async fn node_is_sent_as_it_is(plane: &MockXds, variant: Variant) -> Result<()> {
    let first = plane
        .wait_for_request("the node", PATIENCE, |recorded| recorded.request.node().is_some())
        .await?;
    let node = first.request.node().context("the wait looked for it")?;
    assert_eq!(node.id, "sidecar~10.9.9.9~probe.demo~demo.svc.cluster.local");
    let metadata = node.metadata.as_ref().context("the node has metadata")?;
    assert!(metadata.fields.contains_key("INTERCEPTION_MODE"), "{metadata:?}");
    assert_eq!(first.request.as_delta().is_some(), variant == Variant::Delta);
    Ok(())
}

/// The `alt_stat_name` that istiod gives a cluster ends in a semicolon.
fn stat(cluster: &str, name: &str) -> String {
    format!("cluster.{cluster};.{name}")
}

async fn forwards(agent: &LocalAgent) -> Result<()> {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for _ in 0..9 {
        let answer = agent.get("/web", "").await?;
        assert_eq!(answer.head.status, 200, "{answer:?}");
        *seen.entry(header(&answer, "x-backend").to_owned()).or_default() += 1;
    }
    let expected = [("web-1", 3), ("web-2", 3), ("web-3", 3)];
    assert_eq!(seen, expected.map(|(name, count)| (name.to_owned(), count)).into());
    // `api` is a gRPC port: its endpoints are spoken to in HTTP/2. The least busy one gets a request.
    for _ in 0..4 {
        let answer = agent.get("/api", "").await?;
        assert_eq!(answer.head.status, 200, "{answer:?}");
        assert!(header(&answer, "x-backend").starts_with("api-"), "{answer:?}");
    }
    assert_eq!(agent.stat(&stat(API, "upstream_cx_http1_total")).await?, 0);
    assert!(agent.stat(&stat(API, "upstream_cx_http2_total")).await? > 0);
    let mut db = RawConn::connect(agent.entries[1]).await?;
    db.send(b"ping").await?;
    db.expect(b"ping").await?;
    db.finish().await?;
    assert!(db.read_to_end().await?.bytes().is_empty());
    Ok(())
}

/// Four connections are in use, one request waits, and the rest is refused, as Envoy does it.
async fn keeps_the_limits_of_web(agent: &LocalAgent, peers: &Peers) -> Result<()> {
    let breakers = agent.admin_json("/breakers").await?;
    let limits = &breakers["clusters"][WEB]["default"];
    assert_eq!(limits["max_connections"]["limit"], 4);
    assert_eq!(limits["max_pending_requests"]["limit"], 1);
    let gate = Gate::closed();
    for backend in &peers.web {
        backend.update(|behaviour| behaviour.gate = Some(gate.clone()));
    }
    let entry = agent.entry();
    let ask = || -> JoinHandle<Result<RawResponse>> { tokio::spawn(request(entry, "/web", "")) };
    let mut held = Vec::new();
    for active in 1..=4 {
        held.push(ask());
        // One after the other: each that waits for a new connection counts as pending meanwhile.
        let at_gate = || peers.web.iter().map(|web| web.counts().requests.active()).sum::<u64>();
        until("a held request", || at_gate() == active).await?;
    }
    held.push(ask());
    agent
        .until("a waiting request", "/breakers", |page| {
            page["clusters"][WEB]["default"]["max_pending_requests"]["in_use"] == 1
        })
        .await?;
    for _ in 0..3 {
        let refused = agent.get("/web", "").await?;
        assert_eq!(refused.head.status, 503, "{refused:?}");
        assert_eq!(header(&refused, "x-envoy-overloaded"), "true");
        assert!(text(&refused).ends_with("reset reason: overflow"), "{}", text(&refused));
    }
    let connections: u64 = peers.web.iter().map(|web| web.counts().connections.active()).sum();
    assert_eq!(connections, 4);
    gate.open();
    for answer in held {
        assert_eq!(answer.await??.head.status, 200);
    }
    for backend in &peers.web {
        backend.update(|behaviour| behaviour.gate = None);
    }
    Ok(())
}

/// `own` has a sidecar that wants mutual TLS: it gets nothing in plain text, and the reason is shown.
async fn refuses_the_endpoint_of_another_transport(agent: &LocalAgent) -> Result<()> {
    let refused = agent.get("/own", "").await?;
    assert_eq!(refused.head.status, 503);
    assert_eq!(text(&refused), "no healthy upstream");
    let lb = agent.admin_json("/lb").await?;
    let standing = &lb["clusters"][OWN]["hosts"]["10.9.9.9:9090"]["standing"];
    let standing = standing.as_str().context("the endpoint is shown")?;
    assert!(standing.contains("transport socket is not in force"), "{standing}");
    assert_eq!(agent.stat(&stat(OWN, "upstream_cx_none_healthy")).await?, 1);
    assert_eq!(agent.stat(&stat(OWN, "upstream_cx_total")).await?, 0);
    Ok(())
}
