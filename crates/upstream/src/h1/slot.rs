//! How a listener's connection gets its reading side back from a request's body.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use destrier_http1::BodyDecoder;

use super::Reader;

/// What comes back.
#[derive(Debug)]
pub enum Returned {
    /// The message was read to its end: the next one may follow.
    Done(Reader),
    /// The body was dropped before its end; what is left of it can be read on with the decoder.
    Unread(Reader, BodyDecoder),
    /// The socket failed, the peer ended within the message, or its framing was broken: nothing more can
    /// be read.
    Broken,
}

/// The place where the reading side of one connection is put back; made once for a connection.
#[derive(Clone, Debug, Default)]
pub struct ReturnSlot(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    returned: Option<Returned>,
    waiting: Option<Waker>,
}

impl ReturnSlot {
    /// A slot with nothing in it.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes what came back, if it did.
    pub fn take(&self) -> Option<Returned> {
        self.lock().returned.take()
    }

    /// Waits until the body was read to its end, failed or was dropped.
    pub fn poll_take(&self, cx: &mut Context<'_>) -> Poll<Returned> {
        let mut state = self.lock();
        match state.returned.take() {
            Some(returned) => Poll::Ready(returned),
            None => {
                state.waiting = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    pub(super) fn put(&self, returned: Returned) {
        let mut state = self.lock();
        state.returned = Some(returned);
        let waiting = state.waiting.take();
        drop(state);
        if let Some(waker) = waiting {
            waker.wake();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // The state is whole between any two statements.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
