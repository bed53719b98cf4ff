//! What the admin port reads, and the few things that it may change.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use destrier_control::{Assembler, StaticListener, Timeline};
use destrier_files::{FileStatusHandle, StateStatusHandle};
use destrier_policy::FieldNote;
use destrier_proxy::Proxy;
use destrier_upstream::{Cluster, Directory};
use destrier_xds::StatusHandle;
use tokio_util::sync::CancellationToken;

use crate::runtime::RuntimeValues;
use crate::{LogLevels, ServerState, Tags};

/// Handles on everything that is shown; all of them are cheap to read.
pub struct Sources {
    /// The stage of the server's life.
    pub state: ServerState,
    /// Cancelled by `/quitquitquit`.
    pub quit: CancellationToken,
    /// When the process began.
    pub started: SystemTime,
    /// Reads the wall clock.
    pub clock: fn() -> SystemTime,
    /// Reads the monotonic clock.
    pub instant: fn() -> Instant,
    /// `command_line_options` of `/server_info`, in Envoy's words.
    pub options: serde_json::Value,
    /// The encoded `Bootstrap`.
    pub bootstrap: Bytes,
    /// `stats_config`, as it takes tags out of names.
    pub tags: Tags,
    /// Fields of the bootstrap that nothing obeys.
    pub not_in_force: Vec<FieldNote>,
    /// Live clusters.
    pub directory: Directory,
    /// Resources as they came, and what warms.
    pub assembler: Arc<Mutex<Assembler>>,
    /// What became of each resource that came.
    pub timeline: Arc<Mutex<Timeline>>,
    /// The session with the control plane, if there is one.
    pub xds: Option<StatusHandle>,
    /// Files that resources come from.
    pub files: FileStatusHandle,
    /// What became of the state on disk, with `--state-dir`.
    pub last_good: Option<StateStatusHandle>,
    /// Listeners with their real addresses, and what they count.
    pub proxy: Arc<Proxy>,
    /// The listeners as they stand in the bootstrap, in the order of those of `proxy`.
    pub static_listeners: Vec<StaticListener>,
    /// How long `/drain_listeners?graceful` waits before it closes listeners: `--drain-time-s`.
    pub drain_time: Duration,
    /// Levels of the process's own log, for `/logging`.
    pub log: Arc<dyn LogLevels>,
    /// `layered_runtime` and what `/runtime_modify` put over it.
    pub runtime: RuntimeValues,
    /// Worker threads.
    pub workers: usize,
}

impl Sources {
    /// Live clusters, in the order of their names.
    pub(crate) fn clusters_by_name(&self) -> impl Iterator<Item = Arc<Cluster>> + use<> {
        let live = self.directory.load();
        let mut clusters: Vec<_> = live.iter().cloned().collect();
        clusters.sort_by(|a, b| a.policy().name.cmp(&b.policy().name));
        clusters.into_iter()
    }

    /// The assembler, for a moment. Whoever panicked while holding it left whole values.
    pub(crate) fn assembler(&self) -> MutexGuard<'_, Assembler> {
        self.assembler.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What became of each resource that came.
    pub(crate) fn timeline(&self) -> MutexGuard<'_, Timeline> {
        self.timeline.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Since the process began.
    pub(crate) fn uptime(&self) -> Duration {
        (self.clock)().duration_since(self.started).unwrap_or_default()
    }
}
