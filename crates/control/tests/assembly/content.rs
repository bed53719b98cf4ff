//! What may stand in a resource: section 6.6 of the contract.

use destrier_control::{CLUSTER_TYPE, ENDPOINTS_TYPE, Rejection, ResourceRef};
use destrier_policy::HealthStatus;
use envoy_types::pb::envoy::config::cluster::v3::{
    Cluster, LoadBalancingPolicy, OutlierDetection, cluster::LbPolicy,
    load_balancing_policy::Policy,
};
use envoy_types::pb::envoy::config::core::v3::{
    Metadata, TransportSocket, TypedExtensionConfig, transport_socket,
};
use envoy_types::pb::envoy::config::endpoint::v3::{
    ClusterLoadAssignment, cluster_load_assignment,
};
use envoy_types::pb::envoy::extensions::load_balancing_policies::round_robin::v3::RoundRobin;
use envoy_types::pb::google::protobuf::{self, Any, Struct, UInt32Value, Value, value::Kind};
use envoy_types::util::pack_any;

use crate::plane::{Plane, resource, seconds};
use crate::resources::*;

/// A plane with the ready cluster `a`, at 10.0.0.1:80.
fn plane() -> Plane {
    let mut plane = Plane::new(&[]);
    plane.clusters(&[eds("a")]);
    plane.endpoints(&[assignment("a", &["10.0.0.1:80"])]);
    plane
}

fn paths(rejections: &[Rejection]) -> Vec<&str> {
    rejections.iter().map(|rejection| &*rejection.field_path).collect()
}

/// The cluster is refused because of these fields, and the good one beside it applies.
#[track_caller]
fn assert_refused(bad: &Cluster, fields: &[&str]) {
    let mut plane = plane();
    let good = with_lb(eds("a"), LbPolicy::Random);
    let rejections = plane.delta(CLUSTER_TYPE, &[resource(bad), resource(&good)], &[]);
    assert_eq!(paths(&rejections), fields);
    assert!(rejections.iter().all(|rejection| rejection.resource == bad.name));
    assert_eq!(plane.get("a").policy.lb.name(), "RANDOM");
    assert_eq!(plane.warming(), Vec::<&str>::new());
}

#[track_caller]
fn assert_endpoints_refused(bad: &ClusterLoadAssignment, fields: &[&str]) {
    let mut plane = plane();
    let rejections = plane.delta(ENDPOINTS_TYPE, &[resource(bad)], &[]);
    assert_eq!(paths(&rejections), fields);
    assert_eq!(plane.addresses("a"), ["10.0.0.1:80"], "the last good one stays");
    let error = plane.assembler.resources().endpoints["a"].error.as_ref();
    assert_eq!(error.map(|error| error.rejections.clone()), Some(rejections));
}

#[test]
fn c141_a_message_that_cannot_be_decoded_is_refused_alone() {
    let mut plane = plane();
    let mut bytes = resource(&fixed("b", &["10.0.0.2:80"])).body.to_vec();
    bytes.truncate(bytes.len() - 3);
    let bad = ResourceRef { name: "b".into(), version: String::new(), body: bytes.into() };
    let good = resource(&with_lb(eds("a"), LbPolicy::Random));
    let rejections = plane.delta(CLUSTER_TYPE, &[bad, good], &[]);
    assert_eq!(rejections.len(), 1);
    assert_eq!(rejections[0].resource, "b");
    assert!(rejections[0].reason.contains("decode"), "{}", rejections[0]);
    assert_eq!(plane.get("a").policy.lb.name(), "RANDOM");
}

#[test]
fn c142_a_cluster_of_another_name_than_its_wrapper_is_refused() {
    let mut plane = plane();
    let mut other = resource(&eds("b"));
    other.name = "c".into();
    let rejections = plane.delta(CLUSTER_TYPE, &[other], &[]);
    assert_eq!(paths(&rejections), ["name"]);
    assert_eq!(rejections[0].resource, "c");
}

#[test]
fn c143_unknown_fields_are_accepted() {
    let mut plane = plane();
    let mut unknown = resource(&with_lb(eds("a"), LbPolicy::Random));
    let mut bytes = unknown.body.to_vec();
    // Field 1000, a varint.
    bytes.extend([0xc0, 0x3e, 0x01]);
    unknown.body = bytes.into();
    assert_eq!(plane.delta(CLUSTER_TYPE, &[unknown], &[]), []);
    assert_eq!(plane.get("a").policy.lb.name(), "RANDOM");
}

