//! When the hosts of ORIGINAL_DST clusters are looked over.

use std::collections::{BTreeSet, HashMap};
use std::time::Instant;

use destrier_policy::{ClusterName, Discovery};

use crate::reconcile::Change;
use crate::{Cluster, Directory};

/// When each cluster that has such hosts is due.
#[derive(Default)]
pub(super) struct Sweeps {
    due: HashMap<ClusterName, Instant>,
}

impl Sweeps {
    /// The next that is due.
    pub(super) fn next(&self) -> Option<Instant> {
        self.due.values().min().copied()
    }

    /// A cluster has hosts, or has none any more.
    pub(super) fn note(&mut self, change: &Change, now: Instant) {
        match &change.after {
            Some(after) => match next(after, now) {
                Some(due) => {
                    self.due.entry(after.name().clone()).or_insert(due);
                }
                None => drop(self.due.remove(after.name())),
            },
            None => {
                if let Some(before) = &change.before {
                    self.due.remove(before.name());
                }
            }
        }
    }

    /// Does what is due; the clusters that have fewer hosts now.
    pub(super) fn run(&mut self, directory: &Directory, now: Instant) -> BTreeSet<ClusterName> {
        let mut shrunk = BTreeSet::new();
        self.due.retain(|name, due| {
            if *due > now {
                return true;
            }
            let Some(cluster) = directory.get(name.as_str()) else { return false };
            if cluster.state().sweep_on_demand() {
                shrunk.insert(name.clone());
            }
            let next = next(&cluster, now);
            *due = next.unwrap_or(*due);
            next.is_some()
        });
        shrunk
    }
}

/// `None` for a cluster without such hosts.
fn next(cluster: &Cluster, now: Instant) -> Option<Instant> {
    let Discovery::OriginalDst(options) = &cluster.policy().discovery else { return None };
    (!cluster.state().on_demand().is_empty()).then(|| now + options.cleanup_interval)
}
