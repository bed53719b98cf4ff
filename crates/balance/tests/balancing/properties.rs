//! What must hold for any hosts and weights.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::thread;

use destrier_balance::{Balancer, Candidate, Health, LbState, Preference};
use destrier_policy::{LbPolicy, Selection};
use proptest::prelude::*;

use crate::rig::{Host, ROUND_ROBIN, Rig, pick};

fn hosts(count: usize) -> Vec<Host> {
    (0..count).map(Host::new).collect()
}

fn balancer(policy: &LbPolicy, weights: &[u32], state: &LbState) -> Balancer {
    Rig::weighted(policy, weights).build(state)
}

fn least_request(selection: Selection) -> LbPolicy {
    LbPolicy::LeastRequest {
        choice_count: 2,
        active_request_bias: 1.0,
        selection,
        slow_start: None,
    }
}

fn policies() -> [LbPolicy; 4] {
    let choices = least_request(Selection::NChoices);
    [ROUND_ROBIN, choices, least_request(Selection::FullScan), LbPolicy::Random]
}

fn counts(picks: impl IntoIterator<Item = usize>) -> HashMap<usize, u64> {
    picks.into_iter().fold(HashMap::new(), |mut counts, host| {
        *counts.entry(host).or_default() += 1;
        counts
    })
}

/// Small weights make a table of the cycle, large ones a schedule.
fn any_weights() -> impl Strategy<Value = Vec<u32>> {
    prop_oneof![
        prop::collection::vec(1u32..20, 1..12),
        prop::collection::vec(1u32..3000, 4..8),
        (1u32..50, 1usize..20).prop_map(|(weight, hosts)| vec![weight; hosts]),
    ]
}

/// Earliest deadline first by the book: a host of weight w is due at 1/w, 2/w, ...; of those due at
/// once, the one that waits longest.
fn exact_order(weights: &[u32], count: usize) -> Vec<usize> {
    // Next turn, and when it was inserted.
    let mut turns: Vec<(u128, usize)> = (0..weights.len()).map(|host| (1, host)).collect();
    let pick = |made: usize| {
        let due = (0..weights.len()).min_by(|&a, &b| {
            let at = |host: usize, other: usize| turns[host].0 * u128::from(weights[other]);
            at(a, b).cmp(&at(b, a)).then(turns[a].1.cmp(&turns[b].1))
        });
        let due = due.expect("there are hosts");
        turns[due] = (turns[due].0 + 1, weights.len() + made);
        due
    };
    (0..count).map(pick).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn each_cycle_has_the_exact_shares(weights in any_weights(), start in 0u64..1 << 40) {
        let state = LbState::new(start << 16);
        let balanced = balancer(&ROUND_ROBIN, &weights, &state);
        let hosts = hosts(weights.len());
        let divisor = (1..=weights[0])
            .rev()
            .find(|divisor| weights.iter().all(|weight| weight % divisor == 0))
            .expect("1 divides all");
        let cycle = weights.iter().sum::<u32>() / divisor;
        for _ in 0..2 {
            let picks = (0..cycle).map(|_| pick(&balanced, &state, &hosts, 0).expect("a host"));
            let counts = counts(picks);
            for (host, weight) in weights.iter().enumerate() {
                prop_assert_eq!(counts[&host], u64::from(weight / divisor));
            }
        }
    }

    /// So no host comes twice in a row where exact arithmetic has it once.
    #[test]
    fn the_order_is_that_of_exact_deadlines(weights in any_weights()) {
        let state = LbState::new(0);
        let balanced = balancer(&ROUND_ROBIN, &weights, &state);
        let hosts = hosts(weights.len());
        let count = weights.iter().sum::<u32>().min(2000) as usize;
        let ours: Vec<_> = (0..count).filter_map(|_| pick(&balanced, &state, &hosts, 0)).collect();
        prop_assert_eq!(ours, exact_order(&weights, count));
    }

    #[test]
    fn the_rotation_goes_on_when_hosts_or_weights_change(
        first in any_weights(), second in any_weights(), picks in 0u64..50,
    ) {
        let state = LbState::new(0);
        let balanced = balancer(&ROUND_ROBIN, &first, &state);
        for _ in 0..picks {
            pick(&balanced, &state, &hosts(first.len()), 0);
        }
        let went_on = balancer(&ROUND_ROBIN, &second, &state);
        let from_there = LbState::new(picks << 16);
        let fresh = balancer(&ROUND_ROBIN, &second, &from_there);
        let hosts = hosts(second.len());
        for _ in 0..100 {
            prop_assert_eq!(pick(&went_on, &state, &hosts, 0), pick(&fresh, &from_there, &hosts, 0));
        }
    }

    #[test]
    fn an_excluded_host_is_never_picked_and_any_other_is(
        weights in any_weights(),
        excluded in any::<u64>(),
        random in any::<u64>(),
    ) {
        let hosts: Vec<_> = (0..weights.len())
            .map(|index| {
                let host = Host::new(index);
                host.excluded.store(excluded >> (index % 64) & 1 == 1, Ordering::Relaxed);
                host
            })
            .collect();
        let some_left = hosts.iter().any(Candidate::is_eligible);
        for policy in policies() {
            let state = LbState::new(random);
            let balanced = balancer(&policy, &weights, &state);
            for step in 0..50 {
                let picked = pick(&balanced, &state, &hosts, random.wrapping_add(step));
                prop_assert_eq!(picked.is_some(), some_left, "{:?}", policy);
                prop_assert!(picked.is_none_or(|host| hosts[host].is_eligible()));
            }
        }
    }

    #[test]
    fn a_full_scan_finds_the_least(active in prop::collection::vec(0u32..5, 1..20)) {
        let hosts: Vec<_> = active
            .iter()
            .enumerate()
            .map(|(index, active)| {
                let host = Host::new(index);
                host.active.store(*active, Ordering::Relaxed);
                host
            })
            .collect();
        let state = LbState::new(0);
        let balanced = balancer(&least_request(Selection::FullScan), &vec![3; active.len()], &state);
        let picks = (0..200).map(|random| pick(&balanced, &state, &hosts, random << 54).expect("a host"));
        let counts = counts(picks);
        let least = active.iter().min().expect("not empty");
        for (host, count) in &active.iter().enumerate().collect::<HashMap<_, _>>() {
            prop_assert!(*count == least || !counts.contains_key(host));
        }
        let ties = active.iter().filter(|active| *active == least).count();
        prop_assert!(ties > 4 || counts.len() == ties, "every one of the least has its turn");
    }
}

