//! Balancing as the admin port shows it, and zones as the bootstrap names them.

use std::net::SocketAddr;

use anyhow::{Context, Result};
use destrier::demo::config::{bootstrap, http_manager, listener, route, static_cluster};
use destrier::demo::local::{LocalAgent, request};
use serde_json::{Value, json};

use crate::admin::post;
use crate::mesh::{addresses, backends, header, static_agent, text};

fn hosts(page: &Value) -> Vec<&Value> {
    let priorities = page["priorities"].as_array().into_iter().flatten();
    let localities = priorities.flat_map(|one| one["localities"].as_array().into_iter().flatten());
    localities.flat_map(|one| one["hosts"].as_array().into_iter().flatten()).collect()
}

fn sum(page: &Value, field: &str) -> f64 {
    hosts(page).iter().filter_map(|host| host[field].as_f64()).sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shares_are_shown_since_a_reset_and_a_key_names_its_host() -> Result<()> {
    let backends = backends(["a", "b", "c"])?;
    let mut ring = static_cluster("ring", &addresses(&backends));
    ring["lb_policy"] = "RING_HASH".into();
    let mut by_key = route("/", "ring");
    by_key["route"]["hash_policy"] = json!([{ "header": { "header_name": "x-key" } }]);
    let agent = static_agent(&[listener("http", &http_manager("in", &[by_key]))], &[ring]).await?;

    let page = agent.admin_json("/lb?cluster=ring&format=json&key=alice").await?;
    assert_eq!((&page["asked_for"], &page["in_force"]), (&json!("RING_HASH"), &json!("RING_HASH")));
    assert_eq!(page["priorities"][0]["table"]["size"], 1026);
    assert_eq!(hosts(&page).len(), 3);
    assert!((sum(&page, "expected_share") - 1.0).abs() < 1e-9, "{page:#}");
    let named = page["key"]["host"].as_str().context("the key has a host")?;
    let at = backends.iter().position(|backend| backend.addr().to_string() == named);
    let named = ["a", "b", "c"][at.context("it is one of the backends")?];
    for _ in 0..6 {
        let answer = agent.get("/", "x-key: alice\r\n").await?;
        assert_eq!(header(&answer, "x-backend"), named);
    }

    let page = agent.admin_json("/lb?cluster=ring&format=json").await?;
    assert_eq!((sum(&page, "requests_since_reset"), sum(&page, "actual_share")), (6.0, 1.0));
    assert_eq!(post(agent.admin, "/lb/reset?cluster=ring").await?.head.status, 200);
    let page = agent.admin_json("/lb?cluster=ring&format=json").await?;
    assert_eq!(sum(&page, "requests_since_reset"), 0.0);
    assert_eq!(agent.stat("cluster.ring.upstream_rq_total").await?, 6, "statistics stay");

    let shown = text(&request(agent.admin, "/lb?cluster=ring&key=bob", "").await?);
    for part in ["RING_HASH", "locality", "in use", "expected_share", "table: ", "key bob"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    assert_eq!(request(agent.admin, "/lb?cluster=none", "").await?.head.status, 404);
    assert_eq!(post(agent.admin, "/lb/reset?cluster=none").await?.head.status, 404);
    Ok(())
}

/// Endpoints of a cluster by zone.
fn zoned(name: &str, zones: &[&[SocketAddr]]) -> Value {
    let mut cluster = static_cluster(name, &[]);
    let groups = zones.iter().enumerate().map(|(zone, addresses)| {
        let mut group = static_cluster(name, addresses)["load_assignment"]["endpoints"][0].clone();
        group["locality"] = json!({ "region": "r", "zone": format!("z{zone}") });
        group
    });
    cluster["load_assignment"]["endpoints"] = groups.collect::<Vec<_>>().into();
    cluster
}

/// Two members of the own cluster are in each zone, and so are half of the hosts: all requests stay.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_stay_in_the_zone_of_the_node() -> Result<()> {
    let backends = backends(["a", "b", "c", "d", "e", "f"])?;
    let at = addresses(&backends);
    let nobody: Vec<SocketAddr> =
        (1..5).map(|port| SocketAddr::from(([127, 0, 0, 9], port))).collect();
    let mut wanted = bootstrap(
        &[listener("http", &http_manager("in", &[route("/", "up")]))],
        &[zoned("up", &[&at[..3], &at[3..]]), zoned("me", &[&nobody[..2], &nobody[2..]])],
    );
    wanted["node"]["locality"] = json!({ "region": "r", "zone": "z1" });
    wanted["cluster_manager"] = json!({ "local_cluster_name": "me" });
    let agent = LocalAgent::start(&wanted)?;
    agent.ready().await?;
    let mut answered = String::new();
    for _ in 0..12 {
        answered += header(&agent.get("/", "").await?, "x-backend");
    }
    let count = |name: char| answered.matches(name).count();
    assert_eq!(['a', 'b', 'c', 'd', 'e', 'f'].map(count), [0, 0, 0, 4, 4, 4]);
    assert_eq!(agent.stat("cluster.up.lb_zone_routing_all_directly").await?, 12);
    let page = agent.admin_json("/lb?cluster=up&format=json").await?;
    let standing = hosts(&page)[0]["standing"].as_str().context("it is shown")?;
    assert!(standing.contains("another zone"), "{standing}");
    Ok(())
}
