//! What a response of the control plane does.

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use bytes::Bytes;
use destrier_policy::{AssignmentSource, ClusterName, EndpointSet, Origin};
use envoy_types::pb::envoy::config::cluster::v3::Cluster;
use envoy_types::pb::envoy::config::endpoint::v3::ClusterLoadAssignment;
use prost::Message;

use super::assignments::{Stored, key_of};
use super::deadlines::Due;
use super::entry::Entry;
use super::hosts::{Source, dns_options};
use super::store::{Standing, StoredVersion};
use super::{
    Absent, Assembler, CLUSTER_TYPE, Change, ENDPOINTS_TYPE, Now, RemovedEndpoints, ResourceRef,
};
use crate::{Rejection, TranslatedCluster, translate_cluster, translate_endpoints};

/// The translations, exchangeable so that a test can let one fail as no input does.
#[derive(Clone, Copy, Debug)]
pub(super) struct Translators {
    pub(super) cluster: fn(&Cluster, Origin) -> Result<TranslatedCluster, Vec<Rejection>>,
    pub(super) endpoints: fn(&ClusterLoadAssignment) -> Result<EndpointSet, Vec<Rejection>>,
}

impl Default for Translators {
    fn default() -> Self {
        Self { cluster: translate_cluster, endpoints: translate_endpoints }
    }
}

impl Assembler {
    /// Takes a response. What is good applies at once; each bad resource keeps its last good version and
    /// is named in what is returned, with all its faults. A resource that is the same byte for byte
    /// changes nothing.
    pub fn apply(&mut self, change: Change<'_>, now: Now) -> Vec<Rejection> {
        self.apply_from(&AssignmentSource::Ads, change, now)
    }

    /// As [`Self::apply`], for what another source says: endpoints are taken for those clusters alone
    /// whose `eds_config` names it.
    pub fn apply_from(
        &mut self,
        source: &AssignmentSource,
        change: Change<'_>,
        now: Now,
    ) -> Vec<Rejection> {
        match change.type_url {
            CLUSTER_TYPE => self.apply_clusters(change, now),
            ENDPOINTS_TYPE => self.apply_endpoints(source, change, now),
            _ => Vec::new(),
        }
    }

    fn apply_clusters(&mut self, change: Change<'_>, now: Now) -> Vec<Rejection> {
        for name in change.removed {
            self.remove_cluster(&ClusterName::from(name.as_str()), now);
        }
        if let Absent::Removed { refused } = change.absent {
            let resources = change.resources.iter().map(|resource| resource.name.as_str());
            let present: HashSet<&str> =
                resources.chain(refused.iter().map(String::as_str)).collect();
            let absent = self.entries.keys().filter(|name| !present.contains(name.as_str()));
            for name in absent.cloned().collect::<Vec<_>>() {
                self.remove_cluster(&name, now);
            }
        }
        for name in change.unchanged {
            if let Some(stored) = self.store.clusters.get_mut(name.as_str()) {
                stored.confirm();
            }
        }
        let mut rejections = Vec::new();
        for resource in change.resources {
            rejections.extend(self.apply_cluster(resource, now).err().into_iter().flatten());
        }
        if rejections.is_empty() {
            self.store.clusters_version = change.version.into();
        }
        let hold_until = now.mono + self.settings.readiness_hold;
        self.readiness.handle_clusters(self.waiting.keys().cloned(), hold_until, now.mono);
        self.schedule_readiness(now.mono);
        rejections
    }

    fn apply_cluster(&mut self, resource: &ResourceRef, now: Now) -> Result<(), Vec<Rejection>> {
        let name = ClusterName::from(resource.name.as_str());
        if self.is_static(&name) {
            return Ok(()); // The bootstrap's clusters cannot be changed; Envoy ignores it as well.
        }
        if self.store.clusters.get_mut(&name).is_some_and(|s| s.is_unchanged(&resource.body)) {
            return Ok(());
        }
        if let Some(again) = self.store.clusters.get(&name).and_then(|s| s.refused(&resource.body))
        {
            return Err(again);
        }
        let translate = self.translators.cluster;
        let translated = guarded(&resource.name, || {
            let cluster = decode(resource, |cluster: &Cluster| &cluster.name, "name")?;
            translate(&cluster, Origin::Dynamic)
        });
        match translated {
            Ok(cluster) => {
                self.update_cluster(&name, cluster, &resource.version, copy(&resource.body), now);
                Ok(())
            }
            Err(rejections) => {
                self.store.refuse_cluster(&name, resource, &rejections, now.wall);
                Err(rejections)
            }
        }
    }

