//! What it costs to forward: CPU per request, throughput and latency.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, bail};
use destrier_testkit::{Backend, Load, Pace, Protocol as Spoken, Report, Stop};
use rand::seq::SliceRandom;

use crate::Options;
use crate::peer::{Balancing, Peer, Protocol, Setup};
use crate::ports::free_port;
use crate::process::{Process, pin_self};
use crate::report::say;

/// A load.
struct Scenario {
    name: &'static str,
    protocol: Protocol,
    path: &'static str,
    /// Downstream connections.
    connections: usize,
    /// Requests at a time on each.
    streams: usize,
    /// A connection for each request.
    close: bool,
    /// Requests a second; none is as many as go.
    rate: Option<u32>,
    /// Hosts of the cluster.
    endpoints: usize,
    balancing: Balancing,
    access_log: bool,
    /// Who is compared.
    field: Field,
}

/// Who takes part in a scenario.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Field {
    All,
    /// Envoy and Destrier, which take the same configuration, with one worker.
    SameConfiguration,
}

const SMALL: Scenario = Scenario {
    name: "HTTP/1.1, 100 B",
    protocol: Protocol::Http1,
    path: "/bytes/100",
    connections: 32,
    streams: 1,
    close: false,
    rate: None,
    endpoints: 4,
    balancing: Balancing::RoundRobin,
    access_log: false,
    field: Field::All,
};

/// A thousand hosts, which is cold memory for every pick.
const MANY: Scenario = Scenario { endpoints: 1000, field: Field::SameConfiguration, ..SMALL };

const SCENARIOS: &[Scenario] = &[
    SMALL,
    Scenario { name: "HTTP/1.1, 16 KiB", path: "/bytes/16384", ..SMALL },
    Scenario { name: "HTTP/1.1, 100 B, a connection each", connections: 16, close: true, ..SMALL },
    Scenario { name: "HTTP/1.1, 100 B, at 4,000/s", rate: Some(4000), ..SMALL },
    Scenario {
        name: "HTTP/2, 100 B",
        protocol: Protocol::Http2,
        connections: 4,
        streams: 8,
        ..SMALL
    },
    Scenario { name: "TCP, 100 B", protocol: Protocol::Tcp, ..SMALL },
    Scenario {
        name: "HTTP/1.1, 100 B, access log",
        access_log: true,
        field: Field::SameConfiguration,
        ..SMALL
    },
    Scenario { name: "1,000 hosts, round robin", ..MANY },
    Scenario { name: "1,000 hosts, weighted", balancing: Balancing::Weighted, ..MANY },
    Scenario { name: "1,000 hosts, least request", balancing: Balancing::LeastRequest, ..MANY },
    Scenario { name: "1,000 hosts, random", balancing: Balancing::Random, ..MANY },
    Scenario { name: "1,000 hosts, ring hash", balancing: Balancing::RingHash, ..MANY },
    Scenario { name: "1,000 hosts, Maglev", balancing: Balancing::Maglev, ..MANY },
];

/// What a peer needed in one round.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    pub(crate) cpu_us: f64,
    pub(crate) system_share: f64,
    pub(crate) per_second: f64,
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
    pub(crate) p999: Duration,
    pub(crate) rss_kib: u64,
}

/// All rounds of a scenario.
pub(crate) struct Outcome {
    pub(crate) scenario: &'static str,
    pub(crate) workers: usize,
    /// By peer, a sample a round.
    pub(crate) samples: BTreeMap<Peer, Vec<Sample>>,
    /// Memory before the first request.
    pub(crate) idle_kib: BTreeMap<Peer, u64>,
}

pub(crate) fn run(options: &Options, peers: &[(Peer, PathBuf)]) -> Result<Vec<Outcome>> {
    // Load and backends stay on the second core; a proxy with one worker has the first for itself.
    pin_self("1")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut outcomes = Vec::new();
    for workers in [1, 2] {
        for scenario in SCENARIOS {
            let wanted = options.only.as_ref();
            if wanted.is_some_and(|word| !scenario.name.contains(word.as_str())) {
                continue;
            }
            let narrow = scenario.field == Field::SameConfiguration;
            if narrow && workers > 1 {
                continue;
            }
            let takes_part = |peer: &Peer| !narrow || matches!(peer, Peer::Envoy | Peer::Destrier);
            let peers: Vec<_> =
                peers.iter().filter(|(peer, _)| takes_part(peer)).cloned().collect();
            outcomes.push(runtime.block_on(measure(options, &peers, scenario, workers))?);
        }
    }
    Ok(outcomes)
}

