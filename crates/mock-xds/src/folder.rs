//! Resources from files.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use destrier_envoy_json::{JsonError, Pool, UnknownFields, parse_yaml};
use envoy_types::pb::envoy::config::cluster::v3::Cluster;
use envoy_types::pb::envoy::config::endpoint::v3::ClusterLoadAssignment;
use envoy_types::pb::envoy::config::listener::v3::Listener;
use envoy_types::pb::envoy::config::route::v3::RouteConfiguration;
use envoy_types::pb::envoy::extensions::transport_sockets::tls::v3::Secret;
use envoy_types::pb::envoy::service::discovery::v3::{DeltaDiscoveryResponse, DiscoveryResponse};
use envoy_types::pb::google::protobuf::Any;
use prost::Message;
use serde_json::Value;

use crate::changes::Changes;
use crate::type_url;

/// Reads a folder, its files in the order of their names, so that a later one replaces what an
/// earlier one sets.
///
/// `*.json`, `*.yaml` and `*.yml` hold a resource (an object with `@type`), a list of them, or
/// either response message of xDS; `*.pb` holds a response message as it was on the wire. Other
/// files and sub-folders are passed over.
///
/// # Errors
/// The first file that cannot be read or is none of this, by its path and cause.
pub fn load_folder(folder: &Path) -> Result<Changes, FolderError> {
    let fault = |path: &Path, cause| FolderError { path: path.to_owned(), cause };
    let entries = fs::read_dir(folder).map_err(|err| fault(folder, Cause::Io(err)))?;
    let mut paths = entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<io::Result<Vec<_>>>()
        .map_err(|err| fault(folder, Cause::Io(err)))?;
    paths.sort();
    let mut pool = None;
    let mut changes = Changes::new();
    for path in paths {
        let loaded = match path.extension().and_then(|extension| extension.to_str()) {
            Some("json" | "yaml" | "yml") => {
                load_text(&path, pool.get_or_insert_with(Pool::new), changes)
            }
            Some("pb") => load_recorded(&path, changes),
            _ => continue,
        };
        changes = loaded.map_err(|cause| fault(&path, cause))?;
    }
    Ok(changes)
}

/// Why a folder was not loaded.
#[derive(Debug, thiserror::Error)]
#[error("{}: {cause}", path.display())]
pub struct FolderError {
    /// The file, or the folder itself.
    pub path: PathBuf,
    cause: Cause,
}

#[derive(Debug, thiserror::Error)]
enum Cause {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Json(#[from] JsonError),
    #[error("neither a resource with @type, nor a list of them, nor a response")]
    NoResource,
    #[error("neither a DiscoveryResponse nor a DeltaDiscoveryResponse")]
    NoResponse,
    #[error("a {0} has no name that is known here")]
    NoName(String),
}

fn load_text(path: &Path, pool: &Pool, mut changes: Changes) -> Result<Changes, Cause> {
    let value = parse_yaml(&fs::read_to_string(path)?)?;
    let resources = match &value {
        Value::Array(list) => list.as_slice(),
        Value::Object(fields) if fields.contains_key("@type") => std::slice::from_ref(&value),
        Value::Object(fields) => match fields.get("resources") {
            Some(Value::Array(list)) => list.as_slice(),
            _ => return Err(Cause::NoResource),
        },
        _ => return Err(Cause::NoResource),
    };
    for (index, entry) in resources.iter().enumerate() {
        // In a delta response the resource stands in a wrapper that has the name.
        let resource = entry.get("resource").unwrap_or(entry);
        let any = pool.resource(resource, UnknownFields::Reject).map_err(|err| JsonError {
            path: match err.path.as_str() {
                "" => format!("[{index}]"),
                path => format!("[{index}].{path}"),
            },
            ..err
        })?;
        let named = entry.get("name").or_else(|| resource.get("name")).and_then(Value::as_str);
        let name = resource_name(&any).or_else(|| named.map(str::to_owned));
        changes = add(changes, name, any)?;
    }
    Ok(changes)
}

fn load_recorded(path: &Path, changes: Changes) -> Result<Changes, Cause> {
    let bytes = fs::read(path)?;
    let sotw = DiscoveryResponse::decode(bytes.as_slice()).ok().filter(|response| {
        !response.type_url.is_empty()
            && response.resources.iter().all(|any| any.type_url == response.type_url)
    });
    // A delta response without resources decodes as the other one, but has removals there.
    let delta = DeltaDiscoveryResponse::decode(bytes.as_slice()).ok();
    match (sotw, delta) {
        (Some(sotw), _) if !sotw.resources.is_empty() => sotw
            .resources
            .into_iter()
            .try_fold(changes, |changes, any| add(changes, resource_name(&any), any)),
        (_, Some(delta)) if !delta.type_url.is_empty() => {
            let removed = delta.removed_resources.iter();
            let changes =
                removed.fold(changes, |changes, name| changes.remove(&delta.type_url, name));
            delta.resources.into_iter().try_fold(changes, |changes, resource| {
                let any = resource.resource.ok_or(Cause::NoResponse)?;
                add(changes, Some(resource.name), any)
            })
        }
        _ => Err(Cause::NoResponse),
    }
}

fn add(changes: Changes, name: Option<String>, any: Any) -> Result<Changes, Cause> {
    let name =
        name.filter(|name| !name.is_empty()).ok_or_else(|| Cause::NoName(any.type_url.clone()))?;
    let type_url = any.type_url.clone();
    Ok(changes.resource(&type_url, &name, any))
}

/// The name that a resource has in itself.
fn resource_name(any: &Any) -> Option<String> {
    let value = any.value.as_slice();
    match any.type_url.as_str() {
        type_url::CLUSTER => Cluster::decode(value).ok().map(|cluster| cluster.name),
        type_url::ENDPOINTS => {
            ClusterLoadAssignment::decode(value).ok().map(|assignment| assignment.cluster_name)
        }
        type_url::LISTENER => Listener::decode(value).ok().map(|listener| listener.name),
        type_url::ROUTES => RouteConfiguration::decode(value).ok().map(|routes| routes.name),
        type_url::SECRET => Secret::decode(value).ok().map(|secret| secret.name),
        _ => None,
    }
}
