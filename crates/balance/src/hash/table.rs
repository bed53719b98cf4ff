//! A ring or a Maglev table, and the pick in it.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use destrier_policy::{Address, ConsistentHashing, HashFunction, LbPolicy, Metadata};

use super::bounded::{Bound, Shuffled};
use super::budget::{OverBudget, Reservation, TableBudget};
use super::function::hash_bytes_seeded;
use super::maglev::{self, Entries};
use super::ring::{Point, Ring, Scale};

/// So many entries after the picked one are looked at before all hosts are.
const LONGEST_WALK: usize = 1024;

/// A host as a table sees it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct KeyedHost<'a> {
    /// See [`host_key`].
    pub(crate) key: Cow<'a, str>,
    /// The share of all hosts; together they are 1, or less where a locality has no host. A host without
    /// a positive weight has no entry.
    pub(crate) weight: f64,
}

/// What a host is known by in a table: `hash_key` of its metadata `envoy.lb` when that is a non-empty
/// text, else its hostname when the policy says so (even when it is empty), else its address.
pub(crate) fn host_key<'a>(
    hashing: &ConsistentHashing,
    address: &Address,
    hostname: &'a str,
    metadata: &'a Metadata,
) -> Cow<'a, str> {
    let own = metadata.get("envoy.lb", "hash_key").and_then(|value| value.as_str());
    match own.filter(|key| !key.is_empty()) {
        Some(key) => key.into(),
        None if hashing.use_hostname_for_hashing => hostname.into(),
        None => address.to_string().into(),
    }
}

/// Says which host a hash belongs to.
#[derive(Debug)]
pub(crate) struct HashTable {
    slots: Slots,
    hosts: u32,
    /// Of each host, where bounded load needs them.
    weights: Box<[f64]>,
    balance_factor: Option<u32>,
    shape: Shape,
    fingerprint: [u64; 2],
    memory: Reservation,
}

/// What of a policy a table depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Ring { minimum: u64, maximum: u64, function: HashFunction },
    Maglev { size: u64 },
}

impl Shape {
    fn of(policy: &LbPolicy) -> Option<(Self, &ConsistentHashing)> {
        match policy {
            LbPolicy::RingHash { minimum_ring_size, maximum_ring_size, hash_function, hashing } => {
                let (minimum, maximum) = (*minimum_ring_size, *maximum_ring_size);
                Some((Self::Ring { minimum, maximum, function: *hash_function }, hashing))
            }
            LbPolicy::Maglev { table_size, hashing } => {
                Some((Self::Maglev { size: *table_size }, hashing))
            }
            _ => None,
        }
    }
}

#[derive(Debug)]
enum Slots {
    Ring(Ring),
    Maglev(Entries),
}

/// Size and spread of a table (Envoy's gauges `ring_hash_lb.*` and `maglev_lb.*`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TableStats {
    /// Points of the ring, or entries of the table.
    pub size: u64,
    /// Of the host that has the fewest.
    pub min_per_host: u64,
    /// Of the host that has the most.
    pub max_per_host: u64,
    /// Memory taken from the budget.
    pub bytes: usize,
}

/// Why there is no table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TableRefused {
    /// The policy is neither `RING_HASH` nor `MAGLEV`.
    NotHashing(&'static str),
    /// `table_size` of Maglev must be a prime up to 5,000,011.
    TableSize(u64),
    /// A table of `size` entries at most does not fit into the memory set aside for tables.
    OverBudget {
        /// Points or entries.
        size: usize,
        /// What it would take and what there is.
        budget: OverBudget,
    },
}

impl fmt::Display for TableRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotHashing(policy) => write!(f, "{policy} has no hash table"),
            Self::TableSize(size) => {
                write!(f, "table_size: {size} is not a prime up to {}", maglev::LARGEST)
            }
            Self::OverBudget { size, budget } => {
                write!(f, "a hash table of {size} entries: {budget}")
            }
        }
    }
}

impl std::error::Error for TableRefused {}

