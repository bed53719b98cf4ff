//! The single writer of live clusters, on a thread of its own.

mod retired;
mod thread;

#[cfg(test)]
mod tests;

use std::io;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;

use destrier_policy::Snapshot;
use tokio::sync::oneshot;

use crate::Directory;
use thread::Writer;

/// Handle of the manager thread, which joins each snapshot with what lives and publishes the result. It
/// never decodes or renders: what it does must not wait behind a large message or a scrape. The thread
/// ends when the handle is dropped, after what was queued.
#[derive(Debug)]
pub struct ClusterManager {
    directory: Directory,
    /// `None` only while dropping.
    events: Option<mpsc::Sender<Event>>,
    thread: Option<JoinHandle<()>>,
}

/// What the manager is told.
#[derive(Debug)]
enum Event {
    Publish(Arc<Snapshot>),
    Flush(oneshot::Sender<()>),
}

impl ClusterManager {
    /// Starts the thread. There are no clusters yet.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start() -> io::Result<Self> {
        let directory = Directory::default();
        let (events, queue) = mpsc::channel();
        let writer = Writer::new(directory.clone(), queue);
        let thread =
            std::thread::Builder::new().name("clusters".into()).spawn(move || writer.run())?;
        Ok(Self { directory, events: Some(events), thread: Some(thread) })
    }

    /// Where the clusters are read.
    pub fn directory(&self) -> &Directory {
        &self.directory
    }

    /// Queues a snapshot. Snapshots are whole: of several that wait only the newest is put in force.
    pub fn publish(&self, snapshot: Arc<Snapshot>) {
        self.tell(Event::Publish(snapshot));
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
        if let Some(events) = &self.events {
            let _ = events.send(event);
        }
    }
}

impl Drop for ClusterManager {
    fn drop(&mut self) {
        // The end of the queue is the end of the thread.
        self.events = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
