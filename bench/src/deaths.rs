//! Three of six hosts die in the instant in which EDS calls them unhealthy: how many requests are lost.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;
use destrier_mock_xds::{Changes, MockXds, eds_cluster, endpoints};
use destrier_testkit::{Backend, Load, Pace, Protocol, Stop};
use tokio::time::{Instant, sleep};

use crate::Options;
use crate::peer::Peer;
use crate::ports::answered_by;
use crate::report::say;

const CLUSTER: &str = "outbound|80||dying.default.svc.cluster.local";
/// Requests in a second.
const RATE: u32 = 2000;
/// `core.v3.HealthStatus.UNHEALTHY`.
const UNHEALTHY: i32 = 2;

/// Failed requests of a peer, a number a round.
pub(crate) struct Losses {
    pub(crate) peer: Peer,
    pub(crate) failed: Vec<u64>,
}

pub(crate) fn run(options: &Options, peers: &[(Peer, PathBuf)]) -> Result<Vec<Losses>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut losses = Vec::new();
    for (peer, binary) in peers {
        if !matches!(peer, Peer::Envoy | Peer::Destrier) {
            continue;
        }
        let mut failed = Vec::new();
        for _ in 0..options.rounds {
            failed.push(runtime.block_on(one_round(*peer, binary))?);
        }
        say(&format!("three of six hosts die: {:8} lost {failed:?}", peer.name()));
        losses.push(Losses { peer: *peer, failed });
    }
    Ok(losses)
}

async fn one_round(peer: Peer, binary: &Path) -> Result<u64> {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let mut hosts =
        (0..6).map(|n| Backend::start(&format!("b{n}"), any)).collect::<Result<Vec<_>, _>>()?;
    let addresses: Vec<SocketAddr> = hosts.iter().map(Backend::addr).collect();
    let mut assignment = endpoints(CLUSTER, &addresses);
    let control_plane = MockXds::start_local().await?;
    control_plane.apply(Changes::new().cluster(&eds_cluster(CLUSTER)).endpoints(&assignment));
    let folder = tempfile::tempdir()?;
    let (mut process, port) =
        peer.start_over_ads(binary, &control_plane, CLUSTER, folder.path())?;
    process.listening(port, Duration::from_secs(20)).await?;
    answered_by(port, "b0", Instant::now()).await?;

    let load = Load {
        protocol: Protocol::Http1 { connections: 32 },
        pace: Pace::PerSecond(RATE.try_into()?),
        stop: Stop::WhenTold,
        ..Load::to(SocketAddr::from(([127, 0, 0, 1], port)))
    };
    let load = load.start();
    sleep(Duration::from_secs(1)).await;
    let dying = assignment.endpoints.iter_mut().flat_map(|locality| &mut locality.lb_endpoints);
    dying.take(3).for_each(|host| host.health_status = UNHEALTHY);
    control_plane.apply(Changes::new().endpoints(&assignment));
    hosts.drain(..3);
    sleep(Duration::from_secs(4)).await;
    let report = load.stop().await?;
    Ok(report.failed() + report.answers() - report.ok())
}
