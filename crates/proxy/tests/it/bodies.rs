//! Bodies: framing, streaming, backpressure, and what happens when they break.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use destrier_policy::UpstreamProtocol;
use http::{HeaderMap, HeaderValue, Method, Request};
use tokio::io::AsyncReadExt;
use tokio::sync::Notify;

use crate::access_log::Log;
use crate::support::{Backend, H2Client, Rig, cluster, forward, h2, route, soon, until};

async fn http1_rig(backend: &Backend) -> Rig {
    Rig::to(cluster("c", UpstreamProtocol::Http1), &[backend.address]).await
}

#[tokio::test]
async fn every_framing_of_an_answer() {
    for (answer, body) in [
        ("content-length: 5\r\n\r\nhello", "hello"),
        ("content-length: 0\r\n\r\n", ""),
        ("transfer-encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n", "hello"),
        ("transfer-encoding: chunked\r\n\r\n0\r\nx-trailer: 1\r\n\r\n", ""),
    ] {
        let backend = Backend::answering(format!("HTTP/1.1 200 OK\r\n{answer}")).await;
        let rig = http1_rig(&backend).await;
        let mut client = rig.client().await;
        for _ in 0..2 {
            let reply = client.get("/").await;
            assert!(reply.whole, "{answer}");
            assert_eq!(reply.text(), body, "{answer}");
        }
        let mut client = H2Client::connect(rig.address()).await;
        let got = client.get("http://h/").await;
        assert!(got.reply.whole && got.reply.text() == body, "{answer}");
    }
}

#[tokio::test]
async fn an_answer_until_close_becomes_chunked() {
    let backend = Backend::start(|mut peer| async move {
        peer.request().await;
        peer.send("HTTP/1.1 200 OK\r\n\r\nto the end").await;
    })
    .await;
    let rig = http1_rig(&backend).await;
    let mut client = rig.client().await;
    for _ in 0..2 {
        let reply = client.get("/").await;
        assert_eq!(reply.header("transfer-encoding"), Some("chunked"));
        assert!(reply.whole && reply.text() == "to the end");
    }
}

#[tokio::test]
async fn answers_without_a_body() {
    for (status, headers) in [("204 No Content", ""), ("304 Not Modified", "content-length: 5\r\n")]
    {
        let backend = Backend::answering(format!("HTTP/1.1 {status}\r\n{headers}\r\n")).await;
        let rig = http1_rig(&backend).await;
        let mut client = rig.client().await;
        for _ in 0..2 {
            client.send("GET / HTTP/1.1\r\nhost: h\r\n\r\n").await;
            let head = client.head().await.expect("an answer");
            assert!(status.starts_with(&head.status.to_string()));
            assert_eq!(head.header("transfer-encoding"), None);
        }
    }
}

#[tokio::test]
async fn an_answer_to_head_keeps_its_length_and_has_no_body() {
    let answer = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n";
    let backend = Backend::answering(answer).await;
    let rig = http1_rig(&backend).await;
    let mut client = rig.client().await;
    for _ in 0..2 {
        client.send("HEAD / HTTP/1.1\r\nhost: h\r\n\r\n").await;
        let head = client.head().await.expect("an answer");
        assert_eq!((head.status, head.header("content-length")), (200, Some("5")));
    }
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let backend = Backend::echoing().await;
    let rig = http1_rig(&backend).await;
    let mut client = rig.client().await;
    let post = "POST /2 HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n\
                3\r\nabc\r\n0\r\n\r\n";
    client
        .send(format!("GET /1 HTTP/1.1\r\nhost: h\r\n\r\n{post}GET /3 HTTP/1.1\r\nhost: h\r\n\r\n"))
        .await;
    for number in 1..=3 {
        let reply = client.reply().await;
        assert_eq!(reply.status, 200);
        assert!(reply.text().contains(&format!(" /{number} HTTP/1.1\r\n")), "{}", reply.text());
    }
}

#[tokio::test]
async fn expect_continue_is_answered_here() {
    let backend = Backend::echoing().await;
    let rig = http1_rig(&backend).await;
    let mut client = rig.client().await;
    client
        .send("POST / HTTP/1.1\r\nhost: h\r\nexpect: 100-continue\r\ncontent-length: 4\r\n\r\n")
        .await;
    assert_eq!(client.head().await.expect("an answer").status, 100);
    client.send("body").await;
    let reply = client.reply().await;
    assert!(reply.text().ends_with("\r\n\r\nbody"));
    assert!(!reply.text().contains("expect:"));
}

