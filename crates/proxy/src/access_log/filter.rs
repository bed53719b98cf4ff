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

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use destrier_policy::{
        AccessLogType, Comparison, ComparisonOp, FormatOperator, HeaderMatch, StringMatcher, Text,
    };
    use destrier_upstream::ResponseFlag;

    use super::*;
    use crate::access_log::line::Value;

    /// A request that failed after 20 ms, of gRPC.
    struct Failed;

    impl Line for Failed {
        fn write(&self, _: &FormatOperator, _: &mut Vec<u8>) -> Value {
            Value::Absent
        }

        fn request_header(&self, key: &HeaderKey) -> Option<Cow<'_, [u8]>> {
            match key {
                HeaderKey::Name(name) if *name == REQUEST_ID => {
                    Some(Cow::Borrowed(b"00000032-0000-4000-8000-000000000000"))
                }
                HeaderKey::Name(name) if name == "x-a" => Some(Cow::Borrowed(b"b")),
                _ => None,
            }
        }

        fn status(&self) -> u16 {
            503
        }

        fn milliseconds(&self) -> u64 {
            20
        }

        fn flags(&self) -> &[ResponseFlag] {
            &[ResponseFlag::UF]
        }

        fn grpc_status(&self) -> Option<u32> {
            Some(14)
        }

        fn kind(&self) -> AccessLogType {
            AccessLogType::DownstreamEnd
        }
    }

    fn comparison(operation: ComparisonOp, value: u32) -> Comparison {
        Comparison { operation, value }
    }

    fn header(value: &str) -> AccessLogFilter {
        AccessLogFilter::Header(Box::new(HeaderMatcher {
            name: "x-a".into(),
            condition: HeaderMatch::String(StringMatcher::Exact(Text {
                value: value.into(),
                ignore_case: false,
            })),
            invert: false,
            missing_is_empty: false,
        }))
    }

    fn share(count: u32, of: u32) -> AccessLogFilter {
        AccessLogFilter::Share { count, of, draw: Draw::ByRequestId }
    }

    #[test]
    fn each_filter_lets_through_what_it_says() {
        use AccessLogFilter as F;
        use ComparisonOp::{AtLeast, AtMost, Equal, NotEqual};
        let flags =
            |flags: &[&str]| F::ResponseFlags(flags.iter().map(|f| Box::from(*f)).collect());
        let grpc = |statuses: &[u32], exclude| F::GrpcStatus { statuses: statuses.into(), exclude };
        let kinds = |kind, exclude| F::LogType { types: Box::from([kind]), exclude };
        let (yes, no) = (|| F::NotHealthCheck, || F::Traceable);
        for (filter, through) in [
            (F::StatusCode(comparison(Equal, 503)), true),
            (F::StatusCode(comparison(NotEqual, 503)), false),
            (F::StatusCode(comparison(AtLeast, 500)), true),
            (F::StatusCode(comparison(AtMost, 499)), false),
            (F::Duration(comparison(AtLeast, 20)), true),
            (F::Duration(comparison(AtLeast, 21)), false),
            (yes(), true),
            (no(), false),
            (F::And(Box::from([yes(), yes()])), true),
            (F::And(Box::from([yes(), no()])), false),
            (F::Or(Box::from([no(), yes()])), true),
            (F::Or(Box::from([no(), no()])), false),
            (header("b"), true),
            (header("c"), false),
            (flags(&["UH", "UF"]), true),
            (flags(&["UH"]), false),
            (flags(&[]), true),
            (grpc(&[0, 14], false), true),
            (grpc(&[0], false), false),
            (grpc(&[0], true), true),
            (kinds(AccessLogType::DownstreamEnd, false), true),
            (kinds(AccessLogType::DownstreamStart, false), false),
            (kinds(AccessLogType::DownstreamStart, true), true),
            // The first 32 bits of the request id are 50.
            (share(51, 100), true),
            (share(50, 100), false),
            (share(0, 100), false),
            (share(100, 100), true),
            (F::Share { count: 0, of: 100, draw: Draw::Independent }, false),
            (F::Share { count: 100, of: 100, draw: Draw::Independent }, true),
        ] {
            assert_eq!(lets_through(&filter, &Failed), through, "{filter:?}");
        }
    }

    #[test]
    fn what_a_filter_looks_at_is_kept() {
        let mut names = Vec::new();
        let nested = AccessLogFilter::Or(Box::from([header("b"), share(1, 2)]));
        headers(&nested, &mut |key| names.push(key));
        assert_eq!(names, [HeaderKey::new("x-a"), HeaderKey::new("x-request-id")]);
    }
}
