//! A response's body over HTTP/2.

use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::RecvStream;
use http_body::{Frame, SizeHint};

use super::pump::Pump;
use crate::BodyError;
use crate::pool::StreamLease;

/// Hands on a stream's data as it is asked for; what was handed on may be sent anew by the host.
#[derive(Debug)]
pub(crate) struct IncomingStream {
    /// Gone at the end. Dropped before the lease, which makes room for another stream.
    open: Option<Open>,
    remaining: Option<u64>,
}

#[derive(Debug)]
struct Open {
    data_done: bool,
    stream: RecvStream,
    /// Still sending the request's body: dropped with the response, as nobody reads it then.
    _pump: Option<Pump>,
    _lease: StreamLease,
}

impl IncomingStream {
    pub(super) fn new(
        stream: RecvStream,
        length: Option<u64>,
        pump: Option<Pump>,
        lease: StreamLease,
    ) -> Self {
        let open = Open { data_done: false, stream, _pump: pump, _lease: lease };
        Self { open: Some(open), remaining: length }
    }

    pub(crate) fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Some(open) = &mut self.open else { return Poll::Ready(None) };
        if !open.data_done {
            match ready!(open.stream.poll_data(cx)) {
                Some(Ok(data)) => {
                    // Fails only when the stream is over, where the window no longer matters.
                    let _ = open.stream.flow_control().release_capacity(data.len());
                    if let Some(remaining) = &mut self.remaining {
                        *remaining = remaining.saturating_sub(data.len() as u64);
                    }
                    if open.stream.is_end_stream() {
                        self.open = None;
                    }
                    return Poll::Ready(Some(Ok(Frame::data(data))));
                }
                Some(Err(error)) => return self.end_with(&error),
                None => open.data_done = true,
            }
        }
        let trailers = ready!(open.stream.poll_trailers(cx));
        match trailers {
            Ok(trailers) => {
                self.open = None;
                Poll::Ready(trailers.map(|trailers| Ok(Frame::trailers(trailers))))
            }
            Err(error) => self.end_with(&error),
        }
    }

    fn end_with<T>(&mut self, error: &h2::Error) -> Poll<Option<Result<T, BodyError>>> {
        self.open = None;
        Poll::Ready(match error.reason() {
            // The response was complete; the host wants no more of the request (RFC 9113, 8.1).
            Some(h2::Reason::NO_ERROR) if error.is_reset() => None,
            _ => Some(Err(BodyError::from(error))),
        })
    }

    pub(crate) fn is_end(&self) -> bool {
        self.open.is_none()
    }

    pub(crate) fn size_hint(&self) -> SizeHint {
        self.remaining.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
