//! The face of this crate.

use std::time::Duration;

use destrier_policy::{Address, HealthStatus};

use crate::build::{Built, build};
use crate::levels::Spread;
use crate::parts::Parts;
use crate::target::Ask;
use crate::{Candidate, LbState, Preference, Setup};

/// Chooses among the hosts of a cluster. Immutable; made anew when the hosts, their health or weights or
/// the policy change, and at each step of slow start.
#[derive(Debug)]
pub struct Balancer {
    spread: Spread,
    rare: Option<Box<Rare>>,
    /// `override_host_status`, a bit each.
    overridable: u8,
}

/// What most clusters are without.
#[derive(Debug, Default)]
pub(crate) struct Rare {
    pub(crate) parts: Option<Parts>,
    /// Indices in the order of addresses, where there are so many that looking through all is slow.
    pub(crate) by_address: Box<[u32]>,
    pub(crate) next_step: Option<Duration>,
}

impl Balancer {
    /// From policy and hosts. Hash tables are built here, which may take long: not for a worker.
    pub fn new(setup: &Setup<'_>) -> Self {
        let Built { spread, rare } = build(setup);
        let statuses = setup.common.override_host_status.iter();
        let overridable = statuses.fold(0, |bits, status| bits | bit(*status));
        Self { spread, rare, overridable }
    }

    /// Index of the chosen host, or `None` when there is none. `hosts` are those that the balancer was
    /// made for, in their order; `random` is uniform; `cluster_active` counts the active requests of
    /// the whole cluster, for bounded load.
    pub fn pick<C: Candidate>(
        &self,
        state: &LbState,
        hosts: &[C],
        preference: Preference<'_>,
        random: u64,
        cluster_active: impl Fn() -> u64,
    ) -> Option<usize> {
        if let Some(named) = preference.host.and_then(|wanted| self.named(hosts, wanted)) {
            return Some(named);
        }
        let hash = preference.hash.unwrap_or(random);
        let ask = Ask { state, hosts, random, hash, cluster_active: &cluster_active };
        match self.rare.as_ref().and_then(|rare| rare.parts.as_ref()) {
            None => self.spread.pick(&ask),
            Some(parts) => parts.pick(&ask, preference.metadata),
        }
    }

    /// The host at an address, if its status allows that it is named.
    fn named(&self, hosts: &[impl Candidate], wanted: &Address) -> Option<usize> {
        let by_address = self.rare.as_ref().map_or(&[][..], |rare| &rare.by_address);
        let found = if by_address.is_empty() {
            hosts.iter().position(|host| host.address() == wanted)?
        } else {
            let address = |&index: &u32| hosts.get(index as usize).map(Candidate::address);
            let place = by_address.binary_search_by_key(&Some(wanted), address).ok()?;
            by_address[place] as usize
        };
        let status = hosts.get(found)?.status()?;
        (self.overridable & bit(status) != 0).then_some(found)
    }

    /// After how long a host in slow start is due for more of its weight: then the balancer is to be
    /// built anew. `None` when no host is new.
    pub fn next_step(&self) -> Option<Duration> {
        self.rare.as_ref()?.next_step
    }

    /// The part of all picks that each of `count` hosts is to get of requests without a preference.
    pub fn shares(&self, count: usize) -> Vec<f64> {
        let mut shares = vec![0.0; count];
        self.spread.shares(&mut |host, share| {
            if let Some(sum) = shares.get_mut(host) {
                *sum += share;
            }
        });
        shares
    }

    pub(crate) fn spread(&self) -> &Spread {
        &self.spread
    }

    pub(crate) fn parts(&self) -> Option<&Parts> {
        self.rare.as_ref()?.parts.as_ref()
    }
}

fn bit(status: HealthStatus) -> u8 {
    1 << match status {
        HealthStatus::Unknown => 0,
        HealthStatus::Healthy => 1,
        HealthStatus::Unhealthy => 2,
        HealthStatus::Draining => 3,
        HealthStatus::Timeout => 4,
        HealthStatus::Degraded => 5,
    }
}
