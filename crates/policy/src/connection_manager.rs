//! What a listener makes of HTTP (`http_connection_manager.proto`).

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::{
    AccessLogOptions, AccessLogPolicy, Http1Options, Http2Options, LocalReplyPolicy, RouteTable,
    UnderscorePolicy,
};

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
    /// `common_http_protocol_options.max_connection_duration`: then a connection takes no new request.
    /// Default none.
    pub max_connection_duration: Option<Duration>,
    /// `common_http_protocol_options.max_stream_duration`: from the head of a request to the end of its
    /// answer. Default none.
    pub max_stream_duration: Option<Duration>,
    /// `common_http_protocol_options.max_requests_per_connection`. Default no limit (also 0 in the
    /// proto).
    pub max_requests_per_connection: Option<u32>,
    /// `drain_timeout`: between the notice and the end of a connection. Default 5 s.
    pub drain_timeout: Duration,
    /// `delayed_close_timeout`: how long a connection that ends waits for its client. Default 1 s;
    /// `None` (0 in the proto) closes at once.
    pub delayed_close_timeout: Option<Duration>,
    /// `max_request_headers_kb`. Default 60.
    pub max_request_headers_kb: u32,
    /// `common_http_protocol_options.max_headers_count`. Default 100.
    pub max_headers_count: u32,
    /// `common_http_protocol_options.headers_with_underscores_action`.
    pub headers_with_underscores: UnderscorePolicy,
    /// `use_remote_address`: the client is a stranger, known by the address that it connects from.
    /// Default false.
    pub use_remote_address: bool,
    /// `xff_num_trusted_hops`: how many proxies before this one are believed. Default 0.
    pub xff_num_trusted_hops: u32,
    /// `skip_xff_append`: `x-forwarded-for` stays as it came. Default false.
    pub skip_xff_append: bool,
    /// `append_x_forwarded_port`. Default false.
    pub append_x_forwarded_port: bool,
    /// `internal_address_config`: whose requests are internal. Default nobody's.
    pub internal_addresses: InternalAddresses,
    /// `forward_client_cert_details`.
    pub forward_client_cert: ForwardClientCert,
    /// `generate_request_id`. Default true.
    pub generate_request_id: bool,
    /// `preserve_external_request_id`: a stranger's `x-request-id` is kept. Default false.
    pub preserve_external_request_id: bool,
    /// `always_set_request_id_in_response`. Default false.
    pub always_set_request_id_in_response: bool,
    /// `server_name`: value of the `server` header. Default `envoy`.
    pub server_name: Arc<str>,
    /// `server_header_transformation`.
    pub server_header: ServerHeader,
    /// `via`: appended to that of both messages. Default none.
    pub via: Option<Arc<str>>,
    /// `add_user_agent`: the node's cluster is put into `x-envoy-downstream-service-cluster` and, if
    /// that is absent, into `user-agent`. Default false.
    pub add_user_agent: bool,
    /// `scheme_header_transformation.scheme_to_overwrite`.
    pub scheme: Option<Scheme>,
    /// `proxy_100_continue`: the cluster answers `expect: 100-continue`. Default false: it is answered
    /// here.
    pub proxy_100_continue: bool,
    /// What makes two spellings of a path the same.
    pub path: PathForm,
    /// What makes two spellings of a host the same.
    pub host: HostForm,
    /// `upgrade_configs`.
    pub upgrades: Box<[UpgradeConfig]>,
    /// `http_protocol_options`.
    pub http1: Http1Options,
    /// `http2_protocol_options`.
    pub http2: Http2Options,
    /// `local_reply_config`.
    pub local_replies: LocalReplyPolicy,
    /// `suppress_envoy_headers` of the router filter: no `x-envoy-*` but `x-envoy-attempt-count` is added.
    /// Default false.
    pub suppress_envoy_headers: bool,
    /// `access_log`.
    pub access_log: Box<[AccessLogPolicy]>,
    /// `access_log_options`.
    pub access_log_options: AccessLogOptions,
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
            max_connection_duration: None,
            max_stream_duration: None,
            max_requests_per_connection: None,
            drain_timeout: Duration::from_secs(5),
            delayed_close_timeout: Some(Duration::from_secs(1)),
            max_request_headers_kb: 60,
            max_headers_count: 100,
            headers_with_underscores: UnderscorePolicy::Allow,
            use_remote_address: false,
            xff_num_trusted_hops: 0,
            skip_xff_append: false,
            append_x_forwarded_port: false,
            internal_addresses: InternalAddresses::default(),
            forward_client_cert: ForwardClientCert::default(),
            generate_request_id: true,
            preserve_external_request_id: false,
            always_set_request_id_in_response: false,
            server_name: "envoy".into(),
            server_header: ServerHeader::default(),
            via: None,
            add_user_agent: false,
            scheme: None,
            proxy_100_continue: false,
            path: PathForm::default(),
            host: HostForm::default(),
            upgrades: Box::default(),
            http1: Http1Options::default(),
            http2: Http2Options::default(),
            local_replies: LocalReplyPolicy::default(),
            suppress_envoy_headers: false,
            access_log: Box::default(),
            access_log_options: AccessLogOptions::default(),
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

