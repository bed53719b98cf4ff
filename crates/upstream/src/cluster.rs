//! A live cluster: one policy, one state, one list of hosts, replaced whole.

mod build;
mod clusters;
mod state;

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::{Arc, Weak};

use destrier_balance::{LbState, Picker, Preference};
use destrier_policy::{
    Address, ClusterName, ClusterPolicy, DropOverload, EndpointSet, HealthStatus, RoutingPriority,
};

use crate::{Caller, Host, HostState, Limit, StatValue, StatVisitor};

pub use clusters::{Clusters, Directory};
pub use state::ClusterState;

pub(crate) use build::Joined;
pub(crate) use clusters::Departed;

/// What a request holds for its life. Immutable: a change makes another one around the same
/// [`ClusterState`].
#[derive(Debug)]
pub struct Cluster {
    policy: Arc<ClusterPolicy>,
    endpoints: Arc<EndpointSet>,
    state: Arc<ClusterState>,
    /// Those in use first, dense for the picker.
    hosts: Box<[Host]>,
    in_use: usize,
    picker: Picker,
    lb: Arc<LbState>,
    /// Hosts that left while requests may be active on them: if one comes back, so does its state.
    departed: Box<[Weak<HostState>]>,
}

/// Why there is no host for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoHost {
    /// There are no endpoints.
    Empty,
    /// None has a usable EDS health.
    Unhealthy,
    /// Each that is healthy is behind a transport socket that is not in force.
    TransportNotInForce,
    /// The cluster is ORIGINAL_DST, which is not in force.
    OriginalDst,
    /// All that could be used are excluded for the moment.
    Excluded,
}

impl fmt::Display for NoHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "there are no endpoints",
            Self::Unhealthy => "no endpoint is healthy",
            Self::TransportNotInForce => {
                "every healthy endpoint is behind a transport socket that is not in force"
            }
            Self::OriginalDst => "ORIGINAL_DST is not in force",
            Self::Excluded => "every usable host is excluded for the moment",
        })
    }
}

impl Cluster {
    /// Its name.
    pub fn name(&self) -> &ClusterName {
        &self.policy.name
    }

    /// The policy in force.
    pub fn policy(&self) -> &Arc<ClusterPolicy> {
        &self.policy
    }

    /// The endpoints as they were published.
    pub fn endpoints(&self) -> &Arc<EndpointSet> {
        &self.endpoints
    }

    /// The state that outlives it.
    pub fn state(&self) -> &Arc<ClusterState> {
        &self.state
    }

    /// Every host: those in use first, then the others by the reason why they are not; within each
    /// group in the order of the assignment.
    pub fn hosts(&self) -> &[Host] {
        &self.hosts
    }

    /// The hosts that are picked from: the usable ones of the lowest-numbered priority that has any. A
    /// degraded host counts as usable like a healthy one.
    pub fn hosts_in_use(&self) -> &[Host] {
        &self.hosts[..self.in_use]
    }

    /// Envoy's name of the algorithm that really picks.
    pub fn lb_in_force(&self) -> &'static str {
        self.picker.in_force_name()
    }

    /// The share of requests that EDS wants dropped.
    pub fn drop_overload(&self) -> Option<&DropOverload> {
        self.endpoints.drop_overload.as_ref()
    }

    /// Chooses the host for a request that wants `preference`; `random` is uniform. Counts nothing: the caller begins the
    /// request on the host ([`HostState::begin_request`]), or charges `upstream_cx_none_healthy`.
    ///
    /// # Errors
    /// Why there is none.
    pub fn pick(&self, _preference: Preference<'_>, random: u64) -> Result<&Host, NoHost> {
        let hosts = self.hosts_in_use();
        let picked = self.picker.pick(&self.lb, hosts, random);
        picked.and_then(|index| hosts.get(index)).ok_or_else(|| self.no_host())
    }

    /// Why this cluster takes no request at all, for the admin port; `None` when it does.
    pub fn unusable_reason(&self) -> Option<String> {
        if self.in_use > 0 {
            return None;
        }
        let reason = self.no_host();
        Some(match self.transports_not_in_force() {
            urls if reason == NoHost::TransportNotInForce => format!("{reason}: {urls}"),
            _ => reason.to_string(),
        })
    }

    /// Calls `visit(name, value)` for each statistic that is kept, its name without the cluster's
    /// prefix: those counted, and those that follow from the hosts.
    pub fn visit_stats(&self, visit: &mut StatVisitor<'_>) {
        self.state.visit_stats(visit);
        self.visit_breakers(visit);
        let count = |wanted: &[HealthStatus]| {
            let matching = self.hosts.iter().filter(|host| wanted.contains(&host.health));
            StatValue::Gauge(matching.count() as u64)
        };
        visit("membership_total", StatValue::Gauge(self.hosts.len() as u64));
        visit("membership_healthy", count(&[HealthStatus::Unknown, HealthStatus::Healthy]));
        visit("membership_degraded", count(&[HealthStatus::Degraded]));
        visit("membership_excluded", count(&[HealthStatus::Draining]));
        let heaviest = self.hosts.iter().map(|host| host.weight).max().unwrap_or(0);
        visit("max_host_weight", StatValue::Gauge(u64::from(heaviest)));
    }

    /// Counts that a route's time ran out before the head of the answer: `upstream_rq_timeout`, and the
    /// 504 that is answered for it, also against the host that was tried.
    pub fn record_response_timeout(&self, host: Option<&Address>, caller: Caller) {
        let stats = self.state.stats();
        stats.upstream_rq_timeout.inc();
        stats.record_code(504, caller);
        let tried = self.hosts.iter().find(|one| Some(one.address()) == host);
        if let Some(tried) = tried.map(|host| host.state().stats()) {
            tried.rq_timeout.inc();
            tried.rq_error.inc();
        }
    }

    /// `circuit_breakers.<priority>.<limit>_open`, and `remaining_<limit>` where the policy tracks it.
    fn visit_breakers(&self, visit: &mut StatVisitor<'_>) {
        let limits = [
            (Limit::Connections, "cx_open", "cx"),
            (Limit::Pending, "rq_pending_open", "pending"),
            (Limit::Requests, "rq_open", "rq"),
        ];
        for (priority, set) in RoutingPriority::ALL.into_iter().zip(["default", "high"]) {
            let track = self.policy.circuit_breakers.of(priority).track_remaining;
            for (limit, open, remaining) in limits {
                let usage = self.state.breakers().usage(priority, limit);
                let is_open = StatValue::Gauge(u64::from(usage.used >= usage.limit));
                visit(&format!("circuit_breakers.{set}.{open}"), is_open);
                if track {
                    let left = StatValue::Gauge(u64::from(usage.limit.saturating_sub(usage.used)));
                    visit(&format!("circuit_breakers.{set}.remaining_{remaining}"), left);
                }
            }
        }
    }
}
