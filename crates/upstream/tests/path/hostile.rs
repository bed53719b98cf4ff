//! Hosts that misbehave: the error says what they did, they are charged for it, nothing is held afterwards,
//! and what they may make us keep or do is bounded.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use destrier_policy::ClusterPolicy;
use destrier_testkit::h2::{Frame, RawH2, flag, kind, setting};
use destrier_testkit::{RawConn, RawPeer};
use destrier_upstream::{Body, BodyError, ForwardError, ResponseFlag};
use http_body_util::BodyExt;

use crate::http2::http2;
use crate::support::{Bed, eventually, get, post};

fn peer<S, F>(script: S) -> RawPeer
where
    S: Fn(RawConn) -> F + Send + 'static,
    F: Future<Output = io::Result<()>> + Send + 'static,
{
    let any: SocketAddr = ([127, 0, 0, 1], 0).into();
    RawPeer::start(any, script).expect("port 0 is always free")
}

/// A host that speaks HTTP/2 and answers each request with these frames.
fn frames<A>(answer: A) -> RawPeer
where
    A: Fn(u32) -> Vec<Frame> + Clone + Send + Sync + 'static,
{
    peer(move |conn| {
        let answer = answer.clone();
        async move {
            let mut raw = RawH2::accept(conn, &[]).await?;
            while let Some(request) = raw.find(|frame| frame.kind == kind::HEADERS).await? {
                raw.send(&answer(request.stream)).await?;
            }
            Ok(())
        }
    })
}

/// A host that answers each request over HTTP/1 with these bytes.
fn bytes(answer: impl Into<Bytes>) -> RawPeer {
    let answer = answer.into();
    peer(move |mut conn| {
        let answer = answer.clone();
        async move {
            loop {
                conn.read_head().await?;
                conn.send(&answer).await?;
            }
        }
    })
}

/// What becomes of a GET, its body included: the flag, or the size of the answer.
async fn outcome(bed: &Bed) -> Result<usize, ResponseFlag> {
    let flag = |error: ForwardError| error.flag().expect("the host is at fault");
    let response = bed.forward(0).send(get("/")).await.map_err(flag)?;
    let body = response.into_body().collect().await.map_err(|error: BodyError| error.flag())?;
    Ok(body.to_bytes().len())
}

/// The host is charged, and nothing is held.
async fn settled(bed: &Bed) {
    bed.quiet().await;
    let cluster = bed.cluster();
    let mut charged = 0;
    for host in cluster.hosts() {
        charged += host.state().stats().rq_error.get();
    }
    assert!(charged > 0, "the host is charged");
}

#[tokio::test]
async fn http1_hosts_that_talk_nonsense() {
    let ok = "HTTP/1.1 200 OK\r\n";
    let chunked = format!("{ok}transfer-encoding: chunked\r\n\r\n");
    let long = "a".repeat(100_000);
    for (what, answer) in [
        ("garbage", "\x16\x03\x01\x02\x00".to_owned()),
        ("a head without an end", format!("{ok}x: {long}{long}")),
        ("an interim answer without an end", "HTTP/1.1 100 Continue\r\n\r\n".repeat(10_000)),
        ("interim answers with headers", "HTTP/1.1 103 Early Hints\r\nx: 1\r\n\r\n".repeat(10_000)),
        ("a switch that nobody asked for", "HTTP/1.1 101 Switching Protocols\r\n\r\n".to_owned()),
        ("a folded header", format!("{ok}x: 1\r\n 2\r\ncontent-length: 0\r\n\r\n")),
        ("a bare line feed", "HTTP/1.1 200 OK\ncontent-length: 0\n\n".to_owned()),
        ("a chunk size that is none", format!("{chunked}zz\r\n")),
        ("a chunk size too large", format!("{chunked}{}\r\n", "f".repeat(17))),
        ("a chunk extension without an end", format!("{chunked}1;{long}")),
        ("trailers without an end", format!("{chunked}0\r\nx: {long}")),
        ("too many trailers", format!("{chunked}0\r\n{}\r\n", "x: 1\r\n".repeat(1000))),
        ("a trailer that frames", format!("{chunked}0\r\ncontent-length: 1\r\n\r\n")),
        ("a chunk that does not end", format!("{chunked}1\r\nab\r\n0\r\n\r\n")),
    ] {
        let host = bytes(answer);
        let bed = Bed::new(&[host.addr()], |_| ()).await;
        assert_eq!(outcome(&bed).await, Err(ResponseFlag::UPE), "{what}");
        bed.quiet().await;
        eventually("the connection is gone", || bed.stat("upstream_cx_active") == 0).await;
        assert_eq!(bed.stat("upstream_cx_protocol_error"), 1, "{what}");
    }
}

/// Extensions are dropped as they come, each within its bound: they cost no memory.
#[tokio::test]
async fn extensions_of_many_chunks_are_dropped() {
    let extended = format!("1;{}\r\nx\r\n", "a".repeat(200)).repeat(5_000);
    let ok = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    let host = bytes(format!("{ok}{extended}0\r\n\r\n"));
    let bed = Bed::new(&[host.addr()], |_| ()).await;
    assert_eq!(outcome(&bed).await, Ok(5_000));
    bed.quiet().await;
}

