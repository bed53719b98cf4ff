//! The loop of a connection.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use destrier_http1::{
    BodyLength, ConnectionOption, HeadError, HeadLimits, HeadParser, RequestHead,
};
use destrier_policy::HeaderCase;
use destrier_upstream::{Body, Forward, GoOn};
use http::{Method, Response, StatusCode, Version};
use tokio::time::Instant;
use tokio_util::sync::WaitForCancellationFutureOwned;

use super::answer::{self, Answer, Trailers, Written};
use super::close::{Farewell, linger, reset_at_close};
use super::life::Life;
use super::outbox::Outbox;
use super::pending::{answered, tell_to_go_on};
use super::reading::Reading;
use super::request::{self, Source};
use crate::alarm::Alarm;
use crate::connection::{Ends, HttpConnection, Parting, Side};
use crate::drain::Drain;
use crate::exchange::{AfterAnswer, Exchange, Protocol};
use crate::scope::HttpScope;
use crate::stack::{AnswerForm, Handle, LocalReply, Stack, reply, stack};
use crate::tcp;

/// A connection.
pub(super) struct Server {
    reading: Reading,
    parser: HeadParser,
    outbox: Outbox,
    alarm: Alarm,
    stack: Stack<Forward>,
    scope: Arc<HttpScope>,
    ends: Ends,
    life: Life,
    drain: Arc<Drain>,
    drain_begun: Pin<Box<WaitForCancellationFutureOwned>>,
}

/// What comes next on a connection.
enum Next {
    Request(RequestHead),
    /// No request: it is answered and the connection ends.
    Refuse(LocalReply),
    /// Nothing more.
    End(Side),
}

/// What becomes of the connection after an answer.
enum Then {
    NextRequest,
    /// Nothing more is said; the client may still be reading.
    Linger,
    /// It is cut, so that no one takes the answer for whole.
    Cut(Side),
}

/// How long a connection is idle before it gives its buffers back. Longer than most deadlines of a
/// request, so that the alarm of a busy connection stays as it is.
const REST: Duration = Duration::from_secs(20);

/// A wait for a head.
#[derive(Default)]
struct Waiting {
    since: Option<Instant>,
    /// When the first byte of the head was there.
    begun: Option<Instant>,
    rested: bool,
}

impl Waiting {
    fn rest_at(&self) -> Option<Instant> {
        self.since.filter(|_| !self.rested).map(|since| since + REST)
    }
}

impl Server {
    pub(super) fn new(connection: HttpConnection) -> Self {
        let HttpConnection { stream, buffer, ends, scope, drain, forward } = connection;
        let stream = Arc::new(stream);
        let limits = HeadLimits {
            max_bytes: scope.policy.max_request_headers_kb as usize * 1024,
            max_headers: scope.policy.max_headers_count as usize,
        };
        Self {
            reading: Reading::new(buffer, stream, scope.buffer_limit),
            parser: HeadParser::new(limits),
            outbox: Outbox::new(scope.buffer_limit),
            alarm: Alarm::default(),
            stack: stack(forward),
            drain_begun: Box::pin(drain.begun()),
            life: Life::new(&scope.policy),
            scope,
            ends,
            drain,
        }
    }

    pub(super) async fn run(mut self) -> Parting {
        // Once is enough: the future keeps the waker of this task.
        poll_fn(|cx| {
            let _ = self.drain_begun.as_mut().poll(cx);
            Poll::Ready(())
        })
        .await;
        loop {
            let then = match self.next().await {
                Next::Request(head) => self.serve(head).await,
                Next::Refuse(reply) => self.refuse(reply).await,
                Next::End(by) => return Parting::idle(by),
            };
            match then {
                Then::NextRequest => {}
                Then::Linger => break,
                Then::Cut(by) => return Parting { by, within_request: true },
            }
        }
        let patience = self.scope.policy.delayed_close_timeout;
        if let Some(reader) = self.reading.into_rest()
            && linger(reader, self.alarm, patience).await == Farewell::Unheard
        {
            self.scope.stats.downstream_cx_delayed_close_timeout.inc();
        }
        Parting::idle(Side::Proxy)
    }

    /// Reads a head.
    async fn next(&mut self) -> Next {
        let mut waiting = Waiting::default();
        poll_fn(|cx| self.poll_next(cx, &mut waiting)).await
    }

