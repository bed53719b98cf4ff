//! Circuit breakers: exact, process-wide limits of a cluster, by routing priority.

use destrier_policy::{CircuitBreakers, RoutingPriority};

/// Gauges and current limits of both routing priorities. State: outlives every policy.
#[derive(Debug, Default)]
pub struct Breakers {}

/// One limit and what counts against it.
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
    /// Puts new limits in force for what comes; nothing that is admitted is thrown out. Waiting requests
    /// wake when a limit was raised. To be called at each publish.
    pub fn set_limits(&self, _limits: &CircuitBreakers) {}

    /// One gauge with its limit, for statistics: `circuit_breakers.<priority>.{cx,rq_pending,rq}_open` is
    /// 1 when `used >= limit`.
    pub fn usage(&self, _priority: RoutingPriority, _limit: Limit) -> Usage {
        Usage { used: 0, limit: 0 }
    }
}
