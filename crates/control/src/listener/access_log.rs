//! `access_log`: where lines go, and what stands in them.

use destrier_policy::{AccessLogOptions, AccessLogPolicy, AccessLogSink, Format};
use envoy_types::pb::envoy::config::accesslog::v3::{AccessLog, access_log};
use envoy_types::pb::envoy::config::core::v3::SubstitutionFormatString;
use envoy_types::pb::envoy::extensions::access_loggers::file::v3::{
    FileAccessLog, file_access_log,
};
use envoy_types::pb::envoy::extensions::access_loggers::stream::v3::{
    StderrAccessLog, StdoutAccessLog, stderr_access_log, stdout_access_log,
};
use envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3::HttpConnectionManager;
use envoy_types::pb::envoy::extensions::filters::network::tcp_proxy::v3::TcpProxy;
use envoy_types::pb::google::protobuf::Any;
use prost::Name;

use super::format::{default_format, json_template, substitution_format, text_format};
use super::log_filter::log_filter;
use crate::fields::{Standing, Surveyed};
use crate::path::FieldPath;
use crate::proto;
use crate::report::Report;

/// What is faulty is refused and left out.
pub(super) fn access_logs(
    logs: &[AccessLog],
    path: &FieldPath<'_>,
    report: &mut Report<'_>,
) -> Box<[AccessLogPolicy]> {
    let logs = logs.iter().enumerate();
    logs.filter_map(|(index, log)| access_log(log, &path.index(index), report)).collect()
}

/// When a connection manager writes lines beyond the one at the end of a request.
#[expect(deprecated, reason = "the older form of access_log_options is still in use")]
pub(super) fn hcm_log_options(config: &HttpConnectionManager) -> AccessLogOptions {
    let options = config.access_log_options.as_ref();
    AccessLogOptions {
        at_start: config.flush_access_log_on_new_request
            || options.is_some_and(|options| options.flush_access_log_on_new_request),
        at_connected: options
            .is_some_and(|options| options.flush_log_on_tunnel_successfully_established),
    }
}

/// When a TCP proxy writes lines beyond the one at the end of a connection.
#[expect(deprecated, reason = "the older form of access_log_options is still in use")]
pub(super) fn tcp_log_options(config: &TcpProxy) -> AccessLogOptions {
    let options = config.access_log_options.as_ref();
    AccessLogOptions {
        at_start: options.is_some_and(|options| options.flush_access_log_on_start),
        at_connected: config.flush_access_log_on_connected
            || options.is_some_and(|options| options.flush_access_log_on_connected),
    }
}

fn access_log(
    log: &AccessLog,
    path: &FieldPath<'_>,
    report: &mut Report<'_>,
) -> Option<AccessLogPolicy> {
    let filter = match &log.filter {
        None => None,
        Some(filter) => Some(log_filter(filter, &path.field("filter"), report)?),
    };
    let path = &path.field("typed_config");
    let Some(access_log::ConfigType::TypedConfig(config)) = &log.config_type else {
        report.refuse(path, "must be set");
        return None;
    };
    let (sink, format) = sink(config, path, report)?;
    Some(AccessLogPolicy { sink, format, filter })
}

fn sink(
    config: &Any,
    path: &FieldPath<'_>,
    report: &mut Report<'_>,
) -> Option<(AccessLogSink, Format)> {
    let type_url = report.check(path, proto::type_url(config))?;
    match proto::type_name(&type_url) {
        name if name == FileAccessLog::full_name() => {
            let config = report.check(path, proto::unpack::<FileAccessLog>(config))?;
            config.survey(Standing::InForce, path, report);
            file(&config, path, report)
        }
        name if name == StdoutAccessLog::full_name() => {
            let config = report.check(path, proto::unpack::<StdoutAccessLog>(config))?;
            config.survey(Standing::InForce, path, report);
            let format = config.access_log_format.as_ref();
            let format = format.map(|stdout_access_log::AccessLogFormat::LogFormat(format)| format);
            Some((AccessLogSink::Stdout, log_format(format, path, report)?))
        }
        name if name == StderrAccessLog::full_name() => {
            let config = report.check(path, proto::unpack::<StderrAccessLog>(config))?;
            config.survey(Standing::InForce, path, report);
            let format = config.access_log_format.as_ref();
            let format = format.map(|stderr_access_log::AccessLogFormat::LogFormat(format)| format);
            Some((AccessLogSink::Stderr, log_format(format, path, report)?))
        }
        _ => {
            report.refuse(path, format!("the access log {type_url} is not supported"));
            None
        }
    }
}

#[expect(deprecated, reason = "the older forms of log_format are still in use")]
fn file(
    config: &FileAccessLog,
    path: &FieldPath<'_>,
    report: &mut Report<'_>,
) -> Option<(AccessLogSink, Format)> {
    use file_access_log::AccessLogFormat as Form;
    if config.path.is_empty() {
        report.refuse(&path.field("path"), "must not be empty");
    }
    let format = match &config.access_log_format {
        None => Some(default_format()),
        Some(Form::Format(text)) if text.is_empty() => Some(default_format()),
        Some(Form::Format(text)) => {
            text_format(text, &path.field("format"), report).map(Format::text)
        }
        Some(Form::JsonFormat(json)) => {
            json_template(json, &path.field("json_format"), report).map(Format::json)
        }
        Some(Form::TypedJsonFormat(json)) => {
            json_template(json, &path.field("typed_json_format"), report).map(Format::json)
        }
        Some(Form::LogFormat(format)) => log_format(Some(format), path, report),
    };
    let sink = match config.path.as_str() {
        // Opening these would need rights that writing to the inherited descriptor does not.
        "/dev/stdout" => AccessLogSink::Stdout,
        "/dev/stderr" => AccessLogSink::Stderr,
        file => AccessLogSink::File(file.into()),
    };
    Some((sink, format?))
}

fn log_format(
    format: Option<&SubstitutionFormatString>,
    path: &FieldPath<'_>,
    report: &mut Report<'_>,
) -> Option<Format> {
    match format {
        None => Some(default_format()),
        Some(format) => substitution_format(format, &path.field("log_format"), report),
    }
}
