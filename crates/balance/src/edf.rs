//! Earliest deadline first: a host of weight `w` is due every `1/w`.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

/// Hosts by deadline; among equal deadlines the entry that was inserted first.
#[derive(Debug)]
pub(crate) struct Edf<D> {
    heap: BinaryHeap<Reverse<Entry<D>>>,
    inserted: u64,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Entry<D> {
    deadline: D,
    order: u64,
    host: u32,
}

impl<D: Ord + Copy> Edf<D> {
    pub(crate) fn with_capacity(hosts: usize) -> Self {
        Self { heap: BinaryHeap::with_capacity(hosts), inserted: 0 }
    }

    pub(crate) fn insert(&mut self, host: u32, deadline: D) {
        self.heap.push(Reverse(Entry { deadline, order: self.inserted, host }));
        self.inserted += 1;
    }

    /// Every host, in no order.
    pub(crate) fn hosts(&self) -> impl Iterator<Item = (u32, D)> {
        self.heap.iter().map(|Reverse(entry)| (entry.host, entry.deadline))
    }

    /// Takes the host that is due and inserts it again with the deadline that `next` gives.
    pub(crate) fn advance(&mut self, next: impl FnOnce(D, u32) -> D) -> Option<u32> {
        let mut top = self.heap.peek_mut()?;
        let entry = &mut top.0;
        entry.deadline = next(entry.deadline, entry.host);
        entry.order = self.inserted;
        self.inserted += 1;
        Some(entry.host)
    }
}

/// The `turn`-th deadline of a weight, exactly `turn / weight`: the order of round robin must not
/// depend on rounding.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Turn {
    pub(crate) turn: u64,
    pub(crate) weight: u32,
}

impl Turn {
    pub(crate) fn next(self) -> Self {
        Self { turn: self.turn + 1, ..self }
    }
}

impl Ord for Turn {
    fn cmp(&self, other: &Self) -> Ordering {
        let product = |turn: u64, weight: u32| u128::from(turn) * u128::from(weight);
        product(self.turn, other.weight).cmp(&product(other.turn, self.weight))
    }
}

impl PartialOrd for Turn {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Turn {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Turn {}

/// A deadline for weights that change from pick to pick.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Time(pub(crate) f64);

impl Ord for Time {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl PartialOrd for Time {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Time {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Time {}

/// The schedule as exact arithmetic has it after `position` picks from the start, without making
/// them: until `position / total` every host had its whole turns, and fewer than one more per host
/// are left to make.
pub(crate) fn exact_schedule(weights: &[u32], position: u64) -> Edf<Turn> {
    let total: u64 = weights.iter().copied().map(u64::from).sum();
    let position = position % total.max(1);
    let turns_had = |weight: u32| {
        // At most `weight`, so it fits.
        (u128::from(position) * u128::from(weight) / u128::from(total.max(1))) as u64
    };
    // Ties go to the earlier insertion, which was the deadline of the last turn had.
    let mut order: Vec<(Turn, u32)> = weights
        .iter()
        .zip(0..)
        .map(|(&weight, host)| (Turn { turn: turns_had(weight), weight }, host))
        .collect();
    order.sort();
    let made: u64 = order.iter().map(|(had, _)| had.turn).sum();
    let mut schedule = Edf::with_capacity(weights.len());
    for (had, host) in order {
        schedule.insert(host, had.next());
    }
    for _ in made..position {
        schedule.advance(|due, _| due.next());
    }
    schedule
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn picks(schedule: &mut Edf<Turn>, count: usize) -> Vec<u32> {
        (0..count).filter_map(|_| schedule.advance(|due, _| due.next())).collect()
    }

    proptest! {
        #[test]
        fn a_schedule_from_a_position_goes_on_like_one_from_the_start(
            weights in prop::collection::vec(1u32..40, 1..8),
            position in 0u64..1000,
        ) {
            let total: u32 = weights.iter().sum();
            let mut from_start = exact_schedule(&weights, 0);
            picks(&mut from_start, position as usize % total as usize);
            let mut from_position = exact_schedule(&weights, position);
            let count = 2 * total as usize;
            prop_assert_eq!(picks(&mut from_position, count), picks(&mut from_start, count));
        }

        #[test]
        fn a_cycle_repeats_itself(weights in prop::collection::vec(1u32..40, 1..8)) {
            let total = weights.iter().sum::<u32>() as usize;
            let mut schedule = exact_schedule(&weights, 0);
            let first = picks(&mut schedule, total);
            prop_assert_eq!(picks(&mut schedule, total), first);
        }
    }

    #[test]
    fn the_largest_weights_do_not_overflow() {
        let weights = [u32::MAX, u32::MAX - 1, 1];
        let mut schedule = exact_schedule(&weights, u64::MAX);
        assert_eq!(picks(&mut schedule, 4).len(), 4);
    }
}
