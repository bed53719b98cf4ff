//! Where connections come in (`listener.proto`, `tcp_proxy.proto`).

use std::sync::Arc;
use std::time::Duration;

use crate::{
    AccessLogOptions, AccessLogPolicy, Address, ClusterChoice, HashPolicy, HcmPolicy, MetadataMatch,
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
    /// With the listener filter `original_dst`: where a redirected connection was to go is of interest.
    pub original_dst: bool,
    /// `access_log`: a line at the end of each connection.
    pub access_log: Box<[AccessLogPolicy]>,
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

/// `TcpProxy`.
#[derive(Clone, Debug, PartialEq)]
pub struct TcpProxyPolicy {
    /// `stat_prefix`: names `tcp.<prefix>.*`.
    pub stat_prefix: Arc<str>,
    /// `cluster` or `weighted_clusters`.
    pub cluster: ClusterChoice,
    /// `hash_policy`: of the client's address.
    pub hash: Box<[HashPolicy]>,
    /// `metadata_match`: which subset of the cluster.
    pub metadata_match: Option<Arc<MetadataMatch>>,
    /// `idle_timeout`: without a byte in either direction for so long both sides are closed. Default
    /// 1 h; `None` (0 in the proto) is none.
    pub idle_timeout: Option<Duration>,
    /// `max_downstream_connection_duration`. Default none.
    pub max_downstream_connection_duration: Option<Duration>,
    /// `max_connect_attempts`. Default 1.
    pub max_connect_attempts: u32,
    /// `access_log`.
    pub access_log: Box<[AccessLogPolicy]>,
    /// `access_log_options`.
    pub access_log_options: AccessLogOptions,
}
