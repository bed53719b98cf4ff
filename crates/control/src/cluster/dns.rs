//! `dns_*`: how names are resolved, and who is asked.

#![expect(deprecated, reason = "control planes send the fields that `DnsCluster` is to replace")]

use std::net::SocketAddr;
use std::time::Duration;

use destrier_policy::{DnsFamily, DnsOptions, DnsServers, FailureBackoff, FieldStanding};
use envoy_types::pb::envoy::config::cluster::v3::{
    Cluster,
    cluster::{DnsLookupFamily, RefreshRate},
};
use envoy_types::pb::envoy::config::core::v3::{Address, DnsResolverOptions};
use envoy_types::pb::envoy::extensions::network::dns_resolver::cares::v3::CaresDnsResolverConfig;
use envoy_types::pb::google::protobuf::{self, Any};
use prost::Name;

use crate::proto::{self, Fault};
use crate::report::Reader;

/// `dns_refresh_rate` when it is absent.
const REFRESH: Duration = Duration::from_secs(5);

pub(super) fn translate(cluster: &Cluster, reader: &mut Reader<'_, '_>) -> DnsOptions {
    let refresh = cluster.dns_refresh_rate.as_ref();
    let failure = cluster.dns_failure_refresh_rate.as_ref();
    let family = Some(cluster.dns_lookup_family);
    DnsOptions {
        refresh_rate: reader.read("dns_refresh_rate", refresh, refresh_interval).unwrap_or(REFRESH),
        failure_backoff: failure
            .and_then(|rate| failure_backoff(rate, &mut reader.field("dns_failure_refresh_rate"))),
        jitter: reader
            .read("dns_jitter", cluster.dns_jitter.as_ref(), proto::duration)
            .unwrap_or_default(),
        respect_ttl: cluster.respect_dns_ttl,
        family: reader.read("dns_lookup_family", family, lookup_family).unwrap_or_default(),
        wait_for_warm: cluster.wait_for_warm_on_init.is_none_or(|wait| wait.value),
        servers: servers(cluster, reader),
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

fn failure_backoff(rate: &RefreshRate, reader: &mut Reader<'_, '_>) -> Option<FailureBackoff> {
    let RefreshRate { base_interval, max_interval } = rate;
    if base_interval.is_none() {
        reader.field("base_interval").refuse("must be set");
    }
    let base = reader.read("base_interval", base_interval.as_ref(), refresh_interval)?;
    let max = reader.read("max_interval", max_interval.as_ref(), refresh_interval);
    if max.is_some_and(|max| max < base) {
        reader.field("max_interval").refuse("must not be below base_interval");
    }
    Some(FailureBackoff { base, max: max.unwrap_or(base.saturating_mul(10)) })
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

/// The newest of the three ways to name them counts.
fn servers(cluster: &Cluster, reader: &mut Reader<'_, '_>) -> DnsServers {
    if let Some(typed) = &cluster.typed_dns_resolver_config {
        let mut reader = reader.field("typed_dns_resolver_config");
        let config = typed.typed_config.as_ref();
        return config.map_or_else(DnsServers::default, |config| {
            typed_servers(config, &mut reader.field("typed_config"))
        });
    }
    if let Some(config) = &cluster.dns_resolution_config {
        let mut reader = reader.field("dns_resolution_config");
        let options = config.dns_resolver_options.as_ref();
        return named(&config.resolvers, options, &mut reader.field("resolvers"));
    }
    let options = DnsResolverOptions {
        use_tcp_for_dns_lookups: cluster.use_tcp_for_dns_lookups,
        ..DnsResolverOptions::default()
    };
    named(&cluster.dns_resolvers, Some(&options), &mut reader.field("dns_resolvers"))
}

/// Of c-ares alone; other resolvers ask those that the system names.
fn typed_servers(config: &Any, reader: &mut Reader<'_, '_>) -> DnsServers {
    if proto::type_name(&config.type_url) != CaresDnsResolverConfig::full_name() {
        reader.note(FieldStanding::Tolerated);
        return DnsServers::default();
    }
    let Some(config) = reader.check(proto::unpack::<CaresDnsResolverConfig>(config)) else {
        return DnsServers::default();
    };
    let options = config.dns_resolver_options.as_ref();
    // A fallback is for a system that names none.
    let resolvers = if config.use_resolvers_as_fallback { &[][..] } else { &config.resolvers[..] };
    named(resolvers, options, &mut reader.field("resolvers"))
}

fn named(
    resolvers: &[Address],
    options: Option<&DnsResolverOptions>,
    reader: &mut Reader<'_, '_>,
) -> DnsServers {
    let addresses = resolvers.iter().enumerate();
    DnsServers {
        addresses: addresses
            .filter_map(|(index, address)| reader.index(index).check(server(address)))
            .collect(),
        tcp_only: options.is_some_and(|options| options.use_tcp_for_dns_lookups),
        search_domains: options.is_none_or(|options| !options.no_default_search_domain),
    }
}

fn server(address: &Address) -> Result<SocketAddr, Fault> {
    let address = proto::address(address)?;
    address.ip().ok_or_else(|| "a DNS server has an IP address".into())
}
