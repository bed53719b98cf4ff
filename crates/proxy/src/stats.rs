//! What is counted on the downstream side, under Envoy's names.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use destrier_policy::Address;
use destrier_upstream::{Counter, Gauge, Histogram, Stat, StatValue};
use http::StatusCode;

use crate::access_log::LogStats;
use crate::connection::{Parting, Side};

/// Statistics of all listeners, connection managers and TCP proxies.
#[derive(Default)]
pub struct ProxyStats {
    listeners: Table<ListenerStats>,
    /// By `<address>.http.<stat_prefix>`.
    listener_http: Table<ListenerHttpStats>,
    http: Table<HttpStats>,
    tcp: Table<TcpStats>,
    access_log: Arc<LogStats>,
}

type Table<S> = Mutex<BTreeMap<Arc<str>, Arc<S>>>;

type EachField<'a> = dyn FnMut(&'static str, &dyn Stat) + 'a;

impl ProxyStats {
    /// Calls `visit(name, value)` with the full name of each statistic that is kept:
    /// `listener.<address>.downstream_cx_total`, `http.<stat_prefix>.downstream_rq_2xx`,
    /// `tcp.<stat_prefix>.downstream_cx_total`, ... Colons of an address are written as underscores.
    pub fn visit(&self, visit: &mut dyn FnMut(&str, StatValue<'_>)) {
        self.access_log.each(&mut |name, stat| visit(name, stat.value()));
        visit_table("http", &self.http, visit, HttpStats::each_field);
        visit_table("listener", &self.listeners, visit, ListenerStats::each_field);
        visit_table("listener", &self.listener_http, visit, ListenerHttpStats::each_field);
        visit_table("tcp", &self.tcp, visit, TcpStats::each_field);
    }

    /// Sets every counter to zero; gauges and histograms stay.
    pub fn reset_counters(&self) {
        self.access_log.each(&mut |_, stat| stat.reset_counter());
        reset_table(&self.http, HttpStats::each_field);
        reset_table(&self.listeners, ListenerStats::each_field);
        reset_table(&self.listener_http, ListenerHttpStats::each_field);
        reset_table(&self.tcp, TcpStats::each_field);
    }

    /// Of access logs.
    pub(crate) fn access_log(&self) -> &Arc<LogStats> {
        &self.access_log
    }

    pub(crate) fn listener(&self, address: &Address) -> Arc<ListenerStats> {
        entry(&self.listeners, &written(address))
    }

    pub(crate) fn listener_http(
        &self,
        address: &Address,
        stat_prefix: &str,
    ) -> Arc<ListenerHttpStats> {
        entry(&self.listener_http, &format!("{}.http.{stat_prefix}", written(address)))
    }

    pub(crate) fn http(&self, stat_prefix: &str) -> Arc<HttpStats> {
        entry(&self.http, stat_prefix)
    }

    pub(crate) fn tcp(&self, stat_prefix: &str) -> Arc<TcpStats> {
        entry(&self.tcp, stat_prefix)
    }
}

impl fmt::Debug for ProxyStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProxyStats").finish_non_exhaustive()
    }
}

/// As it stands in the name of a statistic.
fn written(address: &Address) -> String {
    address.to_string().replace(':', "_")
}

fn entry<S: Default>(table: &Table<S>, key: &str) -> Arc<S> {
    let mut table = table.lock().unwrap_or_else(PoisonError::into_inner);
    Arc::clone(table.entry(key.into()).or_default())
}

