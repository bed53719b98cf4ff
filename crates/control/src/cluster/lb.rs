//! `lb_policy` with `lb_config`; the typed form of both takes precedence (`typed_lb`).

use std::time::Duration;

use destrier_policy::{
    CommonLb, ConsistentHashing, Discovery, HashFunction, LbPolicy, Percent, Selection, SlowStart,
    SubsetPolicy,
};
use envoy_types::pb::envoy::config::cluster::v3::{
    Cluster,
    cluster::{
        LbConfig, LbPolicy as LbPolicyProto, LeastRequestLbConfig, MaglevLbConfig,
        RingHashLbConfig, SlowStartConfig, ring_hash_lb_config,
    },
};
use envoy_types::pb::envoy::config::core::v3::RuntimeDouble;
use envoy_types::pb::envoy::r#type::v3::Percent as PercentProto;
use envoy_types::pb::google::protobuf::{self, UInt32Value, UInt64Value};

use super::{common_lb, typed_lb};
use crate::proto::{self, Fault};
use crate::report::Reader;

/// The algorithm. A typed policy may also say what localities mean, and which subsets there are.
pub(super) fn translate(
    cluster: &Cluster,
    discovery: &Discovery,
    common: &mut CommonLb,
    subsets: &mut Option<SubsetPolicy>,
    reader: &mut Reader<'_, '_>,
) -> LbPolicy {
    // Checked whatever the algorithm.
    let hashing = common_lb::consistent_hashing(cluster, discovery, reader);
    let named = reader.read("lb_policy", Some(cluster.lb_policy), proto::enumeration);
    let lb = match &cluster.load_balancing_policy {
        Some(typed) => {
            typed_lb::check_combinations(cluster, reader);
            let mut beside = typed_lb::Beside::new(common, subsets);
            let mut reader = reader.field("load_balancing_policy");
            typed_lb::translate(typed, &mut beside, &mut reader)
        }
        None => named.and_then(|named| legacy(cluster, named, hashing, reader)),
    };
    lb.unwrap_or(LbPolicy::RoundRobin { slow_start: None })
}

/// A config for another algorithm is ignored, as in Envoy.
fn legacy(
    cluster: &Cluster,
    named: LbPolicyProto,
    hashing: ConsistentHashing,
    reader: &mut Reader<'_, '_>,
) -> Option<LbPolicy> {
    let config = cluster.lb_config.as_ref();
    Some(match named {
        LbPolicyProto::RoundRobin => {
            let mut reader = reader.field("round_robin_lb_config");
            let slow_start = match config {
                Some(LbConfig::RoundRobinLbConfig(config)) => config.slow_start_config.as_ref(),
                _ => None,
            };
            LbPolicy::RoundRobin { slow_start: legacy_slow_start(slow_start, &mut reader) }
        }
        LbPolicyProto::LeastRequest => {
            let mut reader = reader.field("least_request_lb_config");
            let default = LeastRequestLbConfig::default();
            let LeastRequestLbConfig { choice_count, active_request_bias, slow_start_config } =
                match config {
                    Some(LbConfig::LeastRequestLbConfig(config)) => config,
                    _ => &default,
                };
            let slow_start = legacy_slow_start(slow_start_config.as_ref(), &mut reader);
            let selection = Selection::NChoices;
            least_request(choice_count, active_request_bias, selection, slow_start, &mut reader)
        }
        LbPolicyProto::Random => LbPolicy::Random,
        LbPolicyProto::RingHash => {
            let default = RingHashLbConfig::default();
            let RingHashLbConfig { minimum_ring_size, hash_function, maximum_ring_size } =
                match config {
                    Some(LbConfig::RingHashLbConfig(config)) => config,
                    _ => &default,
                };
            let mut reader = reader.field("ring_hash_lb_config");
            let function = reader.read("hash_function", Some(*hash_function), |function| {
                Ok(match proto::enumeration(function)? {
                    ring_hash_lb_config::HashFunction::XxHash => HashFunction::XxHash,
                    ring_hash_lb_config::HashFunction::MurmurHash2 => HashFunction::MurmurHash2,
                })
            });
            let function = function.unwrap_or_default();
            ring_hash(minimum_ring_size, maximum_ring_size, function, hashing, &mut reader)
        }
        LbPolicyProto::Maglev => {
            let table_size = match config {
                Some(LbConfig::MaglevLbConfig(MaglevLbConfig { table_size })) => table_size,
                _ => &None,
            };
            maglev(table_size, hashing, &mut reader.field("maglev_lb_config"))
        }
        LbPolicyProto::ClusterProvided => LbPolicy::ClusterProvided,
        LbPolicyProto::LoadBalancingPolicyConfig => {
            reader.field("load_balancing_policy").refuse("needed by LOAD_BALANCING_POLICY_CONFIG");
            return None;
        }
    })
}

