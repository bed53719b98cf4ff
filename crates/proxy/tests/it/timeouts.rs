//! Time limits of a listener.

use std::time::Duration;

use destrier_policy::{HcmPolicy, UpstreamProtocol};
use serde_json::Value;

use crate::access_log::Log;
use crate::support::{Backend, H2Client, Rig, cluster, forward, route, soon, until};

async fn silent_rig(log: &Log, change: impl FnOnce(&mut HcmPolicy)) -> Rig {
    let backend = Backend::start(|mut peer| async move { peer.closed().await }).await;
    Rig::builder()
        .cluster(cluster("c", UpstreamProtocol::Http1), &[backend.address])
        .http(vec![route("/", forward("c"))], |hcm| {
            hcm.access_log = log.policies();
            change(hcm);
        })
        .start()
        .await
}

fn recorded(name: &str) -> Value {
    let text = include_str!("../data/local-replies-bad-requests.json");
    let all: Value = serde_json::from_str(text).expect("the data is JSON");
    let list = all["listener_timeouts_and_limits"].as_array().expect("a list");
    list.iter().find(|case| case["name"] == name).expect("it was recorded").clone()
}

async fn check(name: &str, change: impl FnOnce(&mut HcmPolicy)) {
    let wanted = recorded(name);
    let log = Log::new();
    let rig = silent_rig(&log, change).await;
    let mut client = rig.client().await;
    client.send(wanted["request"].as_str().expect("text")).await;
    let reply = client.reply().await;
    assert_eq!(wanted["status"], reply.status, "{name}");
    assert_eq!(wanted["body"], reply.text(), "{name}");
    let close = wanted["headers"].as_array().expect("a list").iter();
    let close = close.filter(|pair| pair[0] == "connection").count();
    assert_eq!(close == 1, reply.header("connection") == Some("close"), "{name}");
    let line = log.next().await;
    for key in ["code", "flags", "details", "bytes_received", "bytes_sent", "attempts"] {
        assert_eq!(wanted["access_log"][0][key], line[key], "{name}: {key}");
    }
}

#[tokio::test]
async fn as_recorded() {
    let short = Some(Duration::from_millis(100));
    check("request-timeout", |hcm| hcm.request_timeout = short).await;
    // Recorded with both, of which that of the whole request was the shorter.
    check("request-headers-timeout", |hcm| {
        hcm.request_timeout = short;
        hcm.request_headers_timeout = short.map(|short| short * 2);
    })
    .await;
    check("stream-idle-timeout", |hcm| hcm.stream_idle_timeout = short).await;
    check("request-timeout-grpc", |hcm| hcm.request_timeout = short).await;
    check("max-headers-count-20", |hcm| hcm.max_headers_count = 20).await;
    check("underscore-rejected", |hcm| {
        hcm.headers_with_underscores = destrier_policy::UnderscorePolicy::RejectRequest;
    })
    .await;
}

#[tokio::test]
async fn an_idle_connection_ends() {
    let log = Log::new();
    let rig = silent_rig(&log, |hcm| hcm.idle_timeout = Some(Duration::from_millis(100))).await;
    assert!(rig.client().await.closes().await);
    let client = H2Client::connect(rig.address()).await;
    let ended = soon(client.connection).await.expect("the task does not panic");
    ended.expect("it ends in order");
    until(|| rig.stat("http.in.downstream_cx_idle_timeout") >= 1).await;
    until(|| rig.stat("http.in.downstream_cx_active") == 0).await;
}

#[tokio::test]
async fn progress_keeps_a_stream_alive() {
    let backend = Backend::start(|mut peer| async move {
        peer.request().await;
        peer.send("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n").await;
        for _ in 0..10 {
            tokio::time::sleep(Duration::from_millis(60)).await;
            peer.send("x").await;
        }
        peer.closed().await;
    })
    .await;
    let rig = Rig::builder()
        .cluster(cluster("c", UpstreamProtocol::Http1), &[backend.address])
        .http(vec![route("/", forward("c"))], |hcm| {
            hcm.stream_idle_timeout = Some(Duration::from_millis(400));
        })
        .start()
        .await;
    let reply = rig.client().await.get("/").await;
    assert!(reply.whole, "{reply:?}");
}
