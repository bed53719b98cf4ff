//! The demo as a script: what was expected, what was seen.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result};
use destrier_mock_xds::{Changes, Purpose, eds_cluster, endpoints, type_url};
use destrier_testkit::{Backend, Gate, Load, Protocol, Stop};
use envoy_types::pb::envoy::config::cluster::v3::cluster::LbPolicy;

use super::mesh::{Mesh, REVIEWS, SUBSET, limited};
use super::say;

/// How long the control plane may take to hear of something.
const PATIENCE: Duration = Duration::from_secs(10);

/// One line of the table.
struct Row {
    what: &'static str,
    expected: String,
    seen: String,
}

impl Row {
    fn new(what: &'static str, expected: impl Into<String>, seen: impl Into<String>) -> Self {
        Self { what, expected: expected.into(), seen: seen.into() }
    }

    fn holds(&self) -> bool {
        self.expected == self.seen
    }
}

/// Runs the script and prints the table; whether all of it held.
pub(super) async fn run() -> Result<bool> {
    let mut mesh = Mesh::start().await?;
    let mut rows = vec![in_turn(&mesh).await?];
    rows.push(pushed_endpoint(&mut mesh).await?);
    rows.extend(pushed_policy(&mesh).await?);
    rows.extend(exact_breaker(&mesh).await?);
    rows.extend(bad_beside_good(&mesh).await?);
    rows.extend(without_control_plane(&mesh).await?);
    rows.extend(admin(&mesh).await?);
    mesh.local.agent.drain(Duration::from_secs(5)).await;
    let width = |column: fn(&Row) -> &str| {
        rows.iter().map(|row| column(row).chars().count()).max().unwrap_or(0)
    };
    let (what, expected) = (width(|row| row.what), width(|row| &row.expected));
    say(&format!("     {:what$}  {:expected$}  seen", "what", "expected"));
    for row in &rows {
        let mark = if row.holds() { "ok  " } else { "FAIL" };
        say(&format!("{mark} {:what$}  {:expected$}  {}", row.what, row.expected, row.seen));
    }
    let held = rows.iter().filter(|row| row.holds()).count();
    say(&format!("{held} of {} held", rows.len()));
    Ok(held == rows.len())
}

/// How many requests each backend answers.
async fn answered(mesh: &Mesh, requests: usize) -> Result<String> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for _ in 0..requests {
        *counts.entry(mesh.who().await?).or_default() += 1;
    }
    let shown: Vec<String> = counts.iter().map(|(name, count)| format!("{name} {count}")).collect();
    Ok(shown.join(", "))
}

async fn in_turn(mesh: &Mesh) -> Result<Row> {
    let seen = answered(mesh, 9).await?;
    Ok(Row::new("three backends in turn", "reviews-a 3, reviews-b 3, reviews-c 3", seen))
}

async fn pushed_endpoint(mesh: &mut Mesh) -> Result<Row> {
    mesh.backends.push(Backend::start("reviews-d", SocketAddr::from(([127, 0, 0, 1], 0)))?);
    mesh.control_plane.apply(Changes::new().endpoints(&endpoints(REVIEWS, &mesh.addresses(4))));
    mesh.local.until_hosts(REVIEWS, 4).await?;
    let seen = answered(mesh, 8).await?;
    let expected = "reviews-a 2, reviews-b 2, reviews-c 2, reviews-d 2";
    Ok(Row::new("a pushed endpoint is in use", expected, seen))
}

async fn pushed_policy(mesh: &Mesh) -> Result<[Row; 2]> {
    let load = Load {
        protocol: Protocol::Http1 { connections: 8 },
        stop: Stop::WhenTold,
        ..Load::to(mesh.local.entry())
    };
    let running = load.start();
    let policies = [LbPolicy::RoundRobin, LbPolicy::LeastRequest];
    for round in 0..50 {
        let mut cluster = limited(REVIEWS, 1000 + round);
        cluster.lb_policy = policies[round as usize % 2].into();
        mesh.control_plane.apply(Changes::new().cluster(&cluster));
        // Each is in force before the next comes, and requests flow meanwhile.
        let limit = u64::from(1000 + round);
        mesh.local
            .until("the pushed limit", "/breakers", |page| {
                page["clusters"][REVIEWS]["default"]["max_requests"]["limit"] == limit
            })
            .await?;
    }
    let report = running.stop().await.context("the load ran")?;
    let begun = report.answers() + report.failed();
    let failed = match begun {
        // A load that did not flow would have proved nothing.
        0..500 => format!("only {begun} requests"),
        _ => (begun - report.ok()).to_string(),
    };
    let lb = mesh.local.admin_json("/lb").await?;
    let in_force = lb["clusters"][REVIEWS]["in_force"].as_str().unwrap_or("none").to_owned();
    Ok([
        Row::new("50 policies pushed under load: failed", "0", failed),
        Row::new("the pushed policy is in force", "LEAST_REQUEST", in_force),
    ])
}