    /// Takes a good version of a cluster.
    pub(super) fn update_cluster(
        &mut self,
        name: &ClusterName,
        cluster: TranslatedCluster,
        version: &str,
        body: Bytes,
        now: Now,
    ) {
        let origin = cluster.policy.origin;
        let entry = self.entries.entry(name.clone()).or_insert_with(|| Entry::new(origin));
        let (policy, source) = Source::of(cluster);
        self.names_changed |= dns_options(&policy).is_some() || !entry.host_names().is_empty();
        entry.update(policy, source, &self.assignments, now.mono);
        let version = StoredVersion { version: version.into(), body, last_updated: now.wall };
        self.store.accept_cluster(name, origin, version);
        self.settle(name);
    }

    /// The control plane removed the cluster.
    fn remove_cluster(&mut self, name: &ClusterName, now: Now) {
        let Some(entry) = self.entries.get_mut(name) else {
            // One that never was good is known by its error alone.
            self.store.clusters.remove(name);
            return;
        };
        if entry.origin == Origin::Static || entry.removed.is_some() {
            return;
        }
        if entry.active.is_none() || !self.referenced.contains(name) {
            return self.drop_cluster(name);
        }
        self.names_changed |= !entry.host_names().is_empty();
        entry.keep_until(now.mono + self.settings.deletion_grace);
        self.store.set_cluster_removed(name);
        self.settle(name);
    }

    fn apply_endpoints(
        &mut self,
        source: &AssignmentSource,
        change: Change<'_>,
        now: Now,
    ) -> Vec<Rejection> {
        let key = |name: &String| key_of(source, &name.as_str().into());
        for name in change.unchanged {
            self.confirm_assignment(name, &key(name), now);
        }
        let mut rejections = Vec::new();
        for resource in change.resources {
            rejections.extend(
                self.apply_assignment(&key(&resource.name), resource, now)
                    .err()
                    .into_iter()
                    .flatten(),
            );
        }
        for name in change.removed {
            self.remove_endpoints(&key(name), now);
        }
        if rejections.is_empty() {
            self.store.endpoints_version = change.version.into();
        }
        self.schedule_readiness(now.mono);
        rejections
    }

    /// What is held came again: it is fresh. If it had gone stale it is in force again.
    fn confirm_assignment(&mut self, name: &str, key: &str, now: Now) {
        let Some(key) = self.assignments.key(key) else { return };
        let Some(stored) = self.store.endpoints.get_mut(&key) else { return };
        if stored.confirm() {
            return self.renew_endpoints(&key, now);
        }
        let stale = stored.newest().filter(|_| stored.standing == Standing::Stale);
        let Some(StoredVersion { version, body, .. }) = stale.cloned() else { return };
        let again = ResourceRef { name: name.to_owned(), version: version.to_string(), body };
        // It was translated before.
        let _ = self.apply_assignment(&key, &again, now);
    }

    fn apply_assignment(
        &mut self,
        key: &str,
        resource: &ResourceRef,
        now: Now,
    ) -> Result<(), Vec<Rejection>> {
        // Not asked for: an assignment for a cluster that was removed meanwhile may even name the hosts
        // of another (a real istiod sends all hosts of the service for a removed subset).
        let Some(key) = self.assignments.key(key) else { return Ok(()) };
        if self.store.endpoints.get_mut(&key).is_some_and(|s| s.is_unchanged(&resource.body)) {
            self.renew_endpoints(&key, now);
            return Ok(());
        }
        if let Some(again) = self.store.endpoints.get(&key).and_then(|s| s.refused(&resource.body))
        {
            return Err(again);
        }
        let translate = self.translators.endpoints;
        let translated = guarded(&resource.name, || {
            translate(&decode(
                resource,
                |a: &ClusterLoadAssignment| &a.cluster_name,
                "cluster_name",
            )?)
        });
        match translated {
            Ok(endpoints) => {
                let version = StoredVersion {
                    version: resource.version.as_str().into(),
                    body: copy(&resource.body),
                    last_updated: now.wall,
                };
                self.store.accept_endpoints(&key, version);
                self.update_endpoints(&key, endpoints, now);
                Ok(())
            }
            Err(rejections) => {
                self.store.refuse_endpoints(&key, resource, &rejections, now.wall);
                Err(rejections)
            }
        }
    }

