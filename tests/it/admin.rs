//! The admin port: stages, shapes as Envoy's, statistics that are exact.
//!
//! `index.rs` compares every recorded page, `events.rs` what each recorded event counts; what is not as
//! recorded stands in `exceptions.rs`.

mod changes;
mod events;
mod exceptions;
mod index;
mod prometheus;
mod recorded_mesh;
mod shape;
mod streamed;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use anyhow::{Context, Result};
use destrier::demo::config::{Ads, bootstrap, http_manager, listener, route, static_cluster};
use destrier::demo::local::{LocalAgent, request};
use destrier_mock_xds::{Behaviour, Changes, Listen, MockXds, eds_cluster, endpoints};
use destrier_testkit::{AnswerTo, RawConn, RawResponse};
use envoy_types::pb::envoy::config::core::v3::Locality;
use http::Method;
use serde_json::Value;

use crate::mesh::{
    addresses, backends, header, loopback, mesh_agent, mesh_bootstrap, static_agent, text,
};
use crate::process::Program;

const SERVICE: &str = "outbound|8443||ratings.default.svc.cluster.local";

/// `GET path` for a host, over a connection of its own.
pub(crate) async fn get_from(to: SocketAddr, host: &str, path: &str) -> Result<RawResponse> {
    let mut connection = RawConn::connect(to).await?;
    let head = format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
    connection.send(head.as_bytes()).await?;
    Ok(connection.read_response(AnswerTo::method(&Method::GET)).await?)
}

