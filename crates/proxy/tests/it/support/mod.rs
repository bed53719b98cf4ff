//! What the tests stand on.

mod backend;
mod client;
pub(crate) mod h2;
mod rig;

pub(crate) use backend::Backend;
pub(crate) use client::{Client, Reply};
pub(crate) use h2::H2Client;
pub(crate) use rig::{Rig, cluster, forward, forward_with, route, virtual_host};

use std::time::Duration;

/// How long anything may take before a test fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// Waits for something, for so long.
pub(crate) async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("it happens in time")
}

/// Waits until something holds.
pub(crate) async fn until(mut holds: impl FnMut() -> bool) {
    soon(async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await;
}
