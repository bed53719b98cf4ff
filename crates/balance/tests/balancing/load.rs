//! Shares of priorities as recorded, and the table of loads.

use std::collections::BTreeMap;

use destrier_balance::{Balancer, Health, LbState, Preference};
use destrier_policy::{ConsistentHashing, LbPolicy};
use serde_json::Value;

use crate::rig::{Picks, ROUND_ROBIN, Rig, counters, numbers};

fn rows() -> Vec<Value> {
    let all: Value = serde_json::from_str(include_str!("../data/load/priorities.json"))
        .expect("the recording is JSON");
    all["rows"].as_array().expect("rows").clone()
}

fn rig(row: &Value, policy: &LbPolicy) -> Rig {
    let mut rig = Rig::new(policy);
    for (priority, level) in (0..).zip(row["levels"].as_array().expect("levels")) {
        let level = <[u64; 4]>::try_from(numbers(level)).expect("four numbers");
        rig.level(priority, level);
    }
    rig.overprovisioning_factor = row["overprovisioning_factor"].as_u64().expect("a factor") as u32;
    rig.panic_threshold(row["panic_threshold"].as_f64().expect("a threshold"));
    rig
}

/// Loads by priority number; one that the balancer does not tell apart has all.
fn loads(balancer: &Balancer, priorities: usize) -> (Vec<u64>, Vec<u64>, Vec<bool>) {
    let levels = balancer.levels();
    let mut loads = (vec![0; priorities], vec![0; priorities], vec![false; priorities]);
    if levels.is_empty() {
        loads.0[0] = 100;
    }
    for level in levels {
        let priority = level.priority as usize;
        loads.0[priority] = level.healthy_load.into();
        loads.1[priority] = level.degraded_load.into();
        loads.2[priority] = level.panic;
    }
    loads
}

#[test]
fn loads_are_those_of_envoy() {
    for row in rows() {
        let rig = rig(&row, &ROUND_ROBIN);
        let balancer = rig.build(&LbState::new(0));
        let expected_panic = row["expected_panic"].as_array().expect("flags");
        let expected: Vec<bool> =
            expected_panic.iter().map(|flag| flag.as_bool().expect("a flag")).collect();
        let ours = loads(&balancer, expected.len());
        let healthy = numbers(&row["expected_healthy_load"]);
        let degraded = numbers(&row["expected_degraded_load"]);
        assert_eq!(ours, (healthy, degraded, expected), "{}", row["levels"]);
    }
}

/// Exact: which priority a hash goes to. A DEGRADED host never gets a hash, so only rows without count
/// as they are; the others agree on the priority.
#[test]
fn a_hash_chooses_the_priority() {
    let ring = LbPolicy::RingHash {
        minimum_ring_size: 64,
        maximum_ring_size: 64,
        hash_function: Default::default(),
        hashing: ConsistentHashing::default(),
    };
    let mut compared = 0;
    for row in rows() {
        let Some(recorded) = row["hash_residue_to_priority"].as_str() else { continue };
        let rig = rig(&row, &ring);
        let (state, hosts) = (LbState::new(0), rig.hosts());
        let balancer = rig.build(&state);
        let ours: String = (0..100)
            .map(|residue| {
                let preference = Preference { hash: Some(4200 + residue), ..Preference::default() };
                let picked = balancer.pick(&state, &hosts, preference, 0, || 0);
                picked.map_or('-', |host| (b'0' + rig.specs[host].priority as u8) as char)
            })
            .collect();
        assert_eq!(ours, recorded, "{row}");
        compared += 1;
    }
    assert!(compared > 100, "only {compared} rows were compared");
}

