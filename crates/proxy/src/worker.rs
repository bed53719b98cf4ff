//! Threads that serve connections.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;

use destrier_upstream::{Directory, Forward};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_util::sync::CancellationToken;

use crate::connection::{self, Accepted};

/// The workers, and which of them takes the next connection.
pub(crate) struct Workers {
    workers: Vec<Worker>,
    stop: CancellationToken,
}

struct Worker {
    hand_over: UnboundedSender<(Accepted, LoadPermit)>,
    /// Connections of this worker, raised at the hand-over.
    load: Arc<AtomicUsize>,
    thread: Option<JoinHandle<()>>,
}

/// A connection's share in the load of its worker.
struct LoadPermit(Arc<AtomicUsize>);

impl Drop for LoadPermit {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Workers {
    /// Starts `count` threads, each with a runtime of its own: a connection, its requests and their
    /// upstream connections stay on one thread. This is the one place that knows how many runtimes there
    /// are and of which kind.
    ///
    /// # Errors
    /// A thread or a runtime could not be made.
    pub(crate) fn spawn(count: usize, directory: &Directory) -> io::Result<Self> {
        let mut all = Self { workers: Vec::new(), stop: CancellationToken::new() };
        for index in 0..count.max(1) {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let (hand_over, connections) = unbounded_channel();
            let forward = Forward::new(directory.clone(), index);
            let stop = all.stop.clone();
            let thread =
                std::thread::Builder::new().name(format!("worker-{index}")).spawn(move || {
                    let serving = serve(connections, forward);
                    runtime.block_on(stop.run_until_cancelled_owned(serving));
                    // Cuts what is left; a blocking lookup must not hold up the end.
                    runtime.shutdown_background();
                })?;
            all.workers.push(Worker { hand_over, load: Arc::default(), thread: Some(thread) });
        }
        Ok(all)
    }

    /// Gives a connection to the worker that has the fewest.
    pub(crate) fn hand_over(&self, accepted: Accepted) {
        let least = self.workers.iter().min_by_key(|worker| worker.load.load(Ordering::Relaxed));
        let Some(worker) = least else { return };
        worker.load.fetch_add(1, Ordering::Relaxed);
        let permit = LoadPermit(Arc::clone(&worker.load));
        // Fails only after the end of the worker: then the connection is closed, as all others were.
        let _ = worker.hand_over.send((accepted, permit));
    }

    /// Cuts every connection. The threads end by themselves; dropping the workers waits for them.
    pub(crate) fn stop(&self) {
        self.stop.cancel();
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.stop();
        for worker in &mut self.workers {
            if let Some(thread) = worker.thread.take() {
                // A panic was reported by the thread itself.
                let _ = thread.join();
            }
        }
    }
}

async fn serve(mut connections: UnboundedReceiver<(Accepted, LoadPermit)>, forward: Forward) {
    while let Some((accepted, permit)) = connections.recv().await {
        let forward = forward.clone();
        tokio::spawn(async move {
            connection::serve(accepted, forward).await;
            drop(permit);
        });
    }
}
