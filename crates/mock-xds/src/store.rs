//! The resources that are served.

use std::collections::BTreeMap;

use envoy_types::pb::envoy::config::endpoint::v3::ClusterLoadAssignment;
use envoy_types::pb::google::protobuf::Any;
use prost::Message;

use crate::changes::{Change, Changes};
use crate::type_url;

/// Counts the steps in which resources changed; the version of what changed in it.
pub(crate) type Revision = u64;

#[derive(Debug, Default)]
pub(crate) struct Store {
    revision: Revision,
    types: BTreeMap<String, Resources>,
}

/// The resources of one type.
#[derive(Debug, Default)]
pub(crate) struct Resources {
    /// Of the last change of any of them.
    revision: Revision,
    by_name: BTreeMap<String, Stored>,
    /// Every name that was set or removed, in order: a push looks at what is new, not at all
    /// names.
    log: Vec<(Revision, String)>,
}

#[derive(Debug, Clone)]
pub(crate) struct Stored {
    pub(crate) revision: Revision,
    pub(crate) resource: Any,
}

impl Store {
    pub(crate) fn apply(&mut self, changes: Changes) -> Revision {
        self.revision += 1;
        let revision = self.revision;
        for Change { type_url, name, resource } in changes.0 {
            let resources = self.types.entry(type_url).or_default();
            resources.revision = revision;
            resources.log.push((revision, name.clone()));
            match resource {
                Some(resource) => {
                    resources.by_name.insert(name, Stored { revision, resource });
                }
                None => {
                    resources.by_name.remove(&name);
                }
            }
        }
        revision
    }

    /// The changes that make this store hold exactly what `wanted` sets.
    pub(crate) fn difference(&self, wanted: Changes) -> Changes {
        let mut target = Self::default();
        target.apply(wanted);
        let mut changes = Changes::new();
        for (type_url, resources) in &self.types {
            let kept = target.types.get(type_url);
            for name in resources.by_name.keys() {
                if kept.is_none_or(|kept| !kept.by_name.contains_key(name)) {
                    changes = changes.remove(type_url, name);
                }
            }
        }
        for (type_url, resources) in target.types {
            for (name, Stored { resource, .. }) in resources.by_name {
                if self.get(&type_url, &name).is_none_or(|held| held.resource != resource) {
                    changes = changes.resource(&type_url, &name, resource);
                }
            }
        }
        changes
    }

    /// The names set or removed after a revision.
    pub(crate) fn changed_since(
        &self,
        type_url: &str,
        revision: Revision,
    ) -> impl Iterator<Item = &String> {
        let log = self.types.get(type_url).into_iter().flat_map(|resources| &resources.log);
        log.rev().take_while(move |(at, _)| *at > revision).map(|(_, name)| name)
    }

    pub(crate) fn get(&self, type_url: &str, name: &str) -> Option<&Stored> {
        self.types.get(type_url)?.by_name.get(name)
    }

    pub(crate) fn names<'a>(&'a self, type_url: &str) -> impl Iterator<Item = &'a String> {
        self.types.get(type_url).into_iter().flat_map(|resources| resources.by_name.keys())
    }

    /// The version of a type in a state-of-the-world answer; 0 before anything was set.
    pub(crate) fn version(&self, type_url: &str) -> Revision {
        self.types.get(type_url).map_or(0, |resources| resources.revision)
    }

    pub(crate) fn revision(&self) -> Revision {
        self.revision
    }
}

/// What istiod sends for a service without endpoints, and for one that it does not know.
pub(crate) fn empty_assignment(name: &str) -> Any {
    let assignment =
        ClusterLoadAssignment { cluster_name: name.to_owned(), ..ClusterLoadAssignment::default() };
    Any { type_url: type_url::ENDPOINTS.to_owned(), value: assignment.encode_to_vec() }
}
