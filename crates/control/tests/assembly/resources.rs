//! Messages for tests.

use envoy_types::pb::envoy::config::cluster::v3::{
    Cluster,
    cluster::{
        ClusterDiscoveryType, DiscoveryType, EdsClusterConfig, LbConfig, LbPolicy, RingHashLbConfig,
    },
};
use envoy_types::pb::envoy::config::core::v3::{
    Address, AggregatedConfigSource, ConfigSource, SocketAddress, address,
    config_source::ConfigSourceSpecifier, socket_address::PortSpecifier,
};
use envoy_types::pb::envoy::config::endpoint::v3::{
    ClusterLoadAssignment, Endpoint, LbEndpoint, LocalityLbEndpoints, lb_endpoint::HostIdentifier,
};
use envoy_types::pb::google::protobuf;

/// A cluster of a type.
pub(crate) fn cluster(name: &str, kind: DiscoveryType) -> Cluster {
    Cluster {
        name: name.into(),
        cluster_discovery_type: Some(ClusterDiscoveryType::Type(kind.into())),
        ..Default::default()
    }
}

/// An EDS cluster whose `initial_fetch_timeout` is absent.
pub(crate) fn eds(name: &str) -> Cluster {
    Cluster {
        eds_cluster_config: Some(EdsClusterConfig {
            eds_config: Some(ads()),
            service_name: String::new(),
        }),
        ..cluster(name, DiscoveryType::Eds)
    }
}

/// An EDS cluster with a `service_name`.
pub(crate) fn eds_of(name: &str, service: &str) -> Cluster {
    let mut cluster = eds(name);
    cluster.eds_cluster_config.get_or_insert_default().service_name = service.into();
    cluster
}

/// An EDS cluster with an `initial_fetch_timeout`.
pub(crate) fn eds_with_timeout(name: &str, seconds: i64) -> Cluster {
    let mut cluster = eds(name);
    cluster.eds_cluster_config.get_or_insert_default().eds_config = Some(ConfigSource {
        initial_fetch_timeout: Some(protobuf::Duration { seconds, nanos: 0 }),
        ..ads()
    });
    cluster
}

fn ads() -> ConfigSource {
    ConfigSource {
        config_source_specifier: Some(ConfigSourceSpecifier::Ads(AggregatedConfigSource {})),
        ..Default::default()
    }
}

/// The same cluster with another policy.
pub(crate) fn with_lb(cluster: Cluster, lb: LbPolicy) -> Cluster {
    Cluster { lb_policy: lb.into(), ..cluster }
}

/// A STATIC cluster.
pub(crate) fn fixed(name: &str, addresses: &[&str]) -> Cluster {
    Cluster {
        load_assignment: Some(assignment(name, addresses)),
        ..cluster(name, DiscoveryType::Static)
    }
}

/// A cluster of names (`host:port`).
pub(crate) fn dns(name: &str, kind: DiscoveryType, hosts: &[&str]) -> Cluster {
    Cluster { load_assignment: Some(assignment(name, hosts)), ..cluster(name, kind) }
}

/// An assignment of one locality.
pub(crate) fn assignment(name: &str, addresses: &[&str]) -> ClusterLoadAssignment {
    ClusterLoadAssignment {
        cluster_name: name.into(),
        endpoints: vec![locality(0, addresses.iter().map(|address| endpoint(address)).collect())],
        ..Default::default()
    }
}

/// A locality without a name.
pub(crate) fn locality(priority: u32, endpoints: Vec<LbEndpoint>) -> LocalityLbEndpoints {
    LocalityLbEndpoints { priority, lb_endpoints: endpoints, ..Default::default() }
}

/// An endpoint at `host:port`.
pub(crate) fn endpoint(address: &str) -> LbEndpoint {
    let (host, port) = address.rsplit_once(':').expect("tests write host:port");
    endpoint_at(host, port.parse().expect("tests write a number"))
}

/// An endpoint at a host and a port that need not be valid.
pub(crate) fn endpoint_at(host: &str, port: u32) -> LbEndpoint {
    let socket = SocketAddress {
        address: host.into(),
        port_specifier: Some(PortSpecifier::PortValue(port)),
        ..Default::default()
    };
    LbEndpoint {
        host_identifier: Some(HostIdentifier::Endpoint(Endpoint {
            address: Some(Address { address: Some(address::Address::SocketAddress(socket)) }),
            ..Default::default()
        })),
        ..Default::default()
    }
}

/// The settings of a ring.
pub(crate) fn ring(minimum: u64, maximum: u64) -> LbConfig {
    LbConfig::RingHashLbConfig(RingHashLbConfig {
        minimum_ring_size: Some(protobuf::UInt64Value { value: minimum }),
        maximum_ring_size: Some(protobuf::UInt64Value { value: maximum }),
        ..Default::default()
    })
}
