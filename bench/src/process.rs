//! A proxy under test as a process: started on chosen cores, measured from outside, ended by its id.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};

/// CPU and memory of a process and its children.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    /// Time on a core, nanoseconds.
    pub(crate) cpu_ns: u64,
    /// Clock ticks in user mode.
    user_ticks: u64,
    /// Clock ticks in the kernel.
    system_ticks: u64,
    /// Resident memory, KiB.
    pub(crate) rss_kib: u64,
}

impl Usage {
    /// What was used since an earlier reading; memory is that of now.
    pub(crate) fn since(self, earlier: Self) -> Self {
        Self {
            cpu_ns: self.cpu_ns.saturating_sub(earlier.cpu_ns),
            user_ticks: self.user_ticks.saturating_sub(earlier.user_ticks),
            system_ticks: self.system_ticks.saturating_sub(earlier.system_ticks),
            rss_kib: self.rss_kib,
        }
    }

    /// Share of the time that was spent in the kernel.
    pub(crate) fn system_share(self) -> f64 {
        self.system_ticks as f64 / (self.user_ticks + self.system_ticks).max(1) as f64
    }
}

/// A running proxy. Dropping it ends it.
pub(crate) struct Process {
    child: Child,
    name: &'static str,
    log: PathBuf,
}

impl Process {
    /// Starts `program` on the given cores (`0` or `0,1`), its output in a file.
    pub(crate) fn start(
        name: &'static str,
        program: &Path,
        arguments: &[String],
        cores: &str,
        log: &Path,
    ) -> Result<Self> {
        let file = std::fs::File::create(log)?;
        let child = Command::new("taskset")
            .args(["-c", cores])
            .arg(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        Ok(Self { child, name, log: log.to_owned() })
    }

    /// Waits until it listens on a loopback port.
    pub(crate) async fn listening(&mut self, port: u16, limit: Duration) -> Result<Duration> {
        let begin = tokio::time::Instant::now();
        while tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            let ended = self.child.try_wait()?;
            if ended.is_some() || begin.elapsed() > limit {
                // What it said is the cause more often than not.
                let said = std::fs::read_to_string(&self.log).unwrap_or_default();
                bail!("{} does not listen ({ended:?}): {said}", self.name);
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        Ok(begin.elapsed())
    }

    /// CPU and memory up to now, of the process and those that it started.
    pub(crate) fn usage(&mut self) -> Result<Usage> {
        if let Some(status) = self.child.try_wait()? {
            bail!("{} ended by itself: {status}", self.name);
        }
        let mut sum = Usage::default();
        for id in family(self.child.id()) {
            let Some(usage) = read(id) else { continue };
            sum.cpu_ns += usage.cpu_ns;
            sum.user_ticks += usage.user_ticks;
            sum.system_ticks += usage.system_ticks;
            sum.rss_kib += usage.rss_kib;
        }
        Ok(sum)
    }

    /// Resident memory once it no longer grows, KiB.
    pub(crate) async fn settled(&mut self) -> Result<u64> {
        let mut last = 0;
        for _ in 0..40 {
            tokio::time::sleep(Duration::from_millis(250)).await;
            let now = self.usage()?.rss_kib;
            if now.abs_diff(last) < 64 {
                return Ok(now);
            }
            last = now;
        }
        Ok(last)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The parent first, or it would start its children anew.
        for id in family(self.child.id()) {
            let _ = Command::new("kill").args(["-KILL", &id.to_string()]).output();
        }
        let _ = self.child.wait();
    }
}

/// A process and all below it.
fn family(root: u32) -> Vec<u32> {
    let mut parents = Vec::new();
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(id) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        if let Some(parent) = stat(id).and_then(|fields| fields.get(1)?.parse::<u32>().ok()) {
            parents.push((id, parent));
        }
    }
    let mut family = vec![root];
    let mut at = 0;
    while let Some(parent) = family.get(at).copied() {
        family.extend(parents.iter().filter(|(_, p)| *p == parent).map(|(id, _)| *id));
        at += 1;
    }
    family
}

/// Fields of `/proc/<id>/stat` from the state on: the name before them may contain spaces.
fn stat(id: u32) -> Option<Vec<String>> {
    let text = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let fields = text.rsplit_once(')')?.1.split_whitespace();
    Some(fields.map(str::to_owned).collect())
}

fn read(id: u32) -> Option<Usage> {
    let fields = stat(id)?;
    let field = |index: usize| fields.get(index)?.parse::<u64>().ok();
    let mut usage = Usage { user_ticks: field(11)?, system_ticks: field(12)?, ..Usage::default() };
    for task in std::fs::read_dir(format!("/proc/{id}/task")).ok()?.flatten() {
        let text = std::fs::read_to_string(task.path().join("schedstat")).ok()?;
        usage.cpu_ns += text.split_whitespace().next()?.parse::<u64>().ok()?;
    }
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let rss = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    usage.rss_kib = rss.split_whitespace().next()?.parse().ok()?;
    Some(usage)
}

/// Keeps this process, which is load and backends, off the cores of the proxy.
pub(crate) fn pin_self(cores: &str) -> Result<()> {
    let id = std::process::id().to_string();
    let output = Command::new("taskset").args(["-a", "-c", "-p", cores, &id]).output()?;
    if !output.status.success() {
        bail!("taskset: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}
