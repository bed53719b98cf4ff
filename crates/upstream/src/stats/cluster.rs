//! Statistics of a cluster: `cluster.<observability_name>.<name>`.

use super::codes::visit_codes;
use super::{Caller, CodeCounts, Counter, Gauge, StatVisitor, stats};
use crate::Histogram;

stats! {
    /// Statistics of a cluster. The data path counts into the fields, each named as Envoy names it.
    pub ClusterStats {
        /// Requests refused by the limit of active requests.
        upstream_rq_active_overflow: Counter,
        /// Requests given up by the client before they had a connection.
        upstream_rq_cancelled: Counter,
        /// Requests that took longer than `max_stream_duration`.
        upstream_rq_max_duration_reached: Counter,
        /// Headers that were to name a host (ORIGINAL_DST) and did not.
        original_dst_host_invalid: Counter,
        /// Requests in flight.
        upstream_rq_active: Gauge,
        /// Requests waiting for a connection.
        upstream_rq_pending_active: Gauge,
        /// Requests failed because the connection they waited for could not be opened.
        upstream_rq_pending_failure_eject: Counter,
        /// Requests refused by the limit of waiting requests.
        upstream_rq_pending_overflow: Counter,
        /// Requests that waited for a connection.
        upstream_rq_pending_total: Counter,
        /// Requests reset by the host.
        upstream_rq_rx_reset: Counter,
        /// From the end of the request to the end of the answer.
        upstream_rq_time: Histogram,
        /// Requests whose time ran out.
        upstream_rq_timeout: Counter,
        /// Requests given to a connection.
        upstream_rq_total: Counter,
        /// Requests reset here.
        upstream_rq_tx_reset: Counter,
        /// Connections open or being opened.
        upstream_cx_active: Gauge,
        /// Connections closed after an answer that asked for it (`connection: close`, GOAWAY).
        upstream_cx_close_notify: Counter,
        /// Connections that could not be opened.
        upstream_cx_connect_fail: Counter,
        /// How long opening took.
        upstream_cx_connect_ms: Histogram,
        /// Connections not open within `connect_timeout`.
        upstream_cx_connect_timeout: Counter,
        /// Connections closed.
        upstream_cx_destroy: Counter,
        /// ... from here.
        upstream_cx_destroy_local: Counter,
        /// ... from here, with requests in flight.
        upstream_cx_destroy_local_with_active_rq: Counter,
        /// ... by the host.
        upstream_cx_destroy_remote: Counter,
        /// ... by the host, with requests in flight.
        upstream_cx_destroy_remote_with_active_rq: Counter,
        /// ... with requests in flight.
        upstream_cx_destroy_with_active_rq: Counter,
        /// HTTP/1 connections.
        upstream_cx_http1_total: Counter,
        /// HTTP/2 connections.
        upstream_cx_http2_total: Counter,
        /// Connections closed by `idle_timeout`.
        upstream_cx_idle_timeout: Counter,
        /// How long connections lived.
        upstream_cx_length_ms: Histogram,
        /// Connections closed by `max_connection_duration`.
        upstream_cx_max_duration_reached: Counter,
        /// Connections closed by `max_requests_per_connection`.
        upstream_cx_max_requests: Counter,
        /// Requests for which there was no usable host.
        upstream_cx_none_healthy: Counter,
        /// Times the limit of connections was met.
        upstream_cx_overflow: Counter,
        /// Connections closed because what came was not HTTP.
        upstream_cx_protocol_error: Counter,
        /// Bytes received.
        upstream_cx_rx_bytes_total: Counter,
        /// Connections.
        upstream_cx_total: Counter,
        /// Bytes sent.
        upstream_cx_tx_bytes_total: Counter,
    }
    with {
        external: CodeCounts,
        internal: CodeCounts,
    }
}

impl ClusterStats {
    /// Counts a complete answer, local ones included. It shows as `upstream_rq_<code>`,
    /// `upstream_rq_<class>xx` and `upstream_rq_completed`, with and without the prefix of the caller.
    pub fn record_code(&self, code: u16, caller: Caller) {
        match caller {
            Caller::External => self.external.record(code),
            Caller::Internal => self.internal.record(code),
        }
    }

    /// Calls `visit(name, value)` for each statistic that is kept, its name without the cluster's prefix.
    pub fn visit(&self, visit: &mut StatVisitor<'_>) {
        self.each_field(&mut |name, stat| visit(name, stat.value()));
        visit_codes("", &[&self.external, &self.internal], visit);
        visit_codes("external.", &[&self.external], visit);
        visit_codes("internal.", &[&self.internal], visit);
    }

    /// Back to zero: `/reset_counters`. Gauges and histograms stay.
    pub fn reset_counters(&self) {
        self.each_field(&mut |_, stat| stat.reset_counter());
        self.external.reset();
        self.internal.reset();
    }
}
