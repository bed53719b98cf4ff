//! A live cluster: one policy, one state, one host set, replaced whole.

use std::collections::HashMap;
use std::sync::Arc;

use destrier_policy::{Address, ClusterName, ClusterPolicy};

/// All clusters in force.
#[derive(Default)]
pub struct Clusters {
    /// By name.
    pub map: HashMap<ClusterName, Arc<Cluster>>,
}

/// What a request holds for its life.
pub struct Cluster {
    policy: Arc<ClusterPolicy>,
    state: Arc<ClusterState>,
    // hosts: all of them for admin; the usable ones, dense, for the picker; why there is none
}

impl Cluster {
    /// The policy in force.
    pub fn policy(&self) -> &Arc<ClusterPolicy> {
        &self.policy
    }
    /// The state that outlives it.
    pub fn state(&self) -> &Arc<ClusterState> {
        &self.state
    }
}

/// Breakers, pools, statistics, balancing position, host states: keyed by cluster name, kept across every
/// update.
#[derive(Default)]
pub struct ClusterState {}

/// An endpoint with its state.
pub struct Host {
    /// Identity.
    pub address: Address,
}

/// Active requests, counters, eligibility: keyed by (cluster, address).
#[derive(Default)]
pub struct HostState {}
