//! The line of a request.

use destrier_policy::AccessLogOperator;
use tokio::time::Instant;

use super::capture::{AccessLogs, Captured};
use super::line::{Line, Value, display, flags, long_flags, maybe, number, text};
use super::time;
use crate::exchange::{Exchange, Protocol};
use crate::stack::grpc_code;

/// A request that has ended.
pub(crate) struct HttpLine<'a> {
    pub(crate) exchange: &'a Exchange,
    pub(crate) captured: &'a Captured,
    pub(crate) ended: Instant,
}

impl HttpLine<'_> {
    fn logs(&self) -> &AccessLogs {
        &self.exchange.scope.logs
    }

    fn since_start(&self, then: Instant, out: &mut Vec<u8>) -> Value {
        let since = then.saturating_duration_since(self.exchange.timers.started);
        number(out, since.as_millis() as u64)
    }
}

impl Line for HttpLine<'_> {
    fn write(&self, operator: &AccessLogOperator, out: &mut Vec<u8>) -> Value {
        use AccessLogOperator as Op;
        let Self { exchange, captured, ended } = self;
        let upstream = &exchange.upstream;
        let logs = self.logs();
        match operator {
            Op::StartTime(format) => {
                let age = *ended - exchange.timers.started;
                time::write(out, time::wall_clock() - age, format.as_deref())
            }
            Op::Request { name, alternative } => {
                let of = |name: &str| logs.request(captured, name);
                maybe(out, of(name).or_else(|| of(alternative.as_deref()?)))
            }
            Op::Response { name, alternative } => {
                let of = |name: &str| logs.response(captured, name);
                maybe(out, of(name).or_else(|| of(alternative.as_deref()?)))
            }
            Op::Trailer { name, alternative } => {
                let of = |name: &str| logs.trailer(captured, name);
                maybe(out, of(name).or_else(|| of(alternative.as_deref()?)))
            }
            Op::Protocol => text(
                out,
                match exchange.protocol {
                    Protocol::Http10 => b"HTTP/1.0",
                    Protocol::Http11 => b"HTTP/1.1",
                    Protocol::Http2 => b"HTTP/2",
                },
            ),
            Op::ResponseCode => {
                number(out, exchange.status.map_or(0, |status| status.as_u16().into()))
            }
            Op::ResponseFlags => flags(out, &exchange.flags),
            Op::ResponseFlagsLong => long_flags(out, &exchange.flags),
            Op::ResponseCodeDetails => {
                let details = Some(&*exchange.details).filter(|details| !details.is_empty());
                maybe(out, details.map(str::as_bytes))
            }
            Op::UpstreamTransportFailureReason => {
                maybe(out, upstream.transport_failure.as_deref().map(str::as_bytes))
            }
            Op::BytesReceived => {
                let streamed = exchange.progress.as_ref().map(|progress| progress.bytes());
                number(out, streamed.unwrap_or(exchange.bytes_received))
            }
            Op::BytesSent => number(out, exchange.bytes_sent),
            Op::Duration => self.since_start(*ended, out),
            Op::RequestDuration => {
                let started = exchange.timers.started;
                let end = exchange.progress.as_ref().map_or(Some(started), |p| p.ended_at());
                end.map_or(Value::Absent, |end| self.since_start(end, out))
            }
            Op::ResponseDuration => match exchange.answered.filter(|_| upstream.host.is_some()) {
                Some(answered) => self.since_start(answered, out),
                None => Value::Absent,
            },
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
            Op::DownstreamLocalAddress => display(out, &exchange.ends.local),
            Op::DownstreamRemoteAddress => display(out, &exchange.ends.peer),
            Op::RouteName => {
                let name = exchange.route.as_ref().map(|route| &*route.get().name);
                maybe(out, name.filter(|name| !name.is_empty()).map(str::as_bytes))
            }
            Op::UpstreamRequestAttemptCount => number(out, upstream.attempts.into()),
            Op::GrpcStatus => match (captured.grpc, &captured.grpc_status, exchange.status) {
                (true, Some(status), _) => text(out, grpc_status_name(status.as_bytes())),
                // What a client makes of an answer without one.
                (true, None, Some(status)) => {
                    text(out, grpc_status_name(grpc_code(status).as_bytes()))
                }
                _ => Value::Absent,
            },
            Op::Hostname => maybe(out, time::hostname()),
            // Of TLS, and of TCP connections.
            Op::RequestedServerName | Op::ConnectionTerminationDetails => Value::Absent,
        }
    }
}

/// Envoy's names; a number that has none stands for itself.
fn grpc_status_name(code: &[u8]) -> &[u8] {
    const NAMES: [&str; 17] = [
        "OK",
        "Canceled",
        "Unknown",
        "InvalidArgument",
        "DeadlineExceeded",
        "NotFound",
        "AlreadyExists",
        "PermissionDenied",
        "ResourceExhausted",
        "FailedPrecondition",
        "Aborted",
        "OutOfRange",
        "Unimplemented",
        "Internal",
        "Unavailable",
        "DataLoss",
        "Unauthenticated",
    ];
    let number = std::str::from_utf8(code).ok().and_then(|code| code.parse::<usize>().ok());
    number.and_then(|number| NAMES.get(number)).map_or(code, |name| name.as_bytes())
}
