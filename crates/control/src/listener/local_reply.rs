//! `local_reply_config`.

use std::sync::Arc;

use ::http::StatusCode;
use destrier_policy::{Format, HeaderMutation, LocalReplyMapper, LocalReplyPolicy};
use envoy_types::pb::envoy::config::core::v3::SubstitutionFormatString;
use envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3::{
    LocalReplyConfig, ResponseMapper,
};

use super::action::inline;
use super::format::substitution_format;
use super::log_filter::log_filter;
use super::mutation::additions;
use crate::path::FieldPath;
use crate::proto::Fault;
use crate::report::Report;

/// What is faulty is refused and left out.
pub(super) fn local_replies(
    config: Option<&LocalReplyConfig>,
    path: &FieldPath<'_>,
    report: &mut Report<'_>,
) -> LocalReplyPolicy {
    let Some(LocalReplyConfig { mappers, body_format }) = config else {
        return LocalReplyPolicy::default();
    };
    let mappers_path = path.field("mappers");
    let mappers = mappers.iter().enumerate();
    let mappers =
        mappers.filter_map(|(index, one)| mapper(one, &mappers_path.index(index), report));
    LocalReplyPolicy {
        mappers: mappers.collect(),
        body_format: format(body_format.as_ref(), &path.field("body_format"), report),
    }
}

fn mapper(
    mapper: &ResponseMapper,
    path: &FieldPath<'_>,
    report: &mut Report<'_>,
) -> Option<LocalReplyMapper> {
    let ResponseMapper { filter, status_code, body, body_format_override, headers_to_add } = mapper;
    let filter = match filter {
        Some(filter) => log_filter(filter, &path.field("filter"), report),
        None => {
            report.refuse(&path.field("filter"), "must be set");
            None
        }
    };
    let code = status_code.map(|code| code.value);
    let status = code.and_then(|code| report.check(&path.field("status_code"), status_of(code)));
    let body = body.as_ref().and_then(|body| report.check(&path.field("body"), inline(body)));
    let added = additions(headers_to_add, &path.field("headers_to_add"), report);
    let body_format_path = path.field("body_format_override");
    Some(LocalReplyMapper {
        body_format: format(body_format_override.as_ref(), &body_format_path, report),
        filter: filter?,
        status,
        body: body.map(Arc::from),
        headers: Arc::new(HeaderMutation { remove: Box::default(), add: added }),
    })
}

fn status_of(code: u32) -> Result<StatusCode, Fault> {
    let status = u16::try_from(code).ok().filter(|code| (200..600).contains(code));
    let status = status.and_then(|code| StatusCode::from_u16(code).ok());
    status.ok_or_else(|| format!("{code} is not from 200 to 599"))
}

fn format(
    format: Option<&SubstitutionFormatString>,
    path: &FieldPath<'_>,
    report: &mut Report<'_>,
) -> Option<Format> {
    substitution_format(format?, path, report)
}
