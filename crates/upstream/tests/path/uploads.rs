//! Request bodies.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use destrier_upstream::{Body, BodyError, ForwardError, Limit};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;

use crate::support::{Bed, Seen, eventually, get, host, ok, post, read, read_head};

type Pieces = mpsc::Sender<Result<Frame<Bytes>, BodyError>>;

/// A body that is fed from elsewhere.
pub(crate) fn fed() -> (Pieces, Body) {
    let (pieces, mut body) = mpsc::channel(1);
    let body = futures_util::stream::poll_fn(move |cx| body.poll_recv(cx));
    (pieces, Body::boxed(StreamBody::new(body)))
}

fn data(bytes: &'static [u8]) -> Result<Frame<Bytes>, BodyError> {
    Ok(Frame::data(Bytes::from_static(bytes)))
}

/// A host that answers with what follows the head, once `done` is in it.
async fn echoing(done: &'static str) -> (std::net::SocketAddr, Arc<Seen>) {
    host(move |mut stream, seen| async move {
        let mut buffer = Vec::new();
        while let Some(head) = read_head(&mut stream, &mut buffer).await {
            seen.requests.fetch_add(1, Ordering::SeqCst);
            while !head.starts_with("GET") && !String::from_utf8_lossy(&buffer).contains(done) {
                if stream.read_buf(&mut buffer).await.unwrap_or(0) == 0 {
                    return;
                }
            }
            let body = String::from_utf8(std::mem::take(&mut buffer)).expect("it is text");
            stream.write_all(&ok(&body)).await.expect("it is read");
        }
    })
    .await
}

#[tokio::test]
async fn a_body_at_hand_goes_with_its_head() {
    let (address, seen) = echoing("hello").await;
    let bed = Bed::new(&[address], |_| ()).await;
    for _ in 0..3 {
        let answer = bed.forward(0).send(post("/", Body::full("hello".into()))).await;
        assert_eq!(read(answer.expect("answered")).await, Ok((200, "hello".into())));
    }
    assert_eq!(Seen::get(&seen.connections), 1);
}

#[tokio::test]
async fn a_body_of_unknown_length_is_chunked_and_the_connection_goes_on() {
    let (address, seen) = echoing("0\r\n\r\n").await;
    let bed = Bed::new(&[address], |_| ()).await;
    let sender = bed.forward(0);
    let (pieces, body) = fed();
    let sending = tokio::spawn({
        let sender = sender.clone();
        async move { read(sender.send(post("/", body)).await?).await }
    });
    for piece in [&b"abc"[..], b"defg"] {
        pieces.send(data(piece)).await.expect("it is taken");
    }
    eventually("it is on its way", || Seen::get(&seen.requests) == 1).await;
    drop(pieces);
    let (_, body) = sending.await.expect("no panic").expect("answered");
    assert_eq!(body, "3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n");
    assert_eq!(sender.get("/").await, Ok((200, Bytes::new())));
    assert_eq!(Seen::get(&seen.connections), 1);
}

#[tokio::test]
async fn trailers_of_a_request_are_dropped_unless_enabled() {
    let (address, _) = echoing("\r\n\r\n").await;
    let bed = Bed::new(&[address], |_| ()).await;
    for (enabled, wanted) in [(false, "1\r\na\r\n0\r\n\r\n"), (true, "1\r\na\r\n0\r\nx: 1\r\n\r\n")]
    {
        bed.publish(|policy| policy.http.http1.enable_trailers = enabled).await;
        let trailers = http::HeaderMap::from_iter([(
            http::HeaderName::from_static("x"),
            http::HeaderValue::from_static("1"),
        )]);
        let body = http_body_util::Full::new(Bytes::from("a")).map_err(|never| match never {});
        let body = body.with_trailers(async move { Some(Ok(trailers)) });
        let answer = bed.forward(0).send(post("/", Body::boxed(body))).await.expect("answered");
        assert_eq!(read(answer).await, Ok((200, wanted.into())));
    }
}

/// contract 5.3: the response is forwarded, the connection closed.
#[tokio::test]
async fn an_answer_before_the_end_of_its_request_closes_the_connection() {
    let (address, seen) = host(|mut stream, _| async move {
        let mut buffer = Vec::new();
        while read_head(&mut stream, &mut buffer).await.is_some() {
            buffer.clear();
            stream.write_all(&ok("early")).await.expect("it is read");
        }
    })
    .await;
    let bed = Bed::new(&[address], |_| ()).await;
    let (pieces, body) = fed();
    let answer = bed.forward(0).send(post("/", body)).await.expect("answered");
    assert_eq!(read(answer).await, Ok((200, "early".into())));
    bed.quiet().await;
    assert_eq!(bed.used(Limit::Connections), 0);
    eventually("nobody waits for the rest", || pieces.is_closed()).await;
    eventually("the host sees the end", || Seen::get(&seen.open) == 0).await;
}

