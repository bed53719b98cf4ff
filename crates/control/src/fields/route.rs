//! `route.proto`, `route_components.proto`, `string.proto`.
//!
//! What selects, or changes on its way, a request is refused where it is not in force: the request
//! would go elsewhere, or carry something that was to be taken from it.

use envoy_types::pb::envoy::config::core::v3::HeaderValueOption;
use envoy_types::pb::envoy::config::route::v3::{
    DirectResponseAction, HeaderMatcher, QueryParameterMatcher, RedirectAction, RetryPolicy, Route,
    RouteAction, RouteConfiguration, RouteMatch, VirtualHost, WeightedCluster,
    header_matcher::HeaderMatchSpecifier,
    query_parameter_matcher::QueryParameterMatchSpecifier,
    redirect_action::{PathRewriteSpecifier, SchemeRewriteSpecifier},
    retry_policy::RetryBackOff,
    route::Action,
    route_action::{
        ClusterSpecifier, HashPolicy, HostRewriteSpecifier, MaxStreamDuration, RequestMirrorPolicy,
        UpgradeConfig,
        hash_policy::{
            ConnectionProperties, Cookie, CookieAttribute, Header, PolicySpecifier, QueryParameter,
        },
    },
    route_match::PathSpecifier,
    weighted_cluster::{ClusterWeight, RandomValueSpecifier, cluster_weight},
};
use envoy_types::pb::envoy::r#type::matcher::v3::{
    RegexMatchAndSubstitute, RegexMatcher, StringMatcher, regex_matcher::EngineType,
    string_matcher::MatchPattern,
};

use super::{row, tables, within};

