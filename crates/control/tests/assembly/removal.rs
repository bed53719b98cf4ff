//! Requests, removal, reconnects: sections 6.1 to 6.4 of the contract, as far as they are about state.

use std::sync::Arc;

use destrier_control::{
    AssemblerSettings, CLUSTER_TYPE, ENDPOINTS_TYPE, RemovedEndpoints, Standing,
};
use envoy_types::pb::envoy::config::cluster::v3::cluster::{DiscoveryType, LbPolicy};

use crate::plane::{Plane, from_ads, resource, seconds};
use crate::resources::*;

/// A plane with the ready EDS clusters `a` and `b`.
fn two_clusters(referenced: &[&str]) -> Plane {
    let mut plane = Plane::new(referenced);
    plane.clusters(&[eds("a"), eds("b")]);
    plane.endpoints(&[assignment("a", &["10.0.0.1:80"]), assignment("b", &["10.0.0.2:80"])]);
    plane
}

#[test]
fn c006_the_names_of_one_message_are_there_at_once_and_in_order() {
    let mut plane = Plane::new(&[]);
    plane.assembler.take_eds_names();
    plane.clusters(&[eds("c"), eds("a"), eds("b")]);
    let names = plane.assembler.take_eds_names().expect("they changed");
    assert_eq!(names.into_iter().collect::<Vec<_>>(), ["a", "b", "c"]);
    assert_eq!(plane.assembler.take_eds_names(), None, "they did not change since");
}

#[test]
fn c007_the_service_name_is_asked_for() {
    let mut plane = Plane::new(&[]);
    plane.clusters(&[eds_of("a", "service")]);
    assert_eq!(plane.eds_names(), ["service"]);
    plane.endpoints(&[assignment("service", &["10.0.0.1:80"])]);
    assert_eq!(plane.addresses("a"), ["10.0.0.1:80"]);
}

#[test]
fn c008_two_clusters_share_a_service() {
    let mut plane = Plane::new(&[]);
    plane.clusters(&[eds_of("a", "service"), eds_of("b", "service")]);
    assert_eq!(plane.eds_names(), ["service"]);
    plane.endpoints(&[assignment("service", &["10.0.0.1:80"])]);
    assert!(Arc::ptr_eq(&plane.get("a").endpoints, &plane.get("b").endpoints));
    plane.remove_clusters(&["a"]);
    assert_eq!(plane.eds_names(), ["service"]);
    plane.endpoints(&[assignment("service", &["10.0.0.2:80"])]);
    assert_eq!(plane.addresses("b"), ["10.0.0.2:80"]);
}

#[test]
fn c009_other_clusters_ask_for_no_endpoints() {
    let mut plane = Plane::new(&[]);
    let mut original = cluster("original", DiscoveryType::OriginalDst);
    original.lb_policy = LbPolicy::ClusterProvided.into();
    plane.clusters(&[
        fixed("static", &["10.0.0.1:80"]),
        dns("strict", DiscoveryType::StrictDns, &["example.com:80"]),
        dns("logical", DiscoveryType::LogicalDns, &["example.com:80"]),
        original,
    ]);
    assert_eq!(plane.eds_names(), Vec::<String>::new());
    assert_eq!(plane.addresses("static"), ["10.0.0.1:80"]);
    assert!(plane.spec("original").is_some());
}

#[test]
fn c010_no_clusters_at_all_is_an_answer() {
    let mut plane = Plane::new(&[]);
    assert!(!plane.is_ready());
    plane.all_clusters(&[]);
    assert!(plane.is_ready());
    assert_eq!(plane.eds_names(), Vec::<String>::new());
}

#[test]
fn c024_a_bad_version_leaves_the_good_one_in_force() {
    let mut plane = two_clusters(&[]);
    let before = plane.get("a");
    let mut bad = eds("a");
    bad.connect_timeout = Some(Default::default());
    let rejections = plane.delta(CLUSTER_TYPE, &[resource(&bad)], &[]);
    assert_eq!(rejections.len(), 1);
    assert_eq!((&*rejections[0].resource, &*rejections[0].field_path), ("a", "connect_timeout"));
    assert!(plane.get("a").same(&before));

    let stored = &plane.assembler.resources().clusters["a"];
    let error = stored.error.as_ref().expect("it was refused");
    assert_eq!(error.rejections, rejections);
    assert_eq!(
        stored.active.as_ref().map(|held| held.body.clone()),
        Some(resource(&eds("a")).body)
    );
    // The same again: refused again, and known to be the same.
    let attempt = error.last_update_attempt;
    plane.advance(seconds(1));
    assert_eq!(plane.delta(CLUSTER_TYPE, &[resource(&bad)], &[]), rejections);
    let stored = &plane.assembler.resources().clusters["a"];
    assert_eq!(stored.error.as_ref().map(|error| error.last_update_attempt), Some(attempt));
}

