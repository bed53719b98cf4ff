//! Hosts that are picked from together.

use destrier_policy::LbPolicy;

use crate::candidate::{Members, Strictness, View};
use crate::least_request::{LeastRequest, any_eligible};
use crate::rotation::Rotation;
use crate::state::{Cursor, Turn};
use crate::weights::Weight;
use crate::{Candidate, LbState};

/// Hosts and the algorithm that chooses among them.
#[derive(Debug)]
pub(crate) struct List {
    members: Members,
    algorithm: Algorithm,
    strictness: Strictness,
    cursor: Cursor,
}

#[derive(Debug)]
enum Algorithm {
    RoundRobin(Rotation),
    LeastRequest(LeastRequest),
    Random,
}

impl List {
    /// Of the hosts at these indices, with a weight each.
    pub(crate) fn new(
        policy: &LbPolicy,
        members: Vec<u32>,
        weights: &[Weight],
        strictness: Strictness,
        state: &LbState,
        turn: &Turn<'_>,
    ) -> Self {
        let cursor = state.cursor(turn);
        let position = cursor.position(state);
        let algorithm = match policy {
            LbPolicy::RoundRobin { .. } => Algorithm::RoundRobin(Rotation::new(weights, position)),
            LbPolicy::LeastRequest { choice_count, active_request_bias, selection, .. } => {
                Algorithm::LeastRequest(LeastRequest::new(
                    *choice_count,
                    *active_request_bias,
                    *selection,
                    weights,
                    position,
                ))
            }
            // Hash policies come here when there is no table.
            LbPolicy::Random
            | LbPolicy::RingHash { .. }
            | LbPolicy::Maglev { .. }
            | LbPolicy::ClusterProvided => Algorithm::Random,
        };
        Self { members: Members::new(members), algorithm, strictness, cursor }
    }

    /// Index of the chosen host among all of the cluster.
    pub(crate) fn pick(
        &self,
        state: &LbState,
        hosts: &[impl Candidate],
        random: u64,
    ) -> Option<usize> {
        let view = View { hosts, members: &self.members, strictness: self.strictness };
        let place = match &self.algorithm {
            Algorithm::RoundRobin(rotation) => {
                let position = self.cursor.advance(state);
                rotation.pick(position, view.len(), |place| view.is_eligible(place))
            }
            Algorithm::LeastRequest(least) => least.pick(&view, random, || {
                self.cursor.advance(state);
            }),
            Algorithm::Random => any_eligible(&view, random),
        }?;
        Some(self.members.get(place))
    }

    /// Calls `add(host, share)` with the part of this list's picks that each host is to get.
    pub(crate) fn shares(&self, add: &mut dyn FnMut(usize, f64)) {
        let count = self.members.len();
        let shares = match &self.algorithm {
            Algorithm::RoundRobin(rotation) => rotation.shares(count),
            Algorithm::LeastRequest(least) => least.shares(count),
            Algorithm::Random => vec![1.0 / count as f64; count],
        };
        for (host, share) in self.members.iter().zip(shares) {
            add(host, share);
        }
    }
}
