//! Statistics of a host, as `/clusters` shows them.

use super::{Counter, Gauge, StatVisitor, stats};

stats! {
    /// What is counted about a host. `rq_active` is not among it: that is the count which least request
    /// reads, [`crate::HostState::active_requests`].
    pub HostStats {
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
    /// Calls `visit` with each statistic under its name in `/clusters`, in order.
    pub fn visit(&self, visit: &mut StatVisitor<'_>) {
        self.each_field(&mut |name, stat| visit(name, stat.value()));
    }
}
