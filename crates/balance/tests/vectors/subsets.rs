//! Parts of a cluster.

use std::collections::{BTreeMap, BTreeSet};

use destrier_balance::Preference;
use destrier_policy::{Address, MetadataMatch};

use crate::read;
use crate::tally::Tally;
use crate::world::World;

/// `h3` for the address that ends in `.3`, `503` for none.
fn label(host: Option<&Address>) -> String {
    let address = host.and_then(Address::ip).map(|address| address.ip().to_string());
    let last = address.as_deref().and_then(|address| address.rsplit('.').next());
    last.map_or("503".to_owned(), |last| format!("h{last}"))
}

/// How many of `requests` each host gets.
fn counts(world: &World, asked: &MetadataMatch, requests: u64) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for request in 0..requests {
        let preference = Preference { metadata: Some(asked), ..Preference::default() };
        // Any odd number spreads well over all 64 bits.
        let random = request.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        *counts.entry(label(world.pick(preference, random))).or_default() += 1;
    }
    counts
}

#[test]
fn metadata_leads_to_the_hosts_that_envoy_takes() {
    let mut tally = Tally::new("subsets");
    for (name, json) in read::files("subsets") {
        if json.get("cases").is_none() {
            continue;
        }
        tally.next_file();
        let cluster = read::cluster(&json["cluster"]);
        let world = World::new(&cluster, &read::endpoints(&json["endpoints"], None));
        for case in read::list(&json["cases"]) {
            let asked = &case["metadata_match"];
            let hosts = counts(&world, &read::metadata_match(asked), 700).into_keys();
            let recorded = read::list(&case["hosts"]).map(|host| read::text(host).to_owned());
            let what = || format!("{name}, {asked}");
            tally.compare(hosts.collect::<BTreeSet<_>>(), recorded.collect(), what);
        }
    }
    tally.finish(31, 455);
}

#[test]
fn localities_share_a_subset_as_in_envoy() {
    let files = read::files("subsets");
    let (_, json) = files.iter().find(|(name, _)| name == "locality-shares").expect("recorded");
    let requests = json["requests"].as_u64().expect("a number");
    let endpoints = read::endpoints(&json["endpoints"], None);
    let mut tally = Tally::new("shares of localities in subsets");
    tally.next_file();
    for row in read::list(&json["rows"]) {
        let cluster = read::cluster(&serde_json::json!({
            "common_lb_config": json["common_lb_config"],
            "lb_subset_config": row["cluster"],
        }));
        let world = World::new(&cluster, &endpoints);
        let ours = counts(&world, &read::metadata_match(&row["metadata_match"]), requests);
        let recorded = row["counts"].as_object().expect("counts").iter();
        for (host, count) in recorded {
            let count = count.as_u64().expect("a number");
            let ours = ours.get(host).copied().unwrap_or(0);
            // How far a cycle has come when the counting stops.
            let ours = if ours.abs_diff(count) <= 2 { count } else { ours };
            tally.compare(ours, count, || {
                format!("{} {}, {host}", row["cluster"], row["metadata_match"])
            });
        }
    }
    tally.finish(1, 40);
}