    fn poll_next(&mut self, cx: &mut Context<'_>, waiting: &mut Waiting) -> Poll<Next> {
        let Some(reader) = &mut self.reading.reader else {
            return Poll::Ready(Next::End(Side::Proxy));
        };
        loop {
            if !reader.is_empty() {
                match self.parser.parse_request(reader.buffer()) {
                    Ok(Some(head)) => return Poll::Ready(Next::Request(head)),
                    Ok(None) => {}
                    Err(error) => return Poll::Ready(Next::Refuse(self.malformed(error))),
                }
            }
            match reader.poll_fill(cx) {
                Poll::Ready(Ok(0) | Err(_)) => return Poll::Ready(Next::End(Side::Client)),
                Poll::Ready(Ok(_)) => {}
                Poll::Pending => break,
            }
        }
        let begun = !reader.is_empty();
        loop {
            let deadline = if begun { self.head_until(waiting) } else { self.idle_until(waiting) };
            let rest = waiting.rest_at().filter(|_| !begun);
            self.alarm.set(deadline.into_iter().chain(rest).min());
            if self.alarm.poll(cx).is_pending() {
                return Poll::Pending;
            }
            if rest.is_some() && rest <= deadline.or(rest) {
                waiting.rested = true;
                self.rest();
                continue;
            }
            return Poll::Ready(if begun { self.slow_head() } else { self.idle_too_long() });
        }
    }

    /// Until when a head that has begun must be complete.
    fn head_until(&self, waiting: &mut Waiting) -> Option<Instant> {
        let begun = *waiting.begun.get_or_insert_with(Instant::now);
        let policy = &self.scope.policy;
        let timeouts = policy.request_headers_timeout.into_iter().chain(policy.request_timeout);
        timeouts.min().map(|timeout| begun + timeout)
    }

    /// Until when a head must begin.
    fn idle_until(&self, waiting: &mut Waiting) -> Option<Instant> {
        let since = *waiting.since.get_or_insert_with(Instant::now);
        let idle = self.scope.policy.idle_timeout.map(|timeout| since + timeout);
        idle.into_iter().chain(self.drain.idle_until()).chain(self.life.idle_until()).min()
    }

    /// Gives memory back in a long wait.
    fn rest(&mut self) {
        self.outbox.release();
        if let Some(reader) = &mut self.reading.reader {
            reader.release();
        }
    }

    fn slow_head(&self) -> Next {
        let HttpScope { policy, stats, .. } = &*self.scope;
        let of_head = policy.request_headers_timeout;
        let whole_first =
            policy.request_timeout.is_some_and(|whole| of_head.is_none_or(|it| whole < it));
        if whole_first {
            stats.downstream_rq_timeout.inc();
            return Next::Refuse(LocalReply::request_timeout());
        }
        stats.downstream_rq_header_timeout.inc();
        Next::Refuse(LocalReply::head_timeout())
    }

    fn idle_too_long(&mut self) -> Next {
        let stats = &self.scope.stats;
        if self.drain.has_begun() {
            stats.downstream_cx_drain_close.inc();
        } else if self.life.is_over(Instant::now()) {
            self.life.count(stats);
        } else {
            stats.downstream_cx_idle_timeout.inc();
        }
        Next::End(Side::Proxy)
    }

    fn malformed(&self, error: HeadError) -> LocalReply {
        let stats = &self.scope.stats;
        match error {
            HeadError::TooLarge { .. } | HeadError::TooManyHeaders { .. } => {
                stats.downstream_rq_too_large.inc();
            }
            _ => stats.downstream_cx_protocol_error.inc(),
        }
        LocalReply::malformed(error)
    }

    fn begin(&mut self, protocol: Protocol) -> Exchange {
        let alarm = std::mem::take(&mut self.alarm);
        let (scope, ends) = (Arc::clone(&self.scope), self.ends.clone());
        Exchange::new(scope, ends, protocol, Instant::now(), alarm)
    }

    /// Answers what is no request.
    async fn refuse(&mut self, local: LocalReply) -> Then {
        let mut exchange = self.begin(Protocol::Http11);
        let response = reply(&mut exchange, AnswerForm::Http, local);
        exchange.note_response(response.status(), response.headers());
        self.answer(&mut exchange, &Method::GET, response).await
    }

    /// Has a request answered.
    async fn serve(&mut self, head: RequestHead) -> Then {
        let protocol = match request::check(&head, &self.scope) {
            Ok(protocol) => protocol,
            Err(reply) => return self.refuse(reply).await,
        };
        let mut exchange = self.begin(protocol);
        self.life.request_begun();
        if !head.keep_alive {
            exchange.after = AfterAnswer::Close;
        }
        let expects = head.expect_continue;
        let go_on = (expects && self.scope.policy.proxy_100_continue).then(GoOn::default);
        if expects
            && go_on.is_none()
            && tell_to_go_on(&self.reading, &mut self.outbox).await.is_err()
        {
            return Then::Cut(Side::Client);
        }
        let method = head.method.clone();
        let Reading { reader, slot, .. } = &mut self.reading;
        let started = exchange.timers.started;
        let mut incoming = request::assemble(head, reader, slot, &self.scope, started);
        match incoming.body {
            Source::Whole(length) => exchange.bytes_received = length,
            Source::Streamed(progress) => {
                exchange.progress = Some(progress);
                // Whose body is here waits for nothing.
                if let Some(go_on) = &go_on {
                    incoming.request.extensions_mut().insert(go_on.clone());
                }
            }
        }
        let answered = {
            let mut handling = pin!(self.stack.handle(&mut exchange, incoming.request));
            answered(handling.as_mut(), go_on.as_ref(), &mut self.reading, &mut self.outbox).await
        };
        match answered {
            Some(response) if response.status() == StatusCode::SWITCHING_PROTOCOLS => {
                self.switch(&mut exchange, response).await
            }
            Some(response) => self.answer(&mut exchange, &method, response).await,
            None => {
                exchange.client_left();
                Then::Cut(Side::Client)
            }
        }
    }