async fn exact_breaker(mesh: &Mesh) -> Result<[Row; 2]> {
    mesh.control_plane.apply(Changes::new().cluster(&limited(SUBSET, 5)));
    mesh.local
        .until("the limit", "/breakers", |page| {
            page["clusters"][SUBSET]["default"]["max_requests"]["limit"] == 5
        })
        .await?;
    let gate = Gate::closed();
    let backend = mesh.backends.first().context("there are backends")?;
    backend.update(|behaviour| behaviour.gate = Some(gate.clone()));
    let refused_before =
        mesh.local.stat(&format!("cluster.{SUBSET}.upstream_rq_active_overflow")).await?;
    let requests = (0..8).map(|_| mesh.get("x-subset: v1\r\n"));
    let all = futures_util::future::join_all(requests);
    let open = async {
        // Only when three were refused may the other five go on.
        let name = format!("cluster.{SUBSET}.upstream_rq_active_overflow");
        let begin = tokio::time::Instant::now();
        while mesh.local.stat(&name).await? < refused_before + 3 && begin.elapsed() < PATIENCE {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        gate.open();
        Ok::<_, anyhow::Error>(())
    };
    let (answers, opened) = tokio::join!(all, open);
    opened?;
    backend.update(|behaviour| behaviour.gate = None);
    let answers = answers.into_iter().collect::<Result<Vec<_>>>()?;
    let good = answers.iter().filter(|answer| answer.head.status == 200).count();
    let overloaded = |answer: &&destrier_testkit::RawResponse| {
        answer.head.status == 503 && answer.head.headers.contains_key("x-envoy-overloaded")
    };
    let refused = answers.iter().filter(overloaded).count();
    let counted = mesh.local.stat(&format!("cluster.{SUBSET}.upstream_rq_active_overflow")).await?
        - refused_before;
    Ok([
        Row::new(
            "8 requests, max_requests 5",
            "5 pass, 3 refused",
            format!("{good} pass, {refused} refused"),
        ),
        Row::new("refusals counted", "3", counted.to_string()),
    ])
}

async fn bad_beside_good(mesh: &Mesh) -> Result<[Row; 2]> {
    let good = "outbound|9080||ratings.demo.svc.cluster.local";
    let mut bad = eds_cluster("outbound|9080||broken.demo.svc.cluster.local");
    bad.connect_timeout =
        Some(envoy_types::pb::google::protobuf::Duration { seconds: -1, nanos: 0 });
    mesh.control_plane.apply(
        Changes::new()
            .cluster(&bad)
            .cluster(&eds_cluster(good))
            .endpoints(&endpoints(good, &mesh.addresses(1))),
    );
    let nack = mesh
        .control_plane
        .wait_for_request("a NACK of clusters", PATIENCE, |recorded| {
            recorded.is(type_url::CLUSTER, Purpose::Nack)
        })
        .await?;
    let text = nack.request.error().unwrap_or_default().to_owned();
    let named = text.contains("broken.demo") && text.contains("connect_timeout");
    mesh.local.until_hosts(good, 1).await?;
    let lb = mesh.local.admin_json("/lb").await?;
    let hosts = lb["clusters"][good]["hosts"].as_object().map_or(0, serde_json::Map::len);
    mesh.control_plane.apply(Changes::new().remove_cluster(&bad.name).remove_cluster(good));
    let names = if named { "cluster and field" } else { text.as_str() };
    Ok([
        Row::new("a bad cluster is refused, naming", "cluster and field", names),
        Row::new("the good one beside it is in force", "1 host", format!("{hosts} host")),
    ])
}

async fn without_control_plane(mesh: &Mesh) -> Result<[Row; 1]> {
    mesh.control_plane.stop().await;
    let report = Load { stop: Stop::After(200), ..Load::to(mesh.local.entry()) }.run().await?;
    Ok([Row::new(
        "control plane killed, 200 requests",
        "200 answered",
        format!("{} answered", report.ok()),
    )])
}

async fn admin(mesh: &Mesh) -> Result<[Row; 3]> {
    let clusters = mesh.local.admin_json("/clusters?format=json").await?;
    let hosts = clusters["cluster_statuses"].as_array().and_then(|statuses| {
        let reviews = statuses.iter().find(|status| status["name"] == REVIEWS)?;
        Some(reviews["host_statuses"].as_array()?.len())
    });
    let dump = mesh.local.admin_json("/config_dump?resource=dynamic_active_clusters").await?;
    let held: Vec<&str> = dump["configs"]
        .as_array()
        .context("a list of clusters")?
        .iter()
        .filter_map(|config| config["cluster"]["name"].as_str())
        .filter(|name| [REVIEWS, SUBSET].contains(name))
        .collect();
    let connected = mesh.local.stat("control_plane.connected_state").await?;
    Ok([
        Row::new("/clusters: hosts of reviews", "4", hosts.unwrap_or(0).to_string()),
        Row::new("/config_dump: clusters held", "2", held.len().to_string()),
        Row::new("/stats: control_plane.connected_state", "0", connected.to_string()),
    ])
}
