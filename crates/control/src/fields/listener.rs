//! `listener.proto`, `listener_components.proto`, `http_connection_manager.proto`, `tcp_proxy.proto`,
//! `accesslog.proto`.
//!
//! A field of the HTTP edge that is not in force refuses the listener only where ignoring it would let
//! through, or send elsewhere, what was meant to be stopped.

use envoy_types::pb::envoy::config::core::v3::{
    CidrRange, SchemeHeaderTransformation, scheme_header_transformation::Transformation,
};
use envoy_types::pb::envoy::config::listener::v3::{
    Filter, FilterChain, Listener, ListenerFilter, filter, listener::ListenerSpecifier,
    listener_filter,
};
use envoy_types::pb::envoy::extensions::filters::http::router::v3::Router;
use envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3::{
    HttpConnectionManager, HttpFilter, LocalReplyConfig, RequestIdExtension, ResponseMapper,
    http_connection_manager::{
        HcmAccessLogOptions, InternalAddressConfig, RouteSpecifier, StripPortMode, UpgradeConfig,
    },
    http_filter,
};
use envoy_types::pb::envoy::extensions::filters::network::tcp_proxy::v3::{
    TcpProxy,
    tcp_proxy::{
        ClusterSpecifier, TcpAccessLogOptions, WeightedCluster, weighted_cluster::ClusterWeight,
    },
};

use super::{row, tables, within};

