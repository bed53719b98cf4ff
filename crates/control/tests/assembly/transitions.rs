//! Seven rounds of a real istiod while its configuration changes (`12-transitions`), in both modes.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use destrier_control::{Absent, CLUSTER_TYPE, Change, ENDPOINTS_TYPE, ResourceRef};
use destrier_policy::{ClusterPolicy, EndpointSet, Snapshot};
use envoy_types::pb::envoy::config::cluster::v3::Cluster;
use envoy_types::pb::envoy::config::endpoint::v3::ClusterLoadAssignment;
use envoy_types::pb::envoy::service::discovery::v3::{DeltaDiscoveryResponse, DiscoveryResponse};
use prost::Message;

use crate::plane::{Named, Plane, seconds};

const ROUNDS: usize = 7;
const SUBSET: &str = "outbound|80|v2|web.demo.svc.cluster.local";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Delta,
    StateOfTheWorld,
}

/// What a message of either mode says.
struct Recorded {
    type_url: String,
    resources: Vec<ResourceRef>,
    removed: Vec<String>,
}

/// The messages about clusters and endpoints of one round, in the order in which they came.
fn messages(mode: Mode, round: usize) -> Vec<Recorded> {
    let folder = match mode {
        Mode::Delta => "delta",
        Mode::StateOfTheWorld => "sotw",
    };
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data/istio/12-transitions")
        .join(folder)
        .join(format!("round-{round}"));
    let listing = fs::read_dir(&folder).expect("the recording is here");
    let mut files: Vec<_> = listing
        .map(|entry| entry.expect("it can be listed").path())
        .filter(|path| {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            name.ends_with("-cds.pb") || name.ends_with("-eds.pb")
        })
        .collect();
    files.sort();
    assert!(!files.is_empty(), "{} is empty", folder.display());
    files
        .into_iter()
        .map(|file| {
            let bytes = fs::read(&file).expect("it can be read");
            match mode {
                Mode::Delta => delta(&bytes),
                Mode::StateOfTheWorld => state_of_the_world(&bytes),
            }
        })
        .collect()
}

fn delta(bytes: &[u8]) -> Recorded {
    let message = DeltaDiscoveryResponse::decode(bytes).expect("recorded as it was sent");
    let resources = message.resources.into_iter().map(|resource| ResourceRef {
        name: resource.name,
        version: resource.version,
        body: resource.resource.expect("none is a heartbeat").value.into(),
    });
    Recorded {
        type_url: message.type_url,
        resources: resources.collect(),
        removed: message.removed_resources,
    }
}

fn state_of_the_world(bytes: &[u8]) -> Recorded {
    let message = DiscoveryResponse::decode(bytes).expect("recorded as it was sent");
    let resources = message.resources.into_iter().map(|any| {
        let name = match message.type_url.as_str() {
            CLUSTER_TYPE => name_of::<Cluster>(&any.value),
            _ => name_of::<ClusterLoadAssignment>(&any.value),
        };
        ResourceRef { name, version: message.version_info.clone(), body: any.value.into() }
    });
    Recorded { resources: resources.collect(), type_url: message.type_url, removed: Vec::new() }
}

fn name_of<M: Named + Default>(body: &[u8]) -> String {
    M::decode(body).expect("recorded as it was sent").name().to_owned()
}

/// What the rounds so far add up to: the last full list of clusters, the last assignment of each name.
#[derive(Default)]
struct Fold {
    clusters: Vec<ResourceRef>,
    endpoints: BTreeMap<String, ResourceRef>,
}

impl Fold {
    fn add(&mut self, round: usize) {
        for message in messages(Mode::StateOfTheWorld, round) {
            if message.type_url == CLUSTER_TYPE {
                self.clusters = message.resources;
            } else {
                let named = message.resources.into_iter();
                self.endpoints.extend(named.map(|resource| (resource.name.clone(), resource)));
            }
        }
    }

    fn fresh_start(&self) -> Plane {
        let mut plane = Plane::new(&[]);
        assert_eq!(plane.delta(CLUSTER_TYPE, &self.clusters, &[]), []);
        let endpoints: Vec<_> = self.endpoints.values().cloned().collect();
        assert_eq!(plane.delta(ENDPOINTS_TYPE, &endpoints, &[]), []);
        plane
    }
}

