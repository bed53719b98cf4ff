//! The body of an answer, with the exchange that ends with it.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use destrier_upstream::{Body, BodyError};
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::time::Instant;

use super::server::Connection;
use super::watch::Watch;
use crate::exchange::Exchange;
use crate::request_body::says_nothing;

/// Watches the deadlines and counts the bytes of an answer. When it is dropped before its end, the client
/// has left.
pub(super) struct AnswerBody {
    inner: Body,
    exchange: Exchange,
    connection: Arc<Connection>,
    /// Whether `inner` is the answer's.
    answered: bool,
    /// The fault that comes next.
    failed: Option<BodyError>,
    watch: Arc<Watch>,
}

impl AnswerBody {
    /// Before the answer is there.
    pub(super) fn new(exchange: Exchange, connection: Arc<Connection>) -> Self {
        Self {
            inner: Body::empty(),
            exchange,
            connection,
            answered: false,
            failed: None,
            watch: Watch::current(),
        }
    }

    /// The exchange, before there is an answer.
    pub(super) fn exchange(&mut self) -> &mut Exchange {
        &mut self.exchange
    }

    /// The same with the body of the answer.
    pub(super) fn answered(mut self, inner: Body) -> Self {
        self.inner = inner;
        self.answered = true;
        self
    }
}

impl HttpBody for AnswerBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Self { inner, exchange, failed, watch, .. } = self.get_mut();
        watch.moved();
        if let Some(error) = failed.take() {
            return Poll::Ready(Some(Err(error)));
        }
        let polled = loop {
            match Pin::new(&mut *inner).poll_frame(cx) {
                Poll::Ready(frame) if says_nothing(&frame) && !inner.is_end_stream() => {}
                polled => break polled,
            }
        };
        let frame = match polled {
            Poll::Ready(Some(Err(error))) => {
                exchange.response_failed(&error);
                // A reset discards what is not written yet, and what came before the fault is the
                // client's: the connection has its turn first.
                *failed = Some(error);
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            Poll::Ready(frame) => frame,
            Poll::Pending => {
                let progress = exchange.progress.as_deref();
                return exchange.timers.poll(cx, progress).map(|expired| {
                    exchange.response_expired(expired);
                    Some(Err(BodyError::Aborted("timeout")))
                });
            }
        };
        match &frame {
            None => exchange.end(),
            Some(Err(_)) => {}
            Some(Ok(frame)) => {
                if let Some(data) = frame.data_ref() {
                    exchange.bytes_sent += data.len() as u64;
                    exchange.timers.response_moved = Instant::now();
                    watch.wait(exchange.timers.next(exchange.progress.as_deref()));
                } else if let Some(trailers) = frame.trailers_ref() {
                    exchange.note_trailers(trailers);
                    exchange.end();
                }
                if inner.is_end_stream() {
                    exchange.end();
                }
            }
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

impl Drop for AnswerBody {
    fn drop(&mut self) {
        // hyper does not poll a body that it knows to be empty.
        if let Some(expired) = self.watch.expired() {
            self.exchange.response_expired(expired);
        } else if self.answered && self.inner.is_end_stream() {
            self.exchange.end();
        } else {
            self.connection.stream_abandoned(&mut self.exchange);
        }
        self.connection.stream_ended(std::mem::take(&mut self.exchange.timers.alarm));
    }
}
