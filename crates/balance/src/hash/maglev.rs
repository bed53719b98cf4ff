//! The table of `MAGLEV`: hosts take turns at choosing an entry each, in proportion to their weights.

use std::collections::BTreeMap;

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
    entry: u32,
    skip: u32,
}

impl Sequence {
    fn new(host: u32, keyed: &KeyedHost<'_>, size: u32) -> Self {
        let hash = |seed, below| hash_bytes_seeded(keyed.key.as_bytes(), seed) % u64::from(below);
        Self {
            host,
            weight: keyed.weight,
            due: 0.0,
            // Both are at most `size`.
            entry: hash(0, size) as u32,
            skip: hash(1, (size - 1).max(1)) as u32 + 1,
        }
    }

    /// The first entry of the order, from where it stands, that nobody has.
    fn next_free(&mut self, taken: &[bool]) -> usize {
        // At most 5,000,011.
        let size = taken.len() as u32;
        while taken[self.entry as usize] {
            self.entry += self.skip;
            if self.entry >= size {
                self.entry -= size;
            }
        }
        self.entry as usize
    }

    /// The first round after `round` in which the host has a turn.
    fn next_round(&self, round: u64) -> u64 {
        let has_turn = |round: u64| round as f64 * self.weight >= self.due;
        // The quotient is rounded; the product decides. Casts saturate.
        let mut next = ((self.due / self.weight) as u64).saturating_sub(1).max(round + 1);
        while !has_turn(next) && next <= LARGEST {
            next += 1;
        }
        next
    }
}

fn fill<T: Copy>(size: usize, hosts: &[KeyedHost<'_>], narrow: impl Fn(u32) -> T) -> Box<[T]> {
    let weighty = hosts.iter().zip(0..).filter(|(host, _)| host.weight > 0.0);
    let mut sequences: Vec<_> =
        weighty.map(|(host, index)| Sequence::new(index, host, size as u32)).collect();
    sequences.sort_by(|a, b| hosts[a.host as usize].key.cmp(&hosts[b.host as usize].key));
    let heaviest = sequences.iter().map(|sequence| sequence.weight).fold(0.0, f64::max);
    let mut taken = vec![false; size];
    let mut entries = vec![narrow(0); size];
    let mut left = size;
    // Who has a turn, by round. To look at all hosts in every round would take (entries x hosts) steps
    // where one host is heavy and many are light.
    let mut turns = BTreeMap::from([(1, (0..sequences.len()).collect::<Vec<_>>())]);
    while let Some((round, mut turn)) = turns.pop_first().filter(|_| left > 0) {
        turn.sort_unstable();
        let count = turn.len().min(left);
        left -= count;
        for index in turn.drain(..count) {
            let sequence = &mut sequences[index];
            let entry = sequence.next_free(&taken);
            taken[entry] = true;
            entries[entry] = narrow(sequence.host);
            sequence.due += heaviest;
            turns.entry(sequence.next_round(round)).or_default().push(index);
        }
    }
    entries.into()
}
