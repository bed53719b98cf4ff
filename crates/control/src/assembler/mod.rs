//! Accepted resources in, complete snapshots out: dependencies between clusters and endpoints, warming,
//! removal with grace, and what stays the same when something else changes.
//!
//! Pure: time is an argument, and whoever drives it asks [`Assembler::poll_timeout`] when to come back.

mod apply;
mod assignments;
mod change;
mod deadlines;
mod entry;
mod hosts;
mod readiness;
mod store;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use destrier_policy::{ClusterName, ClusterSpec, DnsOptions, Origin, Snapshot, WarmingCluster};

use self::apply::Translators;
use self::assignments::Assignments;
use self::deadlines::{Deadlines, Due};
use self::entry::Entry;
use self::readiness::Readiness;
use crate::StaticCluster;

pub use self::assignments::assignment_name;
pub use self::change::{
    Absent, AssemblerSettings, CLUSTER_TYPE, Change, ClustersFrom, ENDPOINTS_TYPE, Now,
    RemovedEndpoints, ResourceRef,
};
pub use self::hosts::{DnsTarget, Wanted};
pub use self::store::{
    CacheStates, ConfigStore, ErrorState, Standing, StoredResource, StoredVersion,
};

/// Turns accepted resources into snapshots.
///
/// After any call that takes `now`, ask [`take_snapshot`](Self::take_snapshot) for what changed,
/// [`eds_names`](Self::eds_names) and [`dns_targets`](Self::dns_targets) for what is needed, and
/// [`poll_timeout`](Self::poll_timeout) for when to call [`handle_timeout`](Self::handle_timeout).
#[derive(Debug)]
pub struct Assembler {
    settings: AssemblerSettings,
    referenced: BTreeSet<ClusterName>,
    entries: BTreeMap<ClusterName, Entry>,
    assignments: Assignments,
    deadlines: Deadlines,
    readiness: Readiness,
    store: ConfigStore,
    translators: Translators,
    /// What the next snapshot holds. Kept beside the entries so that making one is one copy.
    specs: BTreeMap<ClusterName, ClusterSpec>,
    waiting: BTreeMap<ClusterName, WarmingCluster>,
    changed: bool,
    /// Whether the names to be resolved may be others than those taken last.
    names_changed: bool,
}

impl Assembler {
    /// With the clusters of the bootstrap, and the names that routes refer to.
    pub fn new(
        static_clusters: Vec<StaticCluster>,
        settings: AssemblerSettings,
        referenced: BTreeSet<ClusterName>,
        now: Now,
    ) -> Self {
        let mut assembler = Self {
            readiness: Readiness::new(&settings, now.mono),
            settings,
            referenced,
            entries: BTreeMap::new(),
            assignments: Assignments::default(),
            deadlines: Deadlines::default(),
            store: ConfigStore::default(),
            translators: Translators::default(),
            specs: BTreeMap::new(),
            waiting: BTreeMap::new(),
            changed: true,
            names_changed: true,
        };
        for StaticCluster { cluster, body } in static_clusters {
            let name = cluster.policy.name.clone();
            assembler.update_cluster(&name, cluster, "", body, now);
            if assembler.waiting.contains_key(&name) {
                let until = now.mono + assembler.settings.readiness_hold;
                assembler.readiness.hold(name, until);
            }
        }
        assembler.schedule_readiness(now.mono);
        assembler
    }

    /// Routes now refer to these clusters. A removed one that none of them is goes at once.
    pub fn handle_referenced(&mut self, referenced: BTreeSet<ClusterName>) {
        self.referenced = referenced;
        let kept = self.entries.iter().filter(|(_, entry)| entry.removed.is_some());
        let unneeded: Vec<_> = kept
            .map(|(name, _)| name)
            .filter(|name| !self.referenced.contains(*name))
            .cloned()
            .collect();
        for name in unneeded {
            self.drop_cluster(&name);
        }
    }

    /// The names that the EDS subscription is to have.
    pub fn eds_names(&self) -> BTreeSet<String> {
        self.assignments.names().map(|name| name.to_string()).collect()
    }

    /// [`Self::eds_names`], if they are others than those taken last.
    pub fn take_eds_names(&mut self) -> Option<BTreeSet<String>> {
        self.assignments.take_changed().then(|| self.eds_names())
    }

    /// The names that each file is to be looked through for: those of clusters whose `eds_config` is a
    /// path.
    pub fn eds_files(&self) -> BTreeMap<Arc<Path>, BTreeSet<String>> {
        self.assignments.in_files()
    }

    /// The names that are to be resolved, again and again, as each says.
    pub fn dns_targets(&self) -> Vec<DnsTarget> {
        let target = |cluster: &ClusterName, host: &Arc<str>, (options, wanted)| {
            let options = DnsOptions::clone(options);
            DnsTarget { cluster: cluster.clone(), host: host.clone(), options, wanted }
        };
        let entries = self.entries.iter();
        entries
            .flat_map(|(cluster, entry)| {
                let names = entry.host_names().into_iter();
                names.map(move |(host, options)| target(cluster, host, options))
            })
            .collect()
    }

    /// [`Self::dns_targets`], if they may be others than those taken last.
    pub fn take_dns_targets(&mut self) -> Option<Vec<DnsTarget>> {
        std::mem::take(&mut self.names_changed).then(|| self.dns_targets())
    }

