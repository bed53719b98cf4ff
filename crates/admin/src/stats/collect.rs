//! Every statistic that is kept, under Envoy's name.

use std::time::SystemTime;

use destrier_files::StateStatusHandle;
use destrier_upstream::StatValue;
use destrier_xds::{SessionStatus, TypeStatus, TypeUrl};

use super::distribution::Distribution;
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

impl Stat {
    pub(super) fn of(value: StatValue<'_>) -> Self {
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

pub(super) type Visitor<'a> = dyn FnMut(Scope<'_>, &str, Stat) + 'a;

/// Calls `visit` for every statistic of the process that belongs to no cluster.
pub(super) fn visit_fixed(sources: &Sources, visit: &mut Visitor<'_>) {
    sources.proxy.stats().visit(&mut |name, value| {
        let (scope, name) = in_scope(name);
        visit(scope, name, Stat::of(value));
    });
    // These bear their full names: they count for all clusters together.
    sources.directory.visit_stats(&mut |name, value| {
        visit(Scope::Plain, &format!("cluster_manager.{name}"), Stat::of(value));
    });
    server(sources, visit);
    if let Some(xds) = &sources.xds {
        control_plane(sources, &xds.load(), visit);
    }
    from_disk(sources, visit);
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

fn server(sources: &Sources, visit: &mut Visitor<'_>) {
    let state = sources.state.get();
    let live = u64::from(state == crate::Stage::Live);
    visit(Scope::Plain, "server.state", Stat::Gauge(state.number().into()));
    visit(Scope::Plain, "server.live", Stat::Gauge(live));
    visit(Scope::Plain, "server.uptime", Stat::Gauge(sources.uptime().as_secs()));
    visit(Scope::Plain, "server.concurrency", Stat::Gauge(sources.workers as u64));
    visit(Scope::Plain, "listener_manager.workers_started", Stat::Gauge(live));
    let listeners = sources.proxy.listeners().len() as u64;
    visit(Scope::Plain, "listener_manager.total_listeners_active", Stat::Gauge(listeners));
    if let Some(usage) = memory::usage() {
        visit(Scope::Plain, "server.memory_allocated", Stat::Gauge(usage.data));
        visit(Scope::Plain, "server.memory_physical_size", Stat::Gauge(usage.resident));
    }
}

fn control_plane(sources: &Sources, status: &SessionStatus, visit: &mut Visitor<'_>) {
    let connected = u64::from(status.connected);
    visit(Scope::Plain, "control_plane.connected_state", Stat::Gauge(connected));
    let identifier = Stat::Text(status.control_plane.clone());
    visit(Scope::Plain, "control_plane.identifier", identifier);
    if let Some(counts) = status.types.get(&TypeUrl::CLUSTER) {
        of_type(sources, "cluster_manager.cds", counts, visit);
    }
    grpc_client(sources, status, visit);
}

/// The metrics of gRFC A78, by its names; all types together.
fn grpc_client(sources: &Sources, status: &SessionStatus, visit: &mut Visitor<'_>) {
    let mut counter = |name: &str, value: u64| {
        visit(Scope::Plain, &format!("grpc.xds_client.{name}"), Stat::Counter(value));
    };
    counter("server_failure", status.server_failures);
    let types = || status.types.values();
    counter("resource_updates_valid", types().map(|it| it.resources_valid).sum());
    counter("resource_updates_invalid", types().map(|it| it.resources_invalid).sum());
    let mut gauge = |name: &str, value: u64| {
        visit(Scope::Plain, &format!("grpc.xds_client.{name}"), Stat::Gauge(value));
    };
    gauge("connected", u64::from(status.healthy));
    let states = sources.assembler().resources().cache_states();
    let wanted: usize = types().map(|it| it.wanted).sum();
    let endpoints = sources.assembler().resources().endpoints.len();
    gauge("resources.requested", wanted.saturating_sub(endpoints) as u64);
    gauge("resources.does_not_exist", states.does_not_exist);
    gauge("resources.acked", states.acked);
    gauge("resources.nacked", states.nacked);
    gauge("resources.nacked_but_cached", states.nacked_but_cached);
}

/// Files in the place of the control plane count under its names; what was saved of it has names of ours.
fn from_disk(sources: &Sources, visit: &mut Visitor<'_>) {
    let files = sources.files.load();
    for (type_url, prefix) in
        [(TypeUrl::CLUSTER, "cluster_manager.cds"), (TypeUrl::LISTENER, "listener_manager.lds")]
    {
        if let Some(file) = files.iter().find(|file| file.source.type_url == type_url) {
            of_type(sources, prefix, &file.status, visit);
        }
    }
    let Some(status) = sources.last_good.as_ref().map(StateStatusHandle::load) else { return };
    let stale = u64::from(status.restored.is_some());
    let saved = status.restored.unwrap_or(SystemTime::UNIX_EPOCH);
    let age = match stale {
        0 => 0,
        _ => (sources.clock)().duration_since(saved).unwrap_or_default().as_secs(),
    };
    visit(Scope::Plain, "destrier.state.stale", Stat::Gauge(stale));
    visit(Scope::Plain, "destrier.state.age_s", Stat::Gauge(age));
    visit(Scope::Plain, "destrier.state.saves", Stat::Counter(status.saves));
    visit(Scope::Plain, "destrier.state.save_failures", Stat::Counter(status.save_failures));
    let refused = u64::from(status.refused.is_some());
    visit(Scope::Plain, "destrier.state.refused", Stat::Counter(refused));
}

fn of_type(sources: &Sources, prefix: &str, counts: &TypeStatus, visit: &mut Visitor<'_>) {
    for (name, value) in [
        ("update_attempt", counts.update_attempt),
        ("update_success", counts.update_success),
        ("update_rejected", counts.update_rejected),
        ("update_failure", counts.update_failure),
        ("init_fetch_timeout", counts.init_fetch_timeout),
    ] {
        visit(Scope::Plain, &format!("{prefix}.{name}"), Stat::Counter(value));
    }
    if let Some(at) = counts.last_update {
        // Kept on the clock that does not jump, shown on the other, in milliseconds.
        let ago = (sources.instant)().saturating_duration_since(at);
        let since = (sources.clock)().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let ms = u64::try_from(since.saturating_sub(ago).as_millis()).unwrap_or(u64::MAX);
        visit(Scope::Plain, &format!("{prefix}.update_time"), Stat::Gauge(ms));
    }
    let version = Stat::Text(counts.version_text.clone());
    visit(Scope::Plain, &format!("{prefix}.version_text"), version);
}
