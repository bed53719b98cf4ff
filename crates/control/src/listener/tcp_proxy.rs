//! `tcp_proxy.proto: TcpProxy`.

use std::sync::Arc;
use std::time::Duration;

use destrier_policy::{ClusterChoice, MetadataMatch, TcpProxyPolicy, WeightedCluster};
use envoy_types::pb::envoy::extensions::filters::network::tcp_proxy::v3::{
    TcpProxy, tcp_proxy::ClusterSpecifier,
};

use super::access_log::{access_logs, tcp_log_options};
use super::hash_policy::tcp_hash_policies;
use super::metadata_match::metadata_match;
use crate::path::FieldPath;
use crate::proto;
use crate::report::Report;

/// `None` when it has been refused.
pub(super) fn tcp_proxy(
    config: &TcpProxy,
    path: &FieldPath<'_>,
    report: &mut Report<'_>,
) -> Option<TcpProxyPolicy> {
    if config.stat_prefix.is_empty() {
        report.refuse(&path.field("stat_prefix"), "must not be empty");
    }
    let idle_timeout = match &config.idle_timeout {
        None => Some(Duration::from_secs(3600)),
        Some(value) => report
            .check(&path.field("idle_timeout"), proto::duration(value))
            .filter(|timeout| !timeout.is_zero()),
    };
    let max_duration = config.max_downstream_connection_duration.as_ref().and_then(|value| {
        let path = path.field("max_downstream_connection_duration");
        let duration = report.check(&path, proto::duration(value))?;
        if duration < Duration::from_millis(1) {
            report.refuse(&path, "must be at least 1 ms");
        }
        Some(duration)
    });
    let attempts = config.max_connect_attempts.as_ref().map_or(1, |value| value.value);
    if attempts == 0 {
        report.refuse(&path.field("max_connect_attempts"), "must be at least 1");
    }
    let access_log = access_logs(&config.access_log, &path.field("access_log"), report);
    let hash = tcp_hash_policies(&config.hash_policy, &path.field("hash_policy"), report);
    let metadata_match = metadata_match(config.metadata_match.as_ref(), None, path, report);
    let cluster = cluster(config, metadata_match.as_ref(), path, report)?;
    Some(TcpProxyPolicy {
        stat_prefix: config.stat_prefix.as_str().into(),
        cluster,
        hash,
        metadata_match,
        idle_timeout,
        max_downstream_connection_duration: max_duration,
        max_connect_attempts: attempts,
        access_log,
        access_log_options: tcp_log_options(config),
    })
}

fn cluster(
    config: &TcpProxy,
    metadata: Option<&Arc<MetadataMatch>>,
    path: &FieldPath<'_>,
    report: &mut Report<'_>,
) -> Option<ClusterChoice> {
    match &config.cluster_specifier {
        Some(ClusterSpecifier::Cluster(name)) if !name.is_empty() => {
            Some(ClusterChoice::One(name.as_str().into()))
        }
        Some(ClusterSpecifier::WeightedClusters(weighted)) => {
            let path = path.field("weighted_clusters");
            let path = path.field("clusters");
            let clusters = weighted.clusters.iter().enumerate().map(|(index, choice)| {
                let path = path.index(index);
                if choice.name.is_empty() {
                    report.refuse(&path.field("name"), "must not be empty");
                }
                if choice.weight == 0 {
                    report.refuse(&path.field("weight"), "must be at least 1");
                }
                let own = choice.metadata_match.as_ref();
                WeightedCluster {
                    metadata_match: metadata_match(own, metadata, &path, report),
                    ..WeightedCluster::new(choice.name.as_str().into(), choice.weight)
                }
            });
            let clusters: Box<[_]> = clusters.collect();
            super::action::weighted(clusters, &path, report)
        }
        Some(ClusterSpecifier::Cluster(_)) | None => {
            report.refuse(&path.field("cluster"), "must be set, or weighted_clusters");
            None
        }
    }
}
