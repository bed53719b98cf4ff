//! The built program: run to its end, or as an agent of its own process.

use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::time::{Instant, sleep, timeout};

use crate::mesh::PATIENCE;

/// Says that a test is skipped, and why. Not with `eprintln`: what a test that passes prints is hidden, and
/// this must be seen.
pub(crate) fn say_skipped(what_and_why: &str) -> io::Result<()> {
    io::stderr().write_all(format!("SKIPPED: {what_and_why}\n").as_bytes())
}

/// Runs the program to its end.
pub(crate) fn run<S: AsRef<std::ffi::OsStr>>(line: &[S]) -> Result<Output> {
    Ok(Command::new(env!("CARGO_BIN_EXE_destrier")).args(line).output()?)
}

/// An agent in a process of its own, with its admin port on a Unix socket. It is killed when dropped.
pub(crate) struct Program {
    child: Child,
    folder: TempDir,
}

impl Program {
    /// Starts it; the admin address of the bootstrap is replaced.
    pub(crate) fn start(mut bootstrap: Value, flags: &[&str]) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let admin = folder.path().join("admin.sock");
        bootstrap["admin"] = json!({ "address": { "pipe": { "path": admin } } });
        let file = folder.path().join("bootstrap.json");
        std::fs::write(&file, bootstrap.to_string())?;
        let child = Command::new(env!("CARGO_BIN_EXE_destrier"))
            .arg("-c")
            .arg(&file)
            .args(["--concurrency", "2", "-l", "warning"])
            .args(flags)
            .stdin(Stdio::null())
            .spawn()?;
        Ok(Self { child, folder })
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("admin.sock")
    }

    /// A request to the admin port; the answer as it came.
    pub(crate) async fn admin(&self, method: &str, path: &str) -> io::Result<String> {
        timeout(PATIENCE, ask(&self.socket(), method, path)).await?
    }

    /// Waits until it says that it is ready, and gives the address of its first listener.
    pub(crate) async fn ready(&self) -> Result<SocketAddr> {
        let begin = Instant::now();
        loop {
            match self.admin("GET", "/ready").await {
                Ok(answer) if answer.starts_with("HTTP/1.1 200") => break,
                answer if begin.elapsed() > PATIENCE => bail!("not ready: {answer:?}"),
                // The socket may not be there yet.
                _ => sleep(Duration::from_millis(5)).await,
            }
        }
        let (_, address) = self.listeners().await?.into_iter().next().context("it listens")?;
        Ok(address)
    }

    /// Where each of its listeners is.
    pub(crate) async fn listeners(&self) -> Result<Vec<(String, SocketAddr)>> {
        let answer = self.admin("GET", "/listeners?format=json").await?;
        let (_, body) = answer.split_once("\r\n\r\n").context("the answer has a body")?;
        listeners(body.as_bytes())
    }

    /// Sends SIGTERM.
    pub(crate) fn terminate(&self) -> Result<()> {
        // The shell has a `kill` of its own everywhere.
        let line = format!("kill -TERM {}", self.child.id());
        let sent = Command::new("sh").args(["-c", &line]).status()?;
        anyhow::ensure!(sent.success(), "the process is gone");
        Ok(())
    }

    /// Whether it still runs.
    pub(crate) fn is_running(&mut self) -> Result<bool> {
        Ok(self.child.try_wait()?.is_none())
    }

    /// Waits for its end.
    pub(crate) async fn ended(mut self) -> Result<ExitStatus> {
        let begin = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            if begin.elapsed() > PATIENCE {
                bail!("it still runs after {PATIENCE:?}");
            }
            sleep(Duration::from_millis(5)).await;
        }
    }

    /// The most memory that it ever held, in bytes.
    pub(crate) fn peak_memory(&self) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.split_whitespace().next()).context("Linux says it")?;
        Ok(kib.parse::<u64>()? * 1024)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Names and addresses of `/listeners?format=json`, in its order.
pub(crate) fn listeners(page: &[u8]) -> Result<Vec<(String, SocketAddr)>> {
    let page: Value = serde_json::from_slice(page)?;
    let all = page["listener_statuses"].as_array().context("no listeners")?;
    let one = |listener: &Value| {
        let address = &listener["local_address"]["socket_address"];
        let ip = address["address"].as_str().context("it listens on TCP")?;
        let name = listener["name"].as_str().context("it has a name")?;
        Ok((name.to_owned(), format!("{ip}:{}", address["port_value"]).parse()?))
    };
    all.iter().map(one).collect()
}

async fn ask(socket: &Path, method: &str, path: &str) -> io::Result<String> {
    let mut stream = UnixStream::connect(socket).await?;
    let request = format!("{method} {path} HTTP/1.1\r\nhost: admin\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}