    /// Writes an answer.
    async fn answer(
        &mut self,
        exchange: &mut Exchange,
        request: &Method,
        response: Response<Body>,
    ) -> Then {
        let framing = answer::length(request, exchange.protocol, &response);
        // The rest of a request that was answered before its end would be read as the next one.
        if !self.reading.is_at_boundary() || framing == BodyLength::UntilClose {
            exchange.after = AfterAnswer::Close;
        }
        self.life.end_with(exchange);
        if self.drain.has_begun() && exchange.after == AfterAnswer::Keep {
            exchange.after = AfterAnswer::Close;
            self.scope.stats.downstream_cx_drain_close.inc();
        }
        let connection = match (exchange.after, exchange.protocol) {
            (AfterAnswer::Close, _) => ConnectionOption::Close,
            (AfterAnswer::Keep, Protocol::Http10) => ConnectionOption::KeepAlive,
            (AfterAnswer::Keep, _) => ConnectionOption::Omit,
        };
        let trailers = match self.scope.policy.http1.enable_trailers {
            true => Trailers::Write,
            false => Trailers::Drop,
        };
        let version = match exchange.protocol {
            Protocol::Http10 => Version::HTTP_10,
            Protocol::Http11 | Protocol::Http2 => Version::HTTP_11,
        };
        let case = self.scope.policy.http1.header_case;
        let stream = Arc::clone(&self.reading.stream);
        let outbox = &mut self.outbox;
        let (answer, headers) = Answer::begin(
            &stream,
            outbox,
            response,
            (version, case),
            framing,
            connection,
            trailers,
        );
        self.parser.recycle(headers);
        let reading = &mut self.reading;
        match answer.write(exchange, |cx| reading.poll_client_left(cx)).await {
            Written::Whole => {
                exchange.end();
                self.alarm = std::mem::take(&mut exchange.timers.alarm);
                match exchange.after {
                    AfterAnswer::Keep => Then::NextRequest,
                    AfterAnswer::Close => Then::Linger,
                }
            }
            Written::Failed(error) => {
                exchange.response_failed(&error);
                self.cut(framing)
            }
            Written::Expired(expired) => {
                exchange.response_expired(expired);
                self.cut(framing)
            }
            Written::ClientLeft => {
                exchange.client_left();
                Then::Cut(Side::Client)
            }
        }
    }

    fn cut(&self, framing: BodyLength) -> Then {
        if framing == BodyLength::UntilClose {
            reset_at_close(&self.reading.stream);
        }
        Then::Cut(Side::Proxy)
    }

    /// Passes a `101` on and becomes a tunnel.
    async fn switch(&mut self, exchange: &mut Exchange, mut response: Response<Body>) -> Then {
        let lease = Forward::take_upgrade(&mut response);
        let (Some(mut lease), Some(reader)) = (lease, self.reading.reader.take()) else {
            return Then::Cut(Side::Proxy);
        };
        let (status, headers) = (response.status(), response.headers());
        let (version, option) = (Version::HTTP_11, ConnectionOption::Upgrade);
        let tail = self.outbox.tail();
        destrier_http1::write_response_head(
            tail,
            version,
            status,
            headers,
            BodyLength::Empty,
            option,
        );
        if self.scope.policy.http1.header_case == HeaderCase::ProperWords {
            destrier_http1::proper_case(tail);
        }
        self.outbox.wrote();
        let (stream, sent_ahead) = reader.into_parts();
        if stream.write_all(&mut self.outbox).await.is_err() {
            return Then::Cut(Side::Client);
        }
        let scope = Arc::clone(&self.scope);
        let _counted = scope.stats.upgrade();
        exchange.tunnel_established();
        let leftover = lease.take_leftover();
        let limits = tcp::Limits { idle: exchange.timers.idle, until: None };
        let mut tunnel = tcp::Tunnel::new(&stream, lease.stream(), limits);
        tunnel.send_first(sent_ahead, leftover);
        let ended = tunnel.run(std::mem::take(&mut exchange.timers.alarm)).await;
        lease.count_bytes(ended.to_client, ended.to_host);
        exchange.bytes_received = ended.to_host;
        exchange.bytes_sent = ended.to_client;
        match ended.why {
            tcp::Ended::Idle => exchange.response_expired(crate::timers::Expired::Idle),
            // The client's side is not closed on its own, as in Envoy.
            tcp::Ended::ClosedByClient | tcp::Ended::ClientFailed => {
                exchange.client_left();
                return Then::Cut(Side::Client);
            }
            _ => exchange.end(),
        }
        Then::Cut(Side::Proxy)
    }
}
