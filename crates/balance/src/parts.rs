//! Subsets: a spread of its own for each group of hosts.

use std::collections::{HashMap, HashSet};

use destrier_policy::{MetadataMatch, SubsetPolicy};

use crate::Candidate;
use crate::build::{Builder, Priorities, Scope};
use crate::candidate::Strictness;
use crate::levels::Spread;
use crate::state::{Turn, TurnOf};
use crate::subset::SubsetIndex;
use crate::target::Ask;

/// The subsets of a cluster. All of them share the hosts' state.
#[derive(Debug)]
pub(crate) struct Parts {
    index: SubsetIndex,
    /// In the order of the index' groups.
    parts: Box<[Part]>,
}

#[derive(Debug)]
struct Part {
    key: u64,
    is_by_values: bool,
    spread: Spread,
}

impl Parts {
    pub(crate) fn build(
        policy: &SubsetPolicy,
        builder: &Builder<'_>,
        priorities: &Priorities,
    ) -> Self {
        // Preferred priorities first: of a group with a single host they give the one.
        let order: Vec<u32> = priorities.values().flatten().copied().collect();
        let members = builder.setup.members;
        let metadata = order.iter().map(|&host| members[host as usize].metadata);
        let index = SubsetIndex::new(policy, metadata);
        let earlier = builder.setup.before.and_then(|before| before.balancer.parts());
        let known: HashMap<u64, &Spread> = earlier
            .iter()
            .flat_map(|parts| parts.parts.iter().map(|part| (part.key, &part.spread)))
            .collect();
        let part = |(place, group): (usize, &crate::subset::SubsetGroup)| {
            let is_by_values = group.is_by_values();
            // Groups without values are told apart by their place; 0 is the whole.
            let key = if is_by_values { group.key() } else { place as u64 }.max(1);
            let mut hosts: Vec<u32> =
                group.hosts.iter().map(|&place| order[place as usize]).collect();
            hosts.sort_unstable();
            let spread = if group.is_single {
                let turn = Turn { scope: key, priority: 0, of: TurnOf::All, locality: None };
                Spread::Simple(builder.list(hosts, Strictness::Any, &turn))
            } else {
                let before = known.get(&key).copied();
                builder.spread(priorities, &Scope { id: key, part: Some(&hosts), before })
            };
            Part { key, is_by_values, spread }
        };
        let parts: Box<[Part]> = index.groups().iter().enumerate().map(part).collect();
        let parts = Self { index, parts };
        parts.count_changes(earlier, builder);
        parts
    }

    fn count_changes(&self, earlier: Option<&Self>, builder: &Builder<'_>) {
        let keys =
            |parts: &Self| -> HashSet<u64> { parts.by_values().map(|part| part.key).collect() };
        let (had, has) = (earlier.map(keys).unwrap_or_default(), keys(self));
        let counts = builder.setup.state.counters().get();
        counts.lb_subsets_created.add(has.difference(&had).count() as u64);
        counts.lb_subsets_removed.add(had.difference(&has).count() as u64);
    }

    fn by_values(&self) -> impl Iterator<Item = &Part> {
        self.parts.iter().filter(|part| part.is_by_values)
    }

    /// Subsets that values lead to.
    pub(crate) fn active(&self) -> usize {
        self.by_values().count()
    }

    /// See [`SubsetIndex::duplicates`].
    pub(crate) fn duplicates(&self) -> usize {
        self.index.duplicates()
    }

    /// See [`SubsetIndex::left_out`].
    pub(crate) fn left_out(&self) -> usize {
        self.index.left_out()
    }

    pub(crate) fn pick<C: Candidate>(
        &self,
        ask: &Ask<'_, C>,
        asked: Option<&MetadataMatch>,
    ) -> Option<usize> {
        let counts = ask.state.counters().get();
        let mut fell_back = false;
        for group in self.index.choose(asked) {
            let part = &self.parts[group];
            match (part.is_by_values, fell_back) {
                (true, _) => counts.lb_subsets_selected.inc(),
                (false, false) => counts.lb_subsets_fallback.inc(),
                (false, true) => counts.lb_subsets_fallback_panic.inc(),
            }
            fell_back |= !part.is_by_values;
            if let Some(host) = part.spread.pick(ask) {
                return Some(host);
            }
        }
        None
    }
}
