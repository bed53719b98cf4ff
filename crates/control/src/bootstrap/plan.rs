//! What a bootstrap asks for, checked and ready to be wired.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use destrier_policy::{
    Address, ClientTls, ClusterName, DataSource, FieldNote, Http2Keepalive, ListenerPolicy,
    TcpKeepalive,
};
use envoy_types::pb::envoy::config::core::v3::Node;
use envoy_types::pb::envoy::config::metrics::v3::StatsConfig;
use http::{HeaderMap, HeaderName};

use super::{FilePlan, Settings};
use crate::{AssemblerSettings, ClustersFrom, TranslatedCluster};

/// A `Bootstrap`, translated.
#[derive(Debug)]
pub struct BootstrapPlan {
    /// `node`, sent to the control plane as it is.
    pub node: Option<Node>,
    /// `admin.address`.
    pub admin: Option<Address>,
    /// `static_resources.clusters`.
    pub clusters: Vec<StaticCluster>,
    /// `static_resources.listeners`.
    pub listeners: Vec<StaticListener>,
    /// `dynamic_resources.ads_config`.
    pub ads: Option<AdsPlan>,
    /// Whether `dynamic_resources.cds_config` is set, and its `initial_fetch_timeout`.
    pub clusters_from: ClustersFrom,
    /// Sources that are files.
    pub files: FilePlan,
    /// `cluster_manager.local_cluster_name`.
    pub local_cluster: Option<ClusterName>,
    /// `stats_config`; absent means Envoy's default tags.
    pub stats: StatsConfig,
    /// The keys `destrier.*` of `layered_runtime`.
    pub settings: Settings,
    /// What the bootstrap sets and nothing here obeys, by its path.
    pub not_in_force: Vec<FieldNote>,
}

impl BootstrapPlan {
    /// What the assembler needs to know of it.
    pub fn assembler_settings(&self) -> AssemblerSettings {
        AssemblerSettings {
            deletion_grace: self.settings.deletion_grace,
            removed_endpoints: self.settings.removed_endpoints,
            clusters_from: self.clusters_from,
            ..AssemblerSettings::default()
        }
    }

    /// Every cluster that a static listener can send to.
    pub fn referenced_clusters(&self) -> impl Iterator<Item = &ClusterName> {
        self.listeners.iter().flat_map(|listener| crate::listener::clusters(&listener.policy))
    }
}

/// A cluster of the bootstrap.
#[derive(Clone, Debug)]
pub struct StaticCluster {
    /// What it says.
    pub cluster: TranslatedCluster,
    /// The encoded `Cluster`, for `/config_dump`.
    pub body: Bytes,
}

/// A listener of the bootstrap.
#[derive(Clone, Debug)]
pub struct StaticListener {
    /// What it says.
    pub policy: ListenerPolicy,
    /// The encoded `Listener`, for `/config_dump`.
    pub body: Bytes,
}

/// `ads_config`.
#[derive(Clone, Debug, PartialEq)]
pub struct AdsPlan {
    /// `api_type`.
    pub protocol: AdsProtocol,
    /// `set_node_on_first_message_only`: else the node is sent with each request.
    pub node: NodeOn,
    /// `grpc_services`: the control planes in the order in which they are preferred, at least one.
    pub servers: Vec<AdsServer>,
}

/// How to reach a control plane.
#[derive(Clone, Debug, PartialEq)]
pub struct AdsServer {
    /// Where it is.
    pub target: AdsTarget,
    /// The static cluster of `envoy_grpc`; `None` with `google_grpc`.
    pub cluster: Option<ClusterName>,
    /// `envoy_grpc.authority`, else the cluster's name; with `google_grpc` the target.
    pub authority: String,
    /// Time to connect. Default 5 s.
    pub connect_timeout: Duration,
    /// HTTP/2 PING on the connection: the cluster's `connection_keepalive`.
    pub keepalive: Option<Http2Keepalive>,
    /// The cluster's `tcp_keepalive`.
    pub tcp_keepalive: Option<TcpKeepalive>,
    /// `initial_metadata` of the stream.
    pub metadata: HeaderMap,
    /// TLS: the cluster's `transport_socket`, or `ssl_credentials`.
    pub tls: Option<ClientTls>,
    /// `call_credentials`.
    pub credentials: Vec<CallCredential>,
}

/// A header that says who we are.
#[derive(Clone, Debug, PartialEq)]
pub struct CallCredential {
    /// `header_key`, `authorization` by default.
    pub header: HeaderName,
    /// `header_prefix`, before the secret.
    pub prefix: String,
    /// `secret_data`: read for each stream.
    pub secret: DataSource,
}

/// `api_config_source::ApiType`, as far as it is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AdsProtocol {
    /// `GRPC`.
    StateOfTheWorld,
    /// `DELTA_GRPC`.
    Delta,
}

/// In which requests the node is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeOn {
    /// The first of each stream.
    FirstMessage,
    /// All.
    EveryMessage,
}

/// Where the control plane is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AdsTarget {
    /// An IP address.
    Ip(SocketAddr),
    /// A name to resolve before each connection.
    Dns {
        /// The name.
        host: String,
        /// The port.
        port: u16,
    },
    /// A Unix domain socket; an abstract one begins with `@`.
    Unix(Arc<Path>),
}
