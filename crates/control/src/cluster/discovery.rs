//! Where endpoints come from: `type`, `eds_cluster_config`, `dns_*`.

#![expect(deprecated, reason = "control planes send the fields that `DnsCluster` is to replace")]

use std::time::Duration;

use destrier_policy::{Discovery, DnsFamily, DnsOptions, FieldStanding};
use envoy_types::pb::envoy::config::cluster::v3::{
    Cluster,
    cluster::{
        ClusterDiscoveryType, DiscoveryType, DnsLookupFamily, EdsClusterConfig, LbConfig,
        RefreshRate,
    },
};
use envoy_types::pb::envoy::config::core::v3::{ApiVersion, ConfigSource};
use envoy_types::pb::google::protobuf;

use crate::proto::{self, Fault};
use crate::report::Reader;

/// `initial_fetch_timeout` when it is absent.
const FETCH_TIMEOUT: Duration = Duration::from_secs(15);
const DNS_REFRESH: Duration = Duration::from_secs(5);

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
    let dns = dns(cluster, reader);
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
            reader.field("type").note(FieldStanding::Later);
            original_dst(cluster, reader);
            Discovery::OriginalDst
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
        initial_fetch_timeout: source.map_or(Some(FETCH_TIMEOUT), |source| {
            fetch_timeout(source, &mut reader.field("eds_config"))
        }),
    }
}

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

fn dns(cluster: &Cluster, reader: &mut Reader<'_, '_>) -> DnsOptions {
    let refresh = cluster.dns_refresh_rate.as_ref();
    let refresh_rate =
        reader.read("dns_refresh_rate", refresh, refresh_interval).unwrap_or(DNS_REFRESH);
    let failure = cluster.dns_failure_refresh_rate.as_ref();
    let family = Some(cluster.dns_lookup_family);
    DnsOptions {
        refresh_rate,
        failure_refresh_rate: failure
            .and_then(|rate| failure_refresh(rate, &mut reader.field("dns_failure_refresh_rate")))
            .unwrap_or(refresh_rate),
        jitter: reader
            .read("dns_jitter", cluster.dns_jitter.as_ref(), proto::duration)
            .unwrap_or_default(),
        respect_ttl: cluster.respect_dns_ttl,
        family: reader.read("dns_lookup_family", family, lookup_family).unwrap_or_default(),
        wait_for_warm: cluster.wait_for_warm_on_init.is_none_or(|wait| wait.value),
    }
}

fn lookup_family(family: i32) -> Result<DnsFamily, Fault> {
    Ok(match proto::enumeration(family)? {
        DnsLookupFamily::Auto => DnsFamily::Auto,
        DnsLookupFamily::V4Only => DnsFamily::V4Only,
        DnsLookupFamily::V6Only => DnsFamily::V6Only,
        DnsLookupFamily::V4Preferred => DnsFamily::V4Preferred,
        DnsLookupFamily::All => DnsFamily::All,
    })
}

fn failure_refresh(rate: &RefreshRate, reader: &mut Reader<'_, '_>) -> Option<Duration> {
    let RefreshRate { base_interval, max_interval } = rate;
    if base_interval.is_none() {
        reader.field("base_interval").refuse("must be set");
    }
    let base = reader.read("base_interval", base_interval.as_ref(), refresh_interval)?;
    let max = reader.read("max_interval", max_interval.as_ref(), refresh_interval);
    if max.is_some_and(|max| max < base) {
        reader.field("max_interval").refuse("must not be below base_interval");
    }
    Some(base)
}

/// More than a millisecond.
fn refresh_interval(interval: &protobuf::Duration) -> Result<Duration, Fault> {
    let interval = proto::duration(interval)?;
    if interval > Duration::from_millis(1) {
        Ok(interval)
    } else {
        Err("must be more than 1 ms".into())
    }
}

fn original_dst(cluster: &Cluster, reader: &mut Reader<'_, '_>) {
    if cluster.load_assignment.is_some() {
        reader.field("load_assignment").refuse("an ORIGINAL_DST cluster must not have one");
    }
    if let Some(LbConfig::OriginalDstLbConfig(config)) = &cluster.lb_config {
        let mut reader = reader.field("original_dst_lb_config");
        if !config.http_header_name.is_empty() && !config.use_http_header {
            reader.field("http_header_name").refuse("set, but use_http_header is false");
        }
        let port = config.upstream_port_override.as_ref();
        reader.read("upstream_port_override", port, |port| proto::port(port.value));
    }
}
