//! The mesh of the demo: service `reviews` with three backends and its subset `v1`.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use destrier_mock_xds::{Changes, MockXds, eds_cluster, endpoints};
use destrier_policy::Address;
use destrier_testkit::{AnswerTo, Backend, RawConn, RawResponse};
use envoy_types::pb::envoy::config::cluster::v3::Cluster;
use envoy_types::pb::google::protobuf::UInt32Value;
use serde_json::{Value, json};

use crate::agent::Agent;
use crate::args::Args;
use crate::bootstrap;

/// The service as a whole.
pub(super) const REVIEWS: &str = "outbound|9080||reviews.demo.svc.cluster.local";
/// Its subset; requests with `x-subset: v1` go there.
pub(super) const SUBSET: &str = "outbound|9080|v1|reviews.demo.svc.cluster.local";

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) struct Mesh {
    pub(super) control_plane: MockXds,
    pub(super) backends: Vec<Backend>,
    pub(super) agent: Agent,
    /// Where requests go.
    pub(super) entry: SocketAddr,
    /// The admin port.
    pub(super) admin: SocketAddr,
}

impl Mesh {
    pub(super) async fn start() -> Result<Self> {
        let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
        let backends = ["reviews-a", "reviews-b", "reviews-c"]
            .iter()
            .map(|name| Backend::start(name, loopback))
            .collect::<Result<Vec<_>, _>>()
            .context("cannot start a backend")?;
        let control_plane =
            MockXds::start_local().await.context("cannot start the control plane")?;
        let addresses: Vec<SocketAddr> = backends.iter().map(Backend::addr).collect();
        control_plane.apply(
            Changes::new()
                .cluster(&eds_cluster(REVIEWS))
                .endpoints(&endpoints(REVIEWS, &addresses))
                .cluster(&eds_cluster(SUBSET))
                .endpoints(&endpoints(SUBSET, &addresses[..1])),
        );
        let at = control_plane.address().context("the control plane listens on TCP")?;
        let args = Args::read(["destrier", "--concurrency", "2"].map(Into::into))
            .map_err(|exit| anyhow::anyhow!(exit.text))?;
        let text = bootstrap_text(at);
        let loaded = bootstrap::parse(&[("demo".into(), text)], &args)
            .map_err(|faults| anyhow::anyhow!(faults.join("; ")))?;
        let agent = Agent::start(loaded, &args)?;
        let ip = |address: &Address| address.ip().context("the demo listens on TCP");
        let entry = ip(&agent.listeners().first().context("there is one listener")?.address)?;
        let admin = ip(agent.admin().context("there is an admin port")?)?;
        let mesh = Self { control_plane, backends, agent, entry, admin };
        tokio::time::timeout(PATIENCE, mesh.agent.ready())
            .await
            .context("the agent is not ready")?;
        Ok(mesh)
    }

    /// Addresses of the first `count` backends.
    pub(super) fn addresses(&self, count: usize) -> Vec<SocketAddr> {
        self.backends.iter().take(count).map(Backend::addr).collect()
    }

    /// One request through the agent.
    pub(super) async fn get(&self, headers: &str) -> Result<RawResponse> {
        request(self.entry, "/", headers).await
    }

    /// The name of the backend that answers a request.
    pub(super) async fn who(&self) -> Result<String> {
        let response = self.get("").await?;
        let name = response.head.headers.get("x-backend").context("a backend answered")?;
        Ok(name.to_str()?.to_owned())
    }

    /// A JSON page of the admin port.
    pub(super) async fn admin_json(&self, path: &str) -> Result<Value> {
        let response = request(self.admin, path, "").await?;
        Ok(serde_json::from_slice(&response.body)?)
    }

    /// A counter or gauge by its full name; what is not there is 0.
    pub(super) async fn stat(&self, name: &str) -> Result<u64> {
        let stats = self.admin_json("/stats?format=json").await?;
        let listed = stats["stats"].as_array().context("a list of statistics")?;
        let found = listed.iter().find(|stat| stat["name"] == name);
        Ok(found.and_then(|stat| stat["value"].as_u64()).unwrap_or(0))
    }