tables! {
    message RouteConfiguration {
        name: InForce,
        virtual_hosts: InForce nested,
        vhds: Refused,
        internal_only_headers: InForce,
        response_headers_to_add: InForce nested,
        response_headers_to_remove: InForce,
        request_headers_to_add: InForce nested,
        request_headers_to_remove: InForce,
        most_specific_header_mutations_wins: InForce,
        validate_clusters: Tolerated "a cluster may come later",
        max_direct_response_body_size_bytes: InForce,
        cluster_specifier_plugins: Refused,
        request_mirror_policies: InForce nested,
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
        require_tls: InForce,
        virtual_clusters: Tolerated,
        rate_limits: Tolerated "of use to a rate limit filter alone",
        request_headers_to_add: InForce nested,
        request_headers_to_remove: InForce,
        response_headers_to_add: InForce nested,
        response_headers_to_remove: InForce,
        cors: Refused,
        typed_per_filter_config: InForce "of tolerated filters",
        include_request_attempt_count: InForce,
        include_attempt_count_in_response: InForce,
        retry_policy: Later nested,
        retry_policy_typed_config: Later,
        hedge_policy: Later,
        include_is_timeout_retry_header: Later,
        per_request_buffer_limit_bytes: Later,
        request_body_buffer_limit: Later,
        request_mirror_policies: InForce nested,
        metadata: Tolerated,
        route_specifiers: Refused,
    }

    message Route {
        name: InForce,
        r#match: InForce nested,
        metadata: Tolerated,
        decorator: Tolerated,
        typed_per_filter_config: InForce "of tolerated filters",
        request_headers_to_add: InForce nested,
        request_headers_to_remove: InForce,
        response_headers_to_add: InForce nested,
        response_headers_to_remove: InForce,
        tracing: Tolerated,
        per_request_buffer_limit_bytes: Later,
        stat_prefix: Tolerated,
        request_body_buffer_limit: Later,
        route_specifiers: Refused,
    }
    oneof action: Action {
        Route "route": InForce nested,
        Redirect "redirect": InForce nested,
        DirectResponse "direct_response": InForce nested,
        FilterAction "filter_action": Refused,
        NonForwardingAction "non_forwarding_action": Refused,
    }

    message RouteMatch {
        case_sensitive: InForce,
        runtime_fraction: InForce "its default",
        headers: InForce nested,
        query_parameters: InForce nested,
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

    message QueryParameterMatcher {
        name: InForce,
    }
    oneof query_parameter_match_specifier: QueryParameterMatchSpecifier {
        StringMatch "string_match": InForce nested,
        PresentMatch "present_match": InForce,
    }

    message RedirectAction {
        host_redirect: InForce,
        port_redirect: InForce,
        response_code: InForce,
        strip_query: InForce,
    }
    oneof scheme_rewrite_specifier: SchemeRewriteSpecifier {
        HttpsRedirect "https_redirect": InForce,
        SchemeRedirect "scheme_redirect": InForce,
    }
    oneof path_rewrite_specifier: PathRewriteSpecifier {
        PathRedirect "path_redirect": InForce,
        PrefixRewrite "prefix_rewrite": InForce,
        RegexRewrite "regex_rewrite": InForce nested,
        PathRewrite "path_rewrite": Refused,
    }

    message HeaderValueOption {
        header: InForce "values with the operators of access logs",
        append: InForce "deprecated for append_action",
        append_action: InForce,
        keep_empty_value: InForce,
    }

    message MaxStreamDuration {
        max_stream_duration: InForce,
        grpc_timeout_header_max: InForce,
        grpc_timeout_header_offset: InForce,
    }

    message RequestMirrorPolicy {
        cluster: InForce,
        cluster_header: Refused,
        runtime_fraction: InForce "its default",
        trace_sampled: Tolerated,
        disable_shadow_host_suffix_append: InForce,
        request_headers_mutations: Refused,
        host_rewrite_literal: InForce,
    }

    message RegexMatchAndSubstitute {
        pattern: InForce nested,
        substitution: InForce,
    }

    message DirectResponseAction {
        status: InForce,
        body: InForce "inline",
        body_format: Refused,
    }

    message RouteAction {
        cluster_not_found_response_code: InForce,
        metadata_match: InForce nested "namespace envoy.lb",
        prefix_rewrite: InForce,
        regex_rewrite: InForce nested,
        path_rewrite_policy: Refused,
        path_rewrite: Refused,
        append_x_forwarded_host: InForce,
        timeout: InForce,
        idle_timeout: InForce,
        flush_timeout: Later,
        early_data_policy: Tolerated "there is no early data",
        retry_policy: Later nested,
        retry_policy_typed_config: Later,
        request_mirror_policies: InForce nested,
        priority: InForce,
        rate_limits: Tolerated "of use to a rate limit filter alone",
        include_vh_rate_limits: Tolerated "of use to a rate limit filter alone",
        hash_policy: InForce nested,
        cors: Refused,
        max_grpc_timeout: InForce,
        grpc_timeout_offset: InForce,
        upgrade_configs: InForce nested,
        internal_redirect_policy: Later,
        internal_redirect_action: Later,
        max_internal_redirects: Later,
        hedge_policy: Later,
        max_stream_duration: InForce nested,
    }
    oneof cluster_specifier: ClusterSpecifier {
        Cluster "cluster": InForce,
        ClusterHeader "cluster_header": Refused,
        WeightedClusters "weighted_clusters": InForce nested,
        ClusterSpecifierPlugin "cluster_specifier_plugin": Refused,
        InlineClusterSpecifierPlugin "inline_cluster_specifier_plugin": Refused,
    }
    oneof host_rewrite_specifier: HostRewriteSpecifier {
        HostRewriteLiteral "host_rewrite_literal": InForce,
        AutoHostRewrite "auto_host_rewrite": InForce "false",
        HostRewriteHeader "host_rewrite_header": InForce,
        HostRewritePathRegex "host_rewrite_path_regex": InForce nested,
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
        metadata_match: InForce nested "namespace envoy.lb",
        request_headers_to_add: InForce nested,
        request_headers_to_remove: InForce,
        response_headers_to_add: InForce nested,
        response_headers_to_remove: InForce,
        typed_per_filter_config: InForce "of tolerated filters",
    }
    oneof host_rewrite_specifier: cluster_weight::HostRewriteSpecifier {
        HostRewriteLiteral "host_rewrite_literal": InForce,
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
        ConnectionProperties "connection_properties": InForce nested,
        QueryParameter "query_parameter": InForce nested,
        FilterState "filter_state": Tolerated "no filter sets any, so that it gives no hash",
    }

    message Header {
        header_name: InForce,
        regex_rewrite: InForce nested,
    }

    message Cookie {
        name: InForce,
        ttl: InForce "in whole seconds",
        path: InForce,
        attributes: InForce nested,
    }

    message CookieAttribute {
        name: InForce,
        value: InForce,
    }

    message ConnectionProperties {
        source_ip: InForce,
    }

    message QueryParameter {
        name: InForce,
    }
}
