//! The mesh of the demo: service `reviews` with three backends and its subset `v1`.

use std::net::SocketAddr;

use anyhow::{Context, Result};
use destrier_mock_xds::{Changes, MockXds, eds_cluster, endpoints};
use destrier_testkit::{Backend, RawResponse};
use envoy_types::pb::envoy::config::cluster::v3::Cluster;
use envoy_types::pb::google::protobuf::UInt32Value;
use serde_json::{Value, json};

use super::config::{Ads, bootstrap, http_manager, listener, route, with_control_plane};
use super::local::LocalAgent;

/// The service as a whole.
pub(super) const REVIEWS: &str = "outbound|9080||reviews.demo.svc.cluster.local";
/// Its subset; requests with `x-subset: v1` go there.
pub(super) const SUBSET: &str = "outbound|9080|v1|reviews.demo.svc.cluster.local";

pub(super) struct Mesh {
    pub(super) control_plane: MockXds,
    pub(super) backends: Vec<Backend>,
    pub(super) local: LocalAgent,
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
        let local = LocalAgent::start(&demo_bootstrap(at))?;
        local.ready().await?;
        Ok(Self { control_plane, backends, local })
    }

    /// Addresses of the first `count` backends.
    pub(super) fn addresses(&self, count: usize) -> Vec<SocketAddr> {
        self.backends.iter().take(count).map(Backend::addr).collect()
    }

    /// One request through the agent.
    pub(super) async fn get(&self, headers: &str) -> Result<RawResponse> {
        self.local.get("/", headers).await
    }

    /// The name of the backend that answers a request.
    pub(super) async fn who(&self) -> Result<String> {
        let response = self.get("").await?;
        let name = response.head.headers.get("x-backend").context("a backend answered")?;
        Ok(name.to_str()?.to_owned())
    }
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

fn demo_bootstrap(control_plane: SocketAddr) -> Value {
    let by_subset = json!({
        "match": {
            "prefix": "/",
            "headers": [{ "name": "x-subset", "string_match": { "exact": "v1" } }],
        },
        "route": { "cluster": SUBSET },
    });
    let manager = http_manager("demo", &[by_subset, route("/", REVIEWS)]);
    let plain = bootstrap(&[listener("demo", &manager)], &[]);
    with_control_plane(plain, control_plane, Ads::Delta)
}