    /// A name was resolved, or could not be: then the addresses known stay, and a cluster that waited
    /// for them goes live without, as in Envoy.
    pub fn handle_dns(
        &mut self,
        target: &DnsTarget,
        answer: Result<Vec<IpAddr>, String>,
        now: Now,
    ) {
        let Some(entry) = self.entries.get_mut(&target.cluster) else { return };
        if entry.removed.is_some() {
            return; // Its hosts are frozen.
        }
        let names = entry.host_names().len();
        match answer {
            Ok(addresses) => entry.resolve(target, addresses),
            Err(_) => drop(entry.resolved.entry(target.host.clone()).or_default()),
        }
        entry.refresh(&self.assignments);
        self.names_changed |= entry.host_names().len() != names;
        self.settle(&target.cluster);
        self.schedule_readiness(now.mono);
    }

    /// The control plane does not have the resource: it was asked for long enough. A cluster goes live
    /// without endpoints then, unless its `initial_fetch_timeout` of 0 lets it wait for ever.
    pub fn handle_missing(&mut self, type_url: &str, name: &str, now: Now) {
        if type_url != ENDPOINTS_TYPE {
            return;
        }
        for cluster in self.users_of(name) {
            let Some(entry) = self.entries.get_mut(&cluster) else { continue };
            if entry.warming.as_ref().is_some_and(|warming| warming.deadline().is_some()) {
                entry.finish_warming();
                self.settle(&cluster);
            }
        }
        if self.assignments.key(name).is_some() {
            self.store.set_endpoints_standing(name, Standing::DoesNotExist);
        }
        self.schedule_readiness(now.mono);
    }

    /// When [`handle_timeout`](Self::handle_timeout) has something to do.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.deadlines.next()
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Now) {
        while let Some(due) = self.deadlines.pop(now.mono) {
            match due {
                Due::Warming(name) => {
                    if let Some(entry) = self.entries.get_mut(&name) {
                        self.store.init_fetch_timeouts += 1;
                        entry.finish_warming();
                        self.settle(&name);
                    }
                }
                Due::Removal(name) => self.drop_cluster(&name),
                Due::Stale(name) => self.clear_endpoints(&name, now),
                Due::Readiness => {}
            }
        }
        self.schedule_readiness(now.mono);
    }

    /// The snapshot to be in force, if it is another than the one taken last. What did not change is the
    /// same object as there.
    pub fn take_snapshot(&mut self) -> Option<Arc<Snapshot>> {
        std::mem::take(&mut self.changed).then(|| {
            Arc::new(Snapshot {
                clusters: self.specs.clone(),
                warming: self.waiting.values().cloned().collect(),
            })
        })
    }

    /// Whether all is there that the agent needs to call itself ready: the first answer about clusters,
    /// and endpoints of those that it brought. It waits for no more than the settings say, and never
    /// becomes false again.
    pub fn is_initialized(&self, now: Now) -> bool {
        self.readiness.is_ready(now.mono)
    }

    /// All resources as they came.
    pub fn resources(&self) -> &ConfigStore {
        &self.store
    }

    fn users_of(&self, service: &str) -> Vec<ClusterName> {
        let users = self.assignments.get(service).map(|assignment| &assignment.users);
        users.into_iter().flatten().cloned().collect()
    }

    /// Brings everything that depends on an entry in line with it.
    fn settle(&mut self, name: &ClusterName) {
        self.resubscribe(name);
        let entry = self.entries.get_mut(name).expect("only known clusters are settled");
        entry.forget_unused_names();

        if let Some(spec) = entry.spec()
            && !self.specs.get(name).is_some_and(|published| published.same(&spec))
        {
            self.specs.insert(name.clone(), spec);
            self.changed = true;
        }
        let waiting = entry.waiting(name);
        if self.waiting.get(name) != waiting.as_ref() {
            match waiting {
                Some(waiting) => drop(self.waiting.insert(name.clone(), waiting)),
                None => drop(self.waiting.remove(name)),
            }
            self.changed = true;
        }
        if entry.warming.is_none() {
            self.store.promote_cluster(name);
            self.readiness.release(name);
        }
        let deadline = entry.warming.as_ref().and_then(entry::Warming::deadline);
        self.deadlines.set(Due::Warming(name.clone()), deadline);
        self.deadlines.set(Due::Removal(name.clone()), entry.removed);
    }

    /// Takes a cluster out of everything.
    fn drop_cluster(&mut self, name: &ClusterName) {
        let Some(entry) = self.entries.get_mut(name) else { return };
        self.names_changed |= !entry.host_names().is_empty();
        entry.clear();
        self.resubscribe(name);
        self.entries.remove(name);
        self.changed |= self.specs.remove(name).is_some();
        self.changed |= self.waiting.remove(name).is_some();
        self.deadlines.set(Due::Warming(name.clone()), None);
        self.deadlines.set(Due::Removal(name.clone()), None);
        self.readiness.release(name);
        self.store.clusters.remove(name);
    }

    /// Enters a cluster for the assignments that it needs now.
    fn resubscribe(&mut self, name: &ClusterName) {
        let Some(entry) = self.entries.get_mut(name) else { return };
        for unused in entry.resubscribe(name, &mut self.assignments) {
            self.store.endpoints.remove(&unused);
            self.deadlines.set(Due::Stale(unused), None);
        }
    }

    fn schedule_readiness(&mut self, now: Instant) {
        self.deadlines.set(Due::Readiness, self.readiness.next_change(now));
    }

    fn is_static(&self, name: &ClusterName) -> bool {
        self.entries.get(name).is_some_and(|entry| entry.origin == Origin::Static)
    }
}
