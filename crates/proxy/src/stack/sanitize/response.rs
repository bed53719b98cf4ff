//! What is added to every answer.

use std::borrow::Cow;
use std::cell::RefCell;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use destrier_policy::ServerHeader;
use http::header::{DATE, HeaderName, HeaderValue, SERVER};
use http::{HeaderMap, Response};
use tokio::time::Instant;

use super::forwarded::X_REQUEST_ID;
use super::via;
use crate::exchange::Exchange;

const SERVICE_TIME: HeaderName = HeaderName::from_static("x-envoy-upstream-service-time");

/// Adds `date`, unless the answer has one, and what the connection manager says of itself and the request.
pub(crate) fn stamp<B>(exchange: &mut Exchange, response: &mut Response<B>) {
    let now = *exchange.answered.get_or_insert_with(Instant::now);
    let headers = response.headers_mut();
    if !headers.contains_key(DATE) {
        headers.insert(DATE, date(now));
    }
    let scope = &exchange.scope;
    match scope.policy.server_header {
        ServerHeader::AppendIfAbsent if headers.contains_key(SERVER) => {}
        ServerHeader::Overwrite | ServerHeader::AppendIfAbsent => {
            headers.insert(SERVER, scope.server.clone());
        }
        ServerHeader::PassThrough => {}
    }
    if let Some(via) = &scope.via {
        via::append(headers, via);
    }
    if let Some(id) = exchange.request_id.take() {
        headers.insert(X_REQUEST_ID, id);
    }
}

/// Rewrites the headers of a cluster's answer. The time is counted from the end of the request.
pub(super) fn rewrite(exchange: &mut Exchange, headers: &mut HeaderMap) {
    exchange.details = Cow::Borrowed("via_upstream");
    if exchange.scope.policy.suppress_envoy_headers {
        return;
    }
    let answered = *exchange.answered.get_or_insert_with(Instant::now);
    let asked = exchange.progress.as_ref().and_then(|progress| progress.ended_at());
    let taken = answered.saturating_duration_since(asked.unwrap_or(exchange.timers.started));
    headers.insert(SERVICE_TIME, HeaderValue::from(taken.as_millis() as u64));
}

/// The date of this second, made once per second and worker.
fn date(now: Instant) -> HeaderValue {
    thread_local! {
        static CURRENT: RefCell<Option<(Instant, Instant, HeaderValue)>> = const { RefCell::new(None) };
    }
    CURRENT.with_borrow_mut(|current| {
        if let Some((from, until, value)) = current
            && (*from..*until).contains(&now)
        {
            return value.clone();
        }
        let wall = wall_clock();
        let into_second = wall.duration_since(UNIX_EPOCH).map_or(0, |since| since.subsec_nanos());
        let until = now + Duration::from_secs(1) - Duration::from_nanos(into_second.into());
        let text = httpdate::fmt_http_date(wall);
        let value = HeaderValue::from_str(&text).expect("a date is visible ASCII");
        *current = Some((now, until, value.clone()));
        value
    })
}

#[expect(clippy::disallowed_methods, reason = "a driver: `date` says the time of the machine")]
fn wall_clock() -> SystemTime {
    SystemTime::now()
}
