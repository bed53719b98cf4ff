//! `load_balancing_policy`: a list of extensions, of which the first that is supported holds.

#![expect(deprecated, reason = "the older forms of some settings are read as well")]

use destrier_policy::{
    CommonLb, ConsistentHashing, HashFunction, LbPolicy, LocalityLb, Selection, SlowStart,
    SubsetPolicy,
};
use envoy_types::pb::envoy::config::cluster::v3::{Cluster, LoadBalancingPolicy};
use envoy_types::pb::envoy::extensions::load_balancing_policies::{
    cluster_provided::v3::ClusterProvided,
    common::v3::{
        ConsistentHashingLbConfig, LocalityLbConfig, SlowStartConfig,
        locality_lb_config::{LocalityConfigSpecifier, ZoneAwareLbConfig},
    },
    least_request::v3::{LeastRequest, least_request::SelectionMethod},
    maglev::v3::Maglev,
    override_host::v3::{OverrideHost, override_host::OverrideHostSource},
    random::v3::Random,
    ring_hash::v3::{RingHash, ring_hash},
    round_robin::v3::RoundRobin,
    subset::v3::Subset,
    wrr_locality::v3::WrrLocality,
};
use envoy_types::pb::google::protobuf::Any;
use prost::{Message, Name};

use super::common_lb::{balance_factor, zone_aware};
use super::{lb, subset};
use crate::fields::{Standing, Surveyed};
use crate::listener::hash_policy::hash_policies;
use crate::proto;
use crate::report::Reader;

/// What must not stand beside a typed policy, since that carries the same itself.
pub(super) fn check_combinations(cluster: &Cluster, reader: &mut Reader<'_, '_>) {
    if cluster.lb_subset_config.is_some() {
        reader.field("lb_subset_config").refuse("cannot be combined with load_balancing_policy");
    }
    let Some(common) = &cluster.common_lb_config else { return };
    if common.locality_config_specifier.is_some() || common.consistent_hashing_lb_config.is_some() {
        reader.field("common_lb_config").refuse(
            "zone_aware_lb_config, locality_weighted_lb_config and consistent_hashing_lb_config \
             cannot be combined with load_balancing_policy",
        );
    }
}

/// So deep a policy may stand in others.
const DEEPEST: u8 = 8;

/// What a policy says besides the algorithm.
pub(super) struct Beside<'a> {
    common: &'a mut CommonLb,
    subsets: &'a mut Option<SubsetPolicy>,
    /// Policies that this one stands in.
    depth: u8,
}

impl<'a> Beside<'a> {
    pub(super) fn new(common: &'a mut CommonLb, subsets: &'a mut Option<SubsetPolicy>) -> Self {
        Self { common, subsets, depth: 0 }
    }
}

pub(super) fn translate(
    list: &LoadBalancingPolicy,
    beside: &mut Beside<'_>,
    reader: &mut Reader<'_, '_>,
) -> Option<LbPolicy> {
    let mut reader = reader.field("policies");
    let mut skipped = Vec::new();
    for (index, policy) in list.policies.iter().enumerate() {
        let extension = policy.typed_extension_config.as_ref();
        let Some(config) = extension.and_then(|extension| extension.typed_config.as_ref()) else {
            skipped.push("without a typed_config");
            continue;
        };
        let Some(supported) = supported(config) else {
            skipped.push(&config.type_url);
            continue;
        };
        let mut reader = reader.index(index);
        let mut reader = reader.field("typed_extension_config");
        return supported(config, beside, &mut reader.field("typed_config"));
    }
    reader.refuse(format!("none of the policies is supported: [{}]", skipped.join(", ")));
    None
}

