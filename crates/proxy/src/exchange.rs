//! One request and its answer, as statistics and the access log see it.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

use destrier_policy::AccessLogType;
use destrier_upstream::{BodyError, ResponseFlag, UpstreamInfo};
use http::{HeaderMap, HeaderValue, StatusCode};
use smallvec::SmallVec;
use tokio::time::Instant;

use crate::access_log::{Captured, Heads, HttpLine, Live};
use crate::alarm::Alarm;
use crate::connection::Ends;
use crate::progress::RequestProgress;
use crate::scope::HttpScope;
use crate::stack::RouteRef;
use crate::timers::{Expired, Timers};

/// The version that the client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    Http10,
    Http11,
    Http2,
}

/// What becomes of the client's connection after the answer (HTTP/1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AfterAnswer {
    /// It takes another request.
    Keep,
    /// It ends.
    Close,
}

/// What is known of a request while it is handled. Counts itself in the statistics and writes its line of
/// the access log when it ends, also when it is dropped: then the client has left.
pub(crate) struct Exchange {
    pub(crate) scope: Arc<HttpScope>,
    pub(crate) ends: Ends,
    /// Whom `x-forwarded-for` names where that is believed; `None` is the peer.
    pub(crate) client: Option<IpAddr>,
    pub(crate) protocol: Protocol,
    pub(crate) timers: Timers,
    /// Of the request's body, when there is one.
    pub(crate) progress: Option<Arc<RequestProgress>>,
    pub(crate) route: Option<RouteRef>,
    /// `x-request-id`, where the answer says it too.
    pub(crate) request_id: Option<HeaderValue>,
    pub(crate) upstream: UpstreamInfo,
    /// Of the answer, once it is there.
    pub(crate) status: Option<StatusCode>,
    pub(crate) flags: SmallVec<[ResponseFlag; 2]>,
    pub(crate) details: Cow<'static, str>,
    pub(crate) after: AfterAnswer,
    /// Bytes of the request's body when it came whole with the head.
    pub(crate) bytes_received: u64,
    /// Bytes of the answer's body.
    pub(crate) bytes_sent: u64,
    /// When the answer's head was there.
    pub(crate) answered: Option<Instant>,
    /// Whether it is that of a host.
    pub(crate) host_answered: bool,
    /// What the access log wants of the messages; none without an access log.
    captured: Option<Box<Captured>>,
    /// Whether what follows the head of the request has no end (an upgrade, or CONNECT of HTTP/1).
    pub(crate) endless: bool,
    /// Whether there is a request, and not only something that is none.
    announced: bool,
    ended: bool,
}

impl Exchange {
    /// Begins at the head of a request.
    pub(crate) fn new(
        scope: Arc<HttpScope>,
        ends: Ends,
        protocol: Protocol,
        started: Instant,
        alarm: Alarm,
    ) -> Self {
        let stats = &scope.stats;
        stats.downstream_rq_total.inc();
        stats.downstream_rq_active.inc();
        match protocol {
            Protocol::Http2 => stats.downstream_rq_http2_total.inc(),
            Protocol::Http10 | Protocol::Http11 => stats.downstream_rq_http1_total.inc(),
        }
        let mut timers = Timers::new(started, alarm);
        timers.request = scope.policy.request_timeout;
        timers.idle = scope.policy.stream_idle_timeout;
        timers.duration = scope.policy.max_stream_duration;
        Self {
            captured: scope.logs.capture(),
            scope,
            ends,
            client: None,
            protocol,
            timers,
            progress: None,
            route: None,
            request_id: None,
            upstream: UpstreamInfo::default(),
            status: None,
            flags: SmallVec::new(),
            details: Cow::Borrowed(""),
            after: AfterAnswer::Keep,
            bytes_received: 0,
            bytes_sent: 0,
            answered: None,
            host_answered: false,
            endless: false,
            announced: false,
            ended: false,
        }
    }

