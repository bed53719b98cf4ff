//! Clients that take their time: each costs a timeout, and the memory of a few buffers.

use std::sync::atomic::Ordering;
use std::time::Duration;

use destrier_policy::{HcmPolicy, UpstreamProtocol};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::Instant;

use crate::access_log::Log;
use crate::support::{Backend, Client, H2Client, Rig, cluster, forward_with, route, soon, until};

/// The timeout of each test; the pace of a client is well within it.
const TIMEOUT: Duration = Duration::from_millis(400);
const PACE: Duration = Duration::from_millis(20);

/// More than all buffers between two sockets and a proxy hold.
const LARGE: usize = 64 << 20;
const BUFFERS: usize = 16 << 20;

async fn rig(backend: &Backend, log: &Log, change: impl FnOnce(&mut HcmPolicy)) -> Rig {
    let action = forward_with("c", |action| action.timeout = None);
    Rig::builder()
        .cluster(cluster("c", UpstreamProtocol::Http1), &[backend.address])
        .http(vec![route("/", action)], |hcm| {
            hcm.access_log = log.policies();
            change(hcm);
        })
        .start()
        .await
}

/// Sends a byte at a time until there is an answer.
async fn trickle(client: &mut Client, bytes: &[u8]) {
    for byte in bytes.iter().cycle() {
        if client.stream.write_all(&[*byte]).await.is_err() {
            return;
        }
        if tokio::time::timeout(PACE, client.stream.readable()).await.is_ok() {
            return;
        }
    }
}

#[tokio::test]
async fn a_head_that_trickles_costs_its_timeout() {
    let (backend, log) = (Backend::echoing().await, Log::new());
    let rig = rig(&backend, &log, |hcm| hcm.request_headers_timeout = Some(TIMEOUT)).await;
    let mut client = rig.client().await;
    let begun = Instant::now();
    client.send("GET / HTTP/1.1\r\nhost: h\r\nx: ").await;
    trickle(&mut client, b"a").await;
    let reply = client.reply().await;
    assert_eq!((reply.status, reply.text()), (408, "request header timeout"));
    assert!(begun.elapsed() >= TIMEOUT);
    assert_eq!(log.next().await["details"], "request_header_timeout");
    assert_eq!(rig.stat("http.in.downstream_rq_header_timeout"), 1);
}

#[tokio::test]
async fn a_body_that_trickles_costs_the_timeout_of_requests() {
    // What moves is not idle, so `stream_idle_timeout` does not count here.
    let (backend, log) = (Backend::echoing().await, Log::new());
    let rig = rig(&backend, &log, |hcm| {
        hcm.request_timeout = Some(TIMEOUT);
        hcm.stream_idle_timeout = Some(TIMEOUT / 2);
    })
    .await;
    let mut client = rig.client().await;
    let begun = Instant::now();
    client.send("POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 100000\r\n\r\n").await;
    trickle(&mut client, b"a").await;
    assert_eq!(client.reply().await.status, 408);
    assert!(begun.elapsed() >= TIMEOUT);
    assert_eq!(log.next().await["details"], "request_overall_timeout");
    until(|| rig.cluster_stat("c", "upstream_rq_active") == 0).await;
}

#[tokio::test]
async fn a_body_that_stops_costs_the_idle_timeout() {
    let (backend, log) = (Backend::echoing().await, Log::new());
    let rig = rig(&backend, &log, |hcm| hcm.stream_idle_timeout = Some(TIMEOUT)).await;
    let mut client = rig.client().await;
    client.send("POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 100000\r\n\r\nabc").await;
    assert_eq!(client.reply().await.status, 504);
    assert_eq!(log.next().await["flags"], "SI");
    let mut client = H2Client::connect(rig.address()).await;
    let request = http::Request::post("http://h/").body(()).expect("valid");
    let (response, mut body) = client.begin(request, false).await;
    body.send_data("abc".into(), false).expect("it is open");
    let response = soon(response).await.expect("there is an answer");
    assert_eq!(response.status(), 504);
    assert_eq!(log.next().await["flags"], "SI");
    until(|| rig.cluster_stat("c", "upstream_rq_active") == 0).await;
}

#[tokio::test]
async fn an_answer_that_is_not_read_costs_the_idle_timeout_and_a_few_buffers() {
    let (backend, written) = Backend::large(LARGE).await;
    let log = Log::new();
    let rig = rig(&backend, &log, |hcm| hcm.stream_idle_timeout = Some(TIMEOUT)).await;
    let mut client = rig.client().await;
    client.send("GET / HTTP/1.1\r\nhost: h\r\n\r\n").await;
    let line = log.next().await;
    assert_eq!((&line["flags"], &line["details"]), (&"SI".into(), &"stream_idle_timeout".into()));
    let taken = written.load(Ordering::SeqCst);
    assert!(taken < BUFFERS, "{taken} bytes were taken from the host");
    until(|| rig.cluster_stat("c", "upstream_rq_active") == 0).await;
}

#[tokio::test]
async fn an_answer_that_is_read_slowly_waits_at_the_host() {
    let (backend, written) = Backend::large(LARGE).await;
    let log = Log::new();
    let rig = rig(&backend, &log, |hcm| hcm.stream_idle_timeout = Some(TIMEOUT)).await;
    let mut client = rig.client().await;
    client.send("GET / HTTP/1.1\r\nhost: h\r\n\r\n").await;
    let begun = Instant::now();
    let mut byte = [0];
    while begun.elapsed() < TIMEOUT / 2 {
        soon(client.stream.read_exact(&mut byte)).await.expect("it goes on");
        tokio::time::sleep(PACE).await;
    }
    let taken = written.load(Ordering::SeqCst);
    assert!(taken < BUFFERS, "{taken} bytes were taken from the host");
    assert_eq!(rig.stat("http.in.downstream_rq_active"), 1);
    drop(client);
    assert_eq!(log.next().await["flags"], "DC");
    until(|| rig.cluster_stat("c", "upstream_rq_active") == 0).await;
}