#[tokio::test]
async fn http2_hosts_that_talk_nonsense() {
    let head = |stream| Frame::headers(stream, &[(":status", "200")]);
    type Answer = Box<dyn Fn(u32) -> Vec<Frame> + Send + Sync>;
    let cases: Vec<(&str, Answer)> = vec![
        (
            "headers after the end",
            Box::new(move |s| vec![head(s), Frame::data(s, "x"), head(s), Frame::data(s, "y")]),
        ),
        ("no status", Box::new(|s| vec![Frame::headers(s, &[("x", "1")]).with(flag::END_STREAM)])),
        (
            "a status that is none",
            Box::new(|s| vec![Frame::headers(s, &[(":status", "abc")]).with(flag::END_STREAM)]),
        ),
        (
            "a request",
            Box::new(|s| {
                vec![
                    Frame::headers(s, &[(":method", "GET"), (":path", "/")]).with(flag::END_STREAM),
                ]
            }),
        ),
        (
            "upper case",
            Box::new(|s| {
                vec![Frame::headers(s, &[(":status", "200"), ("X", "1")]).with(flag::END_STREAM)]
            }),
        ),
        ("data before headers", Box::new(|s| vec![Frame::data(s, "x").with(flag::END_STREAM)])),
        (
            "data beyond its length",
            Box::new(|s| {
                let head = Frame::headers(s, &[(":status", "200"), ("content-length", "1")]);
                vec![head, Frame::data(s, "abc").with(flag::END_STREAM)]
            }),
        ),
        (
            "a push",
            Box::new(|s| {
                vec![Frame::new(kind::PUSH_PROMISE, flag::END_HEADERS, s, vec![0, 0, 0, 2])]
            }),
        ),
        ("a stream that nobody opened", Box::new(|_| vec![Frame::data(99, "x")])),
        ("a frame too large", Box::new(|s| vec![Frame::data(s, vec![0; 1 << 20])])),
        ("a window that overflows", Box::new(|_| vec![Frame::window_update(0, 0x7fff_ffff)])),
        (
            "a header block without an end",
            Box::new(|s| {
                let more = Frame::new(kind::CONTINUATION, 0, s, vec![0; 1024]);
                [vec![Frame::new(kind::HEADERS, 0, s, vec![])], vec![more; 10_000]].concat()
            }),
        ),
    ];
    for (what, answer) in cases {
        let answer = std::sync::Arc::new(answer);
        let host = frames(move |stream| answer(stream));
        let bed = Bed::new(&[host.addr()], http2).await;
        assert_eq!(outcome(&bed).await, Err(ResponseFlag::UPE), "{what}");
        bed.quiet().await;
    }
}

#[tokio::test]
async fn a_header_list_beyond_the_limit_is_an_error() {
    let long = "a".repeat(15_000);
    let host = frames(move |stream| {
        let head: Vec<_> = [(":status", "200")].into_iter().chain([("x", &*long); 5]).collect();
        let block = destrier_testkit::h2::encode_headers(&head);
        let pieces = block.chunks(16_000).enumerate().map(|(index, piece)| {
            let kind = if index == 0 { kind::HEADERS } else { kind::CONTINUATION };
            let flags = if index == 0 { flag::END_STREAM } else { 0 };
            Frame::new(kind, flags, stream, piece.to_vec())
        });
        let mut pieces: Vec<_> = pieces.collect();
        if let Some(last) = pieces.last_mut() {
            last.flags |= flag::END_HEADERS;
        }
        pieces
    });
    let bed = Bed::new(&[host.addr()], http2).await;
    assert_eq!(outcome(&bed).await, Err(ResponseFlag::UPE));
    settled(&bed).await;
}

#[tokio::test]
async fn an_http2_host_that_ends_what_it_began() {
    // GOAWAY at once, again and again: the pool does not ask for ever.
    let host = peer(|conn| async move {
        let mut raw = RawH2::accept(conn, &[]).await?;
        raw.send(&[Frame::go_away(0, 0)]).await
    });
    let bed = Bed::new(&[host.addr()], http2).await;
    assert_eq!(outcome(&bed).await, Err(ResponseFlag::UC));
    bed.quiet().await;
    assert!(host.counts().connections.total() <= 4, "{}", host.counts().connections.total());

    // RST_STREAM for every request.
    let host = frames(|stream| vec![Frame::reset(stream, 2)]);
    let bed = Bed::new(&[host.addr()], http2).await;
    for _ in 0..1500 {
        assert_eq!(outcome(&bed).await, Err(ResponseFlag::UR));
    }
    settled(&bed).await;
    assert_eq!(bed.stat("upstream_rq_rx_reset"), 1500);
    assert!(bed.stat("upstream_cx_active") <= 1);
}

/// A host that never opens its window: the body stays with its sender, and giving up leaves nothing.
#[tokio::test]
async fn a_window_that_stays_shut_holds_nothing_for_ever() {
    let host = peer(|conn| async move {
        let shut = [(setting::INITIAL_WINDOW_SIZE, 0)];
        let mut raw = RawH2::accept(conn, &shut).await?;
        raw.find(|_| false).await.map(drop)
    });
    let bed = Bed::new(&[host.addr()], http2).await;
    let sender = bed.forward(0);
    let large = Body::full(vec![b'x'; 8 << 20].into());
    let asked = tokio::spawn(async move { sender.send(post("/", large)).await });
    eventually("the request is under way", || bed.stat("upstream_rq_active") == 1).await;
    asked.abort();
    bed.quiet().await;
}

/// Interim answers over HTTP/2 go nowhere.
#[tokio::test]
async fn http2_interim_answers_are_bounded() {
    let host = frames(|stream| {
        let mut all = vec![Frame::headers(stream, &[(":status", "103"), ("x", "1")]); 10_000];
        all.push(Frame::headers(stream, &[(":status", "200")]).with(flag::END_STREAM));
        all
    });
    let bed = Bed::new(&[host.addr()], |policy: &mut ClusterPolicy| http2(policy)).await;
    let ended = tokio::time::timeout(Duration::from_secs(10), outcome(&bed)).await;
    let ended = ended.expect("it ends in time");
    assert!(matches!(ended, Ok(0) | Err(ResponseFlag::UPE)), "{ended:?}");
    bed.quiet().await;
}
