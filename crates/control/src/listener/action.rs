//! What a route does: `RouteAction`, `DirectResponseAction`, and the retry and hash policies within.

use std::sync::Arc;
use std::time::Duration;

use destrier_policy::{
    ClusterChoice, DirectResponse, ForwardAction, GrpcTimeout, MetadataMatch, RetryPolicy,
    RoutingPriority, StreamDuration, UpgradeConfig, WeightedCluster,
};
use envoy_types::pb::envoy::config::core::v3 as core;
use envoy_types::pb::envoy::config::route::v3 as route;
use envoy_types::pb::envoy::extensions::retry::host::previous_hosts::v3::PreviousHostsPredicate;
use envoy_types::pb::google::protobuf;
use http::StatusCode;
use prost::Name;

use super::filters::per_filter_config;
use super::hash_policy::hash_policies;
use super::metadata_match::metadata_match;
use super::mutation::{Level, join, level_fields};
use super::rewrite::{header_value, host_rewrite, mirrors, path_rewrite};
use crate::path::FieldPath;
use crate::proto;
use crate::report::Report;
use route::route_action::ClusterSpecifier;
use route::weighted_cluster::cluster_weight::HostRewriteSpecifier;

/// The longest timeout there is, for one that is switched off where an outer one must not hold.
const NEVER: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// `route`. `None` when it has been refused.
pub(super) fn forward(
    value: &route::RouteAction,
    path: &FieldPath<'_>,
    report: &mut Report<'_>,
) -> Option<ForwardAction> {
    let timeout = match duration(&value.timeout, path, "timeout", report) {
        None => Some(Duration::from_secs(15)),
        Some(timeout) => Some(timeout).filter(|timeout| !timeout.is_zero()),
    };
    let idle_timeout = duration(&value.idle_timeout, path, "idle_timeout", report);
    let priority = report.check(&path.field("priority"), proto::enumeration(value.priority));
    let retry_path = path.field("retry_policy");
    let retry =
        value.retry_policy.as_ref().and_then(|policy| retry_policy(policy, &retry_path, report));
    let hash = hash_policies(&value.hash_policy, &path.field("hash_policy"), report);
    let upgrades_path = path.field("upgrade_configs");
    let upgrades = value.upgrade_configs.iter().enumerate().map(|(index, upgrade)| {
        let path = upgrades_path.index(index);
        upgrade_config(&upgrade.upgrade_type, upgrade.enabled.as_ref(), &path, report)
    });
    let upgrades = upgrades.collect();
    let metadata_match = metadata_match(value.metadata_match.as_ref(), None, path, report);
    let choice = cluster(value, metadata_match.as_ref(), path, report)?;
    let path_rewrite = path_rewrite(value, path, report);
    let host_rewrite = host_rewrite(value, path, report);
    let (stream_duration, max_grpc_timeout) = durations(value, path, report);
    let mirrors = mirrors(&value.request_mirror_policies, path, report);
    let not_found = cluster_not_found(value, path, report);
    Some(ForwardAction {
        cluster_not_found: not_found?,
        path_rewrite,
        host_rewrite,
        append_x_forwarded_host: value.append_x_forwarded_host,
        timeout,
        stream_duration,
        max_grpc_timeout,
        idle_timeout: idle_timeout.map(|timeout| if timeout.is_zero() { NEVER } else { timeout }),
        priority: match priority? {
            core::RoutingPriority::Default => RoutingPriority::Default,
            core::RoutingPriority::High => RoutingPriority::High,
        },
        retry,
        hash,
        metadata_match,
        upgrades,
        mirrors,
        ..ForwardAction::new(choice)
    })
}

fn cluster_not_found(
    value: &route::RouteAction,
    path: &FieldPath<'_>,
    report: &mut Report<'_>,
) -> Option<StatusCode> {
    use route::route_action::ClusterNotFoundResponseCode as Code;
    let code = proto::enumeration(value.cluster_not_found_response_code);
    Some(match report.check(&path.field("cluster_not_found_response_code"), code)? {
        Code::ServiceUnavailable => StatusCode::SERVICE_UNAVAILABLE,
        Code::NotFound => StatusCode::NOT_FOUND,
        Code::InternalServerError => StatusCode::INTERNAL_SERVER_ERROR,
    })
}

