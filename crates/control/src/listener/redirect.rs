//! `redirect` of a route.

use destrier_policy::{Redirect, RedirectPath};
use envoy_types::pb::envoy::config::route::v3::{
    RedirectAction,
    redirect_action::{PathRewriteSpecifier, RedirectResponseCode, SchemeRewriteSpecifier},
};
use http::{HeaderValue, StatusCode};

use super::hash_policy::regex_rewrite;
use crate::path::FieldPath;
use crate::proto::{self, Fault};
use crate::report::Report;

/// `None` when it has been refused.
pub(super) fn redirect(
    value: &RedirectAction,
    path: &FieldPath<'_>,
    report: &mut Report<'_>,
) -> Option<Redirect> {
    let code = proto::enumeration(value.response_code);
    let status = report.check(&path.field("response_code"), code).map(|code| match code {
        RedirectResponseCode::MovedPermanently => StatusCode::MOVED_PERMANENTLY,
        RedirectResponseCode::Found => StatusCode::FOUND,
        RedirectResponseCode::SeeOther => StatusCode::SEE_OTHER,
        RedirectResponseCode::TemporaryRedirect => StatusCode::TEMPORARY_REDIRECT,
        RedirectResponseCode::PermanentRedirect => StatusCode::PERMANENT_REDIRECT,
    });
    let mut text = |field: &str, text: &str| {
        report.check(&path.field(field), header_text(text)).filter(|text| !text.is_empty())
    };
    let scheme = match &value.scheme_rewrite_specifier {
        Some(SchemeRewriteSpecifier::HttpsRedirect(true)) => Some("https".into()),
        Some(SchemeRewriteSpecifier::SchemeRedirect(scheme)) => text("scheme_redirect", scheme),
        Some(SchemeRewriteSpecifier::HttpsRedirect(false)) | None => None,
    };
    let host = text("host_redirect", &value.host_redirect);
    let new_path = match &value.path_rewrite_specifier {
        Some(PathRewriteSpecifier::PathRedirect(new)) => {
            // Envoy adds the slash as well.
            let slash = if new.starts_with('/') || new.is_empty() { "" } else { "/" };
            text("path_redirect", &[slash, new].concat()).map(RedirectPath::Whole)
        }
        Some(PathRewriteSpecifier::PrefixRewrite(new)) => {
            text("prefix_rewrite", new).map(RedirectPath::Prefix)
        }
        Some(PathRewriteSpecifier::RegexRewrite(rewrite)) => report
            .check(&path.field("regex_rewrite"), regex_rewrite(rewrite))
            .map(RedirectPath::Regex),
        // Refused by its row.
        Some(PathRewriteSpecifier::PathRewrite(_)) | None => None,
    };
    let port = report.check(&path.field("port_redirect"), proto::port(value.port_redirect));
    Some(Redirect {
        status: status?,
        scheme,
        host,
        port: Some(u32::from(port?)).filter(|port| *port > 0),
        path: new_path.unwrap_or(RedirectPath::Kept),
        strip_query: value.strip_query,
    })
}

/// What may stand in `location`.
fn header_text(text: &str) -> Result<Box<str>, Fault> {
    HeaderValue::from_str(text)
        .map(|_| text.into())
        .map_err(|_| format!("{text:?} cannot stand in a header"))
}
