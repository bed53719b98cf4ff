//! The connection and its streams.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;

use bytes::{BufMut, BytesMut};
use destrier_policy::UnderscorePolicy;
use destrier_upstream::h1::Reader;
use destrier_upstream::{Body, Forward, ResponseFlag};
use http::header::{COOKIE, HOST, HeaderMap, HeaderValue};
use http::{Request, Response};
use http_body::Body as _;
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::time::Instant;

use super::body::AnswerBody;
use super::io::Rewound;
use super::limits::{self, Resets};
use super::watch::OnWorker;
use crate::alarm::Alarm;
use crate::connection::{Ends, HttpConnection, Parting, Side};
use crate::exchange::{Exchange, Protocol};
use crate::http1::linger;
use crate::progress::RequestProgress;
use crate::request_body::RequestBody;
use crate::scope::HttpScope;
use crate::stack::{ClientLeft, Handle, Stack, stack};

/// Alarms that are kept for streams to come.
const SPARE_ALARMS: usize = 64;

/// What the streams of a connection share.
pub(super) struct Connection {
    scope: Arc<HttpScope>,
    ends: Ends,
    stack: Stack<Forward>,
    streams: AtomicUsize,
    /// Streams that were begun, where they are limited.
    begun: AtomicU32,
    resets: Resets,
    /// The client has ended the connection.
    gone: Arc<AtomicBool>,
    spare: Mutex<Vec<Alarm>>,
}

/// Serves a connection to its end.
pub(crate) async fn serve(connection: HttpConnection) -> Parting {
    let HttpConnection { stream, buffer, ends, scope, drain, forward } = connection;
    let _counted = scope.stats.http2_connection();
    let policy = Arc::clone(&scope.policy);
    let gone = Arc::<AtomicBool>::default();
    let shared = Arc::new(Connection {
        stack: stack(forward),
        scope: Arc::clone(&scope),
        ends,
        streams: AtomicUsize::new(0),
        begun: AtomicU32::new(0),
        resets: Resets::default(),
        gone: Arc::clone(&gone),
        spare: Mutex::default(),
    });
    let mut builder = http2::Builder::new(OnWorker);
    builder
        .timer(TokioTimer::new())
        .auto_date_header(false)
        .max_concurrent_streams(policy.http2.max_concurrent_streams)
        .initial_stream_window_size(policy.http2.initial_stream_window_size)
        .initial_connection_window_size(policy.http2.initial_connection_window_size)
        .max_send_buf_size(limits::SEND_BUFFER)
        .max_pending_accept_reset_streams(limits::PENDING_RESETS)
        .max_local_error_reset_streams(limits::STREAM_ERRORS)
        .max_header_list_size(policy.max_request_headers_kb.saturating_mul(1024));
    if let Some(keepalive) = &policy.http2.keepalive {
        builder.keep_alive_interval(keepalive.interval).keep_alive_timeout(keepalive.timeout);
    }
    let stream = Arc::new(stream);
    let io = Rewound { first: buffer, stream: Arc::clone(&stream), ended: Arc::clone(&gone) };
    let io = TokioIo::new(io);
    let service = {
        let shared = Arc::clone(&shared);
        // Boxed, as hyper and the runtime move a stream's future several times before it first runs and
        // once more at its end.
        service_fn(move |request| Box::pin(answer(Arc::clone(&shared), request)))
    };
    let mut serving = Box::pin(builder.serve_connection(io, service));
    let mut drain_begun = pin!(drain.begun());
    let mut leaving = false;
    let mut idle_since = Instant::now();
    let until = policy.max_connection_duration.map(|duration| idle_since + duration);
    let mut alarm = Alarm::default();
    let result = poll_fn(|cx| {
        loop {
            if let Poll::Ready(result) = serving.as_mut().poll(cx) {
                return Poll::Ready(result);
            }
            if shared.resets.are_abuse() {
                scope.stats.downstream_rq_too_many_premature_resets.inc();
                return Poll::Ready(Ok(()));
            }
            if leaving {
                return Poll::Pending;
            }
            if drain_begun.as_mut().poll(cx).is_ready() {
                scope.stats.downstream_cx_drain_close.inc();
            } else {
                // Polled whenever a stream begins or frames come, so the alarm need not be exact.
                if shared.streams.load(Ordering::Relaxed) > 0 {
                    idle_since = Instant::now();
                }
                let idle = policy.idle_timeout.map(|timeout| idle_since + timeout);
                alarm.set(idle.into_iter().chain(until).min());
                if shared.is_used_up() {
                    scope.stats.downstream_cx_max_requests_reached.inc();
                } else if alarm.poll(cx).is_pending() {
                    return Poll::Pending;
                } else if until.is_some_and(|until| until <= Instant::now()) {
                    scope.stats.downstream_cx_max_duration_reached.inc();
                } else if shared.streams.load(Ordering::Relaxed) > 0 {
                    continue;
                } else {
                    scope.stats.downstream_cx_idle_timeout.inc();
                }
            }
            // GOAWAY; streams that run may end.
            leaving = true;
            serving.as_mut().graceful_shutdown();
        }
    });
    let result = result.await;
    let by = if gone.load(Ordering::Relaxed) { Side::Client } else { Side::Proxy };
    let within_request = shared.streams.load(Ordering::Relaxed) > 0;
    drop(serving);
    if let Err(error) = result
        && is_protocol_error(&error)
    {
        scope.stats.downstream_cx_protocol_error.inc();
        if !gone.load(Ordering::Relaxed) {
            // A reset might overtake the GOAWAY that says why.
            linger(Reader::new(stream), alarm, policy.delayed_close_timeout).await;
        }
    }
    Parting { by, within_request }
}

