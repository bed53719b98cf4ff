//! Hosts that the control plane calls unhealthy get nothing more from the moment it is known.

use std::num::NonZeroU32;

use anyhow::Result;
use destrier::demo::config::route;
use destrier_mock_xds::{Changes, MockXds, eds_cluster, endpoints};
use destrier_policy::HealthStatus;
use destrier_testkit::{Load, Pace, Protocol, Stop};
use destrier_upstream::Host;
use envoy_types::pb::envoy::config::core::v3::HealthStatus as EdsHealth;
use envoy_types::pb::envoy::config::endpoint::v3::ClusterLoadAssignment;

use crate::mesh::{addresses, backends, mesh_agent, until, until_live};

const NAME: &str = "outbound|80||reviews.demo.svc.cluster.local";

fn unhealthy(assignment: &mut ClusterLoadAssignment, count: usize) {
    let hosts = assignment.endpoints.iter_mut().flat_map(|locality| &mut locality.lb_endpoints);
    hosts.take(count).for_each(|host| host.health_status = EdsHealth::Unhealthy.into());
}

/// Their connections are pooled and idle when they die; none of that reaches a request.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_of_the_hosts_die_and_no_request_meets_them() -> Result<()> {
    let plane = MockXds::start_local().await?;
    let mut hosts = backends(["a", "b", "c", "d", "e", "f"])?;
    let mut assignment = endpoints(NAME, &addresses(&hosts));
    plane.apply(Changes::new().cluster(&eds_cluster(NAME)).endpoints(&assignment));
    let agent = mesh_agent(&plane, &[route("/", NAME)]).await?;
    let load = Load {
        protocol: Protocol::Http1 { connections: 16 },
        pace: Pace::PerSecond(NonZeroU32::new(2000).expect("not 0")),
        stop: Stop::WhenTold,
        ..Load::to(agent.entry())
    };
    let load = load.start();
    until("each host has connections", || {
        load.begun() > 600 && hosts.iter().all(|host| host.counts().requests.total() > 20)
    })
    .await?;

    unhealthy(&mut assignment, 3);
    plane.apply(Changes::new().endpoints(&assignment));
    until_live(&agent, "three are unhealthy", |clusters| {
        clusters.get(NAME).is_some_and(|cluster| {
            let sick = |host: &&Host| host.health() == HealthStatus::Unhealthy;
            cluster.hosts().iter().filter(sick).count() == 3
        })
    })
    .await?;
    // What was picked before is answered; then they die.
    for host in hosts.drain(..3) {
        host.shutdown().await;
    }
    let seen = load.begun();
    until("requests go on", || load.begun() > seen + 1000).await?;
    let report = load.stop().await?;
    assert_eq!(report.failed(), 0, "{:?}", report.failures);
    assert_eq!(report.answers(), report.ok(), "{:?}", report.statuses);
    Ok(())
}
