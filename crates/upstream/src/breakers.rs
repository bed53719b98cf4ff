//! Circuit breakers: exact, process-wide limits of a cluster, by routing priority.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use destrier_policy::{CircuitBreakers, RoutingPriority, Thresholds};

/// Gauges and current limits of both routing priorities. State: outlives every policy.
#[derive(Debug, Default)]
pub struct Breakers {
    priorities: [Arc<Limits>; 2],
}

/// The three limits of one priority.
#[derive(Debug)]
pub(crate) struct Limits {
    /// Open or being opened. Changed only under the lock of the pool, where the waiting is.
    pub(crate) connections: Meter,
    /// Requests that wait and for which no connection is being opened; likewise.
    pub(crate) pending: Meter,
    /// In flight: taken and given back without any lock.
    pub(crate) requests: Meter,
}

/// One limit and what counts against it.
#[derive(Debug)]
pub(crate) struct Meter {
    used: AtomicU32,
    limit: AtomicU32,
}

/// One limit and what counts against it, at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// How many there are now.
    pub used: u32,
    /// The most there may be.
    pub limit: u32,
}

/// Which limit refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// `max_connections`.
    Connections,
    /// `max_pending_requests`.
    Pending,
    /// `max_requests`.
    Requests,
}

impl Breakers {
    /// Puts new limits in force for what comes; nothing that is admitted is thrown out. To be called at
    /// each publish, before the pools are told, which wakes who waits for a limit that was raised.
    pub fn set_limits(&self, limits: &CircuitBreakers) {
        for priority in RoutingPriority::ALL {
            let Thresholds { max_connections, max_pending_requests, max_requests, .. } =
                *limits.of(priority);
            let of = self.of(priority);
            of.connections.set_limit(max_connections);
            of.pending.set_limit(max_pending_requests);
            of.requests.set_limit(max_requests);
        }
    }

    /// One gauge with its limit, for statistics: `circuit_breakers.<priority>.{cx,rq_pending,rq}_open` is
    /// 1 when `used >= limit`.
    pub fn usage(&self, priority: RoutingPriority, limit: Limit) -> Usage {
        let of = self.of(priority);
        let meter = match limit {
            Limit::Connections => &of.connections,
            Limit::Pending => &of.pending,
            Limit::Requests => &of.requests,
        };
        Usage { used: meter.used(), limit: meter.limit() }
    }

    pub(crate) fn of(&self, priority: RoutingPriority) -> &Arc<Limits> {
        &self.priorities[priority.index()]
    }
}

impl Default for Limits {
    fn default() -> Self {
        let Thresholds { max_connections, max_pending_requests, max_requests, .. } =
            Thresholds::default();
        Self {
            connections: Meter::new(max_connections),
            pending: Meter::new(max_pending_requests),
            requests: Meter::new(max_requests),
        }
    }
}

impl Meter {
    fn new(limit: u32) -> Self {
        Self { used: AtomicU32::new(0), limit: AtomicU32::new(limit) }
    }

    pub(crate) fn used(&self) -> u32 {
        self.used.load(Ordering::Relaxed)
    }

    pub(crate) fn limit(&self) -> u32 {
        self.limit.load(Ordering::Relaxed)
    }

    fn set_limit(&self, limit: u32) {
        self.limit.store(limit, Ordering::Relaxed);
    }

    /// One more, unless the limit is reached. Test and count are one step: the limit cannot be passed.
    pub(crate) fn try_acquire(&self) -> bool {
        let limit = self.limit();
        let more = |used| (used < limit).then(|| used + 1);
        self.used.fetch_update(Ordering::AcqRel, Ordering::Relaxed, more).is_ok()
    }

    /// Whether there is none and may be none.
    pub(crate) fn is_closed(&self) -> bool {
        self.limit() == 0 && self.used() == 0
    }

    /// One less.
    pub(crate) fn release(&self) {
        self.used.fetch_sub(1, Ordering::AcqRel);
    }

    /// For a meter that is kept under a lock: the count itself.
    pub(crate) fn set_used(&self, used: u32) {
        self.used.store(used, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peak_equals_the_limit_and_no_permit_is_lost() {
        const LIMIT: u32 = 7;
        let breakers = Breakers::default();
        let mut limits = CircuitBreakers::default();
        limits.thresholds[0].max_requests = LIMIT;
        breakers.set_limits(&limits);
        let requests = &breakers.of(RoutingPriority::Default).requests;
        let peak = AtomicU32::new(0);
        let inside = AtomicU32::new(0);
        std::thread::scope(|scope| {
            for _ in 0..32 {
                scope.spawn(|| {
                    let mut admitted = 0;
                    while admitted < 10_000 {
                        if requests.try_acquire() {
                            let now = inside.fetch_add(1, Ordering::SeqCst) + 1;
                            peak.fetch_max(now, Ordering::SeqCst);
                            inside.fetch_sub(1, Ordering::SeqCst);
                            requests.release();
                            admitted += 1;
                        } else {
                            std::thread::yield_now();
                        }
                    }
                });
            }
        });
        assert!(peak.load(Ordering::SeqCst) <= LIMIT);
        assert_eq!(breakers.usage(RoutingPriority::Default, Limit::Requests).used, 0);
        assert!((0..LIMIT).all(|_| requests.try_acquire()) && !requests.try_acquire());
    }

    #[test]
    fn a_lowered_limit_admits_nobody_until_enough_have_left() {
        let meter = Meter::new(3);
        assert!((0..3).all(|_| meter.try_acquire()));
        meter.set_limit(1);
        meter.release();
        meter.release();
        assert!(!meter.try_acquire());
        meter.release();
        assert!(meter.try_acquire());
    }
}
