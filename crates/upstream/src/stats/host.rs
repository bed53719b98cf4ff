//! Statistics of a host, as `/clusters` shows them.

use std::sync::atomic::{AtomicU64, Ordering};

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
    with { at_reset: AtomicU64, }
}

impl HostStats {
    /// From now on [`Self::requests_since_reset`] counts anew. No statistic changes.
    pub fn reset_share(&self) {
        self.at_reset.store(self.rq_total.get(), Ordering::Relaxed);
    }

    /// Requests since [`Self::reset_share`], or since the counters were reset.
    pub fn requests_since_reset(&self) -> u64 {
        let total = self.rq_total.get();
        total.checked_sub(self.at_reset.load(Ordering::Relaxed)).unwrap_or(total)
    }

    /// Calls `visit` with each statistic under its name in `/clusters`, in order.
    pub fn visit(&self, visit: &mut StatVisitor<'_>) {
        self.each_field(&mut |name, stat| visit(name, stat.value()));
    }
}
