//! How long a forwarded request may take.

use std::time::Duration;

use destrier_policy::{ForwardAction, GrpcTimeout};
use http::header::{HeaderMap, HeaderName, HeaderValue};

use crate::exchange::Exchange;
use crate::stack::AnswerForm;

const EXPECTED_TIMEOUT: HeaderName = HeaderName::from_static("x-envoy-expected-rq-timeout-ms");
const ASKED_TIMEOUT: HeaderName = HeaderName::from_static("x-envoy-upstream-rq-timeout-ms");
const INTERNAL: HeaderName = HeaderName::from_static("x-envoy-internal");
const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

/// What an internal client says to the router. It ends here; those of retries and hedging are not obeyed
/// yet.
const FOR_THE_ROUTER: [&str; 9] = [
    "x-envoy-upstream-rq-timeout-ms",
    "x-envoy-upstream-rq-per-try-timeout-ms",
    "x-envoy-upstream-rq-timeout-alt-response",
    "x-envoy-upstream-stream-duration-ms",
    "x-envoy-max-retries",
    "x-envoy-retry-on",
    "x-envoy-retry-grpc-on",
    "x-envoy-retriable-status-codes",
    "x-envoy-retriable-header-names",
];

/// Sets the deadlines of a request that takes this route, and tells the cluster in
/// `x-envoy-expected-rq-timeout-ms` how long it has (Envoy: `FilterUtility::finalTimeout`).
pub(crate) fn settle(exchange: &mut Exchange, action: &ForwardAction, headers: &mut HeaderMap) {
    let asked = asked_by_internal_client(headers);
    let grpc =
        action.max_grpc_timeout.filter(|_| AnswerForm::of_headers(headers) == AnswerForm::Grpc);
    let configured = match grpc {
        // A stream's duration counts instead.
        _ if action.stream_duration.is_some() => None,
        Some(limit) => limited(grpc_timeout(headers), limit, OffsetBeyond::Ignored),
        None => action.timeout,
    };
    let timeout = asked.unwrap_or(configured);
    exchange.timers.response = timeout;
    if let Some(timeout) = timeout
        && !exchange.scope.policy.suppress_envoy_headers
    {
        headers.insert(EXPECTED_TIMEOUT, milliseconds(timeout));
    }
    if let (Some(timeout), Some(_), None) = (timeout, grpc, action.stream_duration) {
        headers.insert(GRPC_TIMEOUT, grpc_milliseconds(timeout));
    }
    if action.stream_duration.is_some() {
        settle_duration(exchange, action, headers);
    }
}

/// `max_stream_duration` of the route, else what the connection manager's made of it before (Envoy:
/// `ActiveStream::refreshDurationTimeout`).
fn settle_duration(exchange: &mut Exchange, action: &ForwardAction, headers: &mut HeaderMap) {
    let Some(duration) = action.stream_duration else { return };
    let asked = grpc_timeout(headers);
    let timeout = match (asked, duration.grpc, duration.max) {
        (Some(_), Some(limit), _) => limited(asked, limit, OffsetBeyond::AtOnce),
        (_, _, Some(max)) => Some(max).filter(|max| !max.is_zero()),
        (_, _, None) => return,
    };
    exchange.timers.duration = timeout;
    if let Some(timeout) = timeout
        && headers.contains_key(GRPC_TIMEOUT)
    {
        headers.insert(GRPC_TIMEOUT, grpc_milliseconds(timeout));
    }
}

/// What becomes of a timeout that is no longer than the offset.
#[derive(Clone, Copy, PartialEq, Eq)]
enum OffsetBeyond {
    /// It stays.
    Ignored,
    /// There is no time left.
    AtOnce,
}

/// The timeout that a request may have; `None` is no limit.
fn limited(asked: Option<Duration>, limit: GrpcTimeout, beyond: OffsetBeyond) -> Option<Duration> {
    let asked = asked.filter(|asked| !asked.is_zero());
    let most = Some(limit.max).filter(|max| !max.is_zero());
    let less = |timeout: Duration| match timeout.checked_sub(limit.offset) {
        Some(less) if !less.is_zero() => less,
        _ if beyond == OffsetBeyond::Ignored => timeout,
        _ => Duration::ZERO,
    };
    // Of the deprecated form the offset comes first, of the other the limit.
    let asked = match beyond {
        OffsetBeyond::Ignored => asked.map(less),
        OffsetBeyond::AtOnce => asked,
    };
    let timeout = match (asked, most) {
        (Some(asked), Some(most)) => Some(asked.min(most)),
        (None, most) => most,
        (asked, None) => asked,
    };
    match beyond {
        OffsetBeyond::Ignored => timeout,
        OffsetBeyond::AtOnce => timeout.map(less),
    }
}