fn visit_table<S>(
    kind: &str,
    table: &Table<S>,
    visit: &mut dyn FnMut(&str, StatValue<'_>),
    each_field: impl Fn(&S, &mut EachField<'_>),
) {
    let mut full = String::new();
    for (key, stats) in entries(table) {
        each_field(&stats, &mut |name, stat| {
            full.clear();
            full.extend([kind, ".", &key, ".", name]);
            visit(&full, stat.value());
        });
    }
}

fn reset_table<S>(table: &Table<S>, each_field: impl Fn(&S, &mut EachField<'_>)) {
    for (_, stats) in entries(table) {
        each_field(&stats, &mut |_, stat| stat.reset_counter());
    }
}

/// Cloned out: whoever looks at them may be slow.
fn entries<S>(table: &Table<S>) -> Vec<(Arc<str>, Arc<S>)> {
    let table = table.lock().unwrap_or_else(PoisonError::into_inner);
    table.iter().map(|(key, stats)| (Arc::clone(key), Arc::clone(stats))).collect()
}

/// A struct whose fields are shown under their own names.
macro_rules! stats {
    ($(#[$meta:meta])* $name:ident { $($field:ident: $kind:ty),* $(,)? }) => {
        $(#[$meta])*
        #[derive(Default)]
        pub(crate) struct $name { $(pub(crate) $field: $kind),* }

        impl $name {
            fn each_field(&self, each: &mut EachField<'_>) {
                $(each(stringify!($field), &self.$field);)*
            }
        }
    };
}

stats! {
    /// `listener.<address>.*`
    ListenerStats {
        downstream_cx_active: Gauge,
        downstream_cx_destroy: Counter,
        downstream_cx_length_ms: Histogram,
        downstream_cx_total: Counter,
    }
}

stats! {
    /// `listener.<address>.http.<stat_prefix>.*`
    ListenerHttpStats {
        downstream_rq_1xx: Counter,
        downstream_rq_2xx: Counter,
        downstream_rq_3xx: Counter,
        downstream_rq_4xx: Counter,
        downstream_rq_5xx: Counter,
        downstream_rq_completed: Counter,
    }
}

stats! {
    /// `http.<stat_prefix>.*`
    HttpStats {
        downstream_cx_active: Gauge,
        downstream_cx_destroy: Counter,
        downstream_cx_destroy_active_rq: Counter,
        downstream_cx_destroy_local: Counter,
        downstream_cx_destroy_local_active_rq: Counter,
        downstream_cx_destroy_remote: Counter,
        downstream_cx_destroy_remote_active_rq: Counter,
        downstream_cx_delayed_close_timeout: Counter,
        downstream_cx_drain_close: Counter,
        downstream_cx_http1_active: Gauge,
        downstream_cx_http1_total: Counter,
        downstream_cx_http2_active: Gauge,
        downstream_cx_http2_total: Counter,
        downstream_cx_idle_timeout: Counter,
        downstream_cx_length_ms: Histogram,
        downstream_cx_max_duration_reached: Counter,
        downstream_cx_max_requests_reached: Counter,
        downstream_cx_protocol_error: Counter,
        downstream_cx_total: Counter,
        downstream_cx_upgrades_active: Gauge,
        downstream_cx_upgrades_total: Counter,
        downstream_rq_1xx: Counter,
        downstream_rq_2xx: Counter,
        downstream_rq_3xx: Counter,
        downstream_rq_4xx: Counter,
        downstream_rq_5xx: Counter,
        downstream_rq_active: Gauge,
        downstream_rq_completed: Counter,
        downstream_rq_header_timeout: Counter,
        downstream_rq_http1_total: Counter,
        downstream_rq_http2_total: Counter,
        downstream_rq_idle_timeout: Counter,
        downstream_rq_max_duration_reached: Counter,
        downstream_rq_non_relative_path: Counter,
        downstream_rq_redirected_with_normalized_path: Counter,
        downstream_rq_response_before_rq_complete: Counter,
        downstream_rq_rx_reset: Counter,
        downstream_rq_time: Histogram,
        downstream_rq_timeout: Counter,
        downstream_rq_too_large: Counter,
        downstream_rq_too_many_premature_resets: Counter,
        downstream_rq_total: Counter,
        downstream_rq_tx_reset: Counter,
        downstream_rq_ws_on_non_ws_route: Counter,
        no_cluster: Counter,
        no_route: Counter,
        rq_direct_response: Counter,
        rq_total: Counter,
    }
}

stats! {
    /// `tcp.<stat_prefix>.*`
    TcpStats {
        downstream_cx_no_route: Counter,
        downstream_cx_rx_bytes_total: Counter,
        downstream_cx_total: Counter,
        downstream_cx_tx_bytes_total: Counter,
        idle_timeout: Counter,
        max_downstream_connection_duration: Counter,
    }
}

/// Calls `leave` when dropped.
pub(crate) struct Counted<'a, S> {
    stats: &'a S,
    leave: fn(&S),
}

impl<S> Drop for Counted<'_, S> {
    fn drop(&mut self) {
        (self.leave)(self.stats);
    }
}

impl ListenerStats {
    /// Counts a connection.
    pub(crate) fn connection(&self) -> Counted<'_, Self> {
        self.downstream_cx_total.inc();
        self.downstream_cx_active.inc();
        Counted {
            stats: self,
            leave: |stats| {
                stats.downstream_cx_active.dec();
                stats.downstream_cx_destroy.inc();
            },
        }
    }

    /// A connection has ended that lasted so long.
    pub(crate) fn lasted(&self, length: Duration) {
        self.downstream_cx_length_ms.record(length);
    }
}

impl ListenerHttpStats {
    /// Counts an answer whose head goes out.
    pub(crate) fn answered(&self, status: StatusCode) {
        self.downstream_rq_completed.inc();
        count_class(
            status,
            [
                &self.downstream_rq_1xx,
                &self.downstream_rq_2xx,
                &self.downstream_rq_3xx,
                &self.downstream_rq_4xx,
                &self.downstream_rq_5xx,
            ],
        );
    }
}

fn count_class(status: StatusCode, classes: [&Counter; 5]) {
    if let Some(class) = classes.get((status.as_u16() / 100) as usize - 1) {
        class.inc();
    }
}

impl HttpStats {
    /// Counts a connection whose version is not known yet.
    pub(crate) fn connection(&self) -> Counted<'_, Self> {
        self.downstream_cx_total.inc();
        self.downstream_cx_active.inc();
        Counted {
            stats: self,
            leave: |stats| {
                stats.downstream_cx_active.dec();
                stats.downstream_cx_destroy.inc();
            },
        }
    }

    /// A connection has ended in this way, and lasted so long.
    pub(crate) fn parted(&self, parting: Parting, length: Duration) {
        self.downstream_cx_length_ms.record(length);
        let (destroyed, with_request) = match parting.by {
            Side::Client => {
                (&self.downstream_cx_destroy_remote, &self.downstream_cx_destroy_remote_active_rq)
            }
            Side::Proxy => {
                (&self.downstream_cx_destroy_local, &self.downstream_cx_destroy_local_active_rq)
            }
        };
        destroyed.inc();
        if parting.within_request {
            self.downstream_cx_destroy_active_rq.inc();
            with_request.inc();
        }
    }

    /// Counts an HTTP/1 connection.
    pub(crate) fn http1_connection(&self) -> Counted<'_, Self> {
        self.downstream_cx_http1_total.inc();
        self.downstream_cx_http1_active.inc();
        Counted { stats: self, leave: |stats| stats.downstream_cx_http1_active.dec() }
    }

    /// Counts an HTTP/2 connection.
    pub(crate) fn http2_connection(&self) -> Counted<'_, Self> {
        self.downstream_cx_http2_total.inc();
        self.downstream_cx_http2_active.inc();
        Counted { stats: self, leave: |stats| stats.downstream_cx_http2_active.dec() }
    }

    /// Counts a connection that stopped being HTTP.
    pub(crate) fn upgrade(&self) -> Counted<'_, Self> {
        self.downstream_cx_upgrades_total.inc();
        self.downstream_cx_upgrades_active.inc();
        Counted { stats: self, leave: |stats| stats.downstream_cx_upgrades_active.dec() }
    }

    /// Counts an answer whose head goes out.
    pub(crate) fn answered(&self, status: StatusCode) {
        self.downstream_rq_completed.inc();
        count_class(
            status,
            [
                &self.downstream_rq_1xx,
                &self.downstream_rq_2xx,
                &self.downstream_rq_3xx,
                &self.downstream_rq_4xx,
                &self.downstream_rq_5xx,
            ],
        );
    }
}
