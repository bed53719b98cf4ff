//! The state-of-the-world variant for one stream, without I/O.

use std::collections::{BTreeMap, BTreeSet};

use envoy_types::pb::envoy::service::discovery::v3::{DiscoveryRequest, DiscoveryResponse};
use envoy_types::pb::google::protobuf::Any;

use crate::behaviour::{Absent, Behaviour, NamedPush, Rejected, StaleNonce};
use crate::store::{Revision, Store, empty_assignment};
use crate::type_url;

/// The subscriptions of one state-of-the-world stream.
#[derive(Debug, Default)]
pub(crate) struct SotwStream {
    watches: BTreeMap<String, Watch>,
}

#[derive(Debug, Default)]
struct Watch {
    wildcard: bool,
    names: BTreeSet<String>,
    /// The revision of each name when it was last sent; 0 for one that was not there.
    sent: BTreeMap<String, Revision>,
    /// Changes up to here have been looked at.
    seen: Revision,
    nonce: String,
}

impl SotwStream {
    pub(crate) fn handle_request(
        &mut self,
        request: &DiscoveryRequest,
        store: &Store,
        behaviour: &Behaviour,
    ) -> Option<DiscoveryResponse> {
        let type_url = &request.type_url;
        let known = self.watches.contains_key(type_url);
        let watch = self.watches.entry(type_url.clone()).or_default();
        // istiod takes an empty nonce for a fresh start, go-control-plane ignores the request.
        let fresh = !known || request.response_nonce.is_empty();
        if known && fresh && behaviour.stale_nonce == StaleNonce::DropInSotwOnly {
            return None;
        }
        if !fresh && request.response_nonce != watch.nonce {
            return None;
        }
        let names: BTreeSet<_> =
            request.resource_names.iter().filter(|name| *name != "*").cloned().collect();
        let added: BTreeSet<_> = names.difference(&watch.names).cloned().collect();
        watch.wildcard = names.len() < request.resource_names.len()
            || (names.is_empty() && type_url::is_wildcard(type_url));
        if !watch.wildcard {
            watch.sent.retain(|name, _| names.contains(name));
        }
        watch.names = names;
        if request.error_detail.is_some() {
            let resend = behaviour.rejected == Rejected::ResendAtOnce;
            return resend.then(|| watch.answer_all(type_url, store, behaviour))?;
        }
        if fresh {
            watch.seen = store.version(type_url);
            let held = !request.version_info.is_empty()
                && request.version_info == store.version(type_url).to_string();
            if held && behaviour.named_push == NamedPush::AllOfSnapshot {
                watch.mark_sent(type_url, store);
                return None;
            }
            return watch.answer_all(type_url, store, behaviour);
        }
        if added.is_empty() {
            return None;
        }
        match behaviour.named_push {
            NamedPush::Changed => Some(watch.answer(type_url, &added, store, behaviour)),
            NamedPush::AllOfSnapshot => watch.answer_all(type_url, store, behaviour),
        }
    }

    /// What changed since the last call, of one type.
    pub(crate) fn poll_push(
        &mut self,
        type_url: &str,
        store: &Store,
        behaviour: &Behaviour,
    ) -> Option<DiscoveryResponse> {
        let watch = self.watches.get_mut(type_url)?;
        let changed: BTreeSet<_> = store
            .changed_since(type_url, watch.seen)
            .filter(|name| watch.wildcard || watch.names.contains(*name))
            .filter(|name| watch.sent.get(*name) != Some(&revision(store, type_url, name)))
            .cloned()
            .collect();
        watch.seen = store.version(type_url);
        if changed.is_empty() {
            return None;
        }
        match behaviour.named_push {
            NamedPush::Changed if !watch.wildcard => {
                Some(watch.answer(type_url, &changed, store, behaviour))
            }
            _ => watch.answer_all(type_url, store, behaviour),
        }
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

fn revision(store: &Store, type_url: &str, name: &str) -> Revision {
    store.get(type_url, name).map_or(0, |stored| stored.revision)
}

impl Watch {
    fn covered(&self, type_url: &str, store: &Store) -> BTreeSet<String> {
        if self.wildcard { store.names(type_url).cloned().collect() } else { self.names.clone() }
    }

    fn mark_sent(&mut self, type_url: &str, store: &Store) {
        let covered = self.covered(type_url, store).into_iter();
        self.sent = covered
            .map(|name| {
                let revision = revision(store, type_url, &name);
                (name, revision)
            })
            .collect();
    }

    /// All that is asked for; silence where nothing is, or where go-control-plane waits for the
    /// missing names.
    fn answer_all(
        &mut self,
        type_url: &str,
        store: &Store,
        behaviour: &Behaviour,
    ) -> Option<DiscoveryResponse> {
        if !self.wildcard && self.names.is_empty() {
            return None;
        }
        let waits = behaviour.named_push == NamedPush::AllOfSnapshot
            && !self.wildcard
            && store.names(type_url).any(|name| !self.names.contains(name));
        if waits {
            return None;
        }
        let covered = self.covered(type_url, store);
        self.sent.clear();
        Some(self.answer(type_url, &covered, store, behaviour))
    }

    fn answer(
        &mut self,
        type_url: &str,
        names: &BTreeSet<String>,
        store: &Store,
        behaviour: &Behaviour,
    ) -> DiscoveryResponse {
        let mut resources: Vec<Any> = Vec::new();
        for name in names {
            self.sent.insert(name.clone(), revision(store, type_url, name));
            match store.get(type_url, name) {
                Some(stored) => resources.push(stored.resource.clone()),
                None if type_url == type_url::ENDPOINTS
                    && behaviour.absent == Absent::EmptyAssignment =>
                {
                    resources.push(empty_assignment(name));
                }
                None => {}
            }
        }
        DiscoveryResponse {
            version_info: store.version(type_url).to_string(),
            resources,
            type_url: type_url.to_owned(),
            ..DiscoveryResponse::default()
        }
    }
}
