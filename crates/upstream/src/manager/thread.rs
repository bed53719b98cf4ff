//! What runs on the manager's thread.

use std::collections::{BTreeSet, HashMap};
use std::iter;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use destrier_balance::{LocalCluster, TableBudget};
use destrier_policy::{ClusterName, Snapshot};
use tracing::debug;

use super::on_demand::Sweeps;
use super::retired::Retired;
use super::{Event, Place};
use crate::cluster::Surroundings;
use crate::reconcile::{Change, Membership, Reconciled, Stale, reconcile};
use crate::{Cluster, Directory};

/// The only one that stores clusters.
pub(super) struct Writer {
    directory: Directory,
    queue: mpsc::Receiver<Event>,
    retired: Retired,
    place: Place,
    local: Option<Arc<LocalCluster>>,
    budget: Arc<TableBudget>,
    /// When the next step of slow start is due, of clusters that have new hosts.
    steps: HashMap<ClusterName, Instant>,
    /// Of hosts that clients ask for.
    sweeps: Sweeps,
    stopped: bool,
}

impl Writer {
    pub(super) fn new(directory: Directory, queue: mpsc::Receiver<Event>, place: Place) -> Self {
        Self {
            directory,
            queue,
            retired: Retired::default(),
            local: None,
            budget: Arc::new(TableBudget::new(place.table_memory)),
            place,
            steps: HashMap::new(),
            sweeps: Sweeps::default(),
            stopped: false,
        }
    }

    /// Until the handle is dropped.
    #[expect(clippy::disallowed_methods, reason = "the driver reads the clock for all below")]
    pub(super) fn run(mut self) {
        loop {
            let event = self.next_event(Instant::now());
            let now = Instant::now();
            match event {
                Ok(event) => self.handle_batch(event, now),
                Err(mpsc::RecvTimeoutError::Timeout) => {}
                Err(mpsc::RecvTimeoutError::Disconnected) => return,
            }
            self.take_steps(now);
            let shrunk = self.sweeps.run(&self.directory, now);
            if !shrunk.is_empty() {
                self.put_in_force(None, &shrunk, now);
            }
            self.retired.sweep(&self.directory);
            if self.stopped {
                return;
            }
        }
    }

    fn next_event(&self, now: Instant) -> Result<Event, mpsc::RecvTimeoutError> {
        let due = self.next_step().into_iter().chain(self.sweeps.next()).min();
        let step = due.map(|due| due.saturating_duration_since(now));
        match step.into_iter().chain(self.retired.next_sweep()).min() {
            Some(soon) => self.queue.recv_timeout(soon.max(Duration::from_millis(1))),
            None => self.queue.recv().map_err(|_| mpsc::RecvTimeoutError::Disconnected),
        }
    }

    /// Everything that waits: of several snapshots the newest stands for all.
    fn handle_batch(&mut self, first: Event, now: Instant) {
        let mut newest = None;
        let mut stale = BTreeSet::new();
        let mut flushes = Vec::new();
        for event in iter::once(first).chain(self.queue.try_iter()) {
            match event {
                Event::Publish(snapshot) => newest = Some(snapshot),
                Event::Rebuild(cluster) => {
                    stale.insert(cluster);
                }
                Event::Flush(done) => flushes.push(done),
                Event::Stop => self.stopped = true,
            }
        }
        if newest.is_some() || !stale.is_empty() {
            self.put_in_force(newest, &stale, now);
        }
        for done in flushes {
            // Whoever asked may have gone.
            let _ = done.send(());
        }
    }

    /// When the next step of slow start is due.
    pub(super) fn next_step(&self) -> Option<Instant> {
        self.steps.values().min().copied()
    }

    /// Builds the clusters anew of which a host in slow start is due for more of its weight.
    pub(super) fn take_steps(&mut self, now: Instant) {
        let due = self.steps.iter().filter(|(_, due)| **due <= now);
        let due: BTreeSet<ClusterName> = due.map(|(name, _)| name.clone()).collect();
        if !due.is_empty() {
            self.steps.retain(|name, _| !due.contains(name));
            self.put_in_force(None, &due, now);
        }
    }

    /// Publishes what follows from a snapshot, or from the one in force, and from what is stale.
    pub(super) fn put_in_force(
        &mut self,
        snapshot: Option<Arc<Snapshot>>,
        stale: &BTreeSet<ClusterName>,
        now: Instant,
    ) {
        let live = self.directory.load();
        let snapshot = snapshot.unwrap_or_else(|| Arc::clone(live.snapshot()));
        let local = self.local_cluster(&snapshot);
        let stale = match local == self.local {
            true => Stale::Some(stale),
            false => Stale::All,
        };
        self.local = local;
        let around = Surroundings {
            now,
            own: self.place.zone.clone(),
            local: self.local.clone(),
            budget: Arc::clone(&self.budget),
        };
        let Reconciled { clusters, changes } =
            reconcile(&live, snapshot, &around, &stale, &mut rand::random);
        debug!(clusters = clusters.len(), changed = changes.len(), "clusters change");
        // No request may meet a new cluster without its limits.
        for after in changes.iter().filter_map(|change| change.after.as_ref()) {
            after.state().enforce(after.policy());
        }
        drop(live);
        self.retired.keep_clusters(self.directory.replace(clusters));
        for change in changes {
            self.note_step(&change, now);
            self.sweeps.note(&change, now);
            self.count(&change);
            let state = change.after.as_ref().or(change.before.as_ref()).map(|one| one.state());
            if let Some(state) = state {
                if change.membership == Membership::Changed {
                    state.count_membership_change();
                }
                // Only now: a request that comes later has the new hosts.
                state.pools().retire(&change.retired);
            }
            if let Some(before) = change.before {
                self.retired.keep_cluster(before, change.retired);
            }
        }
    }

    /// The zones of the local cluster as the snapshot has it.
    fn local_cluster(&self, snapshot: &Snapshot) -> Option<Arc<LocalCluster>> {
        let spec = snapshot.clusters.get(self.place.local_cluster.as_ref()?)?;
        let members = spec
            .endpoints
            .iter()
            .map(|(group, endpoint)| (&group.locality, endpoint.health.into()));
        let local = LocalCluster::new(&self.place.zone, members);
        Some(match &self.local {
            Some(known) if **known == local => Arc::clone(known),
            _ => Arc::new(local),
        })
    }

    fn note_step(&mut self, change: &Change, now: Instant) {
        let after = change.after.as_ref();
        match after.and_then(|after| Some((after.name(), after.balancer().next_step()?))) {
            Some((name, step)) => {
                self.steps.insert(name.clone(), now + step);
            }
            None => {
                if let Some(cluster) = after.or(change.before.as_ref()) {
                    self.steps.remove(cluster.name());
                }
            }
        }
    }

    fn count(&self, change: &Change) {
        let stats = self.directory.stats();
        let Some(after) = &change.after else {
            return stats.cluster_removed.inc();
        };
        match &change.before {
            None => stats.cluster_added.inc(),
            Some(before) if before.policy() != after.policy() => stats.cluster_modified.inc(),
            Some(_) => {}
        }
        let had_same = |before: &Arc<Cluster>| {
            let (had, has) = (before.endpoints(), after.endpoints());
            Arc::ptr_eq(had, has) || had == has
        };
        if !change.before.as_ref().is_some_and(had_same) {
            stats.cluster_updated.inc();
        }
    }
}
