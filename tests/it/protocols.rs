//! What goes through an agent: both versions of HTTP on both sides, trailers, upgrades, TCP, large bodies.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use destrier::demo::config::{
    bootstrap, http_manager, listener, over_http2, route, static_cluster,
};
use destrier::demo::local::LocalAgent;
use destrier_testkit::{AnswerTo, Backend, EchoTcp, Gate, Load, Protocol, RawConn, Stop};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::Frame;
use serde_json::{Value, json};

use crate::client::{frames, full, http1, http2, request, whole};
use crate::mesh::{addresses, backends, header, loopback, static_agent, text};
use crate::process::Program;

const MIB: usize = 1024 * 1024;

/// A route that takes its prefix away.
fn stripped(prefix: &str, cluster: &str) -> Value {
    let mut route = route(&format!("{prefix}/"), cluster);
    route["route"]["prefix_rewrite"] = "/".into();
    route["route"]["timeout"] = "0s".into();
    route
}

/// `/1/` goes to a cluster spoken to in HTTP/1.1, `/2/` in HTTP/2.
fn both(backends: &[Backend]) -> (Vec<Value>, Vec<Value>) {
    let peers = addresses(backends);
    let routes = [stripped("/1", "over-1"), stripped("/2", "over-2")];
    let clusters =
        vec![static_cluster("over-1", &peers), over_http2(static_cluster("over-2", &peers))];
    (vec![listener("http", &http_manager("ingress", &routes))], clusters)
}

