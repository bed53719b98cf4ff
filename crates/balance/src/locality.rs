//! Hosts of a priority by locality, and the weights of localities.

use std::collections::BTreeMap;

use destrier_policy::Locality;

use crate::weights::Weight;
use crate::{Health, Member};

/// The hosts of one locality in one priority.
#[derive(Debug)]
pub(crate) struct LocalityHosts<'a> {
    pub(crate) locality: &'a Locality,
    /// `load_balancing_weight` of the locality.
    pub(crate) weight: u32,
    /// All, by index.
    pub(crate) all: Vec<u32>,
}

impl<'a> LocalityHosts<'a> {
    /// The hosts at `indices` by locality: the own one first, the others in the order of their names, as
    /// Envoy has them.
    pub(crate) fn group(members: &[Member<'a>], indices: &[u32], own: &Locality) -> Vec<Self> {
        let mut groups: BTreeMap<(bool, &Locality), Self> = BTreeMap::new();
        for &index in indices {
            let member = &members[index as usize];
            let locality = member.locality;
            let group = groups.entry((locality != own, locality)).or_insert_with(|| Self {
                locality,
                weight: 0,
                all: Vec::new(),
            });
            // Where a locality stands twice in a priority, the last weight counts.
            group.weight = member.locality_weight;
            group.all.push(index);
        }
        groups.into_values().collect()
    }

    /// The same locality with the hosts that are in a subset. With `scale_locality_weight` it keeps as
    /// much of its weight as of its hosts.
    pub(crate) fn restrict(&self, is_in: impl Fn(u32) -> bool, scaling: Scaling) -> Self {
        let all: Vec<u32> = self.all.iter().copied().filter(|&index| is_in(index)).collect();
        let part = all.len() as f64 / self.all.len() as f64;
        let weight = match scaling {
            // At most the weight.
            Scaling::ByHosts => (f64::from(self.weight) * part).round() as u32,
            Scaling::None => self.weight,
        };
        Self { locality: self.locality, weight, all }
    }

    /// Those of a class.
    pub(crate) fn of_health(&self, members: &[Member<'_>], health: Health) -> Vec<u32> {
        let is = |&&index: &&u32| members[index as usize].health == health;
        self.all.iter().filter(is).copied().collect()
    }

    /// The weight lowered by the part that is not available, with reserve; `None` when nothing is left.
    pub(crate) fn effective_weight(
        &self,
        members: &[Member<'_>],
        health: Health,
        overprovisioning_factor: u32,
    ) -> Option<Weight> {
        let count = |health: Health| {
            let hosts = self.all.iter().filter(|&&index| members[index as usize].health == health);
            hosts.count() as u64
        };
        let counted = self.all.len() as u64 - count(Health::Excluded);
        let whole = 100 * counted;
        let available = (u64::from(overprovisioning_factor) * count(health)).min(whole);
        let num = u64::from(self.weight).checked_mul(available)?;
        (num > 0).then_some(if available == whole {
            Weight { num: u64::from(self.weight), den: 1 }
        } else {
            Weight { num, den: whole }
        })
    }
}

/// What becomes of a locality's weight in a subset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scaling {
    None,
    /// `scale_locality_weight`.
    ByHosts,
}