fn extension(config: Any) -> Policy {
    Policy {
        typed_extension_config: Some(TypedExtensionConfig {
            name: "some name".into(),
            typed_config: Some(config),
        }),
    }
}

fn unknown_extension() -> Policy {
    extension(Any { type_url: "type.googleapis.com/made.up.Policy".into(), value: Vec::new() })
}

fn with_policies(policies: Vec<Policy>) -> Cluster {
    Cluster { load_balancing_policy: Some(LoadBalancingPolicy { policies }), ..eds("bad") }
}

#[test]
fn c144_no_known_policy_is_refused() {
    let bad = with_policies(vec![unknown_extension(), unknown_extension()]);
    assert_refused(&bad, &["load_balancing_policy.policies"]);
}

#[test]
fn c145_the_first_known_policy_is_used() {
    let mut plane = plane();
    let known = extension(pack_any(RoundRobin::default()));
    let cluster = Cluster { name: "a".into(), ..with_policies(vec![unknown_extension(), known]) };
    plane.clusters(&[with_lb(cluster, LbPolicy::Random)]);
    assert_eq!(plane.get("a").policy.lb.name(), "ROUND_ROBIN");
}

#[test]
fn c146_policies_nested_too_deep_are_refused() {
    use envoy_types::pb::envoy::extensions::load_balancing_policies::wrr_locality::v3::WrrLocality;
    let mut policy = extension(pack_any(RoundRobin::default()));
    for _ in 0..10_000 {
        let endpoint_picking_policy = Some(LoadBalancingPolicy { policies: vec![policy] });
        policy = extension(pack_any(WrrLocality { endpoint_picking_policy }));
        if let Some(config) = &policy.typed_extension_config
            && config.typed_config.as_ref().is_some_and(|config| config.value.len() > 1 << 20)
        {
            break;
        }
    }
    let bad = with_policies(vec![policy]);
    let rejections = plane().delta(CLUSTER_TYPE, &[resource(&bad)], &[]);
    assert_eq!(rejections.len(), 1, "{rejections:?}");
    assert!(rejections[0].field_path.starts_with("load_balancing_policy"), "{}", rejections[0]);
}

#[test]
fn c148_ring_sizes_out_of_range_are_refused() {
    for (minimum, maximum) in [(9_000_000, 9_000_001), (2048, 1024)] {
        let mut bad = with_lb(eds("bad"), LbPolicy::RingHash);
        bad.lb_config = Some(ring(minimum, maximum));
        let rejections = plane().delta(CLUSTER_TYPE, &[resource(&bad)], &[]);
        assert!(!rejections.is_empty());
        for rejection in rejections {
            assert!(rejection.field_path.starts_with("ring_hash_lb_config"), "{rejection}");
        }
    }
}

#[test]
fn c149_outlier_settings_out_of_range_are_refused() {
    let duration = |seconds, nanos| Some(protobuf::Duration { seconds, nanos });
    let percent = |value| Some(UInt32Value { value });
    let default = OutlierDetection::default;
    for (outlier, field) in [
        (OutlierDetection { interval: duration(-1, 0), ..default() }, "interval"),
        (
            OutlierDetection { interval: duration(1_000_000_000_000_000_000, 0), ..default() },
            "interval",
        ),
        (
            OutlierDetection { base_ejection_time: duration(1, 2_000_000_000), ..default() },
            "base_ejection_time",
        ),
        (
            OutlierDetection { max_ejection_percent: percent(101), ..default() },
            "max_ejection_percent",
        ),
    ] {
        let bad = Cluster { outlier_detection: Some(outlier), ..eds("bad") };
        assert_refused(&bad, &[&format!("outlier_detection.{field}")]);
    }
}

const SOCKET: &str = "endpoints[0].lb_endpoints[0].endpoint.address";

fn at(host: &str, port: u32) -> ClusterLoadAssignment {
    let mut assignment = assignment("a", &[]);
    assignment.endpoints[0].lb_endpoints.push(endpoint_at(host, port));
    assignment
}

#[test]
fn c151_ports_out_of_range_are_refused_and_0_is_left_out() {
    for port in [65_536, 70_000, u32::MAX] {
        assert_endpoints_refused(&at("10.0.0.9", port), &[SOCKET]);
    }
    let mut plane = plane();
    let mut zero = at("10.0.0.9", 0);
    zero.endpoints[0].lb_endpoints.push(endpoint("10.0.0.8:80"));
    plane.endpoints(&[zero]);
    assert_eq!(plane.addresses("a"), ["10.0.0.8:80"]);
}

