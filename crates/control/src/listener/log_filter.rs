//! `AccessLogFilter`: of access logs, and of mappers of local replies.

use destrier_policy::{AccessLogFilter, AccessLogType, Comparison, ComparisonOp, Draw};
use envoy_types::pb::envoy::config::accesslog::v3::access_log_filter::FilterSpecifier;
use envoy_types::pb::envoy::config::accesslog::v3::{self as proto_log, comparison_filter};
use envoy_types::pb::envoy::data::accesslog::v3::AccessLogType as TypeProto;
use envoy_types::pb::envoy::r#type::v3::fractional_percent::DenominatorType;

use super::matchers::header_matcher;
use crate::path::FieldPath;
use crate::proto::{self, Fault};
use crate::report::Report;

/// Short names of the flags that Envoy knows (`ResponseFlagFilter.flags`).
const FLAGS: [&str; 30] = [
    "DC", "DF", "DI", "DO", "DPE", "DR", "DT", "FI", "IH", "LH", "LR", "NC", "NFCF", "NR", "OM",
    "RFCF", "RL", "RLSE", "SI", "UAEX", "UC", "UDO", "UF", "UH", "UMSDR", "UO", "UPE", "UR", "URX",
    "UT",
];

/// `None` when it has been refused.
pub(super) fn log_filter(
    filter: &proto_log::AccessLogFilter,
    path: &FieldPath<'_>,
    report: &mut Report<'_>,
) -> Option<AccessLogFilter> {
    let Some(specifier) = &filter.filter_specifier else {
        report.refuse(path, "must say what it lets through");
        return None;
    };
    Some(match specifier {
        FilterSpecifier::StatusCodeFilter(filter) => {
            let path = path.field("status_code_filter");
            AccessLogFilter::StatusCode(comparison(filter.comparison.as_ref(), &path, report)?)
        }
        FilterSpecifier::DurationFilter(filter) => {
            let path = path.field("duration_filter");
            AccessLogFilter::Duration(comparison(filter.comparison.as_ref(), &path, report)?)
        }
        FilterSpecifier::NotHealthCheckFilter(_) => AccessLogFilter::NotHealthCheck,
        FilterSpecifier::TraceableFilter(_) => AccessLogFilter::Traceable,
        FilterSpecifier::RuntimeFilter(filter) => {
            report.check(&path.field("runtime_filter"), share(filter))?
        }
        FilterSpecifier::AndFilter(filter) => {
            let path = path.field("and_filter");
            AccessLogFilter::And(several(&filter.filters, &path, report)?)
        }
        FilterSpecifier::OrFilter(filter) => {
            let path = path.field("or_filter");
            AccessLogFilter::Or(several(&filter.filters, &path, report)?)
        }
        FilterSpecifier::HeaderFilter(filter) => {
            let path = path.field("header_filter");
            let path = path.field("header");
            let Some(header) = &filter.header else {
                report.refuse(&path, "must be set");
                return None;
            };
            AccessLogFilter::Header(Box::new(header_matcher(header, &path, report)?))
        }
        FilterSpecifier::ResponseFlagFilter(filter) => {
            let path = path.field("response_flag_filter");
            AccessLogFilter::ResponseFlags(flags(&filter.flags, &path.field("flags"), report)?)
        }
        FilterSpecifier::GrpcStatusFilter(filter) => {
            let path = path.field("grpc_status_filter");
            let statuses = filter.statuses.iter().map(|status| match *status {
                status @ 0..=16 => Ok(status.unsigned_abs()),
                other => Err(format!("{other} is not a status of gRPC")),
            });
            let statuses = report.check(&path.field("statuses"), statuses.collect())?;
            AccessLogFilter::GrpcStatus { statuses, exclude: filter.exclude }
        }
        FilterSpecifier::LogTypeFilter(filter) => {
            let path = path.field("log_type_filter");
            let types = filter.types.iter().map(|kind| proto::enumeration(*kind).map(log_type));
            let types = report.check(&path.field("types"), types.collect::<Result<_, _>>())?;
            AccessLogFilter::LogType { types, exclude: filter.exclude }
        }
        // Refused by their rows.
        FilterSpecifier::ExtensionFilter(_) | FilterSpecifier::MetadataFilter(_) => return None,
    })
}

