//! A cluster of idle hosts, balanced by the real thing.

use std::collections::BTreeSet;
use std::sync::Arc;

use destrier_balance::{
    Balancer, Candidate, Health, LbState, Member, Preference, Setup, TableStats,
};
use destrier_policy::{Address, EndpointSet, HealthStatus, Locality};

use crate::read::Cluster;

pub(crate) struct World {
    balancer: Balancer,
    state: LbState,
    hosts: Vec<Idle>,
}

struct Idle {
    address: Address,
    status: HealthStatus,
}

impl Candidate for Idle {
    fn address(&self) -> &Address {
        &self.address
    }
    fn active_requests(&self) -> u32 {
        0
    }
    fn is_eligible(&self) -> bool {
        true
    }
    fn status(&self) -> Option<HealthStatus> {
        Some(self.status)
    }
}

impl World {
    pub(crate) fn new(cluster: &Cluster, endpoints: &EndpointSet) -> Self {
        let mut seen = BTreeSet::new();
        // Of an address that an EDS cluster has twice the first counts, a STATIC cluster has both.
        let mut is_new = |address: &Address| !cluster.is_eds || seen.insert(address.clone());
        let members: Vec<_> = endpoints
            .iter()
            .filter(|(_, endpoint)| is_new(&endpoint.address))
            .map(|(group, endpoint)| Member {
                address: &endpoint.address,
                hostname: &endpoint.hostname,
                metadata: &endpoint.metadata,
                locality: &group.locality,
                locality_weight: group.weight.unwrap_or(0),
                priority: group.priority,
                weight: endpoint.weight,
                health: Health::from(endpoint.health),
                age: None,
            })
            .collect();
        let state = LbState::new(0);
        let balancer = Balancer::new(&Setup {
            policy: &cluster.lb,
            common: &cluster.common,
            subsets: cluster.subsets.as_ref(),
            overprovisioning_factor: endpoints.overprovisioning_factor,
            weighted_priority_health: endpoints.weighted_priority_health,
            members: &members,
            own: &Locality::default(),
            local: None,
            state: &state,
            before: None,
            budget: &Arc::default(),
        });
        let hosts = members.iter().map(|member| member.address);
        let statuses = endpoints.iter().map(|(_, endpoint)| endpoint.health);
        let hosts = hosts.zip(statuses);
        let hosts =
            hosts.map(|(address, status)| Idle { address: address.clone(), status }).collect();
        Self { balancer, state, hosts }
    }

    /// Where a request goes; `random` stands for what a worker draws.
    pub(crate) fn pick(&self, preference: Preference<'_>, random: u64) -> Option<&Address> {
        let host = self.balancer.pick(&self.state, &self.hosts, preference, random, || 0)?;
        Some(&self.hosts[host].address)
    }

    /// Of the hash tables, in the order of priorities.
    pub(crate) fn tables(&self) -> impl Iterator<Item = TableStats> {
        let tables = self.balancer.levels().into_iter().filter_map(|level| level.table);
        tables.filter_map(|table| table.stats)
    }
}
