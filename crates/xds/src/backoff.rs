use std::time::{Duration, Instant};

use rand::{Rng, RngExt};

use crate::Backoff;

/// Counts attempts and says when the next one is due.
#[derive(Debug)]
pub(crate) struct Retry {
    limits: Backoff,
    /// Attempts since the last stable stream.
    attempts: u32,
    /// The quick reconnect was used, and no stable stream has earned another.
    quick_used: bool,
}

/// How the stream went that has just ended.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ended {
    /// No stream came about, or it never answered.
    Unanswered,
    /// It answered at least once, and was opened then.
    Answered { opened: Instant },
}

impl Retry {
    pub(crate) fn new(limits: Backoff) -> Self {
        Self { limits, attempts: 0, quick_used: false }
    }

    /// A stream is there: the next failure is the first.
    pub(crate) fn reset(&mut self) {
        self.attempts = 0;
    }

    /// The delay before the next attempt. Full jitter: anything up to the bound, so that a fleet
    /// that lost its server comes back spread out. One quick reconnect is granted to a stream that
    /// answered, another only to one that also lasted: "answers once, then dies" (gRFC A88) would
    /// otherwise be a loop without backoff.
    pub(crate) fn delay(&mut self, ended: Ended, now: Instant, rng: &mut impl Rng) -> Duration {
        if let Ended::Answered { opened } = ended {
            let stable = now.saturating_duration_since(opened) >= self.limits.stable_after;
            if stable {
                self.attempts = 0;
            }
            if stable || !self.quick_used {
                self.quick_used = true;
                return rng.random_range(Duration::ZERO..=self.limits.quick);
            }
        }
        let doubled = self.limits.base.saturating_mul(1 << self.attempts.min(16));
        self.attempts = self.attempts.saturating_add(1);
        rng.random_range(Duration::ZERO..=doubled.min(self.limits.max))
    }
}