#[test]
fn no_hosts_no_pick() {
    for policy in policies() {
        let state = LbState::new(7);
        let balanced = balancer(&policy, &[], &state);
        assert_eq!(pick(&balanced, &state, &hosts(0), 7), None, "{policy:?}");
    }
}

/// As many picks as a few full cycles, from several threads at once: the order is one for the process.
fn shares_over_threads(weights: &[u32], cycle: usize) {
    const THREADS: usize = 8;
    let state = LbState::new(12_345);
    let balanced = balancer(&ROUND_ROBIN, weights, &state);
    let hosts = hosts(weights.len());
    let picks: Vec<usize> = thread::scope(|scope| {
        let pick = || (0..cycle).map(|_| pick(&balanced, &state, &hosts, 0).expect("a host"));
        let threads: Vec<_> =
            (0..THREADS).map(|_| scope.spawn(move || pick().collect::<Vec<_>>())).collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("no panic")).collect()
    });
    let counts = counts(picks);
    for (host, weight) in weights.iter().enumerate() {
        assert_eq!(counts[&host], THREADS as u64 * u64::from(*weight), "{weights:?}");
    }
}

#[test]
fn round_robin_is_exact_over_threads() {
    shares_over_threads(&[1, 1], 2);
    shares_over_threads(&[1; 10], 10);
    shares_over_threads(&[5, 1, 3], 9);
    shares_over_threads(&[5000, 4999, 1], 10_000);
}

#[test]
fn least_request_evens_out_what_is_in_flight() {
    let hosts = hosts(10);
    let state = LbState::new(0);
    let balanced = balancer(&least_request(Selection::NChoices), &[1; 10], &state);
    let mut random = 1u64;
    for _ in 0..10_000 {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let picked = pick(&balanced, &state, &hosts, random).expect("a host");
        hosts[picked].active.fetch_add(1, Ordering::Relaxed);
    }
    // Two choices: the fullest is a few above the average of 1000, where one choice is 50 to 100 above.
    for host in &hosts {
        assert!(host.active_requests().abs_diff(1000) < 15, "{}", host.active_requests());
    }
}

#[test]
fn a_huge_choice_count_is_a_full_scan() {
    let hosts = hosts(3);
    hosts[0].active.store(2, Ordering::Relaxed);
    hosts[2].active.store(1, Ordering::Relaxed);
    let policy = LbPolicy::LeastRequest {
        choice_count: u32::MAX,
        active_request_bias: 1.0,
        selection: Selection::NChoices,
        slow_start: None,
    };
    let state = LbState::new(0);
    let balanced = balancer(&policy, &[1; 3], &state);
    assert_eq!(pick(&balanced, &state, &hosts, 5), Some(1));
}

#[test]
fn random_ignores_weights() {
    let hosts = hosts(2);
    let state = LbState::new(0);
    let balanced = balancer(&LbPolicy::Random, &[1, 100], &state);
    let picks = (0..10_000).map(|random| pick(&balanced, &state, &hosts, random).expect("a host"));
    assert!(counts(picks)[&0].abs_diff(5000) < 300);
}

