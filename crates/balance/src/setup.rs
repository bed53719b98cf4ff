//! What a balancer is built from.

use std::sync::Arc;
use std::time::Duration;

use destrier_policy::{
    Address, CommonLb, HealthStatus, LbPolicy, Locality, Metadata, SubsetPolicy,
};

use crate::{Balancer, LbState, LocalCluster, TableBudget};

/// How a host counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Health {
    /// It gets requests.
    Healthy,
    /// It gets requests when the healthy hosts do not suffice.
    Degraded,
    /// It gets requests in panic only.
    Unhealthy,
    /// As unhealthy, and it does not count when the health of its priority is worked out: DRAINING.
    Excluded,
    /// It never gets a request and counts nowhere, as if it were not there.
    Barred,
}

impl From<HealthStatus> for Health {
    /// Of a status that EDS gave.
    fn from(status: HealthStatus) -> Self {
        match status {
            HealthStatus::Unknown | HealthStatus::Healthy => Self::Healthy,
            HealthStatus::Degraded => Self::Degraded,
            HealthStatus::Unhealthy | HealthStatus::Timeout => Self::Unhealthy,
            HealthStatus::Draining => Self::Excluded,
        }
    }
}

/// A host as the balancer is told of it.
#[derive(Clone, Copy, Debug)]
pub struct Member<'a> {
    /// Where it is.
    pub address: &'a Address,
    /// `endpoint.hostname`, or empty.
    pub hostname: &'a str,
    /// `lb_endpoint.metadata`.
    pub metadata: &'a Metadata,
    /// Where it is, in the words of the control plane.
    pub locality: &'a Locality,
    /// `load_balancing_weight` of the locality in its priority; 0 when unset.
    pub locality_weight: u32,
    /// 0 is the most preferred.
    pub priority: u32,
    /// `load_balancing_weight`; 0 counts as 1.
    pub weight: u32,
    /// How it counts.
    pub health: Health,
    /// For how long it has been there and healthy, for slow start; `None` when it is not new.
    pub age: Option<Duration>,
}

/// All that a balancer is built from.
#[derive(Clone, Copy, Debug)]
pub struct Setup<'a> {
    /// The algorithm.
    pub policy: &'a LbPolicy,
    /// What holds for every algorithm.
    pub common: &'a CommonLb,
    /// `lb_subset_config`.
    pub subsets: Option<&'a SubsetPolicy>,
    /// `overprovisioning_factor`, percent.
    pub overprovisioning_factor: u32,
    /// `weighted_priority_health`.
    pub weighted_priority_health: bool,
    /// Every host. Picks give indices of this list.
    pub members: &'a [Member<'a>],
    /// The zone that this proxy is in (`node.locality`).
    pub own: &'a Locality,
    /// The cluster of which it is a member, if that is known.
    pub local: Option<&'a LocalCluster>,
    /// What outlives the balancer.
    pub state: &'a LbState,
    /// What this one replaces: its tables go on where their inputs are the same.
    pub before: Option<Before<'a>>,
    /// Of the memory that hash tables take.
    pub budget: &'a Arc<TableBudget>,
}

/// A balancer that is replaced.
#[derive(Clone, Copy, Debug)]
pub struct Before<'a> {
    /// The balancer.
    pub balancer: &'a Balancer,
    /// The addresses of the hosts that it was made for, in their order.
    pub addresses: &'a [&'a Address],
}
