//! Clusters in few words.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use destrier_balance::{
    Balancer, Before, Candidate, Health, LbState, LocalCluster, Member, Preference, Setup,
    TableBudget,
};
use destrier_policy::{
    Address, CommonLb, HealthStatus, LbPolicy, Locality, Metadata, Percent, Selection,
};
use serde_json::Value;

pub(crate) const ROUND_ROBIN: LbPolicy = LbPolicy::RoundRobin { slow_start: None };

pub(crate) const LEAST_REQUEST: LbPolicy = LbPolicy::LeastRequest {
    choice_count: 2,
    active_request_bias: 1.0,
    selection: Selection::NChoices,
    slow_start: None,
};

/// A host as a pick sees it.
#[derive(Debug)]
pub(crate) struct Host {
    pub(crate) address: Address,
    pub(crate) active: AtomicU32,
    pub(crate) excluded: AtomicBool,
    pub(crate) status: HealthStatus,
}

impl Host {
    pub(crate) fn new(index: usize) -> Self {
        Self {
            address: address(index),
            active: AtomicU32::new(0),
            excluded: AtomicBool::new(false),
            status: HealthStatus::Healthy,
        }
    }
}

impl Candidate for Host {
    fn address(&self) -> &Address {
        &self.address
    }
    fn active_requests(&self) -> u32 {
        self.active.load(Ordering::Relaxed)
    }
    fn is_eligible(&self) -> bool {
        !self.excluded.load(Ordering::Relaxed)
    }
    fn status(&self) -> Option<HealthStatus> {
        Some(self.status)
    }
}

fn address(index: usize) -> Address {
    let [_, _, high, low] = (index as u32).to_be_bytes();
    SocketAddr::from(([127, 1, high, low], 80)).into()
}

/// A host as the balancer is told of it.
#[derive(Clone, Debug)]
pub(crate) struct Spec {
    pub(crate) address: Address,
    pub(crate) locality: Locality,
    pub(crate) locality_weight: u32,
    pub(crate) priority: u32,
    pub(crate) weight: u32,
    pub(crate) health: Health,
    pub(crate) age: Option<Duration>,
}

/// A cluster.
pub(crate) struct Rig {
    pub(crate) policy: LbPolicy,
    pub(crate) common: CommonLb,
    pub(crate) overprovisioning_factor: u32,
    pub(crate) weighted_priority_health: bool,
    pub(crate) specs: Vec<Spec>,
    pub(crate) own: Locality,
    pub(crate) local: Option<LocalCluster>,
    pub(crate) budget: Arc<TableBudget>,
}

impl Rig {
    pub(crate) fn new(policy: &LbPolicy) -> Self {
        Self {
            policy: policy.clone(),
            common: CommonLb::default(),
            overprovisioning_factor: 140,
            weighted_priority_health: false,
            specs: Vec::new(),
            own: Locality::default(),
            local: None,
            budget: Arc::default(),
        }
    }

    /// Healthy hosts of one priority with these weights.
    pub(crate) fn weighted(policy: &LbPolicy, weights: &[u32]) -> Self {
        let mut rig = Self::new(policy);
        for &weight in weights {
            rig.add(Health::Healthy).weight = weight;
        }
        rig
    }

    pub(crate) fn add(&mut self, health: Health) -> &mut Spec {
        let address = address(self.specs.len());
        self.specs.push(Spec {
            address,
            locality: Locality::default(),
            locality_weight: 0,
            priority: 0,
            weight: 1,
            health,
            age: None,
        });
        self.specs.last_mut().expect("one was just added")
    }

    /// Hosts of a priority: so many healthy, degraded, draining, and the rest unhealthy.
    pub(crate) fn level(&mut self, priority: u32, [all, healthy, degraded, draining]: [u64; 4]) {
        for index in 0..all {
            let health = if index < healthy {
                Health::Healthy
            } else if index < healthy + degraded {
                Health::Degraded
            } else if index < healthy + degraded + draining {
                Health::Excluded
            } else {
                Health::Unhealthy
            };
            self.add(health).priority = priority;
        }
    }

    pub(crate) fn panic_threshold(&mut self, percent: f64) {
        self.common.healthy_panic_threshold = Percent::new(percent).expect("a percentage");
    }

    pub(crate) fn build(&self, state: &LbState) -> Balancer {
        self.build_after(state, None)
    }

    pub(crate) fn build_after(&self, state: &LbState, before: Option<Before<'_>>) -> Balancer {
        let metadata = Metadata::default();
        let members: Vec<Member<'_>> = self
            .specs
            .iter()
            .map(|spec| Member {
                address: &spec.address,
                hostname: "",
                metadata: &metadata,
                locality: &spec.locality,
                locality_weight: spec.locality_weight,
                priority: spec.priority,
                weight: spec.weight,
                health: spec.health,
                age: spec.age,
            })
            .collect();
        Balancer::new(&Setup {
            policy: &self.policy,
            common: &self.common,
            subsets: None,
            overprovisioning_factor: self.overprovisioning_factor,
            weighted_priority_health: self.weighted_priority_health,
            members: &members,
            own: &self.own,
            local: self.local.as_ref(),
            state,
            before,
            budget: &self.budget,
        })
    }

    pub(crate) fn hosts(&self) -> Vec<Host> {
        (0..self.specs.len()).map(Host::new).collect()
    }
}

/// A balancer at work: the same random numbers each time.
pub(crate) struct Picks<'a> {
    pub(crate) balancer: &'a Balancer,
    pub(crate) state: &'a LbState,
    pub(crate) hosts: &'a [Host],
    random: u64,
}

impl<'a> Picks<'a> {
    pub(crate) fn new(balancer: &'a Balancer, state: &'a LbState, hosts: &'a [Host]) -> Self {
        Self { balancer, state, hosts, random: 1 }
    }

    pub(crate) fn one(&mut self) -> Option<usize> {
        self.random = splitmix(self.random);
        pick(self.balancer, self.state, self.hosts, self.random)
    }

    /// `count` picks as letters; `-` for none.
    pub(crate) fn letters(&mut self, count: usize) -> String {
        let letter = |host: Option<usize>| host.map_or('-', |host| (b'A' + host as u8) as char);
        (0..count).map(|_| letter(self.one())).collect()
    }

    /// How often each host was picked of `count` times; `None` is no host.
    pub(crate) fn counts(&mut self, count: usize) -> BTreeMap<Option<usize>, u64> {
        let mut counts = BTreeMap::new();
        for _ in 0..count {
            *counts.entry(self.one()).or_default() += 1;
        }
        counts
    }
}

/// Without a preference.
pub(crate) fn pick(
    balancer: &Balancer,
    state: &LbState,
    hosts: &[Host],
    random: u64,
) -> Option<usize> {
    balancer.pick(state, hosts, Preference::default(), random, || 0)
}

fn splitmix(seed: u64) -> u64 {
    let mixed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// The statistics that were counted.
pub(crate) fn counters(state: &LbState) -> BTreeMap<String, u64> {
    let mut counters = BTreeMap::new();
    state.counters().visit(&mut |name, value| {
        counters.insert(name.to_owned(), value);
    });
    counters
}

/// A list of numbers of a recording.
pub(crate) fn numbers(value: &Value) -> Vec<u64> {
    let list = value.as_array().expect("a list");
    list.iter().map(|number| number.as_u64().expect("a number")).collect()
}
