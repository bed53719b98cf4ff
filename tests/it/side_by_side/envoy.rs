//! Envoy as a process.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use destrier::demo::local::request;
use destrier_testkit::RawResponse;
use serde_json::Value;
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use crate::mesh::PATIENCE;
use crate::process::{listeners, say_skipped};

/// The binary; says that `what` is skipped where there is none.
pub(super) fn find_or_say(what: &str) -> io::Result<Option<PathBuf>> {
    let found = find();
    if found.is_none() {
        say_skipped(&format!("{what} side by side: no Envoy here (set ENVOY_BIN)"))?;
    }
    Ok(found)
}

fn find() -> Option<PathBuf> {
    let cached = Path::new(env!("CARGO_MANIFEST_DIR")).join(".cache/envoy/envoy/_bin/envoy");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let in_path = std::env::split_paths(&path).map(|folder| folder.join("envoy"));
    let named = std::env::var_os("ENVOY_BIN").map(PathBuf::from);
    named.into_iter().chain([cached]).chain(in_path).find(|file| file.is_file())
}

/// A running Envoy. It is killed when dropped.
pub(super) struct Envoy {
    child: Child,
    folder: TempDir,
}

impl Envoy {
    pub(super) fn start(binary: &Path, bootstrap: &Value) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("bootstrap.json");
        std::fs::write(&file, bootstrap.to_string())?;
        let child = Command::new(binary)
            .arg("-c")
            .arg(&file)
            .arg("--admin-address-path")
            .arg(folder.path().join("admin"))
            .args(["--concurrency", "1", "--use-dynamic-base-id", "-l", "critical"])
            .args(["--file-flush-interval-msec", "50"])
            .stdin(Stdio::null())
            .spawn()
            .with_context(|| format!("cannot run {}", binary.display()))?;
        Ok(Self { child, folder })
    }

    /// Waits until it serves, and gives the address of its first listener.
    pub(super) async fn ready(&self) -> Result<SocketAddr> {
        let begin = Instant::now();
        loop {
            match self.first_listener().await {
                Ok(address) => return Ok(address),
                Err(error) if begin.elapsed() > PATIENCE => bail!("Envoy is not ready: {error:#}"),
                // Neither the file nor the listener is there at once.
                Err(_) => sleep(Duration::from_millis(10)).await,
            }
        }
    }

    async fn first_listener(&self) -> Result<SocketAddr> {
        anyhow::ensure!(self.admin("/ready").await?.head.status == 200, "not ready");
        let page = self.admin("/listeners?format=json").await?;
        let (_, address) = listeners(&page.body)?.into_iter().next().context("no listener yet")?;
        Ok(address)
    }

    /// Where each of its listeners is.
    pub(super) async fn listeners(&self) -> Result<Vec<(String, SocketAddr)>> {
        listeners(&self.admin("/listeners?format=json").await?.body)
    }

    async fn admin(&self, path: &str) -> Result<RawResponse> {
        let admin = std::fs::read_to_string(self.folder.path().join("admin"))?.trim().parse()?;
        request(admin, path, "").await
    }
}

impl Drop for Envoy {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
