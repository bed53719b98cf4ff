//! How a cluster is made from policy, endpoints and what is known already.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Weak};
use std::time::Instant;

use destrier_balance::{
    Balancer, Before, Health, LbState, LocalCluster, Member, Setup, TableBudget,
};
use destrier_policy::{
    Address, ClusterPolicy, Discovery, Endpoint, EndpointSet, LbPolicy, Locality,
    LocalityEndpoints, TransportSocket,
};

use super::{Cluster, ClusterState, NoHost};
use crate::{Host, HostState, Standing};

/// Host states by address.
pub(crate) type KnownHosts = HashMap<Address, Arc<HostState>>;

/// All that goes into a cluster.
pub(crate) struct Joined<'a> {
    pub(crate) policy: Arc<ClusterPolicy>,
    pub(crate) endpoints: Arc<EndpointSet>,
    pub(crate) state: Arc<ClusterState>,
    pub(crate) lb: Arc<LbState>,
    /// Of hosts that are or were there.
    pub(crate) known: KnownHosts,
    /// What it replaces.
    pub(crate) before: Option<&'a Cluster>,
    pub(crate) around: &'a Surroundings,
}

/// What is the same for all clusters of one moment.
#[derive(Clone, Debug)]
pub(crate) struct Surroundings {
    pub(crate) now: Instant,
    /// The zone that this proxy is in.
    pub(crate) own: Locality,
    /// The cluster of which it is a member.
    pub(crate) local: Option<Arc<LocalCluster>>,
    /// Memory of hash tables.
    pub(crate) budget: Arc<TableBudget>,
}

impl Joined<'_> {
    /// The cluster. A known host goes on with its state; one that is no longer among the endpoints
    /// departs.
    pub(crate) fn build(mut self) -> Cluster {
        let endpoints = match self.policy.discovery {
            Discovery::OriginalDst(_) => self.on_demand(),
            _ => Arc::clone(&self.endpoints),
        };
        let listed = self.listed(&endpoints);
        let mut hosts: Box<[Host]> =
            listed.iter().map(|(group, endpoint)| self.host(group, endpoint)).collect();
        let healthy_since = self.healthy_since(&hosts);
        let balancer = self.balancer(&listed, &hosts, &healthy_since);
        set_standings(&mut hosts, &balancer);
        let present: HashSet<&Address> = hosts.iter().map(Host::address).collect();
        self.known.retain(|address, _| !present.contains(address));
        Cluster {
            balancer,
            policy: self.policy,
            endpoints: self.endpoints,
            state: self.state,
            lb: self.lb,
            departed: self.known.values().map(Arc::downgrade).collect(),
            healthy_since,
            hosts,
        }
    }

    /// What clients asked for, as endpoints.
    fn on_demand(&mut self) -> Arc<EndpointSet> {
        let hosts = self.state.on_demand();
        self.known.extend(hosts.states().into_iter().map(|host| (host.address().clone(), host)));
        Arc::new(hosts.endpoints())
    }

    /// The endpoints that become hosts.
    fn listed<'e>(&self, endpoints: &'e EndpointSet) -> Vec<(&'e LocalityEndpoints, &'e Endpoint)> {
        let mut seen = HashSet::with_capacity(endpoints.len());
        // An address twice: a STATIC cluster keeps both with both weights, any other takes the first.
        let keeps_all = self.policy.discovery == Discovery::Static;
        let is_kept = |(_, endpoint): &(&LocalityEndpoints, &'e Endpoint)| {
            seen.insert(&endpoint.address) || keeps_all
        };
        endpoints.iter().filter(is_kept).collect()
    }

    fn host(&mut self, group: &LocalityEndpoints, endpoint: &Endpoint) -> Host {
        let state = self
            .known
            .entry(endpoint.address.clone())
            .or_insert_with(|| Arc::new(HostState::new(endpoint.address.clone())));
        // The others follow from what the balancer makes of it.
        let standing = match self.policy.transport_for(endpoint).is_in_force() {
            true => Standing::InUse,
            false => Standing::TransportNotInForce,
        };
        Host {
            state: Arc::clone(state),
            hostname: endpoint.hostname.clone(),
            locality: group.locality.clone(),
            weight: endpoint.weight,
            priority: group.priority,
            health: endpoint.health,
            standing,
        }
    }

    /// With slow start: a host is new when it comes, and when it is healthy again.
    fn healthy_since(&self, hosts: &[Host]) -> Box<[Option<Instant>]> {
        let (LbPolicy::RoundRobin { slow_start } | LbPolicy::LeastRequest { slow_start, .. }) =
            &self.policy.lb
        else {
            return Box::default();
        };
        if slow_start.is_none() {
            return Box::default();
        }
        let was_healthy: HashMap<&Address, Option<Instant>> = self
            .before
            .iter()
            .flat_map(|before| {
                before.hosts.iter().enumerate().map(|(at, host)| (*before, at, host))
            })
            .filter(|(_, _, host)| host.standing.was_healthy(host.health))
            .map(|(before, at, host)| {
                (host.address(), before.healthy_since.get(at).copied().flatten())
            })
            .collect();
        let now = self.around.now;
        let since = |host: &Host| match was_healthy.get(host.address()) {
            Some(since) => *since,
            None => Some(now),
        };
        hosts.iter().map(|host| (host.class() == Health::Healthy).then(|| since(host))?).collect()
    }

    fn balancer(
        &self,
        listed: &[(&LocalityEndpoints, &Endpoint)],
        hosts: &[Host],
        healthy_since: &[Option<Instant>],
    ) -> Balancer {
        let around = self.around;
        let members: Vec<Member<'_>> = listed
            .iter()
            .zip(hosts)
            .enumerate()
            .map(|(at, ((group, endpoint), host))| {
                let since = healthy_since.get(at).copied().flatten();
                Member {
                    address: host.address(),
                    hostname: &endpoint.hostname,
                    metadata: &endpoint.metadata,
                    locality: &group.locality,
                    locality_weight: group.weight.unwrap_or(0),
                    priority: group.priority,
                    weight: endpoint.weight,
                    health: host.class(),
                    age: since.map(|since| around.now.saturating_duration_since(since)),
                }
            })
            .collect();
        let addresses: Vec<&Address> =
            self.before.iter().flat_map(|before| before.hosts.iter()).map(Host::address).collect();
        Balancer::new(&Setup {
            policy: &self.policy.lb,
            common: &self.policy.common_lb,
            subsets: self.policy.subsets.as_ref(),
            overprovisioning_factor: self.endpoints.overprovisioning_factor,
            weighted_priority_health: self.endpoints.weighted_priority_health,
            members: &members,
            own: &around.own,
            local: around.local.as_deref(),
            state: &self.lb,
            before: self
                .before
                .map(|before| Before { balancer: &before.balancer, addresses: &addresses }),
            budget: &around.budget,
        })
    }
}

