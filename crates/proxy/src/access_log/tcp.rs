//! The line of a TCP connection.

use destrier_policy::AccessLogOperator;
use destrier_upstream::{ResponseFlag, UpstreamInfo};
use tokio::time::Instant;

use super::line::{Line, Value, display, flags, long_flags, maybe, number};
use super::time;
use crate::connection::Ends;

/// A TCP connection that has ended.
pub(crate) struct TcpLine<'a> {
    pub(crate) ends: &'a Ends,
    pub(crate) upstream: &'a UpstreamInfo,
    pub(crate) started: Instant,
    pub(crate) ended: Instant,
    /// Bytes from the client.
    pub(crate) received: u64,
    /// Bytes to the client.
    pub(crate) sent: u64,
    pub(crate) flag: Option<ResponseFlag>,
    /// Why it ended, if the proxy ended it.
    pub(crate) details: &'static str,
}

impl Line for TcpLine<'_> {
    fn write(&self, operator: &AccessLogOperator, out: &mut Vec<u8>) -> Value {
        use AccessLogOperator as Op;
        let upstream = self.upstream;
        match operator {
            Op::StartTime(format) => {
                let start = time::wall_clock() - (self.ended - self.started);
                time::write(out, start, format.as_deref())
            }
            Op::ResponseCode => number(out, 0),
            Op::ResponseFlags => flags(out, self.flag.as_slice()),
            Op::ResponseFlagsLong => long_flags(out, self.flag.as_slice()),
            Op::ConnectionTerminationDetails => {
                let details = Some(self.details).filter(|details| !details.is_empty());
                maybe(out, details.map(str::as_bytes))
            }
            Op::UpstreamTransportFailureReason => {
                maybe(out, upstream.transport_failure.as_deref().map(str::as_bytes))
            }
            Op::BytesReceived => number(out, self.received),
            Op::BytesSent => number(out, self.sent),
            Op::Duration => number(out, (self.ended - self.started).as_millis() as u64),
            Op::UpstreamHost => match &upstream.host {
                Some(host) => display(out, host),
                None => Value::Absent,
            },
            Op::UpstreamCluster => {
                let cluster = upstream.cluster.as_ref();
                let name = cluster.map(|cluster| cluster.policy().observability_name.as_bytes());
                maybe(out, name)
            }
            Op::UpstreamLocalAddress => match upstream.local_address {
                Some(address) => display(out, address),
                None => Value::Absent,
            },
            Op::DownstreamLocalAddress => display(out, &self.ends.local),
            Op::DownstreamRemoteAddress => display(out, &self.ends.peer),
            Op::UpstreamRequestAttemptCount => number(out, upstream.attempts.into()),
            Op::Hostname => maybe(out, time::hostname()),
            // Of HTTP and TLS.
            Op::Request { .. }
            | Op::Response { .. }
            | Op::Trailer { .. }
            | Op::Protocol
            | Op::ResponseCodeDetails
            | Op::RequestDuration
            | Op::ResponseDuration
            | Op::RequestedServerName
            | Op::RouteName
            | Op::GrpcStatus => Value::Absent,
        }
    }
}
