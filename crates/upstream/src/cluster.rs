//! A live cluster: one policy, one state, one list of hosts, replaced whole.

mod balancing;
mod build;
mod clusters;
mod named;
mod state;

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Instant;

use destrier_balance::{Balancer, Health, LbState, Preference, slow_start_factor};
use destrier_policy::{
    Address, ClusterName, ClusterPolicy, Discovery, DropOverload, EndpointSet, LbPolicy,
    RoutingPriority,
};

use crate::{Caller, Host, HostState, Limit, StatValue, StatVisitor};

pub use clusters::{Clusters, Directory};
pub use state::ClusterState;

pub(crate) use build::{Joined, Surroundings};
pub(crate) use clusters::Departed;
pub(crate) use named::named_host;

/// What a request holds for its life. Immutable: a change makes another one around the same
/// [`ClusterState`].
#[derive(Debug)]
pub struct Cluster {
    policy: Arc<ClusterPolicy>,
    endpoints: Arc<EndpointSet>,
    state: Arc<ClusterState>,
    /// In the order of the assignment.
    hosts: Box<[Host]>,
    balancer: Balancer,
    lb: Arc<LbState>,
    /// With slow start: since when each host has been healthy; `None` when that is long ago.
    healthy_since: Box<[Option<Instant>]>,
    /// Hosts that left while requests may be active on them: if one comes back, so does its state.
    departed: Box<[Weak<HostState>]>,
}

/// Why there is no host for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoHost {
    /// There are no endpoints.
    Empty,
    /// None is healthy enough.
    Unhealthy,
    /// Too few are healthy, and `fail_traffic_on_panic` is set.
    Panic,
    /// No subset of hosts fits the request, or the one that does has no host to give.
    Subset,
    /// Each that is healthy is behind a transport socket that is not in force.
    TransportNotInForce,
    /// The cluster is ORIGINAL_DST, and it is not known where the client wanted to go.
    OriginalDst,
    /// All that could be used are excluded for the moment.
    Excluded,
}

impl fmt::Display for NoHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "there are no endpoints",
            Self::Unhealthy => "no endpoint is healthy",
            Self::Panic => "too few endpoints are healthy, and fail_traffic_on_panic is set",
            Self::Subset => "no subset has a host for the request",
            Self::TransportNotInForce => {
                "every healthy endpoint is behind a transport socket that is not in force"
            }
            Self::OriginalDst => "it is not known where the client wanted to go",
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

    /// Every host, in the order of the assignment.
    pub fn hosts(&self) -> &[Host] {
        &self.hosts
    }

    /// The hosts that are picked from.
    pub fn hosts_in_use(&self) -> impl Iterator<Item = &Host> {
        self.hosts.iter().filter(|host| host.standing.is_in_use())
    }

    /// What picks among them: loads, shares, tables.
    pub fn balancer(&self) -> &Balancer {
        &self.balancer
    }

    /// The weight of the host at this place in [`Self::hosts`], lowered while it is in slow start.
    pub fn effective_weight(&self, at: usize, now: Instant) -> f64 {
        let weight = self.hosts.get(at).map_or(0.0, |host| host.weight.into());
        let since = self.healthy_since.get(at).copied().flatten();
        let age = since.map(|since| now.saturating_duration_since(since));
        age.map_or(weight, |age| weight * slow_start_factor(&self.policy.lb, age))
    }

    /// Envoy's name of the algorithm that really picks.
    pub fn lb_in_force(&self) -> &'static str {
        let levels = self.balancer.levels();
        let tables: Vec<_> = levels.iter().filter_map(|level| level.table.as_ref()).collect();
        match &self.policy.lb {
            LbPolicy::RingHash { .. } | LbPolicy::Maglev { .. }
                if tables.iter().any(|table| table.stats.is_none()) =>
            {
                "RANDOM"
            }
            policy => policy.name(),
        }
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
    pub fn pick(&self, preference: Preference<'_>, random: u64) -> Result<&Host, NoHost> {
        let active = || self.state.stats().upstream_rq_active.get();
        let picked = self.balancer.pick(&self.lb, &self.hosts, preference, random, active);
        picked.and_then(|index| self.hosts.get(index)).ok_or_else(|| self.no_host())
    }

    /// Why this cluster takes no request at all, for the admin port; `None` when it does.
    pub fn unusable_reason(&self) -> Option<String> {
        let is_on_demand = matches!(self.policy.discovery, Discovery::OriginalDst(_))
            && self.policy.transport.is_in_force();
        let is_usable = self.policy.subsets.is_none() && self.hosts_in_use().next().is_some();
        if is_usable || is_on_demand {
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
        let count = |wanted: Health| {
            let matching = self.hosts.iter().filter(|host| host.class() == wanted);
            StatValue::Gauge(matching.count() as u64)
        };
        visit("membership_total", StatValue::Gauge(self.hosts.len() as u64));
        visit("membership_healthy", count(Health::Healthy));
        visit("membership_degraded", count(Health::Degraded));
        visit("membership_excluded", count(Health::Excluded));
        balancing::visit(self, visit);
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
