//! Bytes in both directions between two sockets.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use destrier_upstream::Stream;
use tokio::time::Instant;

use crate::alarm::Alarm;

/// What is read at once.
const READ_SIZE: usize = 64 << 10;

/// Reads that are passed on before others have a turn.
const TURN: usize = 16;

/// When a tunnel ends although both sides would go on.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Limits {
    /// Longest time without a byte in either direction.
    pub(crate) idle: Option<Duration>,
    /// The end in any case.
    pub(crate) until: Option<Instant>,
}

/// Why a tunnel ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// Both directions were closed in order, the client's first.
    ClosedByClient,
    /// Both directions were closed in order, the host's first.
    ClosedByHost,
    /// The client's connection failed.
    ClientFailed,
    /// The host's connection failed.
    HostFailed,
    /// No byte for too long.
    Idle,
    /// It lasted too long.
    Duration,
}

/// What passed, and how it ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Passed {
    pub(crate) to_host: u64,
    pub(crate) to_client: u64,
    pub(crate) why: Ended,
}

/// Two sockets whose bytes go to each other; each direction ends on its own (half-close).
pub(crate) struct Tunnel<'a> {
    to_host: Direction<'a>,
    to_client: Direction<'a>,
    limits: Limits,
}

/// One direction.
struct Direction<'a> {
    from: &'a Stream,
    to: &'a Stream,
    /// Read and not yet written, when a write took only a part.
    pending: BytesMut,
    passed: u64,
    ended: bool,
}

/// Which end of a direction failed.
enum Failed {
    Reading,
    Writing,
}

thread_local! {
    /// What was read is written in the same step nearly always, so that one buffer serves all tunnels of
    /// a worker and an idle one holds none.
    static SCRATCH: RefCell<BytesMut> = RefCell::new(BytesMut::new());
}

impl Direction<'_> {
    /// Moves what can be moved; ready when the direction has ended.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failed>> {
        for _ in 0..TURN {
            if self.ended {
                return Poll::Ready(Ok(()));
            }
            if self.pending.has_remaining() {
                match self.to.poll_write_all(cx, &mut self.pending) {
                    Poll::Ready(Ok(())) => self.pending = BytesMut::new(),
                    Poll::Ready(Err(_)) => return Poll::Ready(Err(Failed::Writing)),
                    Poll::Pending => return Poll::Pending,
                }
            }
            match SCRATCH.with_borrow_mut(|scratch| self.poll_step(cx, scratch)) {
                Poll::Ready(Ok(())) => {}
                other => return other,
            }
        }
        // Both sides are fast; the others on this worker want a turn.
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn poll_step(
        &mut self,
        cx: &mut Context<'_>,
        scratch: &mut BytesMut,
    ) -> Poll<Result<(), Failed>> {
        scratch.clear();
        scratch.reserve(READ_SIZE);
        let read: io::Result<usize> = std::task::ready!(self.from.poll_read(cx, scratch));
        match read {
            Ok(0) => {
                self.ended = true;
                // Fails when the other side is gone: reading from it will tell.
                let _ = self.to.shutdown_write();
                Poll::Ready(Ok(()))
            }
            Ok(count) => {
                self.passed += count as u64;
                let mut rest = &scratch[..];
                match self.to.poll_write_all(cx, &mut rest) {
                    Poll::Ready(Ok(())) => Poll::Ready(Ok(())),
                    Poll::Ready(Err(_)) => Poll::Ready(Err(Failed::Writing)),
                    Poll::Pending => {
                        self.pending.extend_from_slice(rest);
                        Poll::Pending
                    }
                }
            }
            Err(_) => Poll::Ready(Err(Failed::Reading)),
        }
    }
}

impl<'a> Tunnel<'a> {
    /// Between a client and a host.
    pub(crate) fn new(client: &'a Stream, host: &'a Stream, limits: Limits) -> Self {
        let direction =
            |from, to| Direction { from, to, pending: BytesMut::new(), passed: 0, ended: false };
        Self { to_host: direction(client, host), to_client: direction(host, client), limits }
    }

    /// What was read before the tunnel began comes first.
    pub(crate) fn send_first(&mut self, to_host: BytesMut, to_client: BytesMut) {
        self.to_host.passed += to_host.len() as u64;
        self.to_client.passed += to_client.len() as u64;
        self.to_host.pending = to_host;
        self.to_client.pending = to_client;
    }

    /// Passes bytes until both directions have ended, one has failed or a limit is reached.
    pub(crate) async fn run(mut self, mut alarm: Alarm) -> Passed {
        let mut moved_at = Instant::now();
        let mut moved = 0;
        let mut closed = Ended::ClosedByClient;
        let why = poll_fn(|cx| {
            let host = self.to_host.poll(cx);
            let client = self.to_client.poll(cx);
            match (self.to_host.ended, self.to_client.ended) {
                (true, false) => closed = Ended::ClosedByClient,
                (false, true) => closed = Ended::ClosedByHost,
                _ => {}
            }
            match (host, client) {
                (Poll::Ready(Err(Failed::Reading)), _) | (_, Poll::Ready(Err(Failed::Writing))) => {
                    return Poll::Ready(Ended::ClientFailed);
                }
                (Poll::Ready(Err(Failed::Writing)), _) | (_, Poll::Ready(Err(Failed::Reading))) => {
                    return Poll::Ready(Ended::HostFailed);
                }
                (Poll::Ready(Ok(())), Poll::Ready(Ok(()))) => return Poll::Ready(closed),
                _ => {}
            }
            let passed = self.to_host.passed + self.to_client.passed;
            if passed != moved {
                moved = passed;
                moved_at = Instant::now();
            }
            let idle = self.limits.idle.map(|idle| (moved_at + idle, Ended::Idle));
            let until = self.limits.until.map(|until| (until, Ended::Duration));
            let first = idle.into_iter().chain(until).min_by_key(|(deadline, _)| *deadline);
            let Some((deadline, why)) = first else { return Poll::Pending };
            alarm.set(Some(deadline));
            alarm.poll(cx).map(|()| why)
        })
        .await;
        Passed { to_host: self.to_host.passed, to_client: self.to_client.passed, why }
    }
}
