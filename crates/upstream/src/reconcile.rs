//! Joins the live clusters with a new snapshot. Pure: nothing that lives is touched here; what is to be
//! done about it is in the [`Change`]s.

mod wire;

#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashSet};
use std::mem;
use std::sync::{Arc, Weak};

use destrier_balance::LbState;
use destrier_policy::{Address, ClusterName, ClusterSpec, Snapshot};

use crate::cluster::{Cluster, Clusters, Departed, Joined, Surroundings};

/// What became of the clusters.
pub(crate) struct Reconciled {
    pub(crate) clusters: Clusters,
    pub(crate) changes: Vec<Change>,
}

/// What became of one cluster. A cluster that is not mentioned is the same object as before.
pub(crate) struct Change {
    /// As it was.
    pub(crate) before: Option<Arc<Cluster>>,
    /// As it is.
    pub(crate) after: Option<Arc<Cluster>>,
    /// Hosts whose connections must take no new request: they left, or are reached in another way now.
    pub(crate) retired: Vec<Address>,
    /// Whether hosts came or went.
    pub(crate) membership: Membership,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Membership {
    Same,
    Changed,
}

/// Clusters that are to be built anew though neither policy nor endpoints changed: a step of slow start is
/// due, a host was excluded or included, or the zones of the local cluster are others now.
pub(crate) enum Stale<'a> {
    Some(&'a BTreeSet<ClusterName>),
    All,
}

/// The clusters of `snapshot`. Where policy and endpoints are what they were, so is the cluster, also
/// while it is on its way out or coming back; otherwise, or when it is stale, a new cluster is put around
/// the old state. `random` gives the places where new rotations begin.
pub(crate) fn reconcile(
    live: &Clusters,
    snapshot: Arc<Snapshot>,
    around: &Surroundings,
    stale: &Stale<'_>,
    random: &mut dyn FnMut() -> u64,
) -> Reconciled {
    let mut map = live.map.clone();
    let mut departed = live.departed.clone();
    departed.retain(|_, left| !left.is_over());
    let mut changes = Vec::new();
    for (name, before, after) in differences(&live.snapshot, &snapshot) {
        if before.zip(after).is_some_and(|(before, after)| is_unchanged(before, after)) {
            continue;
        }
        let old = live.map.get(name);
        let new = after.map(|spec| {
            let left = departed.remove(name);
            let joined = joined(spec, old, left.as_ref(), around, random);
            Arc::new(joined.build())
        });
        match (&new, old) {
            (Some(new), _) => {
                map.insert(name.clone(), new.clone());
            }
            (None, Some(old)) => {
                map.remove(name);
                departed.insert(name.clone(), Departed::from(&**old));
            }
            (None, None) => {}
        }
        changes.push(change(old.cloned(), new));
    }
    let names: Vec<&ClusterName> = match stale {
        Stale::Some(names) => names.iter().collect(),
        Stale::All => snapshot.clusters.keys().collect(),
    };
    for name in names {
        let (Some(spec), Some(old)) = (snapshot.clusters.get(name), live.map.get(name)) else {
            continue;
        };
        if map.get(name).is_some_and(|now| !Arc::ptr_eq(now, old)) {
            continue;
        }
        let new = Arc::new(joined(spec, Some(old), None, around, random).build());
        map.insert(name.clone(), new.clone());
        changes.push(change(Some(old.clone()), Some(new)));
    }
    Reconciled { clusters: Clusters { map, snapshot, departed }, changes }
}

/// Lifecycle is not looked at: a cluster on its way out serves as before.
fn is_unchanged(before: &ClusterSpec, after: &ClusterSpec) -> bool {
    let same_policy = Arc::ptr_eq(&before.policy, &after.policy) || before.policy == after.policy;
    same_policy
        && (Arc::ptr_eq(&before.endpoints, &after.endpoints) || before.endpoints == after.endpoints)
}

fn joined<'a>(
    spec: &ClusterSpec,
    old: Option<&'a Arc<Cluster>>,
    departed: Option<&Departed>,
    around: &'a Surroundings,
    random: &mut dyn FnMut() -> u64,
) -> Joined<'a> {
    let (policy, endpoints) = (spec.policy.clone(), spec.endpoints.clone());
    let Some(old) = old else {
        let state = departed.and_then(|left| left.state.upgrade()).unwrap_or_default();
        let hosts = departed.into_iter().flat_map(|left| left.hosts.iter());
        let known =
            hosts.filter_map(Weak::upgrade).map(|state| (state.address().clone(), state)).collect();
        let lb = Arc::new(LbState::new(random()));
        return Joined { policy, endpoints, state, lb, known, before: None, around };
    };
    let same_algorithm = mem::discriminant(&old.policy().lb) == mem::discriminant(&policy.lb);
    let lb = if same_algorithm { old.lb().clone() } else { Arc::new(LbState::new(random())) };
    let (state, known) = (old.state().clone(), old.known_hosts());
    Joined { policy, endpoints, state, lb, known, before: Some(old), around }
}

fn change(before: Option<Arc<Cluster>>, after: Option<Arc<Cluster>>) -> Change {
    let addresses = |cluster: &Option<Arc<Cluster>>| -> HashSet<Address> {
        let hosts = cluster.iter().flat_map(|cluster| cluster.hosts());
        hosts.map(|host| host.address().clone()).collect()
    };
    let (had, has) = (addresses(&before), addresses(&after));
    let membership = if had == has { Membership::Same } else { Membership::Changed };
    let retired = match (&before, &after) {
        (Some(before), Some(after)) => wire::retired(before, after, membership),
        _ => had.into_iter().collect(),
    };
    Change { before, after, retired, membership }
}

impl Departed {
    fn is_over(&self) -> bool {
        self.state.strong_count() == 0 && self.hosts.iter().all(|host| host.strong_count() == 0)
    }
}

impl From<&Cluster> for Departed {
    fn from(cluster: &Cluster) -> Self {
        let hosts = cluster.known_hosts();
        Self {
            state: Arc::downgrade(cluster.state()),
            hosts: hosts.values().map(Arc::downgrade).collect(),
        }
    }
}

/// Clusters by name whose specs are not the same objects. One walk along both maps: what did not change
/// costs no look-up and no comparison of names.
fn differences<'a>(
    before: &'a Snapshot,
    after: &'a Snapshot,
) -> impl Iterator<Item = (&'a ClusterName, Option<&'a ClusterSpec>, Option<&'a ClusterSpec>)> {
    let mut before = before.clusters.iter().peekable();
    let mut after = after.clusters.iter().peekable();
    std::iter::from_fn(move || {
        while let (Some((_, old)), Some((_, new))) = (before.peek(), after.peek())
            && old.same(new)
        {
            before.next();
            after.next();
        }
        let names = before.peek().map(|(name, _)| *name).into_iter();
        let name = names.chain(after.peek().map(|(name, _)| *name)).min()?;
        let old = before.next_if(|(next, _)| *next == name);
        let new = after.next_if(|(next, _)| *next == name);
        Some((name, old.map(|(_, spec)| spec), new.map(|(_, spec)| spec)))
    })
}
