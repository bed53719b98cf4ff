//! The line of a request.

use std::borrow::Cow;

use destrier_policy::{
    AccessLogType, Blanks, ByteCount, Escapes, FormatOperator, GrpcStatusForm, HeaderKey,
    HostHeader, PathHeader, PathPick, Peer, Query, TimePoint,
};
use destrier_upstream::ResponseFlag;
use tokio::time::Instant;

use super::capture::{ORIGINAL_HOST, ORIGINAL_PATH, REQUEST_ID};
use super::common::Common;
use super::flags::{self, FlagName};
use super::heads::{Heads, Message};
use super::line::{Line, Value, maybe, milliseconds, number, socket_address, text, unless_empty};
use super::query;
use crate::exchange::{Exchange, Protocol};
use crate::stack::{AnswerForm, grpc_code};

/// A request: at its end for the log, or on its way for a header or a body that is made of it.
pub(crate) struct HttpLine<'a> {
    pub(crate) exchange: &'a Exchange,
    pub(crate) heads: Heads<'a>,
    pub(crate) now: Instant,
    pub(crate) kind: AccessLogType,
    /// What a local reply would have said without a format of its own.
    pub(crate) local_reply: &'a [u8],
}

impl<'a> HttpLine<'a> {
    /// A request on its way.
    pub(crate) fn on_its_way(exchange: &'a Exchange, heads: Heads<'a>, now: Instant) -> Self {
        Self { exchange, heads, now, kind: AccessLogType::NotSet, local_reply: b"" }
    }

    fn request(&self, key: &HeaderKey) -> Option<&'a [u8]> {
        self.heads.get(Message::Request, key)
    }

    fn common(&self) -> Common<'_> {
        let exchange = self.exchange;
        Common {
            ends: &exchange.ends,
            client: exchange.client,
            upstream: &exchange.upstream,
            listener: &exchange.scope.logs.listener,
            started: exchange.timers.started,
            now: self.now,
            kind: self.kind,
        }
    }

    fn path(&self, pick: PathPick) -> Option<&'a [u8]> {
        let path = match pick.header {
            PathHeader::Original => self.request(&ORIGINAL_PATH),
            PathHeader::Path => self.request(&HeaderKey::Path),
            PathHeader::OriginalOrPath => {
                self.request(&ORIGINAL_PATH).or_else(|| self.request(&HeaderKey::Path))
            }
        }?;
        Some(match pick.query {
            Query::Kept => path,
            Query::Cut => without_query(path),
        })
    }

    fn host(&self, host: HostHeader) -> Option<&'a [u8]> {
        match host {
            HostHeader::Original => self.request(&ORIGINAL_HOST),
            HostHeader::Authority => self.request(&HeaderKey::Authority),
            HostHeader::OriginalOrAuthority => {
                self.request(&ORIGINAL_HOST).or_else(|| self.request(&HeaderKey::Authority))
            }
        }
    }

    fn bytes(&self, of: ByteCount) -> Option<u64> {
        let exchange = self.exchange;
        let kept = match self.heads {
            Heads::Kept(captured, _) => Some(captured),
            Heads::Live(_) => None,
        };
        match of {
            ByteCount::Received => {
                let streamed = exchange.progress.as_ref().map(|progress| progress.bytes());
                Some(streamed.unwrap_or(exchange.bytes_received))
            }
            ByteCount::Sent => Some(exchange.bytes_sent),
            ByteCount::RequestHeaders => kept.map(|kept| kept.request_bytes),
            ByteCount::ResponseHeaders => kept.map(|kept| kept.response_bytes),
            ByteCount::ResponseTrailers => kept.map(|kept| kept.trailer_bytes),
            // Of heads and frames on the wire no count is kept.
            _ => None,
        }
    }

    /// When something happened; `None` when it did not, or is not known.
    fn at(&self, point: TimePoint) -> Option<Instant> {
        let exchange = self.exchange;
        let timers = &exchange.timers;
        let from_host = || exchange.answered.filter(|_| exchange.host_answered);
        match point {
            TimePoint::DownstreamRxBegin => Some(timers.started),
            TimePoint::DownstreamRxEnd => exchange.request_ended_at(),
            TimePoint::UpstreamRxBegin => from_host(),
            TimePoint::UpstreamRxEnd => {
                from_host().map(|answered| answered.max(timers.response_moved))
            }
            TimePoint::DownstreamTxBegin => exchange.answered,
            TimePoint::DownstreamTxEnd => exchange.answered.map(|_| self.now),
            TimePoint::End => Some(self.now),
            // What the pool and the connection to the host do not tell.
            _ => None,
        }
    }

    fn grpc_status(&self) -> Option<Cow<'a, [u8]>> {
        let of_answer = match self.heads {
            Heads::Kept(captured, _) => captured.grpc_status.as_ref(),
            Heads::Live(live) => live.response.and_then(|(_, headers)| headers.get("grpc-status")),
        };
        match (of_answer, self.exchange.status) {
            (Some(status), _) => Some(Cow::Borrowed(status.as_bytes())),
            // What a client makes of an answer without one.
            (None, Some(status)) => Some(Cow::Borrowed(grpc_code(status).as_bytes())),
            (None, None) => None,
        }
    }

    fn is_grpc(&self) -> bool {
        match self.heads {
            Heads::Kept(captured, _) => captured.grpc,
            Heads::Live(live) => live
                .request
                .is_some_and(|head| AnswerForm::of_headers(head.headers) == AnswerForm::Grpc),
        }
    }

    fn write_grpc_status(&self, form: GrpcStatusForm, out: &mut Vec<u8>) -> Value {
        let Some(status) = self.grpc_status().filter(|_| self.is_grpc()) else {
            return Value::Absent;
        };
        let code = std::str::from_utf8(&status).ok().and_then(|code| code.parse().ok());
        match (form, code) {
            (GrpcStatusForm::Number, Some(code)) => number(out, code),
            (_, Some(code)) => match GRPC_NAMES.get(code as usize) {
                Some((camel, _)) if form == GrpcStatusForm::Camel => text(out, camel.as_bytes()),
                Some((_, snake)) => text(out, snake.as_bytes()),
                // A number that has no name stands for itself.
                None => text(out, &status),
            },
            (_, None) => text(out, &status),
        }
    }
}

