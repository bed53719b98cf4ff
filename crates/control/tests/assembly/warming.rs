//! Warming and order: section 6.5 of the contract.

use std::sync::Arc;

use destrier_control::{AssemblerSettings, ENDPOINTS_TYPE};
use envoy_types::pb::envoy::config::cluster::v3::cluster::LbPolicy;
use envoy_types::pb::envoy::config::cluster::v3::{CircuitBreakers, circuit_breakers::Thresholds};
use envoy_types::pb::google::protobuf::UInt32Value;

use crate::plane::{Plane, from_ads, resource, seconds};
use crate::resources::*;

#[test]
fn c100_a_cluster_is_routable_with_its_endpoints() {
    let mut plane = Plane::new(&[]);
    plane.clusters(&[eds("a")]);
    assert!(plane.spec("a").is_none());
    assert_eq!(plane.snapshot.warming[0].waits_for, "EDS a");
    assert_eq!(plane.snapshot.warming[0].since, plane.now.mono);
    plane.endpoints(&[assignment("a", &["10.0.0.1:80"])]);
    assert_eq!(plane.addresses("a"), ["10.0.0.1:80"]);
    assert!(plane.warming().is_empty());
    assert_eq!(plane.assembler.poll_timeout(), None);
}

#[test]
fn c101_a_cluster_without_endpoints_goes_live_after_15_s() {
    let mut plane = Plane::new(&[]);
    plane.clusters(&[eds("a"), eds_with_timeout("b", 3), eds_with_timeout("c", 0)]);
    plane.advance(seconds(3));
    assert!(plane.get("b").endpoints.is_empty());
    plane.advance(seconds(11));
    assert!(plane.spec("a").is_none());
    plane.advance(seconds(1));
    assert!(plane.get("a").endpoints.is_empty());
    plane.advance(seconds(3600));
    assert_eq!(plane.warming(), ["c"], "0 is no timeout");
    assert_eq!(plane.assembler.resources().init_fetch_timeouts, 2);
}

#[test]
fn c102_endpoints_that_come_late_are_used() {
    let mut plane = Plane::new(&[]);
    plane.clusters(&[eds("a")]);
    plane.advance(seconds(20));
    plane.endpoints(&[assignment("a", &["10.0.0.1:80"])]);
    assert_eq!(plane.addresses("a"), ["10.0.0.1:80"]);
}

#[test]
fn c103_an_update_uses_the_endpoints_that_are_there() {
    let mut plane = Plane::new(&[]);
    plane.clusters(&[eds("a")]);
    plane.endpoints(&[assignment("a", &["10.0.0.1:80"])]);
    let before = plane.get("a");
    plane.clusters(&[with_lb(eds("a"), LbPolicy::Random)]);
    let after = plane.get("a");
    assert_eq!(after.policy.lb.name(), "RANDOM");
    assert!(Arc::ptr_eq(&before.endpoints, &after.endpoints));
    assert!(plane.warming().is_empty());
}

#[test]
fn c103_a_cluster_that_went_live_without_endpoints_stays_live() {
    let mut plane = Plane::new(&[]);
    plane.clusters(&[eds("a")]);
    plane.advance(seconds(15));
    plane.clusters(&[with_lb(eds("a"), LbPolicy::Random)]);
    assert_eq!(plane.get("a").policy.lb.name(), "RANDOM");
}

#[test]
fn c104_only_the_newest_of_several_updates_becomes_active() {
    let mut plane = Plane::new(&[]);
    plane.clusters(&[eds("a")]);
    plane.endpoints(&[assignment("a", &["10.0.0.1:80"])]);
    let old = plane.get("a");
    // Another service, whose endpoints are not known: the old version serves meanwhile.
    plane.clusters(&[with_lb(eds_of("a", "one"), LbPolicy::Random)]);
    plane.clusters(&[with_lb(eds_of("a", "two"), LbPolicy::LeastRequest)]);
    assert!(plane.get("a").same(&old));
    assert_eq!(plane.eds_names(), ["a", "two"], "the old version's endpoints are still wanted");
    assert!(plane.assembler.resources().clusters["a"].warming.is_some());
    plane.endpoints(&[assignment("one", &["10.0.1.1:80"]), assignment("a", &["10.0.0.2:80"])]);
    assert_eq!(plane.addresses("a"), ["10.0.0.2:80"]);
    plane.endpoints(&[assignment("two", &["10.0.2.1:80"])]);
    assert_eq!(plane.addresses("a"), ["10.0.2.1:80"]);
    assert_eq!(plane.get("a").policy.lb.name(), "LEAST_REQUEST");
    assert_eq!(plane.eds_names(), ["two"]);
    assert!(plane.assembler.resources().clusters["a"].warming.is_none());
}

