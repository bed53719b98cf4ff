//! Localities by weight.

use destrier_balance::{Health, LbState};
use destrier_policy::{Locality, LocalityLb};
use serde_json::Value;

use crate::rig::{Picks, ROUND_ROBIN, Rig};

/// Localities of (weight, hosts, healthy hosts).
fn rig(localities: &[Vec<u64>]) -> Rig {
    let mut rig = Rig::new(&ROUND_ROBIN);
    rig.common.locality = LocalityLb::Weighted;
    for (number, locality) in localities.iter().enumerate() {
        let [weight, hosts, healthy] = locality[..] else { panic!("three numbers") };
        for host in 0..hosts {
            let health = if host < healthy { Health::Healthy } else { Health::Unhealthy };
            let spec = rig.add(health);
            spec.locality = Locality::new("r", &format!("z{number}"), "");
            spec.locality_weight = weight as u32;
        }
    }
    rig
}

/// Counts by locality.
fn counts(rig: &Rig, count: usize) -> Vec<u64> {
    let (state, hosts) = (LbState::new(0), rig.hosts());
    let balancer = rig.build(&state);
    let mut counts = Vec::new();
    for (host, count) in Picks::new(&balancer, &state, &hosts).counts(count) {
        // Without a host there is no locality to count it for.
        let Some(host) = host else { continue };
        let zone = rig.specs[host].locality.zone();
        let zone: usize = zone[1..].parse().expect("a number");
        counts.resize(counts.len().max(zone + 1), 0);
        counts[zone] += count;
    }
    counts
}

#[test]
fn shares_are_as_recorded() {
    let all: Value = serde_json::from_str(include_str!("../data/load/localities.json"))
        .expect("the recording is JSON");
    for row in all["rows"].as_array().expect("rows") {
        let localities = row["localities"].as_array().expect("localities");
        // A locality may be without a weight.
        let numbers = |locality: &Value| -> Vec<u64> {
            let numbers = locality.as_array().expect("numbers").iter();
            numbers.map(|number| number.as_u64().unwrap_or(0)).collect()
        };
        let localities: Vec<Vec<u64>> = localities.iter().map(numbers).collect();
        let mut rig = rig(&localities);
        rig.overprovisioning_factor =
            row["overprovisioning_factor"].as_u64().expect("a factor") as u32;
        rig.panic_threshold(row["panic_threshold"].as_f64().expect("a threshold"));
        let requests = row["requests"].as_u64().expect("a number");
        let ours = counts(&rig, requests as usize);
        for locality in 0..localities.len() {
            let recorded = row["counts"][format!("L{locality}")].as_u64().unwrap_or(0);
            let ours = ours.get(locality).copied().unwrap_or(0);
            // Both are exact but for where in the cycle they begin.
            assert!(ours.abs_diff(recorded) <= 4, "L{locality}: {ours}, {recorded}: {row}");
        }
    }
}

/// W1 and W2, of 10,000.
#[test]
fn the_known_shares() {
    for (healthy, share) in [(100, 3333), (70, 3289), (69, 3257), (50, 2593), (25, 1489), (0, 0)] {
        let mut rig = rig(&[vec![1, 100, healthy], vec![2, 100, 100]]);
        rig.panic_threshold(0.0);
        let ours = counts(&rig, 10_000);
        assert!(ours[0].abs_diff(share) <= 2, "{healthy}: {ours:?}");
    }
}

/// W3: one schedule over localities, and W4: a locality without weight gets nothing.
#[test]
fn localities_take_turns() {
    let sequence = |localities: &[Vec<u64>]| {
        let rig = rig(localities);
        let (state, hosts) = (LbState::new(0), rig.hosts());
        let balancer = rig.build(&state);
        Picks::new(&balancer, &state, &hosts).letters(60)
    };
    let two_to_one = sequence(&[vec![1, 1, 1], vec![2, 1, 1]]);
    assert!("BABBABBABBAB".repeat(6).contains(&two_to_one), "{two_to_one}");
    let without = sequence(&[vec![1, 1, 1], vec![0, 1, 1], vec![1, 1, 1]]);
    assert!("ACAC".repeat(20).contains(&without), "{without}");
}

/// Tried with Envoy 1.40: weights that nobody has say nothing.
#[test]
fn without_any_weight_all_hosts_are_alike() {
    assert_eq!(counts(&rig(&[vec![0, 1, 1], vec![0, 3, 3]]), 400), [100, 300]);
}

/// W6: hosts that are draining do not lower the weight of their locality.
#[test]
fn excluded_hosts_do_not_count() {
    let mut rig = rig(&[vec![1, 4, 2], vec![1, 2, 2]]);
    for spec in &mut rig.specs {
        if spec.health == Health::Unhealthy {
            spec.health = Health::Excluded;
        }
    }
    assert_eq!(counts(&rig, 1000), [500, 500]);
}

/// Each locality has a rotation of its own, exact in itself.
#[test]
fn hosts_of_a_locality_share_evenly() {
    let rig = rig(&[vec![3, 4, 4], vec![5, 7, 7]]);
    let (state, hosts) = (LbState::new(3), rig.hosts());
    let balancer = rig.build(&state);
    let counts = Picks::new(&balancer, &state, &hosts).counts(8 * 100);
    for (host, count) in counts {
        let even = if host.expect("a host") < 4 { 75 } else { 71 };
        assert!(count == even || count == even + 1, "{host:?}: {count}");
    }
}