/// A plane that follows the recording.
fn play(plane: &mut Plane, mode: Mode, round: usize) {
    for message in messages(mode, round) {
        let full = mode == Mode::StateOfTheWorld && message.type_url == CLUSTER_TYPE;
        let rejections = plane.apply(Change {
            type_url: &message.type_url,
            version: "",
            resources: &message.resources,
            unchanged: &[],
            removed: &message.removed,
            absent: if full { Absent::Removed { refused: &[] } } else { Absent::Unchanged },
        });
        assert_eq!(rejections, [], "{mode:?} round {round}");
    }
}

/// What is in force, by value.
fn values(snapshot: &Snapshot) -> BTreeMap<&str, (&ClusterPolicy, &EndpointSet)> {
    let clusters = snapshot.clusters.iter();
    clusters.map(|(name, spec)| (name.as_str(), (&*spec.policy, &*spec.endpoints))).collect()
}

fn assert_same(left: &Plane, right: &Plane, what: &str) {
    let (one, other) = (values(&left.snapshot), values(&right.snapshot));
    let names =
        |values: &BTreeMap<&str, _>| values.keys().map(|n| n.to_string()).collect::<Vec<_>>();
    assert_eq!(names(&one), names(&other), "{what}");
    for (name, value) in &one {
        assert_eq!(value, &other[name], "{what}: {name}");
    }
    assert_eq!(left.warming(), right.warming(), "{what}");
    assert_eq!(left.eds_names(), right.eds_names(), "{what}");
}

#[test]
fn each_round_ends_as_a_fresh_start_would() {
    let mut fold = Fold::default();
    let mut delta = Plane::new(&[]);
    let mut full = Plane::new(&[]);
    for round in 1..=ROUNDS {
        fold.add(round);
        play(&mut delta, Mode::Delta, round);
        play(&mut full, Mode::StateOfTheWorld, round);
        let fresh = fold.fresh_start();
        assert!(!fresh.snapshot.clusters.is_empty());
        assert_same(&full, &fresh, &format!("state of the world, round {round}"));
        assert_same(&delta, &full, &format!("delta, round {round}"));
    }
}

#[test]
fn what_does_not_change_keeps_its_identity() {
    for mode in [Mode::Delta, Mode::StateOfTheWorld] {
        let mut plane = Plane::new(&[]);
        let (mut kept, mut changed) = (0, 0);
        for round in 1..=ROUNDS {
            let before = plane.snapshot.clone();
            play(&mut plane, mode, round);
            for (name, spec) in &plane.snapshot.clusters {
                let Some(old) = before.clusters.get(name) else { continue };
                let equal = old.policy == spec.policy;
                assert_eq!(equal, Arc::ptr_eq(&old.policy, &spec.policy), "{mode:?} {name}");
                let equal_endpoints = old.endpoints == spec.endpoints;
                let same = Arc::ptr_eq(&old.endpoints, &spec.endpoints);
                assert_eq!(equal_endpoints, same, "{mode:?} {name}");
                *(if equal && equal_endpoints { &mut kept } else { &mut changed }) += 1;
            }
        }
        assert!(kept > 10 && changed > 2, "{mode:?}: {kept} kept, {changed} changed");
    }
}

#[test]
fn a_removed_subset_is_frozen() {
    for mode in [Mode::Delta, Mode::StateOfTheWorld] {
        let mut plane = Plane::new(&[SUBSET]);
        for round in 1..=3 {
            play(&mut plane, mode, round);
        }
        let last = plane.get(SUBSET);
        assert!(!last.endpoints.is_empty());
        for round in 4..=ROUNDS {
            play(&mut plane, mode, round);
            assert!(plane.is_removed(SUBSET), "{mode:?} round {round}");
            let now = plane.get(SUBSET);
            assert!(Arc::ptr_eq(&last.policy, &now.policy), "{mode:?} round {round}");
            assert!(Arc::ptr_eq(&last.endpoints, &now.endpoints), "{mode:?} round {round}");
            assert!(!plane.eds_names().iter().any(|name| name == SUBSET));
        }
        // The recording does have such an assignment, and with other hosts than the subset's own.
        let late = messages(mode, 4).into_iter().flat_map(|message| message.resources);
        assert!(late.into_iter().any(|resource| resource.name == SUBSET), "{mode:?}");
        plane.advance(seconds(60));
        assert!(plane.spec(SUBSET).is_none());
    }
}
