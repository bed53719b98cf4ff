//! Where requests come in (`listener.proto`, `http_connection_manager.proto`, `tcp_proxy.proto`).

use std::sync::Arc;
use std::time::Duration;

use crate::{
    AccessLogPolicy, Address, ClusterChoice, Http1Options, Http2Options, RouteTable,
    UnderscorePolicy,
};

/// A listener of one filter chain.
#[derive(Clone, Debug, PartialEq)]
pub struct ListenerPolicy {
    /// `name`; a listener without one is shown by its address.
    pub name: Arc<str>,
    /// `address`. Port 0 lets the system choose.
    pub address: Address,
    /// `per_connection_buffer_limit_bytes`. Default 1 MiB.
    pub per_connection_buffer_limit: u32,
    /// The terminal filter.
    pub filter: ListenerFilter,
}

/// What a connection of the listener is.
#[derive(Clone, Debug, PartialEq)]
pub enum ListenerFilter {
    /// `HttpConnectionManager`.
    Http(Arc<HcmPolicy>),
    /// `TcpProxy`.
    Tcp(Arc<TcpProxyPolicy>),
}

/// `HttpConnectionManager`.
#[derive(Clone, Debug, PartialEq)]
pub struct HcmPolicy {
    /// `stat_prefix`: names `http.<prefix>.*`.
    pub stat_prefix: Arc<str>,
    /// `codec_type`.
    pub codec: CodecType,
    /// `route_config`.
    pub routes: Arc<RouteTable>,
    /// `request_headers_timeout`: for the whole head once it has begun. Default none.
    pub request_headers_timeout: Option<Duration>,
    /// `request_timeout`: for the whole request. Default none.
    pub request_timeout: Option<Duration>,
    /// `stream_idle_timeout`: without progress for so long a stream ends. Default 5 min; `None` (0 in
    /// the proto) is none.
    pub stream_idle_timeout: Option<Duration>,
    /// `common_http_protocol_options.idle_timeout` of a connection without requests. Default 1 h.
    pub idle_timeout: Option<Duration>,
    /// `drain_timeout`: between the notice and the end of a connection. Default 5 s.
    pub drain_timeout: Duration,
    /// `max_request_headers_kb`. Default 60.
    pub max_request_headers_kb: u32,
    /// `common_http_protocol_options.max_headers_count`. Default 100.
    pub max_headers_count: u32,
    /// `common_http_protocol_options.headers_with_underscores_action`.
    pub headers_with_underscores: UnderscorePolicy,
    /// `use_remote_address`. Default false.
    pub use_remote_address: bool,
    /// `generate_request_id`. Default true.
    pub generate_request_id: bool,
    /// `server_name`: value of the `server` header. Default `envoy`.
    pub server_name: Arc<str>,
    /// `upgrade_configs`.
    pub upgrades: Box<[UpgradeConfig]>,
    /// `http_protocol_options`.
    pub http1: Http1Options,
    /// `http2_protocol_options`.
    pub http2: Http2Options,
    /// `access_log`.
    pub access_log: Box<[AccessLogPolicy]>,
}

impl HcmPolicy {
    /// A connection manager with Envoy's defaults.
    pub fn new(stat_prefix: Arc<str>, routes: Arc<RouteTable>) -> Self {
        Self {
            stat_prefix,
            codec: CodecType::Auto,
            routes,
            request_headers_timeout: None,
            request_timeout: None,
            stream_idle_timeout: Some(Duration::from_secs(300)),
            idle_timeout: Some(Duration::from_secs(3600)),
            drain_timeout: Duration::from_secs(5),
            max_request_headers_kb: 60,
            max_headers_count: 100,
            headers_with_underscores: UnderscorePolicy::Allow,
            use_remote_address: false,
            generate_request_id: true,
            server_name: "envoy".into(),
            upgrades: Box::default(),
            http1: Http1Options::default(),
            http2: Http2Options::default(),
            access_log: Box::default(),
        }
    }
}

/// `codec_type`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CodecType {
    /// HTTP/2 when the connection begins with its preface, else HTTP/1.
    #[default]
    Auto,
    /// `HTTP1`.
    Http1,
    /// `HTTP2`.
    Http2,
}

/// One entry of `upgrade_configs`, of a connection manager or of a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpgradeConfig {
    /// `upgrade_type`, compared without regard to case: `websocket`.
    pub upgrade_type: Box<str>,
    /// `enabled`. Default true.
    pub enabled: bool,
}

/// `TcpProxy`.
#[derive(Clone, Debug, PartialEq)]
pub struct TcpProxyPolicy {
    /// `stat_prefix`: names `tcp.<prefix>.*`.
    pub stat_prefix: Arc<str>,
    /// `cluster` or `weighted_clusters`.
    pub cluster: ClusterChoice,
    /// `idle_timeout`: without a byte in either direction for so long both sides are closed. Default
    /// 1 h; `None` (0 in the proto) is none.
    pub idle_timeout: Option<Duration>,
    /// `max_downstream_connection_duration`. Default none.
    pub max_downstream_connection_duration: Option<Duration>,
    /// `max_connect_attempts`. Default 1.
    pub max_connect_attempts: u32,
    /// `access_log`.
    pub access_log: Box<[AccessLogPolicy]>,
}
