//! `listener.proto: Listener` to [`ListenerPolicy`](destrier_policy::ListenerPolicy).

use destrier_policy::{ClusterName, ListenerFilter, ListenerPolicy};

/// Every cluster that a listener can send to.
pub(crate) fn clusters(listener: &ListenerPolicy) -> Vec<&ClusterName> {
    match &listener.filter {
        ListenerFilter::Http(manager) => manager.routes.clusters().collect(),
        ListenerFilter::Tcp(proxy) => proxy.cluster.names().collect(),
    }
}
