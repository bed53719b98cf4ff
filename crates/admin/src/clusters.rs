//! `/clusters` (`clusters.proto: Clusters`): limits and hosts of each cluster.

use std::fmt::Write as _;
use std::sync::Arc;

use destrier_policy::{CircuitBreakers, Discovery, HealthStatus, Origin, RoutingPriority};
use destrier_upstream::{Cluster, Host, HostStats, StatValue};
use serde_json::{Map, Value, json};

use crate::answer::{Answer, JSON, TEXT};
use crate::json::JsonPage;
use crate::listeners::address;
use crate::query::Query;
use crate::sources::Sources;
use crate::stream::{Gone, Out};

/// Envoy's figure for a host without enough traffic for a rate: outlier detection is not in force, so
/// that is every host.
const UNKNOWN_RATE: &str = "-1";

pub(crate) fn page(sources: &Arc<Sources>, query: &Query) -> Answer {
    let filter = match query.filter() {
        Ok(filter) => filter,
        Err(answer) => return answer,
    };
    let wanted = sources.clusters_by_name().filter(move |cluster| {
        filter.as_ref().is_none_or(|filter| filter.is_match(cluster.name().as_str()))
    });
    match query.get("format") {
        Some("json") => Answer::streamed(JSON, |out| write_json(out, wanted)),
        _ => Answer::streamed(TEXT, |out| write_text(out, wanted)),
    }
}

async fn write_text(
    mut out: Out,
    clusters: impl Iterator<Item = Arc<Cluster>>,
) -> Result<Out, Gone> {
    for cluster in clusters {
        write_cluster(out.text(), &cluster);
        for host in cluster.hosts() {
            write_host(out.text(), &format!("{}::{}", cluster.name(), host.address()), host);
            out.step().await?;
        }
        out.step().await?;
    }
    Ok(out)
}

async fn write_json(
    mut out: Out,
    clusters: impl Iterator<Item = Arc<Cluster>>,
) -> Result<Out, Gone> {
    let mut clusters = clusters.peekable();
    if clusters.peek().is_none() {
        out.text().push_str("{}\n");
        return Ok(out);
    }
    let mut page = JsonPage::new(out);
    page.open(None, '{');
    page.open(Some("cluster_statuses"), '[');
    for cluster in clusters {
        page.open(None, '{');
        write_status(&mut page, &cluster).await?;
        page.close('}');
    }
    page.close(']');
    page.close('}');
    Ok(page.finish())
}

