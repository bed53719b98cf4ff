//! Names as the machine resolves them: `/etc/hosts`, then DNS as `/etc/resolv.conf` says.

use std::net::SocketAddr;
use std::time::Duration;

use destrier_policy::DnsServers;
use hickory_resolver::config::{
    ConnectionConfig, NameServerConfig, ProtocolConfig, ResolveHosts, ResolverConfig, ResolverOpts,
};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::op::Query;
use hickory_resolver::proto::rr::{Name, Record, RecordType};
use hickory_resolver::{Hosts, TokioResolver, system_conf};

use super::{Family, Found, Resolve};

/// Reads the files of the system for each look-up: they are short, they may change at any time, and
/// between look-ups nothing is kept in memory.
#[derive(Debug, Default)]
pub(crate) struct System;

impl Resolve for System {
    async fn look_up(
        &self,
        name: &str,
        family: Family,
        servers: &DnsServers,
    ) -> Result<Found, String> {
        let wanted = match family {
            Family::V4 => RecordType::A,
            Family::V6 => RecordType::AAAA,
        };
        let parsed = Name::from_utf8(name).map_err(|error| error.to_string())?;
        if let Some(found) = in_hosts_file(&parsed, wanted) {
            return Ok(found);
        }
        let Some(resolver) = resolver(servers).map_err(|error| error.to_string())? else {
            return by_the_c_library(name, family).await;
        };
        match resolver.lookup(parsed, wanted).await {
            Ok(found) => Ok(of_records(found.answers())),
            Err(error) if error.is_no_records_found() => Ok(Found::default()),
            Err(error) => Err(error.to_string()),
        }
    }
}

/// A name that stands there has no other addresses.
fn in_hosts_file(name: &Name, wanted: RecordType) -> Option<Found> {
    let hosts = Hosts::from_system().ok()?;
    let of_type = |kind| hosts.lookup_static_host(&Query::query(name.clone(), kind));
    let (v4, v6) = (of_type(RecordType::A), of_type(RecordType::AAAA));
    if v4.is_none() && v6.is_none() {
        return None;
    }
    let found = if wanted == RecordType::A { v4 } else { v6 };
    let found = found.map_or_else(Found::default, |found| of_records(found.answers()));
    Some(Found { ttl: None, ..found })
}

fn of_records(records: &[Record]) -> Found {
    let ttl = records.iter().map(|record| record.ttl).min();
    Found {
        addresses: records.iter().filter_map(|record| record.data.ip_addr()).collect(),
        ttl: ttl.map(|seconds| Duration::from_secs(seconds.into())),
    }
}

/// `None` when neither the cluster nor the system names a server.
fn resolver(servers: &DnsServers) -> Result<Option<TokioResolver>, NetError> {
    let system = system_conf::read_system_conf().ok();
    if system.is_none() && servers.addresses.is_empty() {
        return Ok(None);
    }
    let (mut config, mut options) =
        system.unwrap_or_else(|| (ResolverConfig::default(), ResolverOpts::default()));
    let named: Vec<_> = match &*servers.addresses {
        [] => config.name_servers().to_vec(),
        addresses => addresses.iter().map(|address| server(*address)).collect(),
    };
    let tcp_only = |mut server: NameServerConfig| {
        server.connections.retain(|connection| !servers.tcp_only || is_tcp(connection));
        server
    };
    let named = named.into_iter().map(tcp_only).collect();
    let (domain, search) = match servers.search_domains {
        true => (config.domain().cloned(), config.search().to_vec()),
        false => (None, Vec::new()),
    };
    config = ResolverConfig::from_parts(domain, search, named);
    options.cache_size = 0;
    options.use_hosts_file = ResolveHosts::Never;
    let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
    *builder.options_mut() = options;
    builder.build().map(Some)
}

fn server(address: SocketAddr) -> NameServerConfig {
    let mut server = NameServerConfig::udp_and_tcp(address.ip());
    for connection in server.connections.iter_mut().filter(|_| address.port() != 0) {
        connection.port = address.port();
    }
    server
}

fn is_tcp(connection: &ConnectionConfig) -> bool {
    matches!(connection.protocol, ProtocolConfig::Tcp)
}

/// Knows neither TTLs nor a name without addresses from a failure.
async fn by_the_c_library(name: &str, family: Family) -> Result<Found, String> {
    let found = tokio::net::lookup_host((name, 0)).await.map_err(|error| error.to_string())?;
    let addresses = found.map(|address| address.ip());
    let addresses = addresses.filter(|address| address.is_ipv4() == (family == Family::V4));
    Ok(Found { addresses: addresses.collect(), ttl: None })
}