#[test]
fn c025_a_good_version_clears_the_error() {
    let mut plane = two_clusters(&[]);
    for again in [with_lb(eds("a"), LbPolicy::Random), eds("a")] {
        let mut bad = eds("a");
        bad.connect_timeout = Some(Default::default());
        plane.delta(CLUSTER_TYPE, &[resource(&bad)], &[]);
        assert!(plane.assembler.resources().clusters["a"].error.is_some());
        plane.clusters(&[again]);
        assert!(plane.assembler.resources().clusters["a"].error.is_none());
    }
    let mut bad = eds("a");
    bad.connect_timeout = Some(Default::default());
    plane.delta(CLUSTER_TYPE, &[resource(&bad)], &[]);
    plane.unchanged(CLUSTER_TYPE, "a");
    assert!(plane.assembler.resources().clusters["a"].error.is_none());
}

#[test]
fn c026_the_good_ones_of_a_message_apply() {
    let mut plane = two_clusters(&[]);
    let mut bad = eds("b");
    bad.connect_timeout = Some(Default::default());
    let message =
        [resource(&with_lb(eds("a"), LbPolicy::Random)), resource(&bad), resource(&eds("c"))];
    let rejections = plane.delta(CLUSTER_TYPE, &message, &[]);
    assert_eq!(rejections.iter().map(|r| &*r.resource).collect::<Vec<_>>(), ["b"]);
    assert_eq!(plane.get("a").policy.lb.name(), "RANDOM");
    assert_eq!(plane.addresses("b"), ["10.0.0.2:80"]);
    assert_eq!(plane.warming(), ["c"]);
}

#[test]
fn c035_the_same_bytes_change_nothing() {
    let mut plane = two_clusters(&[]);
    let published = plane.published;
    let updated = plane.assembler.resources().clusters["a"].active.as_ref().map(|v| v.last_updated);
    plane.advance(seconds(10));
    plane.clusters(&[eds("a"), eds("b")]);
    plane.endpoints(&[assignment("a", &["10.0.0.1:80"])]);
    plane.all_clusters(&[eds("a"), eds("b")]);
    assert_eq!(plane.published, published);
    let stored = &plane.assembler.resources().clusters["a"];
    assert_eq!(stored.active.as_ref().map(|version| version.last_updated), updated);
}

#[test]
fn an_equal_policy_in_other_bytes_keeps_its_identity() {
    let mut plane = two_clusters(&[]);
    let before = plane.get("a");
    let published = plane.published;
    // Envoy's default, written out.
    let mut same = eds("a");
    same.connect_timeout =
        Some(envoy_types::pb::google::protobuf::Duration { seconds: 5, nanos: 0 });
    plane.clusters(&[same]);
    assert!(plane.get("a").same(&before));
    assert_eq!(plane.published, published);
}

#[test]
fn c041_bytes_decide_and_not_versions() {
    let mut plane = two_clusters(&[]);
    let mut changed = resource(&with_lb(eds("a"), LbPolicy::Random));
    changed.version = plane.assembler.resources().clusters["a"]
        .newest()
        .map(|held| held.version.to_string())
        .expect("it is held");
    assert_eq!(plane.delta(CLUSTER_TYPE, &[changed], &[]), []);
    assert_eq!(plane.get("a").policy.lb.name(), "RANDOM");
}

#[test]
fn c050_a_cluster_that_is_not_in_the_full_list_goes() {
    let mut plane = two_clusters(&["a"]);
    plane.all_clusters(&[eds("a")]);
    assert!(plane.spec("b").is_none());
    assert_eq!(plane.eds_names(), ["a"]);
    assert!(!plane.assembler.resources().clusters.contains_key("b"));
    assert!(!plane.assembler.resources().endpoints.contains_key("b"));
}

#[test]
fn c051_a_removed_cluster_goes() {
    let mut plane = two_clusters(&["a"]);
    plane.remove_clusters(&["b"]);
    assert!(plane.spec("b").is_none());
    assert_eq!(plane.eds_names(), ["a"]);
}

#[test]
fn c052_a_cluster_that_a_route_names_serves_on_for_its_grace() {
    let mut plane = two_clusters(&["a"]);
    let before = plane.get("a");
    plane.remove_clusters(&["a"]);
    let kept = plane.get("a");
    assert!(plane.is_removed("a"));
    assert!(Arc::ptr_eq(&before.policy, &kept.policy));
    assert!(Arc::ptr_eq(&before.endpoints, &kept.endpoints));
    assert_eq!(plane.eds_names(), ["b"]);
    let stored = &plane.assembler.resources().clusters["a"];
    assert_eq!(stored.standing, Standing::RemovedButKept);
    // That it is removed again does not prolong it.
    plane.advance(seconds(30));
    plane.remove_clusters(&["a"]);
    plane.advance(seconds(29));
    assert!(plane.spec("a").is_some());
    plane.advance(seconds(1));
    assert!(plane.spec("a").is_none());
    assert!(!plane.assembler.resources().clusters.contains_key("a"));
}