#[tokio::test]
async fn expect_continue_may_be_the_clusters_to_answer() {
    let backend = Backend::start(|mut peer| async move {
        let head = peer.head().await.expect("the head comes without its body");
        assert!(head.contains("\r\nexpect: 100-continue\r\n"), "{head}");
        if head.contains("/refused") {
            return peer.send("HTTP/1.1 417 Expectation Failed\r\ncontent-length: 0\r\n\r\n").await;
        }
        peer.send("HTTP/1.1 100 Continue\r\n\r\n").await;
        assert_eq!(peer.exactly(4).await.as_deref(), Some(&b"body"[..]));
        peer.send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    })
    .await;
    let rig = Rig::builder()
        .cluster(cluster("c", UpstreamProtocol::Http1), &[backend.address])
        .http(vec![route("/", forward("c"))], |hcm| hcm.proxy_100_continue = true)
        .start()
        .await;
    let head = |path| {
        format!(
            "POST {path} HTTP/1.1\r\nhost: h\r\nexpect: 100-continue\r\ncontent-length: 4\r\n\r\n"
        )
    };
    let mut client = rig.client().await;
    client.send(head("/")).await;
    assert_eq!(client.head().await.expect("the host's answer").status, 100);
    client.send("body").await;
    assert_eq!(client.reply().await.status, 200);

    let mut client = rig.client().await;
    client.send(head("/refused")).await;
    assert_eq!(client.reply().await.status, 417, "without a 100 before it");
    assert!(client.closes().await, "the body that was not sent is not the next request");
}

#[tokio::test]
async fn an_answer_streams_as_it_comes() {
    let more = Arc::new(Notify::new());
    let wait = Arc::clone(&more);
    let backend = Backend::start(move |mut peer| {
        let wait = Arc::clone(&wait);
        async move {
            peer.request().await;
            peer.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await;
            wait.notified().await;
            peer.send("5\r\nfirst\r\n").await;
            wait.notified().await;
            peer.send("0\r\n\r\n").await;
            peer.closed().await;
        }
    })
    .await;
    let rig = http1_rig(&backend).await;
    let mut client = rig.client().await;
    client.send("GET / HTTP/1.1\r\nhost: h\r\n\r\n").await;
    let head = client.head().await.expect("the head comes before the body");
    more.notify_one();
    assert_eq!(client.until(b"first\r\n").await.as_deref(), Some(&b"5\r\nfirst\r\n"[..]));
    more.notify_one();
    assert!(client.body_of(head).await.whole);
}

const WHOLE: usize = 64 << 20;

/// Sends as much as it can, and counts.
async fn talkative(sent: &Arc<AtomicUsize>) -> Backend {
    let sent = Arc::clone(sent);
    Backend::start(move |mut peer| {
        let sent = Arc::clone(&sent);
        async move {
            peer.request().await;
            peer.send(format!("HTTP/1.1 200 OK\r\ncontent-length: {WHOLE}\r\n\r\n")).await;
            let piece = vec![b'x'; 1 << 16];
            for _ in 0..WHOLE / piece.len() {
                peer.send(&piece).await;
                sent.fetch_add(piece.len(), Ordering::SeqCst);
            }
            peer.closed().await;
        }
    })
    .await
}

