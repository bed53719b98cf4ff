//! Asking a pool for a connection, and waiting for it.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use destrier_policy::RoutingPriority;
use tokio::time::Instant;

use super::grant::{Grant, Step};
use super::lease::{Ending, Lease, StreamLease};
use super::state::State;
use super::{Key, Pool, Protocol, open};
use crate::h1::Reader;
use crate::{Cluster, ClusterState, ForwardError, HostState, Limit, Quiet, Stream};

/// What a request asks for.
#[derive(Clone, Copy)]
pub(crate) struct Ask<'a> {
    pub(crate) cluster: &'a Arc<Cluster>,
    pub(crate) host: &'a Arc<HostState>,
    pub(crate) key: &'a Key,
    pub(crate) priority: RoutingPriority,
    /// The worker that asks.
    pub(crate) worker: usize,
    pub(crate) now: Instant,
    pub(crate) wanted: Wanted,
    pub(crate) check: Check,
}

/// Which connections will do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// Any that works.
    Any,
    /// Rather a new one: one that was used before has just failed.
    New,
}

/// How a connection that was idle is found to be still open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Check {
    /// By what the runtime was told, which costs nothing: for a request that is sent again when its
    /// connection turns out to have ended.
    Told,
    /// By a system call: for a request that may go out only once.
    Asked,
}

impl Check {
    fn quiet(self, stream: &Stream) -> Quiet {
        match self {
            Self::Told => stream.quiet_as_told(),
            Self::Asked => stream.quiet(),
        }
    }
}

/// A connection for a request.
pub(crate) enum Granted {
    /// HTTP/1 or TCP.
    Exclusive(Reader, Lease),
    /// HTTP/2.
    Stream(StreamLease),
}

/// Gives the request a connection: an idle one, room on a shared one, or after a wait.
///
/// # Errors
/// That no further request may wait, or that no connection may be or could be opened.
pub(crate) async fn acquire(ask: Ask<'_>) -> Result<Granted, ForwardError> {
    let state = ask.cluster.state();
    let pool = state.pools().of(ask.priority, state.breakers(), ask.cluster.policy());
    loop {
        let grant = match pool.counting(state, |state| begin(state, &ask)) {
            Begun::Granted(grant) => grant,
            Begun::Waits { ticket, starved } => Waiter { pool, ask, ticket }.wait(starved).await?,
            Begun::Refused(limit) => {
                count_refused(state, limit);
                return Err(ForwardError::Overflow(limit));
            }
        };
        if let Some(granted) = ask.usable(grant) {
            return Ok(granted);
        }
    }
}

fn count_refused(cluster: &ClusterState, limit: Limit) {
    let stats = cluster.stats();
    stats.upstream_rq_pending_overflow.inc();
    if limit == Limit::Connections {
        stats.upstream_cx_overflow.inc();
    }
}

/// What came of asking.
enum Begun {
    Granted(Grant),
    Waits { ticket: u64, starved: bool },
    Refused(Limit),
}

/// In one step: what is free at this moment, else a place in the line.
fn begin(state: &mut State, ask: &Ask<'_>) -> Begun {
    let &Ask { key, worker, now, .. } = ask;
    let idle = |state: &mut State| {
        state.take_idle(key, worker, now).map(|(reader, life)| Grant::Exclusive(reader, life))
    };
    let free = match (key.protocol, ask.wanted) {
        (Protocol::Http1, Wanted::Any) => idle(state),
        (Protocol::Http2, _) => state.take_stream(key, worker, now).map(Grant::Stream),
        (Protocol::Http1, Wanted::New) | (Protocol::Tcp, _) => None,
    };
    if let Some(grant) = free {
        return Begun::Granted(grant);
    }
    match state.enqueue(key) {
        Ok(ticket) => Begun::Waits { ticket, starved: state.is_starved(key, ticket) },
        // Better an idle connection that may have ended than no answer.
        Err(limit) => match idle(state) {
            Some(grant) => Begun::Granted(grant),
            None => Begun::Refused(limit),
        },
    }
}

impl Ask<'_> {
    /// Makes a lease of what was granted; `None` when the connection has ended while nobody looked.
    fn usable(&self, grant: Grant) -> Option<Granted> {
        let cluster = self.cluster.state().clone();
        match grant {
            Grant::Exclusive(reader, life) => {
                let lease = Lease::new(life, cluster, self.priority);
                if !lease.is_fresh() && self.check.quiet(reader.stream()) == Quiet::No {
                    drop(reader);
                    lease.end(Ending::Left);
                    return None;
                }
                Some(Granted::Exclusive(reader, lease))
            }
            Grant::Stream(grant) => {
                if grant.last {
                    cluster.stats().upstream_cx_max_requests.inc();
                }
                Some(Granted::Stream(StreamLease {
                    local: grant.local,
                    reused: grant.reused,
                    id: grant.id,
                    key: self.key.clone(),
                    send: grant.send,
                    cluster,
                    priority: self.priority,
                }))
            }
            Grant::Failed(_) => None,
        }
    }
}

/// A request in the line.
struct Waiter<'a> {
    pool: &'a Pool,
    ask: Ask<'a>,
    ticket: u64,
}

impl Waiter<'_> {
    async fn wait(self, starved: bool) -> Result<Grant, ForwardError> {
        let stats = self.ask.cluster.state().stats();
        stats.upstream_rq_pending_total.inc();
        if starved {
            stats.upstream_cx_overflow.inc();
        }
        let _pending = Pending::begin(&self);
        let waiting = Place { waiter: &self, left: false };
        match waiting.granted().await {
            Grant::Failed(error) => {
                match error {
                    // A host that speaks no HTTP/2 took the connection, as Envoy counts it.
                    ForwardError::Protocol(_) => {}
                    ForwardError::Overflow(limit) => count_refused(self.ask.cluster.state(), limit),
                    _ => stats.upstream_rq_pending_failure_eject.inc(),
                }
                Err(error)
            }
            grant => Ok(grant),
        }
    }
}

/// Counts a waiting request.
struct Pending<'a>(&'a Waiter<'a>);

impl<'a> Pending<'a> {
    fn begin(waiter: &'a Waiter<'a>) -> Self {
        waiter.ask.cluster.state().stats().upstream_rq_pending_active.inc();
        Self(waiter)
    }
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        self.0.ask.cluster.state().stats().upstream_rq_pending_active.dec();
    }
}

/// A place in the line: left when it is granted or dropped.
struct Place<'a> {
    waiter: &'a Waiter<'a>,
    left: bool,
}

impl Place<'_> {
    async fn granted(mut self) -> Grant {
        let Waiter { pool, ask, ticket } = self.waiter;
        poll_fn(|cx| {
            loop {
                match pool.with(|state| state.poll_ticket(ask.key, *ticket, cx)) {
                    Poll::Ready(Step::Granted(grant)) => {
                        self.left = true;
                        return Poll::Ready(grant);
                    }
                    Poll::Ready(Step::Open(capacity)) => open::open(ask, capacity),
                    Poll::Pending => return Poll::Pending,
                }
            }
        })
        .await
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if self.left {
            return;
        }
        let Waiter { pool, ask, ticket } = self.waiter;
        let state = ask.cluster.state();
        state.stats().upstream_rq_cancelled.inc();
        let granted = pool.counting(state, |state| state.give_up(ask.key, *ticket));
        match granted.and_then(|grant| ask.usable(grant)) {
            Some(Granted::Exclusive(reader, lease)) => lease.give_back(reader),
            Some(Granted::Stream(_)) | None => {}
        }
    }
}