impl Line for HttpLine<'_> {
    fn write(&self, operator: &FormatOperator, out: &mut Vec<u8>) -> Value {
        use FormatOperator as Op;
        let Self { exchange, heads, .. } = self;
        match operator {
            Op::Request(pick) => maybe(out, heads.pick(Message::Request, pick)),
            Op::RequestWithoutQuery(pick) => {
                maybe(out, heads.pick(Message::Request, pick).map(without_query))
            }
            Op::Response(pick) if pick.name == HeaderKey::Status => match exchange.status {
                Some(status) => text(out, status.as_str().as_bytes()),
                None => Value::Absent,
            },
            Op::Response(pick) => maybe(out, heads.pick(Message::Response, pick)),
            Op::Trailer(pick) => maybe(out, heads.pick(Message::Trailers, pick)),
            Op::Path(pick) => maybe(out, self.path(*pick)),
            Op::QueryParam(name) => {
                let query = self.request(&HeaderKey::Path).and_then(query::of);
                query.map_or(Value::Absent, |query| query::parameter(out, query, name.as_bytes()))
            }
            Op::QueryParams(escapes) => {
                match (self.request(&HeaderKey::Path).and_then(query::of), escapes) {
                    (None, _) => Value::Absent,
                    (Some(query), Escapes::Kept) => text(out, query),
                    (Some(query), Escapes::Decoded) => query::decode(out, query),
                }
            }
            Op::RequestedServerName(Some(host)) => maybe(out, self.host(*host)),
            Op::StreamId => maybe(out, self.request(&REQUEST_ID)),
            Op::Protocol => text(
                out,
                match exchange.protocol {
                    Protocol::Http10 => b"HTTP/1.0",
                    Protocol::Http11 => b"HTTP/1.1",
                    Protocol::Http2 => b"HTTP/2",
                },
            ),
            Op::ResponseCode => number(out, self.status().into()),
            Op::ResponseFlags => flags::write(out, &exchange.flags, FlagName::Short),
            Op::ResponseFlagsLong => flags::write(out, &exchange.flags, FlagName::Long),
            Op::ResponseCodeDetails(blanks) => {
                let start = out.len();
                let value = unless_empty(out, &exchange.details);
                if *blanks == Blanks::Underscored {
                    let written = &mut out[start..];
                    written.iter_mut().filter(|byte| **byte == b' ').for_each(|byte| *byte = b'_');
                }
                value
            }
            Op::Bytes(of) => self.bytes(*of).map_or(Value::Absent, |bytes| number(out, bytes)),
            Op::Duration(span) => {
                Common::span(out, self.at(span.from), self.at(span.to), span.unit)
            }
            Op::RouteName => {
                let name = exchange.route.as_ref().map(|route| &*route.get().name);
                unless_empty(out, name.unwrap_or_default())
            }
            Op::GrpcStatus(form) => self.write_grpc_status(*form, out),
            Op::LocalReplyBody => text(out, self.local_reply),
            Op::Address(Peer::DownstreamRemote, form) if exchange.client.is_some() => {
                match exchange.client {
                    // Its port is not known.
                    Some(client) => socket_address(out, (client, 0).into(), *form),
                    None => Value::Absent,
                }
            }
            other => self.common().write(other, out),
        }
    }

    fn request_header(&self, key: &HeaderKey) -> Option<Cow<'_, [u8]>> {
        match &self.heads {
            Heads::Kept(captured, wanted) => captured.joined(wanted, key).map(Cow::Borrowed),
            Heads::Live(live) => live.request.as_ref()?.joined(key),
        }
    }

    fn status(&self) -> u16 {
        self.exchange.status.map_or(0, |status| status.as_u16())
    }

    fn milliseconds(&self) -> u64 {
        milliseconds(self.exchange.timers.started, self.now)
    }

    fn flags(&self) -> &[ResponseFlag] {
        &self.exchange.flags
    }

    fn grpc_status(&self) -> Option<u32> {
        let status = HttpLine::grpc_status(self)?;
        std::str::from_utf8(&status).ok()?.parse().ok()
    }

    fn kind(&self) -> AccessLogType {
        self.kind
    }
}

