//! Control planes that send what they should not: requests go on, and the admin port says what happened.

mod messages;
mod transport;

use anyhow::{Result, bail, ensure};
use destrier::demo::config::route;
use destrier::demo::local::{LocalAgent, request};
use destrier_mock_xds::{Changes, MockXds, eds_cluster, endpoints};
use destrier_testkit::{Backend, Load, Pace, RunningLoad, Stop};
use envoy_types::pb::envoy::config::cluster::v3::Cluster;
use envoy_types::pb::google::protobuf::Duration;
use tokio::time::Instant;

use crate::mesh::{PATIENCE, addresses, backends, mesh_agent, text, until_live};

const GOOD: &str = "outbound|80||good.demo.svc.cluster.local";
const MARK: &str = "outbound|80||mark.demo.svc.cluster.local";

/// An agent under steady load, whose control plane turns hostile.
struct Siege {
    agent: LocalAgent,
    plane: MockXds,
    load: RunningLoad,
    marks: i64,
    _backends: Vec<Backend>,
}

impl Siege {
    async fn begin() -> Result<Self> {
        let plane = MockXds::start_local().await?;
        let backends = backends(["a"])?;
        let hosts = endpoints(GOOD, &addresses(&backends));
        plane.apply(Changes::new().cluster(&eds_cluster(GOOD)).endpoints(&hosts));
        let agent = mesh_agent(&plane, &[route("/", GOOD)]).await?;
        let load = Load {
            pace: Pace::PerSecond(200.try_into()?),
            stop: Stop::WhenTold,
            ..Load::to(agent.entry())
        };
        Ok(Self { load: load.start(), agent, plane, marks: 0, _backends: backends })
    }

    /// A good change is in force within a short time: the session lives.
    async fn is_followed(&mut self, after: &str) -> Result<()> {
        self.marks += 1;
        let timeout = Duration { seconds: self.marks, nanos: 0 };
        let mark = Cluster { connect_timeout: Some(timeout), ..eds_cluster(MARK) };
        self.plane.apply(Changes::new().cluster(&mark).endpoints(&endpoints(MARK, &[])));
        let wanted = std::time::Duration::from_secs(self.marks.unsigned_abs());
        until_live(&self.agent, after, |clusters| {
            clusters.get(MARK).is_some_and(|mark| mark.policy().connect_timeout == wanted)
        })
        .await
    }

    /// Waits until the page for people has these words.
    async fn home_says(&self, words: &[&str]) -> Result<()> {
        let begin = Instant::now();
        let Some(admin) = self.agent.agent.admin().and_then(|address| address.ip()) else {
            bail!("there is an admin port");
        };
        loop {
            let page = text(&request(admin, "/", "").await?);
            if words.iter().all(|word| page.contains(word)) {
                return Ok(());
            }
            ensure!(begin.elapsed() < PATIENCE, "{words:?} are not on the page: {page}");
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    }

    /// No request has failed.
    async fn end(self) -> Result<()> {
        let report = self.load.stop().await?;
        ensure!(report.answers() > 0, "there was load");
        ensure!(
            report.failed() == 0 && report.ok() == report.answers(),
            "{:?} {:?}",
            report.failures,
            report.statuses
        );
        Ok(())
    }
}
