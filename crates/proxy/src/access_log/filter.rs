//! Whether a line is written.

use destrier_policy::{AccessLogFilter, Draw, HeaderKey, HeaderMatcher};
use http::HeaderName;

use super::flags;
use super::line::Line;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Whether the filter lets something through (`accesslog.proto: AccessLogFilter`).
pub(crate) fn lets_through(filter: &AccessLogFilter, line: &impl Line) -> bool {
    match filter {
        AccessLogFilter::StatusCode(comparison) => comparison.holds(line.status().into()),
        AccessLogFilter::Duration(comparison) => comparison.holds(line.milliseconds()),
        AccessLogFilter::NotHealthCheck => true,
        AccessLogFilter::Traceable => false,
        AccessLogFilter::Share { count, of, draw } => {
            draw_lot(*draw, line) % u64::from((*of).max(1)) < u64::from(*count)
        }
        AccessLogFilter::And(filters) => filters.iter().all(|filter| lets_through(filter, line)),
        AccessLogFilter::Or(filters) => filters.iter().any(|filter| lets_through(filter, line)),
        AccessLogFilter::Header(matcher) => {
            matcher.matches(line.request_header(&key(matcher)).as_deref())
        }
        AccessLogFilter::ResponseFlags(wanted) if wanted.is_empty() => !line.flags().is_empty(),
        AccessLogFilter::ResponseFlags(wanted) => line.flags().iter().any(|flag| {
            let (short, _) = flags::names(*flag);
            wanted.iter().any(|wanted| **wanted == *short)
        }),
        AccessLogFilter::GrpcStatus { statuses, exclude } => {
            // What is no gRPC is taken by its HTTP status, as in Envoy.
            let status = line.grpc_status();
            status.is_some_and(|status| statuses.contains(&status)) != *exclude
        }
        AccessLogFilter::LogType { types, exclude } => types.contains(&line.kind()) != *exclude,
    }
}

/// Calls `want` with each header of the request that the filter looks at.
pub(super) fn headers(filter: &AccessLogFilter, want: &mut dyn FnMut(HeaderKey)) {
    match filter {
        AccessLogFilter::Header(matcher) => want(key(matcher)),
        AccessLogFilter::Share { draw: Draw::ByRequestId, .. } => want(HeaderKey::Name(REQUEST_ID)),
        AccessLogFilter::And(filters) | AccessLogFilter::Or(filters) => {
            filters.iter().for_each(|filter| headers(filter, want));
        }
        _ => {}
    }
}

fn key(matcher: &HeaderMatcher) -> HeaderKey {
    HeaderKey::new(&matcher.name)
}

/// The first 32 bits of the request id, so that all proxies on the way choose the same requests.
fn draw_lot(draw: Draw, line: &impl Line) -> u64 {
    let of_request = || {
        let id = line.request_header(&HeaderKey::Name(REQUEST_ID))?;
        let first = std::str::from_utf8(id.get(..8)?).ok()?;
        u64::from_str_radix(first, 16).ok()
    };
    match draw {
        Draw::ByRequestId => of_request().unwrap_or_else(rand::random),
        Draw::Independent => rand::random(),
    }
}
