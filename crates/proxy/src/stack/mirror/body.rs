//! One body for several receivers.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use destrier_upstream::{Body, BodyError};
use http::HeaderMap;
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// Bytes that wait for one copy at most, before it is given up.
pub(super) const MOST: usize = 1 << 20;

/// Bodies for `count` copies. What is read of `body` goes to them as well; nobody but its own receiver
/// decides how fast it is read.
pub(super) fn share(body: &mut Body, count: usize) -> Vec<Body> {
    if count == 0 {
        return Vec::new();
    }
    if body.is_end_stream() {
        return std::iter::repeat_with(Body::empty).take(count).collect();
    }
    let hint = body.size_hint();
    let (copies, receivers): (Vec<_>, Vec<_>) = (0..count).map(|_| copy(&hint)).unzip();
    let inner = std::mem::take(body);
    *body = Body::boxed(Shared { inner, copies });
    receivers.into_iter().map(Body::boxed).collect()
}

fn copy(hint: &SizeHint) -> (Copy, Copied) {
    let (sender, receiver) = unbounded_channel();
    let waiting = Arc::new(AtomicUsize::new(0));
    let copy = Copy { sender, waiting: Arc::clone(&waiting) };
    (copy, Copied { receiver, waiting, left: hint.exact(), ended: false })
}

/// What a copy gets. Without an end before the channel closes it is not whole.
enum Piece {
    Data(Bytes),
    Trailers(HeaderMap),
    End,
}

/// The way to a copy.
struct Copy {
    sender: UnboundedSender<Piece>,
    waiting: Arc<AtomicUsize>,
}

impl Copy {
    /// Whether the copy still wants more.
    fn push(&self, piece: Piece) -> bool {
        let length = match &piece {
            Piece::Data(data) => data.len(),
            Piece::Trailers(_) | Piece::End => 0,
        };
        let waiting = self.waiting.fetch_add(length, Ordering::Relaxed) + length;
        waiting <= MOST && self.sender.send(piece).is_ok()
    }
}

/// The body itself.
struct Shared {
    inner: Body,
    copies: Vec<Copy>,
}

impl Shared {
    fn push(&mut self, piece: impl Fn() -> Piece) {
        self.copies.retain(|copy| copy.push(piece()));
    }
}

impl HttpBody for Shared {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        let frame = ready!(Pin::new(&mut this.inner).poll_frame(cx));
        match &frame {
            Some(Ok(frame)) => {
                if let Some(data) = frame.data_ref() {
                    this.push(|| Piece::Data(data.clone()));
                } else if let Some(trailers) = frame.trailers_ref() {
                    this.push(|| Piece::Trailers(trailers.clone()));
                }
                // Perhaps nobody asks again.
                if this.inner.is_end_stream() {
                    this.push(|| Piece::End);
                    this.copies.clear();
                }
            }
            None => {
                this.push(|| Piece::End);
                this.copies.clear();
            }
            // They break off as well.
            Some(Err(_)) => this.copies.clear(),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// The body of a copy.
struct Copied {
    receiver: UnboundedReceiver<Piece>,
    waiting: Arc<AtomicUsize>,
    /// Bytes to come, where the length was known.
    left: Option<u64>,
    ended: bool,
}

impl HttpBody for Copied {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        Poll::Ready(match ready!(self.receiver.poll_recv(cx)) {
            Some(Piece::Data(data)) => {
                self.waiting.fetch_sub(data.len(), Ordering::Relaxed);
                self.left = self.left.map(|left| left.saturating_sub(data.len() as u64));
                Some(Ok(Frame::data(data)))
            }
            Some(Piece::Trailers(trailers)) => Some(Ok(Frame::trailers(trailers))),
            Some(Piece::End) => {
                self.ended = true;
                None
            }
            None => {
                self.ended = true;
                Some(Err(BodyError::Aborted("the request that it copies broke off")))
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        self.ended
    }

    fn size_hint(&self) -> SizeHint {
        self.left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    /// Pieces of data, and trailers or a fault at the end.
    struct Pieces(Vec<Result<Frame<Bytes>, BodyError>>);

    impl HttpBody for Pieces {
        type Data = Bytes;
        type Error = BodyError;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _cx: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
            Poll::Ready((!self.0.is_empty()).then(|| self.0.remove(0)))
        }
    }

    fn data(text: &'static str) -> Result<Frame<Bytes>, BodyError> {
        Ok(Frame::data(Bytes::from_static(text.as_bytes())))
    }

    async fn next(body: &mut Body) -> Option<Result<Frame<Bytes>, BodyError>> {
        poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)).await
    }

    async fn all(body: &mut Body) -> (String, usize, bool) {
        let (mut text, mut trailers) = (String::new(), 0);
        while let Some(frame) = next(body).await {
            match frame.map(Frame::into_data) {
                Ok(Ok(data)) => text.push_str(std::str::from_utf8(&data).expect("text")),
                Ok(Err(_)) => trailers += 1,
                Err(_) => return (text, trailers, false),
            }
        }
        (text, trailers, true)
    }

    #[tokio::test]
    async fn every_copy_gets_all_of_it() {
        let trailers = Ok(Frame::trailers(HeaderMap::new()));
        let mut body = Body::boxed(Pieces(vec![data("ab"), data("c"), trailers]));
        let copies = share(&mut body, 2);
        assert_eq!(all(&mut body).await, ("abc".into(), 1, true));
        for mut copy in copies {
            assert_eq!(all(&mut copy).await, ("abc".into(), 1, true));
        }
    }

    #[tokio::test]
    async fn a_whole_body_keeps_its_length() {
        let mut body = Body::full(Bytes::from_static(b"abc"));
        let mut copies = share(&mut body, 1);
        assert_eq!(copies[0].size_hint().exact(), Some(3));
        assert_eq!(all(&mut body).await.0, "abc");
        assert_eq!(all(&mut copies[0]).await, ("abc".into(), 0, true));
        let mut empty = Body::empty();
        assert!(share(&mut empty, 1)[0].is_end_stream());
    }

    #[tokio::test]
    async fn a_copy_breaks_off_with_its_request_and_not_the_other_way_round() {
        let mut body = Body::boxed(Pieces(vec![data("ab"), Err(BodyError::Reset)]));
        let mut copies = share(&mut body, 1);
        assert!(!all(&mut body).await.2);
        assert_eq!(all(&mut copies[0]).await, ("ab".into(), 0, false));
        let mut body = Body::boxed(Pieces(vec![data("ab")]));
        drop(share(&mut body, 1));
        assert_eq!(all(&mut body).await, ("ab".into(), 0, true));
        let mut body = Body::boxed(Pieces(vec![data("ab"), data("c")]));
        let mut copies = share(&mut body, 1);
        assert!(next(&mut body).await.is_some());
        drop(body);
        assert_eq!(all(&mut copies[0]).await, ("ab".into(), 0, false));
    }

    #[tokio::test]
    async fn a_copy_that_is_too_slow_is_given_up() {
        let piece = || Ok(Frame::data(Bytes::from(vec![b'x'; MOST / 2])));
        let mut body = Body::boxed(Pieces(vec![piece(), piece(), piece(), data("y")]));
        let mut copies = share(&mut body, 2);
        for _ in 0..4 {
            assert!(next(&mut body).await.is_some());
            assert!(next(&mut copies[0]).await.is_some(), "this one is fast enough");
        }
        assert!(next(&mut body).await.is_none() && next(&mut copies[0]).await.is_none());
        let (text, _, whole) = all(&mut copies[1]).await;
        assert!(!whole && text.len() == MOST);
    }
}
