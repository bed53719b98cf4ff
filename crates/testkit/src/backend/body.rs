//! The body of a backend's answer.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes};
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio_util::sync::ReusableBoxFuture;

use super::connection::{ConnState, InRequest};
use crate::counts::Entered;

/// Where the bytes come from.
#[derive(Debug)]
pub(super) enum Source {
    /// These bytes, then perhaps trailers.
    Fixed { data: Bytes, trailers: Option<HeaderMap> },
    /// The request's body as it comes.
    Echo(Incoming),
    /// Part of a body that was announced with `len` bytes, then a reset once `sent` is over.
    Cut { data: Bytes, len: u64, sent: ReusableBoxFuture<'static, ()>, reset: Reset },
}

/// How an answer breaks off.
#[derive(Clone, Debug)]
pub(super) enum Reset {
    /// The whole connection.
    Connection(Arc<ConnState>),
    /// The HTTP/2 stream.
    Stream,
}

/// An answer's body. The request counts as active until it is dropped.
#[derive(Debug)]
pub(super) struct AnswerBody {
    pub(super) source: Source,
    pub(super) _request: (Entered, InRequest),
}

/// The answer was broken off on purpose.
pub(super) fn broken_off() -> io::Error {
    io::Error::other("broken off on purpose")
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        match &mut self.source {
            Source::Fixed { data, trailers } => {
                if data.has_remaining() {
                    return Poll::Ready(Some(Ok(Frame::data(std::mem::take(data)))));
                }
                Poll::Ready(trailers.take().map(|trailers| Ok(Frame::trailers(trailers))))
            }
            Source::Echo(incoming) => {
                let frame = ready!(Pin::new(incoming).poll_frame(cx));
                Poll::Ready(frame.map(|frame| frame.map_err(io::Error::other)))
            }
            Source::Cut { data, sent, reset, .. } => {
                if data.has_remaining() {
                    return Poll::Ready(Some(Ok(Frame::data(std::mem::take(data)))));
                }
                ready!(sent.poll(cx));
                match reset {
                    Reset::Stream => Poll::Ready(Some(Err(broken_off()))),
                    // The connection is ended by its own task.
                    Reset::Connection(state) => {
                        state.reset();
                        Poll::Pending
                    }
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Fixed { data, trailers } => data.is_empty() && trailers.is_none(),
            Source::Echo(incoming) => incoming.is_end_stream(),
            Source::Cut { .. } => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Fixed { trailers: Some(_), .. } => SizeHint::default(),
            Source::Fixed { data, .. } => SizeHint::with_exact(data.len() as u64),
            Source::Echo(incoming) => incoming.size_hint(),
            Source::Cut { len, .. } => SizeHint::with_exact(*len),
        }
    }
}
