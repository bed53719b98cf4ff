//! The control plane is ended by force each second while policies and endpoints change: no request may fail,
//! and in the end the last change is in force.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use destrier_testkit::{Backend, Load, Pace, Protocol, Stop};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};

use crate::peer::Peer;
use crate::ports::{answered_by, free_port};
use crate::process::Process;
use crate::report::say;

const USED: &str = "outbound|80||killed.default.svc.cluster.local";
const BACKENDS: usize = 6;
/// Requests in a second.
const RATE: u32 = 1000;
/// Changes in a second.
const CHANGES: u32 = 5;
/// The same on each run.
const SEED: u64 = 20;

pub(crate) fn run(root: &Path, duration: Duration) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(kills(root, duration))
}

/// A control plane as a process of its own, which serves a folder.
struct ControlPlane<'a> {
    root: &'a Path,
    folder: &'a Path,
    listen: SocketAddr,
}

impl ControlPlane<'_> {
    fn start(&self) -> Result<Process> {
        let program = self.root.join("target/release/mock-xds");
        let arguments = [
            "--listen".to_owned(),
            self.listen.to_string(),
            "--dir".to_owned(),
            self.folder.display().to_string(),
            "--interval-ms".to_owned(),
            "20".to_owned(),
        ];
        let log = self.folder.with_extension("log");
        Process::start("mock-xds", &program, &arguments, "1", &log)
    }

    /// Puts resources in place of those before, at once for whoever reads.
    fn serve(&self, resources: &Value) -> Result<()> {
        let temporary = self.folder.with_extension("new");
        std::fs::write(&temporary, serde_json::to_vec(resources)?)?;
        std::fs::rename(temporary, self.folder.join("resources.json"))?;
        Ok(())
    }
}

/// A cluster as it is for a while: who is in it, and how it is balanced.
struct State {
    hosts: Vec<SocketAddr>,
    policy: &'static str,
}

impl State {
    fn random(all: &[SocketAddr], random: &mut StdRng) -> Self {
        let count = random.random_range(1..=all.len());
        let hosts = all.sample(random, count).copied().collect();
        let policies = ["ROUND_ROBIN", "LEAST_REQUEST", "RANDOM", "MAGLEV"];
        Self { hosts, policy: policies.choose(random).copied().unwrap_or("RANDOM") }
    }

    fn resources(&self) -> Value {
        let endpoint = |host: &SocketAddr| {
            let address = json!({ "address": host.ip().to_string(), "port_value": host.port() });
            json!({ "endpoint": { "address": { "socket_address": address } } })
        };
        let endpoints: Vec<_> = self.hosts.iter().map(endpoint).collect();
        json!([
            {
                "@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster",
                "name": USED,
                "type": "EDS",
                "eds_cluster_config": {
                    "eds_config": { "ads": {}, "resource_api_version": "V3" },
                },
                "lb_policy": self.policy,
                "connect_timeout": "5s",
            },
            {
                "@type": "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment",
                "cluster_name": USED,
                "endpoints": [{ "lb_endpoints": endpoints }],
            },
        ])
    }
}

async fn kills(root: &Path, duration: Duration) -> Result<()> {
    let binary = Peer::Destrier.binary(root).context("the release binary")?;
    let folder = tempfile::tempdir()?;
    let served = folder.path().join("served");
    std::fs::create_dir(&served)?;
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let backends = (0..BACKENDS)
        .map(|n| Backend::start(&format!("b{n}"), any))
        .collect::<Result<Vec<_>, _>>()?;
    let all: Vec<SocketAddr> = backends.iter().map(Backend::addr).collect();
    let mut random = StdRng::seed_from_u64(SEED);

    let listen = SocketAddr::from(([127, 0, 0, 1], free_port()?));
    let plane = ControlPlane { root, folder: &served, listen };
    plane.serve(&State { hosts: all.clone(), policy: "ROUND_ROBIN" }.resources())?;
    let mut running = plane.start()?;
    running.listening(listen.port(), Duration::from_secs(10)).await?;
    let mut agent = Peer::Destrier.start_at(&binary, listen, USED, folder.path())?;
    agent.process.listening(agent.port, Duration::from_secs(20)).await?;
    answered_by(agent.port, "b0", Instant::now()).await?;

    let load = Load {
        protocol: Protocol::Http1 { connections: 16 },
        pace: Pace::PerSecond(RATE.try_into()?),
        stop: Stop::WhenTold,
        ..Load::to(SocketAddr::from(([127, 0, 0, 1], agent.port)))
    };
    let load = load.start();
    let began = Instant::now();
    let (mut killed, mut changed) = (0, 0);
    let mut last = State::random(&all, &mut random);
    while began.elapsed() < duration {
        for _ in 0..CHANGES {
            last = State::random(&all, &mut random);
            plane.serve(&last.resources())?;
            changed += 1;
            sleep(Duration::from_secs(1) / CHANGES).await;
        }
        // Dropped, it is killed.
        drop(running);
        killed += 1;
        running = plane.start()?;
    }
    let settled = is_in_force(agent.admin, &last, Duration::from_secs(60)).await;
    let report = load.stop().await?;
    let failed = report.failed() + report.answers() - report.ok();
    say(&format!(
        "control plane killed {killed} times in {duration:?}, {changed} changes: {} requests, {failed} failed; {}",
        report.answers() + report.failed(),
        match &settled {
            Ok(after) => format!("the last change was in force {after:.1?} after the last kill"),
            Err(error) => error.to_string(),
        }
    ));
    agent.process.usage()?;
    settled?;
    if failed > 0 {
        bail!("requests failed: {:?} {:?}", report.statuses, report.failures);
    }
    Ok(())
}

/// Waits until the agent shows these hosts and this policy.
async fn is_in_force(admin: u16, wanted: &State, limit: Duration) -> Result<Duration> {
    let since = Instant::now();
    let mut hosts: Vec<String> = wanted.hosts.iter().map(SocketAddr::to_string).collect();
    hosts.sort();
    loop {
        let (policy, seen) = balancing(admin).await?;
        if (policy.as_str(), &seen) == (wanted.policy, &hosts) {
            return Ok(since.elapsed());
        }
        if since.elapsed() > limit {
            bail!("{hosts:?} by {} is not in force, but {seen:?} by {policy}", wanted.policy);
        }
        sleep(Duration::from_millis(50)).await;
    }
}

/// The policy and the hosts of the cluster, as the admin port tells them.
async fn balancing(admin: u16) -> Result<(String, Vec<String>)> {
    let name = USED.replace('|', "%7C");
    let mut stream = TcpStream::connect(("127.0.0.1", admin)).await?;
    let request = format!("GET /lb?cluster={name}&format=json HTTP/1.0\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let (_, body) = answer.split_once("\r\n\r\n").context("the admin port answers")?;
    let page: Value = serde_json::from_str(body)?;
    let list = |value: &Value, key: &str| value[key].as_array().cloned().unwrap_or_default();
    let mut hosts: Vec<String> = list(&page, "priorities")
        .iter()
        .flat_map(|priority| list(priority, "localities"))
        .flat_map(|locality| list(&locality, "hosts"))
        .filter_map(|host| host["address"].as_str().map(str::to_owned))
        .collect();
    hosts.sort();
    Ok((page["asked_for"].as_str().unwrap_or_default().to_owned(), hosts))
}
