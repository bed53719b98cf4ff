//! Requests that go through.

use std::sync::Arc;

use destrier_policy::{CodecType, UpstreamProtocol};

use crate::support::{Backend, Client, H2Client, Rig, cluster, forward, route, until};

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

#[tokio::test]
async fn a_client_may_ask_to_close() {
    let backend = Backend::answering("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
    let rig = Rig::to(cluster("c", UpstreamProtocol::Http1), &[backend.address]).await;
    let mut client = rig.client().await;
    client.send("GET / HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n").await;
    let reply = client.reply().await;
    assert_eq!((reply.text(), reply.header("connection")), ("ok", Some("close")));
    assert!(client.closes().await);
    assert_eq!(rig.client().await.get("/").await.status, 200);
    assert_eq!(backend.connections(), 1, "that is no business of the host");
}

#[tokio::test]
async fn http_1_0_where_it_is_accepted() {
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n";
    let backend = Backend::answering(chunked).await;
    let rig = Rig::builder()
        .cluster(cluster("c", UpstreamProtocol::Http1), &[backend.address])
        .http(vec![route("/", forward("c"))], |hcm| hcm.http1.accept_http_10 = true)
        .start()
        .await;
    let mut client = rig.client().await;
    client.send("GET / HTTP/1.0\r\nhost: h\r\n\r\n").await;
    let head = client.head().await.expect("an answer");
    assert_eq!(head.header("transfer-encoding"), None, "an old client cannot read chunks");
    assert_eq!(client.rest().await, b"ok");
}

#[tokio::test]
async fn a_body_that_ends_with_the_connection_is_reset_when_it_breaks() {
    use tokio::io::AsyncReadExt;

    let backend = Backend::start(|mut peer| async move {
        peer.request().await;
        peer.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n").await;
    })
    .await;
    let rig = Rig::builder()
        .cluster(cluster("c", UpstreamProtocol::Http1), &[backend.address])
        .http(vec![route("/", forward("c"))], |hcm| hcm.http1.accept_http_10 = true)
        .start()
        .await;
    let mut client = rig.client().await;
    client.send("GET / HTTP/1.0\r\nhost: h\r\n\r\n").await;
    let mut rest = Vec::new();
    let read = crate::support::soon(client.stream.read_to_end(&mut rest)).await;
    let error = read.expect_err("an orderly end would say that this is all");
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn trailers_pass_where_they_are_enabled() {
    let answer =
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nx-t: 1\r\n\r\n";
    let backend = Backend::answering(answer).await;
    let mut policy = cluster("c", UpstreamProtocol::Http1);
    policy.http.http1.enable_trailers = true;
    let rig = Rig::builder()
        .cluster(policy, &[backend.address])
        .http(vec![route("/", forward("c"))], |hcm| hcm.http1.enable_trailers = true)
        .http(vec![route("/", forward("c"))], |_| {})
        .start()
        .await;
    let mut client = rig.client().await;
    client.send("GET / HTTP/1.1\r\nhost: h\r\n\r\n").await;
    client.head().await.expect("an answer");
    let body = client.until(b"0\r\nx-t: 1\r\n\r\n").await;
    assert_eq!(body.as_deref(), Some(&b"2\r\nok\r\n0\r\nx-t: 1\r\n\r\n"[..]));
    let second = rig.proxy.listeners()[1].address.ip().expect("an IP address");
    let reply = Client::connect(second).await.get("/").await;
    assert!(reply.whole && reply.text() == "ok", "read, and dropped");
}

#[tokio::test]
async fn a_codec_that_is_set_is_not_found_out() {
    let backend = Backend::answering("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
    let rig = Rig::builder()
        .cluster(cluster("c", UpstreamProtocol::Http1), &[backend.address])
        .http(vec![route("/", forward("c"))], |hcm| hcm.codec = CodecType::Http1)
        .http(vec![route("/", forward("c"))], |hcm| hcm.codec = CodecType::Http2)
        .start()
        .await;
    let mut client = rig.client().await;
    client.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
    assert_eq!(client.reply().await.status, 400);
    let second = rig.proxy.listeners()[1].address.ip().expect("an IP address");
    assert_eq!(H2Client::connect(second).await.get("http://h/").await.reply.text(), "ok");
    let mut client = Client::connect(second).await;
    client.send("GET / HTTP/1.1\r\nhost: h\r\n\r\n").await;
    let rest = client.rest().await;
    assert!(!rest.starts_with(b"HTTP"), "{rest:?}");
}

#[tokio::test]
async fn a_listener_may_be_a_unix_socket() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    let manager = destrier_upstream::ClusterManager::start().expect("a thread can be made");
    let answer =
        destrier_policy::DirectResponse { status: http::StatusCode::OK, body: b"here"[..].into() };
    let routes = vec![route("/", destrier_policy::RouteAction::Direct(answer))];
    let table = destrier_policy::RouteTable::new(
        "r".into(),
        vec![crate::support::virtual_host("v", &["*"], routes)].into(),
        false,
    );
    let table = Arc::new(table.expect("no domain stands twice"));
    let path = std::env::temp_dir().join(format!("destrier-proxy-{}.sock", std::process::id()));
    // Twice: the file of the first stays behind.
    for _ in 0..2 {
        let policy = destrier_policy::ListenerPolicy {
            name: "".into(),
            address: destrier_policy::Address::Pipe(path.clone().into()),
            per_connection_buffer_limit: 1 << 20,
            original_dst: false,
            access_log: Box::default(),
            filter: destrier_policy::ListenerFilter::Http(Arc::new(
                destrier_policy::HcmPolicy::new("in".into(), Arc::clone(&table)),
            )),
        };
        let directory = manager.directory().clone();
        let config = destrier_proxy::ProxyConfig::new(vec![Arc::new(policy)], directory);
        let proxy = destrier_proxy::Proxy::bind(config).expect("the path is free");
        assert_eq!(&*proxy.listeners()[0].name, path.to_str().expect("a plain path"));
        proxy.accept().expect("it is bound");
        let mut stream = tokio::net::UnixStream::connect(&path).await.expect("it listens");
        stream
            .write_all(b"GET / HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n")
            .await
            .expect("it is open");
        let mut reply = String::new();
        stream.read_to_string(&mut reply).await.expect("text");
        assert!(reply.ends_with("\r\n\r\nhere"), "{reply}");
    }
    std::fs::remove_file(&path).expect("it was there");
}

#[tokio::test]
async fn an_address_that_is_taken_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("port 0 is always free");
    let address = taken.local_addr().expect("it is bound");
    let manager = destrier_upstream::ClusterManager::start().expect("a thread can be made");
    let policy = destrier_policy::ListenerPolicy {
        name: "web".into(),
        address: address.into(),
        per_connection_buffer_limit: 1 << 20,
        original_dst: false,
        access_log: Box::default(),
        filter: destrier_policy::ListenerFilter::Http(Arc::new(destrier_policy::HcmPolicy::new(
            "in".into(),
            Arc::default(),
        ))),
    };
    let directory = manager.directory().clone();
    let config = destrier_proxy::ProxyConfig::new(vec![Arc::new(policy)], directory);
    let error = destrier_proxy::Proxy::bind(config).expect_err("it is taken");
    let text = error.to_string();
    assert!(text.starts_with(&format!("listener web: cannot listen on {address}: ")), "{text}");
}

#[tokio::test]
async fn who_ended_a_connection_is_counted() {
    let backend = Backend::start(|mut peer| async move {
        while let Some(request) = peer.request().await {
            if request.starts_with("GET /answered ") {
                peer.send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
            }
        }
    })
    .await;
    let rig = Rig::to(cluster("c", UpstreamProtocol::Http1), &[backend.address]).await;
    let count = |name: &str| rig.stat(&format!("http.in.downstream_cx_{name}"));

    let mut idle = rig.client().await;
    assert_eq!(idle.get("/answered").await.status, 200);
    drop(idle);
    until(|| count("destroy_remote") == 1).await;
    assert_eq!(count("destroy_active_rq"), 0);

    let mut impatient = rig.client().await;
    impatient.send("GET /silent HTTP/1.1\r\nhost: h\r\n\r\n").await;
    until(|| rig.stat("http.in.downstream_rq_active") == 1).await;
    drop(impatient);
    until(|| count("destroy_remote_active_rq") == 1).await;
    assert_eq!((count("destroy_remote"), count("destroy_active_rq")), (2, 1));

    let mut last = rig.client().await;
    last.send("GET /answered HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n").await;
    assert_eq!(last.reply().await.status, 200);
    assert!(last.closes().await);
    drop(last);
    until(|| count("destroy_local") == 1).await;
    assert_eq!((count("destroy_local_active_rq"), count("destroy")), (0, 3));
    until(|| count("length_ms") == 3).await;

    let listener = rig.address().to_string().replace(':', "_");
    let of_listener = |name: &str| rig.stat(&format!("listener.{listener}.{name}"));
    assert_eq!(of_listener("http.in.downstream_rq_2xx"), 2);
    assert_eq!(of_listener("http.in.downstream_rq_completed"), 2);
    until(|| of_listener("downstream_cx_length_ms") == 3).await;
}
