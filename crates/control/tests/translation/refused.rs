//! Clusters that are refused, one fault each, mostly as Envoy 1.40 refuses them in `--mode validate`.

use crate::parse::{assert_refused, cluster};

/// Checks `(fields, path of the fault, part of the reason)`.
fn refused(cases: &[(&str, &str, &str)]) {
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
            &format!("{eds}: {{eds_config: {{path: /a}}}}"),
            "eds_cluster_config.eds_config.path",
            "only ADS",
        ),
        (
            &format!("{eds}: {{eds_config: {{api_config_source: {{}}}}}}"),
            "eds_cluster_config.eds_config.api_config_source",
            "only ADS",
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
            "lb_policy: MAGLEV, load_assignment: {cluster_name: c, endpoints: [{lb_endpoints: [
                {load_balancing_weight: 4294967295,
                 endpoint: {address: {socket_address: {address: 10.0.0.1, port_value: 1}}}},
                {endpoint: {address: {socket_address: {address: 10.0.0.2, port_value: 1}}}}]}]}",
            "load_assignment.endpoints",
            "sum up to 4294967296",
        ),
        (
            "lb_policy: RING_HASH, load_assignment: {cluster_name: c, endpoints: [
                {load_balancing_weight: 4294967295}, {load_balancing_weight: 1}]}",
            "load_assignment.endpoints",
            "sum up to 4294967296",
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
fn balancing() {
    let ring = "lb_policy: RING_HASH, ring_hash_lb_config";
    let maglev = |size: u64| format!("lb_policy: MAGLEV, maglev_lb_config: {{table_size: {size}}}");
    let least = "lb_policy: LEAST_REQUEST, least_request_lb_config";
    let hashing = "common_lb_config: {consistent_hashing_lb_config";
    refused(&[
        ("lb_policy: LOAD_BALANCING_POLICY_CONFIG", "load_balancing_policy", "needed"),
        (
            &format!("{ring}: {{minimum_ring_size: 100, maximum_ring_size: 10}}"),
            "ring_hash_lb_config.minimum_ring_size",
            "maximum_ring_size (10)",
        ),
        (
            &format!("{ring}: {{maximum_ring_size: 8388609}}"),
            "ring_hash_lb_config.maximum_ring_size",
            "above 8388608",
        ),
        (&format!("{ring}: {{hash_function: 7}}"), "ring_hash_lb_config.hash_function", "7 is not"),
        (&maglev(8), "maglev_lb_config.table_size", "prime"),
        (&maglev(9), "maglev_lb_config.table_size", "prime"),
        (&maglev(0), "maglev_lb_config.table_size", "prime"),
        (&maglev(5_000_021), "maglev_lb_config.table_size", "above 5000011"),
        (
            &format!("{least}: {{choice_count: 0}}"),
            "least_request_lb_config.choice_count",
            "least 2",
        ),
        (
            &format!("{least}: {{choice_count: 1}}"),
            "least_request_lb_config.choice_count",
            "least 2",
        ),
        (
            &format!("{least}: {{active_request_bias: {{default_value: NaN}}}}"),
            "least_request_lb_config.active_request_bias",
            "not a finite number",
        ),
        (
            "round_robin_lb_config: {slow_start_config: {slow_start_window: 1s,
                min_weight_percent: {value: 101}}}",
            "round_robin_lb_config.slow_start_config.min_weight_percent",
            "101",
        ),
        (
            "round_robin_lb_config: {slow_start_config: {slow_start_window: -1s}}",
            "round_robin_lb_config.slow_start_config.slow_start_window",
            "negative",
        ),
        (
            "round_robin_lb_config: {slow_start_config: {aggression: {default_value: Infinity}}}",
            "round_robin_lb_config.slow_start_config.aggression",
            "finite",
        ),
        (
            "common_lb_config: {healthy_panic_threshold: {value: 101}}",
            "common_lb_config.healthy_panic_threshold",
            "101",
        ),
        (
            "common_lb_config: {healthy_panic_threshold: {value: NaN}}",
            "common_lb_config.healthy_panic_threshold",
            "NaN",
        ),
        (
            "common_lb_config: {zone_aware_lb_config: {routing_enabled: {value: -1}}}",
            "common_lb_config.zone_aware_lb_config.routing_enabled",
            "-1",
        ),
        (
            "common_lb_config: {update_merge_window: -1s}",
            "common_lb_config.update_merge_window",
            "negative",
        ),
        (
            "common_lb_config: {override_host_status: {statuses: [9]}}",
            "common_lb_config.override_host_status.statuses",
            "9 is not",
        ),
        (
            &format!("{hashing}: {{hash_balance_factor: 99}}}}"),
            "common_lb_config.consistent_hashing_lb_config.hash_balance_factor",
            "at least 100",
        ),
        (
            &format!("{hashing}: {{use_hostname_for_hashing: true}}}}"),
            "common_lb_config.consistent_hashing_lb_config.use_hostname_for_hashing",
            "STRICT_DNS",
        ),
    ]);
}

