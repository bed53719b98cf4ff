//! Resources in few words, for demonstrations and tests.

use std::net::SocketAddr;

use envoy_types::pb::envoy::config::cluster::v3::Cluster;
use envoy_types::pb::envoy::config::cluster::v3::cluster::{
    ClusterDiscoveryType, DiscoveryType, EdsClusterConfig,
};
use envoy_types::pb::envoy::config::core::v3::config_source::ConfigSourceSpecifier;
use envoy_types::pb::envoy::config::core::v3::socket_address::PortSpecifier;
use envoy_types::pb::envoy::config::core::v3::{
    Address, AggregatedConfigSource, ApiVersion, ConfigSource, SocketAddress, address,
};
use envoy_types::pb::envoy::config::endpoint::v3::lb_endpoint::HostIdentifier;
use envoy_types::pb::envoy::config::endpoint::v3::{
    ClusterLoadAssignment, Endpoint, LbEndpoint, LocalityLbEndpoints,
};
use envoy_types::pb::google::protobuf::Duration;

/// A cluster that takes its endpoints from EDS over the same stream, with a connect timeout of
/// one second and all else as Envoy has it by default.
pub fn eds_cluster(name: &str) -> Cluster {
    let source = ConfigSource {
        resource_api_version: ApiVersion::V3 as i32,
        config_source_specifier: Some(ConfigSourceSpecifier::Ads(AggregatedConfigSource {})),
        ..ConfigSource::default()
    };
    Cluster {
        name: name.to_owned(),
        connect_timeout: Some(Duration { seconds: 1, nanos: 0 }),
        cluster_discovery_type: Some(ClusterDiscoveryType::Type(DiscoveryType::Eds as i32)),
        eds_cluster_config: Some(EdsClusterConfig {
            eds_config: Some(source),
            ..EdsClusterConfig::default()
        }),
        ..Cluster::default()
    }
}

/// The endpoints of a cluster, all in one locality.
pub fn endpoints(cluster: &str, addresses: &[SocketAddr]) -> ClusterLoadAssignment {
    let lb_endpoints = addresses.iter().map(|address| LbEndpoint {
        host_identifier: Some(HostIdentifier::Endpoint(Endpoint {
            address: Some(socket_address(address)),
            ..Endpoint::default()
        })),
        ..LbEndpoint::default()
    });
    let locality =
        LocalityLbEndpoints { lb_endpoints: lb_endpoints.collect(), ..Default::default() };
    ClusterLoadAssignment {
        cluster_name: cluster.to_owned(),
        endpoints: if addresses.is_empty() { Vec::new() } else { vec![locality] },
        ..ClusterLoadAssignment::default()
    }
}

fn socket_address(address: &SocketAddr) -> Address {
    Address {
        address: Some(address::Address::SocketAddress(SocketAddress {
            address: address.ip().to_string(),
            port_specifier: Some(PortSpecifier::PortValue(u32::from(address.port()))),
            ..SocketAddress::default()
        })),
    }
}
