//! The ring of `RING_HASH` (ketama): every host has points on it in proportion to its weight.

use destrier_policy::HashFunction;

use super::KeyedHost;
use super::function::{hash_bytes, murmur2};

/// A point of the ring: 12 bytes, not 16. Ordered by hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(C, packed(4))]
pub(super) struct Point {
    pub(super) hash: u64,
    pub(super) host: u32,
}

/// Points sorted by hash.
#[derive(Debug)]
pub(super) struct Ring(Box<[Point]>);

/// How many points there are for a whole weight of 1.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scale {
    points: f64,
    /// No ring gets more, whatever its weights sum up to.
    pub(super) most: usize,
}

impl Scale {
    /// So many that the lightest host has a whole number of them and there are at least `minimum`, but
    /// not more than `maximum`.
    pub(super) fn new(minimum: u64, maximum: u64, hosts: &[KeyedHost<'_>]) -> Self {
        let weights = || hosts.iter().map(|host| host.weight).filter(|weight| *weight > 0.0);
        let lightest = weights().fold(f64::INFINITY, f64::min);
        let points = ((lightest * minimum as f64).ceil() / lightest).min(maximum as f64);
        // Also where the weights are none or not numbers.
        let points = if points.is_finite() { points } else { 0.0 };
        // A sum that is a whole number but for rounding gives one point more.
        let most = (points * weights().sum::<f64>().min(1.0)).ceil() + 1.0;
        // Casts saturate.
        Self { points, most: most as usize }
    }
}

impl Ring {
    pub(super) fn build(scale: Scale, function: HashFunction, hosts: &[KeyedHost<'_>]) -> Self {
        let hash = match function {
            HashFunction::XxHash => hash_bytes,
            HashFunction::MurmurHash2 => murmur2,
        };
        let mut points = Vec::with_capacity(scale.most);
        let mut label = Vec::new();
        let (mut due, mut placed) = (0.0, 0.0);
        for (host, index) in hosts.iter().zip(0..) {
            label.clear();
            label.extend_from_slice(host.key.as_bytes());
            label.push(b'_');
            let key = label.len();
            if host.weight > 0.0 {
                due += scale.points * host.weight;
            }
            for number in 0u64.. {
                // The running count goes over all hosts, so that rounding does not add up.
                if placed >= due || points.len() >= scale.most {
                    break;
                }
                label.truncate(key);
                push_decimal(&mut label, number);
                points.push(Point { hash: hash(&label), host: index });
                placed += 1.0;
            }
        }
        points.sort_unstable();
        Self(points.into())
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    #[cfg(test)]
    pub(super) fn points(&self) -> &[Point] {
        &self.0
    }

    pub(super) fn host(&self, position: usize) -> u32 {
        self.0[position].host
    }

    /// The first point at or after `hash`, around the end, and `attempt` points further.
    pub(super) fn position(&self, hash: u64, attempt: u32) -> Option<usize> {
        let first = self.0.partition_point(|point| point.hash < hash);
        (first % self.0.len().max(1)).checked_add(attempt as usize)?.checked_rem(self.0.len())
    }
}

fn push_decimal(label: &mut Vec<u8>, mut number: u64) {
    let start = label.len();
    loop {
        label.push(b'0' + (number % 10) as u8);
        number /= 10;
        if number == 0 {
            break;
        }
    }
    label[start..].reverse();
}
