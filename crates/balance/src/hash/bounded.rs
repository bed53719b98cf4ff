//! Bounded load (`hash_balance_factor`): a host that has more than its share passes requests on.

use super::mersenne::Mersenne;

/// How many active requests a host may have in relation to its share of all.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bound {
    /// Slots of the whole cluster.
    slots: u64,
}

impl Bound {
    /// `factor` percent of the average, with the request to come counted.
    pub(super) fn new(factor: u32, cluster_active: u64) -> Self {
        let share = u128::from(cluster_active + 1) * u128::from(factor);
        Self { slots: u64::try_from(share.div_ceil(100)).unwrap_or(u64::MAX) }
    }

    /// Active requests in relation to the slots of a host of this normalised weight; overloaded above 1.
    pub(super) fn load(self, weight: f64, active: u32) -> f64 {
        f64::from(active) / self.slots(weight)
    }

    fn slots(self, weight: f64) -> f64 {
        (self.slots as f64 * weight).ceil().max(1.0)
    }
}

/// The hosts in a random order that the hash determines, each once (Fisher-Yates).
pub(super) struct Shuffled {
    numbers: Mersenne,
    hosts: u32,
    drawn: u32,
    /// What stands at another place than its own: `(place, host)`. A shuffle that ends early needs no
    /// list of all hosts.
    moved: Moved,
}

/// So many draws are made without an allocation.
const INLINE: usize = 32;

struct Moved {
    inline: [(u32, u32); INLINE],
    length: usize,
    /// All places, once there are too many for `inline`.
    all: Vec<u32>,
}

impl Shuffled {
    pub(super) fn new(hash: u64, hosts: u32) -> Self {
        let moved = Moved { inline: [(0, 0); INLINE], length: 0, all: Vec::new() };
        // The seed is the low word.
        Self { numbers: Mersenne::new(hash as u32), hosts, drawn: 0, moved }
    }
}

impl Iterator for Shuffled {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        let left = self.hosts.checked_sub(self.drawn).filter(|&left| left > 0)?;
        let place = self.drawn + self.numbers.below(left);
        let displaced = self.moved.at(self.drawn);
        let host = self.moved.replace(place, displaced, self.hosts);
        self.drawn += 1;
        Some(host)
    }
}

impl Moved {
    fn at(&self, place: u32) -> u32 {
        if let Some(&host) = self.all.get(place as usize) {
            return host;
        }
        let moved = self.inline[..self.length].iter().find(|(at, _)| *at == place);
        moved.map_or(place, |&(_, host)| host)
    }

    /// Puts `host` at `place` and gives what was there.
    fn replace(&mut self, place: u32, host: u32, hosts: u32) -> u32 {
        let before = self.at(place);
        if let Some(at) = self.all.get_mut(place as usize) {
            *at = host;
            return before;
        }
        match self.inline[..self.length].iter_mut().find(|(at, _)| *at == place) {
            Some(entry) => entry.1 = host,
            None if self.length < INLINE => {
                self.inline[self.length] = (place, host);
                self.length += 1;
            }
            None => {
                let mut all: Vec<u32> = (0..hosts).collect();
                for &(at, host) in &self.inline {
                    all[at as usize] = host;
                }
                all[place as usize] = host;
                self.all = all;
            }
        }
        before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// BL1: slots of one host, for `(active requests, factor, hosts)`.
    #[test]
    fn slots_are_the_share_of_a_host_rounded_up() {
        let rows = [
            (0, 150, 3, 1.0),
            (9, 150, 3, 5.0),
            (10, 150, 3, 6.0),
            (99, 120, 10, 12.0),
            (99, 100, 10, 10.0),
            (99, 200, 4, 50.0),
        ];
        for (active, factor, hosts, slots) in rows {
            let bound = Bound::new(factor, active);
            assert_eq!(bound.slots(1.0 / f64::from(hosts)), slots, "{active} {factor} {hosts}");
        }
        assert!(Bound::new(u32::MAX, u64::MAX - 1).slots(1.0).is_finite());
        assert_eq!(Bound::new(150, 0).slots(0.0), 1.0, "at least one");
    }

    /// BL2.
    #[test]
    fn the_hash_determines_the_order() {
        let order = |hash| Shuffled::new(hash, 5).collect::<Vec<_>>();
        assert_eq!(order(2), [2, 1, 0, 4, 3]);
        assert_eq!(order(6), [4, 0, 2, 3, 1]);
        assert_eq!(order(7), [0, 1, 4, 3, 2]);
        assert_eq!(order(2), order(2 | 1 << 40), "the low word is the seed");
    }

    #[test]
    fn every_host_comes_once_however_many_there_are() {
        for hosts in [0, 1, 31, 32, 33, 1000] {
            let mut seen: Vec<_> = Shuffled::new(12345, hosts).collect();
            seen.sort_unstable();
            assert_eq!(seen, (0..hosts).collect::<Vec<_>>());
        }
    }
}
