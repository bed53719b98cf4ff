//! Writes the descriptors of the messages that we read and print as JSON to
//! `$OUT_DIR/descriptors.rs`, as tables of integers and one string of names.
//!
//! envoy-types carries its descriptor set as a file, not as a constant, so the build looks for the
//! directory of the very version that is linked. The usual way, a pool of descriptors loaded at
//! start, costs 15 MiB that the allocator never gives back; tables cost nothing until they are
//! read.

use std::env;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use prost::Message;
use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{DescriptorProto, FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet};

#[path = "build/tables.rs"]
mod tables;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=build");
    println!("cargo::rerun-if-changed=../../Cargo.lock");
    let path = envoy_types_dir()?.join("src/generated/types.bin");
    let bytes = fs::read(&path).map_err(|err| format!("{}: {err}", path.display()))?;
    let mut files = FileDescriptorSet::decode(bytes.as_slice())?.file;
    files.extend(["udpa.type.v1", "xds.type.v3"].map(typed_struct));
    let out = PathBuf::from(env::var("OUT_DIR")?).join("descriptors.rs");
    fs::write(out, tables::generate(&files))?;
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

/// istiod wraps what its own filters read in `TypedStruct`, which envoy-types lacks.
fn typed_struct(package: &str) -> FileDescriptorProto {
    let field = |name: &str, number, kind: Type| FieldDescriptorProto {
        name: Some(name.to_owned()),
        number: Some(number),
        label: Some(Label::Optional as i32),
        r#type: Some(kind as i32),
        ..Default::default()
    };
    let mut value = field("value", 2, Type::Message);
    value.type_name = Some(".google.protobuf.Struct".to_owned());
    FileDescriptorProto {
        name: Some(format!("{}/typed_struct.proto", package.replace('.', "/"))),
        package: Some(package.to_owned()),
        syntax: Some("proto3".to_owned()),
        dependency: vec!["google/protobuf/struct.proto".to_owned()],
        message_type: vec![DescriptorProto {
            name: Some("TypedStruct".to_owned()),
            field: vec![field("type_url", 1, Type::String), value],
            ..Default::default()
        }],
        ..Default::default()
    }
}
