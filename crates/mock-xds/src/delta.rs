//! The delta variant for one stream, without I/O.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use envoy_types::pb::envoy::service::discovery::v3::{
    DeltaDiscoveryRequest, DeltaDiscoveryResponse, Resource,
};

use crate::behaviour::{Absent, Behaviour, ResourceVersions, Resubscribe, StaleNonce};
use crate::store::{Revision, Store, empty_assignment};
use crate::type_url;

/// The subscriptions of one delta stream.
#[derive(Debug, Default)]
pub(crate) struct DeltaStream {
    watches: BTreeMap<String, Watch>,
}

#[derive(Debug, Default)]
struct Watch {
    wildcard: bool,
    names: BTreeSet<String>,
    sent: BTreeMap<String, Sent>,
    /// Changes up to here have been looked at.
    seen: Revision,
    nonce: String,
}

/// What the client was last told of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sent {
    Resource(Revision),
    /// It is not there.
    Absent,
    /// The client held it from an earlier stream.
    HeldBefore,
}

impl DeltaStream {
    pub(crate) fn handle_request(
        &mut self,
        request: &DeltaDiscoveryRequest,
        store: &Store,
        behaviour: &Behaviour,
    ) -> Vec<DeltaDiscoveryResponse> {
        let type_url = &request.type_url;
        let Some(watch) = self.watches.get_mut(type_url) else {
            return self.open(request, store, behaviour);
        };
        if request.error_detail.is_some() {
            return Vec::new();
        }
        let stale = !request.response_nonce.is_empty() && request.response_nonce != watch.nonce;
        if stale && behaviour.stale_nonce == StaleNonce::Drop {
            return Vec::new();
        }
        let mut asked = BTreeSet::new();
        for name in &request.resource_names_subscribe {
            if name == "*" {
                watch.wildcard = true;
                asked.extend(store.names(type_url).cloned());
            } else if watch.names.insert(name.clone()) {
                asked.insert(name.clone());
            } else if behaviour.resubscribe == Resubscribe::Answer {
                watch.sent.remove(name);
                asked.insert(name.clone());
            }
        }
        for name in &request.resource_names_unsubscribe {
            if name == "*" {
                watch.wildcard = false;
            } else {
                watch.names.remove(name);
                watch.sent.remove(name);
                asked.remove(name);
            }
        }
        // Told absent before and asked for again: it is told again.
        watch.sent.retain(|name, sent| *sent != Sent::Absent || !asked.contains(name));
        watch.answer(type_url, &asked, store, behaviour)
    }

    /// The first request of a type on a stream.
    fn open(
        &mut self,
        request: &DeltaDiscoveryRequest,
        store: &Store,
        behaviour: &Behaviour,
    ) -> Vec<DeltaDiscoveryResponse> {
        let type_url = &request.type_url;
        let subscribe = &request.resource_names_subscribe;
        let mut watch = Watch {
            // The legacy wildcard, which istiod takes for every type.
            wildcard: subscribe.is_empty() || subscribe.iter().any(|name| name == "*"),
            names: subscribe.iter().filter(|name| *name != "*").cloned().collect(),
            seen: store.version(type_url),
            ..Watch::default()
        };
        for name in &request.resource_names_unsubscribe {
            watch.names.remove(name);
            watch.wildcard &= name != "*";
        }
        watch.sent = held_before(type_url, &request.initial_resource_versions, store, behaviour);
        let mut asked = watch.names.clone();
        if watch.wildcard {
            asked.extend(store.names(type_url).cloned());
            asked.extend(watch.sent.keys().cloned());
        }
        let mut responses = watch.answer(type_url, &asked, store, behaviour);
        if responses.is_empty() {
            responses.push(response(type_url, store));
        }
        self.watches.insert(type_url.clone(), watch);
        if type_url == type_url::CLUSTER {
            responses.extend(self.repeat_endpoints(store, behaviour));
        }
        responses
    }

