//! `common_lb_config`, and the parts of it that typed policies carry themselves.

use destrier_policy::{CommonLb, ConsistentHashing, Discovery, LocalityLb, Percent};
use envoy_types::pb::envoy::config::cluster::v3::{
    Cluster,
    cluster::common_lb_config::{
        ConsistentHashingLbConfig, LocalityConfigSpecifier, ZoneAwareLbConfig,
    },
};
use envoy_types::pb::envoy::r#type::v3::Percent as PercentProto;
use envoy_types::pb::google::protobuf::{UInt32Value, UInt64Value};

use crate::endpoints::health_status;
use crate::proto::{self, Fault};
use crate::report::Reader;

pub(super) fn translate(cluster: &Cluster, reader: &mut Reader<'_, '_>) -> CommonLb {
    let mut common = CommonLb::default();
    let Some(config) = &cluster.common_lb_config else { return common };
    let mut reader = reader.field("common_lb_config");
    let threshold = config.healthy_panic_threshold.as_ref();
    if let Some(threshold) = reader.read("healthy_panic_threshold", threshold, proto::percent) {
        common.healthy_panic_threshold = threshold;
    }
    let window = config.update_merge_window.as_ref();
    common.update_merge_window = reader.read("update_merge_window", window, proto::duration);
    common.ignore_new_hosts_until_first_hc = config.ignore_new_hosts_until_first_hc;
    common.close_connections_on_host_set_change = config.close_connections_on_host_set_change;
    if let Some(set) = &config.override_host_status {
        let mut reader = reader.field("override_host_status");
        let statuses = set
            .statuses
            .iter()
            .filter_map(|status| reader.read("statuses", Some(*status), health_status));
        common.override_host_status = statuses.collect();
    }
    if let Some(locality) = &config.locality_config_specifier {
        common.locality = match locality {
            LocalityConfigSpecifier::LocalityWeightedLbConfig(_) => LocalityLb::Weighted,
            LocalityConfigSpecifier::ZoneAwareLbConfig(config) => {
                let ZoneAwareLbConfig { routing_enabled, min_cluster_size, fail_traffic_on_panic } =
                    config;
                let mut reader = reader.field("zone_aware_lb_config");
                zone_aware(routing_enabled, min_cluster_size, *fail_traffic_on_panic, &mut reader)
            }
        };
    }
    common
}

/// `ZoneAwareLbConfig`, of which there are two with the same fields.
pub(super) fn zone_aware(
    routing_enabled: &Option<PercentProto>,
    min_cluster_size: &Option<UInt64Value>,
    fail_traffic_on_panic: bool,
    reader: &mut Reader<'_, '_>,
) -> LocalityLb {
    let enabled = reader.read("routing_enabled", routing_enabled.as_ref(), proto::percent);
    LocalityLb::ZoneAware {
        routing_enabled: enabled.unwrap_or(Percent::HUNDRED),
        min_cluster_size: min_cluster_size.as_ref().map_or(6, |size| size.value),
        fail_traffic_on_panic,
    }
}

/// `common_lb_config.consistent_hashing_lb_config`, for the legacy ring hash and Maglev.
pub(super) fn consistent_hashing(
    cluster: &Cluster,
    discovery: &Discovery,
    reader: &mut Reader<'_, '_>,
) -> ConsistentHashing {
    let config = cluster.common_lb_config.as_ref();
    let Some(config) = config.and_then(|config| config.consistent_hashing_lb_config.as_ref())
    else {
        return ConsistentHashing::default();
    };
    let mut reader = reader.field("common_lb_config");
    let mut reader = reader.field("consistent_hashing_lb_config");
    let ConsistentHashingLbConfig { use_hostname_for_hashing, hash_balance_factor } = config;
    if *use_hostname_for_hashing && !matches!(discovery, Discovery::StrictDns(_)) {
        let reason = format!("needs type STRICT_DNS, not {}", discovery.name());
        reader.field("use_hostname_for_hashing").refuse(reason);
    }
    ConsistentHashing {
        use_hostname_for_hashing: *use_hostname_for_hashing,
        hash_balance_factor: balance_factor(hash_balance_factor, &mut reader),
        hash_policy: Box::default(),
    }
}

/// `hash_balance_factor` of what is read.
pub(super) fn balance_factor(
    factor: &Option<UInt32Value>,
    reader: &mut Reader<'_, '_>,
) -> Option<u32> {
    let at_least_average = |factor: &UInt32Value| -> Result<u32, Fault> {
        if factor.value < 100 { Err("must be at least 100".into()) } else { Ok(factor.value) }
    };
    reader.read("hash_balance_factor", factor.as_ref(), at_least_average)
}