#[test]
fn c104_updates_do_not_prolong_warming() {
    let mut plane = Plane::new(&[]);
    for lb in [LbPolicy::Random, LbPolicy::LeastRequest, LbPolicy::RoundRobin] {
        plane.clusters(&[with_lb(eds("a"), lb)]);
        plane.advance(seconds(6));
    }
    assert_eq!(plane.get("a").policy.lb.name(), "ROUND_ROBIN");
}

#[test]
fn c105_a_cluster_removed_while_warming_is_gone() {
    let mut plane = Plane::new(&["a"]);
    plane.clusters(&[eds("a")]);
    plane.remove_clusters(&["a"]);
    assert!(plane.warming().is_empty() && plane.spec("a").is_none());
    assert!(plane.eds_names().is_empty());
    assert_eq!(plane.assembler.poll_timeout(), None);
    assert!(plane.assembler.resources().clusters.is_empty());
}

#[test]
fn c106_one_cluster_does_not_wait_for_another() {
    let mut plane = Plane::new(&[]);
    plane.clusters(&[eds("a"), eds("b")]);
    plane.endpoints(&[assignment("a", &["10.0.0.1:80"])]);
    assert_eq!(plane.addresses("a"), ["10.0.0.1:80"]);
    assert_eq!(plane.warming(), ["b"]);
}

#[test]
fn c107_endpoints_before_their_cluster_are_asked_for_again() {
    let mut plane = Plane::new(&[]);
    plane.endpoints(&[assignment("a", &["10.0.0.1:80"])]);
    plane.clusters(&[eds("a")]);
    assert_eq!(plane.eds_names(), ["a"]);
    plane.endpoints(&[assignment("a", &["10.0.0.1:80"])]);
    assert_eq!(plane.addresses("a"), ["10.0.0.1:80"]);
}

#[test]
fn endpoints_known_from_another_cluster_are_used_at_once() {
    let mut plane = Plane::new(&[]);
    plane.clusters(&[eds_of("a", "service")]);
    plane.endpoints(&[assignment("service", &["10.0.0.1:80"])]);
    plane.clusters(&[eds_of("b", "service")]);
    assert_eq!(plane.addresses("b"), ["10.0.0.1:80"]);
}

#[test]
fn endpoints_are_forgotten_with_their_last_cluster() {
    let mut plane = Plane::new(&[]);
    plane.clusters(&[eds("a")]);
    plane.endpoints(&[assignment("a", &["10.0.0.1:80"])]);
    plane.remove_clusters(&["a"]);
    plane.clusters(&[eds("a")]);
    assert_eq!(plane.warming(), ["a"]);
}

#[test]
fn c108_an_assignment_for_another_name_is_refused() {
    let mut plane = Plane::new(&[]);
    plane.clusters(&[eds("a")]);
    let mut other = resource(&assignment("b", &["10.0.0.1:80"]));
    other.name = "a".into();
    let rejections = plane.delta(ENDPOINTS_TYPE, &[other], &[]);
    assert_eq!(rejections.len(), 1);
    assert_eq!((&*rejections[0].resource, &*rejections[0].field_path), ("a", "cluster_name"));
    assert_eq!(plane.warming(), ["a"]);
}

#[test]
fn c113_a_change_of_limits_keeps_the_hosts() {
    let mut plane = Plane::new(&[]);
    plane.clusters(&[eds("a"), eds("b")]);
    plane.endpoints(&[assignment("a", &["10.0.0.1:80"]), assignment("b", &["10.0.0.2:80"])]);
    let (a, b) = (plane.get("a"), plane.get("b"));
    let mut limited = eds("a");
    limited.circuit_breakers = Some(CircuitBreakers {
        thresholds: vec![Thresholds {
            max_connections: Some(UInt32Value { value: 7 }),
            ..Default::default()
        }],
        ..Default::default()
    });
    plane.clusters(&[limited]);
    let changed = plane.get("a");
    assert_eq!(changed.policy.circuit_breakers.thresholds[0].max_connections, 7);
    assert!(Arc::ptr_eq(&a.endpoints, &changed.endpoints));
    assert!(plane.get("b").same(&b));
}

#[test]
fn c116_a_change_of_weights_keeps_the_policy() {
    let mut plane = Plane::new(&[]);
    plane.clusters(&[eds("a"), eds("b")]);
    plane.endpoints(&[assignment("a", &["10.0.0.1:80"]), assignment("b", &["10.0.0.2:80"])]);
    let (a, b) = (plane.get("a"), plane.get("b"));
    let mut heavier = assignment("a", &["10.0.0.1:80"]);
    heavier.endpoints[0].lb_endpoints[0].load_balancing_weight = Some(UInt32Value { value: 3 });
    plane.endpoints(&[heavier]);
    let changed = plane.get("a");
    assert!(Arc::ptr_eq(&a.policy, &changed.policy));
    let weights: Vec<_> = changed.endpoints.iter().map(|(_, endpoint)| endpoint.weight).collect();
    assert_eq!(weights, [3]);
    assert!(plane.get("b").same(&b));
}

