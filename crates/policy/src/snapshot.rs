//! All clusters at one moment.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use crate::{ClusterName, ClusterPolicy, EndpointSet};

/// What is to be in force: every cluster that is ready for requests, with its endpoints. Replaced whole;
/// parts that did not change are the same `Arc`s as before.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// By name.
    pub clusters: BTreeMap<ClusterName, ClusterSpec>,
    /// Clusters that wait for their endpoints and take no request yet.
    pub warming: Vec<WarmingCluster>,
}

/// One cluster of a snapshot.
#[derive(Clone, Debug, PartialEq)]
pub struct ClusterSpec {
    /// How to talk to it.
    pub policy: Arc<ClusterPolicy>,
    /// To whom.
    pub endpoints: Arc<EndpointSet>,
    /// Whether it is on its way out.
    pub lifecycle: Lifecycle,
}

impl ClusterSpec {
    /// Whether both are the same objects, lifecycle included: then nothing has to be done.
    pub fn same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.policy, &other.policy)
            && Arc::ptr_eq(&self.endpoints, &other.endpoints)
            && self.lifecycle == other.lifecycle
    }
}

/// Where a cluster is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lifecycle {
    /// In force.
    Active,
    /// Removed by the control plane, but a route still names it: it serves with its hosts frozen until
    /// the deadline, or until it comes back.
    Removed {
        /// When it goes.
        until: Instant,
    },
}

/// A cluster that is known but not ready.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WarmingCluster {
    /// Its name.
    pub name: ClusterName,
    /// Since when it waits.
    pub since: Instant,
    /// What it waits for, in words: `EDS outbound|80||web`, `DNS example.com`.
    pub waits_for: String,
}
