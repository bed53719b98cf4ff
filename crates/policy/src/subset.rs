//! Envoy-style subsets (`cluster.proto: LbSubsetConfig`). Istio's subsets are clusters of their own.

use std::collections::BTreeMap;

use crate::Value;

/// `lb_subset_config`: hosts grouped by metadata `envoy.lb`.
#[derive(Clone, Debug, PartialEq)]
pub struct SubsetPolicy {
    /// What happens when no selector matches.
    pub fallback: SubsetFallback,
    /// `default_subset`.
    pub default_subset: BTreeMap<String, Value>,
    /// `subset_selectors`.
    pub selectors: Box<[SubsetSelector]>,
    /// `locality_weight_aware`.
    pub locality_weight_aware: bool,
    /// `scale_locality_weight`.
    pub scale_locality_weight: bool,
    /// `panic_mode_any`.
    pub panic_mode_any: bool,
    /// `list_as_any`.
    pub list_as_any: bool,
    /// `metadata_fallback_policy: FALLBACK_LIST`.
    pub metadata_fallback_list: bool,
    /// `allow_redundant_keys` of the typed policy: the first selector whose keys are all asked for is
    /// taken, whatever else is asked for.
    pub allow_redundant_keys: bool,
}

/// `LbSubsetFallbackPolicy`, of the config or of a selector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SubsetFallback {
    /// A selector only: use the config's.
    NotDefined,
    /// `NO_FALLBACK`.
    None,
    /// `ANY_ENDPOINT`.
    AnyEndpoint,
    /// `DEFAULT_SUBSET`.
    DefaultSubset,
    /// A selector only, `KEYS_SUBSET`: try again with these keys.
    Keys(Box<[String]>),
}

/// `LbSubsetSelector`.
#[derive(Clone, Debug, PartialEq)]
pub struct SubsetSelector {
    /// Sorted and without repetition.
    pub keys: Box<[String]>,
    /// `fallback_policy`.
    pub fallback: SubsetFallback,
    /// `single_host_per_subset`.
    pub single_host_per_subset: bool,
}

/// The `envoy.lb` fields of a `metadata_match`: what an endpoint's metadata must say. Sorted by key.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MetadataMatch(pub Box<[(Box<str>, Value)]>);
