//! Copies of requests over sockets.

use std::time::Duration;

use destrier_policy::{MirrorHost, MirrorPolicy, RouteAction, Share, UpstreamProtocol};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::support::{Backend, Rig, cluster, forward_with, route, soon};

/// A host that keeps what it gets and answers when `slow` has passed.
async fn keeping(slow: Duration) -> (Backend, UnboundedReceiver<String>) {
    let (sender, receiver) = unbounded_channel();
    let backend = Backend::start(move |mut peer| {
        let sender = sender.clone();
        async move {
            while let Some(request) = peer.request().await {
                let _ = sender.send(request);
                tokio::time::sleep(slow).await;
                peer.send("HTTP/1.1 500 Oh\r\ncontent-length: 2\r\n\r\nno").await;
            }
        }
    });
    (backend.await, receiver)
}

fn mirrored(host: MirrorHost, share: Share) -> RouteAction {
    forward_with("c", |action| {
        action.mirrors = [MirrorPolicy { cluster: "m".into(), share, host }].into();
    })
}

async fn rig(main: &Backend, copies: std::net::SocketAddr, action: RouteAction) -> Rig {
    Rig::builder()
        .cluster(cluster("c", UpstreamProtocol::Http1), &[main.address])
        .cluster(cluster("m", UpstreamProtocol::Http1), &[copies])
        .http(vec![route("/", action)], |_| {})
        .start()
        .await
}

#[tokio::test]
async fn a_copy_goes_elsewhere_and_its_answer_nowhere() {
    let main = Backend::echoing().await;
    // It never answers in time, and would answer with a fault.
    let (mirror, mut copies) = keeping(Duration::from_secs(3600)).await;
    let rig = rig(&main, mirror.address, mirrored(MirrorHost::Suffixed, Share::ALL)).await;
    let mut client = rig.client().await;
    client
        .send("POST /a?b HTTP/1.1\r\nhost: h:81\r\nx-forwarded-for: 1.1.1.1\r\ncontent-length: 3\r\n\r\nabc")
        .await;
    let reply = client.reply().await;
    assert_eq!(reply.status, 200);
    assert!(reply.text().contains("\r\nhost: h:81\r\n") && reply.text().ends_with("\r\n\r\nabc"));
    let copy = soon(copies.recv()).await.expect("there is a copy");
    assert!(copy.starts_with("POST /a?b HTTP/1.1\r\n"), "{copy}");
    assert!(copy.contains("\r\nhost: h-shadow:81\r\n"), "{copy}");
    assert!(copy.contains("\r\nx-envoy-internal: true\r\n"), "{copy}");
    assert!(copy.contains("\r\nx-forwarded-for: 1.1.1.1,10.9.8.7\r\n"), "{copy}");
    assert!(copy.ends_with("\r\n\r\nabc"), "{copy}");
    assert_eq!(client.get("/again").await.status, 200);
}

#[tokio::test]
async fn a_body_that_comes_in_pieces_is_copied_as_it_comes() {
    let main = Backend::echoing().await;
    let (mirror, mut copies) = keeping(Duration::ZERO).await;
    let rig = rig(&main, mirror.address, mirrored(MirrorHost::Kept, Share::ALL)).await;
    let mut client = rig.client().await;
    client
        .send("POST / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n")
        .await;
    client.send("2\r\nde\r\n0\r\n\r\n").await;
    assert_eq!(client.reply().await.status, 200);
    let copy = soon(copies.recv()).await.expect("there is a copy");
    assert!(copy.contains("\r\nhost: h\r\n"), "{copy}");
    assert!(copy.contains("abc") && copy.contains("de"), "{copy}");
}

#[tokio::test]
async fn nothing_that_happens_to_a_copy_touches_the_request() {
    let main = Backend::echoing().await;
    let refusing = destrier_testkit::refusing().expect("there is a free port");
    let rig = rig(&main, refusing, mirrored(MirrorHost::Suffixed, Share::ALL)).await;
    let mut client = rig.client().await;
    for _ in 0..3 {
        assert_eq!(client.get("/").await.status, 200);
    }
    assert_eq!(rig.stat("http.in.downstream_rq_2xx"), 3);
    assert_eq!(rig.stat("http.in.downstream_rq_total"), 3, "copies are no requests of clients");
}

#[tokio::test]
async fn a_share_of_nothing_copies_nothing() {
    let main = Backend::echoing().await;
    let (mirror, _copies) = keeping(Duration::ZERO).await;
    let none = Share { parts: 0, of: 100 };
    let rig = rig(&main, mirror.address, mirrored(MirrorHost::Suffixed, none)).await;
    assert_eq!(rig.client().await.get("/").await.status, 200);
    assert_eq!(mirror.connections(), 0);
}
