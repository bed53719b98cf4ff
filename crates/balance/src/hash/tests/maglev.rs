//! Maglev tables.

use super::*;

#[test]
fn maglev_tables() {
    let hosts = equal(90..96);
    let table = build(&maglev_policy(7), &hosts);
    let entries = |table: &HashTable| -> Vec<u32> {
        table.entries().into_iter().map(|(_, host)| host).collect()
    };
    assert_eq!(entries(&table), [2, 4, 0, 1, 5, 0, 3]);
    for (hash, attempt, host) in [(3, 0, 1), (7, 0, 2), (10, 0, 1), (10, 1, 0), (10, 2, 5)] {
        assert_eq!(pick(&table, hash, attempt), Some(host), "{hash}, attempt {attempt}");
    }
    let hosts = keyed(["90", "91", "92", "93", "94", "95"].map(|key| (key, 1.0 / 6.0)));
    assert_eq!(entries(&build(&maglev_policy(7), &hosts)), [2, 5, 0, 3, 4, 1, 0]);
    let hosts = of_weights(&[(90, 1), (91, 2)]);
    let expected = [1, 0, 0, 1, 0, 1, 1, 0, 1, 1, 1, 1, 1, 0, 1, 0, 1];
    assert_eq!(entries(&build(&maglev_policy(17), &hosts)), expected);
    let hosts = weighted([(90, in_locality(1, 2, 1, 1)), (91, in_locality(1, 2, 1, 1))]);
    let expected = [1, 0, 0, 1, 0, 1, 1, 0, 0, 1, 0, 1, 0, 0, 1, 0, 1];
    assert_eq!(entries(&build(&maglev_policy(17), &hosts)), expected);
    let hosts = weighted([
        (90, in_locality(8, 10, 1, 1)),
        (92, in_locality(0, 10, 1, 1)),
        (91, in_locality(2, 10, 1, 1)),
    ]);
    let expected = [2, 0, 0, 0, 0, 0, 2, 0, 0, 2, 0, 2, 0, 0, 0, 0, 0];
    assert_eq!(entries(&build(&maglev_policy(17), &hosts)), expected);
}

#[test]
fn maglev_tables_of_other_addresses() {
    let table = |weights: &[f64]| -> Vec<u32> {
        let keys: Vec<_> = (1..=5).map(|last| format!("10.244.1.{last}:8080")).collect();
        let hosts = keyed(keys.iter().map(|key| &**key).zip(weights.iter().copied()));
        let table = build(&maglev_policy(31), &hosts);
        table.entries().into_iter().map(|(_, host)| host + 1).collect()
    };
    let expected = [
        2, 4, 4, 4, 5, 2, 4, 1, 5, 1, 4, 5, 3, 1, 3, 2, 2, 3, 3, 3, 3, 1, 5, 4, 1, 2, 2, 1, 5, 5, 1,
    ];
    assert_eq!(table(&[0.2; 5]), expected);
    let expected = [
        2, 2, 1, 2, 2, 2, 3, 1, 3, 2, 2, 3, 3, 3, 3, 2, 2, 3, 3, 3, 3, 1, 1, 2, 1, 2, 2, 1, 2, 2, 2,
    ];
    assert_eq!(table(&[1.0 / 6.0, 3.0 / 6.0, 2.0 / 6.0]), expected);
}

#[test]
fn shares_of_large_maglev_tables() {
    let policy = maglev_policy(65_537);
    let table = build(&policy, &of_weights(&[(90, 1), (91, 2)]));
    assert_eq!(table.entries_per_host(), [21846, 43691]);
    let table = build(&policy, &equal(90..95));
    assert_eq!(table.entries_per_host(), [13108, 13108, 13107, 13107, 13107]);
    let counts = build(&policy, &lopsided()).entries_per_host();
    assert_eq!(counts[0], 64514);
    assert!(counts[1..].iter().all(|&count| count == 1));
}
