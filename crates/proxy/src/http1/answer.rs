//! Writes a response.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use destrier_http1::{BodyLength, ConnectionOption, proper_case, write_response_head};
use destrier_policy::HeaderCase;
use destrier_upstream::{Body, BodyError, Stream};
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, Method, Response, StatusCode, Version};
use http_body::Body as _;
use tokio::time::Instant;

use super::outbox::Outbox;
use crate::exchange::{Exchange, Protocol};
use crate::timers::Expired;

/// Full outboxes that are written before others have a turn.
const TURN: usize = 16;

/// How the writing of an answer ended.
pub(super) enum Written {
    /// Complete.
    Whole,
    /// The cluster's side failed; what was written is not a whole message.
    Failed(BodyError),
    /// A deadline passed.
    Expired(Expired),
    /// The client is gone.
    ClientLeft,
}

/// How the body is framed (RFC 9112, 6.3, from the sender's side).
pub(super) fn length(
    request: &Method,
    protocol: Protocol,
    response: &Response<Body>,
) -> BodyLength {
    let status = response.status();
    if status.is_informational() || status == StatusCode::NO_CONTENT {
        return BodyLength::Empty;
    }
    if request == Method::HEAD || status == StatusCode::NOT_MODIFIED {
        return BodyLength::Omitted;
    }
    let told = response.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    let told = told.and_then(|text| text.parse().ok());
    match told.or_else(|| response.body().size_hint().exact()) {
        Some(length) => BodyLength::Length(length),
        None if protocol == Protocol::Http10 => BodyLength::UntilClose,
        None => BodyLength::Chunked,
    }
}

/// One answer on its way out.
pub(super) struct Answer<'a> {
    stream: &'a Stream,
    outbox: &'a mut Outbox,
    body: Body,
    framing: BodyLength,
    /// Bytes still to come of a counted body.
    remaining: u64,
    trailers: Trailers,
    ended: bool,
}

/// What becomes of trailers (`http_protocol_options.enable_trailers`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trailers {
    Write,
    Drop,
}

impl<'a> Answer<'a> {
    /// Puts the head into the outbox; gives the map back for the next request.
    pub(super) fn begin(
        stream: &'a Stream,
        outbox: &'a mut Outbox,
        response: Response<Body>,
        (version, case): (Version, HeaderCase),
        framing: BodyLength,
        connection: ConnectionOption,
        trailers: Trailers,
    ) -> (Self, HeaderMap) {
        let (head, body) = response.into_parts();
        let tail = outbox.tail();
        let start = tail.len();
        write_response_head(tail, version, head.status, &head.headers, framing, connection);
        if case == HeaderCase::ProperWords {
            proper_case(&mut tail[start..]);
        }
        outbox.wrote();
        let remaining = match framing {
            BodyLength::Length(length) => length,
            _ => 0,
        };
        let bodiless = matches!(framing, BodyLength::Empty | BodyLength::Omitted);
        let ended = bodiless || framing == BodyLength::Length(0) && body.is_end_stream();
        let body = if bodiless { Body::empty() } else { body };
        (Self { stream, outbox, body, framing, remaining, trailers, ended }, head.headers)
    }

    /// Writes all of it. `client_left` tells when there is nobody to write to.
    pub(super) async fn write(
        mut self,
        exchange: &mut Exchange,
        mut client_left: impl FnMut(&mut Context<'_>) -> Poll<()>,
    ) -> Written {
        poll_fn(|cx| {
            let before = exchange.bytes_sent;
            match self.poll(cx, exchange) {
                Poll::Ready(written) => Poll::Ready(written),
                Poll::Pending => {
                    if exchange.bytes_sent != before {
                        exchange.timers.response_moved = Instant::now();
                    }
                    if client_left(cx).is_ready() {
                        return Poll::Ready(Written::ClientLeft);
                    }
                    let progress = exchange.progress.as_deref();
                    exchange.timers.poll(cx, progress).map(Written::Expired)
                }
            }
        })
        .await
    }

    fn poll(&mut self, cx: &mut Context<'_>, exchange: &mut Exchange) -> Poll<Written> {
        for _ in 0..TURN {
            let filled = self.fill(cx, exchange);
            // What came before a fault is the client's.
            match (self.stream.poll_write_all(cx, self.outbox), filled) {
                (Poll::Ready(Err(_)), _) => return Poll::Ready(Written::ClientLeft),
                (_, Filled::Failed(error)) => return Poll::Ready(Written::Failed(error)),
                (Poll::Pending, _) | (_, Filled::Waiting) => return Poll::Pending,
                (Poll::Ready(Ok(())), Filled::Ended) => return Poll::Ready(Written::Whole),
                (Poll::Ready(Ok(())), Filled::Full) => {}
            }
        }
        // Both sides are fast; the others on this worker want a turn.
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Moves what the body has into the outbox.
    fn fill(&mut self, cx: &mut Context<'_>, exchange: &mut Exchange) -> Filled {
        while !self.ended {
            if self.outbox.is_full() {
                return Filled::Full;
            }
            let frame = match Pin::new(&mut self.body).poll_frame(cx) {
                Poll::Pending => return Filled::Waiting,
                Poll::Ready(None) => None,
                Poll::Ready(Some(Ok(frame))) => Some(frame),
                Poll::Ready(Some(Err(error))) => return Filled::Failed(error),
            };
            let Some(frame) = frame else {
                match self.end(None) {
                    Ok(()) => break,
                    Err(error) => return Filled::Failed(error),
                }
            };
            let taken = match frame.into_data() {
                Ok(data) => {
                    exchange.bytes_sent += data.len() as u64;
                    self.push(data)
                }
                Err(frame) => {
                    let trailers = frame.into_trailers().unwrap_or_default();
                    exchange.note_trailers(&trailers);
                    let kept = Some(&trailers).filter(|_| self.trailers == Trailers::Write);
                    self.end(kept)
                }
            };
            if let Err(error) = taken {
                return Filled::Failed(error);
            }
        }
        Filled::Ended
    }

    fn push(&mut self, data: Bytes) -> Result<(), BodyError> {
        match self.framing {
            BodyLength::Chunked => self.outbox.push_chunk(data),
            BodyLength::Length(_) => {
                let Some(remaining) = self.remaining.checked_sub(data.len() as u64) else {
                    return Err(BodyError::Malformed("more than its content-length".into()));
                };
                self.remaining = remaining;
                self.outbox.push_data(data);
            }
            _ => self.outbox.push_data(data),
        }
        // Known now, the end goes out with the data.
        if self.body.is_end_stream() { self.end(None) } else { Ok(()) }
    }

    fn end(&mut self, trailers: Option<&HeaderMap>) -> Result<(), BodyError> {
        if self.remaining > 0 {
            return Err(BodyError::Ended("less than its content-length".into()));
        }
        if self.framing == BodyLength::Chunked {
            self.outbox.push_last_chunk(trailers);
        }
        self.ended = true;
        Ok(())
    }
}

/// Why the body gives nothing more for now.
enum Filled {
    /// It has nothing yet and wakes the task.
    Waiting,
    /// The outbox has enough.
    Full,
    Ended,
    Failed(BodyError),
}
