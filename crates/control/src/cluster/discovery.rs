//! Where endpoints come from: `type`, `eds_cluster_config`, `original_dst_lb_config`.

use std::time::Duration;

use destrier_policy::{AssignmentSource, Discovery, OriginalDstOptions};
use envoy_types::pb::envoy::config::cluster::v3::{
    Cluster,
    cluster::{ClusterDiscoveryType, DiscoveryType, EdsClusterConfig, LbConfig},
};
use envoy_types::pb::envoy::config::core::v3::{ApiVersion, ConfigSource};
use http::HeaderName;

use super::dns;
use crate::report::Reader;
use crate::{proto, source};

/// `initial_fetch_timeout` when it is absent.
const FETCH_TIMEOUT: Duration = Duration::from_secs(15);
/// `http_header_name` when it is absent.
const ORIGINAL_DST_HOST: HeaderName = HeaderName::from_static("x-envoy-original-dst-host");

pub(super) fn translate(cluster: &Cluster, reader: &mut Reader<'_, '_>) -> Discovery {
    let kind = match &cluster.cluster_discovery_type {
        Some(ClusterDiscoveryType::Type(kind)) => {
            reader.read("type", Some(*kind), proto::enumeration::<DiscoveryType>)
        }
        // The field table refuses it.
        Some(ClusterDiscoveryType::ClusterType(_)) => None,
        None => Some(DiscoveryType::Static),
    };
    // Checked for every type, as the constraints of the proto are.
    let dns = dns::translate(cluster, reader);
    let original_dst = original_dst(cluster, reader);
    let eds = cluster.eds_cluster_config.as_ref();
    if kind.is_some_and(|kind| kind != DiscoveryType::Eds) && eds.is_some() {
        reader.field("eds_cluster_config").refuse("set in a cluster of another type than EDS");
    }
    match kind {
        None | Some(DiscoveryType::Static) => Discovery::Static,
        Some(DiscoveryType::StrictDns) => Discovery::StrictDns(dns),
        Some(DiscoveryType::LogicalDns) => Discovery::LogicalDns(dns),
        Some(DiscoveryType::Eds) => self::eds(cluster, eds, reader),
        Some(DiscoveryType::OriginalDst) => {
            if cluster.load_assignment.is_some() {
                reader.field("load_assignment").refuse("an ORIGINAL_DST cluster must not have one");
            }
            Discovery::OriginalDst(original_dst)
        }
    }
}

fn eds(
    cluster: &Cluster,
    config: Option<&EdsClusterConfig>,
    reader: &mut Reader<'_, '_>,
) -> Discovery {
    let mut reader = reader.field("eds_cluster_config");
    if config.is_none() {
        reader.refuse("an EDS cluster needs it");
    }
    let source = config.and_then(|config| {
        if config.eds_config.is_none() {
            reader.field("eds_config").refuse("must be set");
        }
        config.eds_config.as_ref()
    });
    let name = config.map_or("", |config| config.service_name.as_str());
    Discovery::Eds {
        service_name: if name.is_empty() { &cluster.name } else { name }.into(),
        source: source.map_or(AssignmentSource::Ads, |source| {
            assignment_source(source, &mut reader.field("eds_config"))
        }),
        initial_fetch_timeout: source.map_or(Some(FETCH_TIMEOUT), |source| {
            fetch_timeout(source, &mut reader.field("eds_config"))
        }),
    }
}

/// Of one that cannot be read, which is refused with its cluster, it is not told.
fn assignment_source(config: &ConfigSource, reader: &mut Reader<'_, '_>) -> AssignmentSource {
    match source::file(config) {
        Ok(Some(path)) => AssignmentSource::File(path),
        Ok(None) => AssignmentSource::Ads,
        Err((field, reason)) => {
            reader.field(field).refuse(reason);
            AssignmentSource::Ads
        }
    }
}

#[expect(deprecated, reason = "to be refused it has to be named")]
fn fetch_timeout(source: &ConfigSource, reader: &mut Reader<'_, '_>) -> Option<Duration> {
    let version = Some(source.resource_api_version);
    if reader.read("resource_api_version", version, proto::enumeration) == Some(ApiVersion::V2) {
        reader.field("resource_api_version").refuse("V2 is not supported");
    }
    if source.config_source_specifier.is_none() {
        reader.refuse("no source is given");
    }
    let timeout = source.initial_fetch_timeout.as_ref();
    let timeout = reader.read("initial_fetch_timeout", timeout, proto::duration);
    // Zero waits for ever.
    Some(timeout.unwrap_or(FETCH_TIMEOUT)).filter(|timeout| !timeout.is_zero())
}

/// Checked for every type, as the constraints of the proto are.
fn original_dst(cluster: &Cluster, reader: &mut Reader<'_, '_>) -> OriginalDstOptions {
    let interval = cluster.cleanup_interval.as_ref();
    let interval = reader.read("cleanup_interval", interval, proto::positive_duration);
    let mut options = OriginalDstOptions::default();
    options.cleanup_interval = interval.unwrap_or(options.cleanup_interval);
    if let Some(LbConfig::OriginalDstLbConfig(config)) = &cluster.lb_config {
        let mut reader = reader.field("original_dst_lb_config");
        options.header = match (config.use_http_header, &*config.http_header_name) {
            (false, "") => None,
            (false, _) => {
                reader.field("http_header_name").refuse("set, but use_http_header is false");
                None
            }
            (true, "") => Some(ORIGINAL_DST_HOST),
            (true, name) => reader.read("http_header_name", Some(name), |name: &str| {
                HeaderName::try_from(name).map_err(|_| format!("{name:?} is not a header's name"))
            }),
        };
        let port = config.upstream_port_override.as_ref();
        options.port = reader
            .read("upstream_port_override", port, |port| proto::port(port.value))
            .filter(|&port| port > 0);
    }
    options
}