    fn update_endpoints(&mut self, name: &Arc<str>, endpoints: EndpointSet, now: Now) {
        let stored = self.assignments.store(name, endpoints);
        self.renew_endpoints(name, now);
        if stored == Some(Stored::New) {
            for cluster in self.users_of(name) {
                let Some(entry) = self.entries.get_mut(&cluster) else { continue };
                entry.refresh(&self.assignments);
                self.settle(&cluster);
            }
        }
    }

    /// The assignment is as fresh as can be (`policy.endpoint_stale_after`).
    fn renew_endpoints(&mut self, name: &Arc<str>, now: Now) {
        let stale_after =
            self.assignments.endpoints(name).and_then(|held| held.endpoint_stale_after);
        self.deadlines.set(Due::Stale(name.clone()), stale_after.map(|after| now.mono + after));
    }

    /// Nobody renewed the assignment in time: its endpoints are dropped. The same one again brings them
    /// back.
    pub(super) fn clear_endpoints(&mut self, name: &Arc<str>, now: Now) {
        let Some(held) = self.assignments.endpoints(name) else { return };
        let emptied = EndpointSet {
            localities: Box::default(),
            endpoint_stale_after: None,
            ..(**held).clone()
        };
        self.update_endpoints(name, emptied, now);
        self.store.set_endpoints_standing(name, Standing::Stale);
    }

    /// `removed_resources` of EDS: warming ends, the endpoints held stay (Envoy: `eds.cc`), or not.
    fn remove_endpoints(&mut self, name: &str, now: Now) {
        let Some(key) = self.assignments.key(name) else { return };
        let held = self.assignments.endpoints(name).is_some();
        if !held || self.settings.removed_endpoints == RemovedEndpoints::Clear {
            self.update_endpoints(&key, EndpointSet::default(), now);
        }
        self.store.set_endpoints_standing(&key, Standing::RemovedButKept);
    }
}

/// Bodies are slices of the response; holding one would hold the whole response.
fn copy(body: &Bytes) -> Bytes {
    Bytes::copy_from_slice(body)
}

/// The message, which must be called what the control plane calls it.
fn decode<M: Message + Default>(
    resource: &ResourceRef,
    name_of: impl Fn(&M) -> &str,
    field: &str,
) -> Result<M, Vec<Rejection>> {
    let fault = |field_path: &str, reason: String| {
        vec![Rejection {
            resource: resource.name.clone(),
            field_path: field_path.to_owned(),
            reason,
        }]
    };
    let message = M::decode(resource.body.clone())
        .map_err(|why| fault("", format!("cannot be decoded: {why}")))?;
    match name_of(&message) {
        name if name == resource.name => Ok(message),
        name => Err(fault(
            field,
            format!("is {name:?}, but the resource is called {:?}", resource.name),
        )),
    }
}

/// A fault of ours must cost one resource, not the process.
fn guarded<T>(
    resource: &str,
    translate: impl FnOnce() -> Result<T, Vec<Rejection>>,
) -> Result<T, Vec<Rejection>> {
    // Translation builds its result from nothing and changes nothing else: there is no broken state.
    catch_unwind(AssertUnwindSafe(translate)).unwrap_or_else(|_| {
        Err(vec![Rejection {
            resource: resource.to_owned(),
            field_path: String::new(),
            reason: "translation panicked; this is a fault of ours, please report it".into(),
        }])
    })
}