#[test]
fn typed_balancing() {
    const TYPE: &str = "type.googleapis.com/envoy.extensions.load_balancing_policies";
    let policy = |config: &str| {
        format!(
            "load_balancing_policy: {{policies: [{{typed_extension_config: {{name: x,
            typed_config: {{'@type': {TYPE}.{config}}}}}}}]}}"
        )
    };
    let at = "load_balancing_policy.policies[0].typed_extension_config.typed_config";
    let round_robin = policy("round_robin.v3.RoundRobin");
    let conflict = "cannot be combined with load_balancing_policy";
    refused(&[
        ("load_balancing_policy: {}", "load_balancing_policy.policies", "[]"),
        (&policy("pick_first.v3.PickFirst"), "load_balancing_policy.policies", "PickFirst"),
        (
            &policy("ring_hash.v3.RingHash, minimum_ring_size: 9, maximum_ring_size: 8"),
            &format!("{at}.minimum_ring_size"),
            "maximum_ring_size (8)",
        ),
        (&policy("maglev.v3.Maglev, table_size: 8"), &format!("{at}.table_size"), "prime"),
        (
            &policy("least_request.v3.LeastRequest, choice_count: 1"),
            &format!("{at}.choice_count"),
            "at least 2",
        ),
        (
            &policy("ring_hash.v3.RingHash, hash_balance_factor: 99"),
            &format!("{at}.hash_balance_factor"),
            "at least 100",
        ),
        (
            &policy("ring_hash.v3.RingHash, consistent_hashing_lb_config: {hash_policy: [{}]}"),
            &format!("{at}.consistent_hashing_lb_config.hash_policy"),
            "not supported",
        ),
        (&policy("cluster_provided.v3.ClusterProvided"), "lb_policy", "provides none"),
        (&format!("{round_robin}, lb_subset_config: {{}}"), "lb_subset_config", conflict),
        (
            &format!("{round_robin}, common_lb_config: {{zone_aware_lb_config: {{}}}}"),
            "common_lb_config",
            conflict,
        ),
        (
            &format!("{round_robin}, common_lb_config: {{locality_weighted_lb_config: {{}}}}"),
            "common_lb_config",
            conflict,
        ),
        (
            &format!("{round_robin}, common_lb_config: {{consistent_hashing_lb_config: {{}}}}"),
            "common_lb_config",
            conflict,
        ),
    ]);
}

#[test]
fn subsets() {
    let selector = |fields: &str| format!("lb_subset_config: {{subset_selectors: [{{{fields}}}]}}");
    let at = "lb_subset_config.subset_selectors[0]";
    let keys = format!("{at}.fallback_keys_subset");
    refused(&[
        ("lb_subset_config: {fallback_policy: 9}", "lb_subset_config.fallback_policy", "9 is not"),
        (&selector("fallback_policy: 9"), &format!("{at}.fallback_policy"), "9 is not"),
        (&selector("keys: [a], fallback_policy: KEYS_SUBSET"), &keys, "not be empty"),
        (
            &selector("keys: [a], fallback_policy: KEYS_SUBSET, fallback_keys_subset: [b]"),
            &keys,
            "subset of keys",
        ),
        (
            &selector("keys: [a, b], fallback_policy: KEYS_SUBSET, fallback_keys_subset: [b, a]"),
            &keys,
            "equal to keys",
        ),
        (
            &selector("keys: [a, b], fallback_policy: NO_FALLBACK, fallback_keys_subset: [a]"),
            &keys,
            "KEYS_SUBSET",
        ),
        (
            "lb_subset_config: {locality_weight_aware: true}",
            "lb_subset_config.locality_weight_aware",
            "locality_weighted_lb_config",
        ),
    ]);
}

