//! How long a connection may go on (`common_http_protocol_options` of the listener).

use std::time::Duration;

use destrier_policy::HcmPolicy;
use tokio::time::Instant;

use crate::exchange::{AfterAnswer, Exchange};
use crate::stats::HttpStats;

/// What is left of a connection. At its end it takes no new request; none is ever cut.
#[derive(Debug)]
pub(super) struct Life {
    /// `max_connection_duration`, as a moment.
    until: Option<Instant>,
    /// `drain_timeout`: how long an idle connection outlives that moment.
    grace: Duration,
    /// Requests that it may still take (`max_requests_per_connection`).
    requests: Option<u32>,
    counted: bool,
}

impl Life {
    /// Begins now, where it has an end at all.
    pub(super) fn new(policy: &HcmPolicy) -> Self {
        Self {
            until: policy.max_connection_duration.map(|duration| Instant::now() + duration),
            grace: policy.drain_timeout,
            requests: policy.max_requests_per_connection,
            counted: false,
        }
    }

    /// One request less.
    pub(super) fn request_begun(&mut self) {
        if let Some(requests) = &mut self.requests {
            *requests = requests.saturating_sub(1);
        }
    }

    /// Until when a next request may begin.
    pub(super) fn idle_until(&self) -> Option<Instant> {
        self.until.map(|until| until + self.grace)
    }

    /// Whether its time is over.
    pub(super) fn is_over(&self, now: Instant) -> bool {
        self.until.is_some_and(|until| until <= now)
    }

    /// Makes an answer the last if it is.
    pub(super) fn end_with(&mut self, exchange: &mut Exchange) {
        if self.requests == Some(0) && exchange.after == AfterAnswer::Keep {
            exchange.scope.stats.downstream_cx_max_requests_reached.inc();
            exchange.after = AfterAnswer::Close;
        }
        let answered = exchange.answered;
        if self.until.is_some() && answered.is_some_and(|now| self.is_over(now)) {
            self.count(&exchange.scope.stats);
            exchange.after = AfterAnswer::Close;
        }
    }

    /// Counts once that its time is over.
    pub(super) fn count(&mut self, stats: &HttpStats) {
        if !std::mem::replace(&mut self.counted, true) {
            stats.downstream_cx_max_duration_reached.inc();
        }
    }
}
