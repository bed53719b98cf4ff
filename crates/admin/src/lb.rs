//! `/lb`: how each cluster balances, and why a host gets nothing.

use std::time::Instant;

use destrier_policy::{Lifecycle, WarmingCluster};
use destrier_upstream::{Cluster, Host, Standing};
use serde_json::{Map, Value, json};

use crate::answer::Answer;
use crate::query::Query;
use crate::sources::Sources;

pub(crate) fn page(sources: &Sources, query: &Query) -> Answer {
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
    let text = match host.standing() {
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
    };
    json!({
        "standing": text,
        "weight": host.weight(),
        "priority": host.priority(),
        "eds_health": host.health().name(),
        "active_requests": host.state().active_requests(),
    })
}

fn waiting(cluster: &WarmingCluster, now: Instant) -> Value {
    json!({
        "waits_for": cluster.waits_for,
        "for_seconds": now.saturating_duration_since(cluster.since).as_secs(),
    })
}
