//! A host of a cluster: what the control plane says about it, and the state that outlives that.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

use destrier_balance::{Candidate, Health};
use destrier_policy::{Address, HealthStatus, Locality};

use crate::HostStats;

/// An endpoint as it stands in one [`crate::Cluster`]: a value, made anew with the cluster.
#[derive(Debug)]
pub struct Host {
    pub(crate) state: Arc<HostState>,
    pub(crate) hostname: Arc<str>,
    pub(crate) locality: Locality,
    pub(crate) weight: u32,
    pub(crate) priority: u32,
    pub(crate) health: HealthStatus,
    pub(crate) standing: Standing,
}

/// Whether a host gets requests, and why not. As it was when the cluster was built: an exclusion since is
/// in [`HostState::is_eligible`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// It is picked from.
    InUse,
    /// It is picked from although its health forbids it: too few hosts are healthy (panic).
    InPanic,
    /// It could be, but hosts of more preferred priorities suffice.
    Standby,
    /// It is degraded, and healthy hosts suffice.
    DegradedStandby,
    /// Others of its priority are picked from: its locality has no weight, requests stay in another
    /// zone, or it has no entry in the hash table.
    Unreached,
    /// Its EDS health is UNHEALTHY or TIMEOUT.
    Unhealthy,
    /// Its EDS health is DRAINING.
    Draining,
    /// It was excluded for the moment (an ejection).
    Excluded,
    /// It is to be reached through a transport socket that is not in force. Never in plain text instead.
    TransportNotInForce,
}

impl Standing {
    /// Whether it gets requests.
    pub fn is_in_use(self) -> bool {
        matches!(self, Self::InUse | Self::InPanic)
    }

    /// Whether a host of this EDS health counted as healthy when its cluster was built.
    pub(crate) fn was_healthy(self, eds: HealthStatus) -> bool {
        let healthy = matches!(eds, HealthStatus::Unknown | HealthStatus::Healthy);
        healthy && matches!(self, Self::InUse | Self::Standby | Self::Unreached)
    }
}

impl Host {
    /// Where it is: its identity within the cluster.
    pub fn address(&self) -> &Address {
        self.state.address()
    }

    /// Counts and eligibility: what a request holds on to.
    pub fn state(&self) -> &Arc<HostState> {
        &self.state
    }

    /// `endpoint.hostname`; may be empty.
    pub fn hostname(&self) -> &str {
        &self.hostname
    }

    /// Where it is, in the words of the control plane.
    pub fn locality(&self) -> &Locality {
        &self.locality
    }

    /// `load_balancing_weight`.
    pub fn weight(&self) -> u32 {
        self.weight
    }

    /// 0 is the most preferred.
    pub fn priority(&self) -> u32 {
        self.priority
    }

    /// As EDS sees it.
    pub fn health(&self) -> HealthStatus {
        self.health
    }

    /// Whether it gets requests.
    pub fn standing(&self) -> Standing {
        self.standing
    }

    /// How balancing counts it at this moment.
    pub(crate) fn class(&self) -> Health {
        match self.standing {
            Standing::TransportNotInForce => Health::Barred,
            _ if !self.state.is_eligible() && self.health.is_usable() => Health::Unhealthy,
            _ => self.health.into(),
        }
    }
}

impl Candidate for Host {
    fn address(&self) -> &Address {
        self.state.address()
    }

    fn active_requests(&self) -> u32 {
        self.state.active_requests()
    }

    fn is_eligible(&self) -> bool {
        self.state.is_eligible()
    }

    fn status(&self) -> Option<HealthStatus> {
        match self.standing {
            Standing::TransportNotInForce => None,
            _ if !self.is_eligible() => Some(HealthStatus::Unhealthy),
            _ => Some(self.health),
        }
    }
}

/// What is kept about a host by (cluster, address): across changes of policy, weight, health and order,
/// and after the host has left until its last request is done.
#[derive(Debug)]
pub struct HostState {
    load: Load,
    address: Address,
    /// Made with the first request: a host without traffic costs nothing here.
    stats: OnceLock<Box<HostStats>>,
}

/// What a pick reads of a host, in one word and so in one cache line.
#[derive(Debug)]
#[repr(align(8))]
struct Load {
    active: AtomicU32,
    eligible: AtomicBool,
}

impl HostState {
    pub(crate) fn new(address: Address) -> Self {
        let load = Load { active: AtomicU32::new(0), eligible: AtomicBool::new(true) };
        Self { load, address, stats: OnceLock::new() }
    }

    /// The host's identity.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Requests in flight from the whole process, those that wait for a connection included.
    pub fn active_requests(&self) -> u32 {
        self.load.active.load(Ordering::Relaxed)
    }

    /// Counts a request until the answer is dropped. Taken right after the pick, so that the next pick
    /// sees it.
    pub fn begin_request(self: &Arc<Self>) -> ActiveRequest {
        self.load.active.fetch_add(1, Ordering::Relaxed);
        ActiveRequest { host: self.clone() }
    }

    /// Whether it may be picked.
    pub fn is_eligible(&self) -> bool {
        self.load.eligible.load(Ordering::Relaxed)
    }

    /// From the next pick on it gets nothing, in every cluster value that holds it.
    pub fn exclude(&self) {
        self.load.eligible.store(false, Ordering::Relaxed);
    }

    /// It may be picked again.
    pub fn include(&self) {
        self.load.eligible.store(true, Ordering::Relaxed);
    }

    /// Its statistics, to count into.
    pub fn stats(&self) -> &HostStats {
        self.stats.get_or_init(Box::default)
    }

    /// Its statistics if anything was counted, to read.
    pub fn stats_if_used(&self) -> Option<&HostStats> {
        self.stats.get().map(|stats| &**stats)
    }
}

/// A request that counts as active on its host.
#[derive(Debug)]
pub struct ActiveRequest {
    host: Arc<HostState>,
}

impl ActiveRequest {
    /// The host.
    pub fn host(&self) -> &Arc<HostState> {
        &self.host
    }
}

impl Drop for ActiveRequest {
    fn drop(&mut self) {
        self.host.load.active.fetch_sub(1, Ordering::Relaxed);
    }
}
