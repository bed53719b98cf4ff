//! Policy and hosts to what is picked from.

use std::collections::BTreeMap;
use std::time::Duration;

use destrier_policy::{LbPolicy, LocalityLb, SlowStart};

use crate::balancer::Rare;
use crate::candidate::Strictness;
use crate::levels::{Level, Spread};
use crate::list::List;
use crate::locality::{LocalityHosts, Scaling};
use crate::parts::Parts;
use crate::priority::{Census, Load, LoadPolicy};
use crate::rotation::Rotation;
use crate::slow_start;
use crate::state::{Turn, TurnOf};
use crate::target::{Target, Weighted, Zones};
use crate::weights::Weight;
use crate::zone::{Flat, Routing, Zone};
use crate::{Health, Setup};

/// Up to so many hosts an address is looked for in all of them.
const LONGEST_SEARCH: usize = 64;

pub(crate) struct Built {
    pub(crate) spread: Spread,
    pub(crate) rare: Option<Box<Rare>>,
}

pub(crate) fn build(setup: &Setup<'_>) -> Built {
    let builder = Builder { setup, slow_start: slow_start::of(setup.policy) };
    let priorities = builder.priorities();
    let before = setup.before.map(|before| before.balancer.spread());
    let spread = builder.spread(&priorities, &Scope { id: 0, part: None, before });
    let rare = Rare {
        parts: setup.subsets.map(|policy| Parts::build(policy, &builder, &priorities)),
        by_address: builder.by_address(),
        next_step: builder.next_step(),
    };
    let is_plain = rare.parts.is_none() && rare.by_address.is_empty() && rare.next_step.is_none();
    Built { spread, rare: (!is_plain).then(|| Box::new(rare)) }
}

/// All hosts that are not barred, by priority.
pub(crate) type Priorities = BTreeMap<u32, Vec<u32>>;

/// Over which hosts load is spread.
pub(crate) struct Scope<'a> {
    /// 0 for all, else of a subset.
    pub(crate) id: u64,
    /// The hosts of a subset, ascending.
    pub(crate) part: Option<&'a [u32]>,
    pub(crate) before: Option<&'a Spread>,
}

impl Scope<'_> {
    fn has(&self, host: u32) -> bool {
        self.part.is_none_or(|part| part.binary_search(&host).is_ok())
    }
}

pub(crate) struct Builder<'a> {
    pub(crate) setup: &'a Setup<'a>,
    slow_start: Option<&'a SlowStart>,
}

/// Hosts of a priority, as far as they are in the scope.
pub(crate) struct Group<'a> {
    pub(crate) scope: &'a Scope<'a>,
    pub(crate) priority: u32,
    /// Of the priority, in the scope or not.
    every: &'a [u32],
    pub(crate) hosts: Vec<u32>,
}

