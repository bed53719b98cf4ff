//! `bootstrap.proto`, and what of `config_source.proto`, `grpc_service.proto` and `stats.proto` stands
//! within.

use envoy_types::pb::envoy::config::bootstrap::v3::{
    Admin, Bootstrap, ClusterManager, LayeredRuntime, RuntimeLayer,
    bootstrap::{DynamicResources, StaticResources, StatsEviction, StatsFlush},
    runtime_layer::LayerSpecifier,
};
use envoy_types::pb::envoy::config::core::v3::{
    ApiConfigSource, GrpcService,
    grpc_service::{
        EnvoyGrpc, GoogleGrpc, TargetSpecifier,
        google_grpc::{
            CallCredentials, ChannelCredentials, SslCredentials,
            call_credentials::{
                CredentialSpecifier as CallCredentialSpecifier, MetadataCredentialsFromPlugin,
                metadata_credentials_from_plugin::ConfigType as PluginConfig,
            },
            channel_credentials::CredentialSpecifier,
        },
    },
};
use envoy_types::pb::envoy::config::grpc_credential::v3::FileBasedMetadataConfig;
use envoy_types::pb::envoy::config::metrics::v3::StatsConfig;

use super::{row, tables, within};

tables! {
    message Bootstrap {
        node: InForce "sent as it is",
        node_context_params: Tolerated "of use to xdstp names alone",
        static_resources: InForce nested,
        dynamic_resources: InForce nested,
        cluster_manager: InForce nested,
        hds_config: Tolerated,
        flags_path: Tolerated,
        stats_sinks: Tolerated,
        deferred_stat_options: Tolerated,
        stats_config: InForce nested,
        stats_flush_interval: Tolerated "statistics are read, not flushed",
        watchdog: Tolerated,
        watchdogs: Tolerated,
        tracing: Tolerated,
        layered_runtime: InForce nested,
        admin: InForce nested,
        overload_manager: Tolerated,
        enable_dispatcher_stats: Tolerated,
        header_prefix: Refused,
        stats_server_version_override: Tolerated,
        use_tcp_for_dns_lookups: Tolerated "names are resolved by the system's resolver",
        dns_resolution_config: Tolerated "names are resolved by the system's resolver",
        typed_dns_resolver_config: Tolerated "names are resolved by the system's resolver",
        bootstrap_extensions: Tolerated,
        fatal_actions: Tolerated,
        config_sources: Refused "use dynamic_resources.ads_config",
        default_config_source: Tolerated,
        default_socket_interface: Tolerated,
        certificate_provider_instances: Tolerated,
        inline_headers: Tolerated,
        perf_tracing_file_path: Tolerated,
        default_regex_engine: Tolerated "there is one engine",
        xds_delegate_extension: Tolerated,
        xds_config_tracker_extension: Tolerated,
        listener_manager: Tolerated,
        application_log_config: Tolerated,
        grpc_async_client_manager_config: Tolerated,
        memory_allocator_manager: Tolerated,
        enable_worker_cpu_affinity: Tolerated,
    }
    oneof stats_flush: StatsFlush {
        StatsFlushOnAdmin "stats_flush_on_admin": Tolerated "statistics are read, not flushed",
    }
    oneof stats_eviction: StatsEviction {
        StatsEvictionInterval "stats_eviction_interval": Tolerated,
    }

    message StaticResources {
        listeners: InForce "see Listener",
        clusters: InForce "see Cluster",
        secrets: Later,
    }

    message DynamicResources {
        lds_config: Later "a file is read and shown",
        lds_resources_locator: Later,
        cds_config: InForce nested,
        cds_resources_locator: Refused,
        ads_config: InForce nested,
    }

    message ApiConfigSource {
        api_type: InForce "GRPC, DELTA_GRPC",
        transport_api_version: InForce "AUTO and V3",
        cluster_names: Refused "use grpc_services",
        grpc_services: InForce nested "in the order of preference",
        refresh_delay: Tolerated,
        request_timeout: Tolerated,
        rate_limit_settings: Tolerated,
        set_node_on_first_message_only: InForce,
        config_validators: Refused,
    }

    message GrpcService {
        timeout: Tolerated,
        initial_metadata: InForce,
        retry_policy: Tolerated "reconnects have a backoff of their own",
    }
    oneof target_specifier: TargetSpecifier {
        EnvoyGrpc "envoy_grpc": InForce nested,
        GoogleGrpc "google_grpc": InForce nested,
    }

    message EnvoyGrpc {
        cluster_name: InForce "a static cluster",
        authority: InForce,
        retry_policy: Tolerated "reconnects have a backoff of their own",
        max_receive_message_length: Tolerated "see destrier.xds_max_message_bytes",
        skip_envoy_headers: Tolerated "there are none",
    }

    message GoogleGrpc {
        target_uri: InForce,
        channel_credentials: InForce nested,
        channel_credentials_plugin: Refused,
        call_credentials: InForce nested,
        call_credentials_plugin: Refused,
        stat_prefix: Tolerated,
        credentials_factory_name: Refused,
        config: Tolerated,
        per_stream_buffer_limit_bytes: Tolerated,
        channel_args: Tolerated,
    }

    message ChannelCredentials {}
    oneof credential_specifier: CredentialSpecifier {
        SslCredentials "ssl_credentials": InForce nested,
        GoogleDefault "google_default": Refused,
        LocalCredentials "local_credentials": InForce,
    }

    message SslCredentials {
        root_certs: InForce "a file, inline, or a variable; else those of the system",
        private_key: InForce "a file, inline, or a variable",
        cert_chain: InForce "a file, inline, or a variable",
    }

    message CallCredentials {}
    oneof credential_specifier: CallCredentialSpecifier {
        AccessToken "access_token": InForce,
        GoogleComputeEngine "google_compute_engine": Refused,
        GoogleRefreshToken "google_refresh_token": Refused,
        ServiceAccountJwtAccess "service_account_jwt_access": Refused,
        GoogleIam "google_iam": Refused,
        FromPlugin "from_plugin": InForce nested,
        StsService "sts_service": Refused,
    }

    message MetadataCredentialsFromPlugin {
        name: Label,
    }
    oneof config_type: PluginConfig {
        TypedConfig "typed_config": InForce "FileBasedMetadataConfig",
    }

    message FileBasedMetadataConfig {
        secret_data: InForce "a file, inline, or a variable",
        header_key: InForce,
        header_prefix: InForce,
    }

    message ClusterManager {
        local_cluster_name: InForce,
        outlier_detection: Tolerated,
        upstream_bind_config: Refused "not supported: set it in each cluster",
        load_stats_config: Tolerated,
        enable_deferred_cluster_creation: Tolerated,
    }

    message Admin {
        access_log: Tolerated,
        access_log_path: Tolerated,
        profile_path: Tolerated,
        address: InForce,
        socket_options: Tolerated,
        ignore_global_conn_limit: Tolerated "there is no global limit",
        allow_paths: Refused "not supported yet: every path would be open",
    }

    message LayeredRuntime {
        layers: InForce nested,
    }

    message RuntimeLayer {
        name: Label,
    }
    oneof layer_specifier: LayerSpecifier {
        StaticLayer "static_layer": InForce "keys destrier.*; others are tolerated",
        DiskLayer "disk_layer": Tolerated,
        AdminLayer "admin_layer": Tolerated,
        RtdsLayer "rtds_layer": Tolerated,
    }

    message StatsConfig {
        stats_tags: InForce,
        use_all_default_tags: InForce,
        stats_matcher: Tolerated,
        histogram_bucket_settings: Tolerated,
        allow_default_tag_overrides: Tolerated,
    }
}
