//! The backend does what it is told, over both protocols.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use destrier_http1::AnswerTo;
use destrier_testkit::{
    Backend, Ending, Failure, Fault, Gate, Load, Protocol, RawConn, RawResponse, Stop,
};
use http::uri::PathAndQuery;
use http::{HeaderName, Method, StatusCode};

const ANY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

async fn get(conn: &mut RawConn, path: &str) -> io::Result<RawResponse> {
    conn.send(format!("GET {path} HTTP/1.1\r\nhost: h\r\n\r\n").as_bytes()).await?;
    conn.read_response(AnswerTo::Other).await
}

#[tokio::test]
async fn the_path_picks_the_answer_and_the_name_is_on_it() -> io::Result<()> {
    let backend = Backend::start("b1", ANY)?;
    let mut conn = RawConn::connect(backend.addr()).await?;
    let plain = get(&mut conn, "/").await?;
    assert_eq!((plain.head.status.as_u16(), &plain.body[..]), (200, &b"b1"[..]));
    assert_eq!(
        (&plain.head.headers["x-backend"], &plain.head.headers["x-connection"]),
        (&http::HeaderValue::from_static("b1"), &http::HeaderValue::from_static("1"))
    );
    assert_eq!(get(&mut conn, "/bytes/2000000").await?.body.len(), 2_000_000);
    assert_eq!(get(&mut conn, "/status/418").await?.head.status, 418);
    assert_eq!(get(&mut conn, "/status/x").await?.head.status, 200);
    let told = get(&mut conn, "/headers").await?.body;
    assert_eq!(told, "GET /headers HTTP/1.1\nhost: h\n");
    conn.send(b"POST /echo HTTP/1.1\r\nhost: h\r\ncontent-length: 3\r\n\r\nabc").await?;
    assert_eq!(conn.read_response(AnswerTo::Other).await?.body, "abc");
    conn.send(b"POST /early HTTP/1.1\r\nhost: h\r\ncontent-length: 3\r\n\r\n").await?;
    assert_eq!(conn.read_response(AnswerTo::Other).await?.body, "b1", "before the body came");
    assert_eq!((backend.counts().connections.total(), backend.counts().requests.total()), (1, 7));
    Ok(())
}

#[tokio::test]
async fn behaviour_changes_while_it_runs() -> io::Result<()> {
    let backend = Backend::start("b1", ANY)?;
    let mut conn = RawConn::connect(backend.addr()).await?;
    backend.update(|behaviour| {
        behaviour.status = StatusCode::SERVICE_UNAVAILABLE;
        behaviour.body = Some(Bytes::from_static(b"busy"));
        behaviour.headers.insert("retry-after", 1.into());
    });
    let busy = get(&mut conn, "/").await?;
    assert_eq!((busy.head.status.as_u16(), &busy.body[..]), (503, &b"busy"[..]));
    assert_eq!(busy.head.headers["retry-after"], "1");
    backend.update(|behaviour| *behaviour = Default::default());
    assert_eq!(get(&mut conn, "/").await?.head.status, 200);
    Ok(())
}

#[tokio::test]
async fn a_gate_holds_requests_and_shutdown_waits_for_them() -> io::Result<()> {
    let backend = Backend::start("b1", ANY)?;
    let gate = Gate::closed();
    backend.update(|behaviour| behaviour.gate = Some(gate.clone()));
    let mut conns = Vec::new();
    for _ in 0..3 {
        let mut conn = RawConn::connect(backend.addr()).await?;
        conn.send(b"GET / HTTP/1.1\r\nhost: h\r\n\r\n").await?;
        conns.push(conn);
    }
    let held = backend.counts().wait_until(|counts| counts.requests.active() == 3).await;
    held.expect("all three are held");
    assert_eq!(backend.counts().requests.peak(), 3);
    let addr = backend.addr();
    let shutdown = tokio::spawn(backend.shutdown());
    tokio::task::yield_now().await;
    assert!(!shutdown.is_finished());
    gate.open();
    for conn in &mut conns {
        assert_eq!(conn.read_response(AnswerTo::Other).await?.body, "b1");
        assert!(matches!(conn.read_to_end().await?, Ending::Closed(_)));
    }
    shutdown.await?;
    assert!(RawConn::connect(addr).await.is_err(), "nobody listens any more");
    Ok(())
}

#[tokio::test]
async fn faults_break_an_answer_where_they_say() -> io::Result<()> {
    let backend = Backend::start("b1", ANY)?;
    let request = b"GET / HTTP/1.1\r\nhost: h\r\n\r\n";
    backend.update(|behaviour| behaviour.fault = Fault::ResetBeforeHead);
    let ending = RawConn::exchange(backend.addr(), request).await?;
    assert_eq!(ending, Ending::Reset(Bytes::new()));
    backend.update(|behaviour| behaviour.fault = Fault::ResetInBody { after: 5 });
    let Ending::Reset(bytes) = RawConn::exchange(backend.addr(), request).await? else {
        panic!("a reset ends it");
    };
    let text = String::from_utf8_lossy(&bytes);
    assert!(text.contains("content-length: 6\r\n") && text.ends_with("\r\n\r\nxxxxx"), "{text}");
    backend.update(|behaviour| behaviour.fault = Fault::CloseAfter);
    let ending = RawConn::exchange(backend.addr(), request).await?;
    assert!(matches!(&ending, Ending::Closed(bytes) if bytes.ends_with(b"b1")), "{ending:?}");
    Ok(())
}

