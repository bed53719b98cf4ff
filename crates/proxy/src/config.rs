//! What a proxy is started with.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use destrier_policy::ListenerPolicy;
use destrier_upstream::Directory;

/// What a [`Proxy`](crate::Proxy) is started with.
#[derive(Clone)]
pub struct ProxyConfig {
    /// Listeners, in the order in which they are bound.
    pub listeners: Vec<Arc<ListenerPolicy>>,
    /// Workers: threads with a runtime each. 0 counts as 1.
    pub concurrency: usize,
    /// Where clusters are found.
    pub directory: Directory,
    /// Who this is.
    pub node: NodeIdentity,
    /// How long a line of an access log may wait (`--file-flush-interval-msec`). Default 10 s.
    pub access_log_flush: Duration,
}

impl ProxyConfig {
    /// One worker and Envoy's defaults.
    pub fn new(listeners: Vec<Arc<ListenerPolicy>>, directory: Directory) -> Self {
        Self {
            listeners,
            concurrency: 1,
            directory,
            node: NodeIdentity::default(),
            access_log_flush: Duration::from_secs(10),
        }
    }
}

/// What requests are told of the node that the proxy runs on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeIdentity {
    /// `node.id`: `x-envoy-downstream-service-node`, with `add_user_agent`. Default empty.
    pub id: Arc<str>,
    /// `node.cluster`: `x-envoy-downstream-service-cluster`, with `add_user_agent`. Default empty.
    pub cluster: Arc<str>,
    /// What `x-forwarded-for` says instead of a loopback peer, as in Envoy (`local_info.address`).
    /// Default 127.0.0.1.
    pub address: IpAddr,
}

impl Default for NodeIdentity {
    fn default() -> Self {
        Self { id: "".into(), cluster: "".into(), address: IpAddr::V4(Ipv4Addr::LOCALHOST) }
    }
}