/// What an internal client asked for: `Some(None)` is no timeout. Nobody else may ask: those headers of
/// other clients were removed before.
fn asked_by_internal_client(headers: &mut HeaderMap) -> Option<Option<Duration>> {
    if headers.get(INTERNAL).is_none_or(|value| value != "true") {
        return None;
    }
    let asked = headers.get(ASKED_TIMEOUT).and_then(|value| value.to_str().ok()?.parse().ok());
    FOR_THE_ROUTER.iter().for_each(|name| drop(headers.remove(*name)));
    asked.map(|asked: u32| {
        Some(Duration::from_millis(asked.into())).filter(|timeout| !timeout.is_zero())
    })
}

/// `grpc-timeout`: up to eight digits and a unit (gRPC over HTTP/2, Timeout).
fn grpc_timeout(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(GRPC_TIMEOUT)?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if !(1..=8).contains(&digits.len()) || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number: u64 = digits.parse().ok()?;
    // In whole milliseconds, rounded up, as Envoy has them.
    let milliseconds = match unit {
        "H" => number * 3_600_000,
        "M" => number * 60_000,
        "S" => number * 1000,
        "m" => number,
        "u" => number.div_ceil(1000),
        "n" => number.div_ceil(1_000_000),
        _ => return None,
    };
    Some(Duration::from_millis(milliseconds))
}

/// The value of `grpc-timeout`, in the finest unit that eight digits hold.
fn grpc_milliseconds(timeout: Duration) -> HeaderValue {
    const MOST: u128 = 99_999_999;
    let milliseconds = timeout.as_millis();
    let text = [(1, "m"), (1000, "S"), (60_000, "M"), (3_600_000, "H")]
        .into_iter()
        .find(|(unit, _)| milliseconds / unit <= MOST)
        .map_or(format!("{MOST}H"), |(unit, letter)| format!("{}{letter}", milliseconds / unit));
    HeaderValue::try_from(text).expect("digits and a letter")
}

fn milliseconds(timeout: Duration) -> HeaderValue {
    match timeout.as_millis() as u64 {
        // The default needs no text made.
        15_000 => HeaderValue::from_static("15000"),
        other => HeaderValue::from(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: &'static str, value: &'static str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(name, HeaderValue::from_static(value));
        headers
    }

    #[test]
    fn grpc_timeouts_are_read_and_written() {
        let read = |text| grpc_timeout(&with("grpc-timeout", text));
        for (text, milliseconds) in [
            ("1H", 3_600_000),
            ("2M", 120_000),
            ("3S", 3000),
            ("250m", 250),
            ("1u", 1),
            ("1999999n", 2),
            ("0m", 0),
        ] {
            assert_eq!(read(text), Some(Duration::from_millis(milliseconds)), "{text}");
        }
        for wrong in ["", "1", "m", "-1m", "123456789m", "1x", "1 m"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
        for (seconds, text) in [(1, "1000m"), (100_000, "100000S"), (200_000_000, "3333333M")] {
            assert_eq!(grpc_milliseconds(Duration::from_secs(seconds)), text);
        }
    }

    #[test]
    fn limits_and_offsets() {
        let ms = Duration::from_millis;
        let limit = |max, offset| GrpcTimeout { max: ms(max), offset: ms(offset) };
        for (asked, limit, ignored, at_once) in [
            (Some(500), limit(0, 0), Some(500), Some(500)),
            (Some(500), limit(300, 0), Some(300), Some(300)),
            (Some(500), limit(0, 20), Some(480), Some(480)),
            (Some(500), limit(300, 20), Some(300), Some(280)),
            (Some(500), limit(0, 600), Some(500), Some(0)),
            (None, limit(300, 0), Some(300), Some(300)),
            (None, limit(0, 0), None, None),
        ] {
            let asked = asked.map(ms);
            assert_eq!(limited(asked, limit, OffsetBeyond::Ignored), ignored.map(ms), "{limit:?}");
            assert_eq!(limited(asked, limit, OffsetBeyond::AtOnce), at_once.map(ms), "{limit:?}");
        }
    }

    #[test]
    fn an_internal_client_may_ask() {
        let mut headers = with("x-envoy-upstream-rq-timeout-ms", "500");
        assert_eq!(asked_by_internal_client(&mut headers), None);
        headers.insert(INTERNAL, HeaderValue::from_static("true"));
        let asked = asked_by_internal_client(&mut headers);
        assert_eq!(asked, Some(Some(Duration::from_millis(500))));
        assert_eq!(headers.len(), 1, "it ends here");
        headers.insert(ASKED_TIMEOUT, HeaderValue::from_static("0"));
        assert_eq!(asked_by_internal_client(&mut headers), Some(None));
        headers.insert(ASKED_TIMEOUT, HeaderValue::from_static("soon"));
        assert_eq!(asked_by_internal_client(&mut headers), None);
    }
}
