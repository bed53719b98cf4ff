//! An agent in this process, and what one asks it: for the demo and the tests of the whole agent.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use destrier_policy::Address;
use destrier_testkit::{AnswerTo, RawConn, RawResponse};
use serde_json::Value;

use crate::agent::Agent;
use crate::args::Args;
use crate::bootstrap;
use crate::telemetry::Levels;

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// An agent with two workers.
pub struct LocalAgent {
    /// The agent itself.
    pub agent: Agent,
    /// Its listeners, in the order of the bootstrap.
    pub entries: Vec<SocketAddr>,
    /// Its admin port.
    pub admin: SocketAddr,
}

impl LocalAgent {
    /// Starts it, and does not wait until it is ready.
    ///
    /// # Errors
    /// What is wrong with the bootstrap, or that it listens on something else than TCP.
    pub fn start(bootstrap: &Value) -> Result<Self> {
        Self::start_with(bootstrap, &[])
    }

    /// As [`start`](Self::start), with more flags.
    ///
    /// # Errors
    /// As [`start`](Self::start); also a flag that is not known.
    pub fn start_with(bootstrap: &Value, flags: &[&str]) -> Result<Self> {
        let line = ["destrier", "--concurrency", "2"].iter().chain(flags);
        let args = Args::read(line.map(Into::into)).map_err(|exit| anyhow::anyhow!(exit.text))?;
        let loaded = bootstrap::parse(&[("bootstrap".into(), bootstrap.to_string())], &args)
            .map_err(|faults| anyhow::anyhow!(faults.join("; ")))?;
        let levels = Levels::new(args.log_level, &args.component_log_level);
        let agent = Agent::start(loaded, &args, levels)?;
        let ip = |address: &Address| address.ip().context("it listens on TCP");
        let entries = agent.listeners().iter().map(|listener| ip(&listener.address));
        let entries = entries.collect::<Result<_>>()?;
        let admin = ip(agent.admin().context("there is an admin port")?)?;
        Ok(Self { agent, entries, admin })
    }

    /// Waits until its listeners accept.
    ///
    /// # Errors
    /// They do not in time.
    pub async fn ready(&self) -> Result<()> {
        tokio::time::timeout(PATIENCE, self.agent.ready()).await.context("the agent is not ready")
    }

    /// Its first listener.
    pub fn entry(&self) -> SocketAddr {
        self.entries.first().copied().unwrap_or(self.admin)
    }

    /// `GET path` over a connection of its own; `headers` are whole lines.
    ///
    /// # Errors
    /// No whole answer.
    pub async fn get(&self, path: &str, headers: &str) -> Result<RawResponse> {
        request(self.entry(), path, headers).await
    }

    /// A JSON page of the admin port.
    ///
    /// # Errors
    /// No answer, or no JSON.
    pub async fn admin_json(&self, path: &str) -> Result<Value> {
        let response = request(self.admin, path, "").await?;
        serde_json::from_slice(&response.body).with_context(|| format!("{path} is not JSON"))
    }

    /// A counter or gauge by its full name; what is not there is 0.
    ///
    /// # Errors
    /// As [`Self::admin_json`].
    pub async fn stat(&self, name: &str) -> Result<u64> {
        let stats = self.admin_json("/stats?format=json").await?;
        let listed = stats["stats"].as_array().context("a list of statistics")?;
        let found = listed.iter().find(|stat| stat["name"] == name);
        Ok(found.and_then(|stat| stat["value"].as_u64()).unwrap_or(0))
    }

    /// Waits until a page of the admin port says so.
    ///
    /// # Errors
    /// It does not in time; `what` names it.
    pub async fn until(
        &self,
        what: &str,
        path: &str,
        holds: impl Fn(&Value) -> bool,
    ) -> Result<()> {
        let begin = tokio::time::Instant::now();
        loop {
            let page = self.admin_json(path).await?;
            if holds(&page) {
                return Ok(());
            }
            if begin.elapsed() > PATIENCE {
                bail!("{what}: not seen on {path} within {PATIENCE:?}: {page}");
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Waits until a cluster is picked from this many hosts.
    ///
    /// # Errors
    /// As [`Self::until`].
    pub async fn until_hosts(&self, cluster: &str, count: usize) -> Result<()> {
        self.until(&format!("{count} hosts of {cluster}"), "/lb", |lb| {
            let hosts = lb["clusters"][cluster]["hosts"].as_object();
            hosts.is_some_and(|hosts| hosts.len() == count)
        })
        .await
    }
}

/// `GET path` over a connection of its own; `headers` are whole lines.
///
/// # Errors
/// No whole answer.
pub async fn request(to: SocketAddr, path: &str, headers: &str) -> Result<RawResponse> {
    let mut connection = RawConn::connect(to).await?;
    let head = format!("GET {path} HTTP/1.1\r\nhost: demo\r\n{headers}connection: close\r\n\r\n");
    connection.send(head.as_bytes()).await?;
    Ok(connection.read_response(AnswerTo::method(&http::Method::GET)).await?)
}
