//! What ran behind the recordings: the recorded clusters and endpoints, served over ADS, and listeners
//! with the recorded routes, in the bootstrap since there is no LDS yet.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use destrier::demo::config::{Ads, with_control_plane};
use destrier::demo::local::LocalAgent;
use destrier_envoy_json::{Pool, UnknownFields};
use destrier_mock_xds::{Behaviour, Changes, Listen, MockXds};
use destrier_testkit::Backend;
use serde_json::{Value, json};

use crate::mesh::loopback;

/// The cluster whose endpoints the control plane never sends.
pub(crate) const DEAD: &str = "outbound|7070||dead.default.svc.cluster.local";

/// A file of the recordings.
pub(crate) fn recording(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/data/admin").join(name)
}

/// A file of the recordings, as JSON.
pub(crate) fn recorded_json(name: &str) -> Result<Value> {
    let text = std::fs::read_to_string(recording(name)).with_context(|| name.to_owned())?;
    Ok(serde_json::from_str(&text)?)
}

/// The mesh of the recordings.
pub(crate) struct RecordedMesh {
    pub(crate) plane: MockXds,
    pub(crate) agent: LocalAgent,
    pub(crate) backends: Vec<Backend>,
}

impl RecordedMesh {
    /// Starts it; endpoints are held back, so the agent is not ready.
    pub(crate) async fn start() -> Result<Self> {
        // In this variant it is silent about endpoints that it does not have.
        let silent = Behaviour::go_control_plane();
        let plane = MockXds::start_like(silent, Listen::Tcp(loopback())).await?;
        plane.apply(clusters()?);
        let at = plane.address().context("it listens on TCP")?;
        let agent = LocalAgent::start(&bootstrap(at)?)?;
        Ok(Self { plane, agent, backends: Vec::new() })
    }

    /// Sends the endpoints, each with a backend behind it; the agent becomes ready once the cluster
    /// without endpoints has waited long enough.
    pub(crate) async fn send_endpoints(&mut self) -> Result<()> {
        let mut at: BTreeMap<SocketAddr, SocketAddr> = BTreeMap::new();
        let mut changes = Changes::new();
        for name in ["reviews", "reviews-v1", "ratings", "wrong", "details"] {
            let mut file = recorded_json(&format!("config/{name}.json"))?;
            for resource in file["resources"].as_array_mut().context("resources")? {
                self.start_backends(resource, &mut at)?;
                changes = with_resource(changes, "cluster_name", resource)?;
            }
        }
        self.plane.apply(changes);
        self.agent.ready().await
    }

    /// Gives every recorded address a backend on a free port.
    fn start_backends(
        &mut self,
        value: &mut Value,
        at: &mut BTreeMap<SocketAddr, SocketAddr>,
    ) -> Result<()> {
        if let Some(address) = value.get_mut("socket_address") {
            let ip: IpAddr = address["address"].as_str().context("an address")?.parse()?;
            let port = address["port_value"].as_u64().context("a port")?;
            let recorded = SocketAddr::new(ip, u16::try_from(port)?);
            let real = match at.get(&recorded) {
                Some(real) => *real,
                None => {
                    let backend = Backend::start(&ip.to_string(), SocketAddr::new(ip, 0))?;
                    let real = backend.addr();
                    self.backends.push(backend);
                    at.insert(recorded, real);
                    real
                }
            };
            address["port_value"] = real.port().into();
            return Ok(());
        }
        let inner: Vec<&mut Value> = match value {
            Value::Object(fields) => fields.values_mut().collect(),
            Value::Array(list) => list.iter_mut().collect(),
            _ => Vec::new(),
        };
        inner.into_iter().try_for_each(|value| self.start_backends(value, at))
    }

    /// Requests of each kind that was recorded, as far as it can be provoked here.
    pub(crate) async fn traffic(&self) -> Result<Vec<u16>> {
        let mut statuses = Vec::new();
        for (host, path) in [
            ("reviews", "/"),
            ("reviews", "/status/404"),
            ("reviews", "/v1"),
            ("reviews", "/v1"),
            ("reviews", "/slow"),
            ("reviews", "/status/503"),
            ("ratings", "/"),
            ("wrong", "/"),
            ("dead", "/"),
            ("details", "/"),
            ("elsewhere", "/"),
        ] {
            // The harness writes a host of its own; the route is found by this one.
            let at = self.agent.entries[1];
            let answer = crate::admin::get_from(at, host, path).await?;
            statuses.push(answer.head.status.as_u16());
        }
        Ok(statuses)
    }
}

/// The recorded clusters; their endpoints come over the same stream.
pub(crate) fn clusters() -> Result<Changes> {
    let mut file = recorded_json("config/cds.json")?;
    let mut changes = Changes::new();
    for resource in file["resources"].as_array_mut().context("resources")? {
        let config = &mut resource["eds_cluster_config"];
        if config.is_object() {
            config["eds_config"] = json!({ "ads": {}, "resource_api_version": "V3" });
        }
        if resource["name"] == DEAD {
            resource["eds_cluster_config"]["eds_config"]["initial_fetch_timeout"] = "0.3s".into();
        }
        changes = with_resource(changes, "name", resource)?;
    }
    Ok(changes)
}

/// Adds a resource in JSON.
pub(crate) fn with_resource(changes: Changes, name: &str, resource: &Value) -> Result<Changes> {
    let any = Pool::new().resource(resource, UnknownFields::Reject)?;
    let name = resource[name].as_str().context("a name")?;
    let type_url = any.type_url.clone();
    Ok(changes.resource(&type_url, name, any))
}

/// The recorded bootstrap with free ports, the recorded listeners in it, and ADS instead of files.
fn bootstrap(plane: SocketAddr) -> Result<Value> {
    let mut bootstrap = recorded_json("config/bootstrap.json")?;
    let dynamic = recorded_json("config/lds.json")?;
    let routes = recorded_json("config/rds.json")?;
    let listeners = bootstrap["static_resources"]["listeners"].as_array_mut();
    let listeners = listeners.context("listeners")?;
    for mut listener in dynamic["resources"].as_array().context("listeners")?.clone() {
        let fields = listener.as_object_mut().context("an object")?;
        fields.shift_remove("@type");
        let manager = &mut listener["filter_chains"][0]["filters"][0]["typed_config"];
        if let Some(manager) = manager.as_object_mut().filter(|one| one.contains_key("rds")) {
            manager.shift_remove("rds");
            let mut table = routes["resources"][0].clone();
            table.as_object_mut().context("an object")?.shift_remove("@type");
            manager.insert("route_config".into(), table);
        }
        listeners.push(listener);
    }
    for listener in listeners {
        listener["address"]["socket_address"]["port_value"] = 0.into();
    }
    bootstrap["admin"]["address"]["socket_address"]["port_value"] = 0.into();
    Ok(with_control_plane(bootstrap, plane, Ads::StateOfTheWorld))
}
