//! SS5 to SS12: sequences while a host is new.

use std::sync::atomic::Ordering;
use std::time::Duration;

use destrier_balance::LbState;
use destrier_policy::{LbPolicy, Percent, Selection, SlowStart};

use crate::rig::{Picks, Rig};

fn slow_start(aggression: f64, min_weight: f64) -> Option<SlowStart> {
    Some(SlowStart {
        window: Duration::from_secs(60),
        aggression,
        min_weight_percent: Percent::new(min_weight).expect("a percentage"),
    })
}

fn round_robin(aggression: f64, min_weight: f64) -> LbPolicy {
    LbPolicy::RoundRobin { slow_start: slow_start(aggression, min_weight) }
}

/// Two hosts, the second of which came `age` ago: how often each is picked of so many times.
fn counts(policy: &LbPolicy, age: Duration, picks: usize) -> [u64; 2] {
    let mut rig = Rig::weighted(policy, &[1, 1]);
    rig.specs[1].age = Some(age);
    let (state, hosts) = (LbState::new(0), rig.hosts());
    let balancer = rig.build(&state);
    let counts = Picks::new(&balancer, &state, &hosts).counts(picks);
    [0, 1].map(|host| counts.get(&Some(host)).copied().unwrap_or(0))
}

#[test]
fn a_new_host_gets_a_part_of_its_weight() {
    for (aggression, min_weight, seconds, [old, new]) in [
        (1.0, 10.0, 0, [10, 1]),
        (1.0, 10.0, 12, [5, 1]),
        (1.0, 10.0, 20, [3, 1]),
        (1.0, 10.0, 60, [1, 1]),
        (0.0, 10.0, 30, [2, 1]),
        (1.0, 35.0, 0, [20, 7]),
    ] {
        let policy = round_robin(aggression, min_weight);
        let picks = 10 * (old + new) as usize;
        let counts = counts(&policy, Duration::from_secs(seconds), picks);
        assert_eq!(counts, [10 * old, 10 * new], "{seconds} s");
    }
}

#[test]
fn growth_may_be_steeper() {
    for (seconds, part) in [(6, 0.3162), (26, 0.6583)] {
        let counts = counts(&round_robin(2.0, 10.0), Duration::from_secs(seconds), 10_000);
        let expected = 10_000.0 * part / (1.0 + part);
        assert!((counts[1] as f64 - expected).abs() < 2.0, "{seconds} s: {counts:?}");
    }
}

/// SS10 and SS11: the other host has one active request, so that it counts half.
#[test]
fn least_request_weighs_both() {
    let policy = LbPolicy::LeastRequest {
        choice_count: 2,
        active_request_bias: 1.0,
        selection: Selection::NChoices,
        slow_start: slow_start(1.0, 10.0),
    };
    for (seconds, [old, new]) in [(10, [3, 1]), (40, [3, 4])] {
        let mut rig = Rig::weighted(&policy, &[1, 1]);
        rig.specs[1].age = Some(Duration::from_secs(seconds));
        let (state, hosts) = (LbState::new(0), rig.hosts());
        hosts[0].active.store(1, Ordering::Relaxed);
        let balancer = rig.build(&state);
        let picks = 100 * (old + new);
        let counts = Picks::new(&balancer, &state, &hosts).counts(picks as usize);
        assert!(counts[&Some(0)].abs_diff(100 * old) <= 2, "{seconds} s: {counts:?}");
    }
}

#[test]
fn when_all_are_new_none_is_throttled() {
    let mut rig = Rig::weighted(&round_robin(1.0, 10.0), &[1, 1, 1]);
    for spec in &mut rig.specs {
        spec.age = Some(Duration::from_secs(3));
    }
    let (state, hosts) = (LbState::new(0), rig.hosts());
    let balancer = rig.build(&state);
    assert!(balancer.next_step().is_some());
    let letters = Picks::new(&balancer, &state, &hosts).letters(30);
    assert!("ABC".repeat(11).contains(&letters), "{letters}");
}

#[test]
fn the_next_step_is_said_until_the_window_is_over() {
    let mut rig = Rig::weighted(&round_robin(1.0, 10.0), &[1, 1]);
    let mut age = Duration::ZERO;
    let mut steps = 0;
    let mut parts = vec![0.0];
    loop {
        rig.specs[1].age = Some(age);
        let balancer = rig.build(&LbState::new(0));
        parts.push(balancer.shares(2)[1]);
        let Some(step) = balancer.next_step() else { break };
        age += step;
        steps += 1;
    }
    assert_eq!((age, steps), (Duration::from_secs(60), 50));
    assert!(parts.is_sorted(), "{parts:?}");
    assert_eq!(parts.last(), Some(&0.5));
}
