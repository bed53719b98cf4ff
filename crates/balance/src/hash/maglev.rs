//! The table of `MAGLEV`: hosts take turns at choosing an entry each, in proportion to their weights.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::KeyedHost;
use super::function::hash_bytes_seeded;

/// The largest table (`cluster.proto: MaglevLbConfig`).
pub(super) const LARGEST: u64 = 5_000_011;

/// Host index per entry, in the narrowest integers that hold all.
#[derive(Debug)]
pub(super) enum Entries {
    Narrow(Box<[u8]>),
    Short(Box<[u16]>),
    Wide(Box<[u32]>),
}

/// Bytes of a table of `size` entries for `hosts` hosts.
pub(super) fn bytes(size: usize, hosts: usize) -> usize {
    size * match hosts {
        0..=0x100 => 1,
        0x101..=0x1_0000 => 2,
        _ => 4,
    }
}

/// Whether `size` is a prime: only then every host's sequence meets every entry.
pub(super) fn is_prime(size: u64) -> bool {
    let mut divisors = (2..).take_while(|divisor| divisor * divisor <= size);
    size >= 2 && divisors.all(|divisor| !size.is_multiple_of(divisor))
}

impl Entries {
    /// `size` must be a prime.
    pub(super) fn build(size: usize, hosts: &[KeyedHost<'_>]) -> Self {
        match hosts.len() {
            0..=0x100 => Self::Narrow(fill(size, hosts, |host| host as u8)),
            0x101..=0x1_0000 => Self::Short(fill(size, hosts, |host| host as u16)),
            _ => Self::Wide(fill(size, hosts, |host| host)),
        }
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::Narrow(entries) => entries.len(),
            Self::Short(entries) => entries.len(),
            Self::Wide(entries) => entries.len(),
        }
    }

    pub(super) fn host(&self, position: usize) -> u32 {
        match self {
            Self::Narrow(entries) => entries[position].into(),
            Self::Short(entries) => entries[position].into(),
            Self::Wide(entries) => entries[position],
        }
    }

    /// Where `hash` falls; an `attempt` other than the first looks elsewhere.
    pub(super) fn position(&self, hash: u64, attempt: u32) -> Option<usize> {
        let hash = match attempt {
            0 => hash,
            _ => hash ^ u64::from(attempt).wrapping_neg(),
        };
        // Less than the length.
        hash.checked_rem(self.len() as u64).map(|position| position as usize)
    }
}

/// A host's own order of all entries, and its place in it.
struct Sequence {
    host: u32,
    weight: f64,
    /// The weight times the round must reach this before the host has its next turn.
    due: f64,
    entry: u64,
    skip: u64,
}

impl Sequence {
    fn new(host: u32, keyed: &KeyedHost<'_>, size: u64) -> Self {
        let key = keyed.key.as_bytes();
        Self {
            host,
            weight: keyed.weight,
            due: 0.0,
            entry: hash_bytes_seeded(key, 0) % size,
            skip: hash_bytes_seeded(key, 1) % (size - 1).max(1) + 1,
        }
    }

    /// The first round after `round` in which the host has a turn.
    fn next_round(&self, round: u64) -> u64 {
        let has_turn = |round: u64| round as f64 * self.weight >= self.due;
        // The quotient is rounded; the product decides. Casts saturate.
        let mut next = ((self.due / self.weight) as u64).saturating_sub(1).max(round + 1);
        while !has_turn(next) && next < LARGEST {
            next += 1;
        }
        next
    }
}

fn fill<T: Copy>(size: usize, hosts: &[KeyedHost<'_>], narrow: impl Fn(u32) -> T) -> Box<[T]> {
    let mut sequences: Vec<_> = hosts
        .iter()
        .zip(0..)
        .filter(|(host, _)| host.weight > 0.0)
        .map(|(host, index)| Sequence::new(index, host, size as u64))
        .collect();
    sequences.sort_by(|a, b| hosts[a.host as usize].key.cmp(&hosts[b.host as usize].key));
    let heaviest = sequences.iter().map(|sequence| sequence.weight).fold(0.0, f64::max);
    if sequences.is_empty() {
        return Box::default();
    }
    let mut taken = vec![false; size];
    let mut entries = vec![narrow(0); size];
    // Who has the next turn. A scan of all hosts in every round would take (entries x hosts) steps where
    // one host is heavy and many are light.
    let mut turns: BinaryHeap<_> = (0..sequences.len()).map(|index| Reverse((1, index))).collect();
    for _ in 0..size {
        let Some(mut turn) = turns.peek_mut() else { break };
        let Reverse((round, index)) = &mut *turn;
        let sequence = &mut sequences[*index];
        while taken[sequence.entry as usize] {
            sequence.entry = (sequence.entry + sequence.skip) % size as u64;
        }
        taken[sequence.entry as usize] = true;
        entries[sequence.entry as usize] = narrow(sequence.host);
        sequence.due += heaviest;
        *round = sequence.next_round(*round);
    }
    entries.into()
}