#[test]
fn requests_without_a_hash_are_spread_as_recorded() {
    for row in rows() {
        let rig = rig(&row, &ROUND_ROBIN);
        let (state, hosts) = (LbState::new(7), rig.hosts());
        let balancer = rig.build(&state);
        const REQUESTS: usize = 20_000;
        let mut ours: BTreeMap<String, f64> = BTreeMap::new();
        for (host, count) in Picks::new(&balancer, &state, &hosts).counts(REQUESTS) {
            let kind = host.map_or("503".to_owned(), |host| {
                let health = match rig.specs[host].health {
                    Health::Healthy => "healthy",
                    Health::Degraded => "degraded",
                    Health::Excluded => "draining",
                    Health::Unhealthy | Health::Barred => "unhealthy",
                };
                format!("P{} {health}", rig.specs[host].priority)
            });
            *ours.entry(kind).or_default() += count as f64 / REQUESTS as f64;
        }
        let recorded = row["round_robin_counts"].as_object().expect("counts");
        let requests = row["round_robin_requests"].as_f64().expect("a number");
        // Three standard deviations and a half of the recorded sample.
        let tolerance = 3.5 * (0.25 / requests).sqrt() + 0.01;
        for kind in ours.keys().chain(recorded.keys()) {
            let ours = ours.get(kind).copied().unwrap_or(0.0);
            let theirs = recorded.get(kind).and_then(Value::as_f64).unwrap_or(0.0) / requests;
            let distance = (ours - theirs).abs();
            assert!(distance < tolerance, "{kind}: {ours} is not {theirs}: {row}");
        }
    }
}

/// P1 to P32 of the vectors: hosts and healthy ones by priority (degraded ones as a third), loads, panic.
#[test]
fn the_known_loads() {
    type Row<'a> = (u32, f64, &'a [[u64; 3]], &'a [u64], &'a [u64], &'a [bool]);
    let rows: &[Row<'_>] = &[
        (140, 50.0, &[[4, 2, 0], [4, 2, 0]], &[70, 30], &[0, 0], &[false, false]),
        (100, 50.0, &[[4, 2, 0], [4, 2, 0]], &[50, 50], &[0, 0], &[false, false]),
        (140, 50.0, &[[1, 0, 0], [1, 0, 0]], &[50, 50], &[0, 0], &[true, true]),
        (140, 50.0, &[[1, 0, 0], [2, 0, 0]], &[34, 66], &[0, 0], &[true, true]),
        (140, 50.0, &[[4, 1, 0], [4, 1, 0], [4, 1, 0]], &[35, 35, 30], &[0; 3], &[false; 3]),
        (140, 50.0, &[[5, 1, 0], [5, 1, 0], [5, 1, 0]], &[34, 33, 33], &[0; 3], &[true; 3]),
        (140, 50.0, &[[5, 0, 0], [5, 0, 0], [5, 5, 0]], &[0, 0, 100], &[0; 3], &[false; 3]),
        (140, 50.0, &[[5, 0, 5], [5, 2, 2], [5, 2, 0]], &[0, 56, 44], &[0; 3], &[false; 3]),
        (140, 50.0, &[[5, 0, 0], [3, 0, 0], [2, 0, 0]], &[50, 30, 20], &[0; 3], &[true; 3]),
        (140, 50.0, &[[5, 0, 0], [6, 2, 0], [3, 1, 0]], &[37, 42, 21], &[0; 3], &[true; 3]),
        (140, 50.0, &[[5, 0, 1], [5, 0, 5], [5, 1, 0]], &[0, 0, 28], &[28, 44, 0], &[false; 3]),
        (140, 0.0, &[[5, 0, 0], [5, 0, 2], [5, 0, 1]], &[0, 0, 0], &[0, 67, 33], &[false; 3]),
        (140, 0.0, &[[5, 0, 0], [5, 0, 0]], &[100, 0], &[0, 0], &[false, false]),
        (140, 50.0, &[[10, 7, 0], [10, 10, 0]], &[98, 2], &[0, 0], &[false, false]),
        (140, 50.0, &[[3, 2, 0], [3, 3, 0]], &[93, 7], &[0, 0], &[false, false]),
        (140, 50.0, &[[10, 1, 2], [10, 2, 1], [10, 1, 0]], &[34, 33, 33], &[0; 3], &[true; 3]),
        (140, 50.0, &[[100, 5, 0], [100, 65, 0]], &[8, 92], &[0, 0], &[true, false]),
    ];
    for (factor, threshold, levels, healthy, degraded, panic) in rows {
        let mut rig = Rig::new(&ROUND_ROBIN);
        rig.overprovisioning_factor = *factor;
        rig.panic_threshold(*threshold);
        for (priority, [all, healthy, degraded]) in (0..).zip(*levels) {
            rig.level(priority, [*all, *healthy, *degraded, 0]);
        }
        let ours = loads(&rig.build(&LbState::new(0)), levels.len());
        assert_eq!(ours, (healthy.to_vec(), degraded.to_vec(), panic.to_vec()), "{levels:?}");
    }
}

