//! Round robin: one order for the whole process, weighted by earliest deadline first.

use std::sync::{Mutex, PoisonError};

use crate::edf::{Edf, Turn, exact_schedule};
use crate::weights::{Weight, proportions};

/// Up to so many picks a cycle is kept as a table: 8 KiB at most.
const LONGEST_TABLE: u64 = 4096;

/// An order of `n` places. Every form is exact: in each full cycle a place has as many turns as its
/// weight, the weights reduced by what they have in common.
#[derive(Debug)]
pub(crate) enum Rotation {
    /// Equal weights: one after the other.
    Even,
    /// A full cycle, place by place.
    Table(Box<[u16]>),
    /// A cycle too long for a table. The lock is held for one step of a heap.
    Schedule(Box<Mutex<Edf<Turn>>>),
}

impl Rotation {
    /// That goes on at `position`.
    pub(crate) fn new(weights: &[Weight], position: u64) -> Self {
        let weights = proportions(weights);
        if weights.iter().all(|&weight| weight == 1) {
            return Self::Even;
        }
        let total: u64 = weights.iter().copied().map(u64::from).sum();
        if total > LONGEST_TABLE {
            let schedule = exact_schedule(&weights, position);
            return Self::Schedule(Box::new(Mutex::new(schedule)));
        }
        let mut schedule = exact_schedule(&weights, 0);
        let cycle = (0..total).filter_map(|_| schedule.advance(|due, _| due.next()));
        // There are fewer places than entries.
        Self::Table(cycle.map(|place| place as u16).collect())
    }

    /// Whose turn it is at `position` among `count` places, or of the next that is eligible.
    pub(crate) fn pick(
        &self,
        position: u64,
        count: usize,
        eligible: impl Fn(usize) -> bool,
    ) -> Option<usize> {
        match self {
            Self::Even => {
                let start = modulo(position, count)?;
                (start..count).chain(0..start).find(|&place| eligible(place))
            }
            Self::Table(cycle) => {
                let start = modulo(position, cycle.len())?;
                let (before, after) = cycle.split_at(start);
                let places = after.iter().chain(before).copied().map(usize::from);
                places.into_iter().find(|&place| eligible(place))
            }
            Self::Schedule(schedule) => {
                let mut schedule = schedule.lock().unwrap_or_else(PoisonError::into_inner);
                for _ in 0..count {
                    let place = schedule.advance(|due, _| due.next())? as usize;
                    if eligible(place) {
                        return Some(place);
                    }
                }
                drop(schedule);
                (0..count).find(|&place| eligible(place))
            }
        }
    }

    /// The part of the turns that each place has.
    pub(crate) fn shares(&self, count: usize) -> Vec<f64> {
        let mut shares = vec![0.0; count];
        match self {
            Self::Even => shares.fill(1.0 / count as f64),
            Self::Table(cycle) => {
                for &place in cycle {
                    shares[usize::from(place)] += 1.0 / cycle.len() as f64;
                }
            }
            Self::Schedule(schedule) => {
                let schedule = schedule.lock().unwrap_or_else(PoisonError::into_inner);
                let total: f64 = schedule.hosts().map(|(_, due)| f64::from(due.weight)).sum();
                for (place, due) in schedule.hosts() {
                    shares[place as usize] = f64::from(due.weight) / total;
                }
            }
        }
        shares
    }
}

fn modulo(position: u64, length: usize) -> Option<usize> {
    // Less than `length`, so it fits.
    position.checked_rem(length as u64).map(|start| start as usize)
}