tables! {
    message Listener {
        name: InForce,
        address: InForce,
        additional_addresses: Later,
        stat_prefix: Later,
        stats_matcher: Tolerated,
        filter_chains: InForce nested "exactly one",
        fcds_config: Refused,
        filter_chain_matcher: Refused,
        use_original_dst: InForce "false",
        default_filter_chain: InForce nested "in place of filter_chains",
        per_connection_buffer_limit_bytes: Later "buffers are bounded, by limits of our own",
        per_connection_buffer_high_watermark_timeout: Tolerated,
        metadata: Tolerated,
        deprecated_v1: Refused,
        drain_type: Later,
        listener_filters: InForce nested "original_dst; inspectors, which are tolerated; any other is refused",
        listener_filters_timeout: Tolerated "there is nothing to inspect",
        continue_on_listener_filters_timeout: Tolerated "there is nothing to inspect",
        transparent: Later,
        freebind: Later,
        socket_options: Later,
        tcp_fast_open_queue_length: Tolerated,
        traffic_direction: Tolerated,
        udp_listener_config: Refused "UDP is not supported",
        api_listener: Refused,
        connection_balance_config: Tolerated "connections are spread over the workers",
        reuse_port: Tolerated,
        enable_reuse_port: Tolerated,
        access_log: InForce nested,
        tcp_backlog_size: Later,
        max_connections_to_accept_per_socket_event: Tolerated,
        bind_to_port: InForce "true",
        enable_mptcp: Tolerated,
        ignore_global_conn_limit: Tolerated "there is no global limit",
        bypass_overload_manager: Tolerated "there is no overload manager",
        tcp_keepalive: Later,
    }
    oneof listener_specifier: ListenerSpecifier {
        InternalListener "internal_listener": Refused,
    }

    message FilterChain {
        filter_chain_match: InForce "empty",
        filters: InForce nested "a connection manager or a TCP proxy; Istio's telemetry filters are tolerated",
        use_proxy_proto: InForce "false",
        metadata: Tolerated,
        transport_socket: InForce nested "raw_buffer",
        transport_socket_connect_timeout: Tolerated "there is no handshake",
        name: Label,
    }

    message Filter {
        name: Label "a filter is known by the type of its config",
    }
    oneof config_type: filter::ConfigType {
        TypedConfig "typed_config": InForce,
        ConfigDiscovery "config_discovery": Refused "ECDS is not supported",
    }

    message ListenerFilter {
        name: Label "a filter is known by the type of its config",
        filter_disabled: Tolerated,
    }
    oneof config_type: listener_filter::ConfigType {
        TypedConfig "typed_config": InForce,
        ConfigDiscovery "config_discovery": Refused "ECDS is not supported",
    }

    message HttpConnectionManager {
        codec_type: InForce,
        stat_prefix: InForce,
        http_filters: InForce nested
            "the router; Istio's telemetry filters are tolerated, as are fault and CORS without settings",
        add_user_agent: InForce,
        tracing: Tolerated,
        common_http_protocol_options: InForce nested,
        http1_safe_max_connection_duration: Tolerated
            "an HTTP/1 connection ends between requests in any case",
        http_protocol_options: InForce nested,
        http2_protocol_options: InForce nested,
        http3_protocol_options: Tolerated "HTTP/3 is not supported",
        server_name: InForce,
        server_header_transformation: InForce,
        scheme_header_transformation: InForce nested,
        max_request_headers_kb: InForce,
        stream_idle_timeout: InForce,
        stream_flush_timeout: Later,
        request_timeout: InForce,
        request_headers_timeout: InForce,
        drain_timeout: InForce,
        drain_timeout_jitter: Tolerated,
        delayed_close_timeout: InForce,
        access_log: InForce nested,
        access_log_flush_interval: Later,
        flush_access_log_on_new_request: InForce,
        access_log_options: InForce nested,
        use_remote_address: InForce,
        xff_num_trusted_hops: InForce,
        original_ip_detection_extensions: InForce "XffConfig without ranges",
        early_header_mutation_extensions: Refused,
        internal_address_config: InForce nested,
        skip_xff_append: InForce,
        via: InForce,
        generate_request_id: InForce,
        preserve_external_request_id: InForce,
        always_set_request_id_in_response: InForce,
        forward_client_cert_details: InForce "no client shows a certificate without TLS",
        set_current_client_cert_details: Later "needs TLS",
        forward_client_cert_matcher: Refused,
        proxy_100_continue: InForce "for HTTP/1 clients; with HTTP/2 hosts they go on at once",
        represent_ipv4_remote_address_as_ipv4_mapped_ipv6: Tolerated "addresses are shown as they are",
        upgrade_configs: InForce nested,
        normalize_path: InForce,
        merge_slashes: InForce,
        path_with_escaped_slashes_action: InForce,
        request_id_extension: InForce nested,
        local_reply_config: InForce nested,
        strip_matching_host_port: InForce,
        stream_error_on_invalid_http_message: Tolerated
            "a connection with an invalid message is closed in any case",
        path_normalization_options: Refused,
        strip_trailing_host_dot: InForce,
        proxy_status_config: Tolerated "no proxy-status header is written",
        typed_header_validation_config: Tolerated "messages are checked strictly in any case",
        append_x_forwarded_port: InForce,
        append_local_overload: Tolerated "there is no overload manager",
        add_proxy_protocol_connection_state: Tolerated,
        forward_proto_config: Refused,
    }
    oneof route_specifier: RouteSpecifier {
        Rds "rds": Refused "routes from the control plane are not supported yet: use route_config",
        RouteConfig "route_config": InForce nested,
        ScopedRoutes "scoped_routes": Refused "not supported: use route_config",
    }
    oneof strip_port_mode: StripPortMode {
        StripAnyHostPort "strip_any_host_port": InForce,
    }

    message LocalReplyConfig {
        mappers: InForce nested,
        body_format: InForce nested,
    }

    message ResponseMapper {
        filter: InForce nested,
        status_code: InForce,
        body: InForce "inline",
        body_format_override: InForce nested,
        headers_to_add: InForce nested,
    }

    message InternalAddressConfig {
        unix_sockets: InForce,
        cidr_ranges: InForce nested,
    }

    message CidrRange {
        address_prefix: InForce,
        prefix_len: InForce,
    }

    message RequestIdExtension {
        typed_config: InForce "UuidRequestIdConfig, without traces",
    }

    message SchemeHeaderTransformation {
        match_upstream: Later "needs TLS",
    }
    oneof transformation: Transformation {
        SchemeToOverwrite "scheme_to_overwrite": InForce,
    }

    message Router {
        dynamic_stats: Tolerated,
        start_child_span: Tolerated,
        upstream_log: Later,
        upstream_log_options: Later,
        suppress_envoy_headers: InForce,
        strict_check_headers: Refused,
        respect_expected_rq_timeout: Refused,
        suppress_grpc_request_failure_code_stats: Tolerated,
        upstream_http_filters: Refused,
        reject_connect_request_early_data: Tolerated,
    }

    message HttpFilter {
        name: Label "a filter is known by the type of its config",
        is_optional: InForce "a filter that is not known is left out if it is optional",
        disabled: InForce "a disabled filter is left out",
    }
    oneof config_type: http_filter::ConfigType {
        TypedConfig "typed_config": InForce,
        ConfigDiscovery "config_discovery": Refused "ECDS is not supported",
    }

    message UpgradeConfig {
        upgrade_type: InForce,
        filters: Refused "an upgraded stream has the filters of all others",
        enabled: InForce,
    }

    message TcpProxy {
        stat_prefix: InForce,
        on_demand: Refused,
        metadata_match: InForce nested "namespace envoy.lb",
        idle_timeout: InForce,
        downstream_idle_timeout: Later,
        upstream_idle_timeout: Later,
        access_log: InForce nested,
        max_connect_attempts: InForce,
        backoff_options: Later,
        hash_policy: InForce,
        tunneling_config: Refused,
        max_downstream_connection_duration: InForce,
        max_downstream_connection_duration_jitter_percentage: Tolerated,
        access_log_flush_interval: Later,
        flush_access_log_on_connected: InForce,
        access_log_options: InForce nested,
        proxy_protocol_tlvs: Later,
        proxy_protocol_tlv_merge_policy: Later,
        upstream_connect_mode: Later,
        max_early_data_bytes: Later,
        check_drain_close: Later,
    }
    oneof cluster_specifier: ClusterSpecifier {
        Cluster "cluster": InForce,
        WeightedClusters "weighted_clusters": InForce nested,
    }

    message WeightedCluster {
        clusters: InForce nested,
    }

    message ClusterWeight {
        name: InForce,
        weight: InForce,
        metadata_match: InForce nested "namespace envoy.lb",
    }

    message HcmAccessLogOptions {
        access_log_flush_interval: Later,
        flush_access_log_on_new_request: InForce,
        flush_log_on_tunnel_successfully_established: InForce,
    }

    message TcpAccessLogOptions {
        access_log_flush_interval: Later,
        flush_access_log_on_connected: InForce,
        flush_access_log_on_start: InForce,
    }
}
