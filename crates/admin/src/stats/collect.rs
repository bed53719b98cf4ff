//! Every statistic that is kept, under Envoy's name.

use destrier_upstream::{Histogram, StatValue};
use destrier_xds::{SessionStatus, TypeStatus, TypeUrl};

use super::Wanted;
use super::tags::Scope;
use crate::memory;
use crate::sources::Sources;

/// A value at the moment of reading.
#[derive(Clone, Debug)]
pub(super) enum Stat {
    /// A text readout.
    Text(String),
    Counter(u64),
    Gauge(u64),
    Histogram(Box<Distribution>),
}

/// In the order in which Prometheus gets them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Counter,
    Gauge,
    Text,
    Histogram,
}

/// What a histogram shows.
#[derive(Clone, Debug)]
pub(super) struct Distribution {
    pub(super) count: u64,
    pub(super) sum_ms: f64,
    pub(super) buckets: [u64; Histogram::BOUNDS_MS.len()],
    pub(super) quantiles: [f64; Self::QUANTILES.len()],
}

impl Distribution {
    /// Envoy's percentiles.
    pub(super) const QUANTILES: [f64; 10] =
        [0.0, 25.0, 50.0, 75.0, 90.0, 95.0, 99.0, 99.5, 99.9, 100.0];

    fn of(histogram: &Histogram) -> Self {
        let quantile = |percent: f64| histogram.quantile_ms(percent / 100.0).unwrap_or(0.0);
        Self {
            count: histogram.count(),
            sum_ms: histogram.sum_ms(),
            buckets: histogram.cumulative(),
            quantiles: Self::QUANTILES.map(quantile),
        }
    }
}

impl Stat {
    fn of(value: StatValue<'_>) -> Self {
        match value {
            StatValue::Counter(value) => Self::Counter(value),
            StatValue::Gauge(value) => Self::Gauge(value),
            StatValue::Histogram(histogram) => {
                Self::Histogram(Box::new(Distribution::of(histogram)))
            }
        }
    }

    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::Text(_) => Kind::Text,
            Self::Counter(_) => Kind::Counter,
            Self::Gauge(_) => Kind::Gauge,
            Self::Histogram(_) => Kind::Histogram,
        }
    }

    /// `?usedonly`: has ever had a value. A gauge has one by being shown.
    pub(super) fn is_used(&self) -> bool {
        match self {
            Self::Text(text) => !text.is_empty(),
            Self::Counter(value) => *value > 0,
            Self::Gauge(_) => true,
            Self::Histogram(histogram) => histogram.count > 0,
        }
    }
}

/// All that is wanted, sorted by full name.
pub(super) fn collect(sources: &Sources, wanted: &Wanted) -> Vec<(String, Stat)> {
    let mut stats = Vec::new();
    visit(sources, &mut |scope, name, stat| {
        let name = scope.prefix() + name;
        if wanted.wants(&name, &stat) {
            stats.push((name, stat));
        }
    });
    stats.sort_by(|a, b| a.0.cmp(&b.0));
    stats
}

type Visitor<'a> = dyn FnMut(Scope<'_>, &str, Stat) + 'a;

/// Calls `visit` for every statistic of the process.
pub(super) fn visit(sources: &Sources, visit: &mut Visitor<'_>) {
    clusters(sources, visit);
    sources.proxy.visit(&mut |name, value| {
        let (scope, name) = in_scope(name);
        visit(scope, name, Stat::of(value));
    });
    server(sources, visit);
    if let Some(xds) = &sources.xds {
        control_plane(&xds.load(), visit);
    }
}

/// The scope of a full name of the proxy. What is counted there has no dot in its own name, what it is
/// counted for may.
fn in_scope(full: &str) -> (Scope<'_>, &str) {
    let parts = full.split_once('.').and_then(|(kind, rest)| {
        let (key, name) = rest.rsplit_once('.')?;
        Some((kind, key, name))
    });
    match parts {
        Some(("listener", key, name)) => (Scope::Listener(key), name),
        Some(("http", key, name)) => (Scope::Http(key), name),
        Some(("tcp", key, name)) => (Scope::Tcp(key), name),
        _ => (Scope::Plain, full),
    }
}

fn clusters(sources: &Sources, visit: &mut Visitor<'_>) {
    for cluster in sources.clusters_by_name() {
        let name = &cluster.policy().observability_name;
        cluster.visit_stats(&mut |stat, value| visit(Scope::Cluster(name), stat, Stat::of(value)));
    }
    // These bear their full names: they count for all clusters together.
    sources.directory.visit_stats(&mut |name, value| visit(Scope::Plain, name, Stat::of(value)));
}

fn server(sources: &Sources, visit: &mut Visitor<'_>) {
    let state = sources.state.get();
    let live = u64::from(state == crate::Stage::Live);
    visit(Scope::Plain, "server.state", Stat::Gauge(state.number().into()));
    visit(Scope::Plain, "server.live", Stat::Gauge(live));
    visit(Scope::Plain, "server.uptime", Stat::Gauge(sources.uptime().as_secs()));
    visit(Scope::Plain, "server.concurrency", Stat::Gauge(sources.workers as u64));
    visit(Scope::Plain, "listener_manager.workers_started", Stat::Gauge(live));
    let listeners = sources.listeners.len() as u64;
    visit(Scope::Plain, "listener_manager.total_listeners_active", Stat::Gauge(listeners));
    if let Some(usage) = memory::usage() {
        visit(Scope::Plain, "server.memory_allocated", Stat::Gauge(usage.data));
        visit(Scope::Plain, "server.memory_physical_size", Stat::Gauge(usage.resident));
    }
}

fn control_plane(status: &SessionStatus, visit: &mut Visitor<'_>) {
    let connected = u64::from(status.connected);
    visit(Scope::Plain, "control_plane.connected_state", Stat::Gauge(connected));
    let identifier = Stat::Text(status.control_plane.clone());
    visit(Scope::Plain, "control_plane.identifier", identifier);
    for (type_url, counts) in &status.types {
        if *type_url == TypeUrl::CLUSTER {
            of_type("cluster_manager.cds", counts, visit);
        }
    }
}

fn of_type(prefix: &str, counts: &TypeStatus, visit: &mut Visitor<'_>) {
    for (name, value) in [
        ("update_attempt", counts.update_attempt),
        ("update_success", counts.update_success),
        ("update_rejected", counts.update_rejected),
        ("update_failure", counts.update_failure),
        ("init_fetch_timeout", counts.init_fetch_timeout),
    ] {
        visit(Scope::Plain, &format!("{prefix}.{name}"), Stat::Counter(value));
    }
    let version = Stat::Text(counts.version_text.clone());
    visit(Scope::Plain, &format!("{prefix}.version_text"), version);
}