/// The statistics of a host, also of one that never had a request: there they are all zero.
fn each_stat(host: &Host, visit: &mut dyn FnMut(&str, StatValue<'_>)) {
    match host.state().stats_if_used() {
        Some(stats) => stats.visit(visit),
        None => HostStats::default().visit(visit),
    }
    visit("rq_active", StatValue::Gauge(host.state().active_requests().into()));
}

fn eds_service_name(cluster: &Cluster) -> Option<&str> {
    match &cluster.policy().discovery {
        Discovery::Eds { service_name, .. } => Some(service_name),
        _ => None,
    }
}

fn limits(breakers: &CircuitBreakers, priority: RoutingPriority) -> [(&'static str, u32); 4] {
    let thresholds = breakers.of(priority);
    [
        ("max_connections", thresholds.max_connections),
        ("max_pending_requests", thresholds.max_pending_requests),
        ("max_requests", thresholds.max_requests),
        ("max_retries", thresholds.max_retries),
    ]
}

/// Writing to a `String` cannot fail, hence the ignored results.
fn write_cluster(text: &mut String, cluster: &Cluster) {
    let (name, policy) = (cluster.name(), cluster.policy());
    let _ = writeln!(text, "{name}::observability_name::{}", policy.observability_name);
    for (priority, word) in [(RoutingPriority::Default, "default"), (RoutingPriority::High, "high")]
    {
        for (limit, value) in limits(&policy.circuit_breakers, priority) {
            let _ = writeln!(text, "{name}::{word}_priority::{limit}::{value}");
        }
    }
    let _ = writeln!(text, "{name}::added_via_api::{}", policy.origin == Origin::Dynamic);
    if let Some(service) = eds_service_name(cluster) {
        let _ = writeln!(text, "{name}::eds_service_name::{service}");
    }
}

fn write_host(text: &mut String, prefix: &str, host: &Host) {
    let mut stats = Vec::new();
    each_stat(host, &mut |name, value| {
        if let StatValue::Counter(value) | StatValue::Gauge(value) = value {
            stats.push((name.to_owned(), value));
        }
    });
    stats.sort();
    for (name, value) in stats {
        let _ = writeln!(text, "{prefix}::{name}::{value}");
    }
    let locality = host.locality();
    for (name, value) in [
        ("hostname", host.hostname()),
        ("health_flags", health_flags(host)),
        ("weight", &host.weight().to_string()),
        ("region", locality.region()),
        ("zone", locality.zone()),
        ("sub_zone", locality.sub_zone()),
        ("canary", "false"),
        ("priority", &host.priority().to_string()),
        ("success_rate", UNKNOWN_RATE),
        ("local_origin_success_rate", UNKNOWN_RATE),
    ] {
        let _ = writeln!(text, "{prefix}::{name}::{value}");
    }
}

fn health_flags(host: &Host) -> &'static str {
    match host.health() {
        HealthStatus::Unknown | HealthStatus::Healthy => "healthy",
        HealthStatus::Degraded => "/degraded_eds_health",
        HealthStatus::Unhealthy | HealthStatus::Timeout => "/failed_eds_health",
        HealthStatus::Draining => "/eds_status_draining",
    }
}

/// `ClusterStatus`, in the order of Envoy's page; zero and false are left out, as protobuf JSON does.
async fn write_status(page: &mut JsonPage, cluster: &Cluster) -> Result<(), Gone> {
    let policy = cluster.policy();
    page.value(Some("name"), &cluster.name().as_str().into()).await?;
    if policy.origin == Origin::Dynamic {
        page.value(Some("added_via_api"), &true.into()).await?;
    }
    if !cluster.hosts().is_empty() {
        page.open(Some("host_statuses"), '[');
        for host in cluster.hosts() {
            page.value(None, &host_status(host)).await?;
        }
        page.close(']');
    }
    let thresholds = RoutingPriority::ALL.map(|priority| {
        let mut shown = Map::new();
        if priority == RoutingPriority::High {
            shown.insert("priority".into(), "HIGH".into());
        }
        shown.extend(
            limits(&policy.circuit_breakers, priority)
                .map(|(name, value)| (name.into(), value.into())),
        );
        Value::Object(shown)
    });
    page.value(Some("circuit_breakers"), &json!({ "thresholds": thresholds })).await?;
    page.value(Some("observability_name"), &(*policy.observability_name).into()).await?;
    if let Some(service) = eds_service_name(cluster) {
        page.value(Some("eds_service_name"), &service.into()).await?;
    }
    Ok(())
}

fn host_status(host: &Host) -> Value {
    let (mut counters, mut gauges) = (Vec::new(), Vec::new());
    each_stat(host, &mut |name, value| {
        let (list, gauge, value) = match value {
            StatValue::Counter(value) => (&mut counters, None, value),
            StatValue::Gauge(value) => (&mut gauges, Some("GAUGE"), value),
            StatValue::Histogram(_) => return,
        };
        let mut stat = Map::new();
        stat.extend(gauge.map(|kind| ("type".into(), kind.into())));
        if value > 0 {
            stat.insert("value".into(), value.to_string().into());
        }
        stat.insert("name".into(), name.into());
        list.push((name.to_owned(), Value::Object(stat)));
    });
    for list in [&mut counters, &mut gauges] {
        list.sort_by(|a, b| a.0.cmp(&b.0));
    }
    let stats: Vec<Value> = counters.into_iter().chain(gauges).map(|(_, stat)| stat).collect();
    let mut status = Map::new();
    status.insert("address".into(), address(host.address()));
    status.insert("stats".into(), stats.into());
    // Envoy shows what it makes of the status: UNKNOWN counts as healthy.
    let health = match host.health() {
        HealthStatus::Unknown => HealthStatus::Healthy,
        other => other,
    };
    status.insert("health_status".into(), json!({ "eds_health_status": health.name() }));
    status.insert("weight".into(), host.weight().into());
    if !host.hostname().is_empty() {
        status.insert("hostname".into(), host.hostname().into());
    }
    if host.priority() > 0 {
        status.insert("priority".into(), host.priority().into());
    }
    let locality = host.locality();
    let parts = [
        ("region", locality.region()),
        ("zone", locality.zone()),
        ("sub_zone", locality.sub_zone()),
    ];
    let known = parts.into_iter().filter(|(_, value)| !value.is_empty());
    let shown: Map<String, Value> =
        known.map(|(name, value)| (name.to_owned(), value.into())).collect();
    status.insert("locality".into(), shown.into());
    Value::Object(status)
}
