//! The body of a request, observed on its way to the cluster.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use destrier_upstream::BodyError;
use http_body::{Body, Frame, SizeHint};
use tokio::time::Instant;

use crate::progress::RequestProgress;

/// Tells the exchange what passes.
pub(crate) struct RequestBody<B> {
    inner: B,
    progress: Arc<RequestProgress>,
}

impl<B> RequestBody<B> {
    /// Observes `inner`.
    pub(crate) fn new(inner: B, progress: Arc<RequestProgress>) -> Self {
        Self { inner, progress }
    }
}

/// Whether a frame is DATA without a byte: peers count those against a connection, so they are not
/// handed on.
pub(crate) fn says_nothing<E>(frame: &Option<Result<Frame<Bytes>, E>>) -> bool {
    let data = frame.as_ref().and_then(|frame| frame.as_ref().ok()?.data_ref());
    data.is_some_and(Bytes::is_empty)
}

impl<B> Body for RequestBody<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BodyError>,
{
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let frame = loop {
            let frame = ready!(Pin::new(&mut self.inner).poll_frame(cx));
            if !says_nothing(&frame) || self.inner.is_end_stream() {
                break frame;
            }
        };
        let now = Instant::now();
        if let Some(Ok(frame)) = &frame {
            self.progress.moved(frame.data_ref().map_or(0, Bytes::len), now);
        }
        let frame = frame.map(|frame| frame.map_err(Into::into));
        let ended = match &frame {
            None => true,
            Some(Ok(_)) => self.inner.is_end_stream(),
            Some(Err(error)) => {
                if let BodyError::Malformed(_) = error {
                    self.progress.malformed();
                }
                false
            }
        };
        if ended {
            self.progress.ended(now);
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

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::future::poll_fn;

    use super::*;

    /// Pieces of data.
    struct Pieces(VecDeque<&'static str>);

    impl Body for Pieces {
        type Data = Bytes;
        type Error = BodyError;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _cx: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
            let piece = self.0.pop_front();
            Poll::Ready(piece.map(|piece| Ok(Frame::data(Bytes::from_static(piece.as_bytes())))))
        }

        fn is_end_stream(&self) -> bool {
            self.0.is_empty()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn hands_on_what_says_something_and_tells_how_far_it_is() {
        let progress = Arc::new(RequestProgress::new(Instant::now()));
        let pieces = Pieces(["", "ab", "", "", "c"].into());
        let mut body = RequestBody::new(pieces, Arc::clone(&progress));
        let mut passed = Vec::new();
        let mut ended = Vec::new();
        while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
            passed.push(frame.expect("no piece fails").into_data().expect("all are data"));
            ended.push(progress.ended_at().is_some());
        }
        assert_eq!(passed, ["ab", "c"]);
        assert_eq!(ended, [false, true], "the end is known with the last piece");
        assert_eq!(progress.bytes(), 3);
    }
}
