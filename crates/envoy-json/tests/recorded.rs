//! Messages recorded from istiod and configuration that Envoy 1.40 was run with.

use std::fs;
use std::path::{Path, PathBuf};

use destrier_envoy_json::{Pool, UnknownFields, parse_bootstrap, parse_yaml};
use envoy_types::pb::envoy::config::bootstrap::v3::Bootstrap;
use envoy_types::pb::envoy::service::discovery::v3::{DeltaDiscoveryResponse, DiscoveryResponse};
use prost::{Message, Name};
use serde_json::Value;

fn files(folder: &str, extension: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(folder);
    let entries = fs::read_dir(&folder).expect("the folder is part of the project");
    let mut files: Vec<_> = entries
        .map(|entry| entry.expect("a readable folder").path())
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "no {extension} file in {}", folder.display());
    files
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).expect("a readable file of the project")
}

/// The recordings show types that only Istio's proxy has by their type alone.
fn without_opaque_values(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            let istios = fields.get("@type").and_then(Value::as_str);
            if istios.is_some_and(|name| name.starts_with("type.googleapis.com/istio.")) {
                fields.remove("value");
            }
            fields.values_mut().for_each(without_opaque_values);
        }
        Value::Array(items) => items.iter_mut().for_each(without_opaque_values),
        _ => {}
    }
}

#[test]
fn recorded_messages_print_as_they_were_recorded() {
    let pool = Pool::new();
    for path in files("recorded", "pb") {
        let bytes = fs::read(&path).expect("a readable file of the project");
        let message = DeltaDiscoveryResponse::decode(bytes.as_slice()).expect("a recorded message");
        let mut printed = pool.to_value(&message);
        without_opaque_values(&mut printed);
        let recorded: Value =
            serde_json::from_str(&text(&path.with_extension("json"))).expect("recorded JSON");
        if printed != recorded {
            let pretty = |value| serde_json::to_string_pretty(value).expect("values print");
            let (printed, recorded) = (pretty(&printed), pretty(&recorded));
            let differs =
                printed.lines().zip(recorded.lines()).find(|(ours, theirs)| ours != theirs);
            panic!("{}: {differs:?}", path.display());
        }
    }
}

#[test]
fn recorded_messages_survive_the_way_there_and_back() {
    let pool = Pool::new();
    for path in files("recorded", "pb") {
        let bytes = fs::read(&path).expect("a readable file of the project");
        let message = DeltaDiscoveryResponse::decode(bytes.as_slice()).expect("a recorded message");
        let printed = pool.to_value(&message);
        let back: DeltaDiscoveryResponse =
            pool.from_value(printed.clone(), UnknownFields::Reject).expect("our own JSON");
        assert_eq!(pool.to_value(&back), printed, "{}", path.display());
        assert_eq!(back.nonce, message.nonce);
    }
}

#[test]
fn broken_messages_are_printed_one_way_or_the_other() {
    let pool = Pool::new();
    let type_url = DeltaDiscoveryResponse::type_url();
    for path in files("recorded", "pb") {
        let whole = fs::read(&path).expect("a readable file of the project");
        for place in (0..whole.len()).step_by(whole.len() / 100) {
            let mut flipped = whole.clone();
            flipped[place] ^= 0x15;
            for bytes in [flipped.as_slice(), &whole[..place]] {
                let printed = pool.any_to_value(&type_url, bytes);
                let readable = DeltaDiscoveryResponse::decode(bytes).is_ok();
                let in_base64 = printed.get("value").is_some();
                assert!(!in_base64 || !readable, "{} at {place}", path.display());
            }
        }
    }
}

#[test]
fn configuration_that_envoy_takes_is_read_without_loss() {
    let pool = Pool::new();
    for path in files("admin", "json") {
        let written: Value = serde_json::from_str(&text(&path)).expect("JSON");
        if path.ends_with("bootstrap.json") {
            let parsed = pool.parse::<Bootstrap>(&written, UnknownFields::Reject);
            let parsed = parsed.unwrap_or_else(|err| panic!("{}: {err}", path.display()));
            assert_eq!(parsed.unknown_types, []);
            let again: Bootstrap = pool
                .from_value(pool.to_value(&parsed.message), UnknownFields::Reject)
                .expect("our own JSON");
            assert_eq!(pool.to_value(&again), pool.to_value(&parsed.message));
        } else {
            let response: DiscoveryResponse = pool
                .from_value(written.clone(), UnknownFields::Reject)
                .unwrap_or_else(|err| panic!("{}: {err}", path.display()));
            let listed = written["resources"].as_array().expect("each file lists resources");
            assert_eq!(response.resources.len(), listed.len());
            let printed = pool.to_value(&response);
            for (index, resource) in listed.iter().enumerate() {
                for name in resource.as_object().expect("resources are objects").keys() {
                    let shown = !printed["resources"][index][name].is_null();
                    let default = [Value::Bool(false), Value::from(0)].contains(&resource[name]);
                    assert!(shown || default, "{}: {name} is lost", path.display());
                }
            }
        }
    }
}

#[test]
fn yaml_and_json_are_the_same_bootstrap() {
    let path = &files("admin", "json").into_iter().find(|path| path.ends_with("bootstrap.json"));
    let json = text(path.as_ref().expect("a bootstrap among the files"));
    let value = parse_yaml(&json).expect("JSON is YAML");
    assert_eq!(value, serde_json::from_str::<Value>(&json).expect("JSON"));
    let parsed = parse_bootstrap(&[&json], UnknownFields::Reject).expect("Envoy took it");
    assert_eq!(parsed.message.node.expect("it has a node").cluster, "client.default");
}
