//! Clusters at random: hash function, sizes, weights, localities, priorities, health.

use std::net::SocketAddr;

use rand::rngs::StdRng;
use rand::seq::{IndexedRandom as _, SliceRandom as _};
use rand::{Rng, RngExt as _};
use serde_json::{Value, json};

/// Endpoints of a cluster, at most.
pub(super) const MOST_HOSTS: usize = 24;

/// The cluster `c<index>` over some of `addresses`.
pub(super) fn draw(index: usize, addresses: &[SocketAddr], random: &mut StdRng) -> Value {
    let mut addresses = addresses.to_vec();
    addresses.shuffle(random);
    addresses.truncate(random.random_range(1..=MOST_HOSTS));
    let name = format!("c{index}");
    let localities = random.random_range(1..=3);
    let mut cluster = json!({
        "name": name,
        "type": "STATIC",
        "connect_timeout": "1s",
        "common_lb_config": common(random, localities),
        "load_assignment": {
            "cluster_name": name,
            "endpoints": endpoints(&addresses, localities, random),
        },
    });
    if random.random_bool(0.2) {
        cluster["load_assignment"]["policy"] =
            json!({ "overprovisioning_factor": random.random_range(100..=200) });
    }
    // Half of each, so that no run is without one.
    if index.is_multiple_of(2) {
        cluster["lb_policy"] = "RING_HASH".into();
        let minimum = *[1, 16, 100, 1024, 5000].choose(random).unwrap_or(&1024);
        let mut config = json!({ "minimum_ring_size": minimum });
        if random.random_bool(0.3) {
            config["maximum_ring_size"] = (minimum + random.random_range(0..2000)).into();
        }
        if random.random_bool(0.5) {
            config["hash_function"] = "MURMUR_HASH_2".into();
        }
        cluster["ring_hash_lb_config"] = config;
    } else {
        cluster["lb_policy"] = "MAGLEV".into();
        let size = *[2, 7, 251, 1009, 10_007, 65_537].choose(random).unwrap_or(&65_537);
        cluster["maglev_lb_config"] = json!({ "table_size": size });
    }
    cluster
}

fn common(random: &mut StdRng, localities: usize) -> Value {
    let mut common = json!({});
    if localities > 1 && random.random_bool(0.5) {
        common["locality_weighted_lb_config"] = json!({});
    }
    match random.random_range(0..4) {
        0 => common["healthy_panic_threshold"] = json!({ "value": 0 }),
        1 => {
            let value = f64::from(random.random_range(1..100u8));
            common["healthy_panic_threshold"] = json!({ "value": value });
        }
        _ => {}
    }
    let mut hashing = json!({});
    if random.random_bool(0.2) {
        hashing["hash_balance_factor"] = random.random_range(100..300).into();
    }
    common["consistent_hashing_lb_config"] = hashing;
    common
}

/// The addresses over localities and priorities; a priority has no gap below it.
fn endpoints(addresses: &[SocketAddr], localities: usize, random: &mut StdRng) -> Vec<Value> {
    let priorities = random.random_range(1..=localities);
    let share = addresses.len().div_ceil(localities);
    let sick = random.random_bool(0.4);
    addresses
        .chunks(share)
        .enumerate()
        .map(|(place, chunk)| {
            let hosts: Vec<Value> =
                chunk.iter().map(|address| endpoint(*address, sick, random)).collect();
            json!({
                "locality": { "region": "r", "zone": format!("z{place}") },
                "priority": place % priorities,
                "load_balancing_weight": random.random_range(1..=9),
                "lb_endpoints": hosts,
            })
        })
        .collect()
}

fn endpoint(address: SocketAddr, sick: bool, random: &mut (impl Rng + ?Sized)) -> Value {
    let mut endpoint = json!({
        "endpoint": {
            "address": { "socket_address": {
                "address": address.ip().to_string(), "port_value": address.port(),
            } },
        },
    });
    if random.random_bool(0.5) {
        endpoint["load_balancing_weight"] = random.random_range(1..=10).into();
    }
    if sick && random.random_bool(0.35) {
        let health = ["UNHEALTHY", "DRAINING", "TIMEOUT", "DEGRADED"];
        endpoint["health_status"] = (*health.choose(random).unwrap_or(&"UNHEALTHY")).into();
    }
    if random.random_bool(0.1) {
        endpoint["metadata"] = json!({ "filter_metadata": { "envoy.lb": {
            "hash_key": format!("key-{}", address.port()),
        } } });
    }
    endpoint
}