/// What was taken from the host when nothing moves any more.
async fn at_a_standstill(sent: &AtomicUsize) -> usize {
    let mut before = usize::MAX;
    soon(async {
        while before != sent.load(Ordering::SeqCst) || before == 0 {
            before = sent.load(Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        before
    })
    .await
}

/// A client that does not read holds the host up; nothing is buffered without bound.
#[tokio::test]
async fn a_slow_client_holds_the_host_up() {
    let sent = Arc::default();
    let backend = talkative(&sent).await;
    let rig = http1_rig(&backend).await;
    let mut client = rig.client().await;
    client.send("GET / HTTP/1.1\r\nhost: h\r\n\r\n").await;
    let head = client.head().await.expect("an answer");
    let taken = at_a_standstill(&sent).await;
    assert!(taken < WHOLE / 2, "{taken} bytes were taken from the host");
    let reply = client.body_of(head).await;
    assert!(reply.whole);
    assert_eq!(reply.body.len(), WHOLE);
}

/// The same with the window of a stream.
#[tokio::test]
async fn a_closed_window_holds_the_host_up() {
    let sent = Arc::default();
    let backend = talkative(&sent).await;
    let rig = http1_rig(&backend).await;
    let mut client = H2Client::connect(rig.address()).await;
    let request = Request::builder().uri("http://h/").body(()).expect("valid");
    let (answer, _) = client.begin(request, true).await;
    let taken = at_a_standstill(&sent).await;
    assert!(taken < WHOLE / 2, "{taken} bytes were taken from the host");
    let got = h2::read(answer).await;
    assert!(got.reply.whole);
    assert_eq!(got.reply.body.len(), WHOLE);
}

/// A client that keeps its window closed does not hold a host for ever.
#[tokio::test]
async fn a_window_that_stays_closed_ends_the_stream() {
    let log = Log::new();
    let sent = Arc::default();
    let backend = talkative(&sent).await;
    let rig = Rig::builder()
        .cluster(cluster("c", UpstreamProtocol::Http1), &[backend.address])
        .http(vec![route("/", forward("c"))], |hcm| {
            hcm.access_log = log.policies();
            hcm.stream_idle_timeout = Some(Duration::from_millis(300));
        })
        .start()
        .await;
    let mut client = H2Client::connect(rig.address()).await;
    let request = Request::builder().uri("http://h/").body(()).expect("valid");
    let (answer, _) = client.begin(request, true).await;
    let line = log.next().await;
    assert_eq!((&line["flags"], &line["code"]), (&"SI".into(), &200.into()));
    let got = h2::read(answer).await;
    assert!(got.reset.is_some() && !got.reply.whole, "the stream was reset");
    assert_eq!(client.get("http://h/again").await.reply.status, 200, "the connection goes on");
}

#[tokio::test]
async fn a_long_request_streams_to_the_host() {
    let backend = Backend::start(|mut peer| async move {
        let head = peer.head().await.expect("a request");
        assert!(head.contains("content-length: 3000000\r\n"), "{head}");
        let body = peer.exactly(3_000_000).await.expect("the whole body");
        assert!(body.iter().all(|byte| *byte == b'y'));
        peer.send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
        peer.closed().await;
    })
    .await;
    let rig = http1_rig(&backend).await;
    let mut client = rig.client().await;
    client.send("POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 3000000\r\n\r\n").await;
    client.send(vec![b'y'; 3_000_000]).await;
    assert_eq!(client.reply().await.status, 200);
}

#[tokio::test]
async fn a_fault_in_a_request_body_reaches_nobody() {
    let log = Log::new();
    let seen = Arc::new(Notify::new());
    let got = Arc::new(std::sync::Mutex::new(Vec::new()));
    let (tell, keep) = (Arc::clone(&seen), Arc::clone(&got));
    let backend = Backend::start(move |mut peer| {
        let (tell, keep) = (Arc::clone(&tell), Arc::clone(&keep));
        async move {
            peer.head().await;
            peer.until(b"abc\r\n").await;
            tell.notify_one();
            let mut rest = Vec::new();
            let _ = peer.stream.read_to_end(&mut rest).await;
            keep.lock().expect("nobody panicked").extend_from_slice(&rest);
            tell.notify_one();
        }
    })
    .await;
    let rig = Rig::builder()
        .cluster(cluster("c", UpstreamProtocol::Http1), &[backend.address])
        .http(vec![route("/", forward("c"))], |hcm| hcm.access_log = log.policies())
        .start()
        .await;
    let mut client = rig.client().await;
    client
        .send("POST / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n")
        .await;
    soon(seen.notified()).await;
    client.send("zz\r\nGET / HTTP/1.1\r\nhost: h\r\n\r\n").await;
    let reply = client.reply().await;
    assert_eq!((reply.status, reply.text()), (400, "Bad Request"));
    assert!(client.closes().await);
    soon(seen.notified()).await;
    assert!(got.lock().expect("nobody panicked").is_empty(), "bytes after the fault");
    let line = log.next().await;
    assert_eq!(line["details"], "http1.codec_error");
    assert_eq!(line["flags"], "DPE");
}

#[tokio::test]
async fn a_client_that_leaves_takes_its_request_along() {
    let log = Log::new();
    let ended = Arc::new(Notify::new());
    let asked = Arc::new(Notify::new());
    let (end, ask) = (Arc::clone(&ended), Arc::clone(&asked));
    let backend = Backend::start(move |mut peer| {
        let (end, ask) = (Arc::clone(&end), Arc::clone(&ask));
        async move {
            peer.request().await;
            ask.notify_one();
            peer.closed().await;
            end.notify_one();
        }
    })
    .await;
    let rig = Rig::builder()
        .cluster(cluster("c", UpstreamProtocol::Http1), &[backend.address])
        .http(vec![route("/", forward("c"))], |hcm| hcm.access_log = log.policies())
        .start()
        .await;
    let mut client = rig.client().await;
    client.send("GET / HTTP/1.1\r\nhost: h\r\n\r\n").await;
    soon(asked.notified()).await;
    drop(client);
    soon(ended.notified()).await;
    let line = log.next().await;
    assert_eq!((&line["flags"], &line["code"]), (&"DC".into(), &0.into()));
    assert_eq!(line["details"], "downstream_remote_disconnect");

    let mut client = H2Client::connect(rig.address()).await;
    let request = Request::builder().uri("http://h/").body(()).expect("valid");
    let (response, stream) = client.begin(request, true).await;
    soon(asked.notified()).await;
    drop((response, stream));
    soon(ended.notified()).await;
    let line = log.next().await;
    assert_eq!((&line["flags"], &line["details"]), (&"DR".into(), &"http2.remote_reset".into()));
    assert_eq!(rig.stat("http.in.downstream_rq_rx_reset"), 2);
    until(|| rig.stat("http.in.downstream_rq_active") == 0).await;
}

#[tokio::test]
async fn an_answer_before_the_end_of_the_request_ends_the_connection() {
    let backend = Backend::start(|mut peer| async move {
        peer.head().await;
        peer.send("HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno").await;
        peer.closed().await;
    })
    .await;
    let rig = http1_rig(&backend).await;
    let mut client = rig.client().await;
    client.send("POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 100000\r\n\r\nsome").await;
    let reply = client.reply().await;
    assert_eq!((reply.status, reply.text()), (403, "no"));
    assert_eq!(reply.header("connection"), Some("close"));
    assert!(client.closes().await);
}

#[tokio::test]
async fn grpc_with_trailers_both_ways() {
    let rig = Rig::to(cluster("c", UpstreamProtocol::Http2), &[h2::echo().await]).await;
    let mut client = H2Client::connect(rig.address()).await;
    let request = Request::builder()
        .method(Method::POST)
        .uri("http://h/svc/Method")
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(())
        .expect("valid");
    let (response, mut send) = client.begin(request, false).await;
    send.send_data(Bytes::from_static(b"message"), false).expect("it is open");
    let mut trailers = HeaderMap::new();
    trailers.insert("x-trailer", HeaderValue::from_static("1"));
    send.send_trailers(trailers).expect("it is open");
    let got = h2::read(response).await;
    assert_eq!((got.reply.status, got.reply.text()), (200, "message"));
    assert_eq!(got.reply.header("got-te"), Some("trailers"));
    assert_eq!(got.reply.header("got-authority"), Some("h"));
    let trailer = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert!(got.reply.trailers.contains(&trailer("x-trailer", "1")));
    assert!(got.reply.trailers.contains(&trailer("grpc-status", "0")));
}

#[tokio::test]
async fn all_four_combinations() {
    let http1 = Backend::echoing().await;
    let http2 = h2::echo().await;
    for (protocol, host) in
        [(UpstreamProtocol::Http1, http1.address), (UpstreamProtocol::Http2, http2)]
    {
        let rig = Rig::to(cluster("c", protocol), &[host]).await;
        let mut client = rig.client().await;
        for body in ["", "some", &"long".repeat(10_000)] {
            let length = body.len();
            client
                .send(format!(
                    "POST /p HTTP/1.1\r\nhost: h\r\ncontent-length: {length}\r\n\r\n{body}"
                ))
                .await;
            let reply = client.reply().await;
            assert!(reply.whole && reply.status == 200, "{protocol:?}");
            assert!(reply.text().ends_with(body), "{protocol:?}");
        }
        let mut client = H2Client::connect(rig.address()).await;
        let request = Request::builder().method("POST").uri("http://h/p").body(()).expect("valid");
        let (response, mut send) = client.begin(request, false).await;
        send.send_data(Bytes::from_static(b"h2 body"), true).expect("it is open");
        let got = h2::read(response).await;
        assert!(got.reply.whole && got.reply.status == 200, "{protocol:?}");
        assert!(got.reply.text().contains("h2 body"), "{protocol:?}");
    }
}
