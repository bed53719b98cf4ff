//! HTTP/2 clients that misbehave: each costs a bounded amount of work and memory, and nobody else notices.

use std::io;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use destrier_policy::UpstreamProtocol;
use destrier_testkit::h2::{Frame, Outcome, RawH2, flag, kind, setting};

use crate::support::{Backend, Rig, cluster, forward, forward_with, route, until};

/// Error codes of RFC 9113, section 7.
const PROTOCOL_ERROR: u32 = 1;
const FLOW_CONTROL_ERROR: u32 = 3;
const REFUSED_STREAM: u32 = 7;
const ENHANCE_YOUR_CALM: u32 = 11;

const GET: [(&str, &str); 4] =
    [(":method", "GET"), (":scheme", "http"), (":authority", "h"), (":path", "/")];
const POST: [(&str, &str); 4] =
    [(":method", "POST"), (":scheme", "http"), (":authority", "h"), (":path", "/")];

fn get(stream: u32) -> Frame {
    Frame::headers(stream, &GET).with(flag::END_STREAM)
}

async fn echoing() -> Rig {
    let backend = Backend::echoing().await;
    Rig::to(cluster("c", UpstreamProtocol::Http1), &[backend.address]).await
}

/// A backend that takes requests and never answers.
async fn silent() -> Rig {
    let backend = Backend::start(|mut peer| async move { peer.closed().await }).await;
    Rig::to(cluster("c", UpstreamProtocol::Http1), &[backend.address]).await
}

async fn client(rig: &Rig) -> RawH2 {
    RawH2::connect(rig.address()).await.expect("the listener accepts")
}

/// Others are served while and after somebody misbehaves, and nothing of him is left.
async fn all_is_well(rig: &Rig) {
    assert_eq!(rig.client().await.get("/").await.status, 200);
    all_is_over(rig).await;
}

async fn all_is_over(rig: &Rig) {
    until(|| rig.stat("http.in.downstream_rq_active") == 0).await;
    until(|| rig.cluster_stat("c", "upstream_rq_active") == 0).await;
}

#[tokio::test]
async fn abused_pseudo_headers_come_no_further() {
    let rig = echoing().await;
    let (method, scheme, authority, path) =
        ((":method", "GET"), (":scheme", "http"), (":authority", "h"), (":path", "/"));
    let cases: [&[(&str, &str)]; 16] = [
        &[scheme, authority, path],
        &[method, authority, path],
        &[method, scheme, authority],
        &[method, method, scheme, authority, path],
        &[method, scheme, scheme, authority, path],
        &[method, scheme, authority, authority, path],
        &[method, scheme, authority, path, path],
        &[method, scheme, authority, (":path", "")],
        &[method, scheme, authority, path, (":status", "200")],
        &[method, scheme, authority, path, (":unknown", "1")],
        &[method, scheme, authority, ("x", "1"), path],
        &[method, scheme, authority, path, ("X-Upper", "1")],
        &[method, scheme, authority, path, ("connection", "close")],
        &[method, scheme, authority, path, ("transfer-encoding", "chunked")],
        &[method, scheme, authority, path, ("te", "gzip")],
        &[method, scheme, authority, path, ("content-length", "x")],
    ];
    let mut goes_on = 0;
    for headers in cases {
        let mut client = client(&rig).await;
        let request = Frame::headers(1, headers).with(flag::END_STREAM);
        client.send(&[request, get(3)]).await.expect("the connection goes on");
        match client.outcome(1).await.expect("in time") {
            // Most end their stream, and the connection goes on.
            Outcome::Reset(PROTOCOL_ERROR, None) => {
                let outcome = client.outcome(3).await.expect("in time");
                assert!(matches!(outcome, Outcome::Answered(Some(200), _)), "{outcome:?}");
                goes_on += 1;
            }
            Outcome::GoneAway(PROTOCOL_ERROR) => {}
            outcome => panic!("{headers:?}: {outcome:?}"),
        }
    }
    assert_eq!(
        rig.cluster_stat("c", "upstream_rq_total"),
        goes_on,
        "only the good ones came through"
    );
    assert!(goes_on > 10, "{goes_on}");
    all_is_well(&rig).await;
}

#[tokio::test]
async fn a_body_of_another_length_than_was_said_ends_the_stream() {
    let rig = silent().await;
    let mut client = client(&rig).await;
    for (stream, body) in [(1, "toolong"), (3, "abc")] {
        let head = [&POST[..], &[("content-length", "5")]].concat();
        client
            .send(&[
                Frame::headers(stream, &head),
                Frame::data(stream, body).with(flag::END_STREAM),
            ])
            .await
            .expect("the connection goes on");
        let outcome = client.outcome(stream).await.expect("in time");
        assert_eq!(outcome, Outcome::Reset(PROTOCOL_ERROR, None), "{body}");
    }
    all_is_over(&rig).await;
}

