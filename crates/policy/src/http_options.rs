//! HTTP towards a cluster (`http_protocol_options.proto: HttpProtocolOptions`), and the per-version
//! options that listeners share with it (`protocol.proto`).

use std::sync::Arc;
use std::time::Duration;

use crate::ErrorMatch;

/// Which HTTP version is spoken to the endpoints.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum UpstreamProtocol {
    /// `explicit_http_config.http_protocol_options`, also the default without any options.
    #[default]
    Http1,
    /// `explicit_http_config.http2_protocol_options`.
    Http2,
    /// `use_downstream_protocol_config`: that of the request.
    UseDownstream,
    /// `auto_config`: by ALPN; needs TLS.
    Auto,
}

/// `HttpProtocolOptions` of a cluster.
#[derive(Clone, Debug, PartialEq)]
pub struct HttpOptions {
    /// The version.
    pub protocol: UpstreamProtocol,
    /// `idle_timeout`: how long an unused connection is kept. Default 1 h; `None` is for ever (0 in the
    /// proto).
    pub idle_timeout: Option<Duration>,
    /// `max_connection_duration`: then a connection takes no new request. Default none.
    pub max_connection_duration: Option<Duration>,
    /// `max_requests_per_connection`. Default no limit (also 0 in the proto).
    pub max_requests_per_connection: Option<u32>,
    /// `max_headers_count` of a response. Default 100.
    pub max_headers_count: u32,
    /// `max_response_headers_kb`. Default 60.
    pub max_response_headers_kb: u32,
    /// `max_stream_duration`. Default none.
    pub max_stream_duration: Option<Duration>,
    /// `headers_with_underscores_action`.
    pub headers_with_underscores: UnderscorePolicy,
    /// HTTP/1 towards the endpoints.
    pub http1: Http1Options,
    /// HTTP/2 towards the endpoints.
    pub http2: Http2Options,
    /// `upstream_http_protocol_options.auto_sni`.
    pub auto_sni: bool,
    /// `upstream_http_protocol_options.auto_san_validation`.
    pub auto_san_validation: bool,
    /// `outlier_detection.error_matcher`. `None` is every 5xx.
    pub error_match: Option<ErrorMatch>,
}

impl Default for HttpOptions {
    fn default() -> Self {
        Self {
            protocol: UpstreamProtocol::Http1,
            idle_timeout: Some(Duration::from_secs(3600)),
            max_connection_duration: None,
            max_requests_per_connection: None,
            max_headers_count: 100,
            max_response_headers_kb: 60,
            max_stream_duration: None,
            headers_with_underscores: UnderscorePolicy::Allow,
            http1: Http1Options::default(),
            http2: Http2Options::default(),
            auto_sni: false,
            auto_san_validation: false,
            error_match: None,
        }
    }
}

/// `headers_with_underscores_action`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UnderscorePolicy {
    /// Let them pass.
    #[default]
    Allow,
    /// Answer 400.
    RejectRequest,
    /// Drop the header.
    DropHeader,
}

/// `Http1ProtocolOptions`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Http1Options {
    /// `enable_trailers`. Default false: trailers of HTTP/1 messages are dropped.
    pub enable_trailers: bool,
    /// `accept_http_10` (listeners only). Default false: answered with 426.
    pub accept_http_10: bool,
    /// `default_host_for_http_10` (listeners only): the host of an HTTP/1.0 request without one.
    /// Default none: it is refused.
    pub default_host_for_http_10: Option<Arc<str>>,
    /// `allow_absolute_url`. Default true.
    pub disallow_absolute_url: bool,
    /// `header_key_format`.
    pub header_case: HeaderCase,
}

/// `header_key_format`: how header names are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HeaderCase {
    /// In lower case.
    #[default]
    Lower,
    /// `proper_case_words`: `Content-Length`.
    ProperWords,
}

/// `Http2ProtocolOptions`.
#[derive(Clone, Debug, PartialEq)]
pub struct Http2Options {
    /// Streams at once on a connection; the peer's own limit counts as well. Default 1024.
    pub max_concurrent_streams: u32,
    /// Bytes a stream may have in flight. Default 16 MiB.
    pub initial_stream_window_size: u32,
    /// Bytes a connection may have in flight. Default 24 MiB.
    pub initial_connection_window_size: u32,
    /// `allow_connect`: extended CONNECT. Default false.
    pub allow_connect: bool,
    /// `connection_keepalive`.
    pub keepalive: Option<Http2Keepalive>,
}

impl Default for Http2Options {
    fn default() -> Self {
        Self {
            max_concurrent_streams: 1024,
            initial_stream_window_size: 16 << 20,
            initial_connection_window_size: 24 << 20,
            allow_connect: false,
            keepalive: None,
        }
    }
}

/// `KeepaliveSettings`: HTTP/2 PING.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Http2Keepalive {
    /// Between pings; `None` sends none on a timer.
    pub interval: Option<Duration>,
    /// Without an answer for so long the connection is closed.
    pub timeout: Duration,
}