impl Builder<'_> {
    fn priorities(&self) -> Priorities {
        let mut priorities = Priorities::new();
        for (member, index) in self.setup.members.iter().zip(0..) {
            if member.health != Health::Barred {
                priorities.entry(member.priority).or_default().push(index);
            }
        }
        priorities
    }

    /// How load is spread over the hosts of a scope.
    pub(crate) fn spread(&self, priorities: &Priorities, scope: &Scope<'_>) -> Spread {
        let groups: Vec<Group<'_>> = priorities
            .iter()
            .map(|(&priority, every)| {
                let hosts = every.iter().copied().filter(|&host| scope.has(host)).collect();
                Group { scope, priority, every, hosts }
            })
            .filter(|group| !group.hosts.is_empty())
            .collect();
        let census: Vec<Census> = groups.iter().map(|group| self.census(&group.hosts)).collect();
        let loads = self.load_policy().loads(&census);
        let levels: Vec<Level> =
            groups.iter().zip(loads).map(|(group, load)| self.level(group, load)).collect();
        match <[Level; 1]>::try_from(levels) {
            Ok(
                [
                    Level {
                        load: Load { healthy: 100, panic: false, .. },
                        healthy: Target::Flat(list),
                        ..
                    },
                ],
            ) => Spread::Simple(list),
            Ok(level) => Spread::Levels(Box::new(level)),
            Err(levels) => Spread::Levels(levels.into()),
        }
    }

    pub(crate) fn load_policy(&self) -> LoadPolicy {
        LoadPolicy {
            overprovisioning_factor: self.setup.overprovisioning_factor,
            weighted: self.setup.weighted_priority_health,
            panic_threshold: self.setup.common.healthy_panic_threshold.whole(),
        }
    }

    fn census(&self, hosts: &[u32]) -> Census {
        let mut census = Census::default();
        for &host in hosts {
            let member = &self.setup.members[host as usize];
            census.hosts.add(member.health, 1);
            census.weights.add(member.health, member.weight.max(1).into());
        }
        census
    }

    fn level(&self, group: &Group<'_>, load: Load) -> Level {
        let used = load.healthy + load.degraded > 0;
        let hashing =
            matches!(self.setup.policy, LbPolicy::RingHash { .. } | LbPolicy::Maglev { .. });
        let mut targets = (Target::Nobody, Target::Nobody);
        if hashing && used {
            targets.0 = self.hashed(group, load.panic);
        } else if load.panic && used && !self.fails_on_panic() {
            let turn = Turn { of: TurnOf::All, ..group.turn() };
            let hosts = group.hosts.clone();
            targets.0 = Target::Flat(self.list(hosts, Strictness::Any, &turn));
        } else if !load.panic && !hashing {
            if load.healthy > 0 {
                targets.0 = self.target(group, Health::Healthy);
            }
            if load.degraded > 0 {
                targets.1 = self.target(group, Health::Degraded);
            }
        }
        let (healthy, degraded) = targets;
        Level { priority: group.priority, load, healthy, degraded }
    }

    fn fails_on_panic(&self) -> bool {
        let locality = &self.setup.common.locality;
        matches!(locality, LocalityLb::ZoneAware { fail_traffic_on_panic: true, .. })
    }

    /// The hosts of one class.
    fn target(&self, group: &Group<'_>, health: Health) -> Target {
        let members = self.setup.members;
        if self.weighs_localities(group.scope)
            && let Some(weighted) = self.weighted(group, health)
        {
            return weighted;
        }
        let of = if health == Health::Healthy { TurnOf::Healthy } else { TurnOf::Degraded };
        let is = |&host: &u32| members[host as usize].health == health;
        let hosts = group.hosts.iter().copied().filter(is).collect();
        let flat = self.list(hosts, Strictness::Eligible, &Turn { of, ..group.turn() });
        if group.priority == 0 { self.zones(group, health, of, flat) } else { Target::Flat(flat) }
    }

    /// Whether localities share by weight here. In a subset only if it says so.
    pub(crate) fn weighs_localities(&self, scope: &Scope<'_>) -> bool {
        let aware = |policy: &destrier_policy::SubsetPolicy| policy.locality_weight_aware;
        self.setup.common.locality == LocalityLb::Weighted
            && (scope.part.is_none() || self.setup.subsets.is_some_and(aware))
    }

    /// The localities of a priority, those without a host in the scope included.
    pub(crate) fn localities(&self, group: &Group<'_>) -> Vec<LocalityHosts<'_>> {
        let groups = LocalityHosts::group(self.setup.members, group.every, self.setup.own);
        let Some(policy) = self.setup.subsets.filter(|_| group.scope.part.is_some()) else {
            return groups;
        };
        let scaling = if policy.scale_locality_weight { Scaling::ByHosts } else { Scaling::None };
        let in_scope = |locality: &LocalityHosts<'_>| {
            let LocalityHosts { locality, weight, all } =
                locality.restrict(|host| group.scope.has(host), scaling);
            (locality.clone(), weight, all)
        };
        let restricted = groups.iter().map(in_scope).collect::<Vec<_>>();
        groups
            .into_iter()
            .zip(restricted)
            .map(|(group, (_, weight, all))| LocalityHosts { weight, all, ..group })
            .collect()
    }

    /// Localities by weight; `None` when none has any, and then weights say nothing.
    fn weighted(&self, group: &Group<'_>, health: Health) -> Option<Target> {
        let (of, choice) = match health {
            Health::Degraded => (TurnOf::Degraded, TurnOf::DegradedLocalities),
            _ => (TurnOf::Healthy, TurnOf::HealthyLocalities),
        };
        let factor = self.setup.overprovisioning_factor;
        let localities = self.localities(group);
        let (lists, weights): (Vec<List>, Vec<Weight>) = localities
            .iter()
            .filter_map(|locality| {
                let weight = locality.effective_weight(self.setup.members, health, factor)?;
                let hosts = locality.of_health(self.setup.members, health);
                let turn = Turn { of, locality: Some(locality.locality), ..group.turn() };
                Some((self.list(hosts, Strictness::Eligible, &turn), weight))
            })
            .unzip();
        if lists.is_empty() {
            return None;
        }
        let cursor = self.setup.state.cursor(&Turn { of: choice, ..group.turn() });
        let rotation = Rotation::new(&weights, cursor.position(self.setup.state));
        Some(Target::Weighted(Box::new(Weighted { rotation, cursor, localities: lists.into() })))
    }

    /// Zone-aware routing where the own zone and the local cluster are known; else `flat`.
    fn zones(&self, group: &Group<'_>, health: Health, of: TurnOf, flat: List) -> Target {
        let Some(local) = self.setup.local else { return Target::Flat(flat) };
        // Unless it is configured it holds with its defaults.
        let (enabled, min_cluster_size) = match self.setup.common.locality {
            LocalityLb::ZoneAware { routing_enabled, min_cluster_size, .. } => {
                // At most 100.
                (routing_enabled.get().round() as u32, min_cluster_size)
            }
            LocalityLb::None | LocalityLb::Weighted => (100, 6),
        };
        let localities = self.localities(group);
        let zones: Vec<Zone<'_>> = localities
            .iter()
            .map(|locality| Zone {
                locality: locality.locality,
                healthy: locality.of_health(self.setup.members, Health::Healthy).len() as u64,
            })
            .collect();
        let counts = self.setup.state.counters().get();
        let is_first = health == Health::Healthy;
        if is_first {
            counts.lb_recalculate_zone_structures.inc();
        }
        let routing = match Routing::new(local, self.setup.own, &zones, min_cluster_size) {
            Ok(routing) => routing,
            Err(why) => {
                match why {
                    Flat::LocalClusterNotOk if is_first => counts.lb_local_cluster_not_ok.inc(),
                    Flat::TooSmall if is_first => counts.lb_zone_cluster_too_small.inc(),
                    _ => {}
                }
                return Target::Flat(flat);
            }
        };
        if local.is_in_panic(self.load_policy().panic_threshold) {
            counts.lb_local_cluster_not_ok.inc();
            return if self.fails_on_panic() { Target::Nobody } else { Target::Flat(flat) };
        }
        let zones = localities.iter().map(|locality| {
            let hosts = locality.of_health(self.setup.members, health);
            let turn = Turn { of, locality: Some(locality.locality), ..group.turn() };
            self.list(hosts, Strictness::Eligible, &turn)
        });
        let zones = zones.collect();
        Target::Zones(Box::new(Zones { routing, enabled, zones, flat }))
    }

    pub(crate) fn list(&self, hosts: Vec<u32>, strictness: Strictness, turn: &Turn<'_>) -> List {
        let weights: Vec<Weight> = hosts.iter().map(|&host| self.weight(host)).collect();
        List::new(self.setup.policy, hosts, &weights, strictness, self.setup.state, turn)
    }

    /// The weight of a host, lowered while it is new.
    fn weight(&self, host: u32) -> Weight {
        let member = &self.setup.members[host as usize];
        match (self.slow_start, member.age, member.health) {
            (Some(config), Some(age), Health::Healthy) => {
                slow_start::weight(config, age, member.weight)
            }
            _ => Weight::whole(member.weight),
        }
    }

    fn next_step(&self) -> Option<Duration> {
        let healthy = self.setup.members.iter().filter(|member| member.health == Health::Healthy);
        slow_start::next_step(self.slow_start?, healthy.filter_map(|member| member.age))
    }

    fn by_address(&self) -> Box<[u32]> {
        let members = self.setup.members;
        if members.len() <= LONGEST_SEARCH {
            return Box::default();
        }
        let mut order: Vec<u32> = (0..).take(members.len()).collect();
        order.sort_by_key(|&host| members[host as usize].address);
        order.into()
    }
}

impl Group<'_> {
    /// Of all its healthy hosts.
    pub(crate) fn turn(&self) -> Turn<'static> {
        let (scope, priority) = (self.scope.id, self.priority);
        Turn { scope, priority, of: TurnOf::Healthy, locality: None }
    }
}
