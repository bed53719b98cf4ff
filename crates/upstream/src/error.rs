//! Why a request was not answered by its cluster, or not to the end.

use std::borrow::Cow;

use http::StatusCode;

use crate::Limit;

/// Closed: each value maps to one response flag, one status, one body text, one details string, one
/// retryability, one origin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ForwardError {
    /// No such cluster, or it is still warming: 503 NC, empty body.
    #[error("cluster not found")]
    NoCluster,
    /// 503 UH `no healthy upstream`.
    #[error("no healthy upstream")]
    NoHealthyUpstream,
    /// 503 UDO `unconditional drop overload`, `x-envoy-unconditional-drop-overload: true`.
    #[error("drop overload")]
    DropOverload,
    /// 503 UO `... reset reason: overflow`, `x-envoy-overloaded: true`.
    #[error("overflow of {0:?}")]
    Overflow(Limit),
    /// 503 UF, with the transport failure in Envoy's spelling: `delayed_connect_error:_Connection_refused`.
    #[error("connect failed: {0}")]
    ConnectFailed(String),
    /// 503 UF `connection timeout`.
    #[error("connect timeout")]
    ConnectTimeout,
    /// 503 UC: closed before the response head.
    #[error("connection termination")]
    ConnectionTermination,
    /// 503 UR: RST_STREAM before the response head.
    #[error("remote reset")]
    RemoteReset,
    /// 503 UR: RST_STREAM with REFUSED_STREAM, twice.
    #[error("remote refused stream")]
    RefusedStream,
    /// 502 UPE: what came is not HTTP.
    #[error("protocol error: {0}")]
    Protocol(String),
    /// 504 UMSDR: the cluster's `max_stream_duration` passed before the response head.
    #[error("max stream duration")]
    MaxDuration,
    /// The request's own body failed (client gone, malformed chunk): nothing to answer, or 400.
    #[error("request body failed: {0}")]
    RequestBody(BodyError),
}

/// Where an error was made. What is made here never counts against a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// Here.
    Local,
    /// At the host, or on the way to it.
    Upstream,
}

/// Envoy's response flags (`%RESPONSE_FLAGS%`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is Envoy's flag of the same name")]
pub enum ResponseFlag {
    NC,
    NR,
    UH,
    UF,
    UO,
    UC,
    UR,
    UT,
    UPE,
    UDO,
    DC,
    DR,
    DPE,
    SI,
    UMSDR,
    DT,
    DI,
    RL,
    LH,
    IH,
    URX,
    LR,
}

