//! What runs on the manager's thread.

use std::iter;
use std::sync::{Arc, mpsc};

use destrier_policy::Snapshot;
use tracing::debug;

use super::Event;
use super::retired::Retired;
use crate::reconcile::{Change, Membership, Reconciled, reconcile};
use crate::{Cluster, Directory};

/// The only one that stores clusters.
pub(super) struct Writer {
    directory: Directory,
    queue: mpsc::Receiver<Event>,
    retired: Retired,
}

impl Writer {
    pub(super) fn new(directory: Directory, queue: mpsc::Receiver<Event>) -> Self {
        Self { directory, queue, retired: Retired::default() }
    }

    /// Until the handle is dropped.
    pub(super) fn run(mut self) {
        loop {
            match self.next_event() {
                Ok(event) => self.handle_batch(event),
                Err(mpsc::RecvTimeoutError::Timeout) => {}
                Err(mpsc::RecvTimeoutError::Disconnected) => return,
            }
            self.retired.sweep(&self.directory);
        }
    }

    fn next_event(&self) -> Result<Event, mpsc::RecvTimeoutError> {
        match self.retired.next_sweep() {
            Some(soon) => self.queue.recv_timeout(soon),
            None => self.queue.recv().map_err(|_| mpsc::RecvTimeoutError::Disconnected),
        }
    }

    /// Everything that waits: of several snapshots the newest stands for all.
    fn handle_batch(&mut self, first: Event) {
        let mut newest = None;
        let mut flushes = Vec::new();
        for event in iter::once(first).chain(self.queue.try_iter()) {
            match event {
                Event::Publish(snapshot) => newest = Some(snapshot),
                Event::Flush(done) => flushes.push(done),
            }
        }
        if let Some(snapshot) = newest {
            self.put_in_force(snapshot);
        }
        for done in flushes {
            // Whoever asked may have gone.
            let _ = done.send(());
        }
    }

    fn put_in_force(&mut self, snapshot: Arc<Snapshot>) {
        let live = self.directory.load();
        let Reconciled { clusters, changes } = reconcile(&live, snapshot, &mut rand::random);
        debug!(clusters = clusters.len(), changed = changes.len(), "clusters change");
        // No request may meet a new cluster without its limits.
        for after in changes.iter().filter_map(|change| change.after.as_ref()) {
            after.state().enforce(after.policy());
        }
        drop(live);
        self.retired.keep_clusters(self.directory.replace(clusters));
        for change in changes {
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
        let had_same = |before: &Arc<Cluster>| before.endpoints() == after.endpoints();
        if !change.before.as_ref().is_some_and(had_same) {
            stats.cluster_updated.inc();
        }
    }
}
