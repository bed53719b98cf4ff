//! One cluster on its way from the control plane into the snapshot.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use destrier_policy::{
    ClusterName, ClusterPolicy, ClusterSpec, Discovery, DnsOptions, EndpointSet, Lifecycle, Origin,
    WarmingCluster,
};

use super::assignments::Assignments;
use super::hosts::{DnsTarget, Resolved, Source, Wanted, dns_options};

/// A cluster that the bootstrap or the control plane wants, or that is kept a while after.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) origin: Origin,
    /// What is in the snapshot.
    pub(super) active: Option<Active>,
    /// The newest version, when its hosts are not known yet; the older one serves meanwhile.
    pub(super) warming: Option<Warming>,
    /// Set once the control plane removed it: when it goes.
    pub(super) removed: Option<Instant>,
    /// What its names resolved to.
    pub(super) resolved: Resolved,
    /// The assignments that it is entered for.
    subscribed: Vec<Arc<str>>,
}

/// A policy, and where its hosts come from.
#[derive(Clone, Debug)]
pub(super) struct Version {
    pub(super) policy: Arc<ClusterPolicy>,
    pub(super) source: Source,
}

/// A version with its hosts.
#[derive(Debug)]
pub(super) struct Active {
    pub(super) version: Version,
    pub(super) endpoints: Arc<EndpointSet>,
}

/// A version without.
#[derive(Debug)]
pub(super) struct Warming {
    pub(super) version: Version,
    /// Since when the cluster waits, over all versions that came meanwhile: a control plane that
    /// changes it again and again must not keep it from going live.
    pub(super) since: Instant,
}

impl Warming {
    /// When it goes live without hosts.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match self.version.policy.discovery {
            Discovery::Eds { initial_fetch_timeout: Some(timeout), .. } => {
                Some(self.since + timeout)
            }
            _ => None,
        }
    }
}

impl Entry {
    pub(super) fn new(origin: Origin) -> Self {
        Self {
            origin,
            active: None,
            warming: None,
            removed: None,
            resolved: Resolved::new(),
            subscribed: Vec::new(),
        }
    }

    /// Takes a new version, which supersedes one that waits. An equal policy stays the object it is.
    pub(super) fn update(
        &mut self,
        policy: ClusterPolicy,
        source: Source,
        assignments: &Assignments,
        now: Instant,
    ) {
        self.removed = None;
        let version = Version { policy: self.same_or_new(policy), source };
        let since = self.warming.take().map_or(now, |warming| warming.since);
        match self.hosts_for(&version, assignments) {
            Some(endpoints) => self.activate(version, endpoints),
            None => self.warming = Some(Warming { version, since }),
        }
    }

    fn same_or_new(&self, policy: ClusterPolicy) -> Arc<ClusterPolicy> {
        let versions = [
            self.active.as_ref().map(|active| &active.version.policy),
            self.warming.as_ref().map(|warming| &warming.version.policy),
        ];
        match versions.into_iter().flatten().find(|held| ***held == policy) {
            Some(held) => held.clone(),
            None => Arc::new(policy),
        }
    }

    /// The hosts of a version, if they are known: what its source says now, else what the serving
    /// version has from the same source. A control plane does not repeat an assignment that it believes
    /// we know (envoy#47302).
    fn hosts_for(&self, version: &Version, assignments: &Assignments) -> Option<Arc<EndpointSet>> {
        let known = version.source.endpoints(&version.policy, assignments, &self.resolved);
        known.or_else(|| {
            let active = self.active.as_ref()?;
            (active.version.source.is_same_origin(&version.source))
                .then(|| active.endpoints.clone())
        })
    }

    fn activate(&mut self, version: Version, endpoints: Arc<EndpointSet>) {
        let endpoints = match &self.active {
            Some(active) if same(&active.endpoints, &endpoints) => active.endpoints.clone(),
            _ => endpoints,
        };
        self.active = Some(Active { version, endpoints });
        self.warming = None;
    }

