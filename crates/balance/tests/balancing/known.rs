//! E, L of the vectors, and picks by address.

use std::sync::atomic::Ordering;

use destrier_balance::{Health, LbState, Preference};
use destrier_policy::{HealthStatus, LbPolicy};

use crate::rig::{Picks, ROUND_ROBIN, Rig};

/// E18.
#[test]
fn of_many_weights_each_has_its_turns() {
    let weights: Vec<u32> = (1..=128).collect();
    let rig = Rig::weighted(&ROUND_ROBIN, &weights);
    let (state, hosts) = (LbState::new(0), rig.hosts());
    let balancer = rig.build(&state);
    let counts = Picks::new(&balancer, &state, &hosts).counts(8256);
    for (host, weight) in weights.iter().enumerate() {
        assert_eq!(counts[&Some(host)], u64::from(*weight));
    }
}

/// E19, over a change of health as well: the rotation goes on.
#[test]
fn the_rotation_goes_on_when_hosts_come_and_fail() {
    let state = LbState::new(0);
    let mut rig = Rig::weighted(&ROUND_ROBIN, &[1, 1]);
    let balancer = rig.build(&state);
    assert_eq!(Picks::new(&balancer, &state, &rig.hosts()).letters(3), "ABA");
    rig.add(Health::Healthy);
    let balancer = rig.build(&state);
    assert_eq!(Picks::new(&balancer, &state, &rig.hosts()).letters(4), "ABCA");
    rig.specs[0].health = Health::Unhealthy;
    let balancer = rig.build(&state);
    assert_eq!(Picks::new(&balancer, &state, &rig.hosts()).letters(4), "CBCB");
}

#[test]
fn a_host_named_by_address_is_taken_when_its_status_allows_it() {
    for count in [3, 300] {
        let mut rig = Rig::weighted(&ROUND_ROBIN, &vec![1; count]);
        rig.specs[1].health = Health::Unhealthy;
        let (state, mut hosts) = (LbState::new(0), rig.hosts());
        hosts[1].status = HealthStatus::Unhealthy;
        let named = |rig: &Rig, host: usize| {
            let preference =
                Preference { host: Some(&rig.specs[host].address), ..Preference::default() };
            let balancer = rig.build(&state);
            let mut picks = (0..20).map(|_| balancer.pick(&state, &hosts, preference, 0, || 0));
            picks.all(|picked| picked == Some(host))
        };
        assert!(named(&rig, 2) && named(&rig, count - 1), "of {count}");
        assert!(!named(&rig, 1), "it is unhealthy");
        rig.common.override_host_status = Box::new([HealthStatus::Unhealthy]);
        assert!(named(&rig, 1) && !named(&rig, 2), "only unhealthy ones");
        rig.common.override_host_status = Box::default();
        assert!(!named(&rig, 2), "no status allows it");
    }
}

#[test]
fn bounded_load_passes_a_full_host_over() {
    let hashing =
        destrier_policy::ConsistentHashing { hash_balance_factor: Some(100), ..Default::default() };
    let rig = Rig::weighted(&LbPolicy::Maglev { table_size: 31, hashing }, &[1, 1, 1]);
    let (state, hosts) = (LbState::new(0), rig.hosts());
    let balancer = rig.build(&state);
    let preference = Preference { hash: Some(77), ..Preference::default() };
    let pick = |active| balancer.pick(&state, &hosts, preference, 0, || active);
    let first = pick(0).expect("a host");
    assert_eq!(pick(0), Some(first));
    hosts[first].active.store(5, Ordering::Relaxed);
    assert_ne!(pick(5), Some(first));
}

/// A table that the budget refuses leaves the last one in force, at the hosts' new places.
#[test]
fn without_memory_the_last_table_stays() {
    use std::sync::Arc;

    use destrier_balance::{Before, TableBudget};
    use destrier_policy::Address;

    let policy = LbPolicy::Maglev { table_size: 251, hashing: Default::default() };
    let mut rig = Rig::weighted(&policy, &[1, 1, 1, 1]);
    let (state, hosts) = (LbState::new(0), rig.hosts());
    let first = rig.build(&state);
    let pick = |balancer: &destrier_balance::Balancer, hosts: &[crate::rig::Host], hash| {
        let preference = Preference { hash: Some(hash), ..Preference::default() };
        balancer.pick(&state, hosts, preference, hash, || 0)
    };
    let expected: Vec<_> = (0..1000).map(|hash| pick(&first, &hosts, hash)).collect();

    let kept: Vec<Address> = rig.specs.iter().map(|spec| spec.address.clone()).collect();
    let addresses: Vec<&Address> = kept.iter().collect();
    rig.specs.remove(0);
    rig.budget = Arc::new(TableBudget::new(10));
    let before = Before { balancer: &first, addresses: &addresses };
    let second = rig.build_after(&state, Some(before));
    let table = second.levels()[0].table.clone().expect("the policy has a table");
    assert!(table.refused.expect("over the budget").to_string().contains("over the budget"));
    for (hash, before) in (0..1000).zip(expected) {
        let now = pick(&second, &hosts[1..], hash).expect("a host");
        match before.expect("a host") {
            0 => assert!(now < 3, "its host has left: any other"),
            before => assert_eq!(now, before - 1, "the same host, at another place"),
        }
    }

    let alone = rig.build(&state);
    assert!(alone.levels()[0].table.as_ref().is_some_and(|table| table.stats.is_none()));
    assert!(pick(&alone, &hosts[1..], 5).is_some(), "at random");
}