type Translate = fn(&Any, &mut Beside<'_>, &mut Reader<'_, '_>) -> Option<LbPolicy>;

/// How the policy is translated, if it can be.
fn supported(config: &Any) -> Option<Translate> {
    let known: [(String, Translate); 9] = [
        (RoundRobin::full_name(), |config, beside, reader| {
            let RoundRobin { slow_start_config, locality_lb_config } = &read(config, reader)?;
            locality(locality_lb_config.as_ref(), beside.common, reader);
            Some(LbPolicy::RoundRobin {
                slow_start: slow_start(slow_start_config.as_ref(), reader),
            })
        }),
        (LeastRequest::full_name(), least_request),
        (Random::full_name(), |config, beside, reader| {
            let Random { locality_lb_config } = &read(config, reader)?;
            locality(locality_lb_config.as_ref(), beside.common, reader);
            Some(LbPolicy::Random)
        }),
        (RingHash::full_name(), ring_hash),
        (Maglev::full_name(), |config, beside, reader| {
            let Maglev { table_size, consistent_hashing_lb_config, locality_weighted_lb_config } =
                &read(config, reader)?;
            if locality_weighted_lb_config.is_some() {
                beside.common.locality = LocalityLb::Weighted;
            }
            let hashing = hashing(consistent_hashing_lb_config.as_ref(), reader);
            Some(lb::maglev(table_size, hashing.unwrap_or_default(), reader))
        }),
        (ClusterProvided::full_name(), |config, _, reader| {
            read::<ClusterProvided>(config, reader).map(|_| LbPolicy::ClusterProvided)
        }),
        (WrrLocality::full_name(), |config, beside, reader| {
            let WrrLocality { endpoint_picking_policy } = &read(config, reader)?;
            let field = "endpoint_picking_policy";
            let lb = within(field, endpoint_picking_policy.as_ref(), beside, reader);
            beside.common.locality = LocalityLb::Weighted;
            lb
        }),
        (Subset::full_name(), |config, beside, reader| {
            let config: Subset = read(config, reader)?;
            if beside.subsets.is_some() {
                reader.refuse("a subset within a subset is not supported");
            }
            *beside.subsets = Some(subset::typed(&config, reader));
            within("subset_lb_policy", config.subset_lb_policy.as_ref(), beside, reader)
        }),
        (OverrideHost::full_name(), |config, beside, reader| {
            let config: OverrideHost = read(config, reader)?;
            override_sources(&config.override_host_sources, beside.common, reader);
            within("fallback_policy", config.fallback_policy.as_ref(), beside, reader)
        }),
    ];
    let name = proto::type_name(&config.type_url);
    known.into_iter().find(|(known, _)| known == name).map(|(_, translate)| translate)
}

fn read<M: Message + Name + Default + Surveyed>(
    config: &Any,
    reader: &mut Reader<'_, '_>,
) -> Option<M> {
    let message: M = reader.check(proto::unpack(config))?;
    reader.survey(&message, Standing::InForce);
    Some(message)
}

/// The policy that another one refines.
fn within(
    field: &'static str,
    list: Option<&LoadBalancingPolicy>,
    beside: &mut Beside<'_>,
    reader: &mut Reader<'_, '_>,
) -> Option<LbPolicy> {
    let mut reader = reader.field(field);
    let Some(list) = list else {
        reader.refuse("must be set");
        return None;
    };
    if beside.depth == DEEPEST {
        reader.refuse(format!("more than {DEEPEST} policies within each other"));
        return None;
    }
    beside.depth += 1;
    translate(list, beside, &mut reader)
}

/// Where a request names its host.
fn override_sources(
    sources: &[OverrideHostSource],
    common: &mut CommonLb,
    reader: &mut Reader<'_, '_>,
) {
    let mut reader = reader.field("override_host_sources");
    if sources.is_empty() {
        reader.refuse("must not be empty");
    }
    let mut headers = Vec::new();
    for (index, source) in sources.iter().enumerate() {
        let mut reader = reader.index(index);
        let OverrideHostSource { header, metadata } = source;
        match (header.is_empty(), metadata) {
            (true, None) => reader.refuse("must name a header or metadata"),
            (false, Some(_)) => reader.refuse("must name a header or metadata, not both"),
            (true, Some(_)) => {}
            (false, None) => headers.push(header.to_ascii_lowercase().into()),
        }
    }
    common.override_headers = headers.into();
}

fn least_request(
    config: &Any,
    beside: &mut Beside<'_>,
    reader: &mut Reader<'_, '_>,
) -> Option<LbPolicy> {
    let LeastRequest {
        choice_count,
        active_request_bias,
        slow_start_config,
        locality_lb_config,
        enable_full_scan,
        selection_method,
    } = &read(config, reader)?;
    let method = reader.read("selection_method", Some(*selection_method), proto::enumeration);
    let full_scan = enable_full_scan.is_some_and(|enabled| enabled.value);
    let selection = if full_scan || method == Some(SelectionMethod::FullScan) {
        Selection::FullScan
    } else {
        Selection::NChoices
    };
    locality(locality_lb_config.as_ref(), beside.common, reader);
    let slow_start = slow_start(slow_start_config.as_ref(), reader);
    Some(lb::least_request(choice_count, active_request_bias, selection, slow_start, reader))
}

fn ring_hash(
    config: &Any,
    beside: &mut Beside<'_>,
    reader: &mut Reader<'_, '_>,
) -> Option<LbPolicy> {
    let RingHash {
        hash_function,
        minimum_ring_size,
        maximum_ring_size,
        use_hostname_for_hashing,
        hash_balance_factor,
        consistent_hashing_lb_config,
        locality_weighted_lb_config,
    } = &read(config, reader)?;
    // Not numbered as in cluster.proto: 0 is the default there, and xxHash is 1.
    let function = reader.read("hash_function", Some(*hash_function), |function| {
        Ok(match proto::enumeration(function)? {
            ring_hash::HashFunction::DefaultHash | ring_hash::HashFunction::XxHash => {
                HashFunction::XxHash
            }
            ring_hash::HashFunction::MurmurHash2 => HashFunction::MurmurHash2,
        })
    });
    if locality_weighted_lb_config.is_some() {
        beside.common.locality = LocalityLb::Weighted;
    }
    let deprecated = ConsistentHashing {
        use_hostname_for_hashing: *use_hostname_for_hashing,
        hash_balance_factor: balance_factor(hash_balance_factor, reader),
        hash_policy: Box::default(),
    };
    let hashing = hashing(consistent_hashing_lb_config.as_ref(), reader).unwrap_or(deprecated);
    let function = function.unwrap_or_default();
    Some(lb::ring_hash(minimum_ring_size, maximum_ring_size, function, hashing, reader))
}

fn slow_start(config: Option<&SlowStartConfig>, reader: &mut Reader<'_, '_>) -> Option<SlowStart> {
    let SlowStartConfig { slow_start_window, aggression, min_weight_percent } = config?;
    let mut reader = reader.field("slow_start_config");
    lb::slow_start(slow_start_window, aggression, min_weight_percent, &mut reader)
}

fn hashing(
    config: Option<&ConsistentHashingLbConfig>,
    reader: &mut Reader<'_, '_>,
) -> Option<ConsistentHashing> {
    let ConsistentHashingLbConfig { use_hostname_for_hashing, hash_balance_factor, hash_policy } =
        config?;
    let mut reader = reader.field("consistent_hashing_lb_config");
    Some(ConsistentHashing {
        use_hostname_for_hashing: *use_hostname_for_hashing,
        hash_balance_factor: balance_factor(hash_balance_factor, &mut reader),
        hash_policy: reader
            .field("hash_policy")
            .with(|path, report| hash_policies(hash_policy, path, report)),
    })
}

fn locality(config: Option<&LocalityLbConfig>, common: &mut CommonLb, reader: &mut Reader<'_, '_>) {
    let Some(specifier) = config.and_then(|config| config.locality_config_specifier.as_ref())
    else {
        return;
    };
    let mut reader = reader.field("locality_lb_config");
    common.locality = match specifier {
        LocalityConfigSpecifier::LocalityWeightedLbConfig(_) => LocalityLb::Weighted,
        LocalityConfigSpecifier::ZoneAwareLbConfig(config) => {
            let ZoneAwareLbConfig {
                routing_enabled, min_cluster_size, fail_traffic_on_panic, ..
            } = config;
            let mut reader = reader.field("zone_aware_lb_config");
            zone_aware(routing_enabled, min_cluster_size, *fail_traffic_on_panic, &mut reader)
        }
    };
}
