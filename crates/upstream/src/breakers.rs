//! Circuit breakers: exact, process-wide limits of a cluster, by routing priority.

/// Gauges and current limits of both routing priorities. State: outlives every policy. The manager sets
/// the limits (`set_limits(&CircuitBreakers)`) at each publish, which wakes waiters when one was raised.
#[derive(Debug, Default)]
pub struct Breakers {}

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
