//! Which connections can go on.

use std::collections::HashMap;

use destrier_policy::{Address, ClusterPolicy, TransportSocket};

use super::Membership;
use crate::Cluster;

/// Hosts of `before` that left, or whose connections would carry other bytes in `after`. Limits,
/// timeouts, balancing, outlier settings, weights and health are not looked at: a change of these
/// closes nothing.
pub(super) fn retired(before: &Cluster, after: &Cluster, membership: Membership) -> Vec<Address> {
    // `cluster.proto: close_connections_on_host_set_change`.
    let close_all = after.policy().common_lb.close_connections_on_host_set_change
        && membership == Membership::Changed;
    let other_wire = !same_wire(before.policy(), after.policy());
    let transports = transports(after);
    let gone = |address: &Address, transport: &TransportSocket| {
        transports.get(address).is_none_or(|now| *now != transport)
    };
    let hosts = self::transports(before);
    let retired = hosts
        .into_iter()
        .filter(|(address, transport)| close_all || other_wire || gone(address, transport));
    retired.map(|(address, _)| address.clone()).collect()
}

/// What is the same for all hosts: the version of HTTP, and where connections come from.
fn same_wire(before: &ClusterPolicy, after: &ClusterPolicy) -> bool {
    before.http.protocol == after.http.protocol && before.bind == after.bind
}

/// How each host is reached. Of an address that stands twice the first endpoint counts.
fn transports(cluster: &Cluster) -> HashMap<&Address, &TransportSocket> {
    let mut transports = HashMap::with_capacity(cluster.hosts().len());
    for (_, endpoint) in cluster.endpoints().iter() {
        transports
            .entry(&endpoint.address)
            .or_insert_with(|| cluster.policy().transport_for(endpoint));
    }
    transports
}
