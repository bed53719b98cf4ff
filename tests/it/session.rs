//! The control plane comes, goes and is late; requests do not notice.

use anyhow::{Context, Result};
use destrier::demo::config::{Ads, route};
use destrier::demo::local::LocalAgent;
use destrier_mock_xds::{
    Behaviour, Changes, Listen, MockXds, ResourceVersions, eds_cluster, endpoints, type_url,
};
use destrier_testkit::{Load, Protocol, Stop};

use crate::mesh::{
    PATIENCE, addresses, backends, header, loopback, mesh_agent, mesh_bootstrap, until_answer,
    until_live,
};

const SERVICE: &str = "outbound|80||service.demo.svc.cluster.local";
const LATE: &str = "outbound|80||late.demo.svc.cluster.local";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_go_on_without_the_control_plane_and_the_session_resumes() -> Result<()> {
    let backends = backends(["a", "b"])?;
    let with_versions =
        Behaviour { resource_versions: ResourceVersions::Revision, ..Behaviour::istiod() };
    let plane = MockXds::start_like(with_versions, Listen::Tcp(loopback())).await?;
    plane.apply(
        Changes::new()
            .cluster(&eds_cluster(SERVICE))
            .endpoints(&endpoints(SERVICE, &addresses(&backends)[..1])),
    );
    let agent = mesh_agent(&plane, &[route("/", SERVICE)]).await?;
    let load = Load {
        protocol: Protocol::Http1 { connections: 4 },
        stop: Stop::WhenTold,
        ..Load::to(agent.entry())
    };
    let running = load.start();
    plane.stop().await;
    agent
        .until("the loss", "/stats?format=json&filter=control_plane", |page| {
            let listed = page["stats"].as_array();
            listed.is_some_and(|stats| {
                stats.iter().any(|stat| {
                    stat["name"] == "control_plane.connected_state" && stat["value"] == 0
                })
            })
        })
        .await?;
    let at_loss = running.begun();
    let streams = plane.streams_opened();
    // What changes meanwhile is learnt after the return.
    plane.apply(Changes::new().endpoints(&endpoints(SERVICE, &addresses(&backends))));
    plane.restart().await?;
    let resumed = plane
        .wait_for("clusters on a new stream", PATIENCE, |all| {
            let mut new = all.iter().filter(|one| one.stream.0 > streams);
            new.find(|one| one.request.type_url() == type_url::CLUSTER).cloned()
        })
        .await?;
    let request = resumed.request.as_delta().context("the agent speaks delta")?;
    assert!(request.initial_resource_versions.contains_key(SERVICE), "{request:?}");
    assert!(request.node.is_some(), "a new stream introduces itself");
    until_live(&agent, "the change", |clusters| {
        clusters.get(SERVICE).is_some_and(|cluster| cluster.hosts().len() == 2)
    })
    .await?;
    assert!(running.begun() > at_loss, "load went on without the control plane");
    let report = running.stop().await?;
    assert_eq!((report.failed(), report.answers() - report.ok()), (0, 0), "{report:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_agent_is_ready_when_the_endpoints_of_its_first_clusters_are_there() -> Result<()> {
    let backends = backends(["a"])?;
    // Silence about names that it does not have, where istiod would send an empty assignment.
    let silent = Behaviour::go_control_plane();
    let plane = MockXds::start_like(silent, Listen::Tcp(loopback())).await?;
    plane.apply(Changes::new().cluster(&eds_cluster(SERVICE)));
    let bootstrap =
        mesh_bootstrap(&plane, Ads::StateOfTheWorld, &[route("/late", LATE), route("/", SERVICE)])?;
    let agent = LocalAgent::start(&bootstrap)?;
    agent.until("the first cluster waits", "/lb", |lb| lb["warming"][SERVICE].is_object()).await?;
    let early = destrier::demo::local::request(agent.admin, "/ready", "").await?;
    assert_eq!(early.head.status, 503);
    plane.apply(Changes::new().endpoints(&endpoints(SERVICE, &addresses(&backends))));
    agent.ready().await?;
    assert_eq!(agent.get("/", "").await?.head.status, 200);

    // A cluster that comes later is unknown to requests until its endpoints are there.
    plane.apply(Changes::new().cluster(&eds_cluster(LATE)));
    agent.until("the late one waits", "/lb", |lb| lb["warming"][LATE].is_object()).await?;
    let warming = agent.get("/late", "").await?;
    assert_eq!((warming.head.status.as_u16(), header(&warming, "content-length")), (503, "0"));
    assert_eq!(agent.stat("http.ingress.no_cluster").await?, 1);
    plane.apply(Changes::new().endpoints(&endpoints(LATE, &addresses(&backends))));
    let answer = until_answer(&agent, "/late", |answer| answer.head.status == 200).await?;
    assert_eq!(header(&answer, "x-backend"), "a");
    Ok(())
}
