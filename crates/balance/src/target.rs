//! Where a pick goes once priority and health are chosen.

use std::sync::Arc;

use crate::draws::Draws;
use crate::hash::HashTable;
use crate::list::List;
use crate::rotation::Rotation;
use crate::state::Cursor;
use crate::zone::Routing;
use crate::{Candidate, LbState, TableRefused};

/// Hosts of one priority that can be chosen together.
#[derive(Debug)]
pub(crate) enum Target {
    /// Nobody.
    Nobody,
    /// All alike.
    Flat(List),
    /// Localities by weight, then a host of the locality.
    Weighted(Box<Weighted>),
    /// The own zone as far as it reaches.
    Zones(Box<Zones>),
    /// What the hash says.
    Hashed(Box<Hashed>),
}

/// See [`Target::Weighted`].
#[derive(Debug)]
pub(crate) struct Weighted {
    pub(crate) rotation: Rotation,
    pub(crate) cursor: Cursor,
    pub(crate) localities: Box<[List]>,
}

/// See [`Target::Zones`].
#[derive(Debug)]
pub(crate) struct Zones {
    pub(crate) routing: Routing,
    /// `routing_enabled`, whole percents.
    pub(crate) enabled: u32,
    /// In the order of the routing.
    pub(crate) zones: Box<[List]>,
    pub(crate) flat: List,
}

/// See [`Target::Hashed`].
#[derive(Debug)]
pub(crate) struct Hashed {
    /// `None` when the first one was refused.
    pub(crate) table: Option<Arc<HashTable>>,
    /// The host of each place in the table; `None` when it has left and a new table was refused.
    pub(crate) hosts: Box<[Option<u32>]>,
    /// Whether exclusion counts in a pick.
    pub(crate) any: bool,
    /// For want of a table, at random; also where the table names nobody that can be used.
    pub(crate) otherwise: List,
    /// Why a table that fits the hosts is not in force.
    pub(crate) refused: Option<TableRefused>,
}

/// One request.
pub(crate) struct Ask<'a, C> {
    pub(crate) state: &'a LbState,
    pub(crate) hosts: &'a [C],
    pub(crate) random: u64,
    /// Of the request, else random.
    pub(crate) hash: u64,
    /// Active requests of the whole cluster.
    pub(crate) cluster_active: &'a dyn Fn() -> u64,
}

impl Target {
    pub(crate) fn pick<C: Candidate>(&self, ask: &Ask<'_, C>) -> Option<usize> {
        match self {
            Self::Flat(list) => list.pick(ask.state, ask.hosts, ask.random),
            Self::Nobody => None,
            Self::Weighted(weighted) => weighted.pick(ask),
            Self::Zones(zones) => zones.pick(ask),
            Self::Hashed(hashed) => hashed.pick(ask),
        }
    }

    /// Calls `add(host, share)` with the part of the picks that each host is to get.
    pub(crate) fn shares(&self, add: &mut dyn FnMut(usize, f64)) {
        match self {
            Self::Nobody => {}
            Self::Flat(list) => list.shares(add),
            Self::Weighted(weighted) => {
                let shares = weighted.rotation.shares(weighted.localities.len());
                for (list, part) in weighted.localities.iter().zip(shares) {
                    list.shares(&mut |host, share| add(host, part * share));
                }
            }
            Self::Zones(zones) => {
                let enabled = f64::from(zones.enabled.min(100)) / 100.0;
                let shares = zones.routing.shares(zones.zones.len());
                for (list, part) in zones.zones.iter().zip(shares) {
                    list.shares(&mut |host, share| add(host, enabled * part * share));
                }
                if enabled < 1.0 {
                    zones.flat.shares(&mut |host, share| add(host, (1.0 - enabled) * share));
                }
            }
            Self::Hashed(hashed) => hashed.shares(add),
        }
    }
}

impl Weighted {
    fn pick<C: Candidate>(&self, ask: &Ask<'_, C>) -> Option<usize> {
        let position = self.cursor.advance(ask.state);
        let locality = self.rotation.pick(position, self.localities.len(), |_| true)?;
        let pick = |list: &List| list.pick(ask.state, ask.hosts, ask.random);
        // All hosts of the locality may have been excluded since.
        pick(&self.localities[locality]).or_else(|| self.localities.iter().find_map(pick))
    }
}

impl Zones {
    fn pick<C: Candidate>(&self, ask: &Ask<'_, C>) -> Option<usize> {
        let mut draws = Draws::new(!ask.random);
        let flat = || self.flat.pick(ask.state, ask.hosts, ask.random);
        if self.enabled < 100 && draws.below(100) >= self.enabled as usize {
            return flat();
        }
        let zone = self.routing.pick(ask.state, &mut draws);
        let picked = self.zones[zone].pick(ask.state, ask.hosts, ask.random);
        picked.or_else(flat)
    }
}

impl Hashed {
    fn pick<C: Candidate>(&self, ask: &Ask<'_, C>) -> Option<usize> {
        let host = |place: u32| self.hosts.get(place as usize).copied().flatten();
        let candidate = |place: u32| ask.hosts.get(host(place)? as usize);
        let is_eligible =
            |place| candidate(place).is_some_and(|host| self.any || host.is_eligible());
        let picked = self.table.as_ref().and_then(|table| match table.balance_factor() {
            None => table.pick(ask.hash, 0, is_eligible),
            Some(_) => {
                let active = |place| candidate(place).map_or(0, Candidate::active_requests);
                table.pick_bounded(ask.hash, 0, (ask.cluster_active)(), active, is_eligible)
            }
        });
        match picked.and_then(host) {
            Some(host) => Some(host as usize),
            None if self.refused.is_some() => self.otherwise.pick(ask.state, ask.hosts, ask.random),
            None => None,
        }
    }

    fn shares(&self, add: &mut dyn FnMut(usize, f64)) {
        let Some(table) = &self.table else { return self.otherwise.shares(add) };
        let entries = table.entries_per_host();
        let all: u64 = entries.iter().copied().map(u64::from).sum();
        for (host, count) in self.hosts.iter().zip(entries) {
            if let Some(host) = host {
                add(*host as usize, f64::from(count) / all as f64);
            }
        }
    }
}
