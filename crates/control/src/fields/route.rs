//! `route.proto`, `route_components.proto`, `string.proto`.
//!
//! What selects, or changes on its way, a request is refused where it is not in force: the request
//! would go elsewhere, or carry something that was to be taken from it.

use envoy_types::pb::envoy::config::route::v3::{
    DirectResponseAction, HeaderMatcher, RetryPolicy, Route, RouteAction, RouteConfiguration,
    RouteMatch, VirtualHost, WeightedCluster,
    header_matcher::HeaderMatchSpecifier,
    retry_policy::RetryBackOff,
    route::Action,
    route_action::{
        ClusterSpecifier, HashPolicy, HostRewriteSpecifier, UpgradeConfig,
        hash_policy::{Cookie, Header, PolicySpecifier},
    },
    route_match::PathSpecifier,
    weighted_cluster::{ClusterWeight, RandomValueSpecifier, cluster_weight},
};
use envoy_types::pb::envoy::r#type::matcher::v3::{
    RegexMatcher, StringMatcher, regex_matcher::EngineType, string_matcher::MatchPattern,
};

use super::{row, tables, within};

tables! {
    message RouteConfiguration {
        name: InForce,
        virtual_hosts: InForce nested,
        vhds: Refused,
        internal_only_headers: Refused,
        response_headers_to_add: Later,
        response_headers_to_remove: Later,
        request_headers_to_add: Refused,
        request_headers_to_remove: Refused,
        most_specific_header_mutations_wins: Tolerated,
        validate_clusters: Tolerated "a cluster may come later",
        max_direct_response_body_size_bytes: Later,
        cluster_specifier_plugins: Refused,
        request_mirror_policies: Later,
        ignore_port_in_host_matching: InForce,
        vhost_header: Refused,
        ignore_path_parameters_in_path_matching: Refused,
        typed_per_filter_config: InForce "of tolerated filters",
        metadata: Tolerated,
        route_specifiers: Refused,
    }

    message VirtualHost {
        name: InForce,
        domains: InForce,
        routes: InForce nested,
        matcher: Refused,
        require_tls: Refused,
        virtual_clusters: Tolerated,
        rate_limits: Tolerated "of use to a rate limit filter alone",
        request_headers_to_add: Refused,
        request_headers_to_remove: Refused,
        response_headers_to_add: Later,
        response_headers_to_remove: Later,
        cors: Refused,
        typed_per_filter_config: InForce "of tolerated filters",
        include_request_attempt_count: Later,
        include_attempt_count_in_response: Later,
        retry_policy: Later nested,
        retry_policy_typed_config: Later,
        hedge_policy: Later,
        include_is_timeout_retry_header: Later,
        per_request_buffer_limit_bytes: Later,
        request_body_buffer_limit: Later,
        request_mirror_policies: Later,
        metadata: Tolerated,
        route_specifiers: Refused,
    }

    message Route {
        name: InForce,
        r#match: InForce nested,
        metadata: Tolerated,
        decorator: Tolerated,
        typed_per_filter_config: InForce "of tolerated filters",
        request_headers_to_add: Refused,
        request_headers_to_remove: Refused,
        response_headers_to_add: Later,
        response_headers_to_remove: Later,
        tracing: Tolerated,
        per_request_buffer_limit_bytes: Later,
        stat_prefix: Tolerated,
        request_body_buffer_limit: Later,
        route_specifiers: Refused,
    }
    oneof action: Action {
        Route "route": InForce nested,
        Redirect "redirect": Refused "not supported yet",
        DirectResponse "direct_response": InForce nested,
        FilterAction "filter_action": Refused,
        NonForwardingAction "non_forwarding_action": Refused,
    }

    message RouteMatch {
        case_sensitive: InForce,
        runtime_fraction: Refused,
        headers: InForce nested,
        query_parameters: Refused "not supported yet",
        cookies: Refused,
        grpc: InForce,
        tls_context: Refused,
        dynamic_metadata: Refused,
        filter_state: Refused,
    }
    oneof path_specifier: PathSpecifier {
        Prefix "prefix": InForce,
        Path "path": InForce,
        SafeRegex "safe_regex": InForce nested,
        ConnectMatcher "connect_matcher": Refused,
        PathSeparatedPrefix "path_separated_prefix": InForce,
        PathMatchPolicy "path_match_policy": Refused,
    }

    message HeaderMatcher {
        name: InForce,
        invert_match: InForce,
        treat_missing_header_as_empty: InForce,
    }
    oneof header_match_specifier: HeaderMatchSpecifier {
        ExactMatch "exact_match": InForce "deprecated for string_match",
        SafeRegexMatch "safe_regex_match": InForce nested "deprecated for string_match",
        RangeMatch "range_match": InForce,
        PresentMatch "present_match": InForce,
        PrefixMatch "prefix_match": InForce "deprecated for string_match",
        SuffixMatch "suffix_match": InForce "deprecated for string_match",
        ContainsMatch "contains_match": InForce "deprecated for string_match",
        StringMatch "string_match": InForce nested,
    }

    message StringMatcher {
        ignore_case: InForce,
    }
    oneof match_pattern: MatchPattern {
        Exact "exact": InForce,
        Prefix "prefix": InForce,
        Suffix "suffix": InForce,
        SafeRegex "safe_regex": InForce nested,
        Contains "contains": InForce,
        Custom "custom": Refused,
    }

    message RegexMatcher {
        regex: InForce "in the syntax of RE2, as far as Rust's regex crate shares it",
    }
    oneof engine_type: EngineType {
        GoogleRe2 "google_re2": InForce "the only engine; its program size is not looked at",
    }

    message DirectResponseAction {
        status: InForce,
        body: InForce "inline",
        body_format: Refused,
    }

    message RouteAction {
        cluster_not_found_response_code: Later "503",
        metadata_match: InForce "namespace envoy.lb",
        prefix_rewrite: InForce,
        regex_rewrite: Refused "not supported yet",
        path_rewrite_policy: Refused,
        path_rewrite: Refused,
        append_x_forwarded_host: Later,
        timeout: InForce,
        idle_timeout: InForce,
        flush_timeout: Later,
        early_data_policy: Tolerated "there is no early data",
        retry_policy: Later nested,
        retry_policy_typed_config: Later,
        request_mirror_policies: Later,
        priority: InForce,
        rate_limits: Tolerated "of use to a rate limit filter alone",
        include_vh_rate_limits: Tolerated "of use to a rate limit filter alone",
        hash_policy: InForce nested,
        cors: Refused,
        max_grpc_timeout: Later,
        grpc_timeout_offset: Later,
        upgrade_configs: InForce nested,
        internal_redirect_policy: Later,
        internal_redirect_action: Later,
        max_internal_redirects: Later,
        hedge_policy: Later,
        max_stream_duration: Later,
    }
    oneof cluster_specifier: ClusterSpecifier {
        Cluster "cluster": InForce,
        ClusterHeader "cluster_header": Refused,
        WeightedClusters "weighted_clusters": InForce nested,
        ClusterSpecifierPlugin "cluster_specifier_plugin": Refused,
        InlineClusterSpecifierPlugin "inline_cluster_specifier_plugin": Refused,
    }
    oneof host_rewrite_specifier: HostRewriteSpecifier {
        HostRewriteLiteral "host_rewrite_literal": Refused "not supported yet",
        AutoHostRewrite "auto_host_rewrite": Refused "not supported yet",
        HostRewriteHeader "host_rewrite_header": Refused "not supported yet",
        HostRewritePathRegex "host_rewrite_path_regex": Refused "not supported yet",
        HostRewrite "host_rewrite": Refused "not supported yet",
    }

    message UpgradeConfig {
        upgrade_type: InForce,
        enabled: InForce,
        connect_config: Refused,
    }

    message WeightedCluster {
        clusters: InForce nested,
        total_weight: InForce "must be the sum, if it is set",
        runtime_key_prefix: Tolerated "there is no runtime",
    }
    oneof random_value_specifier: RandomValueSpecifier {
        HeaderName "header_name": Refused,
        UseHashPolicy "use_hash_policy": Refused,
    }

    message ClusterWeight {
        name: InForce,
        cluster_header: Refused,
        weight: InForce,
        metadata_match: InForce "namespace envoy.lb",
        request_headers_to_add: Refused,
        request_headers_to_remove: Refused,
        response_headers_to_add: Later,
        response_headers_to_remove: Later,
        typed_per_filter_config: InForce "of tolerated filters",
    }
    oneof host_rewrite_specifier: cluster_weight::HostRewriteSpecifier {
        HostRewriteLiteral "host_rewrite_literal": Refused "not supported yet",
    }

    message RetryPolicy {
        retry_on: Later,
        num_retries: Later,
        per_try_timeout: Later,
        per_try_idle_timeout: Tolerated,
        retry_priority: Tolerated,
        retry_host_predicate: Later "previous_hosts",
        retry_options_predicates: Tolerated,
        host_selection_retry_max_attempts: Later,
        retriable_status_codes: Later,
        retry_back_off: Later nested,
        rate_limited_retry_back_off: Tolerated,
        retriable_headers: Tolerated,
        retriable_request_headers: Tolerated,
        refresh_cluster_on_retry: Tolerated,
    }

    message RetryBackOff {
        base_interval: Later,
        max_interval: Later,
    }

    message HashPolicy {
        terminal: InForce,
    }
    oneof policy_specifier: PolicySpecifier {
        Header "header": InForce nested,
        Cookie "cookie": InForce nested,
        ConnectionProperties "connection_properties": InForce,
        QueryParameter "query_parameter": InForce,
        FilterState "filter_state": Tolerated "no filter sets any, so that it gives no hash",
    }

    message Header {
        header_name: InForce,
        regex_rewrite: InForce,
    }

    message Cookie {
        name: InForce,
        ttl: InForce "in whole seconds",
        path: InForce,
        attributes: InForce,
    }
}