/// `max_stream_duration`, and the deprecated form of what it says about gRPC.
#[expect(deprecated, reason = "Istio still sends the older form")]
fn durations(
    value: &route::RouteAction,
    path: &FieldPath<'_>,
    report: &mut Report<'_>,
) -> (Option<StreamDuration>, Option<GrpcTimeout>) {
    let max = duration(&value.max_grpc_timeout, path, "max_grpc_timeout", report);
    let offset = duration(&value.grpc_timeout_offset, path, "grpc_timeout_offset", report);
    let older = max.map(|max| GrpcTimeout { max, offset: offset.unwrap_or_default() });
    let stream = value.max_stream_duration.as_ref().map(|value| {
        let path = path.field("max_stream_duration");
        let max = duration(&value.max_stream_duration, &path, "max_stream_duration", report);
        let field = "grpc_timeout_header_max";
        let most = duration(&value.grpc_timeout_header_max, &path, field, report);
        let field = "grpc_timeout_header_offset";
        let offset = duration(&value.grpc_timeout_header_offset, &path, field, report);
        let offset = offset.unwrap_or_default();
        StreamDuration { max, grpc: most.map(|max| GrpcTimeout { max, offset }) }
    });
    (stream, older)
}

/// One entry of `upgrade_configs`, here or of the connection manager.
pub(super) fn upgrade_config(
    upgrade_type: &str,
    enabled: Option<&protobuf::BoolValue>,
    path: &FieldPath<'_>,
    report: &mut Report<'_>,
) -> UpgradeConfig {
    if upgrade_type.is_empty() {
        report.refuse(&path.field("upgrade_type"), "must not be empty");
    }
    UpgradeConfig {
        upgrade_type: upgrade_type.into(),
        enabled: enabled.is_none_or(|enabled| enabled.value),
    }
}

fn cluster(
    value: &route::RouteAction,
    metadata: Option<&Arc<MetadataMatch>>,
    path: &FieldPath<'_>,
    report: &mut Report<'_>,
) -> Option<ClusterChoice> {
    match &value.cluster_specifier {
        Some(ClusterSpecifier::Cluster(name)) if !name.is_empty() => {
            Some(ClusterChoice::One(name.as_str().into()))
        }
        Some(ClusterSpecifier::WeightedClusters(choices)) => {
            let path = path.field("weighted_clusters");
            let clusters_path = path.field("clusters");
            let clusters = choices.clusters.iter().enumerate().map(|(index, choice)| {
                let path = clusters_path.index(index);
                if choice.name.is_empty() {
                    report.refuse(&path.field("name"), "must not be empty");
                }
                per_filter_config(&choice.typed_per_filter_config, &path, report);
                let level = Level::read(level_fields!(choice), &path, report);
                let host = choice.host_rewrite_specifier.as_ref();
                let host = host.and_then(|HostRewriteSpecifier::HostRewriteLiteral(host)| {
                    report.check(&path.field("host_rewrite_literal"), header_value(host))
                });
                WeightedCluster {
                    mutations: join([&level]),
                    host_rewrite: host.filter(|host| !host.is_empty()),
                    name: choice.name.as_str().into(),
                    weight: choice.weight.as_ref().map_or(0, |weight| weight.value),
                    metadata_match: metadata_match(
                        choice.metadata_match.as_ref(),
                        metadata,
                        &path,
                        report,
                    ),
                }
            });
            let clusters = clusters.collect();
            let choice = weighted(clusters, &clusters_path, report)?;
            #[expect(deprecated, reason = "where it is set, it has to be right")]
            let stated = choices.total_weight.as_ref().map(|total| u64::from(total.value));
            if let ClusterChoice::Weighted { total, .. } = &choice
                && stated.is_some_and(|stated| stated != *total)
            {
                report
                    .refuse(&path.field("total_weight"), format!("the weights add up to {total}"));
            }
            Some(choice)
        }
        // Refused by their rows.
        Some(
            ClusterSpecifier::ClusterHeader(_)
            | ClusterSpecifier::ClusterSpecifierPlugin(_)
            | ClusterSpecifier::InlineClusterSpecifierPlugin(_),
        ) => None,
        Some(ClusterSpecifier::Cluster(_)) | None => {
            report.refuse(&path.field("cluster"), "must be set, or weighted_clusters");
            None
        }
    }
}

/// A choice by weight, of which something can be chosen.
pub(super) fn weighted(
    clusters: Box<[WeightedCluster]>,
    path: &FieldPath<'_>,
    report: &mut Report<'_>,
) -> Option<ClusterChoice> {
    let total: u64 = clusters.iter().map(|choice| u64::from(choice.weight)).sum();
    if total == 0 {
        report.refuse(path, "the weights must add up to more than 0");
        return None;
    }
    if total > u64::from(u32::MAX) {
        report.refuse(path, format!("the weights add up to {total}, more than {}", u32::MAX));
        return None;
    }
    Some(ClusterChoice::Weighted { clusters, total })
}

