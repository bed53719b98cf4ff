//! Removed and refused clusters.

use std::sync::Arc;

use anyhow::{Context, Result};
use destrier::demo::config::{Ads, route};
use destrier::demo::local::LocalAgent;
use destrier_mock_xds::{Changes, MockXds, Purpose, eds_cluster, endpoints, type_url};
use envoy_types::pb::google::protobuf::Duration;
use serde_json::json;

use crate::mesh::{
    PATIENCE, addresses, backends, header, mesh_agent, mesh_bootstrap, until_answer, until_live,
};

const NAMED: &str = "outbound|80||named.demo.svc.cluster.local";
const SPARE: &str = "outbound|80||spare.demo.svc.cluster.local";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_removed_cluster_that_a_route_names_serves_on_and_comes_back_as_itself() -> Result<()> {
    let backends = backends(["a", "b"])?;
    let plane = MockXds::start_local().await?;
    let both = |name| {
        Changes::new()
            .cluster(&eds_cluster(name))
            .endpoints(&endpoints(name, &addresses(&backends)))
    };
    plane.apply(both(NAMED));
    plane.apply(both(SPARE));
    let agent = mesh_agent(&plane, &[route("/", NAMED)]).await?;
    assert_eq!(agent.get("/", "").await?.head.status, 200);
    let directory = agent.agent.directory().clone();
    let before = directory.get(NAMED).context("it is in force")?;

    plane.apply(Changes::new().remove_cluster(NAMED).remove_cluster(SPARE));
    // Both went in one message; the one that no route names goes at once.
    until_live(&agent, "the removal", |clusters| clusters.get(SPARE).is_none()).await?;
    agent
        .until("the grace", "/lb", |lb| {
            let lifecycle = lb["clusters"][NAMED]["lifecycle"].as_str().unwrap_or_default();
            lifecycle.contains("removed by the control plane")
        })
        .await?;
    for _ in 0..10 {
        assert_eq!(agent.get("/", "").await?.head.status, 200);
    }
    let within = directory.get(NAMED).context("it is within its grace")?;
    assert!(Arc::ptr_eq(before.state(), within.state()));

    plane.apply(both(NAMED));
    agent
        .until("the return", "/lb", |lb| {
            let named = &lb["clusters"][NAMED];
            named.is_object() && named["lifecycle"].is_null()
        })
        .await?;
    let after = directory.get(NAMED).context("it came back")?;
    assert!(Arc::ptr_eq(&before, &after), "the same object serves before and after");
    assert_eq!(agent.get("/", "").await?.head.status, 200);
    let connections: u64 = backends.iter().map(|one| one.counts().connections.total()).sum();
    assert!(connections <= 2, "nothing was reconnected: {connections}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_its_grace_a_removed_cluster_is_unknown() -> Result<()> {
    let backends = backends(["a"])?;
    let plane = MockXds::start_local().await?;
    plane.apply(
        Changes::new()
            .cluster(&eds_cluster(NAMED))
            .endpoints(&endpoints(NAMED, &addresses(&backends))),
    );
    let mut bootstrap = mesh_bootstrap(&plane, Ads::Delta, &[route("/", NAMED)])?;
    bootstrap["layered_runtime"] = json!({ "layers": [
        { "name": "own", "static_layer": { "destrier.deletion_grace": "0.2s" } },
    ] });
    let agent = LocalAgent::start(&bootstrap)?;
    agent.ready().await?;
    assert_eq!(agent.get("/", "").await?.head.status, 200);
    plane.apply(Changes::new().remove_cluster(NAMED));
    let gone = until_answer(&agent, "/", |answer| answer.head.status != 200).await?;
    // As Envoy answers `cluster_not_found`: no body.
    assert_eq!((gone.head.status.as_u16(), header(&gone, "content-length")), (503, "0"));
    assert!(agent.agent.directory().get(NAMED).is_none());
    assert_eq!(agent.stat("http.ingress.no_cluster").await?, 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_cluster_is_refused_at_once_and_the_good_one_beside_it_serves() -> Result<()> {
    let backends = backends(["a"])?;
    let plane = MockXds::start_local().await?;
    let mut bad = eds_cluster("outbound|80||broken.demo.svc.cluster.local");
    bad.connect_timeout = Some(Duration { seconds: -1, nanos: 0 });
    // The good one is not complete yet: the refusal of the other does not wait for it.
    plane.apply(Changes::new().cluster(&bad).cluster(&eds_cluster(NAMED)));
    let agent = LocalAgent::start(&mesh_bootstrap(&plane, Ads::Delta, &[route("/", NAMED)])?)?;
    let nack = plane
        .wait_for_request("a NACK", PATIENCE, |one| one.is(type_url::CLUSTER, Purpose::Nack))
        .await?;
    let reason = nack.request.error().unwrap_or_default();
    for word in [bad.name.as_str(), "connect_timeout"] {
        assert!(reason.contains(word), "{reason}");
    }
    assert!(!reason.contains(NAMED), "the good one is not blamed: {reason}");
    plane.apply(Changes::new().endpoints(&endpoints(NAMED, &addresses(&backends))));
    agent.ready().await?;
    let answer = until_answer(&agent, "/", |answer| answer.head.status == 200).await?;
    assert_eq!(header(&answer, "x-backend"), "a");
    assert!(agent.agent.directory().get(&bad.name).is_none());

    // Its last good version stays in force when a known cluster turns bad.
    let mut turned = eds_cluster(NAMED);
    turned.connect_timeout = Some(Duration { seconds: 0, nanos: 0 });
    plane.apply(Changes::new().cluster(&turned));
    plane
        .wait_for_request("another NACK", PATIENCE, |one| {
            one.is(type_url::CLUSTER, Purpose::Nack)
                && one.request.error().unwrap_or_default().contains(NAMED)
        })
        .await?;
    assert_eq!(agent.get("/", "").await?.head.status, 200);
    Ok(())
}
