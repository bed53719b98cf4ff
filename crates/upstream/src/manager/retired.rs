//! What is no longer in force, kept until nobody holds it: no worker should free a map of ten thousand
//! entries in the middle of a request.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use destrier_policy::Address;

use crate::{Cluster, Clusters, Directory};

#[derive(Default)]
pub(super) struct Retired {
    maps: Vec<Arc<Clusters>>,
    clusters: Vec<(Arc<Cluster>, Vec<Address>)>,
}

impl Retired {
    /// After how long it is worth looking again whether something can be freed: a map is held for a
    /// look-up, a cluster for a request, which may be a stream of hours.
    pub(super) fn next_sweep(&self) -> Option<Duration> {
        match (self.maps.is_empty(), self.clusters.is_empty()) {
            (true, true) => None,
            (true, false) => Some(Duration::from_secs(1)),
            (false, _) => Some(Duration::from_millis(20)),
        }
    }

    pub(super) fn keep_clusters(&mut self, clusters: Arc<Clusters>) {
        self.maps.push(clusters);
    }

    /// Keeps a replaced cluster with the hosts whose pools were retired.
    pub(super) fn keep_cluster(&mut self, cluster: Arc<Cluster>, hosts: Vec<Address>) {
        self.clusters.push((cluster, hosts));
    }

    /// Frees what only this holds. A request of a replaced cluster may have opened a connection to a
    /// host after its pool was retired; when the last such request is done, the pool is retired again.
    pub(super) fn sweep(&mut self, directory: &Directory) {
        self.maps.retain(|map| Arc::strong_count(map) > 1);
        self.clusters.retain(|(cluster, hosts)| {
            let held = Arc::strong_count(cluster) > 1;
            if !held && !hosts.is_empty() {
                cluster.state().pools().retire(&unused(hosts, cluster, directory));
            }
            held
        });
    }
}

/// Without the hosts that are there again.
fn unused(hosts: &[Address], cluster: &Cluster, directory: &Directory) -> Vec<Address> {
    let now = directory.get(cluster.name().as_str());
    let same = now.filter(|now| Arc::ptr_eq(now.state(), cluster.state()));
    let present: HashSet<&Address> =
        same.iter().flat_map(|now| now.hosts()).map(|host| host.address()).collect();
    hosts.iter().filter(|host| !present.contains(host)).cloned().collect()
}
