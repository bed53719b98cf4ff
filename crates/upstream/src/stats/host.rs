//! Statistics of a host, as `/clusters` shows them.

use super::{Counter, Gauge, StatVisitor, stats};

stats! {
    /// Statistics of a host. `rq_active` is not among them: it is the count that least request reads,
    /// [`crate::HostState::active_requests`].
    HostStats {
        /// Connections open or being opened.
        cx_active: Gauge,
        /// Connections that could not be opened.
        cx_connect_fail: Counter,
        /// Connections.
        cx_total: Counter,
        /// Requests that failed: a 5xx, or no answer.
        rq_error: Counter,
        /// Requests answered with anything but 5xx.
        rq_success: Counter,
        /// Requests whose time ran out.
        rq_timeout: Counter,
        /// Requests.
        rq_total: Counter,
    }
}

impl HostStats {
    /// Calls `visit` with each statistic by its name in `/clusters`, in order.
    pub fn visit(&self, visit: &mut StatVisitor<'_>) {
        self.visit_fields(visit);
    }
}
