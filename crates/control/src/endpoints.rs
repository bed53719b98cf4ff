//! `endpoint.proto: ClusterLoadAssignment` to [`EndpointSet`].

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, LazyLock};

use destrier_policy::{
    Address, DropOverload, Endpoint, EndpointSet, FieldStanding, HealthStatus, Locality,
    LocalityEndpoints, Metadata, Percent,
};
use endpoint::cluster_load_assignment::Policy;
use endpoint::cluster_load_assignment::policy::DropOverload as DropOverloadProto;
use endpoint::lb_endpoint::HostIdentifier;
use endpoint::{ClusterLoadAssignment, LbEndpoint, LocalityLbEndpoints};
use envoy_types::pb::envoy::config::core::v3 as core;
use envoy_types::pb::envoy::config::endpoint::v3 as endpoint;
use envoy_types::pb::google::protobuf::UInt32Value;

use crate::Rejection;
use crate::fields::{Standing, Surveyed};
use crate::path::FieldPath;
use crate::proto::{self, Fault};
use crate::report::{Reader, Report};

/// Translates an assignment that came by EDS. Of endpoints with the same address the first stays.
///
/// # Errors
/// Every fault found, with the path of its field.
pub fn translate_endpoints(
    assignment: &ClusterLoadAssignment,
) -> Result<EndpointSet, Vec<Rejection>> {
    let mut report = Report::new(&assignment.cluster_name);
    assignment.survey(Standing::InForce, &FieldPath::ROOT, &mut report);
    let mut reader = Reader::root(&mut report);
    let mut endpoints = endpoint_set(assignment, &mut reader);
    keep_first_of_each_address(&mut endpoints);
    endpoints.notes = report.take_notes();
    report.finish(endpoints)
}

/// All endpoints as they stand, an address that stands twice twice.
pub(crate) fn endpoint_set(
    assignment: &ClusterLoadAssignment,
    reader: &mut Reader<'_, '_>,
) -> EndpointSet {
    let groups = groups(assignment, reader, |endpoint, reader| {
        let address = reader.read("address", endpoint.address.as_ref(), proto::address);
        if endpoint.address.is_none() {
            reader.field("address").refuse("must be set");
        }
        if address.as_ref().and_then(Address::ip).is_some_and(|address| address.port() == 0) {
            // Nothing listens there. One such endpoint must not cost the others, but has to be seen.
            reader.field("address").note(FieldStanding::Tolerated);
            return None;
        }
        address
    });
    let localities = groups.into_iter().map(|group| LocalityEndpoints {
        locality: group.locality,
        priority: group.priority,
        weight: group.weight,
        endpoints: group
            .endpoints
            .into_iter()
            .map(|Attributed { target, hostname, weight, health, metadata }| Endpoint {
                address: target,
                hostname,
                weight,
                health,
                metadata,
            })
            .collect(),
    });
    EndpointSet { localities: localities.collect(), ..assignment_policy(assignment, reader) }
}

/// The settings of an assignment, without its endpoints.
pub(crate) fn assignment_policy(
    assignment: &ClusterLoadAssignment,
    reader: &mut Reader<'_, '_>,
) -> EndpointSet {
    let mut set = EndpointSet::default();
    if assignment.cluster_name.is_empty() {
        reader.field("cluster_name").refuse("must not be empty");
    }
    let Some(policy) = &assignment.policy else { return set };
    let mut reader = reader.field("policy");
    let Policy { drop_overloads, overprovisioning_factor, endpoint_stale_after, .. } = policy;
    set.weighted_priority_health = policy.weighted_priority_health;
    set.endpoint_stale_after = reader.read(
        "endpoint_stale_after",
        endpoint_stale_after.as_ref(),
        proto::positive_duration,
    );
    let factor = overprovisioning_factor.as_ref();
    if let Some(factor) = reader.read("overprovisioning_factor", factor, at_least_one) {
        set.overprovisioning_factor = factor;
    }
    if drop_overloads.len() > 1 {
        let reason = format!("has {} categories, only one is supported", drop_overloads.len());
        reader.field("drop_overloads").refuse(reason);
    }
    if let Some(DropOverloadProto { category, drop_percentage }) = drop_overloads.first() {
        let mut reader = reader.field("drop_overloads");
        let mut reader = reader.index(0);
        if category.is_empty() {
            reader.field("category").refuse("must not be empty");
        }
        let share =
            reader.read("drop_percentage", drop_percentage.as_ref(), proto::fractional_percent);
        let share = share.unwrap_or(Percent::ZERO);
        set.drop_overload = Some(DropOverload { category: category.as_str().into(), share });
    }
    set
}

/// `LocalityLbEndpoints`, whatever its endpoints are made of.
pub(crate) struct Group<T> {
    pub(crate) locality: Locality,
    pub(crate) priority: u32,
    pub(crate) weight: Option<u32>,
    pub(crate) endpoints: Vec<Attributed<T>>,
}

/// `LbEndpoint`: a target with its attributes.
pub(crate) struct Attributed<T> {
    pub(crate) target: T,
    pub(crate) hostname: Arc<str>,
    pub(crate) weight: u32,
    pub(crate) health: HealthStatus,
    pub(crate) metadata: Arc<Metadata>,
}

