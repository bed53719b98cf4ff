//! `/lb?cluster=`: all that is known about how one cluster balances.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Instant;

use axum::http::StatusCode;
use destrier_policy::LbPolicy;
use destrier_upstream::{Cluster, Host, LevelOutline, Preference, TableOutline, hash_bytes};
use serde_json::{Map, Value, json};

use super::reason;
use crate::answer::Answer;
use crate::query::Query;
use crate::sources::Sources;

pub(super) fn page(sources: &Sources, name: &str, query: &Query) -> Answer {
    let Some(cluster) = sources.directory.get(name) else { return unknown(name) };
    let now = (sources.instant)();
    let mut shown = shown(&cluster, now);
    if let Some(key) = query.get("key") {
        shown.insert("key".into(), picked(&cluster, key));
    }
    match query.get("format") {
        Some("json") => Answer::json(&Value::Object(shown)),
        None | Some("text") => Answer::ok(text(&shown)),
        Some(_) => Answer::bad_request("format: one of (text, json)\n"),
    }
}

pub(super) fn unknown(name: &str) -> Answer {
    Answer::text(StatusCode::NOT_FOUND, format!("there is no cluster {name}\n"))
}

fn shown(cluster: &Cluster, now: Instant) -> Map<String, Value> {
    let mut shown = Map::new();
    shown.insert("cluster".into(), cluster.name().as_str().into());
    shown.insert("asked_for".into(), cluster.policy().lb.name().into());
    shown.insert("in_force".into(), cluster.lb_in_force().into());
    if let Some(reason) = cluster.unusable_reason() {
        shown.insert("takes_no_request_because".into(), reason.into());
    }
    if cluster.policy().subsets.is_some() {
        shown.insert("subsets".into(), cluster.balancer().subsets().into());
    }
    let picks: u64 = cluster.hosts().iter().map(requests).sum();
    shown.insert("requests_since_reset".into(), picks.into());
    let shares = cluster.balancer().shares(cluster.hosts().len());
    let mut groups: BTreeMap<u32, BTreeMap<String, Vec<Value>>> = BTreeMap::new();
    for (at, (host, expected)) in cluster.hosts().iter().zip(shares).enumerate() {
        let weight = cluster.effective_weight(at, now);
        let by_locality = groups.entry(host.priority()).or_default();
        let locality = by_locality.entry(format!("{:?}", host.locality())).or_default();
        locality.push(host_shown(host, weight, expected, picks));
    }
    let levels = cluster.balancer().levels();
    let priorities = groups.into_iter().map(|(priority, localities)| {
        let level = levels.iter().find(|level| level.priority == priority);
        let weight = |name: &str| locality_weight(cluster, priority, name);
        let localities = localities.into_iter().map(|(locality, hosts)| {
            json!({ "locality": locality, "weight": weight(&locality), "hosts": hosts })
        });
        let localities: Vec<Value> = localities.collect();
        let mut shown = Map::new();
        shown.insert("priority".into(), priority.into());
        shown.extend(load(level, levels.is_empty()));
        shown.insert("localities".into(), localities.into());
        Value::Object(shown)
    });
    shown.insert("priorities".into(), priorities.collect::<Vec<_>>().into());
    shown
}

fn requests(host: &Host) -> u64 {
    host.state().stats_if_used().map_or(0, |stats| stats.requests_since_reset())
}

fn host_shown(host: &Host, effective_weight: f64, expected: f64, picks: u64) -> Value {
    let requests = requests(host);
    let actual = if picks == 0 { 0.0 } else { requests as f64 / picks as f64 };
    json!({
        "address": host.address().to_string(),
        "standing": reason(host.standing()),
        "weight": host.weight(),
        "effective_weight": effective_weight,
        "eds_health": host.health().name(),
        "excluded": !host.state().is_eligible(),
        "active_requests": host.state().active_requests(),
        "expected_share": expected,
        "actual_share": actual,
        "requests_since_reset": requests,
    })
}

fn locality_weight(cluster: &Cluster, priority: u32, name: &str) -> Value {
    let groups = cluster.endpoints().localities.iter();
    let mut of = groups.filter(|group| group.priority == priority);
    let found = of.find(|group| format!("{:?}", group.locality) == name);
    found.and_then(|group| group.weight).into()
}

