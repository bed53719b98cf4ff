//! Whose a key is, and what moves it.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

#[test]
fn keys_of_live_requests() {
    let hosts = equal(19101..19106);
    let ring = build(&ring_policy(1024, 8_388_608), &hosts);
    let rows = [
        ("foo", 3),
        ("bar", 3),
        ("alice", 2),
        ("", 5),
        ("user-42", 1),
        ("abc", 3),
        ("bob", 4),
        ("127.0.0.1", 4),
    ];
    for (key, host) in rows {
        assert_eq!(pick(&ring, hash_bytes(key.as_bytes()), 0), Some(host - 1), "{key}");
    }
    let maglev = build(&maglev_policy(65_537), &hosts);
    let rows = [("foo", 4), ("bar", 5), ("alice", 4), ("user-42", 1), ("abc", 5), ("bob", 5)];
    for (key, host) in rows {
        assert_eq!(pick(&maglev, hash_bytes(key.as_bytes()), 0), Some(host - 1), "{key}");
    }
}

/// What Envoy moves when the third of five hosts goes: its own keys and what the sizing of the ring moves.
#[test]
fn a_host_that_goes_moves_its_keys_and_few_others() {
    for (policy, owned, moved) in
        [(ring_policy(1024, 8_388_608), 1938, 2930), (maglev_policy(65_537), 2062, 2072)]
    {
        let hosts = equal(90..95);
        let rest = equal([90, 91, 93, 94]);
        let (before, after) = (build(&policy, &hosts), build(&policy, &rest));
        let mut counts = (0, 0);
        for index in 0..10_000 {
            let hash = hash_bytes(format!("k{index}").as_bytes());
            let owner = &hosts[pick(&before, hash, 0).expect("has hosts") as usize].key;
            let heir = &rest[pick(&after, hash, 0).expect("has hosts") as usize].key;
            counts.0 += usize::from(owner == "127.0.0.1:92");
            counts.1 += usize::from(owner != heir);
        }
        assert_eq!(counts, (owned, moved), "{}", policy.name());
    }
}

#[test]
fn a_host_that_is_not_eligible_any_more_passes_its_keys_on() {
    for policy in [ring_policy(1024, 8_388_608), maglev_policy(65_537)] {
        let table = build(&policy, &equal(0..1000));
        for hash in (0..300).map(|number: u64| hash_bytes(&number.to_le_bytes())) {
            let owner = pick(&table, hash, 0).expect("has hosts");
            let others = table.pick(hash, 0, |host| host != owner).expect("others are left");
            assert_ne!(others, owner);
            assert_eq!(table.pick(hash, 0, |host| host == 999), Some(999), "the only one is found");
            assert_eq!(table.pick(hash, 0, |_| false), None);
        }
    }
}

const KEYS: u64 = 2000;

/// Whose each key is, and how many entries the table has per host.
fn owners(policy: &LbPolicy, ports: &BTreeSet<u16>) -> (Vec<u16>, f64) {
    let hosts = equal(ports.iter().copied());
    let table = build(policy, &hosts);
    let ports: Vec<_> = ports.iter().copied().collect();
    let owner = |key: u64| {
        let picked = pick(&table, hash_bytes(&key.to_le_bytes()), 0);
        ports[picked.expect("has hosts") as usize]
    };
    ((0..KEYS).map(owner).collect(), table.stats().size as f64 / ports.len() as f64)
}

fn policies() -> impl Strategy<Value = LbPolicy> {
    prop_oneof![
        Just(ring_policy(1024, 8_388_608)),
        Just(ring_policy(100_000, 100_000)),
        // One point for every host, with and without the other one.
        Just(ring_policy(1, 8_388_608)),
        Just(maglev_policy(65_537)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    /// The keys of the host that comes or goes move, and those that the sizing of the ring moves:
    /// where a host less means more points for each of the others, these take keys.
    #[test]
    fn one_host_moves_its_share_of_the_keys(
        policy in policies(),
        ports in prop::collection::btree_set(any::<u16>(), 2..40),
    ) {
        let mut fewer = ports.clone();
        let gone = fewer.pop_first().expect("two at least");
        let ((with, points_with), (without, points_without)) =
            (owners(&policy, &ports), owners(&policy, &fewer));
        let moved = with.iter().zip(&without).filter(|(a, b)| a != b).count();
        let owned = with.iter().filter(|&&owner| owner == gone).count();
        let by_sizing = match policy {
            // Maglev has no sizing; hosts whose entry was taken by another one get it back.
            LbPolicy::Maglev { .. } => 0.025,
            _ => 1.0 - (points_with / points_without).min(1.0),
        };
        let strays = (moved - owned) as f64;
        let expected = KEYS as f64 * by_sizing;
        prop_assert!(strays <= expected + 6.0 * expected.sqrt(), "{} of {}", strays, expected);
        // A host with one point may have any share.
        if points_with > 1.0 {
            let even = KEYS as f64 / ports.len() as f64;
            prop_assert!(owned as f64 <= even * 1.4 + 6.0 * even.sqrt(), "{} of {}", owned, even);
        }
    }

    /// Whatever the weights, every host has its share of the entries, within what whole turns allow.
    #[test]
    fn entries_are_in_proportion(
        weights in prop::collection::vec(1u32..1000, 2..60),
    ) {
        let sum: u32 = weights.iter().sum();
        let hosts: Vec<_> = (0..).zip(weights).collect();
        let table = build(&maglev_policy(65_537), &of_weights(&hosts));
        let counts = table.entries_per_host();
        prop_assert_eq!(counts.iter().sum::<u32>(), 65_537);
        for ((_, weight), count) in hosts.iter().zip(counts) {
            let share = f64::from(*weight) / f64::from(sum);
            let exact = share * 65_537.0;
            // After as many rounds each host is less than a turn from its due, and the last round ends in
            // the middle. What all are off together shortens the rounds, for each by its share.
            let off = 1.0 + share * hosts.len() as f64;
            prop_assert!((f64::from(count) - exact).abs() <= off, "{} of {}", count, exact);
        }
        let table = build(&ring_policy(65_536, 65_536), &of_weights(&hosts));
        for ((_, weight), count) in hosts.iter().zip(table.entries_per_host()) {
            let exact = f64::from(*weight) / f64::from(sum) * 65_536.0;
            prop_assert!((f64::from(count) - exact).abs() <= 1.0, "{} of {}", count, exact);
        }
    }
}
