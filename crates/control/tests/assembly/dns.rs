//! Clusters of names.

use std::net::IpAddr;
use std::sync::Arc;

use destrier_control::DnsTarget;
use envoy_types::pb::envoy::config::cluster::v3::Cluster;
use envoy_types::pb::envoy::config::cluster::v3::cluster::{DiscoveryType, LbPolicy};
use envoy_types::pb::google::protobuf::BoolValue;

use crate::plane::{Plane, seconds};
use crate::resources::*;

fn target(plane: &Plane, host: &str) -> DnsTarget {
    let targets = plane.assembler.dns_targets();
    targets.into_iter().find(|target| *target.host == *host).expect("it is to be resolved")
}

fn hosts(plane: &Plane) -> Vec<String> {
    plane.assembler.dns_targets().iter().map(|target| target.host.to_string()).collect()
}

fn resolve(plane: &mut Plane, host: &str, addresses: &[&str]) {
    let parse = |address: &&str| address.parse::<IpAddr>().expect("an address");
    let addresses = addresses.iter().map(parse).collect();
    let target = target(plane, host);
    plane.assembler.handle_dns(&target, Ok(addresses), plane.now);
    plane.clusters(&[]);
}

fn fail(plane: &mut Plane, host: &str) {
    let target = target(plane, host);
    plane.assembler.handle_dns(&target, Err("no such name".into()), plane.now);
    plane.clusters(&[]);
}

fn strict(hosts: &[&str]) -> Cluster {
    dns("a", DiscoveryType::StrictDns, hosts)
}

#[test]
fn a_cluster_of_names_is_routable_when_all_are_resolved() {
    let mut plane = Plane::new(&[]);
    plane.clusters(&[strict(&["one.test:80", "two.test:81", "10.0.0.9:82"])]);
    assert_eq!(hosts(&plane), ["one.test", "two.test"]);
    resolve(&mut plane, "one.test", &["10.0.0.1", "10.0.0.2"]);
    assert_eq!(plane.snapshot.warming[0].waits_for, "DNS two.test");
    resolve(&mut plane, "two.test", &["10.0.0.3"]);
    let all = ["10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:81", "10.0.0.9:82"];
    assert_eq!(plane.addresses("a"), all);
}

#[test]
fn another_order_of_the_same_addresses_is_no_change() {
    let mut plane = Plane::new(&[]);
    plane.clusters(&[strict(&["one.test:80"])]);
    resolve(&mut plane, "one.test", &["10.0.0.1", "10.0.0.2"]);
    resolve(&mut plane, "one.test", &["10.0.0.2", "10.0.0.1"]);
    assert_eq!(plane.addresses("a"), ["10.0.0.1:80", "10.0.0.2:80"]);
    resolve(&mut plane, "one.test", &["10.0.0.3", "10.0.0.1"]);
    assert_eq!(plane.addresses("a"), ["10.0.0.3:80", "10.0.0.1:80"]);
}

#[test]
fn of_a_logical_name_the_first_address_is_used() {
    let mut plane = Plane::new(&[]);
    plane.clusters(&[dns("a", DiscoveryType::LogicalDns, &["one.test:80"])]);
    resolve(&mut plane, "one.test", &["10.0.0.2", "10.0.0.1"]);
    assert_eq!(plane.addresses("a"), ["10.0.0.2:80"]);
    resolve(&mut plane, "one.test", &["10.0.0.1", "10.0.0.2"]);
    assert_eq!(plane.addresses("a"), ["10.0.0.1:80"]);
}

#[test]
fn a_name_that_cannot_be_resolved_ends_warming_and_later_changes_nothing() {
    let mut plane = Plane::new(&[]);
    plane.clusters(&[strict(&["one.test:80"])]);
    fail(&mut plane, "one.test");
    assert!(plane.get("a").endpoints.is_empty());
    resolve(&mut plane, "one.test", &["10.0.0.1"]);
    let before = plane.get("a");
    fail(&mut plane, "one.test");
    assert!(plane.get("a").same(&before));
}

#[test]
fn the_same_answer_changes_nothing() {
    let mut plane = Plane::new(&[]);
    plane.clusters(&[strict(&["one.test:80"])]);
    resolve(&mut plane, "one.test", &["10.0.0.1"]);
    let (before, published) = (plane.get("a"), plane.published);
    resolve(&mut plane, "one.test", &["10.0.0.1"]);
    assert!(plane.get("a").same(&before));
    assert_eq!(plane.published, published);
}

#[test]
fn an_update_uses_the_addresses_that_are_known() {
    let mut plane = Plane::new(&[]);
    plane.clusters(&[strict(&["one.test:80"])]);
    resolve(&mut plane, "one.test", &["10.0.0.1"]);
    let before = plane.get("a");
    plane.clusters(&[with_lb(strict(&["one.test:80"]), LbPolicy::Random)]);
    let after = plane.get("a");
    assert_eq!(after.policy.lb.name(), "RANDOM");
    assert!(Arc::ptr_eq(&before.endpoints, &after.endpoints));
    // A new name beside it: the old version serves until it is resolved.
    plane.clusters(&[strict(&["one.test:80", "two.test:80"])]);
    assert_eq!(plane.addresses("a"), ["10.0.0.1:80"]);
    resolve(&mut plane, "two.test", &["10.0.0.2"]);
    assert_eq!(plane.addresses("a"), ["10.0.0.1:80", "10.0.0.2:80"]);
    // One name less: its addresses go with it.
    plane.clusters(&[strict(&["two.test:80"])]);
    assert_eq!(plane.addresses("a"), ["10.0.0.2:80"]);
    assert_eq!(hosts(&plane), ["two.test"]);
}

#[test]
fn a_cluster_need_not_wait_for_its_names() {
    let mut plane = Plane::new(&[]);
    let mut eager = strict(&["one.test:80"]);
    eager.wait_for_warm_on_init = Some(BoolValue { value: false });
    plane.clusters(&[eager]);
    assert!(plane.get("a").endpoints.is_empty());
    resolve(&mut plane, "one.test", &["10.0.0.1"]);
    assert_eq!(plane.addresses("a"), ["10.0.0.1:80"]);
}

#[test]
fn the_names_of_a_removed_cluster_are_resolved_no_more() {
    let mut plane = Plane::new(&["a"]);
    plane.clusters(&[strict(&["one.test:80"])]);
    resolve(&mut plane, "one.test", &["10.0.0.1"]);
    let late = target(&plane, "one.test");
    plane.assembler.take_dns_targets();
    plane.remove_clusters(&["a"]);
    assert_eq!(plane.assembler.take_dns_targets(), Some(Vec::new()));
    let other = "10.0.0.7".parse().expect("an address");
    plane.assembler.handle_dns(&late, Ok(vec![other]), plane.now);
    plane.advance(seconds(1));
    assert_eq!(plane.addresses("a"), ["10.0.0.1:80"]);
    plane.clusters(&[strict(&["one.test:80"])]);
    assert_eq!(plane.assembler.take_dns_targets().map(|targets| targets.len()), Some(1));
    assert_eq!(plane.addresses("a"), ["10.0.0.1:80"]);
}
