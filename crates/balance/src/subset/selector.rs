//! Selectors, and what happens when nothing matches.

use destrier_policy::{SubsetFallback, SubsetPolicy};

use crate::hash::hash_bytes_seeded;

#[derive(Debug)]
pub(super) struct Selector {
    /// A hash of the keys: with that of the values it tells groups apart.
    pub(super) id: u64,
    /// Sorted.
    pub(super) keys: Box<[String]>,
    pub(super) fallback: Fallback,
    pub(super) is_single: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Fallback {
    /// What the cluster says.
    Inherited,
    Nothing,
    Any,
    Default,
    Keys(Box<[String]>),
}

impl From<&SubsetFallback> for Fallback {
    fn from(fallback: &SubsetFallback) -> Self {
        match fallback {
            SubsetFallback::NotDefined => Self::Inherited,
            SubsetFallback::None => Self::Nothing,
            SubsetFallback::AnyEndpoint => Self::Any,
            SubsetFallback::DefaultSubset => Self::Default,
            SubsetFallback::Keys(keys) => Self::Keys(keys.clone()),
        }
    }
}

/// The selectors that can match. A selector's own fallback does not count when an earlier one begins with
/// the same keys: so it is in Envoy, where the later one finds its place in the tree of keys taken.
pub(super) fn effective_selectors(policy: &SubsetPolicy) -> Box<[Selector]> {
    let selectors = policy.selectors.iter().enumerate();
    let effective = selectors.map(|(index, selector)| {
        let earlier = &policy.selectors[..index];
        let is_shadowed = earlier.iter().any(|earlier| earlier.keys.starts_with(&selector.keys));
        let fallback = if is_shadowed { Fallback::Inherited } else { (&selector.fallback).into() };
        let is_single = selector.single_host_per_subset;
        let seed = u64::from(is_single);
        let id = selector.keys.iter().fold(seed, |id, key| hash_bytes_seeded(key.as_bytes(), id));
        Selector { id, keys: selector.keys.clone(), fallback, is_single }
    });
    let mut kept: Vec<Selector> = Vec::new();
    for selector in effective {
        if !selector.keys.is_empty() && kept.iter().all(|other| other.keys != selector.keys) {
            kept.push(selector);
        }
    }
    kept.into()
}