fn any_health() -> impl Strategy<Value = Health> {
    prop_oneof![
        3 => Just(Health::Healthy),
        1 => Just(Health::Degraded),
        1 => Just(Health::Unhealthy),
        1 => Just(Health::Excluded),
        1 => Just(Health::Barred),
    ]
}

fn hashing_policies() -> [LbPolicy; 2] {
    [
        LbPolicy::RingHash {
            minimum_ring_size: 64,
            maximum_ring_size: 1024,
            hash_function: Default::default(),
            hashing: Default::default(),
        },
        LbPolicy::Maglev { table_size: 251, hashing: Default::default() },
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Outside panic only healthy hosts are picked, and degraded ones where there is load for them; in
    /// panic all but those that are barred. What is said of the shares is what happens.
    #[test]
    fn health_is_kept_to_and_shares_are_as_said(
        levels in prop::collection::vec(prop::collection::vec(any_health(), 0..8), 1..4),
        threshold in prop_oneof![Just(0.0), Just(50.0), Just(100.0)],
        weight in 1u32..4,
    ) {
        for policy in policies().into_iter().chain(hashing_policies()) {
            let mut rig = Rig::new(&policy);
            rig.panic_threshold(threshold);
            for (priority, level) in (0..).zip(&levels) {
                for (index, health) in level.iter().enumerate() {
                    let spec = rig.add(*health);
                    spec.priority = priority;
                    spec.weight = if index == 0 { weight } else { 1 };
                }
            }
            let (state, hosts) = (LbState::new(1), rig.hosts());
            let balanced = rig.build(&state);
            let panics: Vec<u32> = balanced.levels().iter().filter(|level| level.panic)
                .map(|level| level.priority).collect();
            let mut counts = vec![0.0; hosts.len()];
            let mut random = 7u64;
            const PICKS: usize = 4000;
            for _ in 0..PICKS {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(0x9e37_79b9);
                // The low bits of such numbers are not random, and a hash is taken modulo 100.
                let picked = pick(&balanced, &state, &hosts, random ^ (random >> 29));
                let Some(host) = picked else { continue };
                counts[host] += 1.0 / PICKS as f64;
                let spec = &rig.specs[host];
                match spec.health {
                    Health::Healthy | Health::Degraded => {}
                    Health::Unhealthy | Health::Excluded => {
                        prop_assert!(panics.contains(&spec.priority), "{:?}", spec)
                    }
                    Health::Barred => prop_assert!(false, "{:?}", spec),
                }
            }
            for (host, (said, done)) in balanced.shares(hosts.len()).iter().zip(&counts).enumerate() {
                // Points of a ring are not at even distances.
                let tolerance = if policy.name() == "RING_HASH" { 0.5 } else { 0.05 };
                prop_assert!((said - done).abs() < tolerance, "{:?}: host {}: {} {}", policy, host, said, done);
            }
        }
    }

    /// A host that is excluded gets nothing, in every policy and without a new balancer.
    #[test]
    fn an_exclusion_is_in_force_at_once(
        count in 2usize..20,
        excluded in any::<prop::sample::Index>(),
        hashes in prop::collection::vec(any::<u64>(), 50),
    ) {
        let excluded = excluded.index(count);
        for policy in policies().into_iter().chain(hashing_policies()) {
            let rig = Rig::weighted(&policy, &vec![1; count]);
            let (state, hosts) = (LbState::new(1), rig.hosts());
            let balanced = rig.build(&state);
            hosts[excluded].excluded.store(true, Ordering::Relaxed);
            for hash in &hashes {
                let preference = Preference { hash: Some(*hash), ..Preference::default() };
                let picked = balanced.pick(&state, &hosts, preference, !hash, || 0);
                prop_assert!(picked.is_some() && picked != Some(excluded), "{:?}", policy);
            }
        }
    }

    /// One of n hosts less moves the keys that it had, and of others no more than the tables themselves
    /// move.
    #[test]
    fn few_keys_move(count in 3usize..12, left in any::<prop::sample::Index>()) {
        let left = left.index(count);
        let policy = LbPolicy::Maglev { table_size: 65_537, hashing: Default::default() };
        let mut rig = Rig::weighted(&policy, &vec![1; count]);
        let (state, hosts) = (LbState::new(1), rig.hosts());
        let before = rig.build(&state);
        rig.specs[left].health = Health::Unhealthy;
        let after = rig.build(&state);
        let moved = (0..2000u64).filter(|key| {
            let hash = destrier_balance::hash_bytes(&key.to_le_bytes());
            let preference = Preference { hash: Some(hash), ..Preference::default() };
            let pick = |balanced: &Balancer| balanced.pick(&state, &hosts, preference, 0, || 0);
            pick(&before) != pick(&after)
        }).count();
        prop_assert!(moved as f64 / 2000.0 < 1.0 / count as f64 + 0.05, "{}", moved);
    }
}
