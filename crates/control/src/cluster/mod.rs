//! `cluster.proto: Cluster` to [`ClusterPolicy`].

mod assignment;

use destrier_policy::{ClusterName, ClusterPolicy, Origin};
use envoy_types::pb::envoy::config::cluster::v3::Cluster;

pub use self::assignment::{DnsAssignment, DnsEndpoint, DnsLocality, LoadAssignment};
use crate::Rejection;
use crate::fields::{Standing, Surveyed};
use crate::path::FieldPath;
use crate::report::Report;

/// A cluster, and the endpoints that it brings itself.
#[derive(Clone, Debug, PartialEq)]
pub struct TranslatedCluster {
    /// All but the endpoints.
    pub policy: ClusterPolicy,
    /// `load_assignment`, for STATIC and DNS clusters; one that is absent there has no endpoints. Always
    /// `None` for EDS and ORIGINAL_DST.
    pub load_assignment: Option<LoadAssignment>,
}

/// Translates a cluster.
///
/// # Errors
/// Every fault found, with the path of its field.
pub fn translate_cluster(
    cluster: &Cluster,
    origin: Origin,
) -> Result<TranslatedCluster, Vec<Rejection>> {
    let mut report = Report::new(&cluster.name);
    cluster.survey(Standing::InForce, &FieldPath::ROOT, &mut report);
    let mut policy = ClusterPolicy::new(ClusterName::new(cluster.name.as_str()));
    policy.origin = origin;
    policy.notes = report.take_notes();
    report.finish(TranslatedCluster { policy, load_assignment: None })
}
