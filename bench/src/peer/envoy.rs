//! A bootstrap: the same for Envoy and for Destrier.

use std::net::SocketAddr;

use serde_json::{Value, json};

use super::{Balancing, Protocol, Setup};

/// `meshConfig.accessLogFormat` as Istio has it when nothing is said.
const ISTIO_FORMAT: &str = concat!(
    "[%START_TIME%] \"%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%\" %RESPONSE_CODE% ",
    "%RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% ",
    "\"%UPSTREAM_TRANSPORT_FAILURE_REASON%\" %BYTES_RECEIVED% %BYTES_SENT% %DURATION% ",
    "%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% \"%REQ(X-FORWARDED-FOR)%\" \"%REQ(USER-AGENT)%\" ",
    "\"%REQ(X-REQUEST-ID)%\" \"%REQ(:AUTHORITY)%\" \"%UPSTREAM_HOST%\" %UPSTREAM_CLUSTER_RAW% ",
    "%UPSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS% ",
    "%REQUESTED_SERVER_NAME% %ROUTE_NAME%\n",
);

pub(super) fn bootstrap(setup: &Setup) -> String {
    let mut used = cluster("used", setup.protocol, &setup.backends, "127.0.0.1");
    used["lb_policy"] = setup.balancing.lb_policy().into();
    if setup.balancing == Balancing::Weighted {
        let hosts = &mut used["load_assignment"]["endpoints"][0]["lb_endpoints"];
        for (index, host) in hosts.as_array_mut().into_iter().flatten().enumerate() {
            host["load_balancing_weight"] = (index % 3 + 1).into();
        }
    }
    let mut filter = filter(setup.protocol);
    if setup.balancing.hashes() {
        let routes = &mut filter["typed_config"]["route_config"]["virtual_hosts"][0]["routes"];
        routes[0]["route"]["hash_policy"] = json!([{ "header": { "header_name": "x-key" } }]);
    }
    if let Some(file) = &setup.access_log {
        filter["typed_config"]["access_log"] = json!([{
            "name": "envoy.access_loggers.file",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
                "path": file,
                "log_format": { "text_format_source": { "inline_string": ISTIO_FORMAT } },
            },
        }]);
    }
    let idle = (0..setup.idle_clusters).map(|index| {
        let ports: Vec<u16> = (0..10).map(|endpoint| 1000 + endpoint).collect();
        let address = format!("10.{}.{}.1", index / 250 % 250, index % 250);
        cluster(
            &format!("outbound|80||idle-{index}.default.svc.cluster.local"),
            Protocol::Http1,
            &ports,
            &address,
        )
    });
    let clusters: Vec<Value> = std::iter::once(used).chain(idle).collect();
    let bootstrap = json!({
        "node": { "id": "bench", "cluster": "bench" },
        "admin": { "address": address("127.0.0.1", setup.admin) },
        "static_resources": {
            "listeners": [{
                "name": "bench",
                "address": address("127.0.0.1", setup.port),
                "filter_chains": [{ "filters": [filter] }],
            }],
            "clusters": clusters,
        },
    });
    bootstrap.to_string()
}

/// A bootstrap whose clusters come over ADS; all requests go to one of them.
pub(super) fn ads_bootstrap(
    port: u16,
    admin: u16,
    control_plane: SocketAddr,
    used: &str,
) -> String {
    let mut xds =
        cluster("xds", Protocol::Http2, &[control_plane.port()], &control_plane.ip().to_string());
    xds["outlier_detection"] = Value::Null;
    let mut manager = filter(Protocol::Http1);
    let routes = &mut manager["typed_config"]["route_config"]["virtual_hosts"][0]["routes"];
    routes[0]["route"]["cluster"] = used.into();
    // The cluster comes later than the route.
    manager["typed_config"]["route_config"]["validate_clusters"] = false.into();
    json!({
        "node": { "id": "bench", "cluster": "bench" },
        "admin": { "address": address("127.0.0.1", admin) },
        "dynamic_resources": {
            "ads_config": {
                "api_type": "DELTA_GRPC",
                "transport_api_version": "V3",
                "set_node_on_first_message_only": true,
                "grpc_services": [{ "envoy_grpc": { "cluster_name": "xds" } }],
            },
            "cds_config": { "ads": {}, "resource_api_version": "V3" },
        },
        "static_resources": {
            "listeners": [{
                "name": "bench",
                "address": address("127.0.0.1", port),
                "filter_chains": [{ "filters": [manager] }],
            }],
            "clusters": [xds],
        },
    })
    .to_string()
}

fn address(address: &str, port: u16) -> Value {
    json!({ "socket_address": { "address": address, "port_value": port } })
}

fn cluster(name: &str, protocol: Protocol, ports: &[u16], host: &str) -> Value {
    let endpoints: Vec<Value> = ports
        .iter()
        .map(|port| json!({ "endpoint": { "address": address(host, *port) } }))
        .collect();
    let explicit = match protocol {
        Protocol::Http2 => json!({ "http2_protocol_options": {} }),
        Protocol::Http1 | Protocol::Tcp => json!({ "http_protocol_options": {} }),
    };
    json!({
        "name": name,
        "type": "STATIC",
        "connect_timeout": "1s",
        "lb_policy": "ROUND_ROBIN",
        "circuit_breakers": { "thresholds": [{
            "max_connections": u32::MAX, "max_pending_requests": u32::MAX,
            "max_requests": u32::MAX, "max_retries": u32::MAX,
        }] },
        "outlier_detection": {},
        "load_assignment": { "cluster_name": name, "endpoints": [{ "lb_endpoints": endpoints }] },
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                "explicit_http_config": explicit,
            },
        },
    })
}

fn filter(protocol: Protocol) -> Value {
    if protocol == Protocol::Tcp {
        return json!({
            "name": "envoy.filters.network.tcp_proxy",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
                "stat_prefix": "bench",
                "cluster": "used",
            },
        });
    }
    json!({
        "name": "envoy.filters.network.http_connection_manager",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
            "stat_prefix": "bench",
            "codec_type": "AUTO",
            "http_filters": [{
                "name": "envoy.filters.http.router",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router",
                },
            }],
            "route_config": { "virtual_hosts": [{
                "name": "all",
                "domains": ["*"],
                "routes": [{ "match": { "prefix": "/" }, "route": { "cluster": "used", "timeout": "15s" } }],
            }] },
        },
    })
}
