//! Ring hash and Maglev.

use destrier_balance::{Preference, hash_bytes};
use destrier_policy::EndpointSet;
use serde_json::Value as Json;

use crate::read::{self, Cluster};
use crate::tally::Tally;
use crate::world::World;

/// The place of the picked host among the distinct addresses.
fn pick(world: &World, endpoints: &EndpointSet, key: &str) -> Option<usize> {
    let preference = Preference { hash: Some(hash_bytes(key.as_bytes())), ..Preference::default() };
    let picked = world.pick(preference, 0)?;
    read::addresses(endpoints).iter().position(|address| address == picked)
}

fn settings(kind: &'static str, folder: &str, files: usize) {
    let mut tally = Tally::new(kind);
    for (name, json) in read::files(folder) {
        tally.next_file();
        let cluster = read::cluster(&json["cluster"]);
        let endpoints = read::endpoints(&json["endpoints"], json.get("policy"));
        let world = World::new(&cluster, &endpoints);
        for (key, host) in read::picks(&json["picks"]) {
            tally.compare(pick(&world, &endpoints, key), host, || format!("{name}, {key:?}"));
        }
    }
    tally.finish(files, 300 * files);
}

#[test]
fn keys_go_where_the_ring_of_envoy_sends_them() {
    settings("picks of ring hash", "hash-picks/ring", 60);
}

#[test]
fn keys_go_where_the_table_of_envoy_sends_them() {
    settings("picks of Maglev", "hash-picks/maglev", 52);
}

/// Envoy's gauges of a cluster of one priority; of several they show the one that was built last.
#[test]
fn tables_are_as_large_as_those_of_envoy() {
    let mut tally = Tally::new("sizes of tables");
    for folder in ["hash-picks/ring", "hash-picks/maglev"] {
        for (name, json) in read::files(folder) {
            let endpoints = read::endpoints(&json["endpoints"], None);
            if endpoints.localities.iter().any(|group| group.priority > 0) {
                continue;
            }
            tally.next_file();
            let world = World::new(&read::cluster(&json["cluster"]), &endpoints);
            let ours = world.tables().next().unwrap_or_default();
            for (gauge, recorded) in json["stats"].as_object().into_iter().flatten() {
                let recorded = recorded.as_u64().expect("a number");
                let ours = match gauge.split_once('.').expect("a name").1 {
                    // The size that was aimed at; rounding may make one point more.
                    "size" if ours.size == recorded + 1 => recorded,
                    "size" => ours.size,
                    "min_hashes_per_host" | "min_entries_per_host" => ours.min_per_host,
                    "max_hashes_per_host" | "max_entries_per_host" => ours.max_per_host,
                    other => panic!("an unknown gauge: {other}"),
                };
                tally.compare(ours, recorded, || format!("{name}, {gauge}"));
            }
        }
    }
    tally.finish(100, 250);
}

/// The picks of all keys after a step: `picks` of the first one, of which later ones change `moved`.
fn replay(tally: &mut Tally, name: &str, cluster: &Cluster, steps: &Json) {
    let mut expected: Vec<(&str, Option<String>)> = Vec::new();
    for step in read::list(steps) {
        let endpoints = read::endpoints(&step["endpoints"], None);
        let addresses = read::addresses(&endpoints);
        let address = |host: Option<usize>| host.map(|host| addresses[host].to_string());
        expected.extend(read::picks(&step["picks"]).map(|(key, host)| (key, address(host))));
        let mut moved = 0;
        for (key, host) in read::picks(&step["moved"]) {
            moved += 1;
            let known = expected.iter_mut().find(|known| known.0 == key);
            known.expect("a key of the first step").1 = address(host);
        }
        assert_eq!(moved, step["moved_count"].as_u64().unwrap_or(0), "{name} {}", step["step"]);
        let world = World::new(cluster, &endpoints);
        for (key, recorded) in &expected {
            let ours = address(pick(&world, &endpoints, key));
            let what = || format!("{name}, {}, {key:?}", step["step"]);
            tally.compare(ours, recorded.clone(), what);
        }
    }
}

#[test]
fn keys_move_as_they_move_in_envoy() {
    let mut tally = Tally::new("picks while endpoints change");
    for (name, json) in read::files("hash-changes") {
        tally.next_file();
        replay(&mut tally, &name, &read::cluster(&json["cluster"]), &json["steps"]);
    }
    tally.finish(6, 6 * 9 * 300);
}
