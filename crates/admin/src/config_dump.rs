//! `/config_dump` (`config_dump.proto`): every resource as it came, by type.

use std::sync::Arc;

use destrier_control::{ErrorState, Standing, StoredResource, StoredVersion};
use destrier_envoy_json::Pool;
use destrier_policy::Origin;
use envoy_types::pb::envoy::admin::v3 as dump;
use envoy_types::pb::envoy::config::bootstrap::v3::Bootstrap;
use envoy_types::pb::google::protobuf::{Any, Timestamp};
use prost::{Message, Name};
use serde_json::{Value, json};
use std::time::SystemTime;

use crate::answer::Answer;
use crate::query::Query;
use crate::sources::Sources;

const CLUSTER: &str = "type.googleapis.com/envoy.config.cluster.v3.Cluster";
const ENDPOINTS: &str = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment";
const LISTENER: &str = "type.googleapis.com/envoy.config.listener.v3.Listener";

pub(crate) fn page(sources: &Sources, query: &Query) -> Answer {
    let with_endpoints = match query.get("include_eds") {
        None | Some("false" | "0") => Endpoints::Omitted,
        Some(_) => Endpoints::Included,
    };
    let configs = configs(sources, with_endpoints);
    let pool = Pool::new();
    let Some(resource) = query.get("resource").filter(|resource| !resource.is_empty()) else {
        let configs: Vec<Value> =
            configs.iter().map(|any| pool.any_to_value(&any.type_url, &any.value)).collect();
        return Answer::json(&json!({ "configs": configs }));
    };
    one_list(&pool, &configs, resource)
}

/// Whether assignments are shown.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Endpoints {
    Omitted,
    Included,
}

/// Element types of the lists that `?resource=` takes out. An element is an `Any` of its own there.
const LISTS: &[(&str, &str)] = &[
    ("static_clusters", "ClustersConfigDump.StaticCluster"),
    ("dynamic_active_clusters", "ClustersConfigDump.DynamicCluster"),
    ("dynamic_warming_clusters", "ClustersConfigDump.DynamicCluster"),
    ("static_endpoint_configs", "EndpointsConfigDump.StaticEndpointConfig"),
    ("dynamic_endpoint_configs", "EndpointsConfigDump.DynamicEndpointConfig"),
    ("static_listeners", "ListenersConfigDump.StaticListener"),
];

fn one_list(pool: &Pool, configs: &[Any], resource: &str) -> Answer {
    for config in configs {
        let mut value = pool.any_to_value(&config.type_url, &config.value);
        let Some(found) = value.get_mut(resource) else { continue };
        let Value::Array(elements) = found.take() else {
            return Answer::bad_request(format!(
                "{resource} is not a repeated field. Use ?mask={resource} to get only this field"
            ));
        };
        let kind = LISTS.iter().find(|(list, _)| *list == resource).map_or("", |(_, kind)| kind);
        let configs: Vec<Value> = elements
            .into_iter()
            .map(|element| {
                let url = format!("type.googleapis.com/envoy.admin.v3.{kind}");
                let mut typed = serde_json::Map::from_iter([("@type".into(), Value::from(url))]);
                if let Value::Object(fields) = element {
                    typed.extend(fields);
                }
                Value::Object(typed)
            })
            .collect();
        return Answer::json(&json!({ "configs": configs }));
    }
    let known = LISTS.iter().any(|(list, kind)| {
        // A list whose dump is not shown does not exist; one that is empty is left out by the printer.
        let dump = kind.split('.').next().unwrap_or_default();
        *list == resource && configs.iter().any(|config| config.type_url.ends_with(dump))
    });
    if known {
        return Answer::json(&json!({}));
    }
    let text = format!("{resource} not found in config dump");
    Answer::text(axum::http::StatusCode::NOT_FOUND, text)
}

