//! What is written about each request or connection (`accesslog.proto`, its extensions `file`, `stream`).

use std::sync::Arc;

use crate::{Format, HeaderMatcher};

/// One access log.
#[derive(Clone, Debug, PartialEq)]
pub struct AccessLogPolicy {
    /// Where to.
    pub sink: AccessLogSink,
    /// What.
    pub format: Format,
    /// Of which requests or connections; `None` is all.
    pub filter: Option<AccessLogFilter>,
}

/// Where lines go.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum AccessLogSink {
    /// `FileAccessLog.path`.
    File(Arc<str>),
    /// `StdoutAccessLog`.
    Stdout,
    /// `StderrAccessLog`.
    Stderr,
}

/// `AccessLogFilter`: whether a line is written, or a mapper of local replies applies.
#[derive(Clone, Debug, PartialEq)]
pub enum AccessLogFilter {
    /// `status_code_filter`; 0 without an answer.
    StatusCode(Comparison),
    /// `duration_filter`, in milliseconds.
    Duration(Comparison),
    /// `not_health_check_filter`: always holds, no filter answers health checks.
    NotHealthCheck,
    /// `traceable_filter`: never holds, nothing is traced.
    Traceable,
    /// `runtime_filter`: a share of the requests, by the request id unless each is drawn for itself.
    Share {
        /// So many,
        count: u32,
        /// of so many, above 0.
        of: u32,
        /// `use_independent_randomness`.
        draw: Draw,
    },
    /// `and_filter`.
    And(Box<[AccessLogFilter]>),
    /// `or_filter`.
    Or(Box<[AccessLogFilter]>),
    /// `header_filter`, of the request.
    Header(Box<HeaderMatcher>),
    /// `response_flag_filter`: any of these short names; empty is any flag at all.
    ResponseFlags(Box<[Box<str>]>),
    /// `grpc_status_filter`.
    GrpcStatus {
        /// Any of these codes.
        statuses: Box<[u32]>,
        /// `exclude`: none of them.
        exclude: bool,
    },
    /// `log_type_filter`.
    LogType {
        /// Any of these.
        types: Box<[AccessLogType]>,
        /// `exclude`: none of them.
        exclude: bool,
    },
}

/// How a share is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Draw {
    /// The request id decides, so that all proxies on the way choose the same requests.
    ByRequestId,
    /// `use_independent_randomness`.
    Independent,
}

/// `ComparisonFilter`, without a runtime.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Comparison {
    /// How.
    pub operation: ComparisonOp,
    /// `value.default_value`.
    pub value: u32,
}

/// `ComparisonFilter.Op`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ComparisonOp {
    /// `EQ`.
    Equal,
    /// `GE`.
    AtLeast,
    /// `LE`.
    AtMost,
    /// `NE`.
    NotEqual,
}

impl Comparison {
    /// Whether `value` compares as asked.
    pub fn holds(self, value: u64) -> bool {
        let wanted = u64::from(self.value);
        match self.operation {
            ComparisonOp::Equal => value == wanted,
            ComparisonOp::AtLeast => value >= wanted,
            ComparisonOp::AtMost => value <= wanted,
            ComparisonOp::NotEqual => value != wanted,
        }
    }
}

/// Why a line is written (`AccessLogType`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is Envoy's type of the same name")]
pub enum AccessLogType {
    NotSet,
    TcpUpstreamConnected,
    TcpPeriodic,
    TcpConnectionStart,
    TcpConnectionEnd,
    DownstreamStart,
    DownstreamPeriodic,
    DownstreamEnd,
    UpstreamPoolReady,
    UpstreamPeriodic,
    UpstreamEnd,
    DownstreamTunnelSuccessfullyEstablished,
    UdpTunnelUpstreamConnected,
    UdpPeriodic,
    UdpSessionEnd,
}

impl AccessLogType {
    /// Envoy's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::NotSet => "NotSet",
            Self::TcpUpstreamConnected => "TcpUpstreamConnected",
            Self::TcpPeriodic => "TcpPeriodic",
            Self::TcpConnectionStart => "TcpConnectionStart",
            Self::TcpConnectionEnd => "TcpConnectionEnd",
            Self::DownstreamStart => "DownstreamStart",
            Self::DownstreamPeriodic => "DownstreamPeriodic",
            Self::DownstreamEnd => "DownstreamEnd",
            Self::UpstreamPoolReady => "UpstreamPoolReady",
            Self::UpstreamPeriodic => "UpstreamPeriodic",
            Self::UpstreamEnd => "UpstreamEnd",
            Self::DownstreamTunnelSuccessfullyEstablished => {
                "DownstreamTunnelSuccessfullyEstablished"
            }
            Self::UdpTunnelUpstreamConnected => "UdpTunnelUpstreamConnected",
            Self::UdpPeriodic => "UdpPeriodic",
            Self::UdpSessionEnd => "UdpSessionEnd",
        }
    }
}

/// `access_log_options`, of a connection manager or a TCP proxy: lines beyond the one at the end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AccessLogOptions {
    /// `flush_access_log_on_new_request`, `flush_access_log_on_start`.
    pub at_start: bool,
    /// `flush_log_on_tunnel_successfully_established`, `flush_access_log_on_connected`.
    pub at_connected: bool,
}
