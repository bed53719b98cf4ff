//! Hash tables of priorities: their inputs, and whether an earlier one goes on.

use std::collections::HashMap;
use std::sync::Arc;

use destrier_policy::{Address, ConsistentHashing, LbPolicy};

use crate::build::{Builder, Group};
use crate::candidate::Strictness;
use crate::hash::{HashTable, KeyedHost, host_key};
use crate::state::{Turn, TurnOf};
use crate::target::{Hashed, Target};
use crate::{Before, Health};

impl Builder<'_> {
    /// The table of the healthy hosts, in panic of all.
    pub(crate) fn hashed(&self, group: &Group<'_>, panic: bool) -> Target {
        let (LbPolicy::RingHash { hashing, .. } | LbPolicy::Maglev { hashing, .. }) =
            self.setup.policy
        else {
            return Target::Nobody;
        };
        let weights = self.normalised(group, panic);
        let keyed: Vec<KeyedHost<'_>> =
            weights.iter().map(|&(host, weight)| self.keyed(hashing, host, weight)).collect();
        let hosts: Vec<u32> = weights.iter().map(|(host, _)| *host).collect();
        let strictness = if panic { Strictness::Any } else { Strictness::Eligible };
        let turn = Turn { of: if panic { TurnOf::All } else { TurnOf::Healthy }, ..group.turn() };
        let otherwise = self.list(hosts.clone(), strictness, &turn);
        let mut hashed = Hashed {
            table: None,
            hosts: hosts.into_iter().map(Some).collect(),
            any: panic,
            otherwise,
            refused: None,
        };
        let earlier = group.scope.before.and_then(|before| {
            before.levels().iter().find(|level| level.priority == group.priority)
        });
        let earlier = earlier.and_then(|level| match &level.healthy {
            Target::Hashed(hashed) => Some((hashed.table.as_ref()?, hashed)),
            _ => None,
        });
        if let Some((table, _)) = earlier
            && table.is_of(self.setup.policy, &keyed)
        {
            hashed.table = Some(Arc::clone(table));
            return Target::Hashed(Box::new(hashed));
        }
        match HashTable::build(self.setup.policy, &keyed, self.setup.budget) {
            Ok(table) => hashed.table = Some(table),
            Err(refused) => {
                hashed.refused = Some(refused);
                if let (Some((table, last)), Some(before)) = (earlier, self.setup.before) {
                    hashed.table = Some(Arc::clone(table));
                    hashed.hosts = self.at_addresses(group, last, &before);
                }
            }
        }
        Target::Hashed(Box::new(hashed))
    }

    fn keyed<'b>(&'b self, hashing: &ConsistentHashing, host: u32, weight: f64) -> KeyedHost<'b> {
        let member = &self.setup.members[host as usize];
        let key = host_key(hashing, member.address, member.hostname, member.metadata);
        KeyedHost { key, weight }
    }

    /// Hosts with their part of the whole, in Envoy's order of operations: another one moves points.
    /// Localities keep their weight whatever part of them is available.
    fn normalised(&self, group: &Group<'_>, panic: bool) -> Vec<(u32, f64)> {
        let members = self.setup.members;
        let is_used = |host: &u32| panic || members[*host as usize].health == Health::Healthy;
        let within = |hosts: &[u32], part: f64| -> Vec<(u32, f64)> {
            let used: Vec<u32> = hosts.iter().copied().filter(|host| is_used(host)).collect();
            let weight = |host: &u32| members[*host as usize].weight.max(1);
            let sum: u64 = used.iter().map(|host| u64::from(weight(host))).sum();
            let normal = |host: &u32| f64::from(weight(host)) * part / sum as f64;
            used.iter().map(|host| (*host, normal(host))).collect()
        };
        if !self.weighs_localities(group.scope) {
            return within(&group.hosts, 1.0);
        }
        let localities = self.localities(group);
        let sum: u64 = localities.iter().map(|locality| u64::from(locality.weight)).sum();
        let weighted = localities.iter().filter(|locality| locality.weight > 0);
        let part = |weight: u32| f64::from(weight) / sum as f64;
        weighted.flat_map(|locality| within(&locality.all, part(locality.weight))).collect()
    }

    /// Where the hosts of an earlier table are now.
    fn at_addresses(
        &self,
        group: &Group<'_>,
        last: &Hashed,
        before: &Before<'_>,
    ) -> Box<[Option<u32>]> {
        let address = |&host: &u32| self.setup.members[host as usize].address;
        let now: HashMap<&Address, u32> =
            group.hosts.iter().map(|host| (address(host), *host)).collect();
        let here = |host: u32| now.get(before.addresses.get(host as usize)?).copied();
        last.hosts.iter().map(|host| host.and_then(here)).collect()
    }
}
