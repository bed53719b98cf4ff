//! One endpoint comes to a cluster of ten thousand: what that costs, by the way hosts are chosen.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;
use destrier_mock_xds::{Changes, MockXds, eds_cluster, endpoints};
use tokio::time::sleep;

use crate::Options;
use crate::peer::{Balancing, Peer};
use crate::report::say;

const CLUSTER: &str = "outbound|80||large.default.svc.cluster.local";
const POLICIES: [Balancing; 4] =
    [Balancing::RoundRobin, Balancing::LeastRequest, Balancing::RingHash, Balancing::Maglev];

/// What one change cost.
pub(crate) struct Membership {
    pub(crate) peer: Peer,
    pub(crate) balancing: Balancing,
    pub(crate) endpoints: usize,
    /// CPU time of the process, a value for each change.
    pub(crate) cpu: Duration,
    /// Memory with all endpoints.
    pub(crate) rss_kib: u64,
}

pub(crate) fn run(options: &Options, peers: &[(Peer, PathBuf)]) -> Result<Vec<Membership>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let endpoints = if options.quick { 100 } else { 10_000 };
    let mut rows = Vec::new();
    for balancing in POLICIES {
        for (peer, binary) in peers {
            if !matches!(peer, Peer::Envoy | Peer::Destrier) {
                continue;
            }
            let row = runtime.block_on(measure(*peer, binary, balancing, endpoints))?;
            say(&format!(
                "one of {endpoints} endpoints, {}: {:8} {:?}",
                balancing.lb_policy(),
                peer.name(),
                row.cpu
            ));
            rows.push(row);
        }
    }
    Ok(rows)
}

async fn measure(
    peer: Peer,
    binary: &Path,
    balancing: Balancing,
    count: usize,
) -> Result<Membership> {
    /// Endpoints that come, one after the other.
    const CHANGES: usize = 5;
    let address =
        |index: usize| SocketAddr::from(([10, 1, (index / 250) as u8, (index % 250) as u8], 8080));
    let mut addresses: Vec<SocketAddr> = (0..count).map(address).collect();
    let mut cluster = eds_cluster(CLUSTER);
    cluster.lb_policy = balancing.lb_policy_number();
    let control_plane = MockXds::start_local().await?;
    control_plane
        .apply(Changes::new().cluster(&cluster).endpoints(&endpoints(CLUSTER, &addresses)));
    let folder = tempfile::tempdir()?;
    let (mut process, port) =
        peer.start_over_ads(binary, &control_plane, CLUSTER, folder.path())?;
    process.listening(port, Duration::from_secs(60)).await?;
    let rss_kib = process.settled().await?;
    let before = process.usage()?;
    for change in 0..CHANGES {
        addresses.push(address(count + change));
        control_plane.apply(Changes::new().endpoints(&endpoints(CLUSTER, &addresses)));
        // Longer than Envoy's window for merging updates; both sleep through the rest of it.
        sleep(Duration::from_millis(1500)).await;
    }
    let used = process.usage()?.since(before);
    let cpu = Duration::from_nanos(used.cpu_ns) / CHANGES as u32;
    Ok(Membership { peer, balancing, endpoints: count, cpu, rss_kib })
}
