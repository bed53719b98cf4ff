//! Where the endpoints of a cluster come from (`cluster.proto: type` and what belongs to each).

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderName;

/// `type`, with what belongs to it.
#[derive(Clone, Debug, PartialEq)]
pub enum Discovery {
    /// `STATIC`: the endpoints stand in the cluster.
    Static,
    /// `STRICT_DNS`: each address that a name resolves to is an endpoint.
    StrictDns(DnsOptions),
    /// `LOGICAL_DNS`: new connections go to the first address that the one name resolves to.
    LogicalDns(DnsOptions),
    /// `EDS`.
    Eds {
        /// `service_name`, else the cluster's name: the resource asked for.
        service_name: Arc<str>,
        /// `eds_config`: who is asked.
        source: AssignmentSource,
        /// How long a new cluster waits for its endpoints. `None` waits for ever (0 in the proto);
        /// absent there is 15 s.
        initial_fetch_timeout: Option<Duration>,
    },
    /// `ORIGINAL_DST`: the address that the client meant.
    OriginalDst(OriginalDstOptions),
}

impl Discovery {
    /// The proto's name of the type.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Static => "STATIC",
            Self::StrictDns(_) => "STRICT_DNS",
            Self::LogicalDns(_) => "LOGICAL_DNS",
            Self::Eds { .. } => "EDS",
            Self::OriginalDst(_) => "ORIGINAL_DST",
        }
    }
}

/// Who brings the endpoints of an EDS cluster (`eds_config`).
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AssignmentSource {
    /// `ads`, `self`: the control plane.
    #[default]
    Ads,
    /// `path_config_source.path`: a file.
    File(Arc<Path>),
}

/// How names are resolved.
#[derive(Clone, Debug, PartialEq)]
pub struct DnsOptions {
    /// `dns_refresh_rate`. Default 5 s.
    pub refresh_rate: Duration,
    /// `dns_failure_refresh_rate`; without one a failure changes nothing of the refresh rate.
    pub failure_backoff: Option<FailureBackoff>,
    /// `dns_jitter`: random addition to the refresh rate.
    pub jitter: Duration,
    /// `respect_dns_ttl`: the least TTL of an answer is the refresh rate.
    pub respect_ttl: bool,
    /// `dns_lookup_family`.
    pub family: DnsFamily,
    /// `wait_for_warm_on_init`. Default true.
    pub wait_for_warm: bool,
    /// Who is asked.
    pub servers: DnsServers,
}

/// `cluster.proto: RefreshRate`: pauses after failures are random up to a limit, which doubles each time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FailureBackoff {
    /// `base_interval`: the first limit.
    pub base: Duration,
    /// `max_interval`: the last one. Default ten times the base.
    pub max: Duration,
}

/// `typed_dns_resolver_config` for c-ares, and the fields that it replaces.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DnsServers {
    /// `resolvers`; those of the system when there are none.
    pub addresses: Box<[SocketAddr]>,
    /// `use_tcp_for_dns_lookups`.
    pub tcp_only: bool,
    /// Not `no_default_search_domain`.
    pub search_domains: bool,
}

impl Default for DnsServers {
    fn default() -> Self {
        Self { addresses: Box::default(), tcp_only: false, search_domains: true }
    }
}

/// `DnsLookupFamily`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DnsFamily {
    /// IPv6, else IPv4.
    #[default]
    Auto,
    /// IPv4 only.
    V4Only,
    /// IPv6 only.
    V6Only,
    /// IPv4, else IPv6.
    V4Preferred,
    /// Both.
    All,
}

/// `original_dst_lb_config` and `cleanup_interval`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OriginalDstOptions {
    /// With `use_http_header`: the header that names the host, before the connection's own destination.
    pub header: Option<HeaderName>,
    /// `upstream_port_override`.
    pub port: Option<u16>,
    /// `cleanup_interval`: a host that nobody used for so long goes. Default 5 s.
    pub cleanup_interval: Duration,
}

impl Default for OriginalDstOptions {
    fn default() -> Self {
        Self { header: None, port: None, cleanup_interval: Duration::from_secs(5) }
    }
}