impl HashTable {
    /// The table of these hosts, as Envoy builds it. Indices of `hosts` are what picks give.
    ///
    /// # Errors
    ///
    /// When the policy has no table, its size is not possible, or the budget does not allow it. Nothing
    /// of the size that was asked for has been allocated then.
    pub(crate) fn build(
        policy: &LbPolicy,
        hosts: &[KeyedHost<'_>],
        budget: &Arc<TableBudget>,
    ) -> Result<Arc<Self>, TableRefused> {
        let (shape, hashing) = Shape::of(policy).ok_or(TableRefused::NotHashing(policy.name()))?;
        let weights = if hashing.hash_balance_factor.is_some() { hosts.len() } else { 0 };
        let reserve = |size: usize, bytes: usize| {
            budget
                .reserve(bytes.saturating_add(weights * size_of::<f64>()))
                .map_err(|budget| TableRefused::OverBudget { size, budget })
        };
        let (memory, slots) = match shape {
            Shape::Ring { minimum, maximum, function } => {
                let scale = Scale::new(minimum, maximum, hosts);
                let memory = reserve(scale.most, scale.most.saturating_mul(size_of::<Point>()))?;
                (memory, Slots::Ring(Ring::build(scale, function, hosts)))
            }
            Shape::Maglev { size } => {
                if size > maglev::LARGEST || !maglev::is_prime(size) {
                    return Err(TableRefused::TableSize(size));
                }
                // One host needs no table, as in Envoy.
                let size = match hosts.iter().filter(|host| host.weight > 0.0).count() {
                    few @ 0..=1 => few,
                    // At most 5,000,011.
                    _ => size as usize,
                };
                let memory = reserve(size, maglev::bytes(size, hosts.len()))?;
                (memory, Slots::Maglev(Entries::build(size, hosts)))
            }
        };
        Ok(Arc::new(Self {
            slots,
            hosts: u32::try_from(hosts.len()).unwrap_or(u32::MAX),
            weights: hosts.iter().take(weights).map(|host| host.weight).collect(),
            balance_factor: hashing.hash_balance_factor,
            shape,
            fingerprint: fingerprint(hosts),
            memory,
        }))
    }

    /// Whether building from these inputs would give this table again.
    pub(crate) fn is_of(&self, policy: &LbPolicy, hosts: &[KeyedHost<'_>]) -> bool {
        Shape::of(policy).is_some_and(|(shape, hashing)| {
            (shape, hashing.hash_balance_factor) == (self.shape, self.balance_factor)
        }) && self.hosts as usize == hosts.len()
            && self.fingerprint == fingerprint(hosts)
    }

    /// `hash_balance_factor` of the policy: with one, [`Self::pick_bounded`] is the pick.
    pub(crate) fn balance_factor(&self) -> Option<u32> {
        self.balance_factor
    }

    /// The host that `hash` belongs to. The `attempt` of a request that must not go to the same host
    /// again gives another entry, which may be of the same host. When the host is not eligible any more
    /// the next entries say which one is instead; `None` when none is.
    pub(crate) fn pick(
        &self,
        hash: u64,
        attempt: u32,
        is_eligible: impl Fn(u32) -> bool,
    ) -> Option<u32> {
        let position = match &self.slots {
            Slots::Ring(ring) => ring.position(hash, attempt),
            Slots::Maglev(entries) => entries.position(hash, attempt),
        }?;
        let host = self.host(position);
        if is_eligible(host) { Some(host) } else { self.pick_after(position, is_eligible) }
    }

    #[cold]
    fn pick_after(&self, position: usize, is_eligible: impl Fn(u32) -> bool) -> Option<u32> {
        let entries = (position + 1..self.len()).chain(0..position).take(LONGEST_WALK);
        let mut nearby = entries.map(|position| self.host(position));
        nearby.find(|&host| is_eligible(host)).or_else(|| {
            // Less than the number of hosts.
            let start = (position % self.hosts as usize) as u32;
            (start..self.hosts).chain(0..start).find(|&host| is_eligible(host))
        })
    }

    /// [`Self::pick`] with bounded load: a host that has more than `balance_factor` percent of its share
    /// of the active requests is passed over in favour of others in an order that the hash determines;
    /// when all have, the one with the least load relative to its share is taken.
    ///
    /// `cluster_active` counts the active requests of the whole cluster, even where the table is of a
    /// part of it; `active` those of a host. Allocates only when more than 32 hosts in a row are
    /// overloaded.
    pub(crate) fn pick_bounded(
        &self,
        hash: u64,
        attempt: u32,
        cluster_active: u64,
        active: impl Fn(u32) -> u32,
        is_eligible: impl Fn(u32) -> bool,
    ) -> Option<u32> {
        let own = self.pick(hash, attempt, &is_eligible)?;
        let Some(factor) = self.balance_factor else { return Some(own) };
        let bound = Bound::new(factor, cluster_active);
        let load = |host: u32| bound.load(self.weights[host as usize], active(host));
        let mut least = (load(own), own);
        if least.0 <= 1.0 {
            return Some(own);
        }
        for host in Shuffled::new(hash, self.hosts) {
            if host == own || !is_eligible(host) {
                continue;
            }
            let load = load(host);
            if load <= 1.0 {
                return Some(host);
            }
            if load < least.0 {
                least = (load, host);
            }
        }
        Some(least.1)
    }

    fn len(&self) -> usize {
        match &self.slots {
            Slots::Ring(ring) => ring.len(),
            Slots::Maglev(entries) => entries.len(),
        }
    }

    fn host(&self, position: usize) -> u32 {
        match &self.slots {
            Slots::Ring(ring) => ring.host(position),
            Slots::Maglev(entries) => entries.host(position),
        }
    }

    /// How many entries each host has: its expected share, were hashes even. Counts them all; not for
    /// the data path.
    pub(crate) fn entries_per_host(&self) -> Vec<u32> {
        let mut counts = vec![0; self.hosts as usize];
        for position in 0..self.len() {
            counts[self.host(position) as usize] += 1;
        }
        counts
    }

    /// Size and spread. Counts all entries; not for the data path.
    pub(crate) fn stats(&self) -> TableStats {
        let counts = self.entries_per_host();
        TableStats {
            size: self.len() as u64,
            min_per_host: counts.iter().copied().min().unwrap_or(0).into(),
            max_per_host: counts.iter().copied().max().unwrap_or(0).into(),
            bytes: self.memory.bytes(),
        }
    }

    /// Every entry: hash and host of a point, or index and host.
    #[cfg(test)]
    pub(super) fn entries(&self) -> Vec<(u64, u32)> {
        match &self.slots {
            Slots::Ring(ring) => {
                ring.points().iter().map(|point| (point.hash, point.host)).collect()
            }
            Slots::Maglev(entries) => {
                (0..entries.len()).map(|index| (index as u64, entries.host(index))).collect()
            }
        }
    }
}

/// 128 bits: a table that is kept by mistake would send requests astray for good.
fn fingerprint(hosts: &[KeyedHost<'_>]) -> [u64; 2] {
    hosts.iter().fold([1, 2], |sums, host| {
        let weight = host.weight.to_bits();
        sums.map(|sum| {
            let keyed = hash_bytes_seeded(host.key.as_bytes(), sum);
            hash_bytes_seeded(&weight.to_le_bytes(), keyed)
        })
    })
}
