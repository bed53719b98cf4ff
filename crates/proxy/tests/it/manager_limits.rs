//! How long connections and streams of a connection manager may go on, as measured with Envoy 1.40.

use std::time::Duration;

use destrier_policy::{HcmPolicy, UpstreamProtocol};

use crate::support::{Backend, H2Client, Rig, cluster, forward, route, until};

async fn rig(change: impl FnOnce(&mut HcmPolicy)) -> Rig {
    let backend = Backend::echoing().await;
    let clusters =
        Rig::builder().cluster(cluster("c", UpstreamProtocol::Http1), &[backend.address]);
    clusters.http(vec![route("/", forward("c"))], change).start().await
}

const SHORT: Option<Duration> = Some(Duration::from_millis(100));

#[tokio::test]
async fn a_connection_takes_so_many_requests() {
    let rig = rig(|policy| policy.max_requests_per_connection = Some(2)).await;
    let mut client = rig.client().await;
    assert_eq!(client.get("/").await.header("connection"), None);
    assert_eq!(client.get("/").await.header("connection"), Some("close"));
    assert!(client.closes().await);
    assert_eq!(rig.stat("http.in.downstream_cx_max_requests_reached"), 1);
}

#[tokio::test]
async fn an_http2_connection_takes_so_many_requests() {
    let rig = rig(|policy| policy.max_requests_per_connection = Some(2)).await;
    let mut client = H2Client::connect(rig.address()).await;
    for _ in 0..2 {
        assert_eq!(client.get("http://h/").await.reply.status, 200);
    }
    assert!(client.connection.await.expect("no panic").is_ok(), "it ends in peace");
    assert_eq!(rig.stat("http.in.downstream_cx_max_requests_reached"), 1);
}

#[tokio::test]
async fn an_idle_connection_ends_at_its_age() {
    let rig = rig(|policy| {
        policy.max_connection_duration = SHORT;
        policy.drain_timeout = Duration::from_millis(50);
    })
    .await;
    let mut client = rig.client().await;
    assert_eq!(client.get("/").await.status, 200);
    assert!(client.closes().await);
    let mut http2 = H2Client::connect(rig.address()).await;
    assert_eq!(http2.get("http://h/").await.reply.status, 200);
    assert!(http2.connection.await.expect("no panic").is_ok(), "it ends in peace");
    assert_eq!(rig.stat("http.in.downstream_cx_max_duration_reached"), 2);
    assert_eq!(rig.stat("http.in.downstream_cx_idle_timeout"), 0);
}

#[tokio::test]
async fn an_old_connection_ends_with_its_answer() {
    let rig = rig(|policy| policy.max_connection_duration = SHORT).await;
    let mut client = rig.client().await;
    // The rest of the request comes when the connection is old.
    client.send("POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 1\r\n\r\n").await;
    tokio::time::sleep(Duration::from_millis(150)).await;
    client.send("x").await;
    let reply = client.reply().await;
    assert_eq!((reply.status, reply.header("connection")), (200, Some("close")));
    assert!(client.closes().await);
    assert_eq!(rig.stat("http.in.downstream_cx_max_duration_reached"), 1);
}

#[tokio::test]
async fn a_stream_ends_at_its_age() {
    let backend = Backend::start(|mut peer| async move { peer.closed().await }).await;
    let rig = Rig::builder()
        .cluster(cluster("c", UpstreamProtocol::Http1), &[backend.address])
        .http(vec![route("/", forward("c"))], |policy| policy.max_stream_duration = SHORT)
        .start()
        .await;
    let mut client = rig.client().await;
    let reply = client.get("/").await;
    assert_eq!((reply.status, reply.text()), (504, "downstream duration timeout"));
    let mut client = rig.client().await;
    client.send("POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 9\r\n\r\nabc").await;
    let reply = client.reply().await;
    assert_eq!((reply.status, reply.text()), (408, "downstream duration timeout"));
    assert_eq!(reply.header("connection"), Some("close"));
    assert_eq!(rig.stat("http.in.downstream_rq_max_duration_reached"), 2);
}

#[tokio::test]
async fn a_client_that_does_not_close_is_waited_for() {
    let rig = rig(|policy| policy.delayed_close_timeout = SHORT).await;
    let mut client = rig.client().await;
    client.send("nonsense\r\n\r\n").await;
    assert_eq!(client.reply().await.status, 400);
    assert!(client.closes().await);
    until(|| rig.stat("http.in.downstream_cx_delayed_close_timeout") == 1).await;
    until(|| rig.stat("http.in.downstream_cx_active") == 0).await;
}

#[tokio::test]
async fn without_patience_a_connection_is_closed_at_once() {
    let rig = rig(|policy| policy.delayed_close_timeout = None).await;
    let mut client = rig.client().await;
    client.send("nonsense\r\n\r\n").await;
    assert_eq!(client.reply().await.status, 400);
    until(|| rig.stat("http.in.downstream_cx_active") == 0).await;
    assert_eq!(rig.stat("http.in.downstream_cx_delayed_close_timeout"), 0);
}
