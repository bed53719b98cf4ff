//! What is refused, and bad input.

use super::*;

#[test]
fn what_is_not_a_table_is_refused_with_its_reason() {
    let refused = |policy: &LbPolicy, budget: usize| {
        let budget = Arc::new(TableBudget::new(budget));
        let refused = HashTable::build(policy, &equal(90..95), &budget).map(|table| table.stats());
        refused.expect_err("refused").to_string()
    };
    assert_eq!(refused(&LbPolicy::Random, 1 << 20), "RANDOM has no hash table");
    for size in [0, 1, 4, 65_536, 5_000_013, u64::MAX] {
        let expected = format!("table_size: {size} is not a prime up to 5000011");
        assert_eq!(refused(&maglev_policy(size), 1 << 20), expected);
    }
    assert_eq!(
        refused(&maglev_policy(65_537), 65_536),
        "a hash table of 65537 entries: 65537 bytes are over the budget: 0 of 65536 bytes are in use"
    );
    assert_eq!(
        refused(&ring_policy(8_388_608, 8_388_608), 1 << 20),
        "a hash table of 8388609 entries: 100663308 bytes are over the budget: \
         0 of 1048576 bytes are in use"
    );
    // Sizes that no policy that was read can have.
    refused(&ring_policy(u64::MAX, u64::MAX), usize::MAX / 2);
}

#[test]
fn memory_is_given_back_with_the_table() {
    let budget = Arc::new(TableBudget::new(1 << 20));
    let table = HashTable::build(&maglev_policy(65_537), &equal(0..300), &budget);
    let table = table.expect("within the budget");
    assert_eq!(budget.used(), 2 * 65_537, "300 hosts need two bytes");
    assert_eq!(table.stats().bytes, budget.used());
    drop(table);
    assert_eq!(budget.used(), 0);
}

#[test]
fn degenerate_weights_and_sizes_make_small_tables() {
    let wrong = [0.0, -1.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MIN_POSITIVE, 1e300];
    let hosts = |weights: &[f64]| -> Vec<KeyedHost<'_>> {
        weights.iter().map(|&weight| KeyedHost { key: "same key".into(), weight }).collect()
    };
    let mut lists: Vec<Vec<f64>> = wrong.iter().map(|&weight| vec![weight]).collect();
    lists.extend(wrong.iter().map(|&weight| vec![weight, 0.5, weight]));
    lists.extend([vec![], wrong.to_vec(), vec![5e-324; 3]]);
    let policies = [ring_policy(0, 0), ring_policy(1024, 64), ring_policy(7, 2000)];
    for policy in policies.iter().chain(&[maglev_policy(2), maglev_policy(251)]) {
        for weights in &lists {
            let hosts = hosts(weights);
            let table = build(policy, &hosts);
            let stats = table.stats();
            assert!(stats.size <= 2001, "{policy:?} {weights:?}: {stats:?}");
            let positive = |host: u32| hosts[host as usize].weight > 0.0;
            for hash in [0, 1, u64::MAX / 2, u64::MAX] {
                for attempt in [0, 1, u32::MAX] {
                    let picked = pick(&table, hash, attempt);
                    assert!(picked.is_none_or(positive), "{policy:?} {weights:?}: {picked:?}");
                    assert_eq!(picked.is_none(), stats.size == 0);
                }
            }
        }
    }
}

#[test]
fn unchanged_inputs_are_known() {
    let hosts = of_weights(&[(90, 1), (91, 2)]);
    let table = build(&ring_policy(12, 100), &hosts);
    assert!(table.is_of(&ring_policy(12, 100), &hosts.clone()));
    assert!(!table.is_of(&ring_policy(13, 100), &hosts));
    assert!(!table.is_of(&maglev_policy(7), &hosts));
    assert!(!table.is_of(&ring_policy(12, 100), &of_weights(&[(90, 2), (91, 2)])));
    assert!(!table.is_of(&ring_policy(12, 100), &of_weights(&[(91, 2), (90, 1)])));
    assert!(!table.is_of(&ring_policy(12, 100), &hosts[..1]));
    let hashing =
        ConsistentHashing { hash_balance_factor: Some(120), ..ConsistentHashing::default() };
    let bounded = LbPolicy::Maglev { table_size: 7, hashing };
    assert!(!build(&maglev_policy(7), &hosts).is_of(&bounded, &hosts));
}