/// P24 to P26.
#[test]
fn health_may_go_by_weight() {
    use Health::{Degraded, Excluded, Healthy, Unhealthy};
    type Hosts<'a> = &'a [(Health, u32)];
    let cases: &[([Hosts<'_>; 2], [u64; 2], [u64; 2])] = &[
        (
            [&[(Healthy, 3), (Healthy, 3), (Unhealthy, 2), (Unhealthy, 2)], &[(Healthy, 1)]],
            [60, 40],
            [0, 0],
        ),
        ([&[(Healthy, 4), (Excluded, 10), (Unhealthy, 6)], &[(Healthy, 1)]], [40, 60], [0, 0]),
        (
            [
                &[(Healthy, 4), (Degraded, 3), (Unhealthy, 2), (Unhealthy, 1)],
                &[(Healthy, 1), (Degraded, 9)],
            ],
            [40, 10],
            [30, 20],
        ),
    ];
    for (levels, healthy, degraded) in cases {
        let mut rig = Rig::new(&ROUND_ROBIN);
        rig.overprovisioning_factor = 100;
        rig.weighted_priority_health = true;
        rig.panic_threshold(0.0);
        for (priority, hosts) in (0..).zip(levels) {
            for (health, weight) in *hosts {
                let spec = rig.add(*health);
                (spec.priority, spec.weight) = (priority, *weight);
            }
        }
        let ours = loads(&rig.build(&LbState::new(0)), 2);
        assert_eq!((ours.0, ours.1), (healthy.to_vec(), degraded.to_vec()));
    }
}

/// P34: the threshold counts in whole percents.
#[test]
fn a_third_of_the_hosts_is_enough_for_a_threshold_of_33() {
    for (threshold, panics) in [(33.3, false), (33.9, false), (34.0, true), (34.1, true)] {
        let mut rig = Rig::new(&ROUND_ROBIN);
        rig.level(0, [3, 1, 0, 0]);
        rig.panic_threshold(threshold);
        let (state, hosts) = (LbState::new(0), rig.hosts());
        let balancer = rig.build(&state);
        let picked = Picks::new(&balancer, &state, &hosts).counts(30);
        assert_eq!(picked.len() > 1, panics, "{threshold}");
        assert_eq!(counters(&state)["lb_healthy_panic"], if panics { 30 } else { 0 });
    }
}

/// P35 and P36.
#[test]
fn panic_takes_every_host_or_none() {
    let mut rig = Rig::new(&ROUND_ROBIN);
    rig.level(0, [2, 0, 0, 1]);
    let (state, hosts) = (LbState::new(0), rig.hosts());
    let balancer = rig.build(&state);
    assert_eq!(Picks::new(&balancer, &state, &hosts).counts(10).len(), 2, "the draining one too");

    rig.common.locality = destrier_policy::LocalityLb::ZoneAware {
        routing_enabled: destrier_policy::Percent::HUNDRED,
        min_cluster_size: 6,
        fail_traffic_on_panic: true,
    };
    let balancer = rig.build(&state);
    let picked = Picks::new(&balancer, &state, &hosts).counts(10);
    assert_eq!(picked.into_iter().collect::<Vec<_>>(), [(None, 10)]);
}
