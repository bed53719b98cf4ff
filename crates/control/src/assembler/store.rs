//! The resources as they came, for the admin port.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use destrier_policy::{ClusterName, Origin};

use super::ResourceRef;
use crate::Rejection;

/// Every resource held, by type and name, with what is known of its way here. This is what
/// `/config_dump` is made of.
#[derive(Debug, Default)]
pub struct ConfigStore {
    /// `Cluster` messages.
    pub clusters: BTreeMap<ClusterName, StoredResource>,
    /// `ClusterLoadAssignment` messages, by resource name; those of files with the file before it (see
    /// [`assignment_name`](crate::assignment_name)).
    pub endpoints: BTreeMap<Arc<str>, StoredResource>,
    /// Version of the last CDS response of which something was applied; empty before.
    pub clusters_version: Arc<str>,
    /// The same of EDS.
    pub endpoints_version: Arc<str>,
    /// How often a cluster went live without endpoints because its `initial_fetch_timeout` had passed.
    pub init_fetch_timeouts: u64,
}

/// How many resources of the control plane are in which state (gRFC A78, `grpc.xds.cache_state`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheStates {
    /// The control plane does not have them.
    pub does_not_exist: u64,
    /// Good.
    pub acked: u64,
    /// Refused, without a good version.
    pub nacked: u64,
    /// Refused, with one.
    pub nacked_but_cached: u64,
}

impl ConfigStore {
    /// Counts what came from the control plane.
    pub fn cache_states(&self) -> CacheStates {
        let mut states = CacheStates::default();
        let all = self.clusters.values().chain(self.endpoints.values());
        for resource in all.filter(|resource| resource.origin != Origin::Static) {
            let counted = match (resource.standing, &resource.error, resource.newest()) {
                (Standing::DoesNotExist, ..) => &mut states.does_not_exist,
                (_, None, _) => &mut states.acked,
                (_, Some(_), None) => &mut states.nacked,
                (_, Some(_), Some(_)) => &mut states.nacked_but_cached,
            };
            *counted += 1;
        }
        states
    }
}

/// One resource.
#[derive(Debug)]
pub struct StoredResource {
    /// Who brought it.
    pub origin: Origin,
    /// In force; `None` before the first good version is.
    pub active: Option<StoredVersion>,
    /// Accepted, but it waits for endpoints or addresses.
    pub warming: Option<StoredVersion>,
    /// Where the resource stands.
    pub standing: Standing,
    /// Why the last version that came was refused, if it was.
    pub error: Option<ErrorState>,
}

impl StoredResource {
    /// The newest good version.
    pub fn newest(&self) -> Option<&StoredVersion> {
        self.warming.as_ref().or(self.active.as_ref())
    }
}

/// One good version of a resource.
#[derive(Clone, Debug)]
pub struct StoredVersion {
    /// As the control plane wrote it; may be empty.
    pub version: Arc<str>,
    /// The encoded message.
    pub body: Bytes,
    /// When it came.
    pub last_updated: SystemTime,
}

/// What the control plane last said about a resource, apart from its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is wanted.
    Requested,
    /// The control plane removed it, and it is kept: a cluster that a route names until its grace ends,
    /// endpoints until their cluster goes.
    RemovedButKept,
    /// Asked for, and the control plane does not have it.
    DoesNotExist,
    /// An assignment that was not renewed in time; its endpoints were dropped.
    Stale,
}

/// A version that was refused (`config_dump_shared.proto: UpdateFailureState`).
#[derive(Clone, Debug)]
pub struct ErrorState {
    /// What was wrong.
    pub rejections: Vec<Rejection>,
    /// Its version.
    pub version: Arc<str>,
    /// The encoded message.
    pub body: Bytes,
    /// When it came first; the same message again does not change it.
    pub last_update_attempt: SystemTime,
}

impl StoredResource {
    fn new(origin: Origin) -> Self {
        Self { origin, active: None, warming: None, standing: Standing::Requested, error: None }
    }

    /// Whether this is what is held already. If so, a version refused in between is history.
    pub(super) fn is_unchanged(&mut self, body: &Bytes) -> bool {
        let same = self.standing == Standing::Requested
            && self.newest().is_some_and(|held| held.body == *body);
        same && self.confirm()
    }

    /// What is held came again: a version refused in between is history. Whether it is still wanted.
    pub(super) fn confirm(&mut self) -> bool {
        let wanted = self.standing == Standing::Requested;
        if wanted {
            self.error = None;
        }
        wanted
    }

    /// What was wrong with this very message when it came before: it need not be read again.
    pub(super) fn refused(&self, body: &Bytes) -> Option<Vec<Rejection>> {
        let error = self.error.as_ref().filter(|error| error.body == *body)?;
        Some(error.rejections.clone())
    }

    fn refuse(&mut self, resource: &ResourceRef, rejections: &[Rejection], when: SystemTime) {
        self.error = Some(ErrorState {
            rejections: rejections.to_vec(),
            version: resource.version.as_str().into(),
            body: Bytes::copy_from_slice(&resource.body),
            last_update_attempt: when,
        });
    }
}

impl ConfigStore {
    /// A good version of a cluster came; until [`Self::promote_cluster`] it is warming.
    pub(super) fn accept_cluster(
        &mut self,
        name: &ClusterName,
        origin: Origin,
        version: StoredVersion,
    ) {
        let stored =
            self.clusters.entry(name.clone()).or_insert_with(|| StoredResource::new(origin));
        stored.warming = Some(version);
        stored.standing = Standing::Requested;
        stored.error = None;
    }

    /// The newest version of a cluster is in force.
    pub(super) fn promote_cluster(&mut self, name: &ClusterName) {
        if let Some(stored) = self.clusters.get_mut(name)
            && let Some(version) = stored.warming.take()
        {
            stored.active = Some(version);
        }
    }

    pub(super) fn refuse_cluster(
        &mut self,
        name: &ClusterName,
        resource: &ResourceRef,
        rejections: &[Rejection],
        when: SystemTime,
    ) {
        let stored = self.clusters.entry(name.clone());
        let stored = stored.or_insert_with(|| StoredResource::new(Origin::Dynamic));
        stored.refuse(resource, rejections, when);
    }

    /// The cluster is kept in the version that is in force.
    pub(super) fn set_cluster_removed(&mut self, name: &ClusterName) {
        if let Some(stored) = self.clusters.get_mut(name) {
            stored.warming = None;
            stored.standing = Standing::RemovedButKept;
        }
    }

    pub(super) fn accept_endpoints(&mut self, name: &Arc<str>, version: StoredVersion) {
        let stored = self.endpoints.entry(name.clone());
        let stored = stored.or_insert_with(|| StoredResource::new(Origin::Dynamic));
        stored.active = Some(version);
        stored.standing = Standing::Requested;
        stored.error = None;
    }

    pub(super) fn refuse_endpoints(
        &mut self,
        name: &Arc<str>,
        resource: &ResourceRef,
        rejections: &[Rejection],
        when: SystemTime,
    ) {
        let stored = self.endpoints.entry(name.clone());
        let stored = stored.or_insert_with(|| StoredResource::new(Origin::Dynamic));
        stored.refuse(resource, rejections, when);
    }

    pub(super) fn set_endpoints_standing(&mut self, name: &str, standing: Standing) {
        let stored = self.endpoints.entry(name.into());
        stored.or_insert_with(|| StoredResource::new(Origin::Dynamic)).standing = standing;
    }
}
