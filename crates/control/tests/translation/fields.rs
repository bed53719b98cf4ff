//! The field tables against the proto definitions and against `docs/fields.md`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use destrier_control::Settings;
use destrier_control::fields::{Row, Standing, Table, sections};
use envoy_types::pb::google::protobuf::{
    DescriptorProto, FieldDescriptorProto, FileDescriptorSet, field_descriptor_proto::Type,
};
use prost::Message;

/// Messages that are read as a whole where they stand, by a reader that takes them apart without `..`
/// (`proto`), or whose fields are not ours to say something about.
const READ_AS_A_WHOLE: &[(&str, &str)] = &[
    ("google.protobuf.", "well-known types"),
    ("envoy.type.v3.", "percentages and ranges"),
    ("envoy.config.core.v3.Address", "proto::address"),
    ("envoy.config.core.v3.SocketAddress", "proto::socket_addr"),
    ("envoy.config.core.v3.Locality", "three strings"),
    ("envoy.config.core.v3.HealthStatusSet", "one list"),
    ("envoy.config.core.v3.RuntimeDouble", "the runtime key is never looked up"),
    ("envoy.config.core.v3.RuntimeFractionalPercent", "the runtime key is never looked up"),
    ("envoy.config.core.v3.HeaderValue", "listener::mutation"),
    ("envoy.config.core.v3.TypedExtensionConfig", "known by the type of its config"),
    ("envoy.config.core.v3.AggregatedConfigSource", "without fields"),
    ("envoy.config.core.v3.SelfConfigSource", "one enum"),
    ("envoy.config.cluster.v3.Cluster.CommonLbConfig.LocalityWeightedLbConfig", "without fields"),
    (
        "envoy.extensions.load_balancing_policies.common.v3.LocalityLbConfig.LocalityWeightedLbConfig",
        "without fields",
    ),
    ("envoy.extensions.filters.network.http_connection_manager.v3.HttpFilter", "cluster::http"),
    ("envoy.config.core.v3.Node", "sent as it is"),
    ("envoy.config.cluster.v3.Cluster", "translate_cluster"),
    ("envoy.config.listener.v3.Listener", "translate_listener"),
    ("envoy.config.core.v3.GrpcService.GoogleGrpc.GoogleLocalCredentials", "one enum"),
    ("envoy.config.metrics.v3.TagSpecifier", "handed on as it is"),
    ("envoy.config.listener.v3.FilterChainMatch", "must be empty"),
    ("envoy.config.core.v3.DataSource", "listener::action::inline"),
    ("envoy.config.route.v3.RouteMatch.GrpcRouteMatchOptions", "without fields"),
    ("envoy.type.matcher.v3.RegexMatcher.GoogleRE2", "a deprecated limit"),
];

/// Messages whose tables the tests of clusters and endpoints are about.
pub(crate) fn is_ours(section: &str) -> bool {
    matches!(section, "Clusters" | "Load balancing extensions" | "HTTP options" | "Endpoints")
}

