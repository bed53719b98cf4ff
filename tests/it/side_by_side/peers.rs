//! Backends, good and bad, and the bootstrap that leads to them.

use anyhow::Result;
use destrier::demo::config::{
    bootstrap, http_manager, listener, over_http2, route, static_cluster,
};
use destrier_testkit::{Backend, RawConn, RawPeer};
use serde_json::{Value, json};

use crate::mesh::{loopback, refusing};

/// What a bad backend sends after it has read a request; then it closes.
const BAD: &[(&str, &str)] = &[
    ("closes", ""),
    ("garbage", "no HTTP at all\r\n\r\n"),
    ("bad-header", "HTTP/1.1 200 OK\r\nbad header: x\r\ncontent-length: 0\r\n\r\n"),
    ("two-lengths", "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nxx"),
    (
        "length-and-chunked",
        "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    ("until-close", "HTTP/1.1 200 OK\r\nx-kind: until close\r\n\r\nall of it"),
    ("old", "HTTP/1.0 200 OK\r\ncontent-length: 3\r\n\r\nold"),
    ("cut-short", "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n0123456789"),
    (
        "early-hints",
        "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
    ),
    ("upgrade", "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n"),
];

/// All that requests can be sent to.
pub(super) struct Peers {
    good: Backend,
    bad: Vec<(&'static str, RawPeer)>,
}

impl Peers {
    pub(super) fn start() -> Result<Self> {
        let bad = BAD.iter().map(|(name, bytes)| {
            let script = move |mut connection: RawConn| async move {
                connection.read_request().await?;
                connection.send(bytes.as_bytes()).await
            };
            Ok((*name, RawPeer::start(loopback(), script)?))
        });
        Ok(Self { good: Backend::start("good", loopback())?, bad: bad.collect::<Result<_>>()? })
    }

    /// One listener; the first part of the path names the cluster.
    pub(super) fn bootstrap(&self) -> Result<Value> {
        let mut clusters = vec![
            static_cluster("good", &[self.good.addr()]),
            over_http2(static_cluster("good-2", &[self.good.addr()])),
            static_cluster("empty", &[]),
            static_cluster("refuses", &[refusing()?]),
            over_http2(static_cluster("refuses-2", &[refusing()?])),
            over_http2(static_cluster("speaks-1", &[self.bad[1].1.addr()])),
        ];
        clusters.extend(self.bad.iter().map(|(name, peer)| static_cluster(name, &[peer.addr()])));
        let mut full = static_cluster("full", &[self.good.addr()]);
        full["circuit_breakers"] = json!({ "thresholds": [{ "max_requests": 0 }] });
        clusters.push(full);
        let mut routes: Vec<Value> = clusters
            .iter()
            .filter_map(|cluster| cluster["name"].as_str())
            .map(|name| {
                let mut route = route(&format!("/{name}/"), name);
                route["route"]["prefix_rewrite"] = "/".into();
                route
            })
            .collect();
        routes.push(route("/absent/", "absent"));
        let direct = |path: &str, answer: Value| json!({ "match": { "path": path }, "direct_response": answer });
        routes.push(direct(
            "/direct",
            json!({ "status": 418, "body": { "inline_string": "teapot" } }),
        ));
        routes.push(direct("/direct-empty", json!({ "status": 503 })));
        let mut timed = route("/timed/", "good");
        timed["route"]["timeout"] = "0.1s".into();
        timed["route"]["prefix_rewrite"] = "/".into();
        routes.push(timed);
        let mut manager = http_manager("ingress", &routes);
        // One route names a cluster that does not exist, which Envoy would refuse.
        manager["route_config"]["validate_clusters"] = false.into();
        Ok(bootstrap(&[listener("http", &manager)], &clusters))
    }
}
