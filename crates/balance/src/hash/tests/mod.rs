//! Known answers: tables that Envoy's own tests and traces show.

mod limits;
mod load;
mod maglev;
mod moves;
mod ring;

use std::sync::Arc;

use destrier_policy::{ConsistentHashing, HashFunction, LbPolicy};

use super::*;

fn keyed<'a>(hosts: impl IntoIterator<Item = (&'a str, f64)>) -> Vec<KeyedHost<'a>> {
    hosts.into_iter().map(|(key, weight)| KeyedHost { key: key.into(), weight }).collect()
}

/// Hosts `127.0.0.1:port`, of equal weight.
fn equal(ports: impl IntoIterator<Item = u16>) -> Vec<KeyedHost<'static>> {
    let ports: Vec<_> = ports.into_iter().collect();
    let weight = 1.0 / ports.len() as f64;
    weighted(ports.into_iter().map(|port| (port, weight)))
}

fn weighted(hosts: impl IntoIterator<Item = (u16, f64)>) -> Vec<KeyedHost<'static>> {
    let keyed = |(port, weight)| KeyedHost { key: format!("127.0.0.1:{port}").into(), weight };
    hosts.into_iter().map(keyed).collect()
}

fn of_weights(hosts: &[(u16, u32)]) -> Vec<KeyedHost<'static>> {
    let sum: u32 = hosts.iter().map(|host| host.1).sum();
    weighted(hosts.iter().map(|&(port, weight)| (port, f64::from(weight) / f64::from(sum))))
}

fn ring_policy(minimum: u64, maximum: u64) -> LbPolicy {
    LbPolicy::RingHash {
        minimum_ring_size: minimum,
        maximum_ring_size: maximum,
        hash_function: HashFunction::XxHash,
        hashing: ConsistentHashing::default(),
    }
}

fn maglev_policy(table_size: u64) -> LbPolicy {
    LbPolicy::Maglev { table_size, hashing: ConsistentHashing::default() }
}

fn build(policy: &LbPolicy, hosts: &[KeyedHost<'_>]) -> Arc<HashTable> {
    HashTable::build(policy, hosts, &Arc::default()).expect("within the budget")
}

/// Hash and key of every entry, in order.
fn entries<'a>(table: &HashTable, hosts: &'a [KeyedHost<'_>]) -> Vec<(u64, &'a str)> {
    let entries = table.entries();
    entries.into_iter().map(|(hash, host)| (hash, &*hosts[host as usize].key)).collect()
}

/// The last `:port` of every key, for tables of `127.0.0.1:port`.
fn ports(table: &HashTable, hosts: &[KeyedHost<'_>]) -> Vec<(u64, u16)> {
    let port = |key: &str| key.rsplit(':').next().and_then(|port| port.parse().ok());
    let entries = entries(table, hosts).into_iter();
    entries.map(|(hash, key)| (hash, port(key).expect("ends in a port"))).collect()
}

fn pick(table: &HashTable, hash: u64, attempt: u32) -> Option<u32> {
    table.pick(hash, attempt, |_| true)
}

/// The order of operations of normalised weights: the locality's share first, then the host's weight.
fn in_locality(locality: u32, localities: u32, weight: u32, weights: u32) -> f64 {
    f64::from(weight) * (f64::from(locality) / f64::from(localities)) / f64::from(weights)
}

fn lopsided() -> Vec<KeyedHost<'static>> {
    let light = (1..1024).map(|port| (port, in_locality(1, 128, 1, 1023)));
    weighted([(0, in_locality(127, 128, 1, 1))].into_iter().chain(light))
}
