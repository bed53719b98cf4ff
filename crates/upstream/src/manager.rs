//! The single writer of live clusters, on a thread of its own.

mod on_demand;
mod retired;
mod thread;

#[cfg(test)]
mod tests;

use std::io;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;

use destrier_balance::TableBudget;
use destrier_policy::{ClusterName, Locality, Snapshot};
use tokio::sync::oneshot;

use crate::Directory;
use thread::Writer;

/// Where this proxy is, which zone-aware routing goes by, and what balancing may take.
#[derive(Clone, Debug)]
pub struct Place {
    /// `node.locality`.
    pub zone: Locality,
    /// `cluster_manager.local_cluster_name`: the cluster of which this proxy is a member.
    pub local_cluster: Option<ClusterName>,
    /// Memory for the hash tables of all clusters together, in bytes. Default 256 MiB.
    pub table_memory: usize,
}

impl Default for Place {
    fn default() -> Self {
        Self {
            zone: Locality::default(),
            local_cluster: None,
            table_memory: TableBudget::DEFAULT_LIMIT,
        }
    }
}

/// Handle of the manager thread, which joins each snapshot with what lives and publishes the result. It
/// never decodes or renders: what it does must not wait behind a large message or a scrape. The thread
/// ends when the handle is dropped, after what was queued.
#[derive(Debug)]
pub struct ClusterManager {
    directory: Directory,
    events: mpsc::Sender<Event>,
    /// `None` only while dropping.
    thread: Option<JoinHandle<()>>,
}

/// What the manager is told.
#[derive(Debug)]
pub(crate) enum Event {
    Publish(Arc<Snapshot>),
    Rebuild(ClusterName),
    Flush(oneshot::Sender<()>),
    Stop,
}

impl ClusterManager {
    /// Starts the thread, of a proxy that is nowhere. There are no clusters yet.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start() -> io::Result<Self> {
        Self::start_at(Place::default())
    }

    /// Starts the thread. There are no clusters yet.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start_at(place: Place) -> io::Result<Self> {
        let directory = Directory::default();
        let (events, queue) = mpsc::channel();
        directory.connect(events.clone());
        let writer = Writer::new(directory.clone(), queue, place);
        let thread =
            std::thread::Builder::new().name("clusters".into()).spawn(move || writer.run())?;
        Ok(Self { directory, events, thread: Some(thread) })
    }

    /// Where the clusters are read.
    pub fn directory(&self) -> &Directory {
        &self.directory
    }

    /// Queues a snapshot. Snapshots are whole: of several that wait only the newest is put in force.
    pub fn publish(&self, snapshot: Arc<Snapshot>) {
        self.tell(Event::Publish(snapshot));
    }

    /// Queues that a cluster is balanced anew, after hosts of it were excluded or included: the next pick
    /// passes over an excluded host at once, and loads and panic follow with this.
    pub fn rebuild(&self, cluster: ClusterName) {
        self.tell(Event::Rebuild(cluster));
    }

    /// Resolves when all that was queued before is in force.
    pub async fn flush(&self) {
        let (done, flushed) = oneshot::channel();
        self.tell(Event::Flush(done));
        // An error says that the thread is gone: nothing will be put in force any more.
        let _ = flushed.await;
    }

    fn tell(&self, event: Event) {
        // The thread lives as long as this handle.
        let _ = self.events.send(event);
    }
}

impl Drop for ClusterManager {
    fn drop(&mut self) {
        self.tell(Event::Stop);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
