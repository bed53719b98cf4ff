//! Ports of proxies: free ones, and who answers behind them.

use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use anyhow::{Result, bail};
use destrier_testkit::{Load, Stop};
use tokio::time::Instant;

/// A port that was free a moment ago.
pub(crate) fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// Asks until the backend of this name answers.
pub(crate) async fn answered_by(port: u16, wanted: &str, since: Instant) -> Result<()> {
    let target = SocketAddr::from(([127, 0, 0, 1], port));
    loop {
        let load =
            Load { stop: Stop::After(1), count_by: Some("x-backend".parse()?), ..Load::to(target) };
        let report = load.run().await?;
        if report.by_header.contains_key(wanted) {
            return Ok(());
        }
        if since.elapsed() > Duration::from_secs(180) {
            bail!("no answer from {wanted}: {:?} {:?}", report.statuses, report.failures);
        }
    }
}