impl ForwardError {
    /// Status of the local answer to an HTTP client.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Protocol(_) => StatusCode::BAD_GATEWAY,
            Self::MaxDuration => StatusCode::GATEWAY_TIMEOUT,
            Self::RequestBody(_) => StatusCode::BAD_REQUEST,
            _ => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// Body of the local answer.
    pub fn body_text(&self) -> &'static str {
        /// What Envoy's router says of a reset stream.
        macro_rules! reset {
            ($reason:literal) => {
                concat!(
                    "upstream connect error or disconnect/reset before headers. reset reason: ",
                    $reason
                )
            };
        }
        match self {
            Self::NoCluster => "",
            Self::NoHealthyUpstream => "no healthy upstream",
            Self::DropOverload => "unconditional drop overload",
            Self::Overflow(_) => reset!("overflow"),
            Self::ConnectFailed(_) => reset!("remote connection failure"),
            Self::ConnectTimeout => reset!("connection timeout"),
            Self::ConnectionTermination => reset!("connection termination"),
            Self::RemoteReset => reset!("remote reset"),
            Self::RefusedStream => reset!("remote refused stream reset"),
            Self::Protocol(_) => reset!("protocol error"),
            Self::MaxDuration => "upstream max stream duration reached",
            Self::RequestBody(_) => "Bad Request",
        }
    }

    /// `%RESPONSE_FLAGS%`; none when the client itself was at fault.
    pub fn flag(&self) -> Option<ResponseFlag> {
        Some(match self {
            Self::NoCluster => ResponseFlag::NC,
            Self::NoHealthyUpstream => ResponseFlag::UH,
            Self::DropOverload => ResponseFlag::UDO,
            Self::Overflow(_) => ResponseFlag::UO,
            Self::ConnectFailed(_) | Self::ConnectTimeout => ResponseFlag::UF,
            Self::ConnectionTermination => ResponseFlag::UC,
            Self::RemoteReset | Self::RefusedStream => ResponseFlag::UR,
            Self::Protocol(_) => ResponseFlag::UPE,
            Self::MaxDuration => ResponseFlag::UMSDR,
            Self::RequestBody(_) => return None,
        })
    }

    /// `%RESPONSE_CODE_DETAILS%`.
    pub fn details(&self) -> Cow<'static, str> {
        /// What Envoy's router logs of a reset stream.
        macro_rules! reset {
            ($reason:literal) => {
                concat!("upstream_reset_before_response_started{", $reason, "}").into()
            };
        }
        match self {
            Self::NoCluster => "cluster_not_found".into(),
            Self::NoHealthyUpstream => "no_healthy_upstream".into(),
            Self::DropOverload => "unconditional_drop_overload".into(),
            Self::Overflow(_) => reset!("overflow"),
            Self::ConnectFailed(failure) => format!(
                "upstream_reset_before_response_started{{remote_connection_failure|{failure}}}"
            )
            .into(),
            Self::ConnectTimeout => reset!("connection_timeout"),
            Self::ConnectionTermination => reset!("connection_termination"),
            Self::RemoteReset => reset!("remote_reset"),
            Self::RefusedStream => reset!("remote_refused_stream_reset"),
            Self::Protocol(_) => reset!("protocol_error"),
            Self::MaxDuration => "upstream_max_stream_duration_reached".into(),
            Self::RequestBody(_) => "downstream_remote_disconnect".into(),
        }
    }

    /// Who made it.
    pub fn origin(&self) -> Origin {
        match self {
            Self::NoCluster
            | Self::NoHealthyUpstream
            | Self::DropOverload
            | Self::Overflow(_)
            | Self::RequestBody(_) => Origin::Local,
            Self::ConnectFailed(_)
            | Self::ConnectTimeout
            | Self::ConnectionTermination
            | Self::RemoteReset
            | Self::RefusedStream
            | Self::Protocol(_)
            | Self::MaxDuration => Origin::Upstream,
        }
    }

    /// A header that marks the local answer, besides what every answer has.
    pub fn header(&self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Overflow(_) => Some(("x-envoy-overloaded", "true")),
            Self::DropOverload => Some(("x-envoy-unconditional-drop-overload", "true")),
            _ => None,
        }
    }
}

/// Why a body ended before its end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// The connection ended or broke within the message. Of a response: UPE, as Envoy has it.
    #[error("connection ended within the body: {0}")]
    Ended(String),
    /// RST_STREAM within the message. Of a response: UR.
    #[error("stream reset within the body")]
    Reset,
    /// The framing is broken (bad chunk). Of a response: UPE; of a request: 400.
    #[error("malformed body: {0}")]
    Malformed(String),
    /// The cluster's `max_stream_duration` passed within a response: UMSDR.
    #[error("max stream duration")]
    MaxDuration,
    /// Stopped on purpose here, e.g. by a timeout.
    #[error("body aborted: {0}")]
    Aborted(&'static str),
}

impl BodyError {
    /// The flag of a response whose body failed so.
    pub fn flag(&self) -> ResponseFlag {
        match self {
            Self::Ended(_) | Self::Malformed(_) => ResponseFlag::UPE,
            Self::Reset => ResponseFlag::UR,
            Self::MaxDuration => ResponseFlag::UMSDR,
            Self::Aborted(_) => ResponseFlag::LR,
        }
    }

    /// `%RESPONSE_CODE_DETAILS%` of a response whose body failed so.
    pub fn details(&self) -> &'static str {
        match self {
            Self::Ended(_) | Self::Malformed(_) => {
                "upstream_reset_after_response_started{protocol_error}"
            }
            Self::Reset => "upstream_reset_after_response_started{remote_reset}",
            Self::MaxDuration => "upstream_max_stream_duration_reached",
            Self::Aborted(_) => "upstream_reset_after_response_started{local_reset}",
        }
    }
}

/// What ends an HTTP/2 stream within its body.
impl From<&h2::Error> for BodyError {
    fn from(error: &h2::Error) -> Self {
        match error.reason() {
            Some(h2::Reason::PROTOCOL_ERROR) if error.is_reset() => {
                Self::Malformed(error.to_string())
            }
            _ if error.is_reset() => Self::Reset,
            _ => Self::Ended(error.to_string()),
        }
    }
}

/// The same, wrapped by hyper.
impl From<hyper::Error> for BodyError {
    fn from(error: hyper::Error) -> Self {
        let h2 = std::error::Error::source(&error).and_then(|e| e.downcast_ref::<h2::Error>());
        h2.map_or_else(|| Self::Ended(error.to_string()), Self::from)
    }
}
