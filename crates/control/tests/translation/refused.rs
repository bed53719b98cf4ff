//! Clusters that are refused, one fault each, mostly as Envoy 1.40 refuses them in `--mode validate`.

use crate::parse::{assert_refused, cluster};

/// Checks `(fields, path of the fault, part of the reason)`.
pub(crate) fn refused(cases: &[(&str, &str, &str)]) {
    for (fields, path, reason) in cases {
        assert_refused(cluster(fields), fields, path, reason);
    }
}

#[test]
fn the_cluster_itself() {
    refused(&[
        ("name: ''", "name", "empty"),
        ("connect_timeout: 0s", "connect_timeout", "greater than zero"),
        ("connect_timeout: -1s", "connect_timeout", "negative"),
        ("connect_timeout: 315576000000s", "connect_timeout", "out of range"),
        ("cleanup_interval: 0s", "cleanup_interval", "greater than zero"),
        ("health_checks: [{timeout: 1s}]", "health_checks", "health checks"),
        ("transport_socket_matcher: {}", "transport_socket_matcher", "transport_socket_matches"),
        (
            "connection_pool_per_downstream_connection: true",
            "connection_pool_per_downstream_connection",
            "not supported",
        ),
        (
            "metadata: {filter_metadata: {}, typed_filter_metadata: {}}, lb_policy: 4",
            "lb_policy",
            "4 is not a value",
        ),
    ]);
}

#[test]
fn discovery() {
    let eds = "type: EDS, eds_cluster_config";
    refused(&[
        ("type: 9", "type", "9 is not a value"),
        ("cluster_type: {name: x}", "cluster_type", "not supported"),
        ("type: EDS", "eds_cluster_config", "needs it"),
        (&format!("{eds}: {{}}"), "eds_cluster_config.eds_config", "must be set"),
        (&format!("{eds}: {{eds_config: {{}}}}"), "eds_cluster_config.eds_config", "no source"),
        (
            &format!("{eds}: {{eds_config: {{path: /a.pb_text}}}}"),
            "eds_cluster_config.eds_config.path",
            "text format",
        ),
        (
            &format!("{eds}: {{eds_config: {{path_config_source: {{path: ''}}}}}}"),
            "eds_cluster_config.eds_config.path_config_source.path",
            "empty",
        ),
        (
            &format!("{eds}: {{eds_config: {{api_config_source: {{}}}}}}"),
            "eds_cluster_config.eds_config.api_config_source",
            "use ads or path_config_source",
        ),
        (
            &format!("{eds}: {{eds_config: {{ads: {{}}, resource_api_version: V2}}}}"),
            "eds_cluster_config.eds_config.resource_api_version",
            "V2",
        ),
        (
            &format!("{eds}: {{eds_config: {{ads: {{}}, initial_fetch_timeout: -1s}}}}"),
            "eds_cluster_config.eds_config.initial_fetch_timeout",
            "negative",
        ),
        ("eds_cluster_config: {eds_config: {ads: {}}}", "eds_cluster_config", "another type"),
        ("dns_lookup_family: 9", "dns_lookup_family", "9 is not a value"),
        ("dns_refresh_rate: 0.0005s", "dns_refresh_rate", "more than 1 ms"),
        ("dns_jitter: -1s", "dns_jitter", "negative"),
        (
            "dns_failure_refresh_rate: {base_interval: 2s, max_interval: 1s}",
            "dns_failure_refresh_rate.max_interval",
            "below base_interval",
        ),
        (
            "dns_failure_refresh_rate: {max_interval: 1s}",
            "dns_failure_refresh_rate.base_interval",
            "must be set",
        ),
    ]);
}

#[test]
fn endpoints_that_stand_in_the_cluster() {
    let named = "{endpoint: {address: {socket_address: {address: a.example, port_value: 80}}}}";
    let logical = "type: LOGICAL_DNS, load_assignment: {cluster_name: c, endpoints";
    let one = "must have one locality with one endpoint";
    refused(&[
        (
            &format!(
                "load_assignment: {{cluster_name: c, endpoints: [{{lb_endpoints: [{named}]}}]}}"
            ),
            "load_assignment.endpoints[0].lb_endpoints[0].endpoint.address",
            "malformed IP address: a.example",
        ),
        ("load_assignment: {endpoints: []}", "load_assignment.cluster_name", "empty"),
        ("type: STRICT_DNS, load_assignment: {}", "load_assignment.cluster_name", "empty"),
        ("type: LOGICAL_DNS", "load_assignment", one),
        (&format!("{logical}: [{{lb_endpoints: [{named}, {named}]}}]}}"), "load_assignment", one),
        (
            &format!("{logical}: [{{lb_endpoints: [{named}]}}, {{lb_endpoints: [{named}]}}]}}"),
            "load_assignment",
            one,
        ),
        (
            "type: STRICT_DNS, load_assignment: {cluster_name: c, endpoints: [{lb_endpoints: [
                {endpoint: {address: {pipe: {path: /a}}}}]}]}",
            "load_assignment.endpoints[0].lb_endpoints[0].endpoint.address",
            "needs a socket_address",
        ),
        (
            "load_assignment: {cluster_name: c, endpoints: [{lb_endpoints: [
                {load_balancing_weight: 4294967295,
                 endpoint: {address: {socket_address: {address: 10.0.0.1, port_value: 1}}}},
                {endpoint: {address: {socket_address: {address: 10.0.0.2, port_value: 1}}}}]}]}",
            "load_assignment.endpoints[0].lb_endpoints",
            "add up to 4294967296",
        ),
        (
            "load_assignment: {cluster_name: c, endpoints: [
                {load_balancing_weight: 4294967295}, {load_balancing_weight: 1}]}",
            "load_assignment.endpoints",
            "add up to 4294967296",
        ),
    ]);
}

