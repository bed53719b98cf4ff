//! One connection of a backend.

use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::task::{Context, Poll};
use std::time::Duration;

use http::HeaderValue;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::{Notify, watch};
use tokio::time::sleep;

use super::{Behaviour, Shared, answer};
use crate::counts::Entered;
use crate::net;

/// What the requests of one connection tell the task that drives it.
#[derive(Debug)]
pub(super) struct ConnState {
    /// Its number, for `x-connection`.
    pub(super) number: HeaderValue,
    requests: watch::Sender<usize>,
    reset: AtomicBool,
    abort: Notify,
    close: Notify,
    written: AtomicU64,
    wrote: Notify,
}

impl ConnState {
    /// How many bytes went out so far.
    pub(super) fn written(&self) -> u64 {
        self.written.load(SeqCst)
    }

    /// Waits until this many bytes went out.
    pub(super) async fn wait_written(self: Arc<Self>, bytes: u64) {
        loop {
            let mut wrote = pin!(self.wrote.notified());
            // Listens before it looks, so that no write falls between.
            wrote.as_mut().enable();
            if self.written() >= bytes {
                return;
            }
            wrote.await;
        }
    }

    fn note_written(&self, result: &Poll<io::Result<usize>>) {
        if let Poll::Ready(Ok(bytes)) = result {
            self.written.fetch_add(*bytes as u64, SeqCst);
            self.wrote.notify_waiters();
        }
    }

    /// Ends the connection with a reset.
    pub(super) fn reset(&self) {
        self.reset.store(true, SeqCst);
        self.abort.notify_one();
    }

    /// Ends the connection after the requests that it has.
    pub(super) fn close_after(&self) {
        self.close.notify_one();
    }

    /// Counts a request; it is over when the guard is dropped.
    pub(super) fn enter(self: &Arc<Self>) -> InRequest {
        self.requests.send_modify(|requests| *requests += 1);
        InRequest(Arc::clone(self))
    }
}

/// A request that the connection is not idle for.
#[derive(Debug)]
pub(super) struct InRequest(Arc<ConnState>);

impl Drop for InRequest {
    fn drop(&mut self) {
        self.0.requests.send_modify(|requests| *requests -= 1);
    }
}

/// Serves one connection to its end.
pub(super) async fn serve(stream: TcpStream, number: u64, shared: Arc<Shared>, entered: Entered) {
    let _entered = entered;
    // It fails only on a socket that is gone.
    let _ = stream.set_nodelay(true);
    let state = Arc::new(ConnState {
        number: HeaderValue::from(number),
        requests: watch::Sender::new(0),
        reset: AtomicBool::new(false),
        abort: Notify::new(),
        close: Notify::new(),
        written: AtomicU64::new(0),
        wrote: Notify::new(),
    });
    let io = TokioIo::new(ResettableStream { stream, state: Arc::clone(&state) });
    let service =
        service_fn(|request| answer::answer(request, Arc::clone(&shared), Arc::clone(&state)));
    let builder = auto::Builder::new(TokioExecutor::new());
    let mut connection = pin!(builder.serve_connection_with_upgrades(io, service));
    let mut draining = false;
    loop {
        let asked_to_close = async {
            tokio::select! {
                () = shared.drain.cancelled() => {}
                () = state.close.notified() => {}
                () = idle(state.requests.subscribe(), shared.behaviour.subscribe()) => {}
            }
        };
        tokio::select! {
            biased;
            // A client's faults are its own business.
            _ = connection.as_mut() => return,
            () = state.abort.notified() => return,
            () = shared.kill.cancelled() => {
                state.reset.store(true, SeqCst);
                return;
            }
            () = asked_to_close, if !draining => {
                draining = true;
                connection.as_mut().graceful_shutdown();
            }
        }
    }
}

/// Returns once the connection was without a request for as long as the behaviour allows.
async fn idle(
    mut requests: watch::Receiver<usize>,
    mut behaviour: watch::Receiver<Arc<Behaviour>>,
) {
    loop {
        let range = behaviour.borrow_and_update().idle.clone();
        let Some(range) = range else {
            if behaviour.changed().await.is_err() {
                return;
            }
            continue;
        };
        let quiet = async {
            loop {
                let busy = *requests.borrow_and_update() > 0;
                let wait = if busy { Duration::MAX } else { rand::random_range(range.clone()) };
                tokio::select! {
                    () = sleep(wait) => return,
                    changed = requests.changed() => if changed.is_err() { return },
                }
            }
        };
        tokio::select! {
            () = quiet => return,
            changed = behaviour.changed() => if changed.is_err() { return },
        }
    }
}

/// A stream whose end is a reset if the connection's state says so.
#[derive(Debug)]
struct ResettableStream {
    stream: TcpStream,
    state: Arc<ConnState>,
}

impl Drop for ResettableStream {
    fn drop(&mut self) {
        if self.state.reset.load(SeqCst) {
            net::reset_on_close(&self.stream);
        }
    }
}

impl AsyncRead for ResettableStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for ResettableStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.state.note_written(&result);
        result
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.state.note_written(&result);
        result
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
