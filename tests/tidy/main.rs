//! The habits of the house, as tests: who may depend on whom, what may be linked at all, how long a file
//! may grow. Needs nothing but cargo.

mod licences;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// The workspace as cargo sees it.
struct Workspace {
    metadata: Value,
}

impl Workspace {
    fn read() -> Self {
        let output = Command::new(env!("CARGO"))
            .args(["metadata", "--format-version", "1", "--locked", "--offline"])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()
            .expect("cargo runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Self { metadata: serde_json::from_slice(&output.stdout).expect("cargo prints JSON") }
    }

    fn packages(&self) -> impl Iterator<Item = &Value> {
        self.metadata["packages"].as_array().expect("packages").iter()
    }

    /// Package id to the ids of its normal and build dependencies, as resolved.
    fn graph(&self) -> BTreeMap<&str, Vec<&str>> {
        let nodes = self.metadata["resolve"]["nodes"].as_array().expect("nodes");
        let normal = |dependency: &&Value| {
            let kinds = dependency["dep_kinds"].as_array().expect("kinds");
            kinds.iter().any(|kind| kind["kind"] != "dev")
        };
        nodes
            .iter()
            .map(|node| {
                let dependencies = node["deps"].as_array().expect("deps").iter().filter(normal);
                let ids = dependencies.map(|found| text(&found["pkg"])).collect();
                (text(&node["id"]), ids)
            })
            .collect()
    }

    fn id(&self, name: &str) -> &str {
        let found = self.packages().find(|package| package["name"] == name);
        text(&found.unwrap_or_else(|| panic!("package {name} is in the workspace"))["id"])
    }

    fn name(&self, id: &str) -> &str {
        let found = self.packages().find(|package| package["id"] == id);
        text(&found.expect("every id has its package")["name"])
    }

    /// Names of everything that is linked into a crate.
    fn reachable(&self, name: &str) -> BTreeSet<&str> {
        let graph = self.graph();
        let (mut seen, mut open) = (BTreeSet::new(), vec![self.id(name)]);
        while let Some(id) = open.pop() {
            if seen.insert(id) {
                open.extend(graph.get(id).into_iter().flatten());
            }
        }
        seen.into_iter().map(|id| self.name(id)).collect()
    }

    /// Names of the crates of ours that a crate depends on directly.
    fn ours(&self, name: &str) -> BTreeSet<&str> {
        let graph = self.graph();
        let direct = graph[self.id(name)].iter().map(|id| self.name(id));
        direct.filter_map(|name| name.strip_prefix("destrier-")).collect()
    }
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a string")
}

/// Crate, and the crates of ours that it may know.
const MAY_KNOW: &[(&str, &[&str])] = &[
    ("policy", &[]),
    ("http1", &[]),
    ("envoy-json", &[]),
    ("xds", &[]),
    ("files", &["xds", "envoy-json"]),
    ("tls", &["policy"]),
    ("balance", &["policy"]),
    ("control", &["policy"]),
    ("upstream", &["policy", "balance", "http1"]),
    ("proxy", &["policy", "upstream", "http1"]),
    ("mock-xds", &["envoy-json"]),
    (
        "admin",
        &[
            "policy",
            "balance",
            "http1",
            "upstream",
            "proxy",
            "xds",
            "control",
            "envoy-json",
            "files",
        ],
    ),
    ("testkit", &["http1"]),
    ("bench", &["policy", "balance", "testkit", "mock-xds"]),
];

#[test]
fn every_crate_knows_only_what_it_may() {
    let workspace = Workspace::read();
    for (name, allowed) in MAY_KNOW {
        for known in workspace.ours(&format!("destrier-{name}")) {
            assert!(allowed.contains(&known), "crate {name} must not know {known}");
        }
    }
    let members: BTreeSet<_> =
        workspace.packages().filter_map(|p| text(&p["name"]).strip_prefix("destrier-")).collect();
    let listed: BTreeSet<_> = MAY_KNOW.iter().map(|(name, _)| *name).collect();
    assert_eq!(members, listed, "every crate stands in the table");
}

#[test]
fn the_data_path_builds_without_protobuf() {
    let workspace = Workspace::read();
    for name in ["policy", "balance", "http1", "upstream", "proxy"] {
        let reachable = workspace.reachable(&format!("destrier-{name}"));
        for banned in ["envoy-types", "prost", "tonic"] {
            assert!(!reachable.contains(banned), "{banned} is linked into {name}");
        }
    }
}

#[test]
fn cores_know_no_runtime() {
    let workspace = Workspace::read();
    for name in ["policy", "balance", "http1", "control"] {
        let direct = workspace.graph()[workspace.id(&format!("destrier-{name}"))]
            .iter()
            .map(|id| workspace.name(id))
            .collect::<BTreeSet<_>>();
        for banned in ["tokio", "hyper", "socket2"] {
            assert!(!direct.contains(banned), "{name} depends on {banned}");
        }
    }
}

/// Linked crates that stand in more than one version, and why that is borne.
const DUPLICATES: &[(&str, &str)] = &[
    ("syn", "build time only: half of the derive macros have moved to 3, half have not"),
    ("getrandom", "below ring, which metadata names below hickory-proto and nothing links"),
    ("windows-sys", "the same"),
    (
        "untrusted",
        "0.7 is below aws-lc-rs, for a feature that is off: metadata names it, nothing links it",
    ),
];

/// Crates that must not come back, whoever brings them.
const BANNED: &[&str] = &[
    "openssl",
    "openssl-sys",
    "native-tls",
    "serde_yaml",
    "serde_yml",
    "rustls-pemfile",
    "dashmap",
];

#[test]
fn nothing_banned_is_linked_and_nothing_twice() {
    let workspace = Workspace::read();
    let reachable_ids = {
        let graph = workspace.graph();
        let (mut seen, mut open) = (BTreeSet::new(), vec![workspace.id("destrier")]);
        while let Some(id) = open.pop() {
            if seen.insert(id) {
                open.extend(graph.get(id).into_iter().flatten());
            }
        }
        seen.into_iter().map(str::to_owned).collect::<BTreeSet<_>>()
    };
    let mut versions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for package in workspace.packages().filter(|p| reachable_ids.contains(text(&p["id"]))) {
        versions.entry(text(&package["name"])).or_default().insert(text(&package["version"]));
    }
    for banned in BANNED {
        assert!(!versions.contains_key(banned), "{banned} is linked");
    }
    let doubled = versions.iter().filter(|(_, versions)| versions.len() > 1);
    for (name, versions) in doubled {
        assert!(
            DUPLICATES.iter().any(|(known, _)| known == name),
            "{name} is there as {versions:?}"
        );
    }
}

#[test]
fn every_licence_is_one_we_may_use() {
    let workspace = Workspace::read();
    for package in workspace.packages() {
        let name = text(&package["name"]);
        let licence = package["license"].as_str().unwrap_or("");
        assert!(licences::is_allowed(licence), "{name} is under `{licence}`");
    }
}

#[test]
fn every_crate_comes_from_the_registry_or_from_here() {
    let workspace = Workspace::read();
    for package in workspace.packages() {
        let source = package["source"].as_str();
        let fine = source.is_none_or(|source| source.starts_with("registry+"));
        assert!(fine, "{} comes from {source:?}", package["name"]);
    }
}

/// Lines that a source file may have.
const LONGEST: usize = 450;

/// Files that are longer, and why one subject needs it.
const LONG: &[(&str, &str)] = &[];

#[test]
fn files_have_one_subject_and_bearable_length() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for folder in ["src", "crates", "tests", "bench", "fuzz/targets"] {
        collect(&root.join(folder), &mut files);
    }
    assert!(files.len() > 50, "the tree was found");
    let mut unused: BTreeSet<_> = LONG.iter().map(|(file, _)| *file).collect();
    for file in files {
        let lines = std::fs::read_to_string(&file).expect("source is text").lines().count();
        let name = file.strip_prefix(root).expect("below the root").to_string_lossy().into_owned();
        let excused = LONG.iter().any(|(long, _)| *long == name);
        assert!(lines <= LONGEST || excused, "{name} has {lines} lines: split it by subject");
        if lines > LONGEST {
            unused.remove(&*name);
        }
    }
    assert!(unused.is_empty(), "no longer too long: {unused:?}");
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.map(|entry| entry.expect("readable").path()) {
        if entry.is_dir() && !entry.ends_with("target") {
            collect(&entry, files);
        } else if entry.extension().is_some_and(|extension| extension == "rs") {
            files.push(entry);
        }
    }
}
