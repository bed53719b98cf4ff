//! Connections to hosts: kept, shared and waited for.

use destrier_policy::{Address, ClusterPolicy};

/// The pools of a cluster. State: outlives every policy.
#[derive(Debug, Default)]
pub struct Pools {}

impl Pools {
    /// The timeouts in force, for connections that nobody uses. To be called at each publish.
    pub fn set_timeouts(&self, _policy: &ClusterPolicy) {}

    /// Closes the idle connections to these hosts, which are gone or whose transport changed; the busy
    /// ones finish and take no new request.
    pub fn retire(&self, _hosts: &[Address]) {}
}