/// `direct_response`.
pub(super) fn direct_response(
    value: &route::DirectResponseAction,
    path: &FieldPath<'_>,
    report: &mut Report<'_>,
) -> Option<DirectResponse> {
    let status = u16::try_from(value.status).ok().filter(|status| (200..600).contains(status));
    let status = status.and_then(|status| status.try_into().ok());
    if status.is_none() {
        report.refuse(&path.field("status"), format!("{} is not from 200 to 599", value.status));
    }
    let body = value
        .body
        .as_ref()
        .map_or(Some(Vec::new()), |body| report.check(&path.field("body"), inline(body)));
    Some(DirectResponse { status: status?, body: body?.into() })
}

/// The bytes of a `DataSource` that brings them itself. Files are not read here.
pub(super) fn inline(source: &core::DataSource) -> Result<Vec<u8>, String> {
    use core::data_source::Specifier;
    match &source.specifier {
        Some(Specifier::InlineString(text)) => Ok(text.clone().into_bytes()),
        Some(Specifier::InlineBytes(bytes)) => Ok(bytes.clone()),
        Some(Specifier::Filename(_)) => Err("filename: not supported, use inline_string".into()),
        Some(Specifier::EnvironmentVariable(_)) => {
            Err("environment_variable: not supported, use inline_string".into())
        }
        None => Err("must be set".into()),
    }
}

/// `retry_policy`, of a route or of a virtual host.
pub(super) fn retry_policy(
    value: &route::RetryPolicy,
    path: &FieldPath<'_>,
    report: &mut Report<'_>,
) -> Option<RetryPolicy> {
    let per_try_timeout = duration(&value.per_try_timeout, path, "per_try_timeout", report);
    let back_off = value.retry_back_off.as_ref();
    let back_off_path = path.field("retry_back_off");
    let base = back_off.and_then(|back_off| {
        let path = back_off_path.field("base_interval");
        let base = back_off.base_interval.as_ref().ok_or_else(|| "must be set".to_owned());
        report.check(&path, base.and_then(proto::positive_duration))
    });
    // Envoy does not wait for less than a millisecond.
    let base = base.unwrap_or(Duration::from_millis(25)).max(Duration::from_millis(1));
    let max = back_off.and_then(|back_off| back_off.max_interval.as_ref()).and_then(|max| {
        report.check(&back_off_path.field("max_interval"), proto::positive_duration(max))
    });
    let max = max.unwrap_or(base.saturating_mul(10));
    if max < base {
        report.refuse(&back_off_path.field("max_interval"), "is less than base_interval");
    }
    let codes_path = path.field("retriable_status_codes");
    let codes = value.retriable_status_codes.iter().enumerate().filter_map(|(index, code)| {
        let in_range = u16::try_from(*code).map_err(|_| format!("{code} is not a status code"));
        report.check(&codes_path.index(index), in_range)
    });
    let codes = codes.collect();
    let attempts_path = path.field("host_selection_retry_max_attempts");
    let attempts = match value.host_selection_retry_max_attempts {
        0 => Some(1),
        attempts => report.check(
            &attempts_path,
            u32::try_from(attempts).map_err(|_| format!("{attempts} is out of range")),
        ),
    };
    let avoid_previous_hosts = value.retry_host_predicate.iter().any(|predicate| {
        use route::retry_policy::retry_host_predicate::ConfigType;
        predicate.config_type.as_ref().is_some_and(|ConfigType::TypedConfig(config)| {
            proto::type_name(&config.type_url) == PreviousHostsPredicate::full_name()
        })
    });
    Some(RetryPolicy {
        retry_on: value
            .retry_on
            .split(',')
            .map(str::trim)
            .filter(|condition| !condition.is_empty())
            .map(Box::from)
            .collect(),
        num_retries: value.num_retries.as_ref().map_or(1, |retries| retries.value),
        per_try_timeout: per_try_timeout.filter(|timeout| !timeout.is_zero()),
        retriable_status_codes: codes,
        avoid_previous_hosts,
        host_selection_attempts: attempts?,
        backoff_base: base,
        backoff_max: max,
    })
}

fn duration(
    value: &Option<protobuf::Duration>,
    path: &FieldPath<'_>,
    field: &str,
    report: &mut Report<'_>,
) -> Option<Duration> {
    value.as_ref().and_then(|value| report.check(&path.field(field), proto::duration(value)))
}
