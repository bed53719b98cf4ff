//! No field is read and forgotten: of each row that is in force, or will be, some example shows that the
//! translation differs when the field is taken away.

use std::collections::{BTreeMap, BTreeSet};

use destrier_control::fields::{Standing, sections};
use destrier_control::{LoadAssignment, TranslatedCluster, translate_cluster, translate_endpoints};
use destrier_policy::{EndpointSet, Origin};
use envoy_types::pb::google::protobuf::DescriptorProto;
use serde_json::Value;

use crate::fields::{is_ours, message_of_field, proto_messages};
use crate::parse::{message, yaml};

const CLUSTER: &str = "envoy.config.cluster.v3.Cluster";
const ASSIGNMENT: &str = "envoy.config.endpoint.v3.ClusterLoadAssignment";

/// Rows whose field may go without a difference.
const WITHOUT_EFFECT: &[(&str, &str)] = &[
    ("envoy.config.cluster.v3.Cluster.ignore_health_on_host_removal", "it is always so"),
    ("envoy.config.core.v3.TransportSocket.name", "a socket is known by its config"),
    ("envoy.config.cluster.v3.Cluster.filters", "the one that may stand there is tolerated"),
    ("envoy.config.cluster.v3.Filter.name", "a filter is known by its config"),
    ("envoy.config.core.v3.ConfigSource.resource_api_version", "there is only V3"),
    (
        "envoy.config.core.v3.PathConfigSource.watched_directory",
        "files are looked at through their whole path",
    ),
    ("envoy.config.core.v3.WatchedDirectory.path", "the same"),
    ("envoy.config.core.v3.WatchedDirectory.watch_modify", "it is always so"),
    (
        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions.http_filters",
        "only what happens anyway may stand there",
    ),
];

/// A resource, as far as the control plane's view of it goes.
#[derive(PartialEq)]
enum Translated {
    Refused,
    Cluster(Box<TranslatedCluster>),
    Endpoints(EndpointSet),
}

/// What a resource means. The notes are left out: they are not made by the translation of a field.
fn translate(kind: &str, value: &Value) -> Translated {
    if kind == ASSIGNMENT {
        return translate_endpoints(&message(value.clone())).map_or(
            Translated::Refused,
            |mut set| {
                set.notes = Box::default();
                Translated::Endpoints(set)
            },
        );
    }
    let translated = translate_cluster(&message(value.clone()), Origin::Static);
    translated.map_or(Translated::Refused, |mut cluster| {
        cluster.policy.notes = Box::default();
        if let Some(LoadAssignment::Static(set)) = &mut cluster.load_assignment {
            set.notes = Box::default();
        }
        Translated::Cluster(Box::new(cluster))
    })
}

#[test]
fn each_field_that_is_in_force_or_will_be_has_an_effect() {
    let messages = proto_messages();
    let mut effective = BTreeSet::new();
    for (index, example) in include_str!("../data/effect.yaml").split("\n---\n").enumerate() {
        let value = yaml(example);
        let kind = if value.get("cluster_name").is_some() { ASSIGNMENT } else { CLUSTER };
        let whole = translate(kind, &value);
        assert!(whole != Translated::Refused, "example {index}: {:?}", faults(kind, &value));
        let mut fields = Vec::new();
        fields_of(&value, kind, "", &messages, &mut fields);
        for (row, pointer) in fields {
            if !effective.contains(&row) && translate(kind, &without(&value, &pointer)) != whole {
                effective.insert(row);
            }
        }
    }
    let rows = sections().filter(|(section, _)| is_ours(section)).flat_map(|(_, tables)| tables);
    let missing: Vec<String> = rows
        .flat_map(|table| table.rows.iter().map(|row| ((table.message)(), row)))
        .filter(|(_, row)| matches!(row.standing, Standing::InForce | Standing::Later))
        .map(|(message, row)| format!("{message}.{}", row.field))
        .filter(|row| !effective.contains(row))
        .collect();
    let expected: Vec<&str> = missing.iter().map(String::as_str).collect();
    let mut without: Vec<&str> = WITHOUT_EFFECT.iter().map(|(row, _)| *row).collect();
    without.sort_by_key(|row| expected.iter().position(|missing| missing == row));
    assert_eq!(expected, without, "rows of which no example shows an effect");
}

fn faults(kind: &str, value: &Value) -> Vec<String> {
    let faults = if kind == ASSIGNMENT {
        translate_endpoints(&message(value.clone())).err()
    } else {
        translate_cluster(&message(value.clone()), Origin::Static).err()
    };
    faults.unwrap_or_default().iter().map(ToString::to_string).collect()
}

/// Every field that is set, as `message.field`, with the JSON pointer to it.
fn fields_of(
    value: &Value,
    message: &str,
    pointer: &str,
    messages: &BTreeMap<String, DescriptorProto>,
    found: &mut Vec<(String, String)>,
) {
    let Some(object) = value.as_object() else { return };
    // An `Any` says itself what it holds.
    let message = match object.get("@type").and_then(Value::as_str) {
        Some(type_url) => type_url.rsplit('/').next().unwrap_or_default(),
        None => message,
    };
    for (field, inner) in object.iter().filter(|(field, _)| *field != "@type") {
        let pointer = format!("{pointer}/{field}");
        found.push((format!("{message}.{field}"), pointer.clone()));
        let Some(inner_message) = message_of_field(messages, message, field) else { continue };
        match inner {
            Value::Array(elements) => {
                for (index, element) in elements.iter().enumerate() {
                    let pointer = format!("{pointer}/{index}");
                    fields_of(element, &inner_message, &pointer, messages, found);
                }
            }
            // The only map that is walked into holds `Any`s.
            Value::Object(entries) if inner_message == "google.protobuf.Any" => {
                if entries.contains_key("@type") {
                    fields_of(inner, &inner_message, &pointer, messages, found);
                }
                for (key, entry) in entries {
                    fields_of(entry, &inner_message, &format!("{pointer}/{key}"), messages, found);
                }
            }
            other => fields_of(other, &inner_message, &pointer, messages, found),
        }
    }
}

/// The value without what a JSON pointer points to.
fn without(value: &Value, pointer: &str) -> Value {
    let mut value = value.clone();
    let (parent, field) = pointer.rsplit_once('/').expect("a pointer begins with a slash");
    let parent = value.pointer_mut(parent).and_then(Value::as_object_mut);
    parent.expect("the pointer was just made").remove(field);
    value
}
