//! `access_log`: where lines go, and what stands in them.

use destrier_policy::{AccessLogField, AccessLogFormat, AccessLogPolicy, AccessLogSink};
use envoy_types::pb::envoy::config::accesslog::v3::{AccessLog, access_log};
use envoy_types::pb::envoy::config::core::v3::{
    SubstitutionFormatString, substitution_format_string::Format,
};
use envoy_types::pb::envoy::extensions::access_loggers::file::v3::{
    FileAccessLog, file_access_log,
};
use envoy_types::pb::envoy::extensions::access_loggers::stream::v3::{
    StderrAccessLog, StdoutAccessLog, stderr_access_log, stdout_access_log,
};
use envoy_types::pb::google::protobuf::{Struct, value::Kind};
use prost::Name;

use super::action::inline;
use super::format::{DEFAULT_FORMAT, parse_format};
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

fn access_log(
    log: &AccessLog,
    path: &FieldPath<'_>,
    report: &mut Report<'_>,
) -> Option<AccessLogPolicy> {
    let path = &path.field("typed_config");
    let Some(access_log::ConfigType::TypedConfig(config)) = &log.config_type else {
        report.refuse(path, "must be set");
        return None;
    };
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
            let format = log_format(format, &path.field("log_format"), report)?;
            Some(AccessLogPolicy { sink: AccessLogSink::Stdout, format })
        }
        name if name == StderrAccessLog::full_name() => {
            let config = report.check(path, proto::unpack::<StderrAccessLog>(config))?;
            config.survey(Standing::InForce, path, report);
            let format = config.access_log_format.as_ref();
            let format = format.map(|stderr_access_log::AccessLogFormat::LogFormat(format)| format);
            let format = log_format(format, &path.field("log_format"), report)?;
            Some(AccessLogPolicy { sink: AccessLogSink::Stderr, format })
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
) -> Option<AccessLogPolicy> {
    use file_access_log::AccessLogFormat as Form;
    if config.path.is_empty() {
        report.refuse(&path.field("path"), "must not be empty");
    }
    let format = match &config.access_log_format {
        None => log_format(None, path, report),
        Some(Form::Format(format)) => text(format, &path.field("format"), report),
        Some(Form::JsonFormat(format)) => json(format, &path.field("json_format"), report),
        Some(Form::TypedJsonFormat(format)) => {
            json(format, &path.field("typed_json_format"), report)
        }
        Some(Form::LogFormat(format)) => {
            log_format(Some(format), &path.field("log_format"), report)
        }
    };
    let sink = match config.path.as_str() {
        // Opening these would need rights that writing to the inherited descriptor does not.
        "/dev/stdout" => AccessLogSink::Stdout,
        "/dev/stderr" => AccessLogSink::Stderr,
        file => AccessLogSink::File(file.into()),
    };
    Some(AccessLogPolicy { sink, format: format? })
}

fn log_format(
    format: Option<&SubstitutionFormatString>,
    path: &FieldPath<'_>,
    report: &mut Report<'_>,
) -> Option<AccessLogFormat> {
    let Some(format) = format else {
        return text(DEFAULT_FORMAT, path, report);
    };
    match &format.format {
        #[expect(deprecated, reason = "it is still in use")]
        Some(Format::TextFormat(format)) => text(format, &path.field("text_format"), report),
        Some(Format::TextFormatSource(source)) => {
            let path = path.field("text_format_source");
            let source = inline(source)
                .and_then(|bytes| String::from_utf8(bytes).map_err(|_| "is not UTF-8".to_owned()));
            text(&report.check(&path, source)?, &path, report)
        }
        Some(Format::JsonFormat(format)) => json(format, &path.field("json_format"), report),
        None => {
            report.refuse(path, "text_format_source or json_format must be set");
            None
        }
    }
}

fn text(format: &str, path: &FieldPath<'_>, report: &mut Report<'_>) -> Option<AccessLogFormat> {
    report.check(path, parse_format(format)).map(AccessLogFormat::Text)
}

/// Keys in order: a `Struct` has none of its own, and a line should look like the last.
fn json(format: &Struct, path: &FieldPath<'_>, report: &mut Report<'_>) -> Option<AccessLogFormat> {
    let mut keys: Vec<_> = format.fields.iter().collect();
    keys.sort_by_key(|(key, _)| key.as_str());
    let fields = keys.into_iter().map(|(key, value)| {
        let path = path.key(key);
        let Some(Kind::StringValue(value)) = &value.kind else {
            report.refuse(&path, "must be a string; others are not supported yet");
            return None;
        };
        let value = report.check(&path, parse_format(value))?;
        Some(AccessLogField { key: key.as_str().into(), value })
    });
    // Each is looked at, so that all faults are found.
    let fields: Vec<_> = fields.collect();
    fields.into_iter().collect::<Option<_>>().map(AccessLogFormat::Json)
}
