//! Connections that stop being HTTP.

use destrier_policy::{UpgradeConfig, UpstreamProtocol};

use crate::access_log::Log;
use crate::support::{Backend, Rig, cluster, forward, forward_with, route, until};

const UPGRADE: &str = "GET /chat HTTP/1.1\r\nhost: h\r\nconnection: keep-alive, Upgrade\r\n\
                       upgrade: websocket\r\nsec-websocket-key: k\r\n\r\n";

fn websocket(enabled: bool) -> Box<[UpgradeConfig]> {
    Box::from([UpgradeConfig { upgrade_type: "websocket".into(), enabled }])
}

#[tokio::test]
async fn a_websocket_becomes_a_tunnel() {
    let backend = Backend::start(|mut peer| async move {
        let head = peer.head().await.expect("a request").to_ascii_lowercase();
        assert!(head.contains("\r\nupgrade: websocket\r\n"), "{head}");
        assert!(head.contains("\r\nconnection: upgrade\r\n"), "{head}");
        assert!(head.contains("\r\nsec-websocket-key: k\r\n"), "{head}");
        peer.send(
            "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-accept: a\r\n\r\nfirst",
        )
        .await;
        while let Some(line) = peer.until(b"\n").await {
            peer.send(line).await;
        }
        peer.send("last").await;
    })
    .await;
    let log = Log::new();
    let rig = Rig::builder()
        .cluster(cluster("c", UpstreamProtocol::Http1), &[backend.address])
        .http(vec![route("/", forward("c"))], |hcm| {
            hcm.upgrades = websocket(true);
            hcm.access_log = log.policies();
        })
        .start()
        .await;
    let mut client = rig.client().await;
    client.send(format!("{UPGRADE}early\n")).await;
    let head = client.head().await.expect("an answer");
    assert_eq!(head.status, 101);
    assert_eq!(head.header("connection"), Some("upgrade"));
    assert_eq!(head.header("upgrade"), Some("websocket"));
    assert_eq!(head.header("sec-websocket-accept"), Some("a"));
    assert_eq!(client.until(b"early\n").await.as_deref(), Some(&b"firstearly\n"[..]));
    client.send("ping\n").await;
    assert_eq!(client.until(b"\n").await.as_deref(), Some(&b"ping\n"[..]));
    assert_eq!(rig.stat("http.in.downstream_cx_upgrades_active"), 1);
    tokio::io::AsyncWriteExt::shutdown(&mut client.stream).await.expect("it is open");
    assert_eq!(client.rest().await, b"last");
    until(|| rig.stat("http.in.downstream_cx_upgrades_active") == 0).await;
    // Envoy knows no half of a client's connection.
    assert_eq!(log.next().await["flags"], "DC");
}

#[tokio::test]
async fn a_host_may_refuse_to_switch() {
    let backend =
        Backend::answering("HTTP/1.1 400 Bad Request\r\ncontent-length: 2\r\n\r\nno").await;
    let rig = Rig::builder()
        .cluster(cluster("c", UpstreamProtocol::Http1), &[backend.address])
        .http(vec![route("/", forward("c"))], |hcm| hcm.upgrades = websocket(true))
        .start()
        .await;
    let mut client = rig.client().await;
    client.send(UPGRADE).await;
    let reply = client.reply().await;
    assert_eq!((reply.status, reply.text()), (400, "no"));
    assert_eq!(client.get("/").await.status, 400);
}

#[tokio::test]
async fn a_route_may_forbid_what_the_listener_allows() {
    let backend = Backend::echoing().await;
    let action = forward_with("c", |action| action.upgrades = websocket(false));
    let rig = Rig::builder()
        .cluster(cluster("c", UpstreamProtocol::Http1), &[backend.address])
        .http(vec![route("/", action)], |hcm| hcm.upgrades = websocket(true))
        .start()
        .await;
    let mut client = rig.client().await;
    client.send(UPGRADE).await;
    assert_eq!(client.reply().await.status, 403);
    assert_eq!(rig.stat("http.in.downstream_rq_ws_on_non_ws_route"), 1);
}
