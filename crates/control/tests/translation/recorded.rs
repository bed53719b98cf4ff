//! Every CDS and EDS message that a real istiod sent (`tests/data/istio`: 13 meshes, both modes).
//!
//! What they translate to stands in `tests/data/istio/FOLDER.txt`, in full after the first round and as
//! changes after each later one. `UPDATE=1` writes the files anew.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use destrier_control::{TranslatedCluster, translate_cluster, translate_endpoints};
use destrier_policy::{EndpointSet, Origin};
use envoy_types::pb::envoy::config::cluster::v3::Cluster;
use envoy_types::pb::envoy::config::endpoint::v3::ClusterLoadAssignment;
use envoy_types::pb::envoy::service::discovery::v3::{DeltaDiscoveryResponse, DiscoveryResponse};
use envoy_types::pb::google::protobuf::Any;
use prost::{Message, Name};

use crate::render;

/// What istiod sends and is refused here: a part of the cluster's name, the fault, and why.
const REFUSED: &[(&str, &str)] = &[];

/// A mesh as far as it is known.
#[derive(Default, Clone, PartialEq)]
struct Mesh {
    clusters: BTreeMap<String, TranslatedCluster>,
    endpoints: BTreeMap<String, EndpointSet>,
    refused: BTreeMap<String, Vec<String>>,
}

/// The changes of one message: state-of-the-world CDS is a full list, which is what `Full` says.
enum Fold<'a> {
    Full,
    Changes { removed: &'a [String] },
}

impl Mesh {
    fn apply(&mut self, resources: &[Any], fold: &Fold<'_>) {
        let is_clusters = resources.iter().any(|any| any.type_url == Cluster::type_url());
        match fold {
            Fold::Full if is_clusters => {
                self.clusters.clear();
                self.refused.clear();
            }
            Fold::Full => {}
            Fold::Changes { removed } => {
                for name in *removed {
                    self.clusters.remove(name);
                    self.endpoints.remove(name);
                }
            }
        }
        for resource in resources {
            if resource.type_url == Cluster::type_url() {
                self.apply_cluster(&resource.value);
            } else {
                assert_eq!(resource.type_url, ClusterLoadAssignment::type_url());
                let assignment = ClusterLoadAssignment::decode(resource.value.as_slice())
                    .expect("recorded resources decode");
                let endpoints = translate_endpoints(&assignment).expect("no assignment is refused");
                self.endpoints.insert(assignment.cluster_name, endpoints);
            }
        }
    }

    fn apply_cluster(&mut self, bytes: &[u8]) {
        let cluster = Cluster::decode(bytes).expect("recorded resources decode");
        match translate_cluster(&cluster, Origin::Dynamic) {
            Ok(translated) => {
                self.clusters.insert(cluster.name, translated);
            }
            Err(faults) => {
                let faults = faults.iter().map(ToString::to_string).collect();
                self.refused.insert(cluster.name, faults);
            }
        }
    }
}

fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/istio")
}

fn sorted(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).expect("test data is there");
    let mut paths: Vec<PathBuf> =
        entries.map(|entry| entry.expect("a directory can be read").path()).collect();
    paths.sort();
    paths
}

/// The resources of one recorded message, and the names that it removes.
fn read_message(file: &Path, mode: &str) -> (Vec<Any>, Vec<String>) {
    let bytes = std::fs::read(file).expect("test data can be read");
    if mode == "delta" {
        let response = DeltaDiscoveryResponse::decode(bytes.as_slice()).expect("recorded as such");
        let resources = response.resources.into_iter().filter_map(|entry| entry.resource);
        (resources.collect(), response.removed_resources)
    } else {
        let response = DiscoveryResponse::decode(bytes.as_slice()).expect("recorded as such");
        (response.resources, Vec::new())
    }
}

/// Every resource of the delta recordings.
pub(crate) fn recorded_resources() -> Vec<Any> {
    let rounds = folders().into_iter().flat_map(|folder| sorted(&folder.join("delta")));
    let files = rounds.flat_map(|round| sorted(&round));
    files.flat_map(|file| read_message(&file, "delta").0).collect()
}