#[tokio::test]
async fn a_request_whose_body_fails_is_never_ended_cleanly() {
    let (address, seen) = echoing("0\r\n\r\n").await;
    let bed = Bed::new(&[address], |_| ()).await;
    let (pieces, body) = fed();
    let sender = bed.forward(0);
    let sending = tokio::spawn(async move { sender.send(post("/", body)).await.map(|_| ()) });
    pieces.send(data(b"abc")).await.expect("it is taken");
    eventually("it is on its way", || Seen::get(&seen.requests) == 1).await;
    let failure = BodyError::Ended("the client has gone".to_owned());
    pieces.send(Err(failure.clone())).await.expect("it is taken");
    assert_eq!(sending.await.expect("no panic"), Err(ForwardError::RequestBody(failure)));
    bed.quiet().await;
    assert_eq!(bed.used(Limit::Connections), 0);
    eventually("the host sees the end", || Seen::get(&seen.open) == 0).await;
}

/// A body that is shorter or longer than the `content-length` that was announced for it.
#[tokio::test]
async fn a_body_of_another_length_than_announced_aborts_the_message() {
    /// Claims a length of three.
    struct Claims(Body);
    impl http_body::Body for Claims {
        type Data = Bytes;
        type Error = BodyError;
        fn poll_frame(
            mut self: Pin<&mut Self>,
            cx: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<Frame<Bytes>, BodyError>>> {
            Pin::new(&mut self.0).poll_frame(cx)
        }
        fn size_hint(&self) -> http_body::SizeHint {
            http_body::SizeHint::with_exact(3)
        }
    }
    let (address, _) = echoing("never").await;
    let bed = Bed::new(&[address], |_| ()).await;
    for piece in [&b"ab"[..], b"abcd"] {
        let (pieces, body) = fed();
        let sender = bed.forward(0);
        let sending = tokio::spawn(async move {
            sender.send(post("/", Body::boxed(Claims(body)))).await.map(|_| ())
        });
        tokio::task::yield_now().await;
        let _ = pieces.send(data(piece)).await;
        drop(pieces);
        let error = sending.await.expect("no panic").expect_err("it is no message");
        assert!(matches!(error, ForwardError::RequestBody(_)), "{error:?}");
    }
    bed.quiet().await;
    assert_eq!(bed.used(Limit::Connections), 0);
}

/// A large body at hand is written while the answer is read: a host that answers bit by bit does not stop
/// for it.
#[tokio::test]
async fn a_large_body_does_not_wait_for_its_answer() {
    const SIZE: usize = 16 << 20;
    let (address, _) = host(|mut stream, _| async move {
        let mut buffer = Vec::new();
        read_head(&mut stream, &mut buffer).await.expect("a head");
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {SIZE}\r\n\r\n");
        stream.write_all(head.as_bytes()).await.expect("it is read");
        stream.write_all(&buffer).await.expect("it is read");
        let (mut from, mut to) = stream.split();
        let _ = tokio::io::copy(&mut from, &mut to).await;
    })
    .await;
    let bed = Bed::new(&[address], |_| ()).await;
    let body = Body::full(Bytes::from(vec![b'x'; SIZE]));
    let (status, echo) =
        read(bed.forward(0).send(post("/", body)).await.expect("answered")).await.expect("whole");
    assert_eq!((status, echo.len()), (200, SIZE));
    bed.quiet().await;
}

/// A body that panics when it is asked for more takes its request with it, and nothing else.
#[tokio::test]
async fn permits_come_back_from_a_panic() {
    let (address, seen) = echoing("0\r\n\r\n").await;
    let bed = Bed::new(&[address], |_| ()).await;
    let stream = futures_util::stream::unfold(0, |number| async move {
        tokio::task::yield_now().await;
        assert!(number < 2, "on purpose");
        Some((data(b"abc"), number + 1))
    });
    let body = Body::boxed(StreamBody::new(Box::pin(stream)));
    let error = bed.forward(0).send(post("/", body)).await.expect_err("the body is not whole");
    assert!(matches!(error, ForwardError::RequestBody(BodyError::Aborted(_))), "{error:?}");
    bed.quiet().await;
    assert_eq!(bed.used(Limit::Connections), 0);
    eventually("the host sees the end", || Seen::get(&seen.open) == 0).await;
}

/// A host that does not read stops the sender.
#[tokio::test]
async fn a_body_is_not_read_ahead_of_the_host() {
    let (address, seen) = host(|mut stream, seen| async move {
        let mut buffer = Vec::new();
        read_head(&mut stream, &mut buffer).await.expect("a head");
        seen.requests.fetch_add(1, Ordering::SeqCst);
        std::future::pending::<()>().await;
    })
    .await;
    let bed = Bed::new(&[address], |_| ()).await;
    let sender = bed.forward(0);
    let (pieces, body) = fed();
    let sending = tokio::spawn(async move { sender.send(post("/", body)).await.map(|_| ()) });
    let piece = Bytes::from(vec![b'x'; 256 << 10]);
    let mut taken = 0;
    let wait = std::time::Duration::from_millis(200);
    while tokio::time::timeout(wait, pieces.send(Ok(Frame::data(piece.clone())))).await.is_ok() {
        taken += piece.len();
        assert!(taken < 64 << 20, "nothing stops the sender");
    }
    assert_eq!(Seen::get(&seen.requests), 1);
    sending.abort();
    bed.quiet().await;
    assert_eq!(bed.used(Limit::Connections), 0);
    drop(get("/"));
}
