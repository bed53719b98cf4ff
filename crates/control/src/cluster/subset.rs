//! `lb_subset_config`.

use destrier_policy::{SubsetFallback, SubsetPolicy, SubsetSelector};
use envoy_types::pb::envoy::config::cluster::v3::{
    Cluster,
    cluster::{
        LbSubsetConfig,
        common_lb_config::LocalityConfigSpecifier,
        lb_subset_config::{
            LbSubsetFallbackPolicy, LbSubsetMetadataFallbackPolicy, LbSubsetSelector,
            lb_subset_selector::LbSubsetSelectorFallbackPolicy,
        },
    },
};
use envoy_types::pb::envoy::extensions::load_balancing_policies::subset::v3::{
    Subset, subset::LbSubsetSelector as TypedSelector,
};

use crate::proto::{self, Fault};
use crate::report::Reader;

pub(super) fn translate(cluster: &Cluster, reader: &mut Reader<'_, '_>) -> Option<SubsetPolicy> {
    let config = cluster.lb_subset_config.as_ref()?;
    let mut reader = reader.field("lb_subset_config");
    if config.locality_weight_aware && !is_locality_weighted(cluster) {
        reader
            .field("locality_weight_aware")
            .refuse("needs common_lb_config.locality_weighted_lb_config");
    }
    Some(subsets(config, &mut reader))
}

/// The typed policy but for its `subset_lb_policy`. Its enums are numbered as the older ones.
pub(super) fn typed(config: &Subset, reader: &mut Reader<'_, '_>) -> SubsetPolicy {
    let Subset {
        fallback_policy,
        default_subset,
        subset_selectors,
        allow_redundant_keys,
        locality_weight_aware,
        scale_locality_weight,
        panic_mode_any,
        list_as_any,
        metadata_fallback_policy,
        subset_lb_policy: _,
    } = config;
    let selectors = subset_selectors.iter().map(|selector| {
        let TypedSelector { keys, single_host_per_subset, fallback_policy, fallback_keys_subset } =
            selector.clone();
        LbSubsetSelector { keys, single_host_per_subset, fallback_policy, fallback_keys_subset }
    });
    let config = LbSubsetConfig {
        fallback_policy: *fallback_policy,
        default_subset: default_subset.clone(),
        subset_selectors: selectors.collect(),
        locality_weight_aware: *locality_weight_aware,
        scale_locality_weight: *scale_locality_weight,
        panic_mode_any: *panic_mode_any,
        list_as_any: *list_as_any,
        metadata_fallback_policy: *metadata_fallback_policy,
    };
    SubsetPolicy { allow_redundant_keys: *allow_redundant_keys, ..subsets(&config, reader) }
}

fn subsets(config: &LbSubsetConfig, reader: &mut Reader<'_, '_>) -> SubsetPolicy {
    let LbSubsetConfig {
        fallback_policy,
        default_subset,
        subset_selectors,
        locality_weight_aware,
        scale_locality_weight,
        panic_mode_any,
        list_as_any,
        metadata_fallback_policy,
    } = config;
    let metadata_fallback = reader.read(
        "metadata_fallback_policy",
        Some(*metadata_fallback_policy),
        proto::enumeration::<LbSubsetMetadataFallbackPolicy>,
    );
    let fallback = reader.read("fallback_policy", Some(*fallback_policy), fallback);
    let default_subset = reader.read("default_subset", default_subset.as_ref(), proto::structure);
    let mut reader = reader.field("subset_selectors");
    let selectors = subset_selectors.iter().enumerate();
    SubsetPolicy {
        fallback: fallback.unwrap_or(SubsetFallback::None),
        default_subset: default_subset.unwrap_or_default(),
        selectors: selectors
            .map(|(index, selector)| self::selector(selector, &mut reader.index(index)))
            .collect(),
        locality_weight_aware: *locality_weight_aware,
        scale_locality_weight: *scale_locality_weight,
        panic_mode_any: *panic_mode_any,
        list_as_any: *list_as_any,
        metadata_fallback_list: metadata_fallback
            == Some(LbSubsetMetadataFallbackPolicy::FallbackList),
        allow_redundant_keys: false,
    }
}

fn is_locality_weighted(cluster: &Cluster) -> bool {
    let locality =
        cluster.common_lb_config.as_ref().map(|common| &common.locality_config_specifier);
    matches!(locality, Some(Some(LocalityConfigSpecifier::LocalityWeightedLbConfig(_))))
}

fn fallback(policy: i32) -> Result<SubsetFallback, Fault> {
    Ok(match proto::enumeration(policy)? {
        LbSubsetFallbackPolicy::NoFallback => SubsetFallback::None,
        LbSubsetFallbackPolicy::AnyEndpoint => SubsetFallback::AnyEndpoint,
        LbSubsetFallbackPolicy::DefaultSubset => SubsetFallback::DefaultSubset,
    })
}

fn selector(selector: &LbSubsetSelector, reader: &mut Reader<'_, '_>) -> SubsetSelector {
    use LbSubsetSelectorFallbackPolicy as Policy;
    let LbSubsetSelector { keys, single_host_per_subset, fallback_policy, fallback_keys_subset } =
        selector;
    let keys = sorted(keys);
    let fallback_keys = sorted(fallback_keys_subset);
    let policy =
        reader.read("fallback_policy", Some(*fallback_policy), proto::enumeration::<Policy>);
    let fault = match policy {
        Some(Policy::KeysSubset) if fallback_keys.is_empty() => Some("must not be empty"),
        Some(Policy::KeysSubset) if fallback_keys == keys => Some("must not be equal to keys"),
        Some(Policy::KeysSubset) if !fallback_keys.iter().all(|key| keys.contains(key)) => {
            Some("must be a subset of keys")
        }
        Some(Policy::KeysSubset) | None => None,
        Some(_) if !fallback_keys.is_empty() => {
            Some("can be set only with the fallback policy KEYS_SUBSET")
        }
        Some(_) => None,
    };
    if let Some(fault) = fault {
        reader.field("fallback_keys_subset").refuse(fault);
    }
    let fallback = match policy {
        None | Some(Policy::NotDefined) => SubsetFallback::NotDefined,
        Some(Policy::NoFallback) => SubsetFallback::None,
        Some(Policy::AnyEndpoint) => SubsetFallback::AnyEndpoint,
        Some(Policy::DefaultSubset) => SubsetFallback::DefaultSubset,
        Some(Policy::KeysSubset) => SubsetFallback::Keys(fallback_keys),
    };
    SubsetSelector { keys, fallback, single_host_per_subset: *single_host_per_subset }
}

fn sorted(keys: &[String]) -> Box<[String]> {
    let mut keys = keys.to_vec();
    keys.sort_unstable();
    keys.dedup();
    keys.into()
}
