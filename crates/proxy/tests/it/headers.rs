//! Headers of forwarded messages.

mod recorded;
mod upstream;

use destrier_policy::UpstreamProtocol;

use crate::support::{Backend, Rig, cluster};

#[tokio::test]
async fn what_a_host_says_of_itself() {
    let answer = "HTTP/1.1 200 OK\r\nserver: mine\r\ndate: Mon, 01 Jan 2024 00:00:00 GMT\r\n\
                  x-envoy-upstream-service-time: 77777\r\nconnection: x-hop\r\nx-hop: 1\r\n\
                  keep-alive: timeout=5\r\ncontent-length: 0\r\n\r\n";
    let backend = Backend::answering(answer).await;
    let rig = Rig::to(cluster("c", UpstreamProtocol::Http1), &[backend.address]).await;
    let reply = rig.client().await.get("/").await;
    assert_eq!(reply.header("server"), Some("envoy"));
    assert_eq!(reply.header("date"), Some("Mon, 01 Jan 2024 00:00:00 GMT"));
    assert_ne!(reply.header("x-envoy-upstream-service-time"), Some("77777"));
    assert_eq!(reply.header("x-hop"), Some("1"));
    assert_eq!((reply.header("connection"), reply.header("keep-alive")), (None, None));
}

#[tokio::test]
async fn hop_by_hop_headers_of_a_request_stay_here() {
    let backend = Backend::echoing().await;
    let rig = Rig::to(cluster("c", UpstreamProtocol::Http1), &[backend.address]).await;
    let mut client = rig.client().await;
    client
        .send(
            "GET http://other/abs?q HTTP/1.1\r\nhost: h\r\nconnection: x-hop, keep-alive\r\n\
             x-hop: 1\r\nkeep-alive: 5\r\nte: gzip\r\nproxy-connection: x\r\n\r\n",
        )
        .await;
    let reply = client.reply().await;
    let seen = reply.text().to_ascii_lowercase();
    assert!(seen.starts_with("get /abs?q http/1.1\r\n"), "{seen}");
    assert!(seen.contains("\r\nhost: other\r\n"), "{seen}");
    for name in ["connection", "x-hop", "keep-alive", "te:", "proxy-connection"] {
        assert!(!seen.contains(name), "{name} in {seen}");
    }
}
