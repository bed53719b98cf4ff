//! What outlives every policy of a cluster.

use std::sync::OnceLock;

use destrier_policy::ClusterPolicy;

use crate::original_dst::OnDemand;
use crate::pool::Pools;
use crate::{Breakers, ClusterStats, Counter, StatValue, StatVisitor};

/// Breakers, pools and statistics: kept by the cluster's name across every update, and after the
/// cluster is gone until its last permit is dropped.
#[derive(Debug, Default)]
pub struct ClusterState {
    breakers: Breakers,
    pools: Pools,
    membership_change: Counter,
    /// Made with the first request: a cluster without traffic costs nothing here.
    stats: OnceLock<Box<ClusterStats>>,
    /// Of ORIGINAL_DST alone.
    on_demand: OnceLock<Box<OnDemand>>,
}

impl ClusterState {
    /// The limits and what counts against them.
    pub fn breakers(&self) -> &Breakers {
        &self.breakers
    }

    /// Connections.
    pub(crate) fn pools(&self) -> &Pools {
        &self.pools
    }

    /// The statistics, to count into.
    pub fn stats(&self) -> &ClusterStats {
        self.stats.get_or_init(Box::default)
    }

    /// The hosts that clients asked for (ORIGINAL_DST).
    pub(crate) fn on_demand(&self) -> &OnDemand {
        self.on_demand.get_or_init(Box::default)
    }

    /// Drops hosts that nobody asks for any more. Whether there were any.
    pub(crate) fn sweep_on_demand(&self) -> bool {
        self.on_demand.get().is_some_and(|hosts| hosts.sweep(|host| self.pools.holds(host)))
    }

    /// Takes over the limits and timeouts of a policy.
    pub(crate) fn enforce(&self, policy: &ClusterPolicy) {
        self.breakers.set_limits(&policy.circuit_breakers);
        self.pools.set_timeouts(policy);
    }

    /// Hosts came or went.
    pub(crate) fn count_membership_change(&self) {
        self.membership_change.inc();
    }

    /// Sets every counter to zero; limits, pools and gauges stay as they are.
    pub fn reset_counters(&self) {
        if let Some(stats) = self.stats.get() {
            stats.reset_counters();
        }
        self.membership_change.reset();
    }

    pub(super) fn visit_stats(&self, visit: &mut StatVisitor<'_>) {
        match self.stats.get() {
            Some(stats) => stats.visit(visit),
            None => ClusterStats::default().visit(visit),
        }
        visit("membership_change", StatValue::Counter(self.membership_change.get()));
    }
}
