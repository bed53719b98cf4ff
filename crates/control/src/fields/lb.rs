//! The load balancing extensions, which stand in `load_balancing_policy`.

use envoy_types::pb::envoy::extensions::load_balancing_policies::{
    cluster_provided::v3::ClusterProvided,
    common::v3::{
        ConsistentHashingLbConfig, LocalityLbConfig, SlowStartConfig,
        locality_lb_config::{LocalityConfigSpecifier, ZoneAwareLbConfig},
    },
    least_request::v3::LeastRequest,
    maglev::v3::Maglev,
    random::v3::Random,
    ring_hash::v3::RingHash,
    round_robin::v3::RoundRobin,
};

use super::{row, tables, within};

tables! {
    message RoundRobin {
        slow_start_config: Later nested,
        locality_lb_config: Later nested,
    }

    message LeastRequest {
        choice_count: InForce,
        active_request_bias: InForce,
        slow_start_config: Later nested,
        locality_lb_config: Later nested,
        enable_full_scan: InForce "deprecated for selection_method",
        selection_method: InForce,
    }

    message Random {
        locality_lb_config: Later nested,
    }

    message RingHash {
        hash_function: Later,
        minimum_ring_size: Later,
        maximum_ring_size: Later,
        use_hostname_for_hashing: Later "deprecated for consistent_hashing_lb_config",
        hash_balance_factor: Later "deprecated for consistent_hashing_lb_config",
        consistent_hashing_lb_config: Later nested,
        locality_weighted_lb_config: Later,
    }

    message Maglev {
        table_size: Later,
        consistent_hashing_lb_config: Later nested,
        locality_weighted_lb_config: Later,
    }

    message ClusterProvided {}

    message SlowStartConfig {
        slow_start_window: Later,
        aggression: Later,
        min_weight_percent: Later,
    }

    message ConsistentHashingLbConfig {
        use_hostname_for_hashing: Later,
        hash_balance_factor: Later,
        hash_policy: InForce nested,
    }

    message LocalityLbConfig {}
    oneof locality_config_specifier: LocalityConfigSpecifier {
        ZoneAwareLbConfig "zone_aware_lb_config": Later nested,
        LocalityWeightedLbConfig "locality_weighted_lb_config": Later,
    }

    message ZoneAwareLbConfig {
        routing_enabled: Later,
        min_cluster_size: Later,
        fail_traffic_on_panic: Later,
        force_locality_direct_routing: Tolerated,
        force_local_zone: Tolerated,
        locality_basis: Tolerated,
    }
}
