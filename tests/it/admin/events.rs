//! The recorded events, provoked one by one: what each moves of the counters and gauges of its cluster and
//! of the connection manager, beside what it moves in Envoy.
//!
//! `events/cases.rs` says how each event is provoked, or why it is not; `events/peers.rs` are the backends.

mod cases;
mod peers;

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use destrier::demo::config::{bootstrap, http_manager, listener};
use destrier::demo::local::LocalAgent;
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::exceptions::Why;
use super::recorded_mesh::recorded_json;
use crate::mesh::PATIENCE;
use cases::{Case, Provoked, case};
use peers::Peers;

/// Statistics that differ from the recordings: a pattern over the event, one over the name without the
/// prefix of the cluster or of the manager, and why.
const DIFFERING: &[(&str, &str, Why)] = &[
    ("", r"^http2\.nghttp2_upstream_connections$", Why::Departs("there is no nghttp2")),
    (
        "",
        r"remaining_cx_pools$",
        Why::Departs("pools are not limited, nor counted against a limit"),
    ),
    ("", r"^downstream_cx_destroy_(local|remote|active)", Why::Waits("who ended a connection")),
    ("", r"^downstream_cx_delayed_close_timeout$", Why::Waits("delayed close")),
    (
        "^(reset|h2-rst|route-timeout)-after|^upgrade",
        "^downstream_rq_(rx_reset|response_before_rq_complete)$",
        Why::Waits("resets that follow from what this side does"),
    ),
    ("^h2-rst", r"^http2\.rx_reset$", Why::Waits("counters of the codecs")),
    ("^h2-rst-after-headers$", "^upstream_rq_rx_reset$", Why::Waits("resets in the body")),
    ("^route-timeout-after-headers$", "^upstream_rq_timeout$", Why::Waits("time over in the body")),
    (
        "^h2-(rst-stream-protocol|to-h1-upstream|garbage)$",
        "^upstream_rq_(tx_reset|total)$|^upstream_cx_(connect_fail|protocol_error)$",
        Why::Departs("a connection that never spoke HTTP/2 failed to open; no stream was reset"),
    ),
    (
        "^h2-(goaway-error|close)$",
        "^upstream_(cx|rq_pending)_",
        Why::Departs("a request that was not processed is sent again over another connection"),
    ),
    (
        "^upstream-max-stream-duration$",
        "upstream_rq_(504|5xx|completed)$",
        Why::Departs("the answer counts as every local answer does"),
    ),
    (
        "^overflow-requests$",
        r"^upstream_cx_|\.remaining_cx$",
        Why::Departs("the connection that a refused request wanted is not opened to its end"),
    ),
    ("^no-hosts$", "^lb_healthy_panic$", Why::Departs("without a host there is no panic")),
];

type Moved = BTreeMap<String, i64>;

/// A bootstrap with a cluster and a virtual host for each event that has a peer.
async fn start(cases: &[(Value, Case)], peers: &Peers) -> Result<LocalAgent> {
    let (mut clusters, mut hosts) = (Vec::new(), Vec::new());
    for (recorded, case) in cases {
        let name = recorded["event"].as_str().context("an event has a name")?;
        let mut cluster = peers.cluster(name, case)?;
        merge(&mut cluster, &recorded["cluster_config"]);
        clusters.push(cluster);
        let mut action = case.action(name);
        if let Some(route) = action.get_mut("route") {
            merge(route, &recorded["route_config"]);
        }
        let mut route = json!({ "match": { "prefix": case.prefix() } });
        route
            .as_object_mut()
            .context("an object")?
            .extend(action.as_object().cloned().unwrap_or_default());
        if case.provoked != Provoked::NoVirtualHost {
            hosts.push(json!({ "name": name, "domains": [name], "routes": [route] }));
        }
    }
    let mut manager = http_manager("in", &[]);
    manager["route_config"] = json!({ "validate_clusters": false, "virtual_hosts": hosts });
    let agent = LocalAgent::start(&bootstrap(&[listener("in", &manager)], &clusters))?;
    agent.ready().await?;
    Ok(agent)
}

/// As protobuf merges JSON: fields of objects one by one, anything else as a whole.
fn merge(into: &mut Value, from: &Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                merge(into.entry(key).or_insert_with(|| Map::new().into()), value);
            }
        }
        (_, Value::Null) => {}
        (into, from) => *into = from.clone(),
    }
}

