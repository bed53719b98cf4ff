//! Deadlines of streams whose client does not read.
//!
//! hyper asks the body of an answer for more only while the client's window is open, so a body cannot
//! watch its deadlines then. The task of the stream can: it ends, and with it the stream.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use hyper::rt::Executor;
use tokio::time::Instant;

use crate::alarm::Alarm;
use crate::timers::Expired;

tokio::task_local! {
    static CURRENT: Arc<Watch>;
}

/// What a stream tells its task.
#[derive(Debug, Default)]
pub(super) struct Watch {
    state: Mutex<State>,
}

#[derive(Clone, Copy, Debug, Default)]
enum State {
    /// Nothing waits for the client.
    #[default]
    Moving,
    /// A piece waits for the client until then.
    Waiting(Instant, Expired),
    /// It waited too long.
    Expired(Expired),
}

impl Watch {
    /// That of the stream whose task asks; a new one outside of any.
    pub(super) fn current() -> Arc<Self> {
        CURRENT.try_with(Arc::clone).unwrap_or_default()
    }

    /// A piece was handed over; the client has until `deadline` to take it.
    pub(super) fn wait(&self, deadline: Option<(Instant, Expired)>) {
        self.set(deadline.map_or(State::Moving, |(until, why)| State::Waiting(until, why)));
    }

    /// More is asked for.
    pub(super) fn moved(&self) {
        self.set(State::Moving);
    }

    /// Whether the stream was ended for it.
    pub(super) fn expired(&self) -> Option<Expired> {
        match self.get() {
            State::Expired(why) => Some(why),
            State::Moving | State::Waiting(..) => None,
        }
    }

    fn get(&self) -> State {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, state: State) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = state;
    }
}

/// Runs streams on the worker of their connection, each under its watch.
#[derive(Clone, Copy)]
pub(super) struct OnWorker;

impl<F> Executor<F> for OnWorker
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, stream: F) {
        let watch = Arc::<Watch>::default();
        let watched = Watched { stream, watch: Arc::clone(&watch), alarm: Alarm::default() };
        tokio::spawn(CURRENT.scope(watch, watched));
    }
}

pin_project_lite::pin_project! {
    /// A stream and who ends it. No `async fn`, which would keep room for the stream twice: as its argument
    /// and where it is pinned.
    struct Watched<F> {
        #[pin]
        stream: F,
        watch: Arc<Watch>,
        alarm: Alarm,
    }
}

impl<F: Future<Output = ()>> Future for Watched<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        if this.stream.poll(cx).is_ready() {
            return Poll::Ready(());
        }
        let State::Waiting(until, why) = this.watch.get() else { return Poll::Pending };
        this.alarm.set(Some(until));
        // Dropped after this, the stream is reset.
        this.alarm.poll(cx).map(|()| this.watch.set(State::Expired(why)))
    }
}
