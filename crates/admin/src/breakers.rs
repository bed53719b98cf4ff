//! `/breakers`: each limit, what is in use of it, and what was refused.

use destrier_policy::RoutingPriority;
use destrier_upstream::{Cluster, Limit, StatValue};
use serde_json::{Map, Value, json};

use crate::answer::Answer;
use crate::query::Query;
use crate::sources::Sources;

/// Limits and the statistic that counts what each refused.
const LIMITS: [(Limit, &str, &str); 3] = [
    (Limit::Connections, "max_connections", "upstream_cx_overflow"),
    (Limit::Pending, "max_pending_requests", "upstream_rq_pending_overflow"),
    (Limit::Requests, "max_requests", "upstream_rq_active_overflow"),
];

pub(crate) fn page(sources: &Sources, query: &Query) -> Answer {
    let filter = match query.filter() {
        Ok(filter) => filter,
        Err(answer) => return answer,
    };
    let clusters: Map<String, Value> = sources
        .clusters_by_name()
        .filter(|cluster| {
            filter.as_ref().is_none_or(|filter| filter.is_match(cluster.name().as_str()))
        })
        .map(|cluster| (cluster.name().to_string(), breakers(&cluster)))
        .collect();
    Answer::json(&json!({ "clusters": clusters }))
}

fn breakers(cluster: &Cluster) -> Value {
    let of = |priority| {
        let usage = cluster.state().breakers();
        let shown = LIMITS.map(|(limit, name, _)| {
            let usage = usage.usage(priority, limit);
            (name.to_owned(), json!({ "limit": usage.limit, "in_use": usage.used }))
        });
        Value::Object(shown.into_iter().collect())
    };
    let mut refused = Map::new();
    cluster.visit_stats(&mut |name, value| {
        if let StatValue::Counter(count) = value
            && LIMITS.iter().any(|(_, _, stat)| *stat == name)
        {
            refused.insert(name.to_owned(), count.into());
        }
    });
    json!({
        "default": of(RoutingPriority::Default),
        "high": of(RoutingPriority::High),
        "overflows": refused,
    })
}