async fn agent_for_both(backends: &[Backend]) -> Result<LocalAgent> {
    let (listeners, clusters) = both(backends);
    static_agent(&listeners, &clusters).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_pair_of_versions_works() -> Result<()> {
    let backends = backends(["a"])?;
    let agent = agent_for_both(&backends).await?;
    for (prefix, version) in [("1", "HTTP/1.1"), ("2", "HTTP/2.0")] {
        let path = format!("/{prefix}/headers");
        let mut one = http1(agent.entry()).await?;
        let mut asked = http::Request::builder().uri(&*path).header("host", "demo");
        asked = asked.header("x-sent", "value");
        let (body, _) = whole(one.send_request(asked.body(full(""))?).await?).await?;
        let mut two = http2(agent.entry()).await?;
        let mut asked = request("GET", &path, full(""))?;
        asked.headers_mut().insert("x-sent", HeaderValue::from_static("value"));
        let (other, _) = whole(two.send_request(asked).await?).await?;
        for seen in [body, other] {
            let seen = String::from_utf8(seen.to_vec())?;
            let (first, headers) = seen.split_once('\n').context("a request line")?;
            assert!(first.starts_with("GET ") && first.ends_with(version), "{seen}");
            for line in ["x-sent: value", "x-forwarded-proto: http"] {
                assert!(headers.lines().any(|header| header == line), "{seen}");
            }
        }
        for protocol in [Protocol::Http1 { connections: 4 }, Protocol::Http2 { streams: 16 }] {
            let path = format!("/{prefix}/bytes/20000").parse()?;
            let load = Load { protocol, path, stop: Stop::After(400), ..Load::to(agent.entry()) };
            let report = load.run().await?;
            assert_eq!((report.ok(), report.failed()), (400, 0), "{protocol:?} to {version}");
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn grpc_has_its_trailers_both_ways() -> Result<()> {
    let backends = backends(["a"])?;
    backends[0].update(|behaviour| behaviour.grpc_status = 5);
    let agent = agent_for_both(&backends).await?;
    let mut client = http2(agent.entry()).await?;
    let mut call = request("POST", "/2/service/Method", full("message"))?;
    call.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc"));
    call.headers_mut().insert("te", HeaderValue::from_static("trailers"));
    let answer = client.send_request(call).await?;
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.headers()["content-type"], "application/grpc");
    let (body, trailers) = whole(answer).await?;
    assert_eq!((&*body, &trailers["grpc-status"]), (&b"message"[..], &HeaderValue::from(5)));

    // What the client sends as trailers comes back as such.
    let mut sent = HeaderMap::new();
    sent.insert("x-checksum", HeaderValue::from_static("17"));
    let parts = vec![Frame::data(Bytes::from("part")), Frame::trailers(sent.clone())];
    let answer = client.send_request(request("POST", "/2/echo", frames(parts))?).await?;
    assert_eq!(whole(answer).await?, (Bytes::from("part"), sent));

    // Local answers have the form of gRPC too.
    let mut call = request("POST", "/nowhere", full(""))?;
    call.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc"));
    let answer = client.send_request(call).await?;
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.headers()["grpc-status"], "12");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_allowed_upgrade_becomes_a_tunnel_and_another_does_not() -> Result<()> {
    let backends = backends(["a"])?;
    let mut manager = http_manager("ingress", &[route("/", "service")]);
    manager["upgrade_configs"] = json!([{ "upgrade_type": "websocket" }]);
    let agent = static_agent(
        &[listener("http", &manager)],
        &[static_cluster("service", &addresses(&backends))],
    )
    .await?;
    let ask = |protocol: &str| {
        format!(
            "GET / HTTP/1.1\r\nhost: demo\r\nconnection: Upgrade\r\nupgrade: {protocol}\r\n\r\n"
        )
    };
    let mut client = RawConn::connect(agent.entry()).await?;
    client.send(ask("websocket").as_bytes()).await?;
    let answer = client.read_response(AnswerTo::Upgrade).await?;
    assert_eq!(answer.head.status, StatusCode::SWITCHING_PROTOCOLS);
    assert_eq!(header(&answer, "upgrade"), "websocket");
    for message in [&b"first"[..], b"\x00\x81\r\n\r\n", &[b'z'; 100_000]] {
        client.send(message).await?;
        client.expect(message).await?;
    }
    client.finish().await?;
    assert!(client.read_to_end().await?.bytes().is_empty());

    let mut client = RawConn::connect(agent.entry()).await?;
    client.send(ask("other").as_bytes()).await?;
    let answer = client.read_response(AnswerTo::Upgrade).await?;
    assert_eq!(answer.head.status, StatusCode::FORBIDDEN);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tcp_passes_with_half_close() -> Result<()> {
    let echo = EchoTcp::start(loopback())?;
    let filter = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
        "stat_prefix": "tcp",
        "cluster": "echo",
    });
    let agent =
        static_agent(&[listener("tcp", &filter)], &[static_cluster("echo", &[echo.addr()])])
            .await?;
    let mut client = RawConn::connect(agent.entry()).await?;
    client.send(b"one").await?;
    client.expect(b"one").await?;
    client.send(b"two").await?;
    // The other direction is still open when this one has ended.
    client.finish().await?;
    assert_eq!(&**client.read_to_end().await?.bytes(), b"two");
    echo.counts().wait_until(|counts| counts.connections.active() == 0).await?;
    // Counted when the connection has ended.
    agent
        .until("the bytes of both directions", "/stats?format=json", |stats| {
            let count = |name: &str| {
                let listed = stats["stats"].as_array();
                let found = listed.and_then(|all| all.iter().find(|stat| stat["name"] == name));
                found.and_then(|stat| stat["value"].as_u64())
            };
            count("cluster.echo.upstream_cx_rx_bytes_total") == Some(6)
                && count("cluster.echo.upstream_cx_tx_bytes_total") == Some(6)
        })
        .await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_bodies_stream_in_bounded_memory() -> Result<()> {
    const SIZE: usize = 64 * MIB;
    let backends = backends(["a"])?;
    let (mut listeners, mut clusters) = both(&backends);
    // Envoy's windows of 16 MiB would hide what is kept besides.
    let windows = json!({
        "initial_stream_window_size": 256 * 1024, "initial_connection_window_size": MIB,
    });
    listeners[0]["filter_chains"][0]["filters"][0]["typed_config"]["http2_protocol_options"] =
        windows.clone();
    clusters[1]["typed_extension_protocol_options"]["envoy.extensions.upstreams.http.v3.HttpProtocolOptions"]
        ["explicit_http_config"]["http2_protocol_options"] = windows;
    let program = Program::start(bootstrap(&listeners, &clusters), &[])?;
    let entry = program.ready().await?;
    // All that is allocated once is there before the comparison begins.
    for path in ["/1/echo", "/2/echo"] {
        echoed(entry, path, 1).await?;
    }
    let before = program.peak_memory()?;
    for path in ["/1/echo", "/2/echo"] {
        echoed(entry, path, SIZE / MIB).await?;
    }
    // A client that does not read holds up its own download, and little memory.
    let mut stalled = Vec::new();
    for prefix in ["1", "2"] {
        let path = format!("/{prefix}/bytes/{SIZE}");
        let mut client = RawConn::connect(entry).await?;
        client.send(format!("GET {path} HTTP/1.1\r\nhost: demo\r\n\r\n").as_bytes()).await?;
        client.read_head().await?;
        stalled.push(client);
        let load = Load { path: "/1/".parse()?, stop: Stop::After(500), ..Load::to(entry) };
        assert_eq!(load.run().await?.ok(), 500);
    }
    let grown = program.peak_memory()?.saturating_sub(before);
    assert!(grown < 8 * MIB as u64, "{} KiB more for bodies of {SIZE} bytes", grown / 1024);
    Ok(())
}

/// Sends so many MiB over each version, and gets them back while they are sent.
async fn echoed(entry: SocketAddr, path: &str, mib: usize) -> Result<()> {
    let part = Bytes::from(vec![b'p'; MIB]);
    let upload = || frames((0..mib).map(|_| Frame::data(part.clone())).collect());
    let answer = http1(entry).await?.send_request(request("POST", path, upload())?).await?;
    assert_eq!(counted(answer).await?, mib * MIB, "HTTP/1.1 to {path}");
    let answer = http2(entry).await?.send_request(request("POST", path, upload())?).await?;
    assert_eq!(counted(answer).await?, mib * MIB, "HTTP/2 to {path}");
    Ok(())
}

/// The length of a body, none of which is kept.
async fn counted(answer: http::Response<hyper::body::Incoming>) -> Result<usize> {
    anyhow::ensure!(answer.status() == StatusCode::OK, "{answer:?}");
    let (mut body, mut length) = (answer.into_body(), 0);
    while let Some(frame) = body.frame().await {
        length += frame?.data_ref().map_or(0, Bytes::len);
    }
    Ok(length)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_over_a_limit_is_refused_as_recorded() -> Result<()> {
    for over_2 in [false, true] {
        let backends = backends(["a"])?;
        let gate = Gate::closed();
        backends[0].update(|behaviour| behaviour.gate = Some(gate.clone()));
        let plain = static_cluster("service", &addresses(&backends));
        let mut cluster = if over_2 { over_http2(plain) } else { plain };
        cluster["circuit_breakers"] = json!({ "thresholds": [{ "max_requests": 1 }] });
        let agent = static_agent(
            &[listener("http", &http_manager("ingress", &[route("/", "service")]))],
            &[cluster],
        )
        .await?;
        let held = tokio::spawn(destrier::demo::local::request(agent.entry(), "/", ""));
        backends[0].counts().wait_until(|counts| counts.requests.active() == 1).await?;
        let mut client = RawConn::connect(agent.entry()).await?;
        client.send(b"GET / HTTP/1.1\r\nhost: demo\r\n\r\n").await?;
        let refused = client.read_response(AnswerTo::method(&Method::GET)).await?;
        // Their order means nothing (RFC 9110, 5.3).
        let named: BTreeSet<(&str, &str)> = refused
            .head
            .headers
            .keys()
            .filter(|name| *name != "date")
            .map(|name| (name.as_str(), header(&refused, name.as_str())))
            .collect();
        // `overflow-requests` of the answers recorded from Envoy 1.40.
        let recorded = [
            ("x-envoy-overloaded", "true"),
            ("content-length", "81"),
            ("content-type", "text/plain"),
            ("server", "envoy"),
        ];
        assert_eq!((refused.head.status.as_u16(), named), (503, recorded.into()));
        assert_eq!(
            text(&refused),
            "upstream connect error or disconnect/reset before headers. reset reason: overflow"
        );
        gate.open();
        let held = tokio::time::timeout(Duration::from_secs(10), held).await???;
        assert_eq!(held.head.status, 200);
        assert_eq!(agent.stat("cluster.service.upstream_rq_active_overflow").await?, 1);
    }
    Ok(())
}
