//! Statistics of a host, as `/clusters` shows them.

use super::{Counter, Gauge, Stat, StatValue, StatVisitor};

/// What is counted about a host. `rq_active` is not among it: that is the count which least request
/// reads, [`crate::HostState::active_requests`].
#[derive(Debug, Default)]
pub struct HostStats {
    /// Connections open or being opened.
    pub cx_active: Gauge,
    /// Connections that could not be opened.
    pub cx_connect_fail: Counter,
    /// Connections.
    pub cx_total: Counter,
    /// Requests that failed: a 5xx, or no answer.
    pub rq_error: Counter,
    /// Requests answered with anything but 5xx.
    pub rq_success: Counter,
    /// Requests whose time ran out.
    pub rq_timeout: Counter,
    /// Requests.
    pub rq_total: Counter,
}

impl HostStats {
    /// Calls `visit` with each statistic under its name in `/clusters`, in the order there.
    pub(crate) fn visit(&self, rq_active: u32, visit: &mut StatVisitor<'_>) {
        visit("cx_active", self.cx_active.value());
        visit("cx_connect_fail", self.cx_connect_fail.value());
        visit("cx_total", self.cx_total.value());
        visit("rq_active", StatValue::Gauge(rq_active.into()));
        visit("rq_error", self.rq_error.value());
        visit("rq_success", self.rq_success.value());
        visit("rq_timeout", self.rq_timeout.value());
        visit("rq_total", self.rq_total.value());
    }
}
