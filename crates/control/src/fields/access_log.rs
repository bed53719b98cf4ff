//! Access logs, their filters and formats.

use envoy_types::pb::envoy::config::accesslog::v3::{
    AccessLog, AccessLogFilter, AndFilter, ComparisonFilter, DurationFilter, GrpcStatusFilter,
    HeaderFilter, LogTypeFilter, NotHealthCheckFilter, OrFilter, ResponseFlagFilter, RuntimeFilter,
    StatusCodeFilter, TraceableFilter, access_log, access_log_filter,
};
use envoy_types::pb::envoy::config::core::v3::{
    RuntimeUInt32, SubstitutionFormatString, substitution_format_string,
};
use envoy_types::pb::envoy::extensions::access_loggers::file::v3::{
    FileAccessLog, file_access_log,
};
use envoy_types::pb::envoy::extensions::access_loggers::stream::v3::{
    StderrAccessLog, StdoutAccessLog, stderr_access_log, stdout_access_log,
};

use super::{row, tables, within};

tables! {
    message AccessLog {
        name: Label "a log is known by the type of its config",
        filter: InForce nested,
    }
    oneof config_type: access_log::ConfigType {
        TypedConfig "typed_config": InForce "FileAccessLog, StdoutAccessLog, StderrAccessLog",
    }

    message AccessLogFilter {}
    oneof filter_specifier: access_log_filter::FilterSpecifier {
        StatusCodeFilter "status_code_filter": InForce nested,
        DurationFilter "duration_filter": InForce nested,
        NotHealthCheckFilter "not_health_check_filter": InForce nested
            "lets everything through: no health checks are answered",
        TraceableFilter "traceable_filter": InForce nested "lets nothing through: nothing is traced",
        RuntimeFilter "runtime_filter": InForce nested,
        AndFilter "and_filter": InForce nested,
        OrFilter "or_filter": InForce nested,
        HeaderFilter "header_filter": InForce nested,
        ResponseFlagFilter "response_flag_filter": InForce nested,
        GrpcStatusFilter "grpc_status_filter": InForce nested,
        ExtensionFilter "extension_filter": Refused "extension filters are not supported",
        MetadataFilter "metadata_filter": Refused "there is no dynamic metadata",
        LogTypeFilter "log_type_filter": InForce nested,
    }

    message StatusCodeFilter {
        comparison: InForce nested,
    }

    message DurationFilter {
        comparison: InForce nested,
    }

    message ComparisonFilter {
        op: InForce,
        value: InForce nested,
    }

    message RuntimeUInt32 {
        default_value: InForce,
        runtime_key: Label "there is no runtime",
    }

    message NotHealthCheckFilter {}

    message TraceableFilter {}

    message RuntimeFilter {
        runtime_key: Label "there is no runtime",
        percent_sampled: InForce,
        use_independent_randomness: InForce,
    }

    message AndFilter {
        filters: InForce nested,
    }

    message OrFilter {
        filters: InForce nested,
    }

    message HeaderFilter {
        header: InForce nested,
    }

    message ResponseFlagFilter {
        flags: InForce,
    }

    message GrpcStatusFilter {
        statuses: InForce,
        exclude: InForce,
    }

    message LogTypeFilter {
        types: InForce,
        exclude: InForce,
    }

    message FileAccessLog {
        path: InForce,
    }
    oneof access_log_format: file_access_log::AccessLogFormat {
        Format "format": InForce,
        JsonFormat "json_format": InForce,
        TypedJsonFormat "typed_json_format": InForce,
        LogFormat "log_format": InForce nested,
    }

    message StdoutAccessLog {}
    oneof access_log_format: stdout_access_log::AccessLogFormat {
        LogFormat "log_format": InForce nested,
    }

    message StderrAccessLog {}
    oneof access_log_format: stderr_access_log::AccessLogFormat {
        LogFormat "log_format": InForce nested,
    }

    message SubstitutionFormatString {
        omit_empty_values: InForce,
        content_type: InForce "of local replies; of no use in a log",
        formatters: InForce "req_without_query and metadata; any other is refused",
        json_format_options: Tolerated "keys are sorted",
    }
    oneof format: substitution_format_string::Format {
        TextFormat "text_format": InForce,
        JsonFormat "json_format": InForce,
        TextFormatSource "text_format_source": InForce "inline",
    }
}
