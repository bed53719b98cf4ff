//! Opening a connection for requests that wait. It goes on when they have gone, and then joins the idle
//! ones: what was begun for one request may serve the next.

use std::net::SocketAddr;
use std::sync::{Arc, Weak};

use bytes::Bytes;
use destrier_policy::RoutingPriority;
use h2::client::SendRequest;
use http::HeaderMap;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::acquire::Ask;
use super::host::{Life, Shared};
use super::lease::count_closed;
use super::{Key, Protocol};
use crate::connect::{connect, failed};
use crate::h1::Reader;
use crate::h2::{Driver, Parting, handshake};
use crate::{Cluster, ClusterState, ForwardError, HostState, Stream};

/// Begins to open a connection on the current runtime, which it will belong to.
pub(super) fn open(ask: &Ask<'_>, capacity: u32) {
    let attempt = Attempt {
        cluster: ask.cluster.clone(),
        host: ask.host.clone(),
        key: ask.key.clone(),
        priority: ask.priority,
        worker: ask.worker,
        capacity,
        begun: Instant::now(),
        decided: false,
    };
    attempt.count_begin();
    tokio::spawn(attempt.run());
}

/// A connection being opened; holds a permit until it is open or has failed.
struct Attempt {
    cluster: Arc<Cluster>,
    host: Arc<HostState>,
    key: Key,
    priority: RoutingPriority,
    worker: usize,
    /// How many waiting requests it covers.
    capacity: u32,
    begun: Instant,
    decided: bool,
}

/// What was opened.
enum Opened {
    Exclusive(Stream),
    Shared(SendRequest<Bytes>, Box<Driver>, Option<SocketAddr>),
}

impl Attempt {
    async fn run(mut self) {
        let timeout = self.cluster.policy().connect_timeout;
        let opened = match tokio::time::timeout(timeout, self.attempt()).await {
            Ok(opened) => opened,
            Err(_) => Err(ForwardError::ConnectTimeout),
        };
        match opened {
            Ok(opened) => self.opened(opened),
            Err(error) => self.failed(&error),
        }
    }

    async fn attempt(&self) -> Result<Opened, ForwardError> {
        let policy = self.cluster.policy();
        let address = &self.key.address;
        let stream = connect(address, policy).await.map_err(|error| failed(address, &error))?;
        match self.key.protocol {
            Protocol::Http1 | Protocol::Tcp => Ok(Opened::Exclusive(stream)),
            Protocol::Http2 => {
                let local = stream.local_address();
                let cluster = Arc::downgrade(self.cluster.state());
                let (send, driver) = handshake(stream, &policy.http, cluster).await?;
                Ok(Opened::Shared(send, Box::new(driver), local))
            }
        }
    }

    fn opened(&mut self, opened: Opened) {
        self.decided = true;
        let now = Instant::now();
        let state = self.cluster.state();
        let time = now.saturating_duration_since(self.begun);
        state.stats().upstream_cx_connect_ms.record(time);
        let pool = state.pools().known(self.priority);
        let capacity = self.capacity;
        match opened {
            Opened::Exclusive(stream) => {
                let life = Box::new(self.life(now, stream.local_address()));
                let reader = Reader::new(Arc::new(stream));
                pool.counting(state, |state| state.opened(capacity, reader, life, now));
            }
            Opened::Shared(send, driver, local) => {
                let close = Arc::new(Notify::new());
                let id = pool.with(|state| state.next_id());
                let presence = Presence {
                    id,
                    life: self.life(now, local),
                    cluster: Arc::downgrade(state),
                    priority: self.priority,
                };
                tokio::spawn(presence.last_for(driver, close.clone()));
                let shared = Shared {
                    id,
                    send,
                    life: self.life(now, local),
                    streams: 0,
                    since: now,
                    draining: false,
                    close,
                };
                pool.counting(state, |state| state.opened_shared(capacity, shared));
            }
        }
        pool.ensure_swept(state, self.priority);
    }

    fn failed(&mut self, error: &ForwardError) {
        self.decided = true;
        let state = self.cluster.state();
        let stats = state.stats();
        let host = self.host.stats();
        stats.upstream_cx_connect_fail.inc();
        host.cx_connect_fail.inc();
        count_closed(stats, &self.life(self.begun, None), |stats| match error {
            ForwardError::ConnectTimeout => {
                stats.upstream_cx_connect_timeout.inc();
                stats.upstream_cx_destroy_local.inc();
            }
            ForwardError::Protocol(_) => {
                stats.upstream_cx_protocol_error.inc();
                stats.upstream_cx_destroy_local.inc();
            }
            _ => stats.upstream_cx_destroy_remote.inc(),
        });
        let pool = state.pools().known(self.priority);
        pool.counting(state, |state| state.open_failed(&self.key, self.capacity, error));
    }

    fn count_begin(&self) {
        let stats = self.cluster.state().stats();
        stats.upstream_cx_total.inc();
        stats.upstream_cx_active.inc();
        match self.key.protocol {
            Protocol::Http1 => stats.upstream_cx_http1_total.inc(),
            Protocol::Http2 => stats.upstream_cx_http2_total.inc(),
            Protocol::Tcp => {}
        }
        self.host.stats().cx_total.inc();
        self.host.stats().cx_active.inc();
    }

    fn life(&self, opened: Instant, local: Option<SocketAddr>) -> Life {
        Life {
            key: self.key.clone(),
            host: self.host.clone(),
            opened,
            local,
            home: self.worker,
            fresh: true,
            served: 0,
            epoch: 0,
            spare: HeaderMap::new(),
        }
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if self.decided {
            return;
        }
        // Its runtime ends.
        let state = self.cluster.state();
        count_closed(state.stats(), &self.life(self.begun, None), |stats| {
            stats.upstream_cx_destroy_local.inc();
        });
        let pool = state.pools().known(self.priority);
        pool.counting(state, |state| state.open_abandoned(&self.key, self.capacity));
    }
}

/// An HTTP/2 connection as the limits see it: gives its permit back when the connection has ended, also
/// with its runtime.
struct Presence {
    id: u64,
    life: Life,
    cluster: Weak<ClusterState>,
    priority: RoutingPriority,
}

impl Presence {
    async fn last_for(self, driver: Box<Driver>, close: Arc<Notify>) {
        let parting = driver.run(&close).await;
        let Some(cluster) = self.cluster.upgrade() else { return };
        let stats = cluster.stats();
        match parting {
            Parting::Closed => stats.upstream_cx_destroy_local.inc(),
            Parting::Ended => stats.upstream_cx_destroy_remote.inc(),
            Parting::GoneAway => {
                stats.upstream_cx_destroy_remote.inc();
                stats.upstream_cx_close_notify.inc();
            }
            Parting::Broken => {
                stats.upstream_cx_destroy_local.inc();
                stats.upstream_cx_protocol_error.inc();
            }
        }
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        let Some(cluster) = self.cluster.upgrade() else { return };
        count_closed(cluster.stats(), &self.life, |_| ());
        let pool = cluster.pools().known(self.priority);
        pool.counting(&cluster, |state| state.closed_shared(&self.life.key, self.id));
    }
}