fn several(
    filters: &[proto_log::AccessLogFilter],
    path: &FieldPath<'_>,
    report: &mut Report<'_>,
) -> Option<Box<[AccessLogFilter]>> {
    let path = path.field("filters");
    if filters.len() < 2 {
        report.refuse(&path, "must be two at least");
    }
    let filters = filters.iter().enumerate();
    // Each is looked at, so that all faults are found.
    let filters: Vec<_> =
        filters.map(|(index, filter)| log_filter(filter, &path.index(index), report)).collect();
    filters.into_iter().collect()
}

fn comparison(
    value: Option<&proto_log::ComparisonFilter>,
    path: &FieldPath<'_>,
    report: &mut Report<'_>,
) -> Option<Comparison> {
    use comparison_filter::Op;
    let path = path.field("comparison");
    let Some(comparison) = value else {
        report.refuse(&path, "must be set");
        return None;
    };
    let operation = report.check(&path.field("op"), proto::enumeration(comparison.op))?;
    let Some(value) = &comparison.value else {
        report.refuse(&path.field("value"), "must be set");
        return None;
    };
    let operation = match operation {
        Op::Eq => ComparisonOp::Equal,
        Op::Ge => ComparisonOp::AtLeast,
        Op::Le => ComparisonOp::AtMost,
        Op::Ne => ComparisonOp::NotEqual,
    };
    Some(Comparison { operation, value: value.default_value })
}

/// There is no runtime that could say otherwise than `percent_sampled`; absent it is none, as in Envoy.
fn share(filter: &proto_log::RuntimeFilter) -> Result<AccessLogFilter, Fault> {
    if filter.runtime_key.is_empty() {
        return Err("runtime_key: must not be empty".into());
    }
    let percent = filter.percent_sampled.unwrap_or_default();
    let of = match proto::enumeration(percent.denominator)? {
        DenominatorType::Hundred => 100,
        DenominatorType::TenThousand => 10_000,
        DenominatorType::Million => 1_000_000,
    };
    let draw = match filter.use_independent_randomness {
        true => Draw::Independent,
        false => Draw::ByRequestId,
    };
    Ok(AccessLogFilter::Share { count: percent.numerator, of, draw })
}

fn flags(
    flags: &[String],
    path: &FieldPath<'_>,
    report: &mut Report<'_>,
) -> Option<Box<[Box<str>]>> {
    let unknown = flags.iter().find(|flag| !FLAGS.contains(&flag.as_str()));
    if let Some(unknown) = unknown {
        report.refuse(path, format!("{unknown:?} is not a response flag"));
        return None;
    }
    Some(flags.iter().map(|flag| flag.as_str().into()).collect())
}

fn log_type(kind: TypeProto) -> AccessLogType {
    match kind {
        TypeProto::NotSet => AccessLogType::NotSet,
        TypeProto::TcpUpstreamConnected => AccessLogType::TcpUpstreamConnected,
        TypeProto::TcpPeriodic => AccessLogType::TcpPeriodic,
        TypeProto::TcpConnectionStart => AccessLogType::TcpConnectionStart,
        TypeProto::TcpConnectionEnd => AccessLogType::TcpConnectionEnd,
        TypeProto::DownstreamStart => AccessLogType::DownstreamStart,
        TypeProto::DownstreamPeriodic => AccessLogType::DownstreamPeriodic,
        TypeProto::DownstreamEnd => AccessLogType::DownstreamEnd,
        TypeProto::UpstreamPoolReady => AccessLogType::UpstreamPoolReady,
        TypeProto::UpstreamPeriodic => AccessLogType::UpstreamPeriodic,
        TypeProto::UpstreamEnd => AccessLogType::UpstreamEnd,
        TypeProto::DownstreamTunnelSuccessfullyEstablished => {
            AccessLogType::DownstreamTunnelSuccessfullyEstablished
        }
        TypeProto::UdpTunnelUpstreamConnected => AccessLogType::UdpTunnelUpstreamConnected,
        TypeProto::UdpPeriodic => AccessLogType::UdpPeriodic,
        TypeProto::UdpSessionEnd => AccessLogType::UdpSessionEnd,
    }
}