#[test]
fn c152_an_address_must_be_one() {
    for host in ["not-an-ip", "", "10.0.0.1.2", "fe80::1%eth0"] {
        assert_endpoints_refused(&at(host, 80), &[SOCKET]);
    }
    let mut plane = plane();
    plane.endpoints(&[at("::ffff:10.0.0.9", 80)]);
    assert_eq!(plane.addresses("a"), ["[::ffff:10.0.0.9]:80"], "taken as it is written");
}

#[test]
fn c153_of_an_address_that_is_there_twice_the_first_counts() {
    let mut plane = plane();
    let mut twice = assignment("a", &["10.0.0.9:80", "10.0.0.8:80", "10.0.0.9:80"]);
    twice.endpoints[0].lb_endpoints[2].load_balancing_weight = Some(UInt32Value { value: 9 });
    twice.endpoints.push(locality(1, vec![endpoint("10.0.0.8:80"), endpoint("10.0.0.7:80")]));
    plane.endpoints(&[twice]);
    assert_eq!(plane.addresses("a"), ["10.0.0.9:80", "10.0.0.8:80", "10.0.0.7:80"]);
    assert!(plane.get("a").endpoints.iter().all(|(_, endpoint)| endpoint.weight == 1));
}

fn weighted(weights: &[u32]) -> ClusterLoadAssignment {
    let addresses: Vec<_> = (0..weights.len()).map(|index| format!("10.0.1.{index}:80")).collect();
    let addresses: Vec<_> = addresses.iter().map(String::as_str).collect();
    let mut assignment = assignment("a", &addresses);
    for (endpoint, weight) in assignment.endpoints[0].lb_endpoints.iter_mut().zip(weights) {
        endpoint.load_balancing_weight = Some(UInt32Value { value: *weight });
    }
    assignment
}

#[test]
fn c154_a_weight_of_0_is_refused() {
    let field = "endpoints[0].lb_endpoints[1].load_balancing_weight";
    assert_endpoints_refused(&weighted(&[1, 0]), &[field]);
}

#[test]
fn c155_weights_that_add_up_to_too_much_are_refused() {
    let rejections = plane().delta(ENDPOINTS_TYPE, &[resource(&weighted(&[u32::MAX, 1]))], &[]);
    assert_eq!(rejections.len(), 1, "{rejections:?}");
    let mut localities = assignment("a", &["10.0.0.9:80"]);
    localities.endpoints[0].load_balancing_weight = Some(UInt32Value { value: u32::MAX });
    let mut second = locality(0, vec![endpoint("10.0.0.8:80")]);
    second.load_balancing_weight = Some(UInt32Value { value: 1 });
    second.locality = Some(envoy_types::pb::envoy::config::core::v3::Locality {
        region: "r".into(),
        ..Default::default()
    });
    localities.endpoints.push(second);
    let rejections = plane().delta(ENDPOINTS_TYPE, &[resource(&localities)], &[]);
    assert_eq!(rejections.len(), 1, "{rejections:?}");
    // One less is the most there may be.
    assert_eq!(plane().delta(ENDPOINTS_TYPE, &[resource(&weighted(&[u32::MAX - 1, 1]))], &[]), []);
}

#[test]
fn c157_priorities_above_128_are_refused() {
    for priority in [129, u32::MAX] {
        let mut bad = assignment("a", &[]);
        bad.endpoints[0] = locality(priority, vec![endpoint("10.0.0.9:80")]);
        assert_endpoints_refused(&bad, &["endpoints[0].priority"]);
    }
}

#[test]
fn c160_each_health_status_is_understood() {
    use envoy_types::pb::envoy::config::core::v3::HealthStatus as Proto;
    let mut plane = plane();
    let all = [
        (Proto::Unknown, HealthStatus::Unknown),
        (Proto::Healthy, HealthStatus::Healthy),
        (Proto::Unhealthy, HealthStatus::Unhealthy),
        (Proto::Draining, HealthStatus::Draining),
        (Proto::Timeout, HealthStatus::Timeout),
        (Proto::Degraded, HealthStatus::Degraded),
    ];
    let mut found = weighted(&[1; 6]);
    for (endpoint, (proto, _)) in found.endpoints[0].lb_endpoints.iter_mut().zip(all) {
        endpoint.health_status = proto.into();
    }
    plane.endpoints(&[found]);
    let spec = plane.get("a");
    let health: Vec<_> = spec.endpoints.iter().map(|(_, endpoint)| endpoint.health).collect();
    assert_eq!(health, all.map(|(_, policy)| policy));
}

