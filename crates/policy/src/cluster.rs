//! How a cluster is to be talked to (`cluster.proto: Cluster`).

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::{
    CircuitBreakers, ClusterName, CommonLb, Discovery, Endpoint, HttpOptions, LbPolicy, Metadata,
    OutlierPolicy, SubsetPolicy, TransportMatch, TransportSocket,
};

/// Everything a control plane says about a cluster except its endpoints. Compared by value: an update
/// that leaves it equal changes nothing.
#[derive(Clone, Debug, PartialEq)]
pub struct ClusterPolicy {
    /// `name`.
    pub name: ClusterName,
    /// `alt_stat_name`, else the name: names the statistics (`observability_name`).
    pub observability_name: Arc<str>,
    /// From the bootstrap, or from the control plane (`added_via_api`).
    pub origin: Origin,
    /// Where endpoints come from.
    pub discovery: Discovery,
    /// Time to connect, TLS included. Default 5 s.
    pub connect_timeout: Duration,
    /// `per_connection_buffer_limit_bytes`. Default 1 MiB; 0 is no limit.
    pub per_connection_buffer_limit: u32,
    /// How a host is chosen.
    pub lb: LbPolicy,
    /// What holds for every algorithm.
    pub common_lb: CommonLb,
    /// `lb_subset_config`.
    pub subsets: Option<SubsetPolicy>,
    /// Limits.
    pub circuit_breakers: CircuitBreakers,
    /// HTTP towards the endpoints.
    pub http: HttpOptions,
    /// `upstream_connection_options.tcp_keepalive`.
    pub tcp_keepalive: Option<TcpKeepalive>,
    /// `upstream_bind_config`.
    pub bind: Option<BindConfig>,
    /// `transport_socket`: for endpoints that no match claims.
    pub transport: TransportSocket,
    /// `transport_socket_matches`, first match wins.
    pub transport_matches: Box<[TransportMatch]>,
    /// `outlier_detection`.
    pub outlier: Option<OutlierPolicy>,
    /// `metadata`.
    pub metadata: Arc<Metadata>,
    /// Fields that the resource sets and that are not in force (yet, or ever), for the admin port.
    pub notes: Box<[FieldNote]>,
}

impl ClusterPolicy {
    /// A cluster with Envoy's defaults: STATIC, round robin, no options. The base of translation and of
    /// tests.
    pub fn new(name: ClusterName) -> Self {
        Self {
            observability_name: name.as_str().into(),
            name,
            origin: Origin::Static,
            discovery: Discovery::Static,
            connect_timeout: Duration::from_secs(5),
            per_connection_buffer_limit: 1 << 20,
            lb: LbPolicy::RoundRobin { slow_start: None },
            common_lb: CommonLb::default(),
            subsets: None,
            circuit_breakers: CircuitBreakers::default(),
            http: HttpOptions::default(),
            tcp_keepalive: None,
            bind: None,
            transport: TransportSocket::Raw,
            transport_matches: Box::default(),
            outlier: None,
            metadata: Arc::default(),
            notes: Box::default(),
        }
    }

    /// The transport socket of an endpoint: that of the first match, else the cluster's.
    pub fn transport_for(&self, endpoint: &Endpoint) -> &TransportSocket {
        self.transport_matches
            .iter()
            .find(|candidate| candidate.matches(endpoint))
            .map_or(&self.transport, |found| &found.socket)
    }
}

/// Who brought a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The bootstrap's `static_resources`.
    Static,
    /// The control plane.
    Dynamic,
}

/// `address.proto: TcpKeepalive`; what is `None` is left to the system.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct TcpKeepalive {
    /// `keepalive_probes`.
    pub probes: Option<u32>,
    /// `keepalive_time`, whole seconds.
    pub time: Option<Duration>,
    /// `keepalive_interval`, whole seconds.
    pub interval: Option<Duration>,
}

/// `address.proto: BindConfig`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BindConfig {
    /// `source_address`.
    pub source: SocketAddr,
}

/// A field that a resource sets and that is not in force here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldNote {
    /// Path within the resource.
    pub field: Arc<str>,
    /// Where it stands.
    pub standing: FieldStanding,
}

/// What becomes of a field that is accepted but not enforced now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldStanding {
    /// Translated; a later part enforces it.
    Later,
    /// Ignored without harm: telemetry and the like.
    Tolerated,
}
