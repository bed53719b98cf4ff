//! Writes the descriptors of the messages that we read and print as JSON to
//! `$OUT_DIR/descriptors.bin`.
//!
//! envoy-types carries its descriptor set as a file, not as a constant, so the build looks for the
//! directory of the very version that is linked. What the agent never prints is left out: the full
//! set costs 48 MiB when loaded, this one about a tenth.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::env;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use prost::Message;
use prost_types::{
    DescriptorProto, EnumDescriptorProto, EnumOptions, FieldDescriptorProto, FieldOptions,
    FileDescriptorProto, FileDescriptorSet, MessageOptions, field_descriptor_proto,
};

#[path = "build/roots.rs"]
mod roots;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=build");
    println!("cargo::rerun-if-changed=../../Cargo.lock");
    let path = envoy_types_dir()?.join("src/generated/types.bin");
    let bytes = fs::read(&path).map_err(|err| format!("{}: {err}", path.display()))?;
    let mut set = prune(FileDescriptorSet::decode(bytes.as_slice())?);
    set.file.push(typed_struct("udpa.type.v1"));
    set.file.push(typed_struct("xds.type.v3"));
    let out = PathBuf::from(env::var("OUT_DIR")?).join("descriptors.bin");
    fs::write(out, set.encode_to_vec())?;
    Ok(())
}

/// The package directory of the envoy-types that this build links.
fn envoy_types_dir() -> Result<PathBuf, Box<dyn Error>> {
    match ask_cargo() {
        Ok(dir) => Ok(dir),
        // `cargo metadata` wants every package of the workspace on disk, also those that only
        // tests need; a build that fetched less still has the sources of what it links.
        Err(asked) => look_in_registry()
            .map_err(|looked| format!("envoy-types is not found: {asked}; {looked}").into()),
    }
}

fn ask_cargo() -> Result<PathBuf, Box<dyn Error>> {
    let output = Command::new(env::var("CARGO")?)
        .args(["metadata", "--format-version=1", "--offline", "--locked", "--filter-platform"])
        .arg(env::var("TARGET")?)
        .current_dir(env::var("CARGO_MANIFEST_DIR")?)
        .output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).trim().into());
    }
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    metadata["packages"]
        .as_array()
        .into_iter()
        .flatten()
        .find(|package| package["name"] == "envoy-types")
        .and_then(|package| package["manifest_path"].as_str())
        .and_then(|manifest| Path::new(manifest).parent())
        .map(Path::to_owned)
        .ok_or_else(|| "cargo metadata names no envoy-types".into())
}

fn look_in_registry() -> Result<PathBuf, Box<dyn Error>> {
    let lock = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("../../Cargo.lock");
    let lock = fs::read_to_string(&lock).map_err(|err| format!("{}: {err}", lock.display()))?;
    let version = lock
        .split("[[package]]")
        .find(|package| package.contains("name = \"envoy-types\""))
        .and_then(|package| package.split("version = \"").nth(1)?.split('"').next())
        .ok_or("Cargo.lock names no envoy-types")?;
    let home = env::var("CARGO_HOME")
        .or_else(|_| env::var("HOME").map(|home| format!("{home}/.cargo")))
        .map_err(|_| "neither CARGO_HOME nor HOME is set")?;
    let sources = Path::new(&home).join("registry/src");
    fs::read_dir(&sources)
        .map_err(|err| format!("{}: {err}", sources.display()))?
        .filter_map(Result::ok)
        .map(|registry| registry.path().join(format!("envoy-types-{version}")))
        .find(|dir| dir.is_dir())
        .ok_or_else(|| format!("no envoy-types-{version} under {}", sources.display()).into())
}

/// Keeps the messages and enums that can be reached from the roots, and drops comments, services,
/// extensions and options, which no JSON needs.
fn prune(set: FileDescriptorSet) -> FileDescriptorSet {
    let mut owner = HashMap::new();
    let mut uses: HashMap<String, BTreeSet<String>> = HashMap::new();
    let mut queue = Vec::new();
    for file in &set.file {
        for message in &file.message_type {
            let name = full_name(file, message.name());
            let mut used = BTreeSet::new();
            collect_types(message, &mut used);
            uses.insert(name.clone(), used);
            declare(&name, &name, message, &mut owner);
            if roots::is_root(file.package(), &name) {
                queue.push(name);
            }
        }
        for kind in &file.enum_type {
            let name = full_name(file, kind.name());
            owner.insert(name.clone(), name);
        }
    }

    let mut kept = BTreeSet::new();
    while let Some(name) = queue.pop() {
        if kept.insert(name.clone()) {
            queue.extend(
                uses.get(&name).into_iter().flatten().filter_map(|used| owner.get(used)).cloned(),
            );
        }
    }

    let mut file_of = HashMap::new();
    let mut files = Vec::new();
    for mut file in set.file {
        let package = file.package().to_owned();
        let is_kept = |name: &str| kept.contains(&format!("{package}.{name}"));
        file.message_type.retain(|message| is_kept(message.name()));
        file.enum_type.retain(|kind| is_kept(kind.name()));
        if file.message_type.is_empty() && file.enum_type.is_empty() {
            continue;
        }
        for message in &file.message_type {
            file_of.insert(full_name(&file, message.name()), file.name().to_owned());
        }
        for kind in &file.enum_type {
            file_of.insert(full_name(&file, kind.name()), file.name().to_owned());
        }
        files.push(file);
    }
    for file in &mut files {
        let used: BTreeSet<_> = file
            .message_type
            .iter()
            .flat_map(|message| uses.get(&full_name(file, message.name())).into_iter().flatten())
            .filter_map(|used| file_of.get(owner.get(used)?))
            .filter(|name| *name != file.name())
            .cloned()
            .collect();
        file.dependency = used.into_iter().collect();
        strip_file(file);
    }
    FileDescriptorSet { file: in_order_of_import(files) }
}