#[test]
fn c117_a_host_that_leaves_is_gone_from_the_next_snapshot_alone() {
    let mut plane = Plane::new(&[]);
    plane.clusters(&[eds("a")]);
    plane.endpoints(&[assignment("a", &["10.0.0.1:80", "10.0.0.2:80"])]);
    let held = plane.snapshot.clone();
    plane.endpoints(&[assignment("a", &["10.0.0.2:80"])]);
    assert_eq!(plane.addresses("a"), ["10.0.0.2:80"]);
    assert_eq!(held.clusters["a"].endpoints.len(), 2, "who holds the old one sees the old one");
}

#[test]
fn c118_a_host_that_moves_to_another_priority_keeps_its_address() {
    let mut plane = Plane::new(&[]);
    plane.clusters(&[eds("a")]);
    plane.endpoints(&[assignment("a", &["10.0.0.1:80"])]);
    let mut moved = assignment("a", &["10.0.0.2:80"]);
    moved.endpoints.push(locality(1, vec![endpoint("10.0.0.1:80")]));
    plane.endpoints(&[moved]);
    let spec = plane.get("a");
    let placed: Vec<_> = spec
        .endpoints
        .iter()
        .map(|(group, endpoint)| (group.priority, endpoint.address.to_string()))
        .collect();
    assert_eq!(placed, [(0, "10.0.0.2:80".into()), (1, "10.0.0.1:80".into())]);
}

#[test]
fn c119_each_snapshot_has_what_the_last_message_said() {
    let mut plane = Plane::new(&[]);
    plane.clusters(&[eds("a")]);
    for last in 1..=50 {
        let address = format!("10.0.0.{last}:80");
        plane.endpoints(&[assignment("a", &[&address])]);
        assert_eq!(plane.addresses("a"), [address]);
    }
}

#[test]
fn c120_flapping_leaves_nothing_behind() {
    let mut plane = Plane::new(&["a"]);
    for round in 0..600 {
        plane.clusters(&[eds("a")]);
        if round % 2 == 0 {
            plane.endpoints(&[assignment("a", &["10.0.0.1:80"])]);
        }
        plane.remove_clusters(&["a"]);
        plane.advance(seconds(1) / 10);
    }
    assert!(plane.is_removed("a"));
    plane.advance(seconds(60));
    assert!(plane.snapshot.clusters.is_empty() && plane.eds_names().is_empty());
    assert_eq!(plane.assembler.poll_timeout(), None);
    let store = plane.assembler.resources();
    assert!(store.clusters.is_empty() && store.endpoints.is_empty());
}

#[test]
fn c121_ready_when_the_first_sync_is_complete() {
    let mut plane = Plane::new(&[]);
    assert!(!plane.is_ready());
    plane.clusters(&[eds("a"), eds_with_timeout("b", 0)]);
    assert!(!plane.is_ready());
    plane.endpoints(&[assignment("a", &["10.0.0.1:80"])]);
    assert!(!plane.is_ready());
    plane.endpoints(&[assignment("b", &["10.0.0.2:80"])]);
    assert!(plane.is_ready());
    plane.clusters(&[eds("c")]);
    assert!(plane.is_ready(), "it never becomes false again");
}

#[test]
fn c121_a_warming_cluster_holds_up_readiness_for_15_s() {
    let mut plane = Plane::new(&[]);
    plane.advance(seconds(10));
    plane.clusters(&[eds_with_timeout("a", 0)]);
    plane.advance(seconds(14));
    assert!(!plane.is_ready());
    assert!(plane.assembler.poll_timeout().is_some(), "somebody must look again");
    plane.advance(seconds(1));
    assert!(plane.is_ready());
    assert_eq!(plane.warming(), ["a"]);
}

#[test]
fn c121_clusters_that_do_not_come_hold_up_readiness_for_their_timeout() {
    let mut plane = Plane::new(&[]);
    plane.advance(seconds(14));
    assert!(!plane.is_ready());
    plane.advance(seconds(1));
    assert!(plane.is_ready());
    plane.clusters(&[eds("late")]);
    assert!(plane.is_ready());

    let waits_for_ever =
        destrier_control::ClustersFrom::ControlPlane { initial_fetch_timeout: None };
    let mut plane =
        Plane::with(AssemblerSettings { clusters_from: waits_for_ever, ..Default::default() }, &[]);
    plane.advance(seconds(3600));
    assert!(!plane.is_ready());
    assert!(Plane::with(AssemblerSettings::default(), &[]).is_ready(), "nothing is expected");
}

#[test]
fn readiness_does_not_wait_for_a_cluster_that_is_removed() {
    let mut plane =
        Plane::with(AssemblerSettings { clusters_from: from_ads(), ..Default::default() }, &[]);
    plane.clusters(&[eds("a")]);
    plane.remove_clusters(&["a"]);
    assert!(plane.is_ready());
}
