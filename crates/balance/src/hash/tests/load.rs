//! Bounded load.

use super::*;

fn bounded(factor: u32, hosts: &[KeyedHost<'_>]) -> Arc<HashTable> {
    let hashing =
        ConsistentHashing { hash_balance_factor: Some(factor), ..ConsistentHashing::default() };
    build(&LbPolicy::Maglev { table_size: 65_537, hashing }, hosts)
}

#[test]
fn an_overloaded_host_passes_requests_on_in_the_order_of_the_hash() {
    let table = bounded(100, &equal(90..95));
    let hash = 2;
    let owner = pick(&table, hash, 0).expect("has hosts");
    let order: Vec<u32> = [2, 1, 0, 4, 3].into_iter().filter(|&host| host != owner).collect();
    let pick = |active: [u32; 5]| {
        let sum = active.iter().copied().map(u64::from).sum();
        let active = |host: u32| active[host as usize];
        table.pick_bounded(hash, 0, sum, active, |_| true)
    };
    assert_eq!(pick([0; 5]), Some(owner));
    let mut active = [0; 5];
    active[owner as usize] = 9;
    assert_eq!(pick(active), Some(order[0]));
    active[order[0] as usize] = 9;
    assert_eq!(pick(active), Some(order[1]));
    let active = |host: u32| if host == order[3] { 8 } else { 9 };
    assert_eq!(table.pick_bounded(hash, 0, 0, active, |_| true), Some(order[3]), "least load");
    let eligible = |host: u32| host != order[3];
    let least = table.pick_bounded(hash, 0, 0, active, eligible);
    assert_eq!(least, Some(owner), "of equal load the own host stays");
}

/// However unequal the keys, no host has more than its share times the factor, rounded up.
#[test]
fn bounded_load_bounds() {
    let hosts = of_weights(&[(90, 1), (91, 1), (92, 2), (93, 4), (94, 8), (95, 16)]);
    let table = bounded(125, &hosts);
    let mut active = [0u32; 6];
    for request in 0..4000u64 {
        // Half of all requests have the same key.
        let hash = hash_bytes(&(request % 2 * request).to_le_bytes());
        let host = table.pick_bounded(hash, 0, request, |host| active[host as usize], |_| true);
        active[host.expect("has hosts") as usize] += 1;
    }
    for (active, host) in active.iter().zip(&hosts) {
        let most = (5000.0 * host.weight).ceil() + 1.0;
        assert!(f64::from(*active) <= most, "{active} of at most {most}");
    }
}
