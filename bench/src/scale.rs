//! Many clusters: memory, time to start, and what one changed endpoint costs.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;
use destrier_mock_xds::{Changes, MockXds, eds_cluster, endpoints};
use destrier_testkit::Backend;
use tokio::time::Instant;

use crate::Options;
use crate::peer::{Balancing, Peer, Protocol, Setup};
use crate::ports::{answered_by, free_port};
use crate::report::say;

/// What a peer needed with so many clusters of ten endpoints.
pub(crate) struct Scaled {
    pub(crate) peer: Peer,
    pub(crate) clusters: usize,
    /// From the start of the process until it listens, clusters in its own file.
    pub(crate) start: Duration,
    pub(crate) rss_kib: u64,
    /// The same over ADS, and one endpoint changed; `None` for those that speak none.
    pub(crate) ads: Option<OverAds>,
}

pub(crate) struct OverAds {
    pub(crate) start: Duration,
    pub(crate) rss_kib: u64,
    /// From the push until a request reaches the new endpoint: the median of several.
    pub(crate) change: Duration,
    /// CPU time of the process for one change.
    pub(crate) change_cpu: Duration,
}

/// Pushes that are timed.
const CHANGES: u32 = 10;

const CHANGED: &str = "outbound|80||changed.default.svc.cluster.local";

pub(crate) fn run(options: &Options, peers: &[(Peer, PathBuf)]) -> Result<Vec<Scaled>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let counts: &[usize] = if options.quick { &[0, 100] } else { &[0, 1000, 10_000] };
    let mut scaled = Vec::new();
    for &clusters in counts {
        for (peer, binary) in peers {
            let row = runtime.block_on(measure(*peer, binary, clusters))?;
            say(&format!(
                "{clusters} clusters: {:8} start {:?}, {} KiB",
                peer.name(),
                row.start,
                row.rss_kib
            ));
            scaled.push(row);
        }
    }
    Ok(scaled)
}

async fn measure(peer: Peer, binary: &Path, clusters: usize) -> Result<Scaled> {
    let folder = tempfile::tempdir()?;
    let backend = Backend::start("first", SocketAddr::from(([127, 0, 0, 1], 0)))?;
    let setup = Setup {
        protocol: Protocol::Http1,
        port: free_port()?,
        admin: free_port()?,
        backends: vec![backend.addr().port()],
        workers: 1,
        idle_clusters: clusters,
        balancing: Balancing::RoundRobin,
        access_log: None,
    };
    let mut process = peer.start(binary, &setup, "0", folder.path())?;
    let start = process.listening(setup.port, Duration::from_secs(120)).await?;
    let rss_kib = process.settled().await?;
    drop(process);
    let ads = match peer {
        Peer::Envoy | Peer::Destrier => Some(over_ads(peer, binary, clusters, &backend).await?),
        Peer::HaProxy | Peer::Nginx => None,
    };
    Ok(Scaled { peer, clusters, start, rss_kib, ads })
}

async fn over_ads(peer: Peer, binary: &Path, clusters: usize, first: &Backend) -> Result<OverAds> {
    let folder = tempfile::tempdir()?;
    let control_plane = MockXds::start_local().await?;
    let second = Backend::start("second", SocketAddr::from(([127, 0, 0, 1], 0)))?;
    let mut changes = Changes::new()
        .cluster(&eds_cluster(CHANGED))
        .endpoints(&endpoints(CHANGED, &[first.addr()]));
    for index in 0..clusters {
        let name = format!("outbound|80||idle-{index}.default.svc.cluster.local");
        let ip = [10, (index / 250 % 250) as u8, (index % 250) as u8, 1];
        let addresses: Vec<SocketAddr> =
            (1000..1010).map(|port| SocketAddr::from((ip, port))).collect();
        changes = changes.cluster(&eds_cluster(&name)).endpoints(&endpoints(&name, &addresses));
    }
    control_plane.apply(changes);
    let begin = Instant::now();
    let (mut process, port) =
        peer.start_over_ads(binary, &control_plane, CHANGED, folder.path())?;
    process.listening(port, Duration::from_secs(180)).await?;
    answered_by(port, "first", begin).await?;
    let start = begin.elapsed();
    let rss_kib = process.settled().await?;
    let (mut times, cpu_before) = (Vec::new(), process.usage()?);
    for round in 0..CHANGES {
        let (name, now) =
            if round % 2 == 0 { ("second", second.addr()) } else { ("first", first.addr()) };
        let pushed = Instant::now();
        control_plane.apply(Changes::new().endpoints(&endpoints(CHANGED, &[now])));
        answered_by(port, name, pushed).await?;
        times.push(pushed.elapsed());
    }
    times.sort();
    let used = process.usage()?.since(cpu_before);
    Ok(OverAds {
        start,
        rss_kib,
        change: times[times.len() / 2],
        change_cpu: Duration::from_nanos(used.cpu_ns) / CHANGES,
    })
}