/// What the priority gets; where priorities are not told apart it is all.
fn load(level: Option<&LevelOutline>, is_only: bool) -> Map<String, Value> {
    let mut shown = Map::new();
    let (healthy, degraded, panic) = match level {
        Some(level) => (level.healthy_load, level.degraded_load, level.panic),
        None => (if is_only { 100 } else { 0 }, 0, false),
    };
    shown.insert("healthy_load_percent".into(), healthy.into());
    shown.insert("degraded_load_percent".into(), degraded.into());
    shown.insert("panic".into(), panic.into());
    if let Some(table) = level.and_then(|level| level.table.as_ref()) {
        shown.insert("table".into(), table_shown(table));
    }
    shown
}

fn table_shown(table: &TableOutline) -> Value {
    let mut shown = Map::new();
    if let Some(stats) = table.stats {
        shown.insert("size".into(), stats.size.into());
        shown.insert("min_per_host".into(), stats.min_per_host.into());
        shown.insert("max_per_host".into(), stats.max_per_host.into());
        shown.insert("bytes".into(), stats.bytes.into());
    }
    if let Some(refused) = &table.refused {
        let instead =
            if table.stats.is_some() { "the last one is used" } else { "hosts are random" };
        shown.insert("refused".into(), format!("{refused}; {instead}").into());
    }
    Value::Object(shown)
}

/// Where a request with this key goes: as one with a header of this value, hashed by one policy.
fn picked(cluster: &Cluster, key: &str) -> Value {
    let hash = hash_bytes(key.as_bytes());
    let mut shown = Map::new();
    shown.insert("key".into(), key.into());
    shown.insert("hash".into(), hash.into());
    let hashes = matches!(cluster.policy().lb, LbPolicy::RingHash { .. } | LbPolicy::Maglev { .. });
    if hashes {
        let preference = Preference { hash: Some(hash), ..Preference::default() };
        match cluster.pick(preference, hash) {
            Ok(host) => shown.insert("host".into(), host.address().to_string().into()),
            Err(reason) => shown.insert("no_host_because".into(), reason.to_string().into()),
        };
    } else {
        let reason = format!("{} looks at no hash", cluster.policy().lb.name());
        shown.insert("no_host_because".into(), reason.into());
    }
    Value::Object(shown)
}

/// The same for people: a line for each host, whatever is above it indented less.
fn text(shown: &Map<String, Value>) -> String {
    let mut text = String::new();
    for (name, value) in shown {
        match value {
            Value::Array(priorities) => {
                priorities.iter().for_each(|priority| write_priority(&mut text, priority));
            }
            Value::Object(fields) => {
                let _ = writeln!(text, "{}", on_a_line(fields));
            }
            value => {
                let _ = writeln!(text, "{name}: {}", plain(value));
            }
        }
    }
    text
}

fn write_priority(text: &mut String, priority: &Value) {
    let fields = priority.as_object().into_iter().flatten();
    let own: Map<String, Value> = fields
        .filter(|(_, value)| !value.is_array() && !value.is_object())
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    let _ = writeln!(text, "{}", on_a_line(&own));
    if let Some(table) = priority["table"].as_object() {
        let _ = writeln!(text, "  table: {}", on_a_line(table));
    }
    for locality in priority["localities"].as_array().into_iter().flatten() {
        let (name, weight) = (plain(&locality["locality"]), plain(&locality["weight"]));
        let _ = writeln!(text, "  locality {name}: weight {weight}");
        for host in locality["hosts"].as_array().into_iter().flatten() {
            if let Some(host) = host.as_object() {
                let _ = writeln!(text, "    {}", on_a_line(host));
            }
        }
    }
}

fn on_a_line(fields: &Map<String, Value>) -> String {
    let fields = fields.iter().map(|(name, value)| match name.as_str() {
        "address" | "standing" => plain(value),
        name if name.ends_with("_share") => {
            format!("{name} {:.2}%", value.as_f64().unwrap_or(0.0) * 100.0)
        }
        name => format!("{name} {}", plain(value)),
    });
    fields.collect::<Vec<_>>().join(", ")
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "unset".into(),
        Value::Number(number) if number.is_f64() => {
            format!("{:.3}", number.as_f64().unwrap_or(0.0))
        }
        value => value.to_string(),
    }
}
