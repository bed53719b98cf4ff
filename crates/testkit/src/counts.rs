//! What a peer has seen: totals, how many at once now, and the most at once ever.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

/// The wait of [`Counts::wait_until`] before it gives up.
const DEADLINE: Duration = Duration::from_secs(10);

/// Something that is entered and left: requests or connections.
#[derive(Debug, Default)]
pub struct Meter {
    total: AtomicU64,
    active: AtomicU64,
    peak: AtomicU64,
}

impl Meter {
    /// How many there were, from the start.
    pub fn total(&self) -> u64 {
        self.total.load(SeqCst)
    }

    /// How many there are now.
    pub fn active(&self) -> u64 {
        self.active.load(SeqCst)
    }

    /// The most there were at one time.
    pub fn peak(&self) -> u64 {
        self.peak.load(SeqCst)
    }

    fn enter(&self) {
        self.total.fetch_add(1, SeqCst);
        let active = self.active.fetch_add(1, SeqCst) + 1;
        self.peak.fetch_max(active, SeqCst);
    }
}

/// What a peer has seen.
#[derive(Debug, Default)]
pub struct Counts {
    /// Connections accepted.
    pub connections: Meter,
    /// Requests whose head came, until the last byte of the answer was handed over.
    pub requests: Meter,
    changed: Notify,
}

/// A condition did not hold in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the condition did not hold within {DEADLINE:?}")]
pub struct NotInTime;

impl Counts {
    /// Waits until `condition` holds, looking again at each change.
    ///
    /// # Errors
    /// [`NotInTime`] after ten seconds.
    pub async fn wait_until(&self, condition: impl Fn(&Self) -> bool) -> Result<(), NotInTime> {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let mut changed = pin!(self.changed.notified());
            // Listens before it looks, so that no change falls between.
            changed.as_mut().enable();
            if condition(self) {
                return Ok(());
            }
            timeout_at(deadline, changed).await.map_err(|_| NotInTime)?;
        }
    }

    /// Enters one of the meters; leaves it when the guard is dropped.
    pub(crate) fn enter(self: &Arc<Self>, meter: fn(&Self) -> &Meter) -> Entered {
        meter(self).enter();
        self.changed.notify_waiters();
        Entered { counts: Arc::clone(self), meter }
    }
}

/// A connection or request that is being counted.
#[derive(Debug)]
pub struct Entered {
    counts: Arc<Counts>,
    meter: fn(&Counts) -> &Meter,
}

impl Drop for Entered {
    fn drop(&mut self) {
        (self.meter)(&self.counts).active.fetch_sub(1, SeqCst);
        self.counts.changed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_meter_knows_its_total_its_peak_and_what_is_left() {
        let counts = Arc::new(Counts::default());
        let first = counts.enter(|counts| &counts.requests);
        let second = counts.enter(|counts| &counts.requests);
        drop(first);
        let third = counts.enter(|counts| &counts.requests);
        drop((second, third));
        let Meter { total, active, peak } = &counts.requests;
        assert_eq!((total.load(SeqCst), active.load(SeqCst), peak.load(SeqCst)), (3, 0, 2));
        assert_eq!(counts.connections.total(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_ends_when_the_condition_holds_or_the_deadline_is_over() {
        let counts = Arc::new(Counts::default());
        let waiter = tokio::spawn({
            let counts = Arc::clone(&counts);
            async move { counts.wait_until(|counts| counts.connections.active() == 2).await }
        });
        let _first = counts.enter(|counts| &counts.connections);
        tokio::task::yield_now().await;
        assert!(!waiter.is_finished());
        let _second = counts.enter(|counts| &counts.connections);
        assert_eq!(waiter.await.expect("the task does not panic"), Ok(()));
        assert_eq!(counts.wait_until(|_| false).await, Err(NotInTime));
    }
}
