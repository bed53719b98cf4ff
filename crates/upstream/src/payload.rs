//! A request's body on its way out.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use bytes::{Bytes, BytesMut};
use http_body::Body as _;

use crate::{Body, ForwardError};

/// Bodies up to this size are taken for at hand when they can be had without waiting.
const AT_HAND: usize = 64 << 10;

/// What is left to send of a request's body.
#[derive(Debug)]
pub(crate) enum Payload {
    /// All of it, perhaps nothing: it goes out with the head and can be sent again.
    AtHand(Bytes),
    /// The rest comes while it is sent.
    Streaming {
        /// What came already.
        first: Bytes,
        /// What is to come.
        body: Box<Body>,
    },
    /// It went out and is gone.
    Spent,
}

impl Payload {
    /// Takes what can be had without waiting: a small body that came with its head needs no task.
    ///
    /// # Errors
    /// The body's own.
    pub(crate) async fn take(mut body: Body) -> Result<Self, ForwardError> {
        if let Some(bytes) = body.at_hand().filter(|bytes| bytes.len() <= AT_HAND) {
            return Ok(Self::AtHand(bytes));
        }
        let mut first = Pieces::default();
        let done = poll_fn(|cx| {
            while first.len() <= AT_HAND && !body.is_end_stream() {
                match Pin::new(&mut body).poll_frame(cx) {
                    Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                        Ok(data) => first.push(data),
                        // Trailers cannot go with the head.
                        Err(frame) => {
                            let trailers = frame.into_trailers().unwrap_or_default();
                            body = Body::trailers(trailers);
                            return Poll::Ready(Ok(false));
                        }
                    },
                    Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(error)),
                    Poll::Ready(None) => return Poll::Ready(Ok(true)),
                    Poll::Pending => return Poll::Ready(Ok(false)),
                }
            }
            Poll::Ready(Ok(body.is_end_stream()))
        });
        let done = done.await.map_err(ForwardError::RequestBody)?;
        let first = first.join();
        // A large one might wait for the host, which waits for its answer to be read.
        Ok(if done && first.len() <= AT_HAND {
            Self::AtHand(first)
        } else {
            Self::Streaming { first, body: Box::new(body) }
        })
    }

    /// Whether it goes out with the head, so that a connection which ends under it loses none of it.
    pub(crate) fn is_whole_at_hand(&self) -> bool {
        matches!(self, Self::AtHand(_))
    }

    /// Whether the request can be sent (again).
    pub(crate) fn is_whole(&self) -> bool {
        !matches!(self, Self::Spent)
    }
}

/// One piece stays as it is; several are joined.
#[derive(Default)]
struct Pieces {
    one: Bytes,
    more: BytesMut,
}

impl Pieces {
    fn len(&self) -> usize {
        self.one.len() + self.more.len()
    }

    fn push(&mut self, data: Bytes) {
        if self.one.is_empty() {
            self.one = data;
        } else {
            self.more.extend_from_slice(&data);
        }
    }

    fn join(self) -> Bytes {
        if self.more.is_empty() {
            return self.one;
        }
        let mut all = BytesMut::with_capacity(self.len());
        all.extend_from_slice(&self.one);
        all.extend_from_slice(&self.more);
        all.freeze()
    }
}