fn is_protocol_error(error: &hyper::Error) -> bool {
    let h2 = std::error::Error::source(error).and_then(|error| error.downcast_ref::<h2::Error>());
    h2.is_some_and(|h2| !h2.is_io() && !h2.is_remote())
}

impl Connection {
    /// Whether it has taken as many requests as it may (`max_requests_per_connection`).
    fn is_used_up(&self) -> bool {
        let most = self.scope.policy.max_requests_per_connection;
        most.is_some_and(|most| self.begun.load(Ordering::Relaxed) >= most)
    }

    fn stream_begun(&self) -> Alarm {
        self.streams.fetch_add(1, Ordering::Relaxed);
        if self.scope.policy.max_requests_per_connection.is_some() {
            self.begun.fetch_add(1, Ordering::Relaxed);
        }
        self.spare.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    /// A stream ended before its answer did, and not from here.
    pub(super) fn stream_abandoned(&self, exchange: &mut Exchange) {
        self.resets.reset(exchange.timers.started.elapsed());
        if exchange.progress.as_ref().is_some_and(|progress| progress.is_malformed()) {
            exchange.stream_reset(ResponseFlag::DPE, "http2.remote_reset");
        } else if self.gone.load(Ordering::Relaxed) {
            exchange.client_left();
        } else {
            exchange.stream_reset(ResponseFlag::DR, "http2.remote_reset");
        }
    }

    /// Gives back what a stream used.
    pub(super) fn stream_ended(&self, alarm: Alarm) {
        self.streams.fetch_sub(1, Ordering::Relaxed);
        self.resets.ended();
        let mut spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner);
        if spare.len() < SPARE_ALARMS {
            spare.push(alarm);
        }
    }
}

/// Has a request answered; the client's reset drops it.
async fn answer(
    connection: Arc<Connection>,
    request: Request<Incoming>,
) -> Result<Response<AnswerBody>, ClientLeft> {
    let alarm = connection.stream_begun();
    let (scope, ends) = (Arc::clone(&connection.scope), connection.ends.clone());
    let exchange = Exchange::new(scope, ends, Protocol::Http2, Instant::now(), alarm);
    // Ends the exchange wherever this is dropped.
    let mut pending = AnswerBody::new(exchange, Arc::clone(&connection));
    let request = assemble(pending.exchange(), request)?;
    let response = connection.stack.handle(pending.exchange(), request).await?;
    // A stream whose request is at fault was reset: there is nothing to answer any more.
    match &pending.exchange().progress {
        Some(progress) if progress.is_malformed() => {
            pending.exchange().retract();
            Err(ClientLeft)
        }
        _ => Ok(response.map(|body| pending.answered(body))),
    }
}

/// Makes the request that the stack takes, unless the listener refuses its headers: then the stream is
/// reset.
fn assemble(
    exchange: &mut Exchange,
    request: Request<Incoming>,
) -> Result<Request<Body>, ClientLeft> {
    let policy = &exchange.scope.policy;
    let headers = request.headers();
    if policy.headers_with_underscores == UnderscorePolicy::RejectRequest
        && headers.keys().any(|name| name.as_str().contains('_'))
    {
        exchange.stream_reset(ResponseFlag::DR, "http2.unexpected_underscore");
        return Err(ClientLeft);
    }
    if headers.len() > policy.max_headers_count as usize {
        exchange.scope.stats.downstream_rq_too_large.inc();
        exchange.stream_reset(ResponseFlag::DR, "http2.too_many_headers");
        return Err(ClientLeft);
    }
    let (mut parts, body) = request.into_parts();
    if parts.uri.authority().is_some() {
        parts.headers.remove(HOST);
    }
    join_cookies(&mut parts.headers);
    let body = if body.is_end_stream() {
        Body::empty()
    } else {
        let progress = Arc::new(RequestProgress::new(exchange.timers.started));
        exchange.progress = Some(Arc::clone(&progress));
        Body::boxed(RequestBody::new(body, progress))
    };
    Ok(Request::from_parts(parts, body))
}

/// HTTP/2 may split a cookie; HTTP/1 may not (RFC 9113, 8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    let mut cookies = headers.get_all(COOKIE).iter();
    let (Some(first), Some(second)) = (cookies.next(), cookies.next()) else { return };
    let mut joined = BytesMut::from(first.as_bytes());
    for cookie in std::iter::once(second).chain(cookies) {
        joined.put_slice(b"; ");
        joined.put_slice(cookie.as_bytes());
    }
    let value = HeaderValue::from_maybe_shared(joined.freeze());
    headers.insert(COOKIE, value.expect("parts of header values make a header value"));
}
