//! `cluster.proto`, `circuit_breaker.proto`, `outlier_detection.proto` and what of `base.proto`,
//! `address.proto` and `config_source.proto` stands within.

use envoy_types::pb::envoy::config::cluster::v3::{
    CircuitBreakers, Cluster, Filter, LoadBalancingPolicy, OutlierDetection,
    UpstreamConnectionOptions, circuit_breakers::Thresholds,
    circuit_breakers::thresholds::RetryBudget, cluster::*, load_balancing_policy::Policy,
};
use envoy_types::pb::envoy::config::core::v3::{
    BindConfig, ConfigSource, DnsResolutionConfig, DnsResolverOptions, Metadata, PathConfigSource,
    TcpKeepalive, TransportSocket, WatchedDirectory, config_source, transport_socket,
};

use super::{row, tables, within};
use common_lb_config::{ConsistentHashingLbConfig, LocalityConfigSpecifier, ZoneAwareLbConfig};
use lb_subset_config::LbSubsetSelector;

tables! {
    message Cluster {
        transport_socket_matches: InForce nested,
        transport_socket_matcher: Refused "use transport_socket_matches",
        name: InForce,
        alt_stat_name: InForce,
        stats_matcher: Tolerated,
        eds_cluster_config: InForce nested,
        connect_timeout: InForce,
        per_connection_buffer_limit_bytes: Later "buffers are bounded, by limits of our own",
        per_connection_buffer_high_watermark_timeout: Tolerated,
        lb_policy: InForce,
        load_assignment: InForce nested,
        health_checks: Refused "active health checks are not supported",
        max_requests_per_connection: InForce "deprecated for HttpProtocolOptions",
        circuit_breakers: InForce nested,
        upstream_http_protocol_options: Later nested "deprecated for HttpProtocolOptions",
        common_http_protocol_options: InForce nested "deprecated for HttpProtocolOptions",
        http_protocol_options: InForce nested "deprecated for HttpProtocolOptions",
        http2_protocol_options: InForce nested "deprecated for HttpProtocolOptions",
        typed_extension_protocol_options: InForce
            "HttpProtocolOptions; TcpProtocolOptions are tolerated, any other type is refused",
        dns_refresh_rate: InForce,
        dns_jitter: InForce,
        dns_failure_refresh_rate: InForce nested,
        respect_dns_ttl: InForce,
        dns_lookup_family: InForce,
        dns_resolvers: InForce "deprecated for typed_dns_resolver_config",
        use_tcp_for_dns_lookups: InForce "deprecated for typed_dns_resolver_config",
        dns_resolution_config: InForce nested "deprecated for typed_dns_resolver_config",
        typed_dns_resolver_config: InForce "of c-ares: servers, TCP, search domains; other types ask the system's servers",
        wait_for_warm_on_init: InForce,
        outlier_detection: Later nested,
        cleanup_interval: InForce,
        upstream_bind_config: InForce nested,
        lb_subset_config: InForce nested,
        common_lb_config: InForce nested,
        transport_socket: InForce nested,
        metadata: InForce nested,
        protocol_selection: InForce "deprecated for HttpProtocolOptions",
        upstream_connection_options: InForce nested,
        close_connections_on_host_health_failure: Tolerated,
        ignore_health_on_host_removal: InForce "a removed host goes at once in any case",
        filters: InForce nested "only istio.metadata_exchange, which is tolerated",
        load_balancing_policy: InForce nested
            "the first supported policy: round robin, least request, random, ring hash, Maglev, wrr locality, subset, override host, cluster provided",
        lrs_server: Tolerated,
        lrs_report_endpoint_metrics: Tolerated,
        track_timeout_budgets: Tolerated,
        upstream_config: Refused,
        track_cluster_stats: Tolerated,
        preconnect_policy: Tolerated "connections are opened when needed",
        connection_pool_per_downstream_connection: Refused,
        queuing_policies: Refused,
    }
    oneof cluster_discovery_type: ClusterDiscoveryType {
        Type "type": InForce "of ORIGINAL_DST no request is sent for now",
        ClusterType "cluster_type": Refused "cluster extensions are not supported",
    }
    oneof lb_config: LbConfig {
        RingHashLbConfig "ring_hash_lb_config": InForce nested,
        MaglevLbConfig "maglev_lb_config": InForce nested,
        OriginalDstLbConfig "original_dst_lb_config": InForce nested,
        LeastRequestLbConfig "least_request_lb_config": InForce nested,
        RoundRobinLbConfig "round_robin_lb_config": InForce nested,
    }

    message TransportSocketMatch {
        name: InForce,
        r#match: InForce,
        transport_socket: InForce nested,
    }

    message TransportSocket {
        name: InForce "only for messages: a socket is known by the type of its config",
    }
    oneof config_type: transport_socket::ConfigType {
        TypedConfig "typed_config": InForce
            "RawBuffer; of any other known socket no request is sent for now, an unknown one is refused",
    }

    message EdsClusterConfig {
        eds_config: InForce nested,
        service_name: InForce,
    }

    message ConfigSource {
        authorities: Refused,
        initial_fetch_timeout: InForce,
        resource_api_version: InForce "AUTO and V3",
    }
    oneof config_source_specifier: config_source::ConfigSourceSpecifier {
        Path "path": InForce "deprecated for path_config_source",
        PathConfigSource "path_config_source": InForce nested,
        ApiConfigSource "api_config_source": Refused "use ads or path_config_source",
        Ads "ads": InForce,
        Self_ "self": InForce "the same as ads",
    }

    message PathConfigSource {
        path: InForce "JSON, YAML or .pb",
        watched_directory: InForce nested "files are looked at through their whole path",
        poll_interval: Tolerated "see destrier.file_poll_interval",
    }

    message WatchedDirectory {
        path: InForce "files are looked at through their whole path",
        watch_modify: InForce "a file that is changed in place is read too",
    }

    message CircuitBreakers {
        thresholds: InForce nested,
        per_host_thresholds: Later nested "max_connections of the default priority",
    }

    message Thresholds {
        priority: InForce,
        max_connections: InForce,
        max_pending_requests: InForce,
        max_requests: InForce,
        max_retries: Later,
        retry_budget: Later nested,
        track_remaining: Later,
        max_connection_pools: Later,
    }

    message RetryBudget {
        budget_percent: Later,
        budget_interval: Later,
        min_retry_concurrency: Later,
    }

    message OutlierDetection {
        consecutive_5xx: Later,
        interval: Later,
        base_ejection_time: Later,
        max_ejection_percent: Later,
        enforcing_consecutive_5xx: Later,
        enforcing_success_rate: Later,
        success_rate_minimum_hosts: Later,
        success_rate_request_volume: Later,
        success_rate_stdev_factor: Later,
        consecutive_gateway_failure: Later,
        enforcing_consecutive_gateway_failure: Later,
        split_external_local_origin_errors: Later,
        consecutive_local_origin_failure: Later,
        enforcing_consecutive_local_origin_failure: Later,
        enforcing_local_origin_success_rate: Later,
        failure_percentage_threshold: Later,
        enforcing_failure_percentage: Later,
        enforcing_failure_percentage_local_origin: Later,
        failure_percentage_minimum_hosts: Later,
        failure_percentage_request_volume: Later,
        max_ejection_time: Later,
        max_ejection_time_jitter: Later,
        successful_active_health_check_uneject_host: Later,
        monitors: Refused,
        always_eject_one_host: Later,
        detect_degraded_hosts: Tolerated,
    }

    message BindConfig {
        source_address: InForce,
        freebind: Tolerated,
        socket_options: Refused,
        extra_source_addresses: Tolerated "the source address alone is used",
        additional_source_addresses: Tolerated "the source address alone is used",
        local_address_selector: Refused,
        validate_network_namespaces: Tolerated,
    }

    message Metadata {
        filter_metadata: InForce,
        typed_filter_metadata: Tolerated,
    }

    message DnsResolutionConfig {
        resolvers: InForce,
        dns_resolver_options: InForce nested,
    }

    message DnsResolverOptions {
        use_tcp_for_dns_lookups: InForce,
        no_default_search_domain: InForce,
    }

    message UpstreamConnectionOptions {
        tcp_keepalive: InForce nested,
        set_local_interface_name_on_upstream_connections: Tolerated,
        happy_eyeballs_config: Tolerated "an endpoint has one address",
    }

    message TcpKeepalive {
        keepalive_probes: InForce,
        keepalive_time: InForce,
        keepalive_interval: InForce,
    }

    message Filter {
        name: InForce "only for messages: a filter is known by the type of its config",
        typed_config: Tolerated "envoy.tcp.metadataexchange.config.MetadataExchange; any other is refused",
        config_discovery: Refused,
    }

    message RefreshRate {
        base_interval: InForce,
        max_interval: Tolerated "the base interval does not grow",
    }

    message CommonLbConfig {
        healthy_panic_threshold: InForce,
        update_merge_window: Tolerated "changes are in force at once",
        ignore_new_hosts_until_first_hc: Tolerated "there are no active health checks",
        close_connections_on_host_set_change: InForce,
        consistent_hashing_lb_config: InForce nested,
        override_host_status: InForce,
    }
    oneof locality_config_specifier: LocalityConfigSpecifier {
        ZoneAwareLbConfig "zone_aware_lb_config": InForce nested,
        LocalityWeightedLbConfig "locality_weighted_lb_config": InForce,
    }

    message ConsistentHashingLbConfig {
        use_hostname_for_hashing: InForce,
        hash_balance_factor: InForce,
    }

    message ZoneAwareLbConfig {
        routing_enabled: InForce,
        min_cluster_size: InForce,
        fail_traffic_on_panic: InForce,
    }

    message RoundRobinLbConfig {
        slow_start_config: InForce nested,
    }

    message LeastRequestLbConfig {
        choice_count: InForce,
        active_request_bias: InForce,
        slow_start_config: InForce nested,
    }

    message SlowStartConfig {
        slow_start_window: InForce,
        aggression: InForce,
        min_weight_percent: InForce,
    }

    message RingHashLbConfig {
        minimum_ring_size: InForce,
        hash_function: InForce,
        maximum_ring_size: InForce,
    }

    message MaglevLbConfig {
        table_size: InForce,
    }

    message OriginalDstLbConfig {
        use_http_header: InForce,
        http_header_name: InForce,
        upstream_port_override: InForce,
        metadata_key: Tolerated "no filter sets metadata",
    }

    message LbSubsetConfig {
        fallback_policy: InForce,
        default_subset: InForce,
        subset_selectors: InForce nested,
        locality_weight_aware: InForce,
        scale_locality_weight: InForce,
        panic_mode_any: InForce,
        list_as_any: InForce,
        metadata_fallback_policy: InForce,
    }

    message LbSubsetSelector {
        keys: InForce,
        single_host_per_subset: InForce,
        fallback_policy: InForce,
        fallback_keys_subset: InForce,
    }

    message LoadBalancingPolicy {
        policies: InForce nested,
    }

    message Policy {
        typed_extension_config: InForce,
    }
}