    /// Something that its sources look at has changed.
    pub(super) fn refresh(&mut self, assignments: &Assignments) {
        if self.removed.is_some() {
            return; // Its hosts are frozen.
        }
        if let Some(warming) = &self.warming
            && let Some(endpoints) = self.hosts_for(&warming.version, assignments)
        {
            let version = warming.version.clone();
            self.activate(version, endpoints);
        } else if let Some(active) = &mut self.active
            && let Some(endpoints) =
                active.version.source.endpoints(&active.version.policy, assignments, &self.resolved)
            && !same(&active.endpoints, &endpoints)
        {
            active.endpoints = endpoints;
        }
    }

    /// Goes live with what is known, however little.
    pub(super) fn finish_warming(&mut self) {
        if let Some(warming) = self.warming.take() {
            self.activate(warming.version, Arc::default());
        }
    }

    /// It is gone.
    pub(super) fn clear(&mut self) {
        (self.active, self.warming) = (None, None);
    }

    /// The control plane removed it, and something still needs it.
    pub(super) fn keep_until(&mut self, until: Instant) {
        self.warming = None;
        self.removed = Some(until);
    }

    fn versions(&self) -> impl Iterator<Item = &Version> {
        let active = self.active.as_ref().map(|active| &active.version);
        let warming = self.warming.as_ref().map(|warming| &warming.version);
        let wanted = self.removed.is_none();
        active.into_iter().chain(warming).filter(move |_| wanted)
    }

    /// Enters itself for the assignments that it needs, and no others. Returns the names that no cluster
    /// needs any more.
    pub(super) fn resubscribe(
        &mut self,
        name: &ClusterName,
        assignments: &mut Assignments,
    ) -> Vec<Arc<str>> {
        let names = self.versions().filter_map(|version| version.source.service_name());
        let after: Vec<Arc<str>> = names.cloned().collect();
        if after == self.subscribed {
            return Vec::new();
        }
        let before = std::mem::replace(&mut self.subscribed, after);
        assignments.resubscribe(name, &before, &self.subscribed)
    }

    /// The names that must be resolved, and how: the newest version says.
    pub(super) fn host_names(&self) -> BTreeMap<&Arc<str>, (&DnsOptions, Wanted)> {
        let versions = self.versions().filter_map(|version| {
            dns_options(&version.policy).map(|options| (version.source.host_names(), options))
        });
        versions.flat_map(|(hosts, options)| hosts.map(move |host| (host, options))).collect()
    }

    /// A name has these addresses now. Servers rotate them from answer to answer: where each is used,
    /// another order of the same is no change.
    pub(super) fn resolve(&mut self, target: &DnsTarget, addresses: Vec<IpAddr>) {
        let known = self.resolved.entry(target.host.clone()).or_default();
        let is_same = target.wanted == Wanted::Each
            && known.len() == addresses.len()
            && addresses.iter().all(|address| known.contains(address));
        if !is_same {
            *known = addresses;
        }
    }

    /// Drops the addresses of names that are no longer of interest.
    pub(super) fn forget_unused_names(&mut self) {
        if self.removed.is_some() || self.resolved.is_empty() {
            return;
        }
        let names: BTreeSet<Arc<str>> = self.host_names().into_keys().cloned().collect();
        self.resolved.retain(|host, _| names.contains(host));
    }

    /// As it stands in the snapshot.
    pub(super) fn spec(&self) -> Option<ClusterSpec> {
        let active = self.active.as_ref()?;
        Some(ClusterSpec {
            policy: active.version.policy.clone(),
            endpoints: active.endpoints.clone(),
            lifecycle: match self.removed {
                Some(until) => Lifecycle::Removed { until },
                None => Lifecycle::Active,
            },
        })
    }

    /// As it stands among those that take no request yet.
    pub(super) fn waiting(&self, name: &ClusterName) -> Option<WarmingCluster> {
        let warming = self.warming.as_ref().filter(|_| self.active.is_none())?;
        Some(WarmingCluster {
            name: name.clone(),
            since: warming.since,
            waits_for: warming.version.source.waits_for(&self.resolved),
        })
    }
}

/// Whether both hold the same endpoints; comparing an object with itself takes no time.
fn same(one: &Arc<EndpointSet>, other: &Arc<EndpointSet>) -> bool {
    Arc::ptr_eq(one, other) || one == other
}
