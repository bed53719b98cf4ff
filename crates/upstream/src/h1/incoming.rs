//! A body that comes in over HTTP/1: a request's at a listener, a response's from a host.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use destrier_http1::{BodyDecoder, BodyLength, Decoded};
use http_body::{Frame, SizeHint};

use super::exchange::Exchange;
use super::{Reader, ReturnSlot, Returned};
use crate::BodyError;
use crate::pool::Ending;

/// Reads a body from its connection as it is asked for: nothing is read ahead of the receiver but one
/// buffer. The reading side goes back where it came from when the body ends or is dropped.
#[derive(Debug)]
pub struct IncomingBody {
    /// Gone when the body has ended or failed.
    reader: Option<Reader>,
    decoder: BodyDecoder,
    /// Bytes still to come, when the head told.
    remaining: Option<u64>,
    trailers: Trailers,
    home: Home,
}

/// What becomes of the trailers of a chunked body (`http_protocol_options.enable_trailers`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trailers {
    /// They are handed on.
    Keep,
    /// They are read and dropped, the default.
    Drop,
}

/// Where the reading side goes afterwards.
#[derive(Debug)]
enum Home {
    Listener(ReturnSlot),
    Pool(Exchange),
}

impl IncomingBody {
    /// The body of a request whose head was just taken from `reader`. The connection waits at `slot` for
    /// the reader.
    pub fn request(
        reader: Reader,
        length: BodyLength,
        trailers: Trailers,
        slot: ReturnSlot,
    ) -> Self {
        Self::new(reader, length, trailers, Home::Listener(slot))
    }

    pub(crate) fn response(
        reader: Reader,
        length: BodyLength,
        trailers: Trailers,
        exchange: Exchange,
    ) -> Self {
        Self::new(reader, length, trailers, Home::Pool(exchange))
    }

    fn new(reader: Reader, length: BodyLength, trailers: Trailers, home: Home) -> Self {
        let remaining = match length {
            BodyLength::Empty | BodyLength::Omitted => Some(0),
            BodyLength::Length(length) => Some(length),
            BodyLength::Chunked | BodyLength::UntilClose => None,
        };
        Self { reader: Some(reader), decoder: BodyDecoder::new(length), remaining, trailers, home }
    }

    /// The next piece; the reading side goes home with the last.
    pub(crate) fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        loop {
            let Some(reader) = &mut self.reader else { return Poll::Ready(None) };
            match self.decoder.decode(reader.buffer()) {
                Ok(Decoded::Data(data)) => {
                    if let Some(remaining) = &mut self.remaining {
                        *remaining = remaining.saturating_sub(data.len() as u64);
                    }
                    if self.decoder.is_done() {
                        self.end(cx);
                    }
                    return Poll::Ready(Some(Ok(Frame::data(data))));
                }
                Ok(Decoded::Trailers(_)) if self.trailers == Trailers::Drop => {}
                Ok(Decoded::Trailers(trailers)) => {
                    // Nothing comes behind them, and not everybody asks.
                    self.end(cx);
                    return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
                }
                Ok(Decoded::End) => {
                    self.end(cx);
                    return Poll::Ready(None);
                }
                Ok(Decoded::NeedMore) => match ready!(reader.poll_fill(cx)) {
                    Ok(0) => match self.decoder.finish() {
                        Ok(()) => {
                            // Until close: complete, and nothing to use again.
                            self.fail(Ending::Left);
                            return Poll::Ready(None);
                        }
                        Err(error) => {
                            return self
                                .broken(BodyError::Ended(error.to_string()), Ending::CutShort);
                        }
                    },
                    Ok(count) => {
                        if let Home::Pool(exchange) = &self.home {
                            exchange.received(count);
                        }
                    }
                    Err(error) => {
                        return self.broken(BodyError::Ended(error.to_string()), Ending::CutShort);
                    }
                },
                Err(error) => {
                    return self.broken(BodyError::Malformed(error.to_string()), Ending::Protocol);
                }
            }
        }
    }

    /// Whether no further piece comes.
    pub(crate) fn is_end(&self) -> bool {
        self.reader.is_none()
    }

    pub(crate) fn size_hint(&self) -> SizeHint {
        self.remaining.map_or_else(SizeHint::default, SizeHint::with_exact)
    }

    fn end(&mut self, cx: &mut Context<'_>) {
        let Some(reader) = self.reader.take() else { return };
        match &mut self.home {
            Home::Listener(slot) => slot.put(Returned::Done(reader)),
            Home::Pool(exchange) => exchange.end(reader, cx),
        }
    }

    fn broken<T>(
        &mut self,
        error: BodyError,
        ending: Ending,
    ) -> Poll<Option<Result<T, BodyError>>> {
        self.fail(ending);
        Poll::Ready(Some(Err(error)))
    }

    fn fail(&mut self, ending: Ending) {
        self.reader = None;
        match &mut self.home {
            Home::Listener(slot) => slot.put(Returned::Broken),
            Home::Pool(exchange) => exchange.abort(ending),
        }
    }
}

impl http_body::Body for IncomingBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.get_mut().poll_next(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.is_end()
    }

    fn size_hint(&self) -> SizeHint {
        self.size_hint()
    }
}

impl Drop for IncomingBody {
    fn drop(&mut self) {
        let Some(reader) = self.reader.take() else { return };
        match &mut self.home {
            Home::Listener(slot) => {
                let decoder =
                    std::mem::replace(&mut self.decoder, BodyDecoder::new(BodyLength::Empty));
                slot.put(Returned::Unread(reader, decoder));
            }
            // Half read: the rest would stand before the next response.
            Home::Pool(exchange) => {
                drop(reader);
                exchange.abort(Ending::Cancelled);
            }
        }
    }
}
