//! The line of a TCP connection.

use std::borrow::Cow;
use std::sync::LazyLock;

use destrier_policy::{AccessLogType, ByteCount, FormatOperator, HeaderKey, TimePoint};
use destrier_upstream::{ResponseFlag, UpstreamInfo};
use tokio::time::Instant;

use super::common::Common;
use super::flags::{self, FlagName};
use super::line::{Line, Value, maybe_number, milliseconds, number, unless_empty};
use super::uuid;
use crate::connection::Ends;

/// A TCP connection: at its end, or on its way.
pub(crate) struct TcpLine<'a> {
    pub(crate) ends: &'a Ends,
    pub(crate) upstream: &'a UpstreamInfo,
    /// The name of its listener.
    pub(crate) listener: &'a str,
    /// `%STREAM_ID%`.
    pub(crate) stream: u128,
    pub(crate) started: Instant,
    pub(crate) now: Instant,
    /// Bytes from the client and to it; `None` where they are not counted.
    pub(crate) bytes: Option<(u64, u64)>,
    pub(crate) flag: Option<ResponseFlag>,
    /// Why it ended, if the proxy ended it.
    pub(crate) details: &'static str,
    pub(crate) kind: AccessLogType,
}

impl<'a> TcpLine<'a> {
    /// The line that a listener writes at the end of an HTTP connection. Its bytes are those of its
    /// requests, which have lines of their own.
    pub(crate) fn of_connection(ends: &'a Ends, listener: &'a str, started: Instant) -> Self {
        static NONE: LazyLock<UpstreamInfo> = LazyLock::new(UpstreamInfo::default);
        Self {
            ends,
            upstream: &NONE,
            listener,
            stream: rand::random(),
            started,
            now: Instant::now(),
            bytes: None,
            flag: None,
            details: "",
            kind: AccessLogType::NotSet,
        }
    }

    fn at(&self, point: TimePoint) -> Option<Instant> {
        match point {
            TimePoint::DownstreamRxBegin | TimePoint::ConnectionBegin => Some(self.started),
            TimePoint::ConnectionEnd | TimePoint::End if self.has_ended() => Some(self.now),
            TimePoint::End => Some(self.now),
            _ => None,
        }
    }

    fn has_ended(&self) -> bool {
        matches!(self.kind, AccessLogType::TcpConnectionEnd | AccessLogType::NotSet)
    }

    fn bytes(&self, of: ByteCount) -> Option<u64> {
        let (received, sent) = self.bytes?;
        Some(match of {
            ByteCount::Received
            | ByteCount::DownstreamWireReceived
            | ByteCount::UpstreamWireSent => received,
            ByteCount::Sent | ByteCount::DownstreamWireSent | ByteCount::UpstreamWireReceived => {
                sent
            }
            // There are no headers.
            _ => 0,
        })
    }
}

impl Line for TcpLine<'_> {
    fn write(&self, operator: &FormatOperator, out: &mut Vec<u8>) -> Value {
        use FormatOperator as Op;
        match operator {
            Op::ResponseCode => number(out, 0),
            Op::ResponseFlags => flags::write(out, self.flag.as_slice(), FlagName::Short),
            Op::ResponseFlagsLong => flags::write(out, self.flag.as_slice(), FlagName::Long),
            Op::ConnectionTerminationDetails => unless_empty(out, self.details),
            Op::Bytes(of) => maybe_number(out, self.bytes(*of)),
            Op::Duration(span) => {
                Common::span(out, self.at(span.from), self.at(span.to), span.unit)
            }
            Op::StreamId => uuid::write(out, self.stream),
            // There are no versions of it.
            Op::UpstreamProtocol => Value::Absent,
            other => {
                let Self { ends, upstream, listener, started, now, kind, .. } = *self;
                Common { ends, client: None, upstream, listener, started, now, kind }
                    .write(other, out)
            }
        }
    }

    fn request_header(&self, _: &HeaderKey) -> Option<Cow<'_, [u8]>> {
        None
    }

    fn status(&self) -> u16 {
        0
    }

    fn milliseconds(&self) -> u64 {
        milliseconds(self.started, self.now)
    }

    fn flags(&self) -> &[ResponseFlag] {
        self.flag.as_slice()
    }

    fn grpc_status(&self) -> Option<u32> {
        None
    }

    fn kind(&self) -> AccessLogType {
        self.kind
    }
}