#[test]
fn each_field_of_the_proto_stands_in_exactly_one_row() {
    let messages = proto_messages();
    let mut faults = Vec::new();
    for (_, tables) in sections() {
        for table in tables {
            let name = (table.message)();
            let Some(message) = messages.get(&name) else {
                faults.push(format!("{name} is not a message of the proto"));
                continue;
            };
            let fields: BTreeSet<&str> =
                message.field.iter().map(FieldDescriptorProto::name).collect();
            let rows: Vec<&str> = table.rows.iter().map(|row| row.field).collect();
            let row_set: BTreeSet<&str> = rows.iter().copied().collect();
            if rows.len() != row_set.len() {
                faults.push(format!("{name}: a field stands in two rows"));
            }
            for missing in fields.difference(&row_set) {
                faults.push(format!("{name}.{missing} stands in no row"));
            }
            for unknown in row_set.difference(&fields) {
                faults.push(format!("{name}.{unknown} is not a field of the proto"));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn each_message_has_one_table() {
    let names: Vec<String> =
        sections().flat_map(|(_, tables)| tables).map(|table| (table.message)()).collect();
    let distinct: BTreeSet<&String> = names.iter().collect();
    assert_eq!(names.len(), distinct.len(), "a message has two tables");
}

/// A field that is in force, or is read already, holds a message that has a table itself, down to those
/// that are read as a whole. Otherwise a field of a message in the middle could be forgotten. (Of
/// listeners, what belongs to a later part is not read yet.)
#[test]
fn what_is_read_has_a_table_all_the_way_down() {
    let messages = proto_messages();
    let known: BTreeSet<String> =
        sections().flat_map(|(_, tables)| tables).map(|table| (table.message)()).collect();
    let mut faults = Vec::new();
    let tables = sections()
        .flat_map(|(section, tables)| tables.iter().map(move |table| (is_ours(section), table)));
    for (is_ours, table) in tables {
        let name = (table.message)();
        for row in table.rows {
            let Some(inner) = message_of_field(&messages, &name, row.field) else { continue };
            let is_read = match row.standing {
                Standing::InForce => true,
                Standing::Later => is_ours,
                Standing::Tolerated | Standing::Label | Standing::Refused => false,
            };
            let is_whole = READ_AS_A_WHOLE.iter().any(|(whole, _)| {
                inner == *whole || (whole.ends_with('.') && inner.starts_with(whole))
            });
            if is_read && !is_whole && !row.nested {
                faults.push(format!("{name}.{}: {inner} is not walked into", row.field));
            }
            if row.nested && !known.contains(&inner) {
                faults.push(format!("{name}.{}: {inner} has no table", row.field));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn notes_fit_into_a_table() {
    for (_, tables) in sections() {
        for row in tables.iter().flat_map(|table| table.rows) {
            assert!(!row.note.contains('|') && !row.note.ends_with('.'), "{row:?}");
        }
    }
}

#[test]
fn the_documentation_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/fields.md");
    let wanted = document();
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &wanted).expect("docs/ can be written");
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == wanted,
        "docs/fields.md is not what the field tables say; write it anew with\n\
         UPDATE=1 cargo test -p destrier-control --test translation fields"
    );
}

fn document() -> String {
    let mut text = String::from(
        "# Where each field stands\n\n\
         Written from the field tables of `crates/control/src/fields` by\n\
         `UPDATE=1 cargo test -p destrier-control --test translation fields`; do not edit.\n\n\
         A field that a resource sets is\n\n\
         * **in force**: it does what Envoy's documentation says, within the limits of the note;\n\
         * **later**: not enforced yet; named on the admin port. Of clusters and endpoints it is read\n  already, \
         and wrong values are refused;\n\
         * **tolerated**: ignored without harm (telemetry and the like); named on the admin port;\n\
         * **label**: a name for people, of no effect in Envoy either;\n\
         * **refused**: ignoring it would do something else than was asked, so the resource is refused.\n\n\
         A field that stands in no row of a table does not compile.\n",
    );
    for (section, tables) in sections() {
        writeln!(text, "\n## {section}").expect("a string can be written to");
        for table in tables.iter().filter(|table| !table.rows.is_empty()) {
            table_text(table, &mut text);
        }
    }
    text += "\n## Settings of our own\n\n\
             Keys of any `static_layer` of `layered_runtime`; the last one counts. An unknown key \
             `destrier.*`, or a value\nof the wrong type, is an error at start.\n\n\
             | Key | Default | What it sets |\n|---|---|---|\n";
    for (key, default, meaning) in Settings::KEYS {
        writeln!(text, "| `{key}` | `{default}` | {meaning} |")
            .expect("a string can be written to");
    }
    text
}

fn table_text(table: &Table, text: &mut String) {
    let message = (table.message)();
    let mut rows = String::new();
    for Row { field, standing, note, .. } in table.rows {
        let standing = match standing {
            Standing::InForce => "in force",
            Standing::Later => "later",
            Standing::Tolerated => "tolerated",
            Standing::Label => "label",
            Standing::Refused => "refused",
        };
        rows += &format!("| `{field}` | {standing} | {note} |\n");
    }
    *text += &format!("\n### `{message}`\n\n| Field | Standing | Note |\n|---|---|---|\n{rows}");
}

/// Every message of envoy-types, from the descriptors that it was generated from.
pub(crate) fn proto_messages() -> BTreeMap<String, DescriptorProto> {
    let bytes = std::fs::read(envoy_types_directory().join("src/generated/types.bin"))
        .expect("envoy-types comes with its descriptors");
    let set = FileDescriptorSet::decode(bytes.as_slice()).expect("descriptors are a message");
    let mut messages = BTreeMap::new();
    for file in set.file {
        for message in &file.message_type {
            collect(file.package(), message, &mut messages);
        }
    }
    messages
}

fn collect(scope: &str, message: &DescriptorProto, into: &mut BTreeMap<String, DescriptorProto>) {
    let name = format!("{scope}.{}", message.name());
    for inner in &message.nested_type {
        collect(&name, inner, into);
    }
    into.insert(name, message.clone());
}

pub(crate) fn message_of_field(
    messages: &BTreeMap<String, DescriptorProto>,
    message: &str,
    field: &str,
) -> Option<String> {
    let field = messages.get(message)?.field.iter().find(|known| known.name() == field)?;
    let is_message = field.r#type() == Type::Message;
    let inner = is_message.then(|| field.type_name().trim_start_matches('.').to_owned())?;
    // A map is a list of entries, whose value is what counts.
    let entry = messages.get(&inner)?;
    let is_map = entry.options.as_ref().is_some_and(|options| options.map_entry());
    if is_map { message_of_field(messages, &inner, "value") } else { Some(inner) }
}

fn envoy_types_directory() -> PathBuf {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--offline", "--locked", "--manifest-path"])
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml"))
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value =
        serde_json::from_slice(&output.stdout).expect("metadata is JSON");
    let packages = metadata["packages"].as_array().expect("metadata lists packages");
    let package = packages.iter().find(|package| package["name"] == "envoy-types");
    let manifest = package.and_then(|package| package["manifest_path"].as_str());
    let manifest = Path::new(manifest.expect("envoy-types is a dependency"));
    manifest.parent().expect("a manifest lies in a directory").to_owned()
}