#[test]
fn limits_and_ejection() {
    let threshold = |fields: &str| format!("circuit_breakers: {{thresholds: [{{{fields}}}]}}");
    let per_host =
        |fields: &str| format!("circuit_breakers: {{per_host_thresholds: [{{{fields}}}]}}");
    let budget = "circuit_breakers.thresholds[0].retry_budget";
    let unsupported = "not supported per host";
    refused(&[
        (&threshold("priority: 5"), "circuit_breakers.thresholds[0].priority", "5 is not"),
        (
            &threshold("retry_budget: {budget_percent: {value: 101}}"),
            &format!("{budget}.budget_percent"),
            "101",
        ),
        (
            &threshold("retry_budget: {budget_percent: {value: NaN}}"),
            &format!("{budget}.budget_percent"),
            "NaN",
        ),
        (
            &threshold("retry_budget: {budget_interval: -1s}"),
            &format!("{budget}.budget_interval"),
            "negative",
        ),
        (
            &per_host("max_requests: 1"),
            "circuit_breakers.per_host_thresholds[0].max_requests",
            unsupported,
        ),
        (
            &per_host("retry_budget: {}"),
            "circuit_breakers.per_host_thresholds[0].retry_budget",
            unsupported,
        ),
    ]);
    for percent in [
        "max_ejection_percent",
        "enforcing_consecutive_5xx",
        "enforcing_success_rate",
        "enforcing_consecutive_gateway_failure",
        "enforcing_consecutive_local_origin_failure",
        "enforcing_local_origin_success_rate",
        "failure_percentage_threshold",
        "enforcing_failure_percentage",
        "enforcing_failure_percentage_local_origin",
    ] {
        let fields = format!("outlier_detection: {{{percent}: 101}}");
        refused(&[(&fields, &format!("outlier_detection.{percent}"), "101")]);
    }
    for time in ["interval", "base_ejection_time", "max_ejection_time"] {
        let fields = format!("outlier_detection: {{{time}: 0s}}");
        refused(&[(&fields, &format!("outlier_detection.{time}"), "must be")]);
    }
    refused(&[
        (
            "outlier_detection: {base_ejection_time: 2s, max_ejection_time: 1s}",
            "outlier_detection.max_ejection_time",
            "below base_ejection_time",
        ),
        ("outlier_detection: {interval: 0.0001s}", "outlier_detection.interval", "1 ms"),
        (
            "outlier_detection: {max_ejection_time_jitter: -1s}",
            "outlier_detection.max_ejection_time_jitter",
            "negative",
        ),
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
fn http_options() {
    const KEY: &str = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
    let options = |fields: &str| {
        format!(
            "typed_extension_protocol_options: {{{KEY}: {{'@type': type.googleapis.com/{KEY}, {fields}}}}}"
        )
    };
    let at = format!("typed_extension_protocol_options[{KEY}]");
    let explicit = "explicit_http_config: {http_protocol_options: {}}";
    let http2 = |fields: &str| {
        options(&format!("explicit_http_config: {{http2_protocol_options: {{{fields}}}}}"))
    };
    let common =
        |fields: &str| options(&format!("{explicit}, common_http_protocol_options: {{{fields}}}"));
    let at_http2 = format!("{at}.explicit_http_config.http2_protocol_options");
    let at_common = format!("{at}.common_http_protocol_options");
    refused(&[
        (
            "typed_extension_protocol_options: {nope: {'@type': type.googleapis.com/envoy.nope.Nope,
                value: ''}}",
            "typed_extension_protocol_options[nope]",
            "not supported",
        ),
        (&options(""), &at, "must be set"),
        (&options("explicit_http_config: {}"), &format!("{at}.explicit_http_config"), "no protocol"),
        (
            &options("explicit_http_config: {http3_protocol_options: {}}"),
            &format!("{at}.explicit_http_config.http3_protocol_options"),
            "HTTP/3",
        ),
        (&options("auto_config: {}"), "typed_extension_protocol_options", "ALPN"),
        (
            &format!("{}, max_requests_per_connection: 1", common("max_requests_per_connection: 1")),
            &format!("{at_common}.max_requests_per_connection"),
            "also set",
        ),
        (&common("idle_timeout: -1s"), &format!("{at_common}.idle_timeout"), "negative"),
        (&common("max_headers_count: 0"), &format!("{at_common}.max_headers_count"), "0 is not"),
        (
            &common("max_response_headers_kb: 8193"),
            &format!("{at_common}.max_response_headers_kb"),
            "8193",
        ),
        (
            &http2("max_concurrent_streams: 0"),
            &format!("{at_http2}.max_concurrent_streams"),
            "0 is not",
        ),
        (
            &http2("initial_stream_window_size: 1"),
            &format!("{at_http2}.initial_stream_window_size"),
            "65535",
        ),
        (
            &http2("initial_connection_window_size: 2147483648"),
            &format!("{at_http2}.initial_connection_window_size"),
            "2147483647",
        ),
        (
            &http2("connection_keepalive: {interval: 1s}"),
            &format!("{at_http2}.connection_keepalive.timeout"),
            "must be set",
        ),
        (
            &options(&format!("{explicit}, hash_policy: [{{}}]")),
            &format!("{at}.hash_policy"),
            "not supported",
        ),
        ("common_http_protocol_options: {idle_timeout: -1s}",
         "common_http_protocol_options.idle_timeout", "negative"),
        ("http2_protocol_options: {max_concurrent_streams: 0}",
         "http2_protocol_options.max_concurrent_streams", "0 is not"),
        ("protocol_selection: 9", "protocol_selection", "9 is not"),
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