/// The mesh after each round.
fn rounds(folder: &Path, mode: &str) -> Vec<Mesh> {
    let mut mesh = Mesh::default();
    let after_each = sorted(&folder.join(mode)).into_iter().map(|round| {
        for file in sorted(&round) {
            let (resources, removed) = read_message(&file, mode);
            let fold = match mode {
                "delta" => Fold::Changes { removed: &removed },
                _ => Fold::Full,
            };
            mesh.apply(&resources, &fold);
        }
        mesh.clone()
    });
    after_each.collect()
}

fn folders() -> Vec<PathBuf> {
    let folders: Vec<_> = sorted(&data()).into_iter().filter(|path| path.is_dir()).collect();
    assert_eq!(folders.len(), 13);
    folders
}

#[test]
fn nothing_is_refused_that_is_not_on_the_list() {
    let mut seen = Vec::new();
    for folder in folders() {
        for mode in ["delta", "sotw"] {
            for (name, faults) in rounds(&folder, mode).into_iter().flat_map(|mesh| mesh.refused) {
                let expected = REFUSED.iter().position(|(part, fault)| {
                    name.contains(part) && faults.iter().all(|found| found.contains(fault))
                });
                assert!(expected.is_some(), "{}: {name}: {faults:?}", folder.display());
                seen.extend(expected);
            }
        }
    }
    assert!((0..REFUSED.len()).all(|index| seen.contains(&index)), "the list names too much");
}

#[test]
fn both_modes_end_alike_after_each_round() {
    for folder in folders() {
        let (delta, sotw) = (rounds(&folder, "delta"), rounds(&folder, "sotw"));
        assert_eq!(delta.len(), sotw.len(), "{}", folder.display());
        for (round, (delta, sotw)) in delta.iter().zip(&sotw).enumerate() {
            let place = format!("{} round {}", folder.display(), round + 1);
            assert_eq!(delta.clusters, sotw.clusters, "{place}");
            // State-of-the-world EDS never says that an assignment is gone: only those of clusters count.
            for name in sotw.clusters.keys() {
                assert_eq!(delta.endpoints.get(name), sotw.endpoints.get(name), "{place}: {name}");
            }
        }
    }
}

#[test]
fn meshes_translate_as_written_down() {
    let mut wrong = Vec::new();
    for folder in folders() {
        let text = text(&rounds(&folder, "delta"));
        let path = folder.with_extension("txt");
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&path, &text).expect("test data can be written");
        }
        let written = std::fs::read_to_string(&path).unwrap_or_default();
        let difference = text.lines().zip(written.lines()).find(|(now, then)| now != then);
        if text != written {
            wrong.push(format!("{}: {difference:?}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}\nUPDATE=1 writes them anew", wrong.join("\n"));
}

/// The first round in full, of the others what changed.
fn text(rounds: &[Mesh]) -> String {
    let mut text = String::new();
    let mut before = Mesh::default();
    for (index, mesh) in rounds.iter().enumerate() {
        text += &format!("# Round {}\n\n", index + 1);
        changes("cluster", &before.clusters, &mesh.clusters, render::cluster, &mut text);
        changes("endpoints", &before.endpoints, &mesh.endpoints, render::endpoints, &mut text);
        before = mesh.clone();
    }
    text
}

fn changes<T: PartialEq>(
    what: &str,
    before: &BTreeMap<String, T>,
    after: &BTreeMap<String, T>,
    render: fn(&T, &mut String),
    text: &mut String,
) {
    for name in before.keys().filter(|name| !after.contains_key(*name)) {
        *text += &format!("{what} {name}: removed\n\n");
    }
    for (name, value) in after.iter().filter(|(name, value)| before.get(*name) != Some(*value)) {
        *text += &format!("{what} {name}\n");
        render(value, text);
        text.push('\n');
    }
}