#[test]
fn original_destination() {
    let original = "type: ORIGINAL_DST, lb_policy: CLUSTER_PROVIDED";
    refused(&[
        ("type: ORIGINAL_DST", "lb_policy", "ROUND_ROBIN is not valid"),
        ("lb_policy: CLUSTER_PROVIDED", "lb_policy", "STATIC provides none"),
        (
            &format!("{original}, load_assignment: {{cluster_name: c}}"),
            "load_assignment",
            "must not have one",
        ),
        (
            &format!("{original}, original_dst_lb_config: {{http_header_name: x}}"),
            "original_dst_lb_config.http_header_name",
            "use_http_header",
        ),
        (
            &format!("{original}, original_dst_lb_config: {{upstream_port_override: 70000}}"),
            "original_dst_lb_config.upstream_port_override",
            "70000",
        ),
        (&format!("{original}, lb_subset_config: {{}}"), "lb_subset_config", "cannot be combined"),
    ]);
}

#[test]
fn connections() {
    let preconnect =
        |ratio: &str| format!("preconnect_policy: {{per_upstream_preconnect_ratio: {ratio}}}");
    let ratio = "preconnect_policy.per_upstream_preconnect_ratio";
    refused(&[
        (&preconnect("0.5"), ratio, "0.5"),
        (&preconnect("3.1"), ratio, "3.1"),
        (&preconnect("NaN"), ratio, "NaN"),
        (
            "preconnect_policy: {predictive_preconnect_ratio: 0}",
            "preconnect_policy.predictive_preconnect_ratio",
            "0 is not",
        ),
        (
            "upstream_connection_options: {happy_eyeballs_config: {first_address_family_count: 0}}",
            "upstream_connection_options.happy_eyeballs_config.first_address_family_count",
            "at least 1",
        ),
        (
            "upstream_bind_config: {source_address: {address: a.example, port_value: 0}}",
            "upstream_bind_config.source_address",
            "malformed IP address",
        ),
        (
            "upstream_bind_config: {source_address: {address: 10.0.0.1}}",
            "upstream_bind_config.source_address",
            "port_value: must be set",
        ),
    ]);
}

#[test]
fn transport_sockets_and_filters() {
    const TYPE: &str = "type.googleapis.com/envoy.extensions";
    let raw = format!(
        "{{name: x, typed_config: {{'@type': {TYPE}.transport_sockets.raw_buffer.v3.RawBuffer}}}}"
    );
    let typed = |config: &str| format!("name: x, typed_config: {{'@type': {TYPE}.{config}}}");
    let unknown = typed("transport_sockets.nope.v3.Nope, value: ''");
    refused(&[
        (&format!("transport_socket: {{{unknown}}}"), "transport_socket.typed_config", "unknown"),
        (
            "transport_socket: {name: envoy.transport_sockets.raw_buffer}",
            "transport_socket.typed_config",
            "must be set",
        ),
        (
            &format!(
                "transport_socket: {{{}}}",
                typed("transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport")
            ),
            "transport_socket.typed_config",
            "transport_socket: must be set",
        ),
        (
            &format!("transport_socket_matches: [{{name: '', transport_socket: {raw}}}]"),
            "transport_socket_matches[0].name",
            "empty",
        ),
        (
            "transport_socket_matches: [{name: a}]",
            "transport_socket_matches[0].transport_socket",
            "must be set",
        ),
        (
            &format!("transport_socket_matches: [{{name: a, transport_socket: {{{unknown}}}}}]"),
            "transport_socket_matches[0].transport_socket.typed_config",
            "unknown",
        ),
        (
            &format!("filters: [{{{}}}]", typed("filters.network.rbac.v3.RBAC, stat_prefix: x")),
            "filters[0].typed_config",
            "RBAC",
        ),
        ("filters: [{name: istio.metadata_exchange}]", "filters[0].typed_config", "must be set"),
    ]);
}

#[test]
fn all_faults_are_found_at_once() {
    let faults = cluster(
        "connect_timeout: 0s, outlier_detection: {interval: 0s, max_ejection_percent: 101},
         circuit_breakers: {thresholds: [{priority: 5}]}, health_checks: [{}], lb_policy: 4",
    )
    .expect_err("full of faults");
    let mut paths: Vec<_> = faults.iter().map(|fault| fault.field_path.as_str()).collect();
    paths.sort_unstable();
    assert_eq!(
        paths,
        [
            "circuit_breakers.thresholds[0].priority",
            "connect_timeout",
            "health_checks",
            "lb_policy",
            "outlier_detection.interval",
            "outlier_detection.max_ejection_percent",
        ]
    );
    assert!(faults.iter().all(|fault| fault.resource == "c"));
}
