//! Many requests at once: none is lost, none gets the answer of another.

use std::sync::Arc;

use bytes::Bytes;
use destrier_policy::UpstreamProtocol;
use http::Request;

use crate::support::{Backend, Client, H2Client, Rig, cluster, forward, h2, route, until};

const REQUESTS: usize = 150;

/// Answers with the body that came, and closes its connection after some answers. It says so: a request
/// whose body is passed on as it comes cannot be sent again when it meets a close that nobody announced.
async fn closing_now_and_then() -> Backend {
    const ANSWERS: usize = 17;
    Backend::start(|mut peer| async move {
        for number in 1..=ANSWERS {
            let Some(request) = peer.request().await else { return };
            let body = request.split_once("\r\n\r\n").map_or("", |(_, body)| body);
            let length = body.len();
            let last = if number == ANSWERS { "connection: close\r\n" } else { "" };
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n{last}\r\n");
            peer.send(head + body).await;
        }
    })
    .await
}

async fn http1_client(rig: Arc<Rig>, client: usize) {
    let mut connection: Client = rig.client().await;
    for number in 0..REQUESTS {
        let body = format!("{client}-{number}-").repeat(1 + number * 31 % 977);
        let length = body.len();
        connection
            .send(format!("PUT / HTTP/1.1\r\nhost: h\r\ncontent-length: {length}\r\n\r\n{body}"))
            .await;
        let reply = connection.reply().await;
        assert_eq!(reply.status, 200, "{reply:?}");
        assert!(reply.whole && reply.text() == body, "{client} {number}");
    }
}

async fn http2_client(rig: Arc<Rig>, client: usize) {
    let mut connection = H2Client::connect(rig.address()).await;
    for round in 0..REQUESTS / 10 {
        let mut answers = Vec::new();
        for number in 0..10 {
            let body = format!("{client}-{round}-{number}-").repeat(1 + number * 31);
            let request = Request::builder().method("PUT").uri("http://h/");
            let request = request.header("content-length", body.len()).body(());
            let request = request.expect("a valid request");
            let (answer, mut send) = connection.begin(request, false).await;
            send.send_data(Bytes::from(body.clone()), true).expect("the stream is open");
            answers.push((answer, body));
        }
        for (answer, body) in answers {
            let got = h2::read(answer).await;
            assert_eq!(got.reply.status, 200, "{got:?}");
            assert!(got.reply.whole && got.reply.text() == body, "{client} {round}");
        }
    }
}

async fn run(protocol: UpstreamProtocol, hosts: &[std::net::SocketAddr]) {
    let rig = Rig::builder()
        .cluster(cluster("c", protocol), hosts)
        .http(vec![route("/", forward("c"))], |_| {})
        .concurrency(2)
        .start()
        .await;
    let rig = Arc::new(rig);
    let mut clients = tokio::task::JoinSet::new();
    for client in 0..6 {
        clients.spawn(http1_client(Arc::clone(&rig), client));
        clients.spawn(http2_client(Arc::clone(&rig), 100 + client));
    }
    while let Some(ended) = clients.join_next().await {
        ended.expect("every answer was right");
    }
    let requests = (6 * (REQUESTS + REQUESTS / 10 * 10)) as u64;
    assert_eq!(rig.stat("http.in.downstream_rq_2xx"), requests);
    until(|| rig.stat("http.in.downstream_rq_active") == 0).await;
    until(|| rig.stat("http.in.downstream_cx_active") == 0).await;
}

#[tokio::test]
async fn over_http1_hosts_that_close_now_and_then() {
    let hosts = [closing_now_and_then().await, closing_now_and_then().await];
    run(UpstreamProtocol::Http1, &hosts.map(|host| host.address)).await;
}

#[tokio::test]
async fn over_http2_hosts() {
    let hosts = [h2::echo().await, h2::echo().await];
    run(UpstreamProtocol::Http2, &hosts).await;
}
