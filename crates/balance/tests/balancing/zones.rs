//! Zone-aware routing as recorded: the client is in z0, `min_cluster_size` is 6 unless said.

use std::collections::BTreeMap;

use destrier_balance::{Health, LbState, LocalCluster};
use destrier_policy::{LbPolicy, Locality, LocalityLb, Percent};
use serde_json::Value;

use crate::rig::{LEAST_REQUEST, Picks, ROUND_ROBIN, Rig, counters, numbers};

fn zone(number: usize) -> Locality {
    Locality::new("r", &format!("z{number}"), "")
}

fn rig(row: &Value, policy: &LbPolicy, enabled: f64, min_cluster_size: u64) -> Rig {
    let mut rig = Rig::new(policy);
    rig.own = zone(0);
    let zones: Vec<Locality> = (0..10).map(zone).collect();
    let local = numbers(&row["local_hosts_per_zone"]);
    let members = zones
        .iter()
        .zip(local)
        .flat_map(|(zone, hosts)| (0..hosts).map(move |_| (zone, Health::Healthy)));
    rig.local = Some(LocalCluster::new(&rig.own, members));
    for (number, hosts) in numbers(&row["upstream_hosts_per_zone"]).into_iter().enumerate() {
        for _ in 0..hosts {
            rig.add(Health::Healthy).locality = zone(number);
        }
    }
    rig.common.locality = LocalityLb::ZoneAware {
        routing_enabled: Percent::new(enabled).expect("a percentage"),
        min_cluster_size,
        fail_traffic_on_panic: false,
    };
    rig
}

#[test]
fn shares_and_statistics_are_as_recorded() {
    let all: Value = serde_json::from_str(include_str!("../data/load/zones.json"))
        .expect("the recording is JSON");
    for row in all["rows"].as_array().expect("rows") {
        for (name, policy, enabled, min_size, requests) in [
            ("round_robin_defaults_10000", &ROUND_ROBIN, 100.0, 6, 10_000),
            ("least_request_4000", &LEAST_REQUEST, 100.0, 6, 4000),
            ("min_cluster_size_3_4000", &ROUND_ROBIN, 100.0, 3, 4000),
            ("routing_enabled_50_min_3_4000", &ROUND_ROBIN, 50.0, 3, 4000),
        ] {
            let rig = rig(row, policy, enabled, min_size);
            let (state, hosts) = (LbState::new(0), rig.hosts());
            let balancer = rig.build(&state);
            let mut ours: BTreeMap<String, f64> = BTreeMap::new();
            for (host, count) in Picks::new(&balancer, &state, &hosts).counts(requests) {
                let zone = rig.specs[host.expect("a host")].locality.zone().to_owned();
                *ours.entry(zone).or_default() += count as f64 / requests as f64;
            }
            let recorded = row[name].as_object().expect("counts");
            for zone in ours.keys().chain(recorded.keys()) {
                let ours = ours.get(zone).copied().unwrap_or(0.0);
                let theirs = recorded.get(zone).and_then(Value::as_f64).unwrap_or(0.0);
                let theirs = theirs / requests as f64;
                assert!((ours - theirs).abs() < 0.035, "{name} {zone}: {ours}, {theirs}: {row}");
            }
            let cluster = match name {
                "round_robin_defaults_10000" => "up",
                "min_cluster_size_3_4000" => "min3",
                _ => continue,
            };
            let ours = counters(&state);
            let recorded = row["stats"].as_object().expect("statistics");
            for stat in ["all_directly", "sampled", "cross_zone"] {
                let stat = format!("lb_zone_routing_{stat}");
                let theirs = recorded.get(&format!("cluster.{cluster}.{stat}"));
                let theirs = theirs.and_then(Value::as_u64).unwrap_or(0);
                let near = ours[&stat].abs_diff(theirs) as f64 / (requests as f64) < 0.035;
                assert!(near, "{stat}: {} and {theirs}: {row}", ours[&stat]);
            }
            let small =
                recorded.contains_key(&format!("cluster.{cluster}.lb_zone_cluster_too_small"));
            assert_eq!(ours["lb_zone_cluster_too_small"] > 0, small, "{row}");
        }
    }
}

/// A local cluster in panic says nothing about zones.
#[test]
fn a_local_cluster_in_panic_is_not_gone_by() {
    let row: Value =
        serde_json::from_str(r#"{"local_hosts_per_zone":[1,1],"upstream_hosts_per_zone":[3,3]}"#)
            .expect("JSON");
    let mut rig = rig(&row, &ROUND_ROBIN, 100.0, 3);
    let zones = [zone(0), zone(1)];
    let members = [
        (&zones[0], Health::Healthy),
        (&zones[1], Health::Unhealthy),
        (&zones[1], Health::Unhealthy),
    ];
    rig.local = Some(LocalCluster::new(&rig.own, members.into_iter()));
    let (state, hosts) = (LbState::new(0), rig.hosts());
    let balancer = rig.build(&state);
    assert_eq!(Picks::new(&balancer, &state, &hosts).counts(60).len(), 6);
    assert!(counters(&state)["lb_local_cluster_not_ok"] > 0);
}