/// `server_header_transformation`: what becomes of `server` in an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ServerHeader {
    /// It is `server_name`.
    #[default]
    Overwrite,
    /// It is `server_name` where the answer has none.
    AppendIfAbsent,
    /// It is left as it came; answers made here have none.
    PassThrough,
}

/// What `scheme_header_transformation` makes of the scheme.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is a scheme")]
pub enum Scheme {
    Http,
    Https,
}

/// `forward_client_cert_details`: what becomes of `x-forwarded-client-cert`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ForwardClientCert {
    /// It is removed; nobody may claim a certificate. So it is with `FORWARD_ONLY`, `APPEND_FORWARD`
    /// and `SANITIZE_SET` as well, on a connection without a client's certificate.
    #[default]
    Sanitize,
    /// `ALWAYS_FORWARD_ONLY`: it is believed.
    AlwaysForwardOnly,
}

/// `internal_address_config`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InternalAddresses {
    /// `unix_sockets`: a client on a Unix domain socket is internal.
    pub unix_sockets: bool,
    /// `cidr_ranges`.
    pub ranges: Box<[Cidr]>,
}

impl InternalAddresses {
    /// Whether the address is in one of the ranges.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.ranges.iter().any(|range| range.contains(address))
    }
}

/// `CidrRange`: the addresses that begin alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cidr {
    network: IpAddr,
    length: u8,
}

impl Cidr {
    /// The addresses whose first `length` bits are those of `address`. `None` when an address does not
    /// have so many.
    pub fn new(address: IpAddr, length: u8) -> Option<Self> {
        let bits = if address.is_ipv4() { 32 } else { 128 };
        (length <= bits).then_some(Self { network: address, length })
    }

    /// Whether the address is one of them. Versions differ.
    pub fn contains(&self, address: IpAddr) -> bool {
        let first_bits = |bits: u128, width: u32| {
            // All of a width is shifted out where no bit counts.
            bits.checked_shr(width - u32::from(self.length)).unwrap_or(0)
        };
        match (self.network, address) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                first_bits(network.to_bits().into(), 32) == first_bits(address.to_bits().into(), 32)
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                first_bits(network.to_bits(), 128) == first_bits(address.to_bits(), 128)
            }
            _ => false,
        }
    }
}

/// What is done to a path before a route is chosen by it; the cluster gets it so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PathForm {
    /// `path_with_escaped_slashes_action`, which comes first.
    pub escaped_slashes: EscapedSlashes,
    /// `normalize_path` (RFC 3986, 6, as Envoy has it): dot segments are followed, backslashes become
    /// slashes, escapes that need not be are undone. Default false.
    pub normalize: bool,
    /// `merge_slashes`: slashes in a row become one. Default false.
    pub merge_slashes: bool,
}

/// `path_with_escaped_slashes_action`: what becomes of `%2F` and `%5C`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EscapedSlashes {
    /// They stay.
    #[default]
    KeepUnchanged,
    /// The request is answered with 400.
    RejectRequest,
    /// The client is sent to the path without them, with 307; gRPC is answered with 400.
    UnescapeAndRedirect,
    /// They become a slash and a backslash.
    UnescapeAndForward,
}

/// What is done to the host before a virtual host is chosen by it; the cluster gets it so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HostForm {
    /// `strip_trailing_host_dot`, which comes first. Default false.
    pub strip_trailing_dot: bool,
    /// Which ports are cut off.
    pub strip_port: StripPort,
}

/// Which port of a host is cut off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StripPort {
    /// None.
    #[default]
    Never,
    /// `strip_matching_host_port`: that of the listener.
    Matching,
    /// `strip_any_host_port`.
    Any,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_hold_what_begins_alike() {
        for (network, length, inside, outside) in [
            ("10.0.0.0", 8, "10.255.0.1", "11.0.0.0"),
            ("10.0.0.1", 32, "10.0.0.1", "10.0.0.2"),
            ("192.168.128.0", 17, "192.168.255.1", "192.168.0.1"),
            ("0.0.0.0", 0, "255.0.0.1", "::1"),
            ("fd00::", 8, "fd12::1", "fe00::1"),
            ("::", 0, "fe80::1", "1.2.3.4"),
            ("::1", 128, "::1", "::2"),
        ] {
            let address = |text: &str| text.parse().expect("an address");
            let range = Cidr::new(address(network), length).expect("a length in range");
            assert!(range.contains(address(inside)), "{network}/{length}");
            assert!(!range.contains(address(outside)), "{network}/{length}");
        }
        assert_eq!(Cidr::new(IpAddr::from([10, 0, 0, 0]), 33), None);
    }
}
