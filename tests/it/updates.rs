//! Changes while requests flow: none fails, and what is only policy reconnects nothing.

use std::net::SocketAddr;
use std::time::Duration as StdDuration;

use anyhow::Result;
use destrier::demo::config::route;
use destrier::demo::local::{LocalAgent, request};
use destrier_mock_xds::{Changes, MockXds, eds_cluster, endpoints};
use destrier_testkit::{Backend, Gate, Load, Pace, Protocol, Report, RunningLoad, Stop};
use envoy_types::pb::envoy::config::cluster::v3::circuit_breakers::Thresholds;
use envoy_types::pb::envoy::config::cluster::v3::cluster::LbPolicy;
use envoy_types::pb::envoy::config::cluster::v3::{CircuitBreakers, Cluster, OutlierDetection};
use envoy_types::pb::google::protobuf::{Duration, UInt32Value};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{RngExt as _, SeedableRng as _};

use crate::mesh::{addresses, backends, mesh_agent, text, until, until_live};

const ROUTED: [&str; 2] =
    ["outbound|80||first.demo.svc.cluster.local", "outbound|80||second.demo.svc.cluster.local"];
/// A new value of its connect timeout shows that a change is in force.
const MARK: &str = "outbound|80||mark.demo.svc.cluster.local";
const UPDATES: u32 = 1000;

/// Draws the changes.
struct Changer {
    random: StdRng,
    peers: Vec<SocketAddr>,
    unrouted: Vec<String>,
    made: u32,
}

impl Changer {
    fn new(peers: Vec<SocketAddr>) -> Self {
        let given = std::env::var("DESTRIER_SEED").ok().and_then(|seed| seed.parse().ok());
        let seed = given.unwrap_or_else(rand::random);
        // Shown when the test fails, so that the same changes can be drawn again.
        println!("DESTRIER_SEED={seed}");
        Self { random: StdRng::seed_from_u64(seed), peers, unrouted: Vec::new(), made: 0 }
    }

    /// Limits stay far above what the load needs, for a refusal would be no failure of ours.
    fn policy(&mut self, name: &str) -> Cluster {
        let random = &mut self.random;
        let mut limit = || Some(UInt32Value { value: random.random_range(500..2000) });
        let thresholds = Thresholds {
            max_connections: limit(),
            max_pending_requests: limit(),
            max_requests: limit(),
            ..Thresholds::default()
        };
        let policies = [LbPolicy::RoundRobin, LbPolicy::LeastRequest, LbPolicy::Random];
        let outlier = OutlierDetection {
            consecutive_5xx: limit(),
            interval: Some(Duration { seconds: 10, nanos: 0 }),
            ..OutlierDetection::default()
        };
        Cluster {
            circuit_breakers: Some(CircuitBreakers {
                thresholds: vec![thresholds],
                ..CircuitBreakers::default()
            }),
            lb_policy: policies.choose(random).copied().unwrap_or_default().into(),
            connect_timeout: Some(Duration { seconds: random.random_range(5..60), nanos: 0 }),
            outlier_detection: random.random_bool(0.5).then_some(outlier),
            ..eds_cluster(name)
        }
    }

    /// The first peer, which stays so that its connections can grow old, and some of the others.
    fn some_peers(&mut self) -> Vec<SocketAddr> {
        let (first, others) = self.peers.split_at(1);
        let count = self.random.random_range(0..=others.len());
        first.iter().chain(others.sample(&mut self.random, count)).copied().collect()
    }

    fn change(&mut self) -> Changes {
        let routed = ROUTED.choose(&mut self.random).copied().unwrap_or(ROUTED[0]);
        match self.random.random_range(0..5) {
            0 => Changes::new().cluster(&self.policy(routed)),
            1 => Changes::new().endpoints(&endpoints(routed, &self.some_peers())),
            2 => Changes::new()
                .cluster(&self.policy(routed))
                .endpoints(&endpoints(routed, &self.some_peers())),
            3 => {
                let name = format!("outbound|80||extra-{}.demo.svc.cluster.local", self.made);
                let changes = Changes::new()
                    .cluster(&self.policy(&name))
                    .endpoints(&endpoints(&name, &self.some_peers()));
                self.unrouted.push(name);
                changes
            }
            _ => match self.unrouted.pop() {
                Some(name) => Changes::new().remove_cluster(&name),
                None => Changes::new().cluster(&self.policy(routed)),
            },
        }
    }

    /// Publishes a change together with a new mark, and waits until the mark is in force.
    async fn publish(
        &mut self,
        plane: &MockXds,
        agent: &LocalAgent,
        changes: Changes,
    ) -> Result<()> {
        self.made += 1;
        plane.apply(changes.cluster(&marked(1000 + self.made)));
        let mark = StdDuration::from_secs(1000 + u64::from(self.made));
        until_live(agent, "a change", |clusters| {
            clusters.get(MARK).is_some_and(|cluster| cluster.policy().connect_timeout == mark)
        })
        .await
    }
}

fn marked(mark: u32) -> Cluster {
    Cluster {
        connect_timeout: Some(Duration { seconds: i64::from(mark), nanos: 0 }),
        ..eds_cluster(MARK)
    }
}

