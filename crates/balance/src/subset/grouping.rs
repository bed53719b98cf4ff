//! Sorts hosts into groups by the values of their metadata.

use std::collections::{BTreeMap, BTreeSet};
use std::slice;

use destrier_policy::Value;

use super::selector::Selector;
use crate::hash::hash_bytes_seeded;

/// In so many groups a host may be because of one selector. Lists (`list_as_any`) multiply: without a
/// limit, a few keys with long lists would fill the memory.
const MOST_GROUPS_PER_HOST: usize = 1024;

/// Of one cluster. Each has a balancer of its own, so an endpoint's few bytes would cost thousands.
const MOST_GROUPS: usize = 65_536;

/// Groups as they are being filled.
pub(super) struct Grouping {
    list_as_any: bool,
    pub(super) groups: Vec<Group>,
    pub(super) by_values: BTreeSet<(u64, u32)>,
    pub(super) duplicates: usize,
    pub(super) left_out: usize,
}

pub(super) struct Group {
    pub(super) hosts: Vec<u32>,
    pub(super) is_single: bool,
    pub(super) values: Box<[Value]>,
    /// Of selector and values.
    pub(super) key: u64,
}

impl Grouping {
    pub(super) fn new(list_as_any: bool) -> Self {
        Self {
            list_as_any,
            groups: Vec::new(),
            by_values: BTreeSet::new(),
            duplicates: 0,
            left_out: 0,
        }
    }

    /// A group that no values lead to.
    pub(super) fn push(&mut self, hosts: Vec<u32>) -> u32 {
        self.push_group(Group { hosts, is_single: false, values: Box::default(), key: 0 })
    }

    fn push_group(&mut self, group: Group) -> u32 {
        self.groups.push(group);
        u32::try_from(self.groups.len() - 1).expect("memory ends before so many groups")
    }

    /// Puts a host into the groups of a selector, if its metadata has all keys.
    pub(super) fn add(&mut self, host: u32, selector: &Selector, fields: &BTreeMap<String, Value>) {
        let options: Option<Vec<&[Value]>> =
            selector.keys.iter().map(|key| Some(self.options(fields.get(key)?))).collect();
        let Some(options) = options else { return };
        let combinations =
            options.iter().try_fold(1usize, |product, values| product.checked_mul(values.len()));
        let Some(combinations @ 0..=MOST_GROUPS_PER_HOST) = combinations else {
            self.left_out += 1;
            return;
        };
        for combination in 0..combinations {
            let mut digits = combination;
            let values: Vec<&Value> = options
                .iter()
                .map(|values| {
                    let value = &values[digits % values.len()];
                    digits /= values.len();
                    value
                })
                .collect();
            self.put(host, selector, &values);
        }
    }

    fn options<'a>(&self, value: &'a Value) -> &'a [Value] {
        match value {
            Value::List(list) if self.list_as_any => list,
            _ => slice::from_ref(value),
        }
    }

    fn put(&mut self, host: u32, selector: &Selector, values: &[&Value]) {
        let hash = hash_values(selector, values.iter().copied());
        let mut candidates = self.by_values.range((hash, 0)..=(hash, u32::MAX));
        let same =
            |group: u32| self.groups[group as usize].values.iter().eq(values.iter().copied());
        let Some(&(_, group)) = candidates.find(|&&(_, group)| same(group)) else {
            if self.groups.len() >= MOST_GROUPS {
                self.left_out += 1;
                return;
            }
            let values = values.iter().map(|&value| value.clone()).collect();
            let group =
                Group { hosts: vec![host], is_single: selector.is_single, values, key: hash };
            let group = self.push_group(group);
            self.by_values.insert((hash, group));
            return;
        };
        let group = &mut self.groups[group as usize];
        // The same value twice in a list.
        if group.hosts.last() == Some(&host) {
            return;
        }
        if group.is_single {
            self.duplicates += 1;
        } else {
            group.hosts.push(host);
        }
    }
}

/// Whether metadata has all of these values. A list that counts as any of its members matches each of
/// them.
pub(super) fn matches_all(
    wanted: &BTreeMap<String, Value>,
    fields: Option<&BTreeMap<String, Value>>,
    list_as_any: bool,
) -> bool {
    wanted.iter().all(|(key, wanted)| match fields.and_then(|fields| fields.get(key)) {
        Some(Value::List(list)) if list_as_any => list.contains(wanted),
        value => value == Some(wanted),
    })
}

pub(super) fn hash_values<'a>(selector: &Selector, values: impl Iterator<Item = &'a Value>) -> u64 {
    values.fold(selector.id, |hash, value| hash_value(value, hash))
}

/// Equal values have equal hashes.
fn hash_value(value: &Value, seed: u64) -> u64 {
    let tagged = |tag: u64, bytes: &[u8]| hash_bytes_seeded(bytes, seed ^ (tag << 56));
    match value {
        Value::Null => tagged(1, &[]),
        Value::Bool(value) => tagged(2, &[u8::from(*value)]),
        // Both zeros are equal.
        Value::Number(number) => tagged(3, &(number + 0.0).to_bits().to_le_bytes()),
        Value::String(text) => tagged(4, text.as_bytes()),
        Value::List(list) => {
            list.iter().fold(tagged(5, &[]), |hash, value| hash_value(value, hash))
        }
        Value::Struct(fields) => fields.iter().fold(tagged(6, &[]), |hash, (key, value)| {
            hash_value(value, hash_bytes_seeded(key.as_bytes(), hash))
        }),
    }
}
