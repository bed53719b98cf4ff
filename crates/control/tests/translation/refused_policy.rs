//! Clusters whose policies are refused: balancing, subsets, limits, ejection, HTTP. One fault each, mostly
//! as Envoy 1.40 refuses them in `--mode validate`.

use crate::refused::refused;

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
            &format!("{at}.consistent_hashing_lb_config.hash_policy[0]"),
            "must say what is hashed",
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
