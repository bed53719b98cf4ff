//! Requests that go through.

use destrier_policy::UpstreamProtocol;

use crate::support::{Backend, Rig, cluster, until};

#[tokio::test]
async fn a_request_goes_through_and_the_connection_is_kept() {
    let backend = Backend::answering("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
    let rig = Rig::to(cluster("c", UpstreamProtocol::Http1), &[backend.address]).await;
    let mut client = rig.client().await;
    for _ in 0..3 {
        let reply = client.get("/").await;
        assert_eq!((reply.status, reply.text()), (200, "ok"));
        assert_eq!(reply.header("server"), Some("envoy"));
    }
    assert_eq!(backend.connections(), 1);
    assert_eq!(rig.stat("http.in.downstream_rq_2xx"), 3);
    until(|| rig.stat("http.in.downstream_rq_active") == 0).await;
    assert_eq!(rig.stat("http.in.downstream_cx_http1_total"), 1);
}
