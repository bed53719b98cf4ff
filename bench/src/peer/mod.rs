//! The proxies that are compared, and how each is told the same thing.

mod envoy;
mod haproxy;
mod nginx;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use destrier_mock_xds::MockXds;

use crate::ports::free_port;
use crate::process::Process;

/// What is spoken through the proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// HTTP/1.1 on both sides.
    Http1,
    /// HTTP/2 on both sides, with prior knowledge.
    Http2,
    /// Bytes.
    Tcp,
}

/// What every proxy is told.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    pub(crate) protocol: Protocol,
    /// Where it listens.
    pub(crate) port: u16,
    /// Its admin port, where it has one.
    pub(crate) admin: u16,
    /// Ports of the backends on 127.0.0.1.
    pub(crate) backends: Vec<u16>,
    /// Threads that forward.
    pub(crate) workers: usize,
    /// Clusters that exist beside the one that is used, ten endpoints each.
    pub(crate) idle_clusters: usize,
    /// How the used cluster balances; HAProxy and nginx know round robin only.
    pub(crate) balancing: Balancing,
    /// Writes an access log in Istio's default format to this file; Envoy and Destrier only.
    pub(crate) access_log: Option<PathBuf>,
}

/// How a host is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Balancing {
    RoundRobin,
    /// Round robin with weights from 1 to 3.
    Weighted,
    LeastRequest,
    Random,
    /// By the header `x-key`.
    RingHash,
    /// By the header `x-key`.
    Maglev,
}

impl Balancing {
    /// `lb_policy`.
    pub(crate) fn lb_policy(self) -> &'static str {
        match self {
            Self::RoundRobin | Self::Weighted => "ROUND_ROBIN",
            Self::LeastRequest => "LEAST_REQUEST",
            Self::Random => "RANDOM",
            Self::RingHash => "RING_HASH",
            Self::Maglev => "MAGLEV",
        }
    }

    /// `Cluster.LbPolicy`.
    pub(crate) fn lb_policy_number(self) -> i32 {
        match self {
            Self::RoundRobin | Self::Weighted => 0,
            Self::LeastRequest => 1,
            Self::RingHash => 2,
            Self::Random => 3,
            Self::Maglev => 5,
        }
    }

    /// Whether requests carry a key.
    pub(crate) fn hashes(self) -> bool {
        matches!(self, Self::RingHash | Self::Maglev)
    }
}

/// A proxy that follows a control plane.
pub(crate) struct Started {
    pub(crate) process: Process,
    /// On which it will listen.
    pub(crate) port: u16,
    pub(crate) admin: u16,
}

/// A proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Peer {
    Envoy,
    Destrier,
    HaProxy,
    Nginx,
}

impl Peer {
    /// All, the yardstick first.
    pub(crate) const ALL: [Self; 4] = [Self::Envoy, Self::Destrier, Self::HaProxy, Self::Nginx];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Envoy => "Envoy",
            Self::Destrier => "Destrier",
            Self::HaProxy => "HAProxy",
            Self::Nginx => "nginx",
        }
    }

    /// Where its binary is, if it is there.
    pub(crate) fn binary(self, root: &Path) -> Option<PathBuf> {
        match self {
            Self::Destrier => Some(root.join("target/release/destrier")),
            Self::Envoy => {
                let named = std::env::var_os("ENVOY_BIN").map(PathBuf::from);
                let cached = root.join(".cache/envoy/envoy/_bin/envoy");
                named.or_else(|| cached.is_file().then_some(cached)).or_else(|| in_path("envoy"))
            }
            Self::HaProxy => in_path("haproxy"),
            Self::Nginx => in_path("nginx"),
        }
    }

    /// Starts it in `folder`, where its configuration is written.
    pub(crate) fn start(
        self,
        binary: &Path,
        setup: &Setup,
        cores: &str,
        folder: &Path,
    ) -> Result<Process> {
        let (file, text) = match self {
            Self::Envoy | Self::Destrier => ("envoy.yaml", envoy::bootstrap(setup)),
            Self::HaProxy => ("haproxy.cfg", haproxy::configuration(setup)),
            Self::Nginx => ("nginx.conf", nginx::configuration(setup, folder)),
        };
        std::fs::create_dir_all(folder)?;
        let path = folder.join(file);
        std::fs::write(&path, text)?;
        let path = path.display().to_string();
        let arguments = self.arguments(setup, path, folder);
        Process::start(self.name(), binary, &arguments, cores, &folder.join("log"))
    }

    /// Starts it in `folder` with the clusters of a control plane, all requests to the one named `used`.
    /// Only Envoy and Destrier know how. The port on which it will listen comes with it.
    pub(crate) fn start_over_ads(
        self,
        binary: &Path,
        control_plane: &MockXds,
        used: &str,
        folder: &Path,
    ) -> Result<(Process, u16)> {
        let at = control_plane.address().context("the control plane listens on TCP")?;
        let started = self.start_at(binary, at, used, folder)?;
        Ok((started.process, started.port))
    }

    /// The same with a control plane at an address.
    pub(crate) fn start_at(
        self,
        binary: &Path,
        at: SocketAddr,
        used: &str,
        folder: &Path,
    ) -> Result<Started> {
        let (port, admin) = (free_port()?, free_port()?);
        let path = folder.join("bootstrap.yaml");
        std::fs::write(&path, envoy::ads_bootstrap(port, admin, at, used))?;
        let arguments = ["-c", &path.display().to_string(), "--concurrency", "1", "-l", "error"]
            .map(str::to_owned);
        let process = Process::start(self.name(), binary, &arguments, "0", &folder.join("log"))?;
        Ok(Started { process, port, admin })
    }

    fn arguments(self, setup: &Setup, path: String, folder: &Path) -> Vec<String> {
        let workers = setup.workers.to_string();
        let words: Vec<&str> = match self {
            Self::Envoy => vec![
                "-c",
                &path,
                "--concurrency",
                &workers,
                "-l",
                "warning",
                "--disable-hot-restart",
            ],
            Self::Destrier => vec!["-c", &path, "--concurrency", &workers, "-l", "warning"],
            // In the foreground.
            Self::HaProxy => vec!["-db", "-f", &path],
            Self::Nginx => vec!["-c", &path, "-p", folder.to_str().unwrap_or("."), "-e", "stderr"],
        };
        words.into_iter().map(str::to_owned).collect()
    }
}

fn in_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let sbin = [PathBuf::from("/usr/sbin"), PathBuf::from("/sbin")];
    std::env::split_paths(&path)
        .chain(sbin)
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
}
