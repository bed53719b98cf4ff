//! Raw peers, the TCP echo and the load generator against peers that misbehave.

use std::io;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use bytes::Bytes;
use destrier_testkit::{
    Backend, EchoTcp, Ending, Failure, Gate, Load, Pace, Protocol, RawConn, RawPeer, Stop,
};

const ANY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

#[tokio::test]
async fn a_script_reads_answers_and_resets() -> io::Result<()> {
    let peer = RawPeer::start(ANY, |mut conn: RawConn| async move {
        let request = conn.read_request().await?;
        assert_eq!((request.head.uri.path(), &request.body[..]), ("/a", &b"xy"[..]));
        conn.send(b"HTTP/1.1 200 OK\r\n\r\n").await?;
        if conn.number() == 2 {
            conn.reset();
        }
        Ok(())
    })?;
    let request =
        b"POST /a HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n2\r\nxy\r\n0\r\n\r\n";
    let first = RawConn::exchange(peer.addr(), request).await?;
    assert_eq!(first, Ending::Closed(Bytes::from_static(b"HTTP/1.1 200 OK\r\n\r\n")));
    let second = RawConn::exchange(peer.addr(), request).await?;
    assert!(matches!(second, Ending::Reset(_)), "{second:?}");
    assert_eq!((peer.counts().connections.total(), peer.failures()), (2, vec![]));
    Ok(())
}

#[tokio::test]
async fn what_a_script_did_not_get_is_reported() -> io::Result<()> {
    let peer = RawPeer::start(ANY, |mut conn: RawConn| async move { conn.expect(b"hello").await })?;
    let mut conn = RawConn::connect(peer.addr()).await?;
    conn.send(b"HELLO").await?;
    conn.read_to_end().await?;
    assert_eq!(peer.failures(), ["connection 1: expected b\"hello\", got b\"HELLO\""]);
    Ok(())
}

#[tokio::test]
async fn a_silent_peer_is_not_waited_for_beyond_the_deadline() -> io::Result<()> {
    let gate = Gate::closed();
    let held = gate.clone();
    let peer = RawPeer::start(ANY, move |mut conn: RawConn| {
        let gate = held.clone();
        async move {
            conn.read_head().await?;
            gate.pass().await;
            Ok(())
        }
    })?;
    let mut conn = RawConn::connect(peer.addr()).await?;
    conn.set_deadline(Duration::from_millis(20));
    conn.send(b"GET / HTTP/1.1\r\n\r\n").await?;
    let error = conn.read_to_end().await.expect_err("nothing comes");
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    assert_eq!(gate.waiting(), 1);
    let mut load = Load::to(peer.addr());
    load.timeout = Duration::from_millis(20);
    load.stop = Stop::After(2);
    let report = load.run().await?;
    assert_eq!(report.failures.get(&Failure::Timeout), Some(&2));
    Ok(())
}

#[tokio::test]
async fn the_echo_half_closes_after_the_client() -> io::Result<()> {
    let echo = EchoTcp::start(ANY)?;
    let mut conn = RawConn::connect(echo.addr()).await?;
    conn.send(b"one").await?;
    conn.expect(b"one").await?;
    let large = vec![7; 300_000];
    conn.send(&large).await?;
    conn.finish().await?;
    assert_eq!(conn.read_to_end().await?, Ending::Closed(Bytes::from(large)));
    let ended = echo.counts().wait_until(|counts| counts.connections.active() == 0).await;
    ended.expect("the connection is over");
    Ok(())
}

#[tokio::test]
async fn load_tells_how_requests_failed() -> io::Result<()> {
    let answers: [(&[u8], Failure); 4] = [
        (b"", Failure::Closed),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nabc", Failure::Truncated),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\nmore", Failure::Malformed),
        (b"nonsense", Failure::Malformed),
    ];
    for (answer, failure) in answers {
        let peer = RawPeer::start(ANY, move |mut conn: RawConn| async move {
            conn.read_head().await?;
            conn.send(answer).await
        })?;
        let mut load = Load::to(peer.addr());
        load.stop = Stop::After(3);
        let report = load.run().await?;
        assert_eq!(report.failures.get(&failure), Some(&3), "{answer:?}: {report:?}");
        assert_eq!((report.answers(), report.connections), (0, 3));
    }
    let nobody = RawPeer::start(ANY, |_| async { Ok(()) })?.addr();
    for protocol in [Protocol::Http1 { connections: 2 }, Protocol::Http2 { streams: 2 }] {
        let mut load = Load::to(nobody);
        (load.stop, load.protocol) = (Stop::After(4), protocol);
        assert_eq!(load.run().await?.failed(), 4);
    }
    Ok(())
}

#[tokio::test]
async fn a_load_runs_until_it_is_told() -> io::Result<()> {
    let backend = Backend::start("b1", ANY)?;
    let mut load = Load::to(backend.addr());
    load.stop = Stop::WhenTold;
    load.protocol = Protocol::Http1 { connections: 2 };
    let running = load.start();
    let seen = backend.counts().wait_until(|counts| counts.requests.total() > 100).await;
    seen.expect("requests keep coming");
    let report = running.stop().await?;
    assert!(report.ok() > 100 && report.failed() == 0, "{report:?}");
    assert_eq!(report.answers(), backend.counts().requests.total());
    Ok(())
}

#[tokio::test]
async fn an_open_loop_sends_as_many_as_it_says() -> io::Result<()> {
    let backend = Backend::start("b1", ANY)?;
    let mut load = Load::to(backend.addr());
    load.pace = Pace::PerSecond(NonZeroU32::new(1000).expect("not zero"));
    load.protocol = Protocol::Http1 { connections: 4 };
    load.stop = Stop::After(100);
    let report = load.run().await?;
    assert_eq!(report.ok(), 100);
    assert!(report.elapsed >= Duration::from_millis(99), "{:?}", report.elapsed);
    Ok(())
}
