//! One element of a list: encoded until it is written.

use std::time::SystemTime;

use bytes::Bytes;
use destrier_control::{ErrorState, Standing, StoredResource, StoredVersion};
use destrier_envoy_json::Pool;
use envoy_types::pb::envoy::admin::v3 as dump;
use envoy_types::pb::google::protobuf::{Any, Timestamp};
use serde_json::Value;

pub(crate) const CLUSTER: &str = "type.googleapis.com/envoy.config.cluster.v3.Cluster";
pub(crate) const ENDPOINTS: &str =
    "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment";
pub(super) const LISTENER: &str = "type.googleapis.com/envoy.config.listener.v3.Listener";
pub(super) const ROUTES: &str = "type.googleapis.com/envoy.config.route.v3.RouteConfiguration";

/// A resource, in the form of its list.
pub(super) enum Item {
    StaticCluster { body: Bytes, last_updated: SystemTime },
    DynamicCluster(Box<Dynamic>),
    StaticEndpoints { body: Vec<u8> },
    DynamicEndpoints(Box<Dynamic>),
    StaticListener { body: Bytes, last_updated: SystemTime },
    StaticRoutes { body: Vec<u8>, last_updated: SystemTime },
}

/// What the control plane sent, and what became of it.
pub(super) struct Dynamic {
    version: Option<StoredVersion>,
    error: Option<ErrorState>,
    standing: Standing,
}

impl Dynamic {
    pub(super) fn new(resource: &StoredResource, version: Option<&StoredVersion>) -> Box<Self> {
        let (error, standing) = (resource.error.clone(), resource.standing);
        Box::new(Self { version: version.cloned(), error, standing })
    }

    /// Shown only where there is something to say: Envoy leaves it out of what is plainly in force.
    fn status(&self) -> dump::ClientResourceStatus {
        use dump::ClientResourceStatus as Status;
        match self.standing {
            Standing::DoesNotExist => Status::DoesNotExist,
            _ if self.error.is_some() => Status::Nacked,
            Standing::Requested | Standing::RemovedButKept | Standing::Stale => Status::Unknown,
        }
    }

    fn text(&self) -> String {
        self.version.as_ref().map(|version| version.version.to_string()).unwrap_or_default()
    }

    fn body(&self, type_url: &str) -> Option<Any> {
        self.version.as_ref().map(|version| any(type_url, &version.body))
    }

    fn last_updated(&self) -> Option<Timestamp> {
        self.version.as_ref().map(|version| timestamp(version.last_updated))
    }

    fn failure(&self, type_url: &str) -> Option<dump::UpdateFailureState> {
        let error = self.error.as_ref()?;
        let reasons: Vec<String> = error.rejections.iter().map(ToString::to_string).collect();
        Some(dump::UpdateFailureState {
            failed_configuration: Some(any(type_url, &error.body)),
            last_update_attempt: Some(timestamp(error.last_update_attempt)),
            details: reasons.join("; "),
            version_info: error.version.to_string(),
        })
    }
}

impl Item {
    /// As protobuf JSON.
    pub(super) fn value(&self, pool: &Pool) -> Value {
        match self {
            Self::StaticCluster { body, last_updated } => {
                pool.to_value(&dump::clusters_config_dump::StaticCluster {
                    cluster: Some(any(CLUSTER, body)),
                    last_updated: Some(timestamp(*last_updated)),
                })
            }
            Self::DynamicCluster(dynamic) => {
                pool.to_value(&dump::clusters_config_dump::DynamicCluster {
                    version_info: dynamic.text(),
                    cluster: dynamic.body(CLUSTER),
                    last_updated: dynamic.last_updated(),
                    error_state: dynamic.failure(CLUSTER),
                    client_status: dynamic.status().into(),
                })
            }
            Self::StaticEndpoints { body } => {
                pool.to_value(&dump::endpoints_config_dump::StaticEndpointConfig {
                    endpoint_config: Some(any(ENDPOINTS, body)),
                    last_updated: None,
                })
            }
            Self::DynamicEndpoints(dynamic) => {
                pool.to_value(&dump::endpoints_config_dump::DynamicEndpointConfig {
                    version_info: dynamic.text(),
                    endpoint_config: dynamic.body(ENDPOINTS),
                    last_updated: dynamic.last_updated(),
                    error_state: dynamic.failure(ENDPOINTS),
                    client_status: dynamic.status().into(),
                })
            }
            Self::StaticListener { body, last_updated } => {
                pool.to_value(&dump::listeners_config_dump::StaticListener {
                    listener: Some(any(LISTENER, body)),
                    last_updated: Some(timestamp(*last_updated)),
                })
            }
            Self::StaticRoutes { body, last_updated } => {
                pool.to_value(&dump::routes_config_dump::StaticRouteConfig {
                    route_config: Some(any(ROUTES, body)),
                    last_updated: Some(timestamp(*last_updated)),
                })
            }
        }
    }
}

fn any(type_url: &str, body: &[u8]) -> Any {
    Any { type_url: type_url.into(), value: body.to_vec() }
}

/// To milliseconds, as Envoy prints times.
pub(crate) fn timestamp(time: SystemTime) -> Timestamp {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp {
        seconds: i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
        nanos: i32::try_from(since.subsec_millis() * 1_000_000).unwrap_or(0),
    }
}
