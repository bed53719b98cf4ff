//! How connections learn that the proxy is leaving, and how the proxy learns that they have left.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// Shared by all connections of a listener. A connection asks [`Drain::has_begun`] at each answer and waits for
/// [`Drain::begun`] while it is idle.
#[derive(Default)]
pub(crate) struct Drain {
    flag: AtomicBool,
    begun: CancellationToken,
    closed: CancellationToken,
    idle_until: OnceLock<Instant>,
    open: AtomicUsize,
    all_closed: Notify,
}

impl Drain {
    /// Asks every connection to leave. An idle HTTP/1 connection waits `idle_grace` for a request that may
    /// be on its way, since a request cannot be refused without being lost.
    pub(crate) fn begin(&self, idle_grace: Duration) {
        self.idle_until.get_or_init(|| Instant::now() + idle_grace);
        self.flag.store(true, Ordering::Release);
        self.begun.cancel();
    }

    /// Whether connections are asked to leave.
    pub(crate) fn has_begun(&self) -> bool {
        self.flag.load(Ordering::Acquire)
    }

    /// Resolves when draining begins.
    pub(crate) fn begun(&self) -> WaitForCancellationFutureOwned {
        self.begun.clone().cancelled_owned()
    }

    /// Until when an idle connection waits for its last request; known once draining has begun.
    pub(crate) fn idle_until(&self) -> Option<Instant> {
        self.idle_until.get().copied()
    }

    /// Closes the listener: what the system has completed is taken first, nothing after it. Connections
    /// are not asked to leave.
    pub(crate) fn close_listener(&self) {
        self.closed.cancel();
    }

    /// Resolves when the listener is to be closed.
    pub(crate) fn listener_closed(&self) -> WaitForCancellationFutureOwned {
        self.closed.clone().cancelled_owned()
    }

    /// Counts a connection until the permit is dropped.
    pub(crate) fn enter(self: &Arc<Self>) -> OpenPermit {
        self.open.fetch_add(1, Ordering::AcqRel);
        OpenPermit(Arc::clone(self))
    }

    /// Resolves when no connection is open.
    pub(crate) async fn all_closed(&self) {
        loop {
            let notified = self.all_closed.notified();
            tokio::pin!(notified);
            // Registered before the count is read, so that the last one leaving cannot be missed.
            notified.as_mut().enable();
            if self.open.load(Ordering::Acquire) == 0 {
                return;
            }
            notified.await;
        }
    }
}

/// An open connection.
pub(crate) struct OpenPermit(Arc<Drain>);

impl Drop for OpenPermit {
    fn drop(&mut self) {
        if self.0.open.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.all_closed.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn waits_for_the_last_connection() {
        let drain = Arc::new(Drain::default());
        let (first, second) = (drain.enter(), drain.enter());
        let waiting = tokio::spawn({
            let drain = Arc::clone(&drain);
            async move { drain.all_closed().await }
        });
        drop(first);
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(!waiting.is_finished());
        drop(second);
        waiting.await.expect("the task does not panic");
        drain.all_closed().await;
    }
}
