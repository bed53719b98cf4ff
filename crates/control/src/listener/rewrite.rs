//! How a route changes the path and the host of a request, and to where it copies it.

use std::sync::Arc;

use destrier_policy::{HostRewrite, MirrorHost, MirrorPolicy, PathRewrite, Share};
use envoy_types::pb::envoy::config::core::v3::RuntimeFractionalPercent;
use envoy_types::pb::envoy::config::route::v3::{
    RouteAction,
    route_action::{HostRewriteSpecifier, RequestMirrorPolicy},
};
use envoy_types::pb::envoy::r#type::v3::fractional_percent::DenominatorType;
use http::{HeaderName, HeaderValue};

use super::hash_policy::regex_rewrite;
use crate::path::FieldPath;
use crate::proto::{self, Fault};
use crate::report::Report;

/// `prefix_rewrite` or `regex_rewrite`.
pub(super) fn path_rewrite(
    value: &RouteAction,
    path: &FieldPath<'_>,
    report: &mut Report<'_>,
) -> Option<PathRewrite> {
    match (value.prefix_rewrite.as_str(), &value.regex_rewrite) {
        ("", None) => None,
        ("", Some(rewrite)) => report
            .check(&path.field("regex_rewrite"), regex_rewrite(rewrite))
            .map(PathRewrite::Regex),
        (prefix, None) => {
            // Envoy would send what is no path.
            if !prefix.starts_with('/') {
                report.refuse(&path.field("prefix_rewrite"), "must begin with a slash");
            }
            let path = path.field("prefix_rewrite");
            report.check(&path, header_value(prefix)).map(|_| PathRewrite::Prefix(prefix.into()))
        }
        (_, Some(_)) => {
            report.refuse(&path.field("regex_rewrite"), "must not stand beside prefix_rewrite");
            None
        }
    }
}

/// `host_rewrite_specifier`.
pub(super) fn host_rewrite(
    value: &RouteAction,
    path: &FieldPath<'_>,
    report: &mut Report<'_>,
) -> Option<HostRewrite> {
    match value.host_rewrite_specifier.as_ref()? {
        HostRewriteSpecifier::HostRewriteLiteral(host) => {
            let host = report.check(&path.field("host_rewrite_literal"), header_value(host))?;
            Some(host).filter(|host| !host.is_empty()).map(HostRewrite::Literal)
        }
        HostRewriteSpecifier::HostRewriteHeader(name) => {
            let name =
                HeaderName::try_from(name).map_err(|_| format!("{name:?} is not a header's name"));
            report.check(&path.field("host_rewrite_header"), name).map(HostRewrite::Header)
        }
        HostRewriteSpecifier::HostRewritePathRegex(rewrite) => report
            .check(&path.field("host_rewrite_path_regex"), regex_rewrite(rewrite))
            .map(HostRewrite::PathRegex),
        HostRewriteSpecifier::AutoHostRewrite(on) => {
            if on.value {
                report.refuse(&path.field("auto_host_rewrite"), "true is not supported yet");
            }
            None
        }
        // Refused by its row.
        HostRewriteSpecifier::HostRewrite(_) => None,
    }
}

/// `request_mirror_policies`. What is faulty is refused and left out.
pub(super) fn mirrors(
    policies: &[RequestMirrorPolicy],
    path: &FieldPath<'_>,
    report: &mut Report<'_>,
) -> Arc<[MirrorPolicy]> {
    let path = path.field("request_mirror_policies");
    let policies = policies.iter().enumerate();
    policies.filter_map(|(index, policy)| mirror(policy, &path.index(index), report)).collect()
}

fn mirror(
    policy: &RequestMirrorPolicy,
    path: &FieldPath<'_>,
    report: &mut Report<'_>,
) -> Option<MirrorPolicy> {
    if policy.cluster.is_empty() {
        report.refuse(&path.field("cluster"), "must be set");
    }
    let share = match &policy.runtime_fraction {
        Some(fraction) => {
            report.check(&path.field("runtime_fraction"), runtime_fraction(fraction))?
        }
        None => Share::ALL,
    };
    let host = match policy.host_rewrite_literal.as_str() {
        "" if policy.disable_shadow_host_suffix_append => MirrorHost::Kept,
        "" => MirrorHost::Suffixed,
        host => {
            let path = path.field("host_rewrite_literal");
            MirrorHost::Literal(report.check(&path, header_value(host))?)
        }
    };
    Some(MirrorPolicy { cluster: policy.cluster.as_str().into(), share, host })
}

/// `RuntimeFractionalPercent`: its default, since there is no runtime.
pub(super) fn runtime_fraction(value: &RuntimeFractionalPercent) -> Result<Share, Fault> {
    let RuntimeFractionalPercent { default_value, runtime_key: _ } = value;
    let value = default_value.as_ref().ok_or("default_value: must be set")?;
    let denominator = proto::enumeration(value.denominator)
        .map_err(|why| format!("default_value.denominator: {why}"))?;
    let of = match denominator {
        DenominatorType::Hundred => 100,
        DenominatorType::TenThousand => 10_000,
        DenominatorType::Million => 1_000_000,
    };
    Ok(Share { parts: value.numerator, of })
}

/// What may stand in a header.
pub(super) fn header_value(text: &str) -> Result<HeaderValue, Fault> {
    HeaderValue::from_str(text).map_err(|_| format!("{text:?} cannot stand in a header"))
}
