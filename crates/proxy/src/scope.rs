//! What all connections of a listener share.

use std::net::IpAddr;
use std::sync::Arc;

use destrier_policy::{Address, HcmPolicy, ListenerFilter, ListenerPolicy, TcpProxyPolicy};
use http::HeaderValue;

use crate::access_log::{AccessLogs, LogWriter};
use crate::config::NodeIdentity;
use crate::stack::want;
use crate::stats::{HttpStats, ListenerHttpStats, ListenerStats, ProxyStats, TcpStats};

/// A bound listener as its connections see it.
pub(crate) struct ListenerScope {
    pub(crate) name: Arc<str>,
    /// With the real port.
    pub(crate) address: Address,
    /// Whether it is of interest where redirected connections were to go.
    pub(crate) original_dst: bool,
    pub(crate) stats: Arc<ListenerStats>,
    pub(crate) filter: FilterScope,
    /// A line at the end of each connection.
    pub(crate) logs: AccessLogs,
}

/// What its connections are.
pub(crate) enum FilterScope {
    Http(Arc<HttpScope>),
    Tcp(Arc<TcpScope>),
}

/// An `HttpConnectionManager` at work.
pub(crate) struct HttpScope {
    pub(crate) policy: Arc<HcmPolicy>,
    pub(crate) stats: Arc<HttpStats>,
    /// The same by listener.
    pub(crate) listener_stats: Arc<ListenerHttpStats>,
    pub(crate) logs: AccessLogs,
    /// `server_name`, ready to be written.
    pub(crate) server: HeaderValue,
    /// `via`, if there is one.
    pub(crate) via: Option<HeaderValue>,
    /// `default_host_for_http_10`, if there is one.
    pub(crate) default_host: Option<HeaderValue>,
    /// Who asks, as requests say it (`add_user_agent`).
    pub(crate) agent: Option<Agent>,
    /// What `x-forwarded-for` says of a loopback peer.
    pub(crate) node_address: IpAddr,
    pub(crate) buffer_limit: BufferLimit,
}

/// This node, ready to be written.
pub(crate) struct Agent {
    /// `node.cluster`.
    pub(crate) cluster: HeaderValue,
    /// `node.id`, unless it is empty.
    pub(crate) node: Option<HeaderValue>,
}

impl Agent {
    /// `None` for a node without a cluster, or with one that no header can hold.
    fn new(node: &NodeIdentity) -> Option<Self> {
        Some(Self { cluster: written(&node.cluster)?, node: written(&node.id) })
    }
}

/// `None` for what is empty, or cannot be the value of a header, which was refused before.
fn written(text: &str) -> Option<HeaderValue> {
    HeaderValue::from_str(text).ok().filter(|text| !text.is_empty())
}

/// A `TcpProxy` at work.
pub(crate) struct TcpScope {
    pub(crate) policy: Arc<TcpProxyPolicy>,
    pub(crate) stats: Arc<TcpStats>,
    pub(crate) logs: AccessLogs,
}

/// Bytes that an HTTP/1 connection lets wait in each direction before it stops reading
/// (`per_connection_buffer_limit_bytes`): 64 KiB at most, since more makes nothing faster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BufferLimit(usize);

impl BufferLimit {
    /// The most, also where the proto's 0 says that there is no limit.
    pub(crate) const MOST: Self = Self(64 << 10);

    fn of(policy: &ListenerPolicy) -> Self {
        match policy.per_connection_buffer_limit {
            0 => Self::MOST,
            limit => Self(Self::MOST.0.min(limit as usize)),
        }
    }

    /// In bytes, at least 1.
    pub(crate) fn get(self) -> usize {
        self.0
    }
}

impl ListenerScope {
    /// Listeners with the same `stat_prefix` share their counts, as in Envoy.
    pub(crate) fn new(
        policy: &ListenerPolicy,
        name: Arc<str>,
        address: Address,
        node: &NodeIdentity,
        stats: &ProxyStats,
        writer: &LogWriter,
    ) -> Self {
        let buffer_limit = BufferLimit::of(policy);
        let filter = match &policy.filter {
            ListenerFilter::Http(hcm) => FilterScope::Http(Arc::new(HttpScope {
                stats: stats.http(&hcm.stat_prefix),
                listener_stats: stats.listener_http(&address, &hcm.stat_prefix),
                logs: {
                    let mut logs = AccessLogs::open(&hcm.access_log, Arc::clone(&name), writer);
                    want(&hcm.local_replies, &mut logs.wanted);
                    logs
                },
                server: HeaderValue::from_str(&hcm.server_name)
                    .unwrap_or(HeaderValue::from_static("envoy")),
                default_host: hcm.http1.default_host_for_http_10.as_deref().and_then(written),
                via: hcm.via.as_deref().and_then(written),
                agent: Agent::new(node).filter(|_| hcm.add_user_agent),
                policy: Arc::clone(hcm),
                node_address: node.address,
                buffer_limit,
            })),
            ListenerFilter::Tcp(tcp) => FilterScope::Tcp(Arc::new(TcpScope {
                stats: stats.tcp(&tcp.stat_prefix),
                logs: AccessLogs::open(&tcp.access_log, Arc::clone(&name), writer),
                policy: Arc::clone(tcp),
            })),
        };
        let logs = AccessLogs::open(&policy.access_log, Arc::clone(&name), writer);
        let original_dst = policy.original_dst;
        Self { stats: stats.listener(&address), name, address, original_dst, filter, logs }
    }
}