    /// Waits until a page of the admin port says so.
    pub(super) async fn until(
        &self,
        what: &str,
        path: &str,
        holds: impl Fn(&Value) -> bool,
    ) -> Result<()> {
        let begin = tokio::time::Instant::now();
        loop {
            if holds(&self.admin_json(path).await?) {
                return Ok(());
            }
            if begin.elapsed() > PATIENCE {
                bail!("{what}: not seen on {path} within {PATIENCE:?}");
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Waits until a cluster is picked from this many hosts.
    pub(super) async fn until_hosts(&self, cluster: &str, count: usize) -> Result<()> {
        self.until(&format!("{count} hosts"), "/lb", |lb| {
            let hosts = lb["clusters"][cluster]["hosts"].as_object();
            hosts.is_some_and(|hosts| hosts.len() == count)
        })
        .await
    }
}

/// `GET path` over a connection of its own.
async fn request(to: SocketAddr, path: &str, headers: &str) -> Result<RawResponse> {
    let mut connection = RawConn::connect(to).await?;
    let head = format!("GET {path} HTTP/1.1\r\nhost: demo\r\n{headers}connection: close\r\n\r\n");
    connection.send(head.as_bytes()).await?;
    Ok(connection.read_response(AnswerTo::method(&http::Method::GET)).await?)
}

/// A cluster with a limit on its requests.
pub(super) fn limited(name: &str, max_requests: u32) -> Cluster {
    use envoy_types::pb::envoy::config::cluster::v3::CircuitBreakers;
    use envoy_types::pb::envoy::config::cluster::v3::circuit_breakers::Thresholds;
    let thresholds = Thresholds {
        max_requests: Some(UInt32Value { value: max_requests }),
        ..Thresholds::default()
    };
    Cluster {
        circuit_breakers: Some(CircuitBreakers {
            thresholds: vec![thresholds],
            ..CircuitBreakers::default()
        }),
        ..eds_cluster(name)
    }
}

fn bootstrap_text(control_plane: SocketAddr) -> String {
    let socket = |address: SocketAddr| {
        json!({ "socket_address": {
            "address": address.ip().to_string(), "port_value": address.port(),
        } })
    };
    let any_port = socket(SocketAddr::from(([127, 0, 0, 1], 0)));
    let by_subset = json!({
        "match": {
            "prefix": "/",
            "headers": [{ "name": "x-subset", "string_match": { "exact": "v1" } }],
        },
        "route": { "cluster": SUBSET },
    });
    let manager = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "demo",
        "http_filters": [{
            "name": "router",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router",
            },
        }],
        "route_config": { "virtual_hosts": [{
            "name": "all",
            "domains": ["*"],
            "routes": [by_subset, { "match": { "prefix": "/" }, "route": { "cluster": REVIEWS } }],
        }] },
    });
    let ads = json!({
        "api_type": "DELTA_GRPC",
        "transport_api_version": "V3",
        "set_node_on_first_message_only": true,
        "grpc_services": [{ "envoy_grpc": { "cluster_name": "xds" } }],
    });
    json!({
        "node": { "id": "sidecar~127.0.0.1~demo.demo~demo.svc.cluster.local", "cluster": "demo" },
        "admin": { "address": any_port },
        "dynamic_resources": {
            "ads_config": ads,
            "cds_config": { "ads": {}, "resource_api_version": "V3" },
        },
        "static_resources": {
            "listeners": [{
                "name": "demo",
                "address": any_port,
                "filter_chains": [{ "filters": [{ "name": "http", "typed_config": manager }] }],
            }],
            "clusters": [{
                "name": "xds",
                "type": "STATIC",
                "typed_extension_protocol_options": {
                    "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                        "explicit_http_config": { "http2_protocol_options": {} },
                    },
                },
                "load_assignment": {
                    "cluster_name": "xds",
                    "endpoints": [{ "lb_endpoints": [{ "endpoint": { "address": socket(control_plane) } }] }],
                },
            }],
        },
    })
    .to_string()
}
