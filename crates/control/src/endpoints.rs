//! `endpoint.proto: ClusterLoadAssignment` to [`EndpointSet`].

use destrier_policy::EndpointSet;
use envoy_types::pb::envoy::config::endpoint::v3::ClusterLoadAssignment;

use crate::Rejection;
use crate::fields::{Standing, Surveyed};
use crate::path::FieldPath;
use crate::report::Report;

/// Translates an assignment that came by EDS. Of endpoints with the same address the first stays.
///
/// # Errors
/// Every fault found, with the path of its field.
pub fn translate_endpoints(
    assignment: &ClusterLoadAssignment,
) -> Result<EndpointSet, Vec<Rejection>> {
    let mut report = Report::new(&assignment.cluster_name);
    assignment.survey(Standing::InForce, &FieldPath::ROOT, &mut report);
    report.finish(EndpointSet::default())
}