/// What the balancer makes of each host.
fn set_standings(hosts: &mut [Host], balancer: &Balancer) {
    let shares = balancer.shares(hosts.len());
    let in_use: BTreeSet<u32> = hosts
        .iter()
        .zip(&shares)
        .filter(|(_, share)| **share > 0.0)
        .map(|(host, _)| host.priority)
        .collect();
    for (host, share) in hosts.iter_mut().zip(shares) {
        let is_used = share > 0.0;
        host.standing = match host.class() {
            Health::Barred => Standing::TransportNotInForce,
            Health::Healthy | Health::Degraded if is_used => Standing::InUse,
            _ if is_used => Standing::InPanic,
            Health::Healthy if in_use.contains(&host.priority) => Standing::Unreached,
            Health::Healthy => Standing::Standby,
            Health::Degraded => Standing::DegradedStandby,
            Health::Excluded => Standing::Draining,
            Health::Unhealthy if host.health.is_usable() => Standing::Excluded,
            Health::Unhealthy => Standing::Unhealthy,
        };
    }
}

impl Cluster {
    /// The states of its hosts, and of those that left but are not forgotten.
    pub(crate) fn known_hosts(&self) -> KnownHosts {
        let departed = self.departed.iter().filter_map(Weak::upgrade);
        let present = self.hosts.iter().map(|host| host.state.clone());
        departed.chain(present).map(|state| (state.address().clone(), state)).collect()
    }

    /// The places in the rotations.
    pub(crate) fn lb(&self) -> &Arc<LbState> {
        &self.lb
    }

    pub(super) fn no_host(&self) -> NoHost {
        let any = |standing| self.hosts.iter().any(|host| host.standing == standing);
        if matches!(self.policy.discovery, Discovery::OriginalDst(_)) {
            NoHost::OriginalDst
        } else if self.hosts.is_empty() {
            NoHost::Empty
        } else if self.policy.subsets.is_some() {
            NoHost::Subset
        } else if self.hosts_in_use().next().is_some() {
            NoHost::Excluded
        } else if self.balancer.levels().iter().any(|level| level.panic) {
            NoHost::Panic
        } else if any(Standing::TransportNotInForce) {
            NoHost::TransportNotInForce
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
