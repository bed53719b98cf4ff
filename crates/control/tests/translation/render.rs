//! Policies as text: what differs from Envoy's defaults, a line each.

use std::collections::BTreeMap;
use std::fmt::Debug;

use destrier_control::{DnsEndpoint, LoadAssignment, TranslatedCluster};
use destrier_policy::{
    CircuitBreakers, ClusterPolicy, CommonLb, Endpoint, EndpointSet, FieldStanding, HttpOptions,
    Metadata, OutlierPolicy, Thresholds, TransportSocket, Value,
};

fn line(text: &mut String, name: &str, value: &dyn Debug) {
    *text += &format!("  {name} = {value:?}\n");
}

/// The fields of `$value` that differ from `$default`. Every field must be named.
macro_rules! changed {
    ($text:expr, $prefix:expr, $default:expr, $type:ident { $($field:ident),* $(; $($by_hand:ident),*)? } = $value:expr) => {{
        let $type { $($field,)* $($($by_hand: _,)*)? } = $value;
        let default = $default;
        $(if *$field != default.$field {
            line($text, &format!("{}{}", $prefix, stringify!($field)), $field);
        })*
    }};
}

pub(crate) fn cluster(cluster: &TranslatedCluster, text: &mut String) {
    let TranslatedCluster { policy, load_assignment } = cluster;
    let plain = ClusterPolicy::new(policy.name.clone());
    changed!(text, "", &plain, ClusterPolicy {
        observability_name, origin, discovery, connect_timeout, per_connection_buffer_limit, lb, subsets,
        tcp_keepalive, bind;
        name, common_lb, circuit_breakers, http, transport, transport_matches, outlier, metadata, notes
    } = policy);
    changed!(
        text,
        "common_lb.",
        CommonLb::default(),
        CommonLb {
            healthy_panic_threshold,
            locality,
            update_merge_window,
            ignore_new_hosts_until_first_hc,
            close_connections_on_host_set_change,
            override_host_status,
            override_headers
        } = &policy.common_lb
    );
    breakers(&policy.circuit_breakers, text);
    http(&policy.http, text);
    transport(policy, text);
    if let Some(policy) = &policy.outlier {
        outlier(policy, text);
    }
    metadata("metadata", &policy.metadata, text);
    for (standing, word) in
        [(FieldStanding::Later, "later"), (FieldStanding::Tolerated, "tolerated")]
    {
        let notes = policy.notes.iter().filter(|note| note.standing == standing);
        let fields: Vec<_> = notes.map(|note| &*note.field).collect();
        if !fields.is_empty() {
            *text += &format!("  {word}: {}\n", fields.join(", "));
        }
    }
    match load_assignment {
        None => {}
        Some(LoadAssignment::Static(set)) => endpoints(set, text),
        Some(LoadAssignment::Dns(names)) => {
            for group in &names.localities {
                locality(&group.locality, group.priority, group.weight, text);
                for DnsEndpoint { name, port, template } in &group.endpoints {
                    endpoint(&format!("{name}:{port}"), template, text);
                }
            }
        }
    }
}

fn breakers(breakers: &CircuitBreakers, text: &mut String) {
    let CircuitBreakers { thresholds, per_host_max_connections } = breakers;
    for (priority, limits) in ["", "high."].into_iter().zip(thresholds) {
        changed!(
            text,
            format!("limits.{priority}"),
            Thresholds::default(),
            Thresholds {
                max_connections,
                max_pending_requests,
                max_requests,
                max_retries,
                max_connection_pools,
                retry_budget,
                track_remaining
            } = limits
        );
    }
    if let Some(limit) = per_host_max_connections {
        line(text, "limits.per_host_max_connections", limit);
    }
}

fn http(http: &HttpOptions, text: &mut String) {
    changed!(
        text,
        "http.",
        HttpOptions::default(),
        HttpOptions {
            protocol,
            idle_timeout,
            max_connection_duration,
            max_requests_per_connection,
            max_headers_count,
            max_response_headers_kb,
            max_stream_duration,
            headers_with_underscores,
            http1,
            http2,
            auto_sni,
            auto_san_validation,
            error_match
        } = http
    );
}

fn transport(policy: &ClusterPolicy, text: &mut String) {
    let name = |socket: &TransportSocket| match socket {
        TransportSocket::Raw => "raw".to_owned(),
        TransportSocket::NotInForce { type_url } => {
            let name = type_url.rsplit('.').next().unwrap_or_default();
            format!("{name} (not in force)")
        }
    };
    if policy.transport != TransportSocket::Raw {
        *text += &format!("  transport = {}\n", name(&policy.transport));
    }
    for candidate in &policy.transport_matches {
        let criteria = fields(&candidate.criteria);
        *text += &format!(
            "  transport {} if {criteria} = {}\n",
            candidate.name,
            name(&candidate.socket)
        );
    }
}

fn outlier(outlier: &OutlierPolicy, text: &mut String) {
    let policy = format!("{outlier:?}");
    *text += &format!("  outlier = {}\n", policy.trim_start_matches("OutlierPolicy "));
}

pub(crate) fn endpoints(set: &EndpointSet, text: &mut String) {
    changed!(text, "", EndpointSet::default(), EndpointSet {
        overprovisioning_factor, weighted_priority_health, endpoint_stale_after, drop_overload;
        localities, notes
    } = set);
    for note in &set.notes {
        *text += &format!("  {:?}: {}\n", note.standing, note.field).to_lowercase();
    }
    for group in &set.localities {
        locality(&group.locality, group.priority, group.weight, text);
        for entry in &group.endpoints {
            endpoint(&entry.address.to_string(), entry, text);
        }
    }
}

fn locality(name: &dyn Debug, priority: u32, weight: Option<u32>, text: &mut String) {
    let weight = weight.map_or(String::new(), |weight| format!(" weight {weight}"));
    *text += &format!("  locality {name:?} priority {priority}{weight}\n");
}

fn endpoint(address: &str, endpoint: &Endpoint, text: &mut String) {
    let Endpoint { address: _, hostname, weight, health, metadata } = endpoint;
    *text += &format!("    {address} weight {weight} {}", health.name());
    if !hostname.is_empty() {
        *text += &format!(" {hostname}");
    }
    for (namespace, values) in &metadata.0 {
        *text += &format!(" {namespace}: {}", fields(values));
    }
    text.push('\n');
}

fn metadata(name: &str, metadata: &Metadata, text: &mut String) {
    for (namespace, values) in &metadata.0 {
        *text += &format!("  {name}.{namespace} = {}\n", fields(values));
    }
}

fn fields(values: &BTreeMap<String, Value>) -> String {
    let pairs: Vec<_> =
        values.iter().map(|(key, value)| format!("{key}: {}", json(value))).collect();
    format!("{{{}}}", pairs.join(", "))
}

fn json(value: &Value) -> String {
    match value {
        Value::Null => "null".into(),
        Value::Bool(value) => value.to_string(),
        Value::Number(value) => value.to_string(),
        Value::String(value) => format!("{value:?}"),
        Value::List(values) => {
            format!("[{}]", values.iter().map(json).collect::<Vec<_>>().join(", "))
        }
        Value::Struct(values) => fields(values),
    }
}