#[tokio::test]
async fn http_2_streams_break_without_their_connection() -> io::Result<()> {
    let backend = Backend::start("b1", ANY)?;
    let mut load = Load::to(backend.addr());
    load.protocol = Protocol::Http2 { streams: 2 };
    load.stop = Stop::After(4);
    backend.update(|behaviour| behaviour.fault = Fault::ResetBeforeHead);
    let report = load.clone().run().await?;
    assert_eq!((report.failures.get(&Failure::Closed), report.connections), (Some(&4), 1));
    backend.update(|behaviour| behaviour.fault = Fault::ResetInBody { after: 5 });
    let report = load.clone().run().await?;
    assert_eq!((report.failures.get(&Failure::Truncated), report.connections), (Some(&4), 1));
    backend.update(|behaviour| behaviour.fault = Fault::None);
    assert_eq!(load.run().await?.ok(), 4);
    Ok(())
}

#[tokio::test]
async fn grpc_answers_have_trailers() -> io::Result<()> {
    let backend = Backend::start("b1", ANY)?;
    backend.update(|behaviour| behaviour.grpc_status = 14);
    let mut conn = RawConn::connect(backend.addr()).await?;
    conn.send(
        b"POST /s/m HTTP/1.1\r\nhost: h\r\nte: trailers\r\ncontent-type: application/grpc\r\n\
          content-length: 5\r\n\r\n\0\0\0\0\0",
    )
    .await?;
    let answer = conn.read_response(AnswerTo::Other).await?;
    assert_eq!(answer.body, "\0\0\0\0\0");
    assert_eq!(answer.trailers["grpc-status"], "14");
    Ok(())
}

#[tokio::test]
async fn idle_connections_are_closed_but_busy_ones_are_not() -> io::Result<()> {
    let backend = Backend::start("b1", ANY)?;
    let gate = Gate::closed();
    let mut idle = RawConn::connect(backend.addr()).await?;
    get(&mut idle, "/").await?;
    backend.update(|behaviour| behaviour.gate = Some(gate.clone()));
    let mut busy = RawConn::connect(backend.addr()).await?;
    busy.send(b"GET / HTTP/1.1\r\nhost: h\r\n\r\n").await?;
    let held = backend.counts().wait_until(|counts| counts.requests.active() == 1).await;
    held.expect("the request is held");
    let short = Duration::from_millis(1)..=Duration::from_millis(5);
    backend.update(|behaviour| behaviour.idle = Some(short));
    assert_eq!(idle.read_to_end().await?, Ending::Closed(Bytes::new()));
    gate.open();
    assert_eq!(busy.read_response(AnswerTo::Other).await?.body, "b1");
    assert_eq!(busy.read_to_end().await?, Ending::Closed(Bytes::new()));
    Ok(())
}

#[tokio::test]
async fn a_closed_listener_refuses_until_it_listens_again() -> io::Result<()> {
    let backend = Backend::start("b1", ANY)?;
    let mut kept = RawConn::connect(backend.addr()).await?;
    get(&mut kept, "/").await?;
    backend.refuse().await;
    let refused = RawConn::connect(backend.addr()).await.expect_err("nobody listens");
    assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
    assert_eq!(get(&mut kept, "/").await?.head.status, 200, "connections stay");
    backend.listen().await?;
    assert_eq!(get(&mut RawConn::connect(backend.addr()).await?, "/").await?.head.status, 200);
    Ok(())
}

#[tokio::test]
async fn upgrades_are_echoed() -> io::Result<()> {
    let backend = Backend::start("b1", ANY)?;
    let mut conn = RawConn::connect(backend.addr()).await?;
    conn.send(b"GET / HTTP/1.1\r\nhost: h\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n")
        .await?;
    let answer = conn.read_response(AnswerTo::Upgrade).await?;
    assert_eq!((answer.head.status.as_u16(), answer.head.tunnel), (101, true));
    conn.send(b"anything").await?;
    conn.expect(b"anything").await?;
    conn.finish().await?;
    assert_eq!(conn.read_to_end().await?, Ending::Closed(Bytes::new()));
    Ok(())
}

#[tokio::test]
async fn dropping_it_resets_what_is_there() -> io::Result<()> {
    let backend = Backend::start_on_thread("b1", ANY)?;
    let mut conn = RawConn::connect(backend.addr()).await?;
    get(&mut conn, "/").await?;
    drop(backend);
    assert_eq!(conn.read_to_end().await?, Ending::Reset(Bytes::new()));
    Ok(())
}

#[tokio::test]
async fn load_counts_by_header_and_sends_bodies() -> io::Result<()> {
    let backend = Backend::start_on_thread("b1", ANY)?;
    for protocol in [Protocol::Http1 { connections: 3 }, Protocol::Http2 { streams: 3 }] {
        let mut load = Load::to(backend.addr());
        load.protocol = protocol;
        load.method = Method::POST;
        load.path = PathAndQuery::from_static("/echo");
        load.body = Bytes::from_static(b"hello");
        load.stop = Stop::After(30);
        load.count_by = Some(HeaderName::from_static("x-backend"));
        let report = load.run().await?;
        assert_eq!((report.ok(), report.failed()), (30, 0));
        assert_eq!(report.by_header.get("b1"), Some(&30));
        assert_eq!(report.latency.len(), 30);
        assert!(report.latency_at(0.5) > Duration::ZERO && report.per_second() > 0.0);
    }
    assert_eq!(backend.counts().requests.total(), 60);
    Ok(())
}
