//! What is added to every answer.

use std::cell::RefCell;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use destrier_policy::ServerHeader;
use http::Response;
use http::header::{DATE, HeaderValue, SERVER};
use tokio::time::Instant;

use super::forwarded::X_REQUEST_ID;
use super::via;
use crate::exchange::Exchange;

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
