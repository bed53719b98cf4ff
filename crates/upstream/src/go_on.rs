//! `100 Continue` of a host, on its way to the client that waits for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use futures_util::task::AtomicWaker;

/// Stands in the extensions of a request whose client waits for `100 Continue` (RFC 9110, 10.1.1) from the
/// cluster: whoever speaks to the host says when it came.
#[derive(Clone, Debug, Default)]
pub struct GoOn(Arc<Said>);

#[derive(Debug, Default)]
struct Said {
    said: AtomicBool,
    waiting: AtomicWaker,
}

impl GoOn {
    /// The client may send its body.
    pub(crate) fn say(&self) {
        self.0.said.store(true, Ordering::Release);
        self.0.waiting.wake();
    }

    /// Whether it was said since this was asked last.
    pub fn poll_said(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.0.waiting.register(cx.waker());
        match self.0.said.swap(false, Ordering::Acquire) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    }
}
