//! Resources and responses as a server makes them, in the generated types.

use bytes::Bytes;
use destrier_xds::{TypeUrl, Variant};
use envoy_types::pb::{
    envoy::{
        config::{
            cluster::v3::{
                Cluster,
                cluster::{ClusterDiscoveryType, DiscoveryType, EdsClusterConfig},
            },
            core::v3::Locality,
            endpoint::v3::{ClusterLoadAssignment, LocalityLbEndpoints},
        },
        service::discovery::v3 as ads,
    },
    google::protobuf::Any,
};
use prost::Message;

use crate::store::REFUSED;

pub(crate) fn cluster(name: &str, kind: DiscoveryType) -> Cluster {
    Cluster {
        name: name.into(),
        cluster_discovery_type: Some(ClusterDiscoveryType::Type(kind.into())),
        ..Cluster::default()
    }
}

/// An EDS cluster whose endpoints have its own name.
pub(crate) fn eds(name: &str) -> Cluster {
    cluster(name, DiscoveryType::Eds)
}

/// An EDS cluster whose endpoints have another name.
pub(crate) fn eds_of(name: &str, service: &str) -> Cluster {
    let config = EdsClusterConfig { service_name: service.into(), ..EdsClusterConfig::default() };
    Cluster { eds_cluster_config: Some(config), ..eds(name) }
}

/// The same cluster with other bytes.
pub(crate) fn changed(cluster: Cluster, by: u32) -> Cluster {
    let limit = envoy_types::pb::google::protobuf::UInt32Value { value: by };
    Cluster { per_connection_buffer_limit_bytes: Some(limit), ..cluster }
}

/// The same cluster, but one that the handler refuses.
pub(crate) fn refused(cluster: Cluster) -> Cluster {
    Cluster { alt_stat_name: REFUSED.into(), ..cluster }
}

/// An assignment with as many empty localities as given, so that numbers differ in bytes.
pub(crate) fn assignment(name: &str, localities: usize) -> ClusterLoadAssignment {
    let locality = |i| LocalityLbEndpoints {
        locality: Some(Locality { zone: format!("z{i}"), ..Locality::default() }),
        ..LocalityLbEndpoints::default()
    };
    ClusterLoadAssignment {
        cluster_name: name.into(),
        endpoints: (0..localities).map(locality).collect(),
        ..ClusterLoadAssignment::default()
    }
}

/// A response of either variant.
#[derive(Clone, Debug)]
pub(crate) struct Response {
    pub(crate) type_url: TypeUrl,
    pub(crate) nonce: String,
    pub(crate) version: String,
    pub(crate) resources: Vec<ads::Resource>,
    pub(crate) removed: Vec<String>,
    /// In state-of-the-world mode: keep the wrapper around each resource.
    pub(crate) wrapped: bool,
}

impl Response {
    fn new(type_url: TypeUrl, version: &str, nonce: &str) -> Self {
        Self {
            type_url,
            nonce: nonce.into(),
            version: version.into(),
            resources: Vec::new(),
            removed: Vec::new(),
            wrapped: false,
        }
    }

    pub(crate) fn cds<const N: usize>(version: &str, nonce: &str, them: [Cluster; N]) -> Self {
        them.into_iter().fold(Self::new(TypeUrl::CLUSTER, version, nonce), |it, cluster| {
            let body = cluster.encode_to_vec();
            it.resource(&cluster.name, "", body)
        })
    }

    pub(crate) fn eds<const N: usize>(
        version: &str,
        nonce: &str,
        them: [ClusterLoadAssignment; N],
    ) -> Self {
        them.into_iter().fold(Self::new(TypeUrl::ENDPOINTS, version, nonce), |it, assignment| {
            let body = assignment.encode_to_vec();
            it.resource(&assignment.cluster_name, "", body)
        })
    }

    pub(crate) fn resource(mut self, name: &str, version: &str, value: Vec<u8>) -> Self {
        let any = Any { type_url: self.type_url.as_str().into(), value };
        self.resources.push(ads::Resource {
            name: name.into(),
            version: version.into(),
            resource: Some(any),
            ..ads::Resource::default()
        });
        self
    }

    /// Gives every resource this version.
    pub(crate) fn versions(mut self, version: &str) -> Self {
        self.resources.iter_mut().for_each(|it| it.version = version.into());
        self
    }

    pub(crate) fn removed(mut self, name: &str) -> Self {
        self.removed.push(name.into());
        self
    }

    /// Changes what is in the wrapper of one resource.
    pub(crate) fn with(mut self, i: usize, change: impl FnOnce(&mut ads::Resource)) -> Self {
        change(&mut self.resources[i]);
        self
    }

    pub(crate) fn encode(&self, variant: Variant) -> Bytes {
        match variant {
            Variant::Delta => ads::DeltaDiscoveryResponse {
                system_version_info: self.version.clone(),
                resources: self.resources.clone(),
                type_url: self.type_url.as_str().into(),
                removed_resources: self.removed.clone(),
                nonce: self.nonce.clone(),
                ..ads::DeltaDiscoveryResponse::default()
            }
            .encode_to_vec(),
            Variant::Sotw => ads::DiscoveryResponse {
                version_info: self.version.clone(),
                resources: self.resources.iter().map(|it| self.any(it)).collect(),
                type_url: self.type_url.as_str().into(),
                nonce: self.nonce.clone(),
                ..ads::DiscoveryResponse::default()
            }
            .encode_to_vec(),
        }
        .into()
    }

    fn any(&self, resource: &ads::Resource) -> Any {
        match &resource.resource {
            Some(any) if !self.wrapped => any.clone(),
            _ => Any {
                type_url: "type.googleapis.com/envoy.service.discovery.v3.Resource".into(),
                value: resource.encode_to_vec(),
            },
        }
    }
}
