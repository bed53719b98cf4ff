//! Round robin: one order for the whole process, weighted by earliest deadline first.

use std::sync::{Mutex, PoisonError};

use crate::draws::Draws;
use crate::edf::{Edf, Turn, exact_schedule, reduce};
use crate::{Candidate, LbState};

/// Up to so many picks a cycle is kept as a table: 8 KiB at most.
const LONGEST_TABLE: u64 = 4096;

/// The order of round robin. Every form is exact: in each full cycle a host has as many picks as its
/// weight, the weights reduced by what they have in common.
#[derive(Debug)]
pub(crate) enum Rotation {
    /// Equal weights: the hosts in order.
    Even,
    /// A full cycle, host by host.
    Table(Box<[u16]>),
    /// A cycle too long for a table. The lock is held for one step of a heap.
    Schedule(Box<Mutex<Edf<Turn>>>),
}

impl Rotation {
    pub(crate) fn new(weights: &[u32], state: &LbState) -> Self {
        let weights = reduce(weights);
        if weights.iter().all(|&weight| weight == 1) {
            return Self::Even;
        }
        let total: u64 = weights.iter().copied().map(u64::from).sum();
        if total > LONGEST_TABLE {
            let schedule = exact_schedule(&weights, state.position());
            return Self::Schedule(Box::new(Mutex::new(schedule)));
        }
        let mut schedule = exact_schedule(&weights, 0);
        let cycle = (0..total).filter_map(|_| schedule.advance(|due, _| due.next()));
        // There are fewer hosts than entries.
        Self::Table(cycle.map(|host| host as u16).collect())
    }

    pub(crate) fn pick(
        &self,
        state: &LbState,
        hosts: &[impl Candidate],
        random: u64,
    ) -> Option<usize> {
        let eligible = |index: usize| hosts.get(index).is_some_and(Candidate::is_eligible);
        let position = state.advance();
        match self {
            Self::Even => first_from(modulo(position, hosts.len())?, hosts),
            Self::Table(cycle) => {
                let start = modulo(position, cycle.len())?;
                let (before, after) = cycle.split_at(start);
                after
                    .iter()
                    .chain(before)
                    .map(|&host| usize::from(host))
                    .find(|&host| eligible(host))
            }
            Self::Schedule(schedule) => {
                let mut schedule = schedule.lock().unwrap_or_else(PoisonError::into_inner);
                for _ in 0..hosts.len() {
                    let host = schedule.advance(|due, _| due.next())? as usize;
                    if eligible(host) {
                        return Some(host);
                    }
                }
                drop(schedule);
                any_eligible(hosts, random)
            }
        }
    }
}

fn modulo(position: u64, length: usize) -> Option<usize> {
    // Less than `length`, so it fits.
    position.checked_rem(length as u64).map(|start| start as usize)
}

/// The first eligible host at or after `start`, around the end.
pub(crate) fn first_from(start: usize, hosts: &[impl Candidate]) -> Option<usize> {
    (start..hosts.len()).chain(0..start).find(|&host| hosts[host].is_eligible())
}

/// Any eligible host.
pub(crate) fn any_eligible(hosts: &[impl Candidate], random: u64) -> Option<usize> {
    first_from(Draws::new(random).below(hosts.len()), hosts)
}