/// Both routed clusters, with every backend.
fn begin(backends: &[Backend]) -> Changes {
    let peers = addresses(backends);
    let all = ROUTED.iter().fold(Changes::new(), |changes, name| {
        changes.cluster(&eds_cluster(name)).endpoints(&endpoints(name, &peers))
    });
    all.cluster(&eds_cluster(MARK)).endpoints(&endpoints(MARK, &peers))
}

/// A steady load of both protocols to both clusters.
fn loads(agent: &LocalAgent) -> Vec<RunningLoad> {
    let protocols = [Protocol::Http1 { connections: 4 }, Protocol::Http2 { streams: 4 }];
    let load = |protocol, path: &'static str| Load {
        protocol,
        path: http::uri::PathAndQuery::from_static(path),
        pace: Pace::PerSecond(100.try_into().expect("it is not zero")),
        stop: Stop::WhenTold,
        ..Load::to(agent.entry())
    };
    ["/first", "/second"]
        .into_iter()
        .flat_map(|path| protocols.map(|protocol| load(protocol, path).start()))
        .collect()
}

/// More connections than the load needs, so that some are idle for long.
async fn open_spare_connections(agent: &LocalAgent, backends: &[Backend]) -> Result<()> {
    const SPARE: u64 = 32;
    let gate = Gate::closed();
    backends.iter().for_each(|one| one.update(|behaviour| behaviour.gate = Some(gate.clone())));
    let burst = Load {
        protocol: Protocol::Http1 { connections: SPARE as usize },
        path: http::uri::PathAndQuery::from_static("/first"),
        stop: Stop::After(SPARE),
        ..Load::to(agent.entry())
    };
    let burst = burst.start();
    let held = || backends.iter().map(|one| one.counts().requests.active()).sum::<u64>();
    until("the burst is held", || held() == SPARE).await?;
    gate.open();
    assert_eq!(burst.finished().await?.ok(), SPARE);
    backends.iter().for_each(|one| one.update(|behaviour| behaviour.gate = None));
    Ok(())
}

async fn ended(loads: Vec<RunningLoad>) -> Result<Vec<Report>> {
    let mut reports = Vec::new();
    for load in loads {
        reports.push(load.stop().await?);
    }
    Ok(reports)
}

/// All answers are good; else the statistics say what became of the others.
async fn assert_none_failed(agent: &LocalAgent, reports: &[Report]) -> Result<()> {
    let filter = "_fail|with_active_rq|overflow|none_healthy|timeout|_reset|no_cluster";
    let page = request(agent.admin, &format!("/stats?usedonly&filter={filter}"), "").await?;
    for report in reports {
        let others = report.answers() - report.ok();
        let seen = (&report.statuses, &report.failures);
        assert_eq!((report.failed(), others), (0, 0), "{seen:?}\n{}", text(&page));
        assert!(report.ok() > 20, "a load that did not flow proves nothing: {seen:?}");
    }
    Ok(())
}

async fn under_random_changes(idle: Option<StdDuration>) -> Result<()> {
    let backends = backends(["a", "b", "c", "d"])?;
    if let Some(idle) = idle {
        for backend in &backends {
            backend.update(|behaviour| behaviour.idle = Some(idle / 4..=idle));
        }
    }
    let plane = MockXds::start_local().await?;
    plane.apply(begin(&backends));
    let routes = [route("/first", ROUTED[0]), route("/second", ROUTED[1])];
    let agent = mesh_agent(&plane, &routes).await?;
    open_spare_connections(&agent, &backends).await?;
    let running = loads(&agent);
    let mut changer = Changer::new(addresses(&backends));
    for _ in 0..UPDATES {
        let changes = changer.change();
        changer.publish(&plane, &agent, changes).await?;
    }
    assert_none_failed(&agent, &ended(running).await?).await?;
    assert_eq!(agent.stat("cluster_manager.cds.update_rejected").await?, 0);
    if idle.is_some() {
        let mut closed = 0;
        for name in ROUTED {
            closed += agent.stat(&format!("cluster.{name}.upstream_cx_destroy_remote")).await?;
        }
        assert!(closed > 0, "no backend has closed a connection");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_random_changes_fail_no_request() -> Result<()> {
    under_random_changes(None).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nor_do_they_when_backends_close_idle_connections() -> Result<()> {
    under_random_changes(Some(StdDuration::from_millis(800))).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_of_policy_alone_close_no_connection() -> Result<()> {
    let backends = backends(["a", "b"])?;
    let plane = MockXds::start_local().await?;
    plane.apply(begin(&backends));
    let routes = [route("/first", ROUTED[0]), route("/second", ROUTED[1])];
    let agent = mesh_agent(&plane, &routes).await?;
    let running = loads(&agent);
    let mut changer = Changer::new(addresses(&backends));
    let mut closed_before = None;
    for round in 0..300 {
        let changes = ROUTED
            .iter()
            .fold(Changes::new(), |changes, name| changes.cluster(&changer.policy(name)));
        changer.publish(&plane, &agent, changes).await?;
        if round == 0 {
            closed_before = Some(closed(&backends));
        }
    }
    assert_none_failed(&agent, &ended(running).await?).await?;
    assert_eq!(closed_before, Some(0));
    assert_eq!(closed(&backends), 0);
    Ok(())
}

/// How many connections of the backends have ended.
fn closed(backends: &[Backend]) -> u64 {
    let ended = backends.iter().map(|backend| {
        let connections = &backend.counts().connections;
        connections.total() - connections.active()
    });
    ended.sum()
}