#[test]
fn a_removed_cluster_goes_when_no_route_names_it_any_more() {
    let mut plane = two_clusters(&["a", "b"]);
    plane.remove_clusters(&["a"]);
    plane.assembler.handle_referenced(["b".into()].into());
    let snapshot = plane.assembler.take_snapshot().expect("it changed");
    assert!(!snapshot.clusters.contains_key("a") && snapshot.clusters.contains_key("b"));
}

#[test]
fn c053_a_cluster_that_comes_back_is_the_same_object() {
    let mut plane = two_clusters(&["a"]);
    let before = plane.get("a");
    plane.remove_clusters(&["a"]);
    plane.advance(seconds(59));
    plane.clusters(&[eds("a")]);
    assert!(plane.get("a").same(&before));
    assert_eq!(plane.eds_names(), ["a", "b"]);
    plane.advance(seconds(120));
    assert!(plane.spec("a").is_some());
    // Its hosts are no longer frozen.
    plane.endpoints(&[assignment("a", &["10.0.0.9:80"])]);
    assert_eq!(plane.addresses("a"), ["10.0.0.9:80"]);
}

#[test]
fn a_cluster_that_comes_back_changed_keeps_its_hosts() {
    let mut plane = two_clusters(&["a"]);
    let before = plane.get("a");
    plane.remove_clusters(&["a"]);
    plane.clusters(&[with_lb(eds("a"), LbPolicy::Random)]);
    let after = plane.get("a");
    assert!(Arc::ptr_eq(&before.endpoints, &after.endpoints));
    assert_eq!(after.policy.lb.name(), "RANDOM");
    assert!(!plane.is_removed("a"));
}

#[test]
fn c054_an_assignment_that_is_not_repeated_stays() {
    let mut plane = two_clusters(&[]);
    plane.endpoints(&[assignment("b", &["10.0.0.3:80"])]);
    assert_eq!(plane.addresses("a"), ["10.0.0.1:80"]);
}

#[test]
fn c055_an_empty_answer_about_endpoints_changes_nothing() {
    let mut plane = two_clusters(&[]);
    let published = plane.published;
    plane.endpoints(&[]);
    assert_eq!(plane.published, published);
}

#[test]
fn c056_removed_endpoints_end_warming_and_stay() {
    let mut plane = two_clusters(&[]);
    plane.clusters(&[eds_with_timeout("c", 0)]);
    assert_eq!(plane.delta(ENDPOINTS_TYPE, &[], &["a", "c"]), []);
    assert_eq!(plane.addresses("a"), ["10.0.0.1:80"]);
    assert_eq!(plane.addresses("c"), Vec::<String>::new());
    let stored = &plane.assembler.resources().endpoints["a"];
    assert_eq!(stored.standing, Standing::RemovedButKept);
    plane.endpoints(&[assignment("a", &["10.0.0.1:80"])]);
    assert_eq!(plane.assembler.resources().endpoints["a"].standing, Standing::Requested);
}

#[test]
fn c056_removed_endpoints_go_where_that_is_asked_for() {
    let settings = AssemblerSettings {
        clusters_from: from_ads(),
        removed_endpoints: RemovedEndpoints::Clear,
        ..Default::default()
    };
    let mut plane = Plane::with(settings, &[]);
    plane.clusters(&[eds("a")]);
    plane.endpoints(&[assignment("a", &["10.0.0.1:80"])]);
    plane.delta(ENDPOINTS_TYPE, &[], &["a"]);
    assert_eq!(plane.addresses("a"), Vec::<String>::new());
    plane.endpoints(&[assignment("a", &["10.0.0.1:80"])]);
    assert_eq!(plane.addresses("a"), ["10.0.0.1:80"]);
}

#[test]
fn c057_no_endpoints_is_applied_at_once() {
    let mut plane = two_clusters(&[]);
    plane.endpoints(&[assignment("a", &[])]);
    assert!(plane.get("a").endpoints.is_empty());
    let mut none = assignment("b", &[]);
    none.endpoints.clear();
    plane.endpoints(&[none]);
    assert!(plane.get("b").endpoints.is_empty());
}

#[test]
fn c058_an_empty_full_list_removes_all() {
    let mut plane = two_clusters(&["a"]);
    plane.all_clusters(&[]);
    assert!(plane.is_removed("a"));
    assert!(plane.spec("b").is_none());
    assert_eq!(plane.eds_names(), Vec::<String>::new());
}