    /// istiod sends endpoints again, unasked, when clusters are asked for after them.
    fn repeat_endpoints(
        &mut self,
        store: &Store,
        behaviour: &Behaviour,
    ) -> Vec<DeltaDiscoveryResponse> {
        match self.watches.get_mut(type_url::ENDPOINTS) {
            Some(watch) if behaviour.resource_versions == ResourceVersions::Empty => {
                watch.sent.clear();
                let names = watch.names.clone();
                watch.answer(type_url::ENDPOINTS, &names, store, behaviour)
            }
            _ => Vec::new(),
        }
    }

    /// What changed since the last call, of one type.
    pub(crate) fn poll_push(
        &mut self,
        type_url: &str,
        store: &Store,
        behaviour: &Behaviour,
    ) -> Vec<DeltaDiscoveryResponse> {
        let Some(watch) = self.watches.get_mut(type_url) else {
            return Vec::new();
        };
        let news = store.changed_since(type_url, watch.seen);
        let names = news.filter(|name| watch.wildcard || watch.names.contains(*name));
        let names = names.cloned().collect();
        watch.seen = store.version(type_url);
        watch.answer(type_url, &names, store, behaviour)
    }

    /// The nonce that the client has to send back.
    pub(crate) fn expect_nonce(&mut self, type_url: &str, nonce: &str) {
        if let Some(watch) = self.watches.get_mut(type_url) {
            nonce.clone_into(&mut watch.nonce);
        }
    }

    pub(crate) fn types(&self) -> impl Iterator<Item = &str> {
        self.watches.keys().map(String::as_str)
    }
}

/// What the client says that it holds. Only versions that mean something spare an answer.
fn held_before(
    type_url: &str,
    versions: &HashMap<String, String>,
    store: &Store,
    behaviour: &Behaviour,
) -> BTreeMap<String, Sent> {
    let held = |(name, version): (&String, &String)| {
        let current = store.get(type_url, name).map(|stored| stored.revision);
        let same = current.filter(|revision| *version == revision.to_string());
        let sent = match (behaviour.resource_versions, same) {
            (ResourceVersions::Revision, Some(revision)) => Sent::Resource(revision),
            _ => Sent::HeldBefore,
        };
        (name.clone(), sent)
    };
    versions.iter().map(held).collect()
}

fn response(type_url: &str, store: &Store) -> DeltaDiscoveryResponse {
    DeltaDiscoveryResponse {
        system_version_info: store.revision().to_string(),
        type_url: type_url.to_owned(),
        ..DeltaDiscoveryResponse::default()
    }
}

impl Watch {
    /// The news about some names, in as few messages as allowed; none if there is no news.
    fn answer(
        &mut self,
        type_url: &str,
        names: &BTreeSet<String>,
        store: &Store,
        behaviour: &Behaviour,
    ) -> Vec<DeltaDiscoveryResponse> {
        let mut resources = Vec::new();
        let mut removed = Vec::new();
        for name in names {
            let news = store
                .get(type_url, name)
                .map_or(Sent::Absent, |stored| Sent::Resource(stored.revision));
            if self.sent.insert(name.clone(), news) == Some(news) {
                continue;
            }
            let resource = match store.get(type_url, name) {
                Some(stored) => stored.resource.clone(),
                None if type_url == type_url::ENDPOINTS
                    && behaviour.absent == Absent::EmptyAssignment =>
                {
                    empty_assignment(name)
                }
                None => {
                    removed.push(name.clone());
                    continue;
                }
            };
            let version = match (behaviour.resource_versions, news) {
                (ResourceVersions::Revision, Sent::Resource(revision)) => revision.to_string(),
                _ => String::new(),
            };
            resources.push(Resource {
                name: name.clone(),
                version,
                resource: Some(resource),
                ..Resource::default()
            });
        }
        if resources.is_empty() && removed.is_empty() {
            return Vec::new();
        }
        let size = behaviour.max_resources.unwrap_or(resources.len()).max(1);
        let mut responses = Vec::new();
        while !resources.is_empty() {
            let rest = resources.split_off(size.min(resources.len()));
            responses.push(DeltaDiscoveryResponse { resources, ..response(type_url, store) });
            resources = rest;
        }
        if responses.is_empty() {
            responses.push(response(type_url, store));
        }
        responses[0].removed_resources = removed;
        responses
    }
}
