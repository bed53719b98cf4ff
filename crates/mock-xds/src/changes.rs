//! What is published in one step.

use std::fmt;

use envoy_types::pb::envoy::config::cluster::v3::Cluster;
use envoy_types::pb::envoy::config::endpoint::v3::ClusterLoadAssignment;
use envoy_types::pb::google::protobuf::Any;
use prost::{Message, Name};

use crate::type_url;

/// Resources set and removed together: they get one version, and each stream gets its clusters
/// before its endpoints.
#[derive(Debug, Clone, Default)]
pub struct Changes(pub(crate) Vec<Change>);

#[derive(Debug, Clone)]
pub(crate) struct Change {
    pub(crate) type_url: String,
    pub(crate) name: String,
    /// `None` removes.
    pub(crate) resource: Option<Any>,
}

impl Changes {
    /// No change.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a cluster under its name.
    pub fn cluster(self, cluster: &Cluster) -> Self {
        self.message(&cluster.name, cluster)
    }

    /// Sets endpoints under the name of their cluster.
    pub fn endpoints(self, assignment: &ClusterLoadAssignment) -> Self {
        self.message(&assignment.cluster_name, assignment)
    }

    /// Sets a message of any type.
    pub fn message<M: Message + Name>(self, name: &str, message: &M) -> Self {
        let any = Any { type_url: M::type_url(), value: message.encode_to_vec() };
        self.resource(&M::type_url(), name, any)
    }

    /// Sets bytes that stand for a message of the type, whether they are one or not.
    pub fn bytes(self, type_url: &str, name: &str, value: impl Into<Vec<u8>>) -> Self {
        let any = Any { type_url: type_url.to_owned(), value: value.into() };
        self.resource(type_url, name, any)
    }

    /// Sets what is sent for a name, also an `Any` of another type than is asked for.
    pub fn resource(mut self, type_url: &str, name: &str, resource: Any) -> Self {
        self.0.push(Change {
            type_url: type_url.to_owned(),
            name: name.to_owned(),
            resource: Some(resource),
        });
        self
    }

    /// Removes a resource.
    pub fn remove(mut self, type_url: &str, name: &str) -> Self {
        self.0.push(Change {
            type_url: type_url.to_owned(),
            name: name.to_owned(),
            resource: None,
        });
        self
    }

    /// Removes a cluster and its endpoints.
    pub fn remove_cluster(self, name: &str) -> Self {
        self.remove(type_url::CLUSTER, name).remove(type_url::ENDPOINTS, name)
    }

    /// True when nothing is set or removed.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// One line: `3 set, 1 removed: +Cluster a +ClusterLoadAssignment a -Cluster b`.
impl fmt::Display for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let set = self.0.iter().filter(|change| change.resource.is_some()).count();
        write!(f, "{set} set, {} removed", self.0.len() - set)?;
        for (index, change) in self.0.iter().enumerate() {
            let separator = if index == 0 { ":" } else { "" };
            let sign = if change.resource.is_some() { '+' } else { '-' };
            let kind = change.type_url.rsplit('.').next().unwrap_or_default();
            write!(f, "{separator} {sign}{kind} {}", change.name)?;
        }
        Ok(())
    }
}
