//! How a cluster is made from policy, endpoints and what is known already.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Weak};

use destrier_balance::{LbState, Picker};
use destrier_policy::{
    Address, ClusterPolicy, Discovery, Endpoint, EndpointSet, LocalityEndpoints, TransportSocket,
};

use super::{Cluster, ClusterState, NoHost};
use crate::{Host, HostState, Standing};

/// Host states by address.
pub(crate) type KnownHosts = HashMap<Address, Arc<HostState>>;

/// All that goes into a cluster.
pub(crate) struct Joined {
    pub(crate) policy: Arc<ClusterPolicy>,
    pub(crate) endpoints: Arc<EndpointSet>,
    pub(crate) state: Arc<ClusterState>,
    pub(crate) lb: Arc<LbState>,
    /// Of hosts that are or were there.
    pub(crate) known: KnownHosts,
}

impl Joined {
    /// The cluster. A known host goes on with its state; one that is no longer among the endpoints
    /// departs.
    pub(crate) fn build(mut self) -> Cluster {
        let hosts = self.hosts();
        let in_use = hosts.partition_point(|host| host.standing == Standing::InUse);
        let weights: Vec<u32> = hosts[..in_use].iter().map(Host::weight).collect();
        let present: HashSet<&Address> = hosts.iter().map(Host::address).collect();
        self.known.retain(|address, _| !present.contains(address));
        Cluster {
            picker: Picker::new(&self.policy.lb, &weights, &self.lb),
            policy: self.policy,
            endpoints: self.endpoints,
            state: self.state,
            lb: self.lb,
            departed: self.known.values().map(Arc::downgrade).collect(),
            in_use,
            hosts,
        }
    }

    /// Every host, sorted by standing.
    fn hosts(&mut self) -> Box<[Host]> {
        let policy = &self.policy;
        if policy.discovery == Discovery::OriginalDst {
            return Box::default();
        }
        let mut hosts = Vec::with_capacity(self.endpoints.len());
        let mut seen = HashSet::with_capacity(hosts.capacity());
        for (group, endpoint) in self.endpoints.iter() {
            // An address twice: a STATIC cluster keeps both with both weights, any other takes the first.
            let first = seen.insert(&endpoint.address);
            if !first && policy.discovery != Discovery::Static {
                continue;
            }
            let state = self
                .known
                .entry(endpoint.address.clone())
                .or_insert_with(|| Arc::new(HostState::new(endpoint.address.clone())));
            hosts.push(host(policy, group, endpoint, state.clone()));
        }
        let usable = |host: &&Host| host.standing == Standing::InUse;
        let preferred = hosts.iter().filter(usable).map(Host::priority).min();
        for host in &mut hosts {
            if host.standing == Standing::InUse && Some(host.priority) != preferred {
                host.standing = Standing::Standby;
            }
        }
        // Stable: within a standing the order of the assignment remains.
        hosts.sort_by_key(Host::standing);
        hosts.into()
    }
}

fn host(
    policy: &ClusterPolicy,
    group: &LocalityEndpoints,
    endpoint: &Endpoint,
    state: Arc<HostState>,
) -> Host {
    let standing = if !endpoint.health.is_usable() {
        Standing::Unhealthy
    } else if !policy.transport_for(endpoint).is_in_force() {
        Standing::TransportNotInForce
    } else {
        Standing::InUse
    };
    Host {
        state,
        hostname: endpoint.hostname.clone(),
        locality: group.locality.clone(),
        weight: endpoint.weight,
        priority: group.priority,
        health: endpoint.health,
        standing,
    }
}

impl Cluster {
    /// The states of its hosts, and of those that left but are not forgotten.
    pub(crate) fn known_hosts(&self) -> KnownHosts {
        let departed = self.departed.iter().filter_map(Weak::upgrade);
        let present = self.hosts.iter().map(|host| host.state.clone());
        departed.chain(present).map(|state| (state.address().clone(), state)).collect()
    }

    /// The place in the rotation.
    pub(crate) fn lb(&self) -> &Arc<LbState> {
        &self.lb
    }

    pub(super) fn no_host(&self) -> NoHost {
        let any = |standing| self.hosts.iter().any(|host| host.standing == standing);
        if self.policy.discovery == Discovery::OriginalDst {
            NoHost::OriginalDst
        } else if self.in_use > 0 {
            NoHost::Excluded
        } else if any(Standing::TransportNotInForce) {
            NoHost::TransportNotInForce
        } else if self.hosts.is_empty() {
            NoHost::Empty
        } else {
            NoHost::Unhealthy
        }
    }

    /// Type URLs of the transport sockets that keep endpoints out of use.
    pub(super) fn transports_not_in_force(&self) -> String {
        let urls: BTreeSet<&str> = self
            .endpoints
            .iter()
            .filter_map(|(_, endpoint)| match self.policy.transport_for(endpoint) {
                TransportSocket::Raw => None,
                TransportSocket::NotInForce { type_url } => Some(&**type_url),
            })
            .collect();
        urls.into_iter().collect::<Vec<_>>().join(", ")
    }
}
