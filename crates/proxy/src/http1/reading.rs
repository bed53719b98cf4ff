//! The reading side of a connection, which the body of a request takes away and brings back.

use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::BytesMut;
use destrier_upstream::Stream;
use destrier_upstream::h1::{Reader, ReturnSlot, Returned};

use crate::scope::BufferLimit;

/// Where the reading side is.
pub(super) struct Reading {
    pub(super) stream: Arc<Stream>,
    /// `None` while a request's body has it, or when it broke.
    pub(super) reader: Option<Reader>,
    pub(super) slot: ReturnSlot,
    state: State,
    /// Bytes of further requests that are read while one is answered.
    read_ahead: BufferLimit,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// At a boundary between messages, or with a body on its way to one.
    Whole,
    /// What follows is the rest of a body that nobody reads.
    Unread,
    /// The client ended within a message, or sent what is not one.
    Broken,
}

impl Reading {
    /// Reads on where the version was found out.
    pub(super) fn new(read: BytesMut, stream: Arc<Stream>, read_ahead: BufferLimit) -> Self {
        let reader = Reader::with_bytes(Arc::clone(&stream), read);
        Self {
            stream,
            reader: Some(reader),
            slot: ReturnSlot::new(),
            state: State::Whole,
            read_ahead,
        }
    }

    /// Ready when the client has left: it closed its side, as Envoy has it, or the connection failed.
    /// While the request's body is read it is the body that learns of it.
    pub(super) fn poll_client_left(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.reader.is_none() && self.state == State::Whole {
            match self.slot.poll_take(cx) {
                Poll::Ready(returned) => self.take_back(returned),
                Poll::Pending => return Poll::Pending,
            }
        }
        if self.state == State::Broken {
            // Whoever read the body reports it.
            return Poll::Pending;
        }
        let Some(reader) = &mut self.reader else { return Poll::Pending };
        while reader.buffer().len() < self.read_ahead.get() {
            match reader.poll_fill(cx) {
                Poll::Ready(Ok(0) | Err(_)) => return Poll::Ready(()),
                Poll::Ready(Ok(_)) => {}
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Pending
    }

    /// Whether the next request can be read. To be asked when the request's body is dropped or ended.
    pub(super) fn is_at_boundary(&mut self) -> bool {
        if self.reader.is_none()
            && self.state == State::Whole
            && let Some(returned) = self.slot.take()
        {
            self.take_back(returned);
        }
        self.reader.is_some() && self.state == State::Whole
    }

    /// What reads the rest at the end of the connection; `None` while a body that is on its way to the
    /// cluster still reads.
    pub(super) fn into_rest(self) -> Option<Reader> {
        let broken = self.state == State::Broken;
        self.reader.or_else(|| broken.then(|| Reader::new(self.stream)))
    }

    fn take_back(&mut self, returned: Returned) {
        match returned {
            Returned::Done(reader) => self.reader = Some(reader),
            Returned::Unread(reader, _) => {
                self.reader = Some(reader);
                self.state = State::Unread;
            }
            Returned::Broken => self.state = State::Broken,
        }
    }
}
