//! `cluster.proto: Cluster` to [`ClusterPolicy`].
//!
//! First the field table has its say about every field that is set (`fields`), then each part of the
//! policy is read by a module of its own; what depends on several fields is checked here.

mod assignment;
mod breakers;
mod common_lb;
mod connection;
mod discovery;
mod dns;
mod error_match;
mod http;
mod lb;
mod outlier;
mod subset;
mod transport;
mod typed_lb;

use destrier_policy::{ClusterName, ClusterPolicy, Discovery, LbPolicy, Origin};
use envoy_types::pb::envoy::config::cluster::v3::Cluster;

pub use self::assignment::{DnsAssignment, DnsEndpoint, DnsLocality, LoadAssignment};
use crate::Rejection;
use crate::fields::{Standing, Surveyed};
use crate::path::FieldPath;
use crate::proto;
use crate::report::{Reader, Report};

/// A cluster, and the endpoints that it brings itself.
#[derive(Clone, Debug, PartialEq)]
pub struct TranslatedCluster {
    /// All but the endpoints.
    pub policy: ClusterPolicy,
    /// `load_assignment` of STATIC and DNS clusters; where it is absent there are no endpoints. Always
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
    let mut reader = Reader::root(&mut report);
    let mut policy = policy(cluster, origin, &mut reader);
    let load_assignment = assignment::translate(cluster, &policy, &mut reader);
    policy.notes = report.take_notes();
    report.finish(TranslatedCluster { policy, load_assignment })
}

fn policy(cluster: &Cluster, origin: Origin, reader: &mut Reader<'_, '_>) -> ClusterPolicy {
    let mut policy = ClusterPolicy::new(ClusterName::new(cluster.name.as_str()));
    if cluster.name.is_empty() {
        reader.field("name").refuse("must not be empty");
    }
    policy.origin = origin;
    if !cluster.alt_stat_name.is_empty() {
        policy.observability_name = cluster.alt_stat_name.as_str().into();
    }
    let timeout = cluster.connect_timeout.as_ref();
    if let Some(timeout) = reader.read("connect_timeout", timeout, proto::positive_duration) {
        policy.connect_timeout = timeout;
    }
    if let Some(limit) = &cluster.per_connection_buffer_limit_bytes {
        policy.per_connection_buffer_limit = limit.value;
    }
    if let Some(metadata) = reader.read("metadata", cluster.metadata.as_ref(), proto::metadata) {
        policy.metadata = metadata.into();
    }
    policy.discovery = discovery::translate(cluster, reader);
    policy.transport = transport::socket(cluster.transport_socket.as_ref(), reader);
    policy.transport_matches = transport::matches(&cluster.transport_socket_matches, reader);
    policy.http = http::translate(cluster, reader);
    policy.circuit_breakers = breakers::translate(cluster.circuit_breakers.as_ref(), reader);
    policy.outlier = outlier::translate(cluster.outlier_detection.as_ref(), reader);
    policy.tcp_keepalive = connection::keepalive(cluster, reader);
    policy.bind = connection::bind(cluster.upstream_bind_config.as_ref(), reader);
    policy.subsets = subset::translate(cluster, reader);
    policy.common_lb = common_lb::translate(cluster, reader);
    policy.lb = lb::translate(
        cluster,
        &policy.discovery,
        &mut policy.common_lb,
        &mut policy.subsets,
        reader,
    );
    connection::check_tolerated(cluster, reader);
    transport::check_filters(&cluster.filters, reader);
    check_combinations(&policy, reader);
    policy
}

/// What is wrong only in combination.
fn check_combinations(policy: &ClusterPolicy, reader: &mut Reader<'_, '_>) {
    use destrier_policy::UpstreamProtocol;
    let original = matches!(policy.discovery, Discovery::OriginalDst(_));
    match (original, &policy.lb) {
        (true, LbPolicy::ClusterProvided) => {}
        (true, other) => reader.field("lb_policy").refuse(format!(
            "{} is not valid for type ORIGINAL_DST, only CLUSTER_PROVIDED is",
            other.name()
        )),
        (false, LbPolicy::ClusterProvided) => reader.field("lb_policy").refuse(format!(
            "CLUSTER_PROVIDED, but a cluster of type {} provides none",
            policy.discovery.name()
        )),
        (false, _) => {}
    }
    if policy.lb == LbPolicy::ClusterProvided && policy.subsets.is_some() {
        reader.field("lb_subset_config").refuse("cannot be combined with CLUSTER_PROVIDED");
    }
    let plain = policy.transport.is_in_force()
        || policy.transport_matches.iter().any(|candidate| candidate.socket.is_in_force());
    if policy.http.protocol == UpstreamProtocol::Auto && plain {
        reader
            .field("typed_extension_protocol_options")
            .refuse("auto_config needs a transport socket with ALPN, which raw_buffer is not");
    }
}
