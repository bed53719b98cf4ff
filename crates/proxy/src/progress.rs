//! How far the body of a request has come, told to the task that answers.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::Context;
use std::time::Duration;

use futures_util::task::AtomicWaker;
use tokio::time::Instant;

/// Written by whoever reads the body, perhaps on another thread; read by the task of the exchange.
#[derive(Debug)]
pub(crate) struct RequestProgress {
    started: Instant,
    bytes: AtomicU64,
    /// Nanoseconds from `started` to the last byte.
    moved: AtomicU64,
    /// Nanoseconds from `started` to the end; `u64::MAX` before it.
    ended: AtomicU64,
    malformed: AtomicBool,
    waiting: AtomicWaker,
}

impl RequestProgress {
    /// A body that begins at `started`.
    pub(crate) fn new(started: Instant) -> Self {
        Self {
            started,
            bytes: AtomicU64::new(0),
            moved: AtomicU64::new(0),
            ended: AtomicU64::new(u64::MAX),
            malformed: AtomicBool::new(false),
            waiting: AtomicWaker::new(),
        }
    }

    /// Some bytes came at `now`.
    pub(crate) fn moved(&self, bytes: usize, now: Instant) {
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        self.moved.store(self.since_start(now), Ordering::Relaxed);
    }

    /// The body came whole.
    pub(crate) fn ended(&self, now: Instant) {
        self.ended.store(self.since_start(now), Ordering::Release);
        self.waiting.wake();
    }

    /// What the client sends is no body: its framing is broken, or its length is not what was said.
    pub(crate) fn malformed(&self) {
        self.malformed.store(true, Ordering::Relaxed);
    }

    /// Whether it was found malformed.
    pub(crate) fn is_malformed(&self) -> bool {
        self.malformed.load(Ordering::Relaxed)
    }

    /// Wakes the task at the end of the body.
    pub(crate) fn register(&self, cx: &Context<'_>) {
        self.waiting.register(cx.waker());
    }

    /// Bytes so far.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// When the last byte came, or the head.
    pub(crate) fn moved_at(&self) -> Instant {
        self.started + Duration::from_nanos(self.moved.load(Ordering::Relaxed))
    }

    /// When it ended, if it has.
    pub(crate) fn ended_at(&self) -> Option<Instant> {
        let nanos = self.ended.load(Ordering::Acquire);
        (nanos != u64::MAX).then(|| self.started + Duration::from_nanos(nanos))
    }

    fn since_start(&self, now: Instant) -> u64 {
        // Five centuries fit.
        now.saturating_duration_since(self.started).as_nanos() as u64
    }
}
