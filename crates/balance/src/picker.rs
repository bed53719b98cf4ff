//! The face of this crate.

use std::sync::atomic::{AtomicU64, Ordering};

use destrier_policy::{Address, LbPolicy, MetadataMatch};

use crate::least_request::LeastRequest;
use crate::rotation::{Rotation, any_eligible};

/// What a pick looks at in a host.
pub trait Candidate {
    /// Requests in flight from the whole process, those that wait for a connection included.
    fn active_requests(&self) -> u32;

    /// Whether it may be picked. The list holds usable hosts only; this is for a host that ceased to be
    /// one (an ejection) before the list is made anew.
    fn is_eligible(&self) -> bool;
}

/// What a request wants of the host that it gets. The default wants nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Preference<'a> {
    /// Of the hash policies; `None` when none gave a hash.
    pub hash: Option<u64>,
    /// The subset (`lb_subset_config`) that the route asks for.
    pub metadata: Option<&'a MetadataMatch>,
    /// A host named by address (`override_host`): taken when it is there and its status allows it.
    pub host: Option<&'a Address>,
}

/// What outlives a [`Picker`]: how many picks of the rotation were made. Shared by all workers; kept
/// across every change of hosts and policy, replaced when the algorithm changes.
#[derive(Debug)]
pub struct LbState {
    position: AtomicU64,
}

impl LbState {
    /// A rotation that begins at a place chosen by the random `seed`, so that a fleet of agents does
    /// not begin with the same host.
    pub fn new(seed: u64) -> Self {
        // Far from the end of the range, where counting on would break the order.
        Self { position: AtomicU64::new(seed >> 16) }
    }

    pub(crate) fn position(&self) -> u64 {
        self.position.load(Ordering::Relaxed)
    }

    /// Takes the next place.
    pub(crate) fn advance(&self) -> u64 {
        self.position.fetch_add(1, Ordering::Relaxed)
    }
}

/// Chooses among the usable hosts of a cluster. Immutable; made anew when the hosts, their weights or
/// the policy change.
#[derive(Debug)]
pub struct Picker {
    algorithm: Algorithm,
}

#[derive(Debug)]
enum Algorithm {
    RoundRobin(Rotation),
    LeastRequest(LeastRequest),
    Random,
}

impl Picker {
    /// For hosts with these weights, in this order. A weight of 0 counts as 1.
    ///
    /// Ring hash and Maglev are not in force: they pick at random (see [`Picker::in_force_name`]).
    /// Neither is slow start.
    pub fn new(policy: &LbPolicy, weights: &[u32], state: &LbState) -> Self {
        let algorithm = match policy {
            LbPolicy::RoundRobin { slow_start: _ } => {
                Algorithm::RoundRobin(Rotation::new(weights, state))
            }
            LbPolicy::LeastRequest {
                choice_count,
                active_request_bias,
                selection,
                slow_start: _,
            } => Algorithm::LeastRequest(LeastRequest::new(
                *choice_count,
                *active_request_bias,
                *selection,
                weights,
                state,
            )),
            LbPolicy::Random
            | LbPolicy::RingHash { .. }
            | LbPolicy::Maglev { .. }
            | LbPolicy::ClusterProvided => Algorithm::Random,
        };
        Self { algorithm }
    }

    /// Index of the chosen host, or `None` when no host is eligible. `hosts` are those the picker was
    /// made for; `random` is uniform.
    pub fn pick(&self, state: &LbState, hosts: &[impl Candidate], random: u64) -> Option<usize> {
        match &self.algorithm {
            Algorithm::RoundRobin(rotation) => rotation.pick(state, hosts, random),
            Algorithm::LeastRequest(least) => least.pick(state, hosts, random),
            Algorithm::Random => any_eligible(hosts, random),
        }
    }

    /// Envoy's name of the algorithm that really picks: not the policy's for ring hash and Maglev.
    pub fn in_force_name(&self) -> &'static str {
        match self.algorithm {
            Algorithm::RoundRobin(_) => "ROUND_ROBIN",
            Algorithm::LeastRequest(_) => "LEAST_REQUEST",
            Algorithm::Random => "RANDOM",
        }
    }
}