async fn measure(
    options: &Options,
    peers: &[(Peer, PathBuf)],
    scenario: &Scenario,
    workers: usize,
) -> Result<Outcome> {
    let folder = tempfile::tempdir()?;
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let backends = (0..scenario.endpoints)
        .map(|n| Backend::start(&format!("b{n}"), any))
        .collect::<Result<Vec<_>, _>>()?;
    let ports: Vec<u16> = backends.iter().map(|backend| backend.addr().port()).collect();
    let cores = if workers == 1 { "0" } else { "0,1" };
    let mut running = Vec::new();
    let mut idle_kib = BTreeMap::new();
    for (peer, binary) in peers {
        let (port, admin) = (free_port()?, free_port()?);
        let own = folder.path().join(peer.name());
        let setup = Setup {
            protocol: scenario.protocol,
            port,
            admin,
            backends: ports.clone(),
            workers,
            idle_clusters: 0,
            balancing: scenario.balancing,
            access_log: scenario.access_log.then(|| own.join("access.log")),
        };
        let mut process = peer.start(binary, &setup, cores, &own)?;
        process.listening(port, Duration::from_secs(20)).await?;
        idle_kib.insert(*peer, process.usage()?.rss_kib);
        running.push((*peer, process, port));
    }
    let mut samples: BTreeMap<Peer, Vec<Sample>> = BTreeMap::new();
    for round in 0..options.rounds {
        running.shuffle(&mut rand::rng());
        for (peer, process, port) in &mut running {
            let sample = one_round(options, scenario, process, *port).await?;
            say(&format!(
                "{}, {workers} worker(s), round {}: {:8} {:6.2} us {:6.0}/s",
                scenario.name,
                round + 1,
                peer.name(),
                sample.cpu_us,
                sample.per_second
            ));
            samples.entry(*peer).or_default().push(sample);
        }
    }
    Ok(Outcome { scenario: scenario.name, workers, samples, idle_kib })
}

async fn one_round(
    options: &Options,
    scenario: &Scenario,
    process: &mut Process,
    port: u16,
) -> Result<Sample> {
    let (warm, length) = if options.quick { (100, 700) } else { (400, 2500) };
    drive(scenario, port, Duration::from_millis(warm)).await?;
    let before = process.usage()?;
    let reports = drive(scenario, port, Duration::from_millis(length)).await?;
    let used = process.usage()?.since(before);
    let mut all = Report::default();
    let mut answers = 0;
    for report in &reports {
        if report.failed() > 0 || report.ok() != report.answers() {
            bail!("{}: {:?}, failed: {:?}", scenario.name, report.statuses, report.failures);
        }
        answers += report.ok();
        all.latency.add(&report.latency)?;
    }
    Ok(Sample {
        cpu_us: used.cpu_ns as f64 / 1000.0 / answers.max(1) as f64,
        system_share: used.system_share(),
        per_second: reports.iter().map(Report::per_second).sum(),
        p50: all.latency_at(0.5),
        p99: all.latency_at(0.99),
        p999: all.latency_at(0.999),
        rss_kib: used.rss_kib,
    })
}

/// Runs the load for a while.
async fn drive(scenario: &Scenario, port: u16, length: Duration) -> Result<Vec<Report>> {
    let target = SocketAddr::from(([127, 0, 0, 1], port));
    let mut load =
        Load { path: scenario.path.parse()?, stop: Stop::In(length), ..Load::to(target) };
    if scenario.close {
        load.headers.insert("connection", "close".parse()?);
    }
    if let Some(rate) = scenario.rate {
        load.pace = Pace::PerSecond(rate.try_into()?);
    }
    let loads = match scenario.protocol {
        Protocol::Http2 => {
            load.protocol = Spoken::Http2 { streams: scenario.streams };
            vec![load; scenario.connections]
        }
        // Each connection has a key of its own.
        Protocol::Http1 if scenario.balancing.hashes() => (0..scenario.connections)
            .map(|key| {
                let mut load = load.clone();
                load.headers.insert("x-key", key.to_string().parse()?);
                Ok(load)
            })
            .collect::<Result<_>>()?,
        Protocol::Http1 | Protocol::Tcp => {
            load.protocol = Spoken::Http1 { connections: scenario.connections };
            vec![load]
        }
    };
    let running: Vec<_> = loads.into_iter().map(Load::start).collect();
    let mut reports = Vec::new();
    for load in running {
        reports.push(load.finished().await?);
    }
    Ok(reports)
}
