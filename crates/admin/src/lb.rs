//! `/lb`: how each cluster balances, and why a host gets nothing.

mod cluster;

use std::time::Instant;

use destrier_policy::{Lifecycle, WarmingCluster};
use destrier_upstream::{Cluster, Host, Standing};
use serde_json::{Map, Value, json};

use crate::answer::Answer;
use crate::query::Query;
use crate::sources::Sources;

/// An overview, or with `cluster` all about one.
pub(crate) fn page(sources: &Sources, query: &Query) -> Answer {
    if let Some(name) = query.given("cluster") {
        return cluster::page(sources, name, query);
    }
    let filter = match query.filter() {
        Ok(filter) => filter,
        Err(answer) => return answer,
    };
    let wanted = |name: &str| filter.as_ref().is_none_or(|filter| filter.is_match(name));
    let live = sources.directory.load();
    let now = (sources.instant)();
    let clusters: Map<String, Value> = sources
        .clusters_by_name()
        .filter(|cluster| wanted(cluster.name().as_str()))
        .map(|cluster| {
            let spec = live.snapshot().clusters.get(cluster.name());
            let lifecycle = spec.map_or(Lifecycle::Active, |spec| spec.lifecycle);
            (cluster.name().to_string(), balancing(&cluster, lifecycle, now))
        })
        .collect();
    let warming: Map<String, Value> = live
        .warming()
        .iter()
        .filter(|cluster| wanted(cluster.name.as_str()))
        .map(|cluster| (cluster.name.to_string(), waiting(cluster, now)))
        .collect();
    Answer::json(&json!({ "clusters": clusters, "warming": warming }))
}

/// `/lb/reset`: actual shares are counted anew.
pub(crate) fn reset(sources: &Sources, query: &Query) -> Answer {
    let wanted = query.given("cluster");
    let live = sources.directory.load();
    let clusters =
        live.iter().filter(|cluster| wanted.is_none_or(|wanted| cluster.name().as_str() == wanted));
    let mut found = false;
    for cluster in clusters {
        found = true;
        let stats = cluster.hosts().iter().filter_map(|host| host.state().stats_if_used());
        stats.for_each(|stats| stats.reset_share());
    }
    match wanted {
        Some(name) if !found => cluster::unknown(name),
        _ => Answer::ok("OK\n"),
    }
}

fn balancing(cluster: &Cluster, lifecycle: Lifecycle, now: Instant) -> Value {
    let mut shown = Map::new();
    shown.insert("asked_for".into(), cluster.policy().lb.name().into());
    shown.insert("in_force".into(), cluster.lb_in_force().into());
    if let Some(reason) = cluster.unusable_reason() {
        shown.insert("takes_no_request_because".into(), reason.into());
    }
    if let Lifecycle::Removed { until } = lifecycle {
        let left = until.saturating_duration_since(now).as_secs();
        let text = format!("removed by the control plane, a route names it: {left} s left");
        shown.insert("lifecycle".into(), text.into());
    }
    if let Some(drop) = cluster.drop_overload() {
        shown.insert("drop_overload".into(), format!("{} {}", drop.category, drop.share).into());
    }
    let hosts: Map<String, Value> =
        cluster.hosts().iter().map(|host| (host.address().to_string(), standing(host))).collect();
    shown.insert("hosts".into(), hosts.into());
    Value::Object(shown)
}

fn standing(host: &Host) -> Value {
    json!({
        "standing": reason(host.standing()),
        "weight": host.weight(),
        "priority": host.priority(),
        "eds_health": host.health().name(),
        "active_requests": host.state().active_requests(),
    })
}

/// Whether a host gets requests, and why.
fn reason(standing: Standing) -> &'static str {
    match standing {
        Standing::InUse => "in use",
        Standing::InPanic => "in use although its health forbids it: too few hosts are healthy",
        Standing::Standby => "not used: hosts of a lower-numbered priority are",
        Standing::DegradedStandby => "not used: it is degraded, and healthy hosts suffice",
        Standing::Unreached => {
            "not used: its locality has no weight, requests stay in another zone, or it has no \
             place in the hash table"
        }
        Standing::Unhealthy => "not used: its EDS health forbids it",
        Standing::Draining => "not used: it is draining",
        Standing::Excluded => "not used: it is excluded for the moment",
        Standing::TransportNotInForce => {
            "not used: its transport socket is not in force, and plain text would be wrong"
        }
    }
}

fn waiting(cluster: &WarmingCluster, now: Instant) -> Value {
    json!({
        "waits_for": cluster.waits_for,
        "for_seconds": now.saturating_duration_since(cluster.since).as_secs(),
    })
}
