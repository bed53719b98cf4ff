//! All clusters of one moment, and where they are read.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, OnceLock, Weak, mpsc};

use arc_swap::ArcSwap;
use destrier_policy::{ClusterName, Snapshot, WarmingCluster};

use super::{Cluster, ClusterState};
use crate::hash::FastHash;
use crate::manager::Event;
use crate::stats::ManagerStats;
use crate::{HostState, StatValue, StatVisitor};

/// All clusters in force. Replaced whole; what did not change is the same [`Cluster`] as before.
#[derive(Clone, Default)]
pub struct Clusters {
    pub(crate) map: HashMap<ClusterName, Arc<Cluster>, FastHash>,
    pub(crate) snapshot: Arc<Snapshot>,
    /// Clusters that are gone but may have requests in flight.
    pub(crate) departed: HashMap<ClusterName, Departed>,
}

/// What may be left of a cluster that is gone. If it comes back in time, so does its state: a limit
/// must hold over old and new requests together.
#[derive(Clone)]
pub(crate) struct Departed {
    pub(crate) state: Weak<ClusterState>,
    pub(crate) hosts: Box<[Weak<HostState>]>,
}

impl Clusters {
    /// A cluster by its name.
    pub fn get(&self, name: &str) -> Option<&Arc<Cluster>> {
        self.map.get(name)
    }

    /// Every cluster, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Cluster>> {
        self.snapshot.clusters.keys().filter_map(|name| self.map.get(name))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.map.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.map.is_empty()
    }

    /// What they were made from; also says which of them are on their way out.
    pub fn snapshot(&self) -> &Arc<Snapshot> {
        &self.snapshot
    }

    /// Clusters that are known but take no request yet.
    pub fn warming(&self) -> &[WarmingCluster] {
        &self.snapshot.warming
    }
}

impl fmt::Debug for Clusters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.map.keys()).finish()
    }
}

/// Where live clusters are read. Cheap to clone; all clones see the same.
#[derive(Clone, Debug, Default)]
pub struct Directory(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    clusters: ArcSwap<Clusters>,
    stats: ManagerStats,
    /// To the manager, while there is one.
    manager: OnceLock<mpsc::Sender<Event>>,
}

impl Directory {
    /// The cluster of this name, for the life of a request. The clusters are loaded once, without
    /// touching a count that other workers touch.
    pub fn get(&self, name: &str) -> Option<Arc<Cluster>> {
        self.0.clusters.load().get(name).cloned()
    }

    /// All clusters of this moment, for whoever looks at more than one.
    pub fn load(&self) -> Arc<Clusters> {
        self.0.clusters.load_full()
    }

    /// Calls `visit(name, value)` for each statistic of `cluster_manager.<name>` that is kept.
    pub fn visit_stats(&self, visit: &mut StatVisitor<'_>) {
        self.stats().visit(visit);
        let clusters = self.load();
        visit("active_clusters", StatValue::Gauge(clusters.len() as u64));
        visit("warming_clusters", StatValue::Gauge(clusters.warming().len() as u64));
    }

    /// Sets every counter of every cluster, and those of the manager, to zero.
    pub fn reset_counters(&self) {
        self.stats().reset_counters();
        self.load().iter().for_each(|cluster| cluster.state().reset_counters());
    }

    /// A cluster has a host more: the manager is to show it.
    pub(crate) fn note_host(&self, cluster: &ClusterName) {
        if let Some(manager) = self.0.manager.get() {
            // Without a manager nothing changes any more.
            let _ = manager.send(Event::Rebuild(cluster.clone()));
        }
    }

    /// Who hears of new hosts.
    pub(crate) fn connect(&self, manager: mpsc::Sender<Event>) {
        let _ = self.0.manager.set(manager);
    }

    /// For the manager to count into.
    pub(crate) fn stats(&self) -> &ManagerStats {
        &self.0.stats
    }

    /// For the manager alone; gives back what was in force.
    pub(crate) fn replace(&self, clusters: Clusters) -> Arc<Clusters> {
        self.0.clusters.swap(Arc::new(clusters))
    }
}
