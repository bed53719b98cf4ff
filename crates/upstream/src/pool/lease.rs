//! What a request holds of a connection: comes back, or ends the connection, when dropped.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use destrier_policy::RoutingPriority;
use h2::client::SendRequest;
use http::HeaderMap;
use tokio::time::Instant;

use super::{Key, Life};
use crate::h1::Reader;
use crate::{ClusterState, ClusterStats};

/// A connection of its own: HTTP/1 for one request, or TCP. Its socket must be closed before it is
/// dropped, since its permit is free then.
#[derive(Debug)]
pub(crate) struct Lease {
    /// Gone when it was given back.
    life: Option<Box<Life>>,
    cluster: Arc<ClusterState>,
    priority: RoutingPriority,
}

/// How a leased connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Closed here within a request.
    Cancelled,
    /// Closed by the host within a request.
    Remote,
    /// What the host sent is not HTTP.
    Protocol,
    /// Closed by the host within a response.
    CutShort,
    /// Closed by the host with no request on it.
    Left,
    /// The host said that it closes it, and the message was complete.
    Notified,
    /// Not usable again: a message without an end of its own, bytes that nobody asked for.
    Done,
}

impl Lease {
    pub(super) fn new(
        life: Box<Life>,
        cluster: Arc<ClusterState>,
        priority: RoutingPriority,
    ) -> Self {
        Self { life: Some(life), cluster, priority }
    }

    /// Whether nothing was sent on it yet and it never was idle.
    pub(crate) fn is_fresh(&self) -> bool {
        self.life.as_ref().is_some_and(|life| life.fresh)
    }

    /// The own address of the connection.
    pub(crate) fn local(&self) -> Option<SocketAddr> {
        self.life.as_ref().and_then(|life| life.local)
    }

    /// Whose statistics the traffic counts in.
    pub(crate) fn cluster(&self) -> &Arc<ClusterState> {
        &self.cluster
    }

    /// Counts the request that begins.
    pub(crate) fn begin(&mut self) {
        if let Some(life) = &mut self.life {
            life.fresh = false;
            life.served += 1;
        }
    }

    /// A map that may have memory already.
    pub(crate) fn take_spare(&mut self) -> HeaderMap {
        self.life.as_mut().map(|life| std::mem::take(&mut life.spare)).unwrap_or_default()
    }

    /// Keeps the memory of a map for the next response.
    pub(crate) fn keep_spare(&mut self, mut headers: HeaderMap) {
        headers.clear();
        if let Some(life) = &mut self.life {
            life.spare = headers;
        }
    }

    /// The connection goes on to the next request, unless it has served long enough.
    pub(crate) fn give_back(mut self, reader: Reader) {
        let Some(life) = self.life.take() else { return };
        let pool = self.cluster.pools().known(self.priority);
        let now = Instant::now();
        let (worn, first) = pool.with(|state| {
            let tuning = state.tuning;
            let worn = if tuning.max_requests.is_some_and(|max| life.served >= max) {
                Some(Worn::Requests)
            } else if tuning.expiry(now, &life, now).is_some() {
                Some(Worn::Duration)
            } else {
                None
            };
            match worn {
                Some(worn) => (Some((worn, reader, life)), false),
                None => {
                    state.freed(reader, life, now);
                    (None, !state.swept || !state.closed.is_empty())
                }
            }
        });
        if let Some((worn, reader, life)) = worn {
            drop(reader);
            self.close(life, |stats| {
                stats.upstream_cx_destroy_local.inc();
                match worn {
                    Worn::Requests => stats.upstream_cx_max_requests.inc(),
                    Worn::Duration => stats.upstream_cx_max_duration_reached.inc(),
                }
            });
        } else if first {
            pool.counting(&self.cluster, |_| ());
            pool.ensure_swept(&self.cluster, self.priority);
        }
    }

    /// The connection has ended; its socket is closed already.
    pub(crate) fn end(mut self, ending: Ending) {
        if let Some(life) = self.life.take() {
            self.close(life, |stats| count_ending(stats, ending));
        }
    }

    fn close(&self, life: Box<Life>, count: impl FnOnce(&ClusterStats)) {
        count_closed(self.cluster.stats(), &life, count);
        let pool = self.cluster.pools().known(self.priority);
        pool.counting(&self.cluster, |state| state.closed(&life.key));
    }
}

/// Why a good connection is not used again.
enum Worn {
    Requests,
    Duration,
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(life) = self.life.take() {
            self.close(life, |stats| count_ending(stats, Ending::Cancelled));
        }
    }
}

fn count_ending(stats: &ClusterStats, ending: Ending) {
    match ending {
        Ending::Cancelled | Ending::Protocol => {
            stats.upstream_cx_destroy_local.inc();
            stats.upstream_cx_destroy_local_with_active_rq.inc();
            stats.upstream_cx_destroy_with_active_rq.inc();
            if ending == Ending::Protocol {
                stats.upstream_cx_protocol_error.inc();
            }
        }
        Ending::Remote | Ending::CutShort => {
            if ending == Ending::CutShort {
                stats.upstream_cx_protocol_error.inc();
            }
            stats.upstream_cx_destroy_remote.inc();
            stats.upstream_cx_destroy_remote_with_active_rq.inc();
            stats.upstream_cx_destroy_with_active_rq.inc();
        }
        Ending::Left => stats.upstream_cx_destroy_remote.inc(),
        Ending::Notified => {
            stats.upstream_cx_destroy_local.inc();
            stats.upstream_cx_close_notify.inc();
        }
        Ending::Done => stats.upstream_cx_destroy_local.inc(),
    }
}

/// What the end of every connection counts.
pub(super) fn count_closed(stats: &ClusterStats, life: &Life, count: impl FnOnce(&ClusterStats)) {
    stats.upstream_cx_active.dec();
    stats.upstream_cx_destroy.inc();
    stats.upstream_cx_length_ms.record(Instant::now().saturating_duration_since(life.opened));
    life.host.stats().cx_active.dec();
    count(stats);
}

/// Room for a stream on an HTTP/2 connection.
#[derive(Debug)]
pub(crate) struct StreamLease {
    pub(crate) local: Option<SocketAddr>,
    /// The connection had streams before.
    pub(crate) reused: bool,
    pub(super) id: u64,
    pub(super) key: Key,
    pub(super) send: SendRequest<Bytes>,
    pub(super) cluster: Arc<ClusterState>,
    pub(super) priority: RoutingPriority,
}

impl StreamLease {
    /// What begins the stream.
    pub(crate) fn send(&mut self) -> &mut SendRequest<Bytes> {
        &mut self.send
    }
}

impl Drop for StreamLease {
    fn drop(&mut self) {
        let pool = self.cluster.pools().known(self.priority);
        let now = Instant::now();
        let unswept = pool.with(|state| {
            state.stream_ended(&self.key, self.id, now);
            !state.swept
        });
        if unswept {
            pool.ensure_swept(&self.cluster, self.priority);
        }
    }
}
