//! A thousand clusters come and go ten times a second: memory must not grow.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use destrier_mock_xds::{Changes, MockXds, eds_cluster, endpoints};
use destrier_testkit::{Backend, Load, Pace, Stop};
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::peer::Peer;
use crate::ports::answered_by;
use crate::report::say;

const CLUSTERS: usize = 1000;
const TICK: Duration = Duration::from_millis(100);
const STEADY: &str = "outbound|80||steady.default.svc.cluster.local";
/// How much more memory at the end than after the first minute is too much, in percent.
const GROWTH: u64 = 5;

pub(crate) fn run(root: &Path, duration: Duration) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let binary = Peer::Destrier.binary(root).context("the release binary")?;
    runtime.block_on(soak(&binary, duration))
}

async fn soak(binary: &Path, duration: Duration) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let backend = Backend::start("steady", SocketAddr::from(([127, 0, 0, 1], 0)))?;
    let steady = || {
        let hosts = endpoints(STEADY, &[backend.addr()]);
        Changes::new().cluster(&eds_cluster(STEADY)).endpoints(&hosts)
    };
    let mut flapping = steady();
    for index in 0..CLUSTERS {
        let name = format!("outbound|80||flapping-{index}.default.svc.cluster.local");
        let ip = [10, 9, (index / 250) as u8, (index % 250) as u8];
        let hosts = [8080, 8081].map(|port| SocketAddr::from((ip, port)));
        flapping = flapping.cluster(&eds_cluster(&name)).endpoints(&endpoints(&name, &hosts));
    }
    let control_plane = MockXds::start_local().await?;
    control_plane.replace(flapping.clone());
    let (mut process, port) =
        Peer::Destrier.start_over_ads(binary, &control_plane, STEADY, folder.path())?;
    process.listening(port, Duration::from_secs(60)).await?;
    answered_by(port, "steady", Instant::now()).await?;
    let load = Load {
        pace: Pace::PerSecond(200.try_into()?),
        stop: Stop::WhenTold,
        ..Load::to(SocketAddr::from(([127, 0, 0, 1], port)))
    };
    let load = load.start();

    let began = Instant::now();
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // What the mock remembers of each request would be memory of ours, not of the agent.
    let (mut flaps, mut minutes) = (0_u64, Vec::new());
    while began.elapsed() < duration {
        tokio::select! {
            _ = ticks.tick() => {}
            _ = control_plane.take_requests() => continue,
        }
        control_plane.replace(if flaps % 2 == 0 { steady() } else { flapping.clone() });
        flaps += 1;
        if began.elapsed().as_secs() / 60 > minutes.len() as u64 {
            let usage = process.usage()?;
            let (mib, cpu) = (usage.rss_kib / 1024, Duration::from_nanos(usage.cpu_ns));
            say(&format!("minute {}: {mib} MiB, {cpu:.1?} of CPU", minutes.len() + 1));
            minutes.push(usage.rss_kib);
        }
    }
    control_plane.replace(flapping);
    let last = process.settled().await?;
    let report = load.stop().await?;
    let failed = report.failed() + report.answers() - report.ok();
    let first = minutes.first().copied().unwrap_or(last);
    say(&format!(
        "{CLUSTERS} clusters flapped {flaps} times in {duration:?}: {first} KiB after the first minute, {last} KiB \
         at the end; {} requests, {failed} failed",
        report.answers() + report.failed()
    ));
    if failed > 0 || last * 100 > first * (100 + GROWTH) {
        bail!("requests failed, or memory grew by more than {GROWTH} %");
    }
    Ok(())
}
