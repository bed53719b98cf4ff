//! Leaving without losing a request.

use std::sync::Arc;
use std::time::Duration;

use destrier_policy::UpstreamProtocol;
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::support::{Backend, H2Client, Rig, cluster, soon};

/// Answers when told.
async fn waiting(go: &Arc<Notify>, asked: &Arc<Notify>) -> Backend {
    let (go, asked) = (Arc::clone(go), Arc::clone(asked));
    Backend::start(move |mut peer| {
        let (go, asked) = (Arc::clone(&go), Arc::clone(&asked));
        async move {
            while peer.request().await.is_some() {
                asked.notify_one();
                go.notified().await;
                peer.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
            }
        }
    })
    .await
}

#[tokio::test]
async fn requests_in_flight_finish() {
    let (go, asked) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let backend = waiting(&go, &asked).await;
    let rig = Rig::to(cluster("c", UpstreamProtocol::Http1), &[backend.address]).await;
    let address = rig.address();
    let mut first = rig.client().await;
    first.send("GET / HTTP/1.1\r\nhost: h\r\n\r\n").await;
    soon(asked.notified()).await;
    let mut second = H2Client::connect(address).await;
    let request = http::Request::builder().uri("http://h/").body(()).expect("valid");
    let (answer, _) = second.begin(request, true).await;
    soon(asked.notified()).await;
    let mut idle = rig.client().await;
    let proxy = Arc::new(rig.proxy);
    let draining = tokio::spawn({
        let proxy = Arc::clone(&proxy);
        async move { proxy.drain(Duration::from_secs(5)).await }
    });
    soon(async {
        while TcpStream::connect(address).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    go.notify_one();
    go.notify_one();
    let reply = first.reply().await;
    assert_eq!((reply.text(), reply.header("connection")), ("ok", Some("close")));
    assert!(first.closes().await);
    let got = crate::support::h2::read(answer).await;
    assert_eq!(got.reply.text(), "ok");
    soon(second.connection).await.expect("no panic").expect("GOAWAY, then the end");
    assert!(idle.closes().await);
    soon(draining).await.expect("no panic");
}

#[tokio::test]
async fn what_does_not_finish_is_cut() {
    let (go, asked) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let backend = waiting(&go, &asked).await;
    let rig = Rig::to(cluster("c", UpstreamProtocol::Http1), &[backend.address]).await;
    let mut client = rig.client().await;
    client.send("GET / HTTP/1.1\r\nhost: h\r\n\r\n").await;
    soon(asked.notified()).await;
    let began = Instant::now();
    soon(rig.proxy.drain(Duration::from_millis(200))).await;
    assert!(began.elapsed() >= Duration::from_millis(200));
    assert!(client.closes().await);
}

#[tokio::test]
async fn an_idle_proxy_leaves_at_once() {
    let rig = Rig::to(cluster("c", UpstreamProtocol::Http1), &[]).await;
    let began = Instant::now();
    rig.proxy.drain(Duration::from_secs(600)).await;
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn connections_in_the_accept_queue_are_served() {
    let backend = Backend::answering("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
    let rig = Rig::to(cluster("c", UpstreamProtocol::Http1), &[backend.address]).await;
    // Whether accepted or still in the queue when draining begins: each is answered.
    let mut clients = Vec::new();
    for _ in 0..20 {
        let mut client = rig.client().await;
        client.send("GET / HTTP/1.1\r\nhost: h\r\n\r\n").await;
        clients.push(client);
    }
    let proxy = Arc::new(rig.proxy);
    let draining = tokio::spawn({
        let proxy = Arc::clone(&proxy);
        async move { proxy.drain(Duration::from_secs(5)).await }
    });
    for mut client in clients {
        assert_eq!(client.reply().await.text(), "ok");
    }
    soon(draining).await.expect("no panic");
}

#[tokio::test]
async fn workers_share_the_connections() {
    let backend = Backend::answering("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
    let rig = Rig::builder()
        .cluster(cluster("c", UpstreamProtocol::Http1), &[backend.address])
        .http(vec![crate::support::route("/", crate::support::forward("c"))], |_| {})
        .concurrency(3)
        .start()
        .await;
    let mut clients = Vec::new();
    for _ in 0..9 {
        clients.push(rig.client().await);
    }
    for client in &mut clients {
        for _ in 0..3 {
            assert_eq!(client.get("/").await.text(), "ok");
        }
    }
    assert_eq!(rig.stat("http.in.downstream_rq_2xx"), 27);
}
