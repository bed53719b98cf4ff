//! Groups of hosts, and the choice among them.

use std::slice;

use destrier_policy::{Metadata, MetadataMatch, SubsetPolicy, Value};

use super::criteria::Criteria;
use super::grouping::{Group, Grouping, hash_values, matches_all};
use super::selector::{Fallback, Selector, effective_selectors};

/// The namespace of metadata that balancing looks at.
const NAMESPACE: &str = "envoy.lb";

/// The hosts of a cluster by their metadata. Immutable; made anew when hosts or metadata change.
#[derive(Debug)]
pub(crate) struct SubsetIndex {
    selectors: Box<[Selector]>,
    groups: Box<[SubsetGroup]>,
    /// Groups of selectors by `(hash of selector and values, group)`, sorted.
    by_values: Box<[(u64, u32)]>,
    /// All hosts, where a fallback needs them.
    any: Option<u32>,
    /// `default_subset`, where a fallback needs it. It may have no host.
    default: Option<u32>,
    fallback: Fallback,
    panic_mode_any: bool,
    fallback_list: bool,
    allow_redundant_keys: bool,
    duplicates: usize,
    left_out: usize,
}

/// Some hosts of a cluster.
#[derive(Debug, PartialEq)]
pub(crate) struct SubsetGroup {
    /// Indices, ascending. Empty only for a default subset that no host is in.
    pub(crate) hosts: Box<[u32]>,
    /// `single_host_per_subset`: the group has one host at most, which gets the requests whatever its
    /// health.
    pub(crate) is_single: bool,
    /// What the hosts have in common, one per key of the selector.
    values: Box<[Value]>,
    key: u64,
}

impl SubsetGroup {
    /// Whether values lead to it; any other group is a fallback.
    pub(crate) fn is_by_values(&self) -> bool {
        !self.values.is_empty()
    }

    /// The same before and after a change of the hosts: what is kept for a group is kept by it.
    pub(crate) fn key(&self) -> u64 {
        self.key
    }
}

impl From<Group> for SubsetGroup {
    fn from(Group { hosts, is_single, values, key }: Group) -> Self {
        Self { hosts: hosts.into(), is_single, values, key }
    }
}

