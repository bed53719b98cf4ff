//! The parts of a mesh, each started with one call.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use destrier::demo::config::{Ads, bootstrap, http_manager, listener, with_control_plane};
use destrier::demo::local::LocalAgent;
use destrier_mock_xds::MockXds;
use destrier_testkit::{Backend, RawResponse};
use destrier_upstream::Clusters;
use serde_json::Value;
use tokio::time::Instant;

/// How long anything may take before a test gives up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A free port of 127.0.0.1.
pub(crate) fn loopback() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

/// Backends with these names, on free ports.
pub(crate) fn backends<const N: usize>(names: [&str; N]) -> Result<Vec<Backend>> {
    names.iter().map(|name| Ok(Backend::start(name, loopback())?)).collect()
}

/// Where they listen.
pub(crate) fn addresses(backends: &[Backend]) -> Vec<SocketAddr> {
    backends.iter().map(Backend::addr).collect()
}

/// The bootstrap of an agent with one HTTP listener and a control plane.
pub(crate) fn mesh_bootstrap(plane: &MockXds, ads: Ads, routes: &[Value]) -> Result<Value> {
    let at = plane.address().context("the control plane listens on TCP")?;
    let plain = bootstrap(&[listener("http", &http_manager("ingress", routes))], &[]);
    Ok(with_control_plane(plain, at, ads))
}

/// An agent that is ready, with one HTTP listener and a control plane in delta.
pub(crate) async fn mesh_agent(plane: &MockXds, routes: &[Value]) -> Result<LocalAgent> {
    let agent = LocalAgent::start(&mesh_bootstrap(plane, Ads::Delta, routes)?)?;
    agent.ready().await?;
    Ok(agent)
}

/// An agent that is ready, without a control plane.
pub(crate) async fn static_agent(listeners: &[Value], clusters: &[Value]) -> Result<LocalAgent> {
    let agent = LocalAgent::start(&bootstrap(listeners, clusters))?;
    agent.ready().await?;
    Ok(agent)
}

/// Waits until something holds.
pub(crate) async fn until(what: &str, holds: impl Fn() -> bool) -> Result<()> {
    let begin = Instant::now();
    while !holds() {
        if begin.elapsed() > PATIENCE {
            bail!("{what}: not so within {PATIENCE:?}");
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    Ok(())
}

/// Waits until the live clusters are as wanted.
pub(crate) async fn until_live(
    agent: &LocalAgent,
    what: &str,
    holds: impl Fn(&Arc<Clusters>) -> bool,
) -> Result<()> {
    until(what, || holds(&agent.agent.directory().load())).await
}

/// Asks again and again until the answer is as wanted, and gives that answer.
pub(crate) async fn until_answer(
    agent: &LocalAgent,
    path: &str,
    wanted: impl Fn(&RawResponse) -> bool,
) -> Result<RawResponse> {
    let begin = Instant::now();
    loop {
        let answer = agent.get(path, "").await?;
        if wanted(&answer) {
            return Ok(answer);
        }
        if begin.elapsed() > PATIENCE {
            bail!("{path}: the last answer is {answer:?}");
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// A header as text; empty when it is not there.
pub(crate) fn header<'a>(answer: &'a RawResponse, name: &str) -> &'a str {
    answer.head.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// The body as text.
pub(crate) fn text(answer: &RawResponse) -> String {
    String::from_utf8_lossy(&answer.body).into_owned()
}
