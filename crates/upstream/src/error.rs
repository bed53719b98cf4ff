//! Why a request was not answered by its cluster.

/// Closed: each value maps to one response flag, one status, one body text, one details string, one
/// retryability, one origin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ForwardError {
    /// No such cluster, or it is still warming: 503 NC, empty body.
    #[error("cluster_not_found")]
    NoCluster,
    /// 503 UH `no healthy upstream`.
    #[error("no_healthy_upstream")]
    NoHealthyUpstream,
    /// 503 UDO `unconditional drop overload`.
    #[error("drop_overload")]
    DropOverload,
    /// 503 UO `... reset reason: overflow`, `x-envoy-overloaded: true`.
    #[error("overflow of {0:?}")]
    Overflow(crate::Limit),
    /// 503 UF, with the system's words: `remote_connection_failure|delayed_connect_error:_Connection_refused`.
    #[error("connect failed: {0}")]
    ConnectFailed(String),
    /// 503 UF `connection timeout`.
    #[error("connect timeout")]
    ConnectTimeout,
    /// 503 UC: closed before the response head.
    #[error("connection termination")]
    ConnectionTermination,
    /// 503 UR: RST_STREAM or GOAWAY before the response head.
    #[error("remote reset")]
    RemoteReset,
    /// 502 UPE: what came is not HTTP.
    #[error("protocol error: {0}")]
    Protocol(String),
    /// The request's own body failed (client gone, malformed chunk): nothing to answer or 400.
    #[error("request body failed: {0}")]
    RequestBody(String),
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
    NC, NR, UH, UF, UO, UC, UR, UT, UPE, UDO, DC, DPE, SI, UMSDR, DT, DI, RL, LH, IH, URX, LR,
}