fn full_name(file: &FileDescriptorProto, name: &str) -> String {
    format!("{}.{name}", file.package())
}

fn declare(
    name: &str,
    outermost: &str,
    message: &DescriptorProto,
    owner: &mut HashMap<String, String>,
) {
    owner.insert(name.to_owned(), outermost.to_owned());
    for nested in &message.nested_type {
        declare(&format!("{name}.{}", nested.name()), outermost, nested, owner);
    }
    for kind in &message.enum_type {
        owner.insert(format!("{name}.{}", kind.name()), outermost.to_owned());
    }
}

fn collect_types(message: &DescriptorProto, used: &mut BTreeSet<String>) {
    let names = message.field.iter().filter_map(|field| field.type_name.as_deref());
    used.extend(names.map(|name| name.trim_start_matches('.').to_owned()));
    for nested in &message.nested_type {
        collect_types(nested, used);
    }
}

fn strip_file(file: &mut FileDescriptorProto) {
    file.source_code_info = None;
    file.options = None;
    file.public_dependency.clear();
    file.weak_dependency.clear();
    file.service.clear();
    file.extension.clear();
    file.message_type.iter_mut().for_each(strip_message);
    file.enum_type.iter_mut().for_each(strip_enum);
}

fn strip_message(message: &mut DescriptorProto) {
    let is_map = message.options.as_ref().and_then(|options| options.map_entry);
    message.options =
        is_map.map(|entry| MessageOptions { map_entry: Some(entry), ..Default::default() });
    message.extension.clear();
    for field in &mut message.field {
        let packed = field.options.as_ref().and_then(|options| options.packed);
        field.options =
            packed.map(|packed| FieldOptions { packed: Some(packed), ..Default::default() });
    }
    message.oneof_decl.iter_mut().for_each(|oneof| oneof.options = None);
    message.enum_type.iter_mut().for_each(strip_enum);
    message.nested_type.iter_mut().for_each(strip_message);
}

fn strip_enum(kind: &mut EnumDescriptorProto) {
    let alias = kind.options.as_ref().and_then(|options| options.allow_alias);
    kind.options =
        alias.map(|alias| EnumOptions { allow_alias: Some(alias), ..Default::default() });
    kind.value.iter_mut().for_each(|value| value.options = None);
}

/// The descriptor pool takes a file only after those that it imports.
fn in_order_of_import(files: Vec<FileDescriptorProto>) -> Vec<FileDescriptorProto> {
    let mut waiting: BTreeMap<_, _> =
        files.into_iter().map(|file| (file.name().to_owned(), file)).collect();
    let mut ordered = Vec::with_capacity(waiting.len());
    while !waiting.is_empty() {
        let ready: Vec<_> = waiting
            .iter()
            .filter(|(_, file)| file.dependency.iter().all(|name| !waiting.contains_key(name)))
            .map(|(name, _)| name.clone())
            .collect();
        assert!(!ready.is_empty(), "descriptor files import each other in a circle");
        ordered.extend(ready.iter().filter_map(|name| waiting.remove(name)));
    }
    ordered
}

/// istiod wraps what its own filters read in `TypedStruct`, which envoy-types lacks.
fn typed_struct(package: &str) -> FileDescriptorProto {
    let field = |name: &str, number, kind: field_descriptor_proto::Type| FieldDescriptorProto {
        name: Some(name.to_owned()),
        number: Some(number),
        label: Some(field_descriptor_proto::Label::Optional as i32),
        r#type: Some(kind as i32),
        ..Default::default()
    };
    let mut value = field("value", 2, field_descriptor_proto::Type::Message);
    value.type_name = Some(".google.protobuf.Struct".to_owned());
    FileDescriptorProto {
        name: Some(format!("{}/typed_struct.proto", package.replace('.', "/"))),
        package: Some(package.to_owned()),
        syntax: Some("proto3".to_owned()),
        dependency: vec!["google/protobuf/struct.proto".to_owned()],
        message_type: vec![DescriptorProto {
            name: Some("TypedStruct".to_owned()),
            field: vec![field("type_url", 1, field_descriptor_proto::Type::String), value],
            ..Default::default()
        }],
        ..Default::default()
    }
}
