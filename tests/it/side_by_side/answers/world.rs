//! Backends, good and bad, and the bootstrap that leads to them.

use std::path::Path;

use anyhow::Result;
use destrier::demo::config::{
    bootstrap, http_manager, listener, over_http2, route, static_cluster,
};
use destrier_testkit::{Backend, RawConn, RawPeer, refusing};
use serde_json::{Value, json};

use super::log;
use crate::mesh::loopback;

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
    (
        "chatty",
        "HTTP/1.1 200 OK\r\nserver: mine\r\ndate: Mon, 01 Jan 2024 00:00:00 GMT\r\nvia: 1.1 far\r\n\
         x-request-id: theirs\r\nx-envoy-upstream-service-time: 77777\r\nset-cookie: a=1\r\n\
         set-cookie: b=2\r\nconnection: x-hop\r\nx-hop: 1\r\nkeep-alive: timeout=5\r\n\
         content-length: 0\r\n\r\n",
    ),
    (
        "trailers",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-t\r\n\r\n2\r\nok\r\n0\r\nx-t: 1\r\n\r\n",
    ),
    ("no-reason", "HTTP/1.1 299\r\ncontent-length: 0\r\n\r\n"),
    ("bad-status", "HTTP/1.1 99 Low\r\ncontent-length: 0\r\n\r\n"),
    ("bad-chunks", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n"),
    ("only-head", "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n"),
    ("half-a-head", "HTTP/1.1 200 OK\r\ncontent-le"),
    ("bare-lf-head", "HTTP/1.1 200 OK\ncontent-length: 2\n\nok"),
    ("says-close", "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok"),
    ("not-modified", "HTTP/1.1 304 Not Modified\r\ncontent-length: 9\r\netag: x\r\n\r\n"),
    ("no-content", "HTTP/1.1 204 No Content\r\ncontent-length: 0\r\n\r\n"),
];

/// All that requests can be sent to.
pub(super) struct Peers {
    good: Backend,
    failing: Backend,
    bad: Vec<(&'static str, RawPeer)>,
    clusters: Vec<Value>,
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
        let mut peers = Self {
            good: Backend::start("good", loopback())?,
            failing: Backend::start("failing", loopback())?,
            bad: bad.collect::<Result<_>>()?,
            clusters: Vec::new(),
        };
        peers.failing.update(|behaviour| {
            behaviour.fault = destrier_testkit::Fault::ResetBeforeHead;
        });
        peers.clusters = peers.clusters()?;
        Ok(peers)
    }

    fn clusters(&self) -> Result<Vec<Value>> {
        let (good, failing) = (self.good.addr(), self.failing.addr());
        let full = |threshold: &str| {
            let mut full = static_cluster("full", &[good]);
            full["circuit_breakers"] = json!({ "thresholds": [{ threshold: 0 }] });
            full
        };
        let named = |name: &str, mut cluster: Value| {
            cluster["name"] = name.into();
            cluster
        };
        let mut clusters = vec![
            static_cluster("good", &[good]),
            over_http2(static_cluster("good-2", &[good])),
            static_cluster("empty", &[]),
            static_cluster("refuses", &[refusing()?]),
            over_http2(static_cluster("refuses-2", &[refusing()?])),
            over_http2(static_cluster("speaks-1", &[self.bad[1].1.addr()])),
            static_cluster("resets", &[failing]),
            over_http2(static_cluster("resets-2", &[failing])),
            full("max_requests"),
            named("full-2", over_http2(full("max_requests"))),
            named("no-connection", full("max_connections")),
        ];
        clusters.extend(self.bad.iter().map(|(name, peer)| static_cluster(name, &[peer.addr()])));
        Ok(clusters)
    }

    /// A route to each cluster, by the first part of the path, which is taken away.
    pub(super) fn routes(&self) -> Vec<Value> {
        let names = self.clusters.iter().filter_map(|cluster| cluster["name"].as_str());
        names
            .map(|name| {
                let mut route = route(&format!("/{name}/"), name);
                route["route"]["prefix_rewrite"] = "/".into();
                route["name"] = format!("to {name}").into();
                route
            })
            .collect()
    }

    /// The bootstrap with these connection managers as listeners, which all log to one file.
    pub(super) fn bootstrap(&self, managers: &[(&'static str, Value)], logs: &Path) -> Value {
        let listeners: Vec<Value> = managers
            .iter()
            .map(|(name, manager)| {
                let mut manager = manager.clone();
                manager["access_log"] = log::to(logs);
                // What is closed for a fault of the client is not to wait for it.
                manager["delayed_close_timeout"] = "0.1s".into();
                // Some routes name clusters that do not exist, which Envoy would refuse.
                manager["route_config"]["validate_clusters"] = false.into();
                listener(name, &manager)
            })
            .collect();
        bootstrap(&listeners, &self.clusters)
    }
}

/// A manager whose requests all go to the good backend, with further settings.
pub(super) fn echoing(settings: &Value) -> Value {
    set(http_manager("ingress", &[route("/", "good")]), settings)
}

/// The message with these fields in place of its own.
pub(super) fn set(mut message: Value, fields: &Value) -> Value {
    for (name, value) in fields.as_object().expect("fields are written as an object") {
        message[name] = value.clone();
    }
    message
}
