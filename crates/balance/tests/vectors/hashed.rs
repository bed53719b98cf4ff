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