#[test]
fn c162_an_overprovisioning_factor_of_0_is_refused() {
    let with_factor = |value| {
        let mut found = assignment("a", &["10.0.0.9:80"]);
        found.policy = Some(cluster_load_assignment::Policy {
            overprovisioning_factor: Some(UInt32Value { value }),
            ..Default::default()
        });
        found
    };
    assert_endpoints_refused(&with_factor(0), &["policy.overprovisioning_factor"]);
    for factor in [1, 100, 140, u32::MAX] {
        let mut plane = plane();
        plane.endpoints(&[with_factor(factor)]);
        assert_eq!(plane.get("a").endpoints.overprovisioning_factor, factor);
    }
}

#[test]
fn c163_any_name_but_the_empty_one_is_accepted() {
    assert_refused(&eds(""), &["name"]);
    let long = "x".repeat(64 << 10);
    for name in [&*long, "\u{1}\n\u{7f}", "../../etc/passwd", "ü|:"] {
        let mut plane = plane();
        plane.clusters(&[fixed(name, &["10.0.0.2:80"])]);
        assert!(plane.spec(name).is_some());
    }
}

fn with_metadata(value: Value) -> ClusterLoadAssignment {
    let fields = Struct { fields: [("key".to_owned(), value)].into() };
    let metadata = Metadata {
        filter_metadata: [("envoy.lb".to_owned(), fields)].into(),
        ..Default::default()
    };
    let mut found = assignment("a", &["10.0.0.9:80"]);
    found.endpoints[0].lb_endpoints[0].metadata = Some(metadata);
    found
}

#[test]
fn c164_metadata_of_any_kind_does_no_harm() {
    let nan = Value { kind: Some(Kind::NumberValue(f64::NAN)) };
    assert_endpoints_refused(&with_metadata(nan), &["endpoints[0].lb_endpoints[0].metadata"]);
    // Deeper than the decoder goes: refused, and no stack overflows. Half as deep is fine.
    for (depth, accepted) in [(20, true), (2000, false)] {
        let mut value = Value { kind: Some(Kind::BoolValue(true)) };
        for _ in 0..depth {
            let list = protobuf::ListValue { values: vec![value] };
            value = Value { kind: Some(Kind::ListValue(list)) };
        }
        let rejections = plane().delta(ENDPOINTS_TYPE, &[resource(&with_metadata(value))], &[]);
        assert_eq!(rejections.is_empty(), accepted, "{depth}: {rejections:?}");
    }
}

#[test]
fn c165_a_transport_socket_of_a_made_up_kind_is_refused() {
    let config = Any { type_url: "type.googleapis.com/made.up.Socket".into(), value: Vec::new() };
    let bad = Cluster {
        transport_socket: Some(TransportSocket {
            name: "envoy.transport_sockets.tls".into(),
            config_type: Some(transport_socket::ConfigType::TypedConfig(config)),
        }),
        ..eds("bad")
    };
    assert_refused(&bad, &["transport_socket.typed_config"]);
}

#[test]
fn c168_endpoints_that_are_not_renewed_are_dropped() {
    let mut plane = plane();
    let mut fresh = assignment("a", &["10.0.0.9:80"]);
    fresh.policy = Some(cluster_load_assignment::Policy {
        endpoint_stale_after: Some(protobuf::Duration { seconds: 5, nanos: 0 }),
        ..Default::default()
    });
    plane.endpoints(std::slice::from_ref(&fresh));
    plane.advance(seconds(4));
    plane.endpoints(std::slice::from_ref(&fresh));
    plane.advance(seconds(4));
    assert_eq!(plane.addresses("a"), ["10.0.0.9:80"]);
    plane.advance(seconds(1));
    assert!(plane.get("a").endpoints.is_empty());
    plane.endpoints(&[fresh]);
    assert_eq!(plane.addresses("a"), ["10.0.0.9:80"]);
}

#[test]
fn c168_what_comes_again_unchanged_is_fresh() {
    let mut plane = plane();
    let mut fresh = assignment("a", &["10.0.0.9:80"]);
    fresh.policy = Some(cluster_load_assignment::Policy {
        endpoint_stale_after: Some(protobuf::Duration { seconds: 5, nanos: 0 }),
        ..Default::default()
    });
    plane.endpoints(&[fresh]);
    plane.advance(seconds(4));
    plane.unchanged(ENDPOINTS_TYPE, "a");
    plane.advance(seconds(4));
    assert_eq!(plane.addresses("a"), ["10.0.0.9:80"]);
    plane.advance(seconds(1));
    assert!(plane.get("a").endpoints.is_empty());
    plane.unchanged(ENDPOINTS_TYPE, "a");
    assert_eq!(plane.addresses("a"), ["10.0.0.9:80"]);
}