    /// What is kept of the request and its answer; nothing where nothing is wanted.
    pub(crate) fn heads(&self) -> Heads<'_> {
        match &self.captured {
            Some(captured) => Heads::Kept(captured, &self.scope.logs.wanted),
            None => Heads::Live(Live::default()),
        }
    }

    /// Notes what the access log says of the request, in the form in which it is forwarded.
    pub(crate) fn note_request<B>(&mut self, request: &http::Request<B>) {
        let is_new = !std::mem::replace(&mut self.announced, true);
        if let Some(captured) = &mut self.captured {
            captured.request(&self.scope.logs.wanted, request);
            if is_new && self.scope.policy.access_log_options.at_start {
                self.log(AccessLogType::DownstreamStart, self.timers.started);
            }
        }
    }

    /// Notes the head of the answer, in the form in which it is sent.
    pub(crate) fn note_response(&mut self, status: StatusCode, headers: &HeaderMap) {
        self.status = Some(status);
        self.scope.stats.answered(status);
        self.scope.listener_stats.answered(status);
        if let Some(captured) = &mut self.captured {
            captured.response(&self.scope.logs.wanted, status, headers);
        }
    }

    /// Notes the trailers of the answer.
    pub(crate) fn note_trailers(&mut self, trailers: &HeaderMap) {
        if let Some(captured) = &mut self.captured {
            captured.trailers(&self.scope.logs.wanted, trailers);
        }
    }

    /// The body of the answer failed on its way here.
    pub(crate) fn response_failed(&mut self, error: &BodyError) {
        self.flags.push(error.flag());
        self.details = Cow::Borrowed(error.details());
        self.scope.stats.downstream_rq_tx_reset.inc();
        self.end();
    }

    /// A deadline passed after the head of the answer was out.
    pub(crate) fn response_expired(&mut self, expired: Expired) {
        let (flag, details) = match expired {
            Expired::Response => (Some(ResponseFlag::UT), "response_timeout"),
            Expired::Idle => (Some(ResponseFlag::SI), "stream_idle_timeout"),
            Expired::Request => (None, "request_overall_timeout"),
            Expired::Duration => (None, "max_duration_timeout"),
        };
        self.flags.extend(flag);
        self.details = Cow::Borrowed(details);
        let stats = &self.scope.stats;
        stats.downstream_rq_tx_reset.inc();
        if expired == Expired::Duration {
            stats.downstream_rq_max_duration_reached.inc();
        }
        self.end();
    }

    /// The client left before the answer was complete.
    pub(crate) fn client_left(&mut self) {
        if !self.ended {
            self.flags.push(ResponseFlag::DC);
            self.details = Cow::Borrowed("downstream_remote_disconnect");
            self.scope.stats.downstream_rq_rx_reset.inc();
            self.end();
        }
    }

    /// Takes back an answer that cannot be sent.
    pub(crate) fn retract(&mut self) {
        self.status = None;
        self.flags.clear();
        if let Some(captured) = &mut self.captured {
            captured.retract_response();
        }
    }

    /// The client reset its stream, or the stream was reset for what the client sent; the connection goes
    /// on (HTTP/2).
    pub(crate) fn stream_reset(&mut self, flag: ResponseFlag, details: &'static str) {
        if !self.ended {
            self.flags.push(flag);
            self.details = Cow::Borrowed(details);
            self.scope.stats.downstream_rq_rx_reset.inc();
            self.end();
        }
    }

    /// Whether the request came whole.
    pub(crate) fn request_ended(&self) -> bool {
        self.progress.as_ref().is_none_or(|progress| progress.ended_at().is_some())
    }

    /// When the request was there as a whole; `None` for one that was not read to its end, or is none.
    pub(crate) fn request_ended_at(&self) -> Option<Instant> {
        match &self.progress {
            _ if self.endless => None,
            Some(progress) => progress.ended_at(),
            None => self.announced.then_some(self.timers.started),
        }
    }

    /// Writes a line about the request as it stands.
    pub(crate) fn log(&self, kind: AccessLogType, now: Instant) {
        let Some(captured) = &self.captured else { return };
        let logs = &self.scope.logs;
        let heads = Heads::Kept(captured, &logs.wanted);
        logs.write(&HttpLine { exchange: self, heads, now, kind, local_reply: b"" });
    }

    /// The answer made a tunnel of the connection.
    pub(crate) fn tunnel_established(&self) {
        if self.scope.policy.access_log_options.at_connected {
            self.log(AccessLogType::DownstreamTunnelSuccessfullyEstablished, Instant::now());
        }
    }

    /// The end, whichever it was; counts only once.
    pub(crate) fn end(&mut self) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        let stats = &self.scope.stats;
        stats.downstream_rq_active.dec();
        let now = Instant::now();
        stats.downstream_rq_time.record(now - self.timers.started);
        self.log(AccessLogType::DownstreamEnd, now);
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.client_left();
    }
}