#[tokio::test]
async fn streams_that_are_reset_at_once_end_the_connection() {
    let rig = echoing().await;
    let mut client = client(&rig).await;
    let frames: Vec<_> =
        (0..2000u32).flat_map(|n| [get(2 * n + 1), Frame::reset(2 * n + 1, 8)]).collect();
    // The connection may end before all of it was sent.
    let _ = client.send(&frames).await;
    let code = client.gone_away().await.expect("in time");
    assert!(matches!(code, Some(ENHANCE_YOUR_CALM) | None), "{code:?}");
    // hyper sees few of them: the others end before they begin.
    assert!(rig.stat("http.in.downstream_rq_total") <= 501);
    all_is_well(&rig).await;
}

#[tokio::test]
async fn streams_that_are_reset_one_after_another_end_the_connection() {
    let rig = silent().await;
    let mut client = client(&rig).await;
    until(|| rig.stat("http.in.downstream_cx_http2_active") == 1).await;
    let mut opened = 0;
    for stream in (1..).step_by(2) {
        if client.send(&[get(stream)]).await.is_err() {
            break;
        }
        opened += 1;
        let ends = || rig.stat("http.in.downstream_cx_http2_active") == 0;
        until(|| rig.stat("http.in.downstream_rq_total") == opened || ends()).await;
        if ends() || client.send(&[Frame::reset(stream, 8)]).await.is_err() {
            break;
        }
        let resets = || rig.stat("http.in.downstream_rq_rx_reset");
        until(|| resets() == opened || ends()).await;
        assert!(opened < 600, "it goes on");
    }
    // Half of Envoy's 500, and whatever was on its way.
    assert!((251..=260).contains(&opened), "{opened}");
    assert_eq!(rig.stat("http.in.downstream_rq_too_many_premature_resets"), 1);
    all_is_over(&rig).await;
}

#[tokio::test]
async fn a_header_block_without_an_end_ends_the_connection() {
    let rig = echoing().await;
    for piece in [0, 1, 1024] {
        let mut client = client(&rig).await;
        let mut frames = vec![Frame::new(kind::HEADERS, 0, 1, Bytes::new())];
        // A literal header without an end: HPACK waits for the rest of its value.
        let filler = vec![0; piece];
        frames.extend((0..20_000).map(|_| Frame::new(kind::CONTINUATION, 0, 1, filler.clone())));
        let _ = client.send(&frames).await;
        let code = client.gone_away().await.expect("in time");
        assert!(matches!(code, Some(ENHANCE_YOUR_CALM | PROTOCOL_ERROR | 9) | None), "{code:?}");
    }
    all_is_well(&rig).await;
}

#[tokio::test]
async fn a_header_list_beyond_the_limit_is_not_kept() {
    let rig = echoing().await;
    let mut client = client(&rig).await;
    let long = "a".repeat(15_000);
    let head: Vec<_> = GET.into_iter().chain([("x", &*long); 5]).collect();
    let block = destrier_testkit::h2::encode_headers(&head);
    let mut frames = Vec::new();
    for (index, piece) in block.chunks(16_000).enumerate() {
        let kind = if index == 0 { kind::HEADERS } else { kind::CONTINUATION };
        let flags = if index == 0 { flag::END_STREAM } else { 0 };
        frames.push(Frame::new(kind, flags, 1, piece.to_vec()));
    }
    let last = frames.pop().expect("there are some");
    frames.push(last.with(flag::END_HEADERS));
    client.send(&frames).await.expect("the connection goes on");
    let outcome = client.outcome(1).await.expect("in time");
    assert!(matches!(outcome, Outcome::Answered(Some(431), _)), "{outcome:?}");
    all_is_well(&rig).await;
}

/// Sends without reading what comes back, until that has to be read first.
async fn flood(rig: &Rig, frame: Frame) -> io::ErrorKind {
    let mut client = client(rig).await;
    client.set_deadline(Duration::from_millis(500));
    let burst = vec![frame; 10_000];
    for _ in 0..1000 {
        if let Err(error) = client.send(&burst).await {
            assert_eq!(rig.client().await.get("/").await.status, 200, "others are served");
            return error.kind();
        }
    }
    panic!("ten million frames were taken");
}

