//! Sequences recorded from Envoy 1.40.0: one worker, one request after another, hosts A, B, ... in
//! list order. `data/round_robin_sequences.json` says in its `what` how to read it.

use std::collections::BTreeMap;

use destrier_balance::{Health, LbState};
use destrier_policy::{LbPolicy, Locality, LocalityLb};
use serde_json::Value;

use crate::rig::{LEAST_REQUEST, Picks, ROUND_ROBIN, Rig, numbers};

fn recording(part: &str) -> Vec<Value> {
    let text = include_str!("../data/round_robin_sequences.json");
    let all: Value = serde_json::from_str(text).expect("the recording is JSON");
    all[part].as_array().expect("a list of setups").clone()
}

fn weights(setup: &Value) -> Vec<u32> {
    let weights = setup["weights"].as_array().expect("weights");
    weights.iter().map(|weight| weight.as_u64().expect("a number") as u32).collect()
}

/// `count` picks from a place in the rotation, as letters.
fn picks(policy: &LbPolicy, weights: &[u32], position: u64, count: usize) -> String {
    let rig = Rig::weighted(policy, weights);
    let (state, hosts) = (LbState::new(position << 16), rig.hosts());
    Picks::new(&rig.build(&state), &state, &hosts).letters(count)
}

#[test]
fn round_robin_is_the_exact_sequence() {
    let mut compared = 0;
    for setup in recording("round_robin") {
        let weights = weights(&setup);
        for run in setup["runs"].as_array().expect("runs") {
            let offset = run["offset"].as_u64().expect("an offset");
            let recorded = run["first_200"].as_str().expect("picks");
            let exact_until = run["leaves_exact_sequence_at"].as_u64().unwrap_or(200) as usize;
            let ours = picks(&ROUND_ROBIN, &weights, offset, 200);
            assert_eq!(ours[..exact_until], recorded[..exact_until], "{weights:?} from {offset}");
            compared += exact_until;
        }
    }
    assert!(compared > 10_000, "only {compared} picks were compared");
}

/// E1 to E10 of the vectors: from the start of the sequence. Left out are the parts where rounding in
/// Envoy broke a tie the other way.
#[test]
fn round_robin_from_the_start() {
    for (weights, expected) in [
        (&[1, 2][..], "BABBAB"),
        (&[2, 1], "ABAABA"),
        (&[1, 1, 1], "ABCABC"),
        (&[1, 2, 3], "CBCABCCBC"),
        (&[3, 2, 1], "ABACBAABA"),
        (&[5, 1, 1], "AAAABC"),
        (&[1, 4], "BBBABBBBAB"),
        (&[10, 1], "AAAAAAAAA"),
    ] {
        assert_eq!(picks(&ROUND_ROBIN, weights, 0, expected.len()), expected, "{weights:?}");
    }
}

fn share(picks: &str) -> BTreeMap<char, usize> {
    picks.chars().fold(BTreeMap::new(), |mut counts, host| {
        *counts.entry(host).or_default() += 1;
        counts
    })
}

#[test]
fn idle_hosts_of_different_weight_share_least_request_by_weight() {
    for setup in recording("least_request_idle") {
        let weights = weights(&setup);
        if weights.iter().all(|weight| *weight == weights[0]) {
            continue;
        }
        let total: u32 = weights.iter().sum();
        for offset in [0, 1, 7, 1000] {
            let counts = share(&picks(&LEAST_REQUEST, &weights, offset, 400));
            for (host, weight) in ('A'..).zip(&weights) {
                let count = counts.get(&host).copied().unwrap_or(0) as f64;
                let exact = 400.0 * f64::from(*weight) / f64::from(total);
                assert!(
                    (count - exact).abs() < 2.0,
                    "{weights:?}: {host} has {count}, not {exact}"
                );
            }
            // As recorded, within the same distance.
            let run = &setup["counts_per_run"][0];
            for (host, count) in counts {
                let recorded = run[host.to_string()].as_u64().expect("a count") as f64;
                assert!((count as f64 - recorded).abs() < 3.0, "{weights:?}: {host}");
            }
        }
    }
}

#[test]
fn equal_weights_share_least_request_evenly_when_idle() {
    for setup in recording("least_request_idle") {
        let weights = weights(&setup);
        if weights.iter().any(|weight| *weight != weights[0]) {
            continue;
        }
        let even = 4000 / weights.len();
        for count in share(&picks(&LEAST_REQUEST, &weights, 0, 4000)).into_values() {
            assert!(count.abs_diff(even) < even / 8, "{weights:?}: {count}");
        }
    }
}

/// The order of localities, and of the hosts in each, wherever in them a run begins.
#[test]
fn localities_take_turns_as_recorded() {
    for setup in recording("locality_weighted_round_robin") {
        let weights = numbers(&setup["locality_weights"]);
        let mut rig = Rig::new(&ROUND_ROBIN);
        rig.common.locality = LocalityLb::Weighted;
        let hosts = numbers(&setup["hosts_per_locality"]);
        for (zone, (weight, hosts)) in weights.iter().zip(hosts).enumerate() {
            for _ in 0..hosts {
                let spec = rig.add(Health::Healthy);
                spec.locality = Locality::new("", &format!("z{zone}"), "");
                spec.locality_weight = *weight as u32;
            }
        }
        let zone = |host: char| rig.specs[host as usize - 'A' as usize].locality.zone().to_owned();
        let zones = |picks: &str| picks.chars().map(zone).collect::<Vec<_>>();
        let (state, hosts) = (LbState::new(0), rig.hosts());
        let balancer = rig.build(&state);
        let ours = zones(&Picks::new(&balancer, &state, &hosts).letters(2000));
        for run in setup["runs"].as_array().expect("runs") {
            let run = zones(run.as_str().expect("picks"));
            let cycle = weights.iter().sum::<u64>() as usize;
            // Rounding breaks a tie the other way now and then; a few cycles are enough to see the order.
            let start = &run[..3 * cycle];
            assert!(ours.windows(start.len()).any(|window| window == start), "{setup}");
        }
    }
}
