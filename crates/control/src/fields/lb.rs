//! The load balancing extensions, which stand in `load_balancing_policy`.

use envoy_types::pb::envoy::extensions::load_balancing_policies::{
    cluster_provided::v3::ClusterProvided,
    common::v3::{
        ConsistentHashingLbConfig, LocalityLbConfig, SlowStartConfig,
        locality_lb_config::{LocalityConfigSpecifier, ZoneAwareLbConfig},
    },
    least_request::v3::LeastRequest,
    maglev::v3::Maglev,
    override_host::v3::{OverrideHost, override_host::OverrideHostSource},
    random::v3::Random,
    ring_hash::v3::RingHash,
    round_robin::v3::RoundRobin,
    subset::v3::{Subset, subset::LbSubsetSelector},
    wrr_locality::v3::WrrLocality,
};

use super::{row, tables, within};

tables! {
    message RoundRobin {
        slow_start_config: InForce nested,
        locality_lb_config: InForce nested,
    }

    message LeastRequest {
        choice_count: InForce,
        active_request_bias: InForce,
        slow_start_config: InForce nested,
        locality_lb_config: InForce nested,
        enable_full_scan: InForce "deprecated for selection_method",
        selection_method: InForce,
    }

    message Random {
        locality_lb_config: InForce nested,
    }

    message RingHash {
        hash_function: InForce,
        minimum_ring_size: InForce,
        maximum_ring_size: InForce,
        use_hostname_for_hashing: InForce "deprecated for consistent_hashing_lb_config",
        hash_balance_factor: InForce "deprecated for consistent_hashing_lb_config",
        consistent_hashing_lb_config: InForce nested,
        locality_weighted_lb_config: InForce,
    }

    message Maglev {
        table_size: InForce,
        consistent_hashing_lb_config: InForce nested,
        locality_weighted_lb_config: InForce,
    }

    message ClusterProvided {}

    message WrrLocality {
        endpoint_picking_policy: InForce nested,
    }

    message Subset {
        fallback_policy: InForce,
        default_subset: InForce,
        subset_selectors: InForce nested,
        allow_redundant_keys: InForce,
        locality_weight_aware: InForce,
        scale_locality_weight: InForce,
        panic_mode_any: InForce,
        list_as_any: InForce,
        metadata_fallback_policy: InForce,
        subset_lb_policy: InForce nested "any but another subset",
    }

    message LbSubsetSelector {
        keys: InForce,
        single_host_per_subset: InForce,
        fallback_policy: InForce,
        fallback_keys_subset: InForce,
    }

    message OverrideHost {
        override_host_sources: InForce nested,
        selected_host_key: Tolerated "the choice is in the access log",
        fallback_policy: InForce nested,
    }

    message OverrideHostSource {
        header: InForce,
        metadata: Tolerated "requests have no dynamic metadata",
    }

    message SlowStartConfig {
        slow_start_window: InForce,
        aggression: InForce,
        min_weight_percent: InForce,
    }

    message ConsistentHashingLbConfig {
        use_hostname_for_hashing: InForce,
        hash_balance_factor: InForce,
        hash_policy: InForce nested,
    }

    message LocalityLbConfig {}
    oneof locality_config_specifier: LocalityConfigSpecifier {
        ZoneAwareLbConfig "zone_aware_lb_config": InForce nested,
        LocalityWeightedLbConfig "locality_weighted_lb_config": InForce,
    }

    message ZoneAwareLbConfig {
        routing_enabled: InForce,
        min_cluster_size: InForce,
        fail_traffic_on_panic: InForce,
        force_locality_direct_routing: Tolerated,
        force_local_zone: Tolerated,
        locality_basis: Tolerated,
    }
}