#[tokio::test]
async fn floods_of_frames_that_want_an_answer_wait_for_their_client() {
    let rig = echoing().await;
    for frame in [Frame::ping(*b"12345678"), Frame::settings(&[(setting::HEADER_TABLE_SIZE, 0)])] {
        let what = frame.kind;
        let ended = flood(&rig, frame).await;
        let bounded =
            [io::ErrorKind::TimedOut, io::ErrorKind::ConnectionReset, io::ErrorKind::BrokenPipe];
        assert!(bounded.contains(&ended), "{what}: {ended:?}");
    }
    all_is_well(&rig).await;
}

#[tokio::test]
async fn data_without_a_byte_is_counted() {
    let rig = silent().await;
    let mut client = client(&rig).await;
    client.send(&[Frame::headers(1, &POST)]).await.expect("it is open");
    let _ = client.send(&vec![Frame::data(1, Bytes::new()); 100_000]).await;
    let code = client.gone_away().await.expect("in time");
    assert!(matches!(code, Some(ENHANCE_YOUR_CALM) | None), "{code:?}");
    all_is_over(&rig).await;
}

#[tokio::test]
async fn more_streams_than_allowed_are_refused() {
    let backend = Backend::start(|mut peer| async move { peer.closed().await }).await;
    let rig = Rig::builder()
        .cluster(cluster("c", UpstreamProtocol::Http1), &[backend.address])
        .http(vec![route("/", forward("c"))], |hcm| hcm.http2.max_concurrent_streams = 3)
        .start()
        .await;
    let mut client = client(&rig).await;
    let frames: Vec<_> = (0..4).map(|n| get(2 * n + 1)).collect();
    client.send(&frames).await.expect("it is open");
    let outcome = client.outcome(7).await.expect("in time");
    assert_eq!(outcome, Outcome::Reset(REFUSED_STREAM, None));
    until(|| rig.stat("http.in.downstream_rq_active") == 3).await;
}

#[tokio::test]
async fn frames_that_cannot_be_are_errors() {
    let rig = silent().await;
    let mut client = client(&rig).await;
    let too_wide = [get(1), Frame::window_update(1, 0x7fff_ffff)];
    client.send(&too_wide).await.expect("it is open");
    let outcome = client.outcome(1).await.expect("in time");
    assert_eq!(outcome, Outcome::Reset(FLOW_CONTROL_ERROR, None));
    // The codec's word for these is not always the RFC's, but each ends the connection.
    for frames in [
        vec![get(1), Frame::window_update(1, 0)],
        vec![get(1), Frame::window_update(0, 0)],
        vec![Frame::window_update(0, 0x7fff_ffff)],
        vec![Frame::settings(&[(setting::INITIAL_WINDOW_SIZE, 0x8000_0000)])],
        vec![Frame::settings(&[(setting::MAX_FRAME_SIZE, 1)])],
        vec![Frame::new(kind::SETTINGS, 0, 0, vec![0; 5])],
        vec![Frame::new(kind::PING, 0, 0, vec![0; 7])],
        vec![Frame::new(kind::PING, 0, 1, vec![0; 8])],
        vec![Frame::data(1, "x")],
        vec![Frame::new(kind::PUSH_PROMISE, flag::END_HEADERS, 1, vec![0; 4])],
        vec![get(1), Frame::new(kind::CONTINUATION, flag::END_HEADERS, 1, vec![])],
        vec![Frame::new(kind::DATA, 0, 1, vec![0; 1 << 20])],
    ] {
        let mut client = self::client(&rig).await;
        client.send(&frames).await.expect("it is open");
        let outcome = client.outcome(1).await.expect("in time");
        assert!(matches!(outcome, Outcome::GoneAway(_)), "{outcome:?} after {frames:?}");
    }
    all_is_over(&rig).await;
}

/// A client that gives no window: its answer waits at the host, not here, and costs the idle timeout.
#[tokio::test]
async fn a_window_that_stays_shut_costs_a_timeout() {
    let (backend, written) = Backend::large(64 << 20).await;
    let action = forward_with("c", |action| {
        action.timeout = None;
        action.idle_timeout = Some(Duration::from_millis(300));
    });
    let rig = Rig::builder()
        .cluster(cluster("c", UpstreamProtocol::Http1), &[backend.address])
        .http(vec![route("/", action)], |_| {})
        .start()
        .await;
    let shut = [(setting::INITIAL_WINDOW_SIZE, 0)];
    let mut client = RawH2::connect_with(rig.address(), &shut).await.expect("it accepts");
    client.send(&[get(1)]).await.expect("it is open");
    let outcome = client.outcome(1).await.expect("in time");
    assert!(matches!(outcome, Outcome::Reset(_, Some(200))), "{outcome:?}");
    // Buffers of two sockets, of the reader and of the stream.
    let written = written.load(Ordering::SeqCst);
    assert!(written < 16 << 20, "{written} bytes were taken from the host");
    all_is_over(&rig).await;
}
