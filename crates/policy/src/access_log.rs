//! What is written about each request or connection (`accesslog.proto`, its extensions `file`, `stream`).

use std::sync::Arc;

/// One access log.
#[derive(Clone, Debug, PartialEq)]
pub struct AccessLogPolicy {
    /// Where to.
    pub sink: AccessLogSink,
    /// What.
    pub format: AccessLogFormat,
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

/// A parsed `log_format`.
#[derive(Clone, Debug, PartialEq)]
pub enum AccessLogFormat {
    /// `text_format`; a line feed at its end is part of it.
    Text(Box<[AccessLogPart]>),
    /// `json_format`: one object per line, keys in order.
    Json(Box<[AccessLogField]>),
}

/// One key of a `json_format`.
#[derive(Clone, Debug, PartialEq)]
pub struct AccessLogField {
    /// The key.
    pub key: Box<str>,
    /// Its value.
    pub value: Box<[AccessLogPart]>,
}

/// A piece of a format string.
#[derive(Clone, Debug, PartialEq)]
pub enum AccessLogPart {
    /// As it stands.
    Literal(Box<str>),
    /// `%OPERATOR%`, with `:Z` the longest length in characters.
    Operator(AccessLogOperator, Option<usize>),
}

/// A command operator. An unknown one is an error at start.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is Envoy's operator of the same name")]
pub enum AccessLogOperator {
    StartTime(Option<Box<str>>),
    Request { name: Box<str>, alternative: Option<Box<str>> },
    Response { name: Box<str>, alternative: Option<Box<str>> },
    Trailer { name: Box<str>, alternative: Option<Box<str>> },
    Protocol,
    ResponseCode,
    ResponseFlags,
    ResponseFlagsLong,
    ResponseCodeDetails,
    ConnectionTerminationDetails,
    UpstreamTransportFailureReason,
    BytesReceived,
    BytesSent,
    Duration,
    RequestDuration,
    ResponseDuration,
    UpstreamHost,
    UpstreamCluster,
    UpstreamLocalAddress,
    DownstreamLocalAddress,
    DownstreamRemoteAddress,
    RequestedServerName,
    RouteName,
    UpstreamRequestAttemptCount,
    GrpcStatus,
    Hostname,
}