/// Counters and gauges by full name.
async fn stats(agent: &LocalAgent) -> Result<Moved> {
    let page = agent.admin_json("/stats?format=json&filter=%5E(cluster%7Chttp%5C.in)%5C.").await?;
    let listed = page["stats"].as_array().context("a list")?.iter();
    let pair = |stat: &Value| Some((stat["name"].as_str()?.to_owned(), stat["value"].as_i64()?));
    Ok(listed.filter_map(pair).collect())
}

/// What is different, without the prefixes, and without what is never compared.
fn moved(before: &Moved, after: &Moved, event: &str) -> Moved {
    let prefixes = [format!("cluster.{event}."), "http.in.".to_owned()];
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let differing = names.into_iter().filter_map(|name| {
        let by = after.get(name).unwrap_or(&0) - before.get(name).unwrap_or(&0);
        let short = prefixes.iter().find_map(|prefix| name.strip_prefix(prefix.as_str()))?;
        (by != 0 && is_compared(event, short)).then(|| (short.to_owned(), by))
    });
    differing.collect()
}

fn recorded_moves(recorded: &Value, event: &str) -> Moved {
    let of = |key: &str| recorded[key].as_object().into_iter().flatten();
    let http = of("http").filter_map(|(name, by)| Some((name.strip_prefix("http.in.")?, by)));
    let all = of("cluster").map(|(name, by)| (name.as_str(), by)).chain(http);
    all.filter(|(name, _)| is_compared(event, name))
        .filter_map(|(name, by)| Some((name.to_owned(), by.as_i64()?)))
        .collect()
}

fn excuse(event: &str, name: &str) -> Option<usize> {
    let matches = |pattern: &str, text: &str| {
        regex::Regex::new(pattern).is_ok_and(|regex| regex.is_match(text))
    };
    DIFFERING.iter().position(|(only, pattern, _)| matches(only, event) && matches(pattern, name))
}

/// Bytes are left out of the recordings.
fn is_compared(event: &str, name: &str) -> bool {
    !name.contains("_bytes_") && excuse(event, name).is_none()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_recorded_event_moves_what_it_moves_in_envoy() -> Result<()> {
    let recordings = recorded_json("events.json")?;
    let recordings = recordings["events_list"].as_array().context("events")?;
    let mut left_out: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    let mut cases = Vec::new();
    for recorded in recordings {
        let name = recorded["event"].as_str().context("a name")?;
        match case(name).with_context(|| format!("nothing is said of {name}"))? {
            Ok(case) => cases.push((recorded.clone(), case)),
            Err(why) => left_out.entry(why.to_string()).or_default().push(name),
        }
    }
    let peers = Peers::start(&cases)?;
    let agent = start(&cases, &peers).await?;
    let mut faults = Vec::new();
    for (recorded, case) in &cases {
        let name = recorded["event"].as_str().context("a name")?;
        let before = stats(&agent).await?;
        let statuses = match case.provoke(&agent, &peers, name).await {
            Ok(statuses) => statuses,
            Err(error) => {
                faults.push(format!("{name}: {error:#}"));
                continue;
            }
        };
        let last = statuses.last().copied();
        if last.map(u64::from) != last_status(recorded) {
            faults.push(format!("{name}: {statuses:?} instead of {}", recorded["status"]));
        }
        let wanted = recorded_moves(recorded, name);
        let found = settled(&agent, &before, name, &wanted).await?;
        let wrong = wanted.iter().filter(|(key, by)| found.get(*key) != Some(by));
        faults.extend(wrong.map(|(key, by)| {
            format!("{name}: {key} by {} instead of {by}", found.get(key).unwrap_or(&0))
        }));
        let more = found.iter().filter(|(key, _)| !wanted.contains_key(*key));
        faults.extend(more.map(|(key, by)| format!("{name}: {key} by {by} instead of 0")));
    }
    println!("recorded events: {} provoked", cases.len());
    for (why, names) in &left_out {
        println!("  {why}: {}", names.join(", "));
    }
    for (_, pattern, why) in DIFFERING {
        println!("  {why}: {pattern}");
    }
    assert!(faults.is_empty(), "{} differ:\n{}", faults.len(), faults.join("\n"));
    Ok(())
}

fn last_status(recorded: &Value) -> Option<u64> {
    match &recorded["status"] {
        Value::Array(all) => all.last().and_then(Value::as_u64),
        one => one.as_u64(),
    }
}

/// Waits until what is wanted has moved, or no longer than a fault deserves.
async fn settled(agent: &LocalAgent, before: &Moved, event: &str, wanted: &Moved) -> Result<Moved> {
    let begin = Instant::now();
    loop {
        let found = moved(before, &stats(agent).await?, event);
        if found == *wanted || begin.elapsed() > PATIENCE / 10 {
            return Ok(found);
        }
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    }
}
