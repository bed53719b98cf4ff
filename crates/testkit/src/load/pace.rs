//! Hands out the turns of a load.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::{Pace, Stop};

/// Who may send the next request, and when.
#[derive(Debug)]
pub(super) struct Pacer {
    start: Instant,
    next: AtomicU64,
    limit: u64,
    end: Option<Instant>,
    interval: Option<Duration>,
    stop: CancellationToken,
}

impl Pacer {
    pub(super) fn new(pace: Pace, stop: Stop, told: CancellationToken) -> Self {
        let start = Instant::now();
        let (limit, end) = match stop {
            Stop::After(count) => (count, None),
            Stop::In(time) => (u64::MAX, Some(start + time)),
            Stop::WhenTold => (u64::MAX, None),
        };
        let interval = match pace {
            Pace::Flat => None,
            Pace::PerSecond(rate) => Some(Duration::from_secs(1) / rate.get()),
        };
        Self { start, next: AtomicU64::new(0), limit, end, interval, stop: told }
    }

    /// Waits for the next turn and answers from when its request is timed; `None` ends the worker.
    pub(super) async fn turn(&self) -> Option<Instant> {
        let number = self.next.fetch_add(1, Relaxed);
        if number >= self.limit || self.stop.is_cancelled() {
            return None;
        }
        let now = Instant::now();
        let turn = match self.interval {
            None => now,
            Some(interval) => self.start + interval.mul_f64(number as f64),
        };
        if self.end.is_some_and(|end| turn.max(now) >= end) {
            return None;
        }
        if turn <= now {
            return Some(turn);
        }
        self.stop.run_until_cancelled(sleep_until(turn)).await?;
        // The timer wakes up to a millisecond late; that is not the peer's doing.
        Some(Instant::now())
    }

    /// How many turns were taken.
    pub(super) fn begun(&self) -> u64 {
        self.next.load(Relaxed).min(self.limit)
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_open_loop_keeps_its_times_and_counts_lateness() {
        let rate = Pace::PerSecond(NonZeroU32::new(100).expect("not zero"));
        let pacer = Pacer::new(rate, Stop::After(4), CancellationToken::new());
        let start = pacer.start;
        assert_eq!(pacer.turn().await, Some(start));
        assert_eq!(pacer.turn().await, Some(start + Duration::from_millis(10)));
        tokio::time::advance(Duration::from_millis(50)).await;
        let late = pacer.turn().await;
        assert_eq!(late, Some(start + Duration::from_millis(20)), "timed from when it was due");
        assert!(pacer.turn().await.is_some());
        assert_eq!(pacer.turn().await, None);
        assert_eq!(pacer.begun(), 4);
    }

    #[tokio::test(start_paused = true)]
    async fn a_load_ends_in_time_or_when_told() {
        let told = CancellationToken::new();
        let stop = Stop::In(Duration::from_secs(1));
        let pacer = Pacer::new(Pace::Flat, stop, told.clone());
        assert!(pacer.turn().await.is_some());
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(pacer.turn().await, None);
        let pacer = Pacer::new(Pace::Flat, Stop::WhenTold, told.clone());
        assert!(pacer.turn().await.is_some());
        told.cancel();
        assert_eq!(pacer.turn().await, None);
    }
}