/// `LeastRequest` of either form.
pub(super) fn least_request(
    choice_count: &Option<UInt32Value>,
    active_request_bias: &Option<RuntimeDouble>,
    selection: Selection,
    slow_start: Option<SlowStart>,
    reader: &mut Reader<'_, '_>,
) -> LbPolicy {
    let at_least_two = |count: &UInt32Value| -> Result<u32, Fault> {
        if count.value < 2 { Err("must be at least 2".into()) } else { Ok(count.value) }
    };
    let bias = reader.read("active_request_bias", active_request_bias.as_ref(), default_value);
    LbPolicy::LeastRequest {
        choice_count: reader.read("choice_count", choice_count.as_ref(), at_least_two).unwrap_or(2),
        // Envoy takes a negative one, and then uses the default.
        active_request_bias: bias.filter(|bias| *bias >= 0.0).unwrap_or(1.0),
        selection,
        slow_start,
    }
}

/// `RingHash` of either form.
pub(super) fn ring_hash(
    minimum: &Option<UInt64Value>,
    maximum: &Option<UInt64Value>,
    hash_function: HashFunction,
    hashing: ConsistentHashing,
    reader: &mut Reader<'_, '_>,
) -> LbPolicy {
    const LARGEST_RING: u64 = 8 << 20;
    let size = |size: &UInt64Value| {
        let fits = size.value <= LARGEST_RING;
        fits.then_some(size.value).ok_or_else(|| format!("{} is above {LARGEST_RING}", size.value))
    };
    let minimum = reader.read("minimum_ring_size", minimum.as_ref(), size).unwrap_or(1024);
    let maximum = reader.read("maximum_ring_size", maximum.as_ref(), size).unwrap_or(LARGEST_RING);
    if minimum > maximum {
        let reason = format!("{minimum} is above maximum_ring_size ({maximum})");
        reader.field("minimum_ring_size").refuse(reason);
    }
    LbPolicy::RingHash {
        minimum_ring_size: minimum,
        maximum_ring_size: maximum,
        hash_function,
        hashing,
    }
}

/// `Maglev` of either form.
pub(super) fn maglev(
    table_size: &Option<UInt64Value>,
    hashing: ConsistentHashing,
    reader: &mut Reader<'_, '_>,
) -> LbPolicy {
    let table_size = reader.read("table_size", table_size.as_ref(), maglev_size);
    LbPolicy::Maglev { table_size: table_size.unwrap_or(65_537), hashing }
}

fn maglev_size(size: &UInt64Value) -> Result<u64, Fault> {
    const LARGEST_TABLE: u64 = 5_000_011;
    let size = size.value;
    if size > LARGEST_TABLE {
        return Err(format!("{size} is above {LARGEST_TABLE}"));
    }
    let is_prime =
        size >= 2 && (2..).take_while(|d| d * d <= size).all(|d| !size.is_multiple_of(d));
    if is_prime { Ok(size) } else { Err(format!("{size} is not a prime number")) }
}

fn legacy_slow_start(
    config: Option<&SlowStartConfig>,
    reader: &mut Reader<'_, '_>,
) -> Option<SlowStart> {
    let SlowStartConfig { slow_start_window, aggression, min_weight_percent } = config?;
    let mut reader = reader.field("slow_start_config");
    slow_start(slow_start_window, aggression, min_weight_percent, &mut reader)
}

/// `SlowStartConfig` of either form. A window of zero is off.
pub(super) fn slow_start(
    window: &Option<protobuf::Duration>,
    aggression: &Option<RuntimeDouble>,
    min_weight: &Option<PercentProto>,
    reader: &mut Reader<'_, '_>,
) -> Option<SlowStart> {
    let window = reader.read("slow_start_window", window.as_ref(), proto::duration);
    let aggression = reader.read("aggression", aggression.as_ref(), default_value).unwrap_or(1.0);
    let min_weight_percent = reader
        .read("min_weight_percent", min_weight.as_ref(), proto::percent)
        .or(Percent::new(10.0))
        .unwrap_or(Percent::ZERO);
    let window: Duration = window.filter(|window| !window.is_zero())?;
    Some(SlowStart { window, aggression, min_weight_percent })
}

/// A double that Envoy could override at run time; there is no such override here.
fn default_value(value: &RuntimeDouble) -> Result<f64, Fault> {
    proto::finite(value.default_value).map_err(|why| format!("default_value: {why}"))
}