#[test]
fn c060_an_unknown_name_is_removed_without_effect() {
    let mut plane = two_clusters(&[]);
    let published = plane.published;
    plane.remove_clusters(&["nobody"]);
    plane.delta(ENDPOINTS_TYPE, &[], &["nobody"]);
    assert_eq!(plane.published, published);
}

#[test]
fn c066_endpoints_of_a_removed_cluster_are_ignored() {
    let mut plane = two_clusters(&["a"]);
    plane.remove_clusters(&["a", "b"]);
    let published = plane.published;
    plane.endpoints(&[assignment("a", &["10.0.0.8:80"]), assignment("b", &["10.0.0.9:80"])]);
    // Not even looked at.
    let bad = resource(&assignment("a", &["nonsense:80"]));
    assert_eq!(plane.delta(ENDPOINTS_TYPE, &[bad], &[]), []);
    assert_eq!(plane.published, published);
    assert_eq!(plane.addresses("a"), ["10.0.0.1:80"]);
    assert!(plane.assembler.resources().endpoints.is_empty());
}

#[test]
fn c071_what_vanished_during_an_outage_is_removed() {
    let mut plane = two_clusters(&[]);
    plane.advance(seconds(600));
    plane.remove_clusters(&["b"]);
    assert!(plane.spec("a").is_some() && plane.spec("b").is_none());
}

#[test]
fn c078_nothing_happens_while_the_control_plane_is_gone() {
    let mut plane = two_clusters(&[]);
    let published = plane.published;
    plane.advance(seconds(600));
    assert_eq!(plane.published, published);
    assert_eq!(plane.assembler.poll_timeout(), None);
}

#[test]
fn c079_no_half_state_is_published() {
    let mut plane = two_clusters(&[]);
    // The stream breaks between the clusters and their endpoints; a and b serve, c is not there yet.
    plane.clusters(&[with_lb(eds("a"), LbPolicy::Random), eds("c")]);
    plane.advance(seconds(5));
    assert_eq!(plane.addresses("a"), ["10.0.0.1:80"]);
    assert!(plane.spec("c").is_none());
    plane.clusters(&[with_lb(eds("a"), LbPolicy::Random), eds("b"), eds("c")]);
    plane.endpoints(&[assignment("c", &["10.0.0.3:80"])]);
    assert_eq!(plane.addresses("c"), ["10.0.0.3:80"]);
}

#[test]
fn c087_a_reconnect_that_brings_the_same_rebuilds_nothing() {
    let mut plane = two_clusters(&[]);
    let before = (plane.get("a"), plane.get("b"), plane.published);
    plane.clusters(&[eds("a"), eds("b")]);
    plane.endpoints(&[assignment("a", &["10.0.0.1:80"]), assignment("b", &["10.0.0.2:80"])]);
    assert!(plane.get("a").same(&before.0) && plane.get("b").same(&before.1));
    assert_eq!(plane.published, before.2);
}

#[test]
fn c089_a_refused_cluster_stands_in_nobodys_way() {
    let mut plane = two_clusters(&[]);
    // Passes by field and fails as a whole: the ring's minimum is above its maximum.
    let mut bad = with_lb(eds("bad"), LbPolicy::RingHash);
    bad.lb_config = Some(ring(9000, 1000));
    let message = [resource(&bad), resource(&with_lb(eds("a"), LbPolicy::Random))];
    assert_eq!(plane.delta(CLUSTER_TYPE, &message, &[]).len(), 1);
    assert_eq!(plane.get("a").policy.lb.name(), "RANDOM");
    assert!(plane.warming().is_empty());
    assert_eq!(plane.eds_names(), ["a", "b"]);
    plane.clusters(&[eds("bad")]);
    assert_eq!(plane.eds_names(), ["a", "b", "bad"]);
}

#[test]
fn c180_an_answer_that_does_not_come_ends_warming() {
    let mut plane = Plane::new(&[]);
    plane.clusters(&[eds("a"), eds_with_timeout("patient", 0)]);
    let now = plane.now;
    plane.assembler.handle_missing(ENDPOINTS_TYPE, "a", now);
    plane.assembler.handle_missing(ENDPOINTS_TYPE, "patient", now);
    plane.clusters(&[]);
    assert!(plane.get("a").endpoints.is_empty());
    assert_eq!(plane.warming(), ["patient"]);
    let stored = &plane.assembler.resources().endpoints["patient"];
    assert_eq!(stored.standing, Standing::DoesNotExist);
    // It may still come.
    plane.endpoints(&[assignment("a", &["10.0.0.1:80"])]);
    assert_eq!(plane.addresses("a"), ["10.0.0.1:80"]);
}