/// `POST path` to an admin port.
pub(crate) async fn post(to: SocketAddr, path: &str) -> Result<RawResponse> {
    let mut connection = RawConn::connect(to).await?;
    let head = format!("POST {path} HTTP/1.1\r\nhost: admin\r\nconnection: close\r\n\r\n");
    connection.send(head.as_bytes()).await?;
    Ok(connection.read_response(AnswerTo::method(&Method::POST)).await?)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ready_tells_the_stages() -> Result<()> {
    let backends = backends(["a"])?;
    // In this variant it is silent about endpoints that it does not have, where istiod would send an
    // empty assignment.
    let silent = Behaviour::go_control_plane();
    let plane = MockXds::start_like(silent, Listen::Tcp(loopback())).await?;
    plane.apply(Changes::new().cluster(&eds_cluster(SERVICE)));
    let routes = [route("/", SERVICE)];
    let agent = LocalAgent::start(&mesh_bootstrap(&plane, Ads::StateOfTheWorld, &routes)?)?;
    let early = request(agent.admin, "/ready", "").await?;
    assert_eq!((early.head.status.as_u16(), &*text(&early)), (503, "INITIALIZING\n"));
    assert_eq!(agent.admin_json("/server_info").await?["state"], "INITIALIZING");
    assert!(RawConn::connect(agent.entry()).await.is_err() || agent.get("/", "").await.is_err());
    plane.apply(Changes::new().endpoints(&endpoints(SERVICE, &addresses(&backends))));
    agent.ready().await?;
    let ready = request(agent.admin, "/ready", "").await?;
    assert_eq!((ready.head.status.as_u16(), &*text(&ready)), (200, "LIVE\n"));
    assert_eq!(header(&ready, "content-type"), "text/plain; charset=UTF-8");
    assert_eq!(agent.admin_json("/server_info").await?["state"], "LIVE");
    assert_eq!(agent.get("/", "").await?.head.status, 200);
    Ok(())
}

/// Of a host, what we do not keep and so do not show, and why.
const NOT_KEPT: [(&str, &str); 1] =
    [("rq_pending_active", "what waits is counted for the cluster, not for each host")];

fn is_kept(key: &str) -> bool {
    NOT_KEPT.iter().all(|(name, _)| key != *name && key != format!("host {name}"))
}

/// An EDS cluster named as in the recordings, with a locality, after one request.
pub(crate) async fn as_recorded() -> Result<(LocalAgent, MockXds, Vec<destrier_testkit::Backend>)> {
    let backends = backends(["a"])?;
    let plane = MockXds::start_local().await?;
    let mut assignment = endpoints(SERVICE, &addresses(&backends));
    assignment.endpoints[0].locality =
        Some(Locality { region: "r1".into(), zone: "z1".into(), sub_zone: "s1".into() });
    plane.apply(Changes::new().cluster(&eds_cluster(SERVICE)).endpoints(&assignment));
    let agent = mesh_agent(&plane, &[route("/", SERVICE)]).await?;
    assert_eq!(agent.get("/", "").await?.head.status, 200);
    Ok((agent, plane, backends))
}

/// The keys of `/clusters` of one cluster, in order and without the names; of hosts each once.
fn keys_of_text(page: &str, cluster: &str) -> Vec<String> {
    let mut keys = Vec::new();
    for line in page.lines().filter_map(|line| line.strip_prefix(cluster)?.strip_prefix("::")) {
        let parts: Vec<&str> = line.split("::").collect();
        let key = match parts.as_slice() {
            [host, key, _] if host.parse::<std::net::SocketAddr>().is_ok() => format!("host {key}"),
            [scope, key, _] => format!("{scope} {key}"),
            [key, _] => (*key).to_owned(),
            // A locality may be empty.
            _ => line.to_owned(),
        };
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    keys
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clusters_as_text_have_envoys_keys() -> Result<()> {
    let (agent, _plane, _backends) = as_recorded().await?;
    let recorded = include_str!("data/admin/clusters.txt");
    let name = "outbound|8080|v1|reviews.default.svc.cluster.local";
    let wanted = keys_of_text(recorded, name);
    assert!(wanted.len() > 25, "the recording is read: {wanted:?}");
    let wanted: Vec<String> = wanted.into_iter().filter(|key| is_kept(key)).collect();
    let ours = text(&request(agent.admin, "/clusters", "").await?);
    assert_eq!(keys_of_text(&ours, SERVICE), wanted);
    Ok(())
}

/// Every path of keys in a value, lists taken as one.
fn paths(value: &Value, at: &str, into: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => fields.iter().for_each(|(key, value)| {
            let path = format!("{at}.{key}");
            into.insert(path.clone());
            paths(value, &path, into);
        }),
        Value::Array(list) => list.iter().for_each(|value| paths(value, at, into)),
        _ => {}
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clusters_as_json_have_envoys_keys() -> Result<()> {
    let (agent, _plane, _backends) = as_recorded().await?;
    let shape = |page: &Value| -> Result<BTreeSet<String>> {
        let statuses = page["cluster_statuses"].as_array().context("a list")?;
        let one = statuses.iter().find(|one| one["name"] == SERVICE).context("it is listed")?;
        let mut keys = BTreeSet::new();
        paths(one, "", &mut keys);
        Ok(keys)
    };
    let recorded = serde_json::from_str(include_str!("data/admin/clusters.json"))?;
    let ours = agent.admin_json("/clusters?format=json").await?;
    assert_eq!(shape(&ours)?, shape(&recorded)?);
    let names = |page: &Value| -> Vec<String> {
        let statuses = page["cluster_statuses"].as_array().map(Vec::as_slice).unwrap_or_default();
        let one = statuses.iter().find(|one| one["name"] == SERVICE);
        let stats = one.and_then(|one| one["host_statuses"][0]["stats"].as_array());
        let name = |stat: &Value| stat["name"].as_str().unwrap_or_default().to_owned();
        stats.into_iter().flatten().map(name).collect()
    };
    let wanted: Vec<String> = names(&recorded).into_iter().filter(|name| is_kept(name)).collect();
    assert_eq!(names(&ours), wanted);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn counters_are_exact() -> Result<()> {
    let backends = backends(["a"])?;
    let agent = static_agent(
        &[listener("http", &http_manager("ingress", &[route("/status", "service")]))],
        &[static_cluster("service", &addresses(&backends))],
    )
    .await?;
    let mut client = RawConn::connect(agent.entry()).await?;
    for (path, status) in [("/status/200", 200); 7]
        .into_iter()
        .chain([("/status/404", 404); 2])
        .chain([("/status/503", 503), ("/elsewhere", 404)])
    {
        client.send(format!("GET {path} HTTP/1.1\r\nhost: demo\r\n\r\n").as_bytes()).await?;
        let answer = client.read_response(AnswerTo::method(&Method::GET)).await?;
        assert_eq!(answer.head.status, status);
    }
    drop(client);
    agent
        .until("the end of the connection", "/stats?format=json", |page| {
            stats_of(page).get("http.ingress.downstream_cx_active") == Some(&0)
        })
        .await?;
    let seen = stats_of(&agent.admin_json("/stats?format=json").await?);
    let expected = [
        ("cluster.service.upstream_rq_total", 10),
        ("cluster.service.upstream_rq_completed", 10),
        ("cluster.service.upstream_rq_active", 0),
        ("cluster.service.upstream_rq_200", 7),
        ("cluster.service.upstream_rq_2xx", 7),
        ("cluster.service.upstream_rq_404", 2),
        ("cluster.service.upstream_rq_4xx", 2),
        ("cluster.service.upstream_rq_503", 1),
        ("cluster.service.upstream_rq_5xx", 1),
        ("cluster.service.external.upstream_rq_200", 7),
        ("cluster.service.external.upstream_rq_2xx", 7),
        ("cluster.service.external.upstream_rq_completed", 10),
        ("cluster.service.upstream_cx_total", 1),
        ("cluster.service.upstream_cx_active", 1),
        ("cluster.service.upstream_cx_http1_total", 1),
        // Only the first request waited for a connection.
        ("cluster.service.upstream_rq_pending_total", 1),
        ("cluster.service.upstream_rq_pending_active", 0),
        ("http.ingress.downstream_rq_total", 11),
        ("http.ingress.downstream_rq_completed", 11),
        ("http.ingress.downstream_rq_active", 0),
        ("http.ingress.downstream_rq_http1_total", 11),
        ("http.ingress.downstream_rq_2xx", 7),
        ("http.ingress.downstream_rq_4xx", 3),
        ("http.ingress.downstream_rq_5xx", 1),
        ("http.ingress.downstream_cx_total", 1),
        ("http.ingress.downstream_cx_http1_total", 1),
        ("http.ingress.downstream_cx_destroy", 1),
        ("http.ingress.rq_total", 11),
        ("http.ingress.no_route", 1),
    ];
    for (name, value) in expected {
        assert_eq!(seen.get(name), Some(&value), "{name}");
    }
    let plain = text(&request(agent.admin, "/stats?filter=upstream_rq_2xx", "").await?);
    assert_eq!(
        plain,
        "cluster.service.external.upstream_rq_2xx: 7\ncluster.service.upstream_rq_2xx: 7\n"
    );
    Ok(())
}

fn stats_of(page: &Value) -> BTreeMap<String, u64> {
    let listed = page["stats"].as_array().map(Vec::as_slice).unwrap_or_default();
    let pair = |stat: &Value| Some((stat["name"].as_str()?.to_owned(), stat["value"].as_u64()?));
    listed.iter().filter_map(pair).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unknown_paths_and_wrong_methods_are_answered_as_envoy_does() -> Result<()> {
    let agent = static_agent(&[], &[]).await?;
    let unknown = request(agent.admin, "/nope", "").await?;
    assert_eq!(unknown.head.status, 404);
    let said = text(&unknown);
    assert!(said.starts_with("invalid path. admin commands are:\n"), "{said}");
    assert!(said.contains("  /clusters: "), "{said}");
    let wrong = request(agent.admin, "/quitquitquit", "").await?;
    assert_eq!(wrong.head.status, 405);
    assert_eq!(text(&wrong), "Method GET not allowed, POST required.");
    assert!(!agent.agent.quit().is_cancelled());
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_admin_port_may_be_a_unix_socket() -> Result<()> {
    let backends = backends(["a"])?;
    let program = Program::start(
        bootstrap(
            &[listener("http", &http_manager("ingress", &[route("/", "service")]))],
            &[static_cluster("service", &addresses(&backends))],
        ),
        &[],
    )?;
    let entry = program.ready().await?;
    assert_eq!(request(entry, "/", "").await?.head.status, 200);
    let stats = program.admin("GET", "/stats?filter=service.upstream_rq_total").await?;
    assert!(stats.contains("\r\ncluster.service.upstream_rq_total: 1\n"), "{stats}");
    Ok(())
}