/// The localities of an assignment; `target` reads where an endpoint is.
pub(crate) fn groups<'a, T>(
    assignment: &'a ClusterLoadAssignment,
    reader: &mut Reader<'_, '_>,
    mut target: impl FnMut(&'a endpoint::Endpoint, &mut Reader<'_, '_>) -> Option<T>,
) -> Vec<Group<T>> {
    let mut reader = reader.field("endpoints");
    let groups = assignment.endpoints.iter().enumerate();
    let groups: Vec<_> = groups
        .map(|(index, group)| locality(group, &mut reader.index(index), &mut target))
        .collect();
    let mut totals = BTreeMap::new();
    for group in &groups {
        *totals.entry(group.priority).or_default() += u64::from(group.weight.unwrap_or(0));
    }
    for (priority, total) in totals {
        if let Err(why) = total_weight(total) {
            reader.refuse(format!("the localities of priority {priority}: {why}"));
        }
    }
    groups
}

fn locality<'a, T>(
    group: &'a LocalityLbEndpoints,
    reader: &mut Reader<'_, '_>,
    target: &mut impl FnMut(&'a endpoint::Endpoint, &mut Reader<'_, '_>) -> Option<T>,
) -> Group<T> {
    const LOWEST_PRIORITY: u32 = 128;
    if group.priority > LOWEST_PRIORITY {
        reader.field("priority").refuse(format!("{} is above {LOWEST_PRIORITY}", group.priority));
    }
    let weight = group.load_balancing_weight.as_ref();
    let weight = reader.read("load_balancing_weight", weight, at_least_one);
    let mut reader = reader.field("lb_endpoints");
    let endpoints = group.lb_endpoints.iter().enumerate();
    let endpoints: Vec<_> = endpoints
        .filter_map(|(index, entry)| lb_endpoint(entry, &mut reader.index(index), target))
        .collect();
    reader.check(total_weight(endpoints.iter().map(|endpoint| u64::from(endpoint.weight)).sum()));
    Group {
        locality: group.locality.as_ref().map(locality_name).unwrap_or_default(),
        priority: group.priority,
        weight,
        endpoints,
    }
}

fn locality_name(locality: &core::Locality) -> Locality {
    let core::Locality { region, zone, sub_zone } = locality;
    Locality::new(region, zone, sub_zone)
}

fn lb_endpoint<'a, T>(
    entry: &'a LbEndpoint,
    reader: &mut Reader<'_, '_>,
    target: &mut impl FnMut(&'a endpoint::Endpoint, &mut Reader<'_, '_>) -> Option<T>,
) -> Option<Attributed<T>> {
    let weight = entry.load_balancing_weight.as_ref();
    let weight = reader.read("load_balancing_weight", weight, at_least_one).unwrap_or(1);
    let metadata = reader.read("metadata", entry.metadata.as_ref(), proto::metadata);
    let Some(HostIdentifier::Endpoint(endpoint)) = &entry.host_identifier else {
        if entry.host_identifier.is_none() {
            reader.field("endpoint").refuse("must be set");
        }
        return None;
    };
    Some(Attributed {
        target: target(endpoint, &mut reader.field("endpoint"))?,
        hostname: shared_text(&endpoint.hostname),
        weight,
        health: health(entry.health_status),
        metadata: metadata.map_or_else(no_metadata, Arc::new),
    })
}

/// Most endpoints have neither; all of them share one of each.
fn shared_text(text: &str) -> Arc<str> {
    static EMPTY: LazyLock<Arc<str>> = LazyLock::new(|| "".into());
    if text.is_empty() { EMPTY.clone() } else { text.into() }
}

fn no_metadata() -> Arc<Metadata> {
    static NONE: LazyLock<Arc<Metadata>> = LazyLock::new(Arc::default);
    NONE.clone()
}

/// A status of a later API is taken as healthy, as in Envoy.
fn health(status: i32) -> HealthStatus {
    health_status(status).unwrap_or_default()
}

/// `health_check.proto: HealthStatus`.
pub(crate) fn health_status(status: i32) -> Result<HealthStatus, Fault> {
    Ok(match proto::enumeration(status)? {
        core::HealthStatus::Unknown => HealthStatus::Unknown,
        core::HealthStatus::Healthy => HealthStatus::Healthy,
        core::HealthStatus::Unhealthy => HealthStatus::Unhealthy,
        core::HealthStatus::Draining => HealthStatus::Draining,
        core::HealthStatus::Timeout => HealthStatus::Timeout,
        core::HealthStatus::Degraded => HealthStatus::Degraded,
    })
}

fn at_least_one(value: &UInt32Value) -> Result<u32, Fault> {
    if value.value == 0 { Err("must be at least 1".into()) } else { Ok(value.value) }
}

/// Pickers add weights up in 32 bits, as in Envoy.
fn total_weight(total: u64) -> Result<(), Fault> {
    if total > u32::MAX.into() {
        return Err(format!("the weights add up to {total}, more than {}", u32::MAX));
    }
    Ok(())
}

fn keep_first_of_each_address(set: &mut EndpointSet) {
    let mut seen = HashSet::with_capacity(set.len());
    let fresh = set.iter().all(|(_, endpoint)| seen.insert(&endpoint.address));
    if fresh {
        return;
    }
    let mut seen = HashSet::new();
    for group in &mut set.localities {
        let endpoints = std::mem::take(&mut group.endpoints).into_vec();
        let first = endpoints.into_iter().filter(|entry| seen.insert(entry.address.clone()));
        group.endpoints = first.collect();
    }
}