fn without_query(path: &[u8]) -> &[u8] {
    path.split(|byte| *byte == b'?').next().unwrap_or_default()
}

/// Names of gRPC's status codes, as `CAMEL_STRING` and `SNAKE_STRING` have them.
const GRPC_NAMES: [(&str, &str); 17] = [
    ("OK", "OK"),
    ("Canceled", "CANCELLED"),
    ("Unknown", "UNKNOWN"),
    ("InvalidArgument", "INVALID_ARGUMENT"),
    ("DeadlineExceeded", "DEADLINE_EXCEEDED"),
    ("NotFound", "NOT_FOUND"),
    ("AlreadyExists", "ALREADY_EXISTS"),
    ("PermissionDenied", "PERMISSION_DENIED"),
    ("ResourceExhausted", "RESOURCE_EXHAUSTED"),
    ("FailedPrecondition", "FAILED_PRECONDITION"),
    ("Aborted", "ABORTED"),
    ("OutOfRange", "OUT_OF_RANGE"),
    ("Unimplemented", "UNIMPLEMENTED"),
    ("Internal", "INTERNAL"),
    ("Unavailable", "UNAVAILABLE"),
    ("DataLoss", "DATA_LOSS"),
    ("Unauthenticated", "UNAUTHENTICATED"),
];
