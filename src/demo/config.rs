//! Bootstraps in few words, everything on loopback: for the demo and the tests of the whole agent.

use std::net::SocketAddr;

use serde_json::{Value, json};

/// The cluster through which the control plane is reached.
const CONTROL_PLANE: &str = "xds";

/// Which variant of ADS an agent is to speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ads {
    /// `DELTA_GRPC`.
    Delta,
    /// `GRPC`.
    StateOfTheWorld,
}

/// A bootstrap with a node, an admin port and these listeners and clusters, without a control plane.
pub fn bootstrap(listeners: &[Value], clusters: &[Value]) -> Value {
    json!({
        "node": { "id": "sidecar~127.0.0.1~demo.demo~demo.svc.cluster.local", "cluster": "demo" },
        "admin": { "address": any_port() },
        "static_resources": { "listeners": listeners, "clusters": clusters },
    })
}

/// Lets a bootstrap take its clusters from a control plane.
pub fn with_control_plane(mut bootstrap: Value, at: SocketAddr, ads: Ads) -> Value {
    let api_type = match ads {
        Ads::Delta => "DELTA_GRPC",
        Ads::StateOfTheWorld => "GRPC",
    };
    bootstrap["dynamic_resources"] = json!({
        "ads_config": {
            "api_type": api_type,
            "transport_api_version": "V3",
            "set_node_on_first_message_only": true,
            "grpc_services": [{ "envoy_grpc": { "cluster_name": CONTROL_PLANE } }],
        },
        "cds_config": { "ads": {}, "resource_api_version": "V3" },
    });
    if let Some(clusters) = bootstrap["static_resources"]["clusters"].as_array_mut() {
        clusters.push(over_http2(static_cluster(CONTROL_PLANE, &[at])));
    }
    bootstrap
}

/// A STATIC cluster of these endpoints.
pub fn static_cluster(name: &str, addresses: &[SocketAddr]) -> Value {
    let endpoints: Vec<Value> = addresses
        .iter()
        .map(|address| json!({ "endpoint": { "address": socket(*address) } }))
        .collect();
    json!({
        "name": name,
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": { "cluster_name": name, "endpoints": [{ "lb_endpoints": endpoints }] },
    })
}

/// The cluster, spoken to in HTTP/2.
pub fn over_http2(mut cluster: Value) -> Value {
    const OPTIONS: &str = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
    cluster["typed_extension_protocol_options"] = json!({ OPTIONS: {
        "@type": format!("type.googleapis.com/{OPTIONS}"),
        "explicit_http_config": { "http2_protocol_options": {} },
    } });
    cluster
}

/// An `HttpConnectionManager` with one virtual host for every domain.
pub fn http_manager(stat_prefix: &str, routes: &[Value]) -> Value {
    json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": stat_prefix,
        "http_filters": [{
            "name": "router",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router",
            },
        }],
        "route_config": {
            "virtual_hosts": [{ "name": "all", "domains": ["*"], "routes": routes }],
        },
    })
}

/// A route for every path with the prefix.
pub fn route(prefix: &str, cluster: &str) -> Value {
    json!({ "match": { "prefix": prefix }, "route": { "cluster": cluster } })
}

/// A listener on a free port with one network filter.
pub fn listener(name: &str, filter: &Value) -> Value {
    json!({
        "name": name,
        "address": any_port(),
        "filter_chains": [{ "filters": [{ "name": name, "typed_config": filter }] }],
    })
}

/// A free port of 127.0.0.1.
fn any_port() -> Value {
    socket(SocketAddr::from(([127, 0, 0, 1], 0)))
}

/// `core.v3.Address`.
fn socket(address: SocketAddr) -> Value {
    json!({ "socket_address": {
        "address": address.ip().to_string(), "port_value": address.port(),
    } })
}
