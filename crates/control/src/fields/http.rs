//! `http_protocol_options.proto` (upstreams), `protocol.proto`. Listeners share the latter.

use envoy_types::pb::envoy::config::common::matcher::v3::{
    HttpHeadersMatch, MatchPredicate,
    match_predicate::{MatchSet, Rule},
};
use envoy_types::pb::envoy::config::core::v3::{
    Http1ProtocolOptions, Http2ProtocolOptions, HttpProtocolOptions as CommonHttpProtocolOptions,
    KeepaliveSettings, UpstreamHttpProtocolOptions,
    http1_protocol_options::{
        HeaderKeyFormat,
        header_key_format::{HeaderFormat, ProperCaseWords},
    },
};
use envoy_types::pb::envoy::extensions::upstreams::http::v3::{
    HttpProtocolOptions,
    http_protocol_options::{
        AutoHttpConfig, ExplicitHttpConfig, OutlierDetection, UpstreamProtocolOptions,
        UseDownstreamHttpConfig, explicit_http_config::ProtocolConfig,
    },
};

use super::{row, tables, within};

tables! {
    message HttpProtocolOptions {
        common_http_protocol_options: InForce nested,
        upstream_http_protocol_options: Later nested,
        http_filters: InForce "only the upstream codec, which is what happens anyway",
        header_validation_config: Tolerated "messages are checked strictly in any case",
        outlier_detection: Later nested,
        request_mirror_policies: Refused "not supported in a cluster",
        hash_policy: Refused "not supported in a cluster",
        retry_policy: Refused "not supported in a cluster",
    }
    oneof upstream_protocol_options: UpstreamProtocolOptions {
        ExplicitHttpConfig "explicit_http_config": InForce nested,
        UseDownstreamProtocolConfig "use_downstream_protocol_config": InForce nested,
        AutoConfig "auto_config": Later nested "needs TLS",
    }

    message ExplicitHttpConfig {}
    oneof protocol_config: ProtocolConfig {
        HttpProtocolOptions "http_protocol_options": InForce nested,
        Http2ProtocolOptions "http2_protocol_options": InForce nested,
        Http3ProtocolOptions "http3_protocol_options": Refused "HTTP/3 is not supported",
    }

    message UseDownstreamHttpConfig {
        http_protocol_options: InForce nested,
        http2_protocol_options: InForce nested,
        http3_protocol_options: Refused "HTTP/3 is not supported",
    }

    message AutoHttpConfig {
        http_protocol_options: Later nested,
        http2_protocol_options: Later nested,
        http3_protocol_options: Refused "HTTP/3 is not supported",
        alternate_protocols_cache_options: Refused "HTTP/3 is not supported",
    }

    message OutlierDetection {
        error_matcher: Later nested,
    }

    message MatchPredicate {}
    oneof rule: Rule {
        OrMatch "or_match": Later nested,
        AndMatch "and_match": Later nested,
        NotMatch "not_match": Later nested,
        AnyMatch "any_match": Later,
        HttpRequestHeadersMatch "http_request_headers_match": Refused "only responses are matched",
        HttpRequestTrailersMatch "http_request_trailers_match": Refused "only responses are matched",
        HttpResponseHeadersMatch "http_response_headers_match": Later nested,
        HttpResponseTrailersMatch "http_response_trailers_match": Refused "only headers are matched",
        HttpRequestGenericBodyMatch "http_request_generic_body_match": Refused
            "only responses are matched",
        HttpResponseGenericBodyMatch "http_response_generic_body_match": Refused
            "only headers are matched",
    }

    message MatchSet {
        rules: Later nested,
    }

    message HttpHeadersMatch {
        headers: Later nested,
    }

    message UpstreamHttpProtocolOptions {
        auto_sni: Later,
        auto_san_validation: Later,
        override_auto_sni_header: Refused,
    }

    message CommonHttpProtocolOptions {
        idle_timeout: InForce,
        max_connection_duration: InForce,
        max_connection_duration_jitter: Tolerated,
        max_headers_count: InForce,
        max_response_headers_kb: InForce,
        max_stream_duration: InForce,
        headers_with_underscores_action: InForce "listeners only, of a cluster later",
        max_requests_per_connection: InForce,
    }

    message Http1ProtocolOptions {
        allow_absolute_url: InForce "listeners only",
        accept_http_10: InForce "listeners only",
        default_host_for_http_10: InForce "listeners only",
        header_key_format: InForce nested,
        enable_trailers: InForce,
        allow_chunked_length: Tolerated "such messages are refused in any case",
        override_stream_error_on_invalid_http_message: Tolerated
            "a connection with an invalid message is closed in any case",
        send_fully_qualified_url: Refused,
        use_balsa_parser: Tolerated,
        allow_custom_methods: Tolerated,
        ignore_http_11_upgrade: Refused,
    }

    message HeaderKeyFormat {}
    oneof header_format: HeaderFormat {
        ProperCaseWords "proper_case_words": InForce nested,
        StatefulFormatter "stateful_formatter": Tolerated "header names are sent in lower case",
    }

    message ProperCaseWords {}

    message Http2ProtocolOptions {
        hpack_table_size: Tolerated,
        max_concurrent_streams: InForce,
        initial_stream_window_size: InForce,
        initial_connection_window_size: InForce,
        allow_connect: Later "extended CONNECT is not taken yet",
        allow_metadata: Tolerated "METADATA frames are ignored",
        max_outbound_frames: Tolerated "limits of our own hold",
        max_outbound_control_frames: Tolerated "limits of our own hold",
        max_consecutive_inbound_frames_with_empty_payload: Tolerated "limits of our own hold",
        max_inbound_priority_frames_per_stream: Tolerated "limits of our own hold",
        max_inbound_window_update_frames_per_data_frame_sent: Tolerated "limits of our own hold",
        stream_error_on_invalid_http_messaging: Tolerated,
        override_stream_error_on_invalid_http_message: Tolerated,
        custom_settings_parameters: Refused,
        connection_keepalive: InForce nested,
        use_oghttp2_codec: Tolerated,
        max_metadata_size: Tolerated "METADATA frames are ignored",
        enable_huffman_encoding: Tolerated,
        max_header_field_size_kb: Tolerated "limits of our own hold",
        disallow_obs_text: Tolerated,
        stream_reset_burst: Tolerated "limits of our own hold",
        stream_reset_rate: Tolerated "limits of our own hold",
    }

    message KeepaliveSettings {
        interval: InForce,
        timeout: InForce,
        interval_jitter: Tolerated,
        connection_idle_interval: Tolerated,
    }
}
