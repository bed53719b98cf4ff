//! A handler that knows of clusters what the protocol cases need: which endpoints they ask for.

use std::collections::{BTreeMap, BTreeSet};

use destrier_xds::{Rejection, Reply, TypeUrl, Update};
use envoy_types::pb::envoy::config::{
    cluster::v3::{
        Cluster,
        cluster::{ClusterDiscoveryType, DiscoveryType},
    },
    endpoint::v3::ClusterLoadAssignment,
};
use prost::Message;

/// The mark of a cluster that this handler refuses.
pub(crate) const REFUSED: &str = "refused";

/// What is in force.
#[derive(Debug, Default)]
pub(crate) struct Store {
    pub(crate) clusters: BTreeMap<String, Cluster>,
    pub(crate) assignments: BTreeMap<String, ClusterLoadAssignment>,
    /// Every update that came, for a look at what was told twice.
    pub(crate) updates: Vec<Update>,
}

impl Store {
    pub(crate) fn handle_update(&mut self, update: Update) -> Reply {
        let mut reply = Reply::default();
        let mut refuse = |name: &str, reason: &str| {
            reply.verdict.push(Rejection { name: name.into(), reason: reason.into() });
        };
        for resource in &update.resources {
            let (name, body) = (&resource.name, resource.body.clone());
            if update.type_url == TypeUrl::CLUSTER {
                match Cluster::decode(body) {
                    Ok(it) if it.alt_stat_name == REFUSED => refuse(name, "alt_stat_name: refused"),
                    Ok(it) => drop(self.clusters.insert(name.clone(), it)),
                    Err(error) => refuse(name, &error.to_string()),
                }
            } else {
                match ClusterLoadAssignment::decode(body) {
                    Ok(it) => drop(self.assignments.insert(name.clone(), it)),
                    Err(error) => refuse(name, &error.to_string()),
                }
            }
        }
        if update.type_url == TypeUrl::CLUSTER {
            self.clusters.retain(|name, _| !update.removed.contains(name));
            let services = self.services();
            self.assignments.retain(|name, _| services.contains(name));
            reply.names.push((TypeUrl::ENDPOINTS, services));
        }
        self.updates.push(update);
        reply
    }

    pub(crate) fn names(&self) -> Vec<&str> {
        self.clusters.keys().map(String::as_str).collect()
    }

    fn services(&self) -> BTreeSet<String> {
        let eds = Some(ClusterDiscoveryType::Type(DiscoveryType::Eds.into()));
        let eds = self.clusters.values().filter(|it| it.cluster_discovery_type == eds);
        eds.map(|it| match &it.eds_cluster_config {
            Some(config) if !config.service_name.is_empty() => config.service_name.clone(),
            _ => it.name.clone(),
        })
        .collect()
    }
}
