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
    /// What `x-forwarded-for` says instead of a loopback peer, as in Envoy (`local_info.address`).
    pub node_address: IpAddr,
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
            node_address: IpAddr::V4(Ipv4Addr::LOCALHOST),
            access_log_flush: Duration::from_secs(10),
        }
    }
}
