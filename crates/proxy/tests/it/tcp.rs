//! The TCP proxy.

use std::time::Duration;

use destrier_policy::{ClusterChoice, UpstreamProtocol, WeightedCluster};
use tokio::io::AsyncWriteExt;

use crate::access_log::Log;
use crate::support::{Backend, Client, Rig, cluster, soon, until};

async fn rig(backend: &Backend, change: impl FnOnce(&mut destrier_policy::TcpProxyPolicy)) -> Rig {
    Rig::builder()
        .cluster(cluster("c", UpstreamProtocol::Http1), &[backend.address])
        .tcp(ClusterChoice::One("c".into()), change)
        .start()
        .await
}

/// Answers lines, and a last word after the client's end.
async fn lines() -> Backend {
    Backend::start(|mut peer| async move {
        while let Some(line) = peer.until(b"\n").await {
            peer.send(line).await;
        }
        peer.send("bye").await;
    })
    .await
}

#[tokio::test]
async fn each_direction_ends_on_its_own() {
    let log = Log::new();
    let backend = lines().await;
    let rig = rig(&backend, |tcp| tcp.access_log = log.policies()).await;
    let mut client = rig.client().await;
    client.send("one\n").await;
    assert_eq!(client.until(b"\n").await.as_deref(), Some(&b"one\n"[..]));
    client.stream.shutdown().await.expect("it is open");
    assert_eq!(client.rest().await, b"bye");
    let line = log.next().await;
    assert_eq!(line["bytes_received"], 4);
    assert_eq!(line["bytes_sent"], 7);
    assert_eq!(line["upstream_host"], backend.address.to_string());
    assert_eq!(line["upstream_cluster"], "c");
    assert_eq!(line["flags"], "-");
    assert_eq!(rig.stat("tcp.in.downstream_cx_total"), 1);
    assert_eq!(rig.stat("tcp.in.downstream_cx_rx_bytes_total"), 4);
}

#[tokio::test]
async fn the_host_may_end_first() {
    let backend = Backend::start(|mut peer| async move {
        peer.send("hello").await;
        peer.stream.shutdown().await.expect("it is open");
        assert_eq!(peer.until(b"\n").await.as_deref(), Some(&b"later\n"[..]));
        peer.closed().await;
    })
    .await;
    let rig = rig(&backend, |_| {}).await;
    let mut client = rig.client().await;
    assert_eq!(client.rest().await, b"hello");
    client.send("later\n").await;
}

#[tokio::test]
async fn much_goes_through() {
    let backend = Backend::start(|mut peer| async move {
        while let Some(piece) = peer.exactly(1 << 16).await {
            peer.send(piece).await;
        }
    })
    .await;
    let rig = rig(&backend, |_| {}).await;
    let mut client = rig.client().await;
    let whole: Vec<u8> = (0..8 << 20).map(|n: u32| (n / 251) as u8).collect();
    let (mut reading, mut writing) = client.stream.split();
    let sent = whole.clone();
    let mut got = vec![0; whole.len()];
    let write = writing.write_all(&sent);
    let read = tokio::io::AsyncReadExt::read_exact(&mut reading, &mut got);
    let (written, read) = soon(async { tokio::join!(write, read) }).await;
    written.expect("it is open");
    read.expect("it comes back");
    assert!(got == whole, "the bytes are the same");
}

#[tokio::test]
async fn silence_and_age_end_it() {
    let log = Log::new();
    let backend = lines().await;
    let rig = rig(&backend, |tcp| {
        tcp.idle_timeout = Some(Duration::from_millis(100));
        tcp.access_log = log.policies();
    })
    .await;
    let mut client = rig.client().await;
    client.send("one\n").await;
    assert_eq!(client.rest().await, b"one\n");
    until(|| rig.stat("tcp.in.idle_timeout") == 1).await;

    let rig = self::rig(&backend, |tcp| {
        tcp.max_downstream_connection_duration = Some(Duration::from_millis(150));
    })
    .await;
    let mut client = rig.client().await;
    client.send("one\n").await;
    assert_eq!(client.rest().await, b"one\n");
    until(|| rig.stat("tcp.in.max_downstream_connection_duration") == 1).await;
}

#[tokio::test]
async fn without_a_host_the_client_is_closed() {
    let log = Log::new();
    let refusing = destrier_testkit::refusing().expect("there is a free port");
    let rig = Rig::builder()
        .cluster(cluster("c", UpstreamProtocol::Http1), &[refusing])
        .tcp(ClusterChoice::One("c".into()), |tcp| {
            tcp.access_log = log.policies();
            tcp.max_connect_attempts = 2;
        })
        .tcp(ClusterChoice::One("none".into()), |tcp| tcp.access_log = log.policies())
        .start()
        .await;
    assert!(rig.client().await.closes().await);
    assert_eq!(log.next().await["flags"], "UF");
    let second = rig.proxy.listeners()[1].address.ip().expect("an IP address");
    assert!(Client::connect(second).await.closes().await);
    assert_eq!(log.next().await["flags"], "NC");
    assert_eq!(rig.stat("tcp.in.downstream_cx_no_route"), 1);
}

#[tokio::test]
async fn clusters_by_weight() {
    let named =
        |name: &'static str| Backend::start(move |mut peer| async move { peer.send(name).await });
    let (a, b) = (named("a").await, named("b").await);
    let choice = |name: &str, weight| WeightedCluster::new(name.into(), weight);
    let clusters = Box::from([choice("a", 0), choice("b", 1)]);
    let rig = Rig::builder()
        .cluster(cluster("a", UpstreamProtocol::Http1), &[a.address])
        .cluster(cluster("b", UpstreamProtocol::Http1), &[b.address])
        .tcp(ClusterChoice::Weighted { clusters, total: 1 }, |_| {})
        .start()
        .await;
    for _ in 0..5 {
        assert_eq!(rig.client().await.rest().await, b"b");
    }
}