impl SubsetIndex {
    /// Groups hosts, given by their metadata in order. For a selector with `single_host_per_subset`
    /// the first host of a group is kept: hosts of more preferred priorities must come first.
    pub(crate) fn new<'a>(
        policy: &SubsetPolicy,
        hosts: impl IntoIterator<Item = &'a Metadata>,
    ) -> Self {
        let selectors = effective_selectors(policy);
        let mut grouping = Grouping::new(policy.list_as_any);
        let mut default = Vec::new();
        let mut count = 0;
        for (metadata, host) in hosts.into_iter().zip(0u32..) {
            count += 1;
            let fields = metadata.namespace(NAMESPACE);
            if let Some(fields) = fields {
                for selector in &selectors {
                    grouping.add(host, selector, fields);
                }
            }
            if matches_all(&policy.default_subset, fields, policy.list_as_any) {
                default.push(host);
            }
        }
        let fallback = Fallback::from(&policy.fallback);
        let uses = |wanted: &Fallback| {
            fallback == *wanted || selectors.iter().any(|selector| selector.fallback == *wanted)
        };
        let default = uses(&Fallback::Default).then(|| grouping.push(default));
        let needs_any = uses(&Fallback::Any) || policy.panic_mode_any;
        let any = needs_any.then(|| grouping.push((0..count).collect()));
        Self {
            groups: grouping.groups.into_iter().map(SubsetGroup::from).collect(),
            by_values: grouping.by_values.into_iter().collect(),
            any,
            default,
            fallback,
            panic_mode_any: policy.panic_mode_any,
            fallback_list: policy.metadata_fallback_list,
            allow_redundant_keys: policy.allow_redundant_keys,
            duplicates: grouping.duplicates,
            left_out: grouping.left_out,
            selectors,
        }
    }

    /// All groups. What [`Self::choose`] names are indices of this.
    pub(crate) fn groups(&self) -> &[SubsetGroup] {
        &self.groups
    }

    /// Hosts that are not the one of their group (`lb_subsets_single_host_per_subset_duplicate`).
    pub(crate) fn duplicates(&self) -> usize {
        self.duplicates
    }

    /// How many times a host was left out: of a selector's groups because its lists would put it into
    /// more than 1,024 of them, or of a group that would have been the 65,537th.
    pub(crate) fn left_out(&self) -> usize {
        self.left_out
    }

    /// The groups to be tried for a request, in order: the first that gives a host is the one. None at
    /// all when the request is to fail. Does not allocate.
    pub(crate) fn choose<'a>(&'a self, asked: Option<&'a MetadataMatch>) -> Tries<'a> {
        let criteria = Criteria::of(asked);
        match criteria.fallback_list().filter(|_| self.fallback_list) {
            Some(([], rest)) => Tries::once(self, rest),
            Some((list, rest)) => Tries {
                index: self,
                criteria: rest,
                rest: Rest::List(list.iter()),
                last_resort: None,
            },
            None => Tries::once(self, criteria),
        }
    }

    /// The group for some criteria, and the one after it when that gives no host.
    fn choose_once<'a>(&'a self, mut criteria: Criteria<'a>) -> (Option<u32>, Option<u32>) {
        // Every time, fewer keys are left; a policy in which they are not would go round for ever.
        for _ in 0..=self.selectors.len() {
            let matching = |selector: &&Selector| criteria.has_all(&selector.keys);
            if self.allow_redundant_keys
                && let Some(selector) = self.selectors.iter().find(matching)
            {
                criteria = criteria.only(&selector.keys);
            }
            let keys = criteria.len();
            let same_keys = |selector: &&Selector| {
                selector.keys.len() == keys && criteria.has_all(&selector.keys)
            };
            let Some(selector) = self.selectors.iter().find(same_keys) else {
                break;
            };
            if let Some(group) = self.find(selector, criteria) {
                return (Some(group), None);
            }
            match &selector.fallback {
                Fallback::Inherited => break,
                Fallback::Nothing => return (None, None),
                Fallback::Any => return (self.any, None),
                Fallback::Default => return (self.default, None),
                Fallback::Keys(keys) => criteria = criteria.only(keys),
            }
        }
        let fallback = match self.fallback {
            Fallback::Any => self.any,
            Fallback::Default => self.default,
            Fallback::Nothing | Fallback::Inherited | Fallback::Keys(_) => None,
        };
        let panic = if self.panic_mode_any { self.any } else { None };
        (fallback, fallback.and(panic).filter(|_| fallback != panic))
    }

    fn find(&self, selector: &Selector, criteria: Criteria<'_>) -> Option<u32> {
        let values = || selector.keys.iter().filter_map(|key| criteria.get(key));
        let hash = hash_values(selector, values());
        let start = self.by_values.partition_point(|entry| entry.0 < hash);
        let candidates = self.by_values[start..].iter().take_while(|entry| entry.0 == hash);
        let mut groups = candidates.map(|&(_, group)| group);
        groups.find(|&group| self.groups[group as usize].values.iter().eq(values()))
    }
}

/// Groups to be tried, by index; see [`SubsetIndex::choose`].
#[derive(Debug)]
pub(crate) struct Tries<'a> {
    index: &'a SubsetIndex,
    criteria: Criteria<'a>,
    rest: Rest<'a>,
    last_resort: Option<u32>,
}

#[derive(Debug)]
enum Rest<'a> {
    Once,
    List(slice::Iter<'a, Value>),
    Nothing,
}

impl<'a> Tries<'a> {
    fn once(index: &'a SubsetIndex, criteria: Criteria<'a>) -> Self {
        Self { index, criteria, rest: Rest::Once, last_resort: None }
    }
}

impl Iterator for Tries<'_> {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        loop {
            if let Some(group) = self.last_resort.take() {
                return Some(group as usize);
            }
            let criteria = match &mut self.rest {
                Rest::Once => {
                    self.rest = Rest::Nothing;
                    self.criteria
                }
                Rest::List(list) => self.criteria.instead(list.next()?),
                Rest::Nothing => return None,
            };
            let (group, last_resort) = self.index.choose_once(criteria);
            self.last_resort = last_resort;
            if let Some(group) = group {
                return Some(group as usize);
            }
        }
    }
}