/// The dumps in Envoy's order.
fn configs(sources: &Sources, endpoints: Endpoints) -> Vec<Any> {
    let started = timestamp(sources.started);
    let mut configs = vec![any(&dump::BootstrapConfigDump {
        bootstrap: Bootstrap::decode(&*sources.bootstrap).ok(),
        last_updated: Some(started),
    })];
    let assembler = sources.assembler();
    let store = assembler.resources();
    let mut clusters = dump::ClustersConfigDump {
        version_info: store.clusters_version.to_string(),
        ..Default::default()
    };
    for resource in store.clusters.values() {
        if resource.origin == Origin::Static {
            clusters.static_clusters.extend(resource.newest().map(|version| {
                dump::clusters_config_dump::StaticCluster {
                    cluster: Some(body(CLUSTER, version)),
                    last_updated: Some(timestamp(version.last_updated)),
                }
            }));
            continue;
        }
        if resource.active.is_some() || resource.warming.is_none() {
            clusters.dynamic_active_clusters.push(dynamic(resource, resource.active.as_ref()));
        }
        if resource.warming.is_some() {
            clusters.dynamic_warming_clusters.push(dynamic(resource, resource.warming.as_ref()));
        }
    }
    configs.push(any(&clusters));
    if endpoints == Endpoints::Included {
        let dynamic = store.endpoints.values().map(|resource| {
            let version = resource.newest();
            dump::endpoints_config_dump::DynamicEndpointConfig {
                version_info: version.map(text).unwrap_or_default(),
                endpoint_config: version.map(|version| body(ENDPOINTS, version)),
                last_updated: version.map(|version| timestamp(version.last_updated)),
                error_state: resource.error.as_ref().map(|error| failure(ENDPOINTS, error)),
                client_status: status(resource).into(),
            }
        });
        configs.push(any(&dump::EndpointsConfigDump {
            dynamic_endpoint_configs: dynamic.collect(),
            ..Default::default()
        }));
    }
    let listeners = sources.static_listeners.iter().map(|listener| {
        dump::listeners_config_dump::StaticListener {
            listener: Some(Any { type_url: LISTENER.into(), value: listener.body.to_vec() }),
            last_updated: Some(started),
        }
    });
    configs.push(any(&dump::ListenersConfigDump {
        static_listeners: listeners.collect(),
        ..Default::default()
    }));
    configs
}

fn dynamic(
    resource: &StoredResource,
    version: Option<&StoredVersion>,
) -> dump::clusters_config_dump::DynamicCluster {
    dump::clusters_config_dump::DynamicCluster {
        version_info: version.map(text).unwrap_or_default(),
        cluster: version.map(|version| body(CLUSTER, version)),
        last_updated: version.map(|version| timestamp(version.last_updated)),
        error_state: resource.error.as_ref().map(|error| failure(CLUSTER, error)),
        client_status: status(resource).into(),
    }
}

/// Shown only where there is something to say: Envoy leaves it out of what is plainly in force.
fn status(resource: &StoredResource) -> dump::ClientResourceStatus {
    use dump::ClientResourceStatus as Status;
    match resource.standing {
        Standing::DoesNotExist => Status::DoesNotExist,
        _ if resource.error.is_some() => Status::Nacked,
        Standing::Requested | Standing::RemovedButKept | Standing::Stale => Status::Unknown,
    }
}

fn failure(type_url: &str, error: &ErrorState) -> dump::UpdateFailureState {
    let reasons: Vec<String> = error.rejections.iter().map(ToString::to_string).collect();
    dump::UpdateFailureState {
        failed_configuration: Some(Any { type_url: type_url.into(), value: error.body.to_vec() }),
        last_update_attempt: Some(timestamp(error.last_update_attempt)),
        details: reasons.join("; "),
        version_info: error.version.to_string(),
    }
}

fn any<M: Message + Name>(message: &M) -> Any {
    Any { type_url: M::type_url(), value: message.encode_to_vec() }
}

fn body(type_url: &str, version: &StoredVersion) -> Any {
    Any { type_url: type_url.into(), value: version.body.to_vec() }
}

fn text(version: &StoredVersion) -> String {
    Arc::clone(&version.version).to_string()
}

/// To milliseconds, as Envoy prints times.
fn timestamp(time: SystemTime) -> Timestamp {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp {
        seconds: i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
        nanos: i32::try_from(since.subsec_millis() * 1_000_000).unwrap_or(0),
    }
}
