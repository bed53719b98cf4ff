//! Limits of a cluster (`circuit_breaker.proto`).

use std::time::Duration;

use crate::Percent;

/// `base.proto: RoutingPriority`: which set of limits a request counts against. Not the priority of an
/// endpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RoutingPriority {
    /// `DEFAULT`.
    #[default]
    Default,
    /// `HIGH`.
    High,
}

impl RoutingPriority {
    /// Both, in order.
    pub const ALL: [Self; 2] = [Self::Default, Self::High];

    /// 0 or 1, for tables by priority.
    pub fn index(self) -> usize {
        self as usize
    }
}

/// The limits of both routing priorities.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CircuitBreakers {
    /// By [`RoutingPriority::index`].
    pub thresholds: [Thresholds; 2],
    /// `per_host_thresholds[].max_connections` (of the default priority), if set.
    pub per_host_max_connections: Option<u32>,
}

impl CircuitBreakers {
    /// The limits of one priority.
    pub fn of(&self, priority: RoutingPriority) -> &Thresholds {
        &self.thresholds[priority.index()]
    }
}

/// `CircuitBreakers.Thresholds` of one routing priority.
#[derive(Clone, Debug, PartialEq)]
pub struct Thresholds {
    /// Connections open or being opened, over all hosts. Default 1024.
    pub max_connections: u32,
    /// Requests that wait for a connection. Default 1024.
    pub max_pending_requests: u32,
    /// Requests in flight. Default 1024.
    pub max_requests: u32,
    /// Retries in flight, unless there is a budget. Default 3.
    pub max_retries: u32,
    /// Connection pools; `u32::MAX` is no limit, the default.
    pub max_connection_pools: u32,
    /// Replaces `max_retries`.
    pub retry_budget: Option<RetryBudget>,
    /// Whether the `remaining_*` gauges are shown. Default false.
    pub track_remaining: bool,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self {
            max_connections: 1024,
            max_pending_requests: 1024,
            max_requests: 1024,
            max_retries: 3,
            max_connection_pools: u32::MAX,
            retry_budget: None,
            track_remaining: false,
        }
    }
}

/// `Thresholds.RetryBudget`.
#[derive(Clone, Debug, PartialEq)]
pub struct RetryBudget {
    /// Share of active and pending requests that may be retries. Default 20 %.
    pub budget_percent: Percent,
    /// Retries always allowed at once. Default 3.
    pub min_retry_concurrency: u32,
    /// `budget_interval`; zero counts active requests only.
    pub budget_interval: Duration,
}
