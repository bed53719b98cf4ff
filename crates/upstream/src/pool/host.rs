//! What a pool has of one host.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::Waker;

use bytes::Bytes;
use h2::client::SendRequest;
use http::HeaderMap;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::Key;
use crate::HostState;
use crate::h1::Reader;

/// Connections to one host and the requests that wait for one.
#[derive(Debug)]
pub(super) struct HostPool {
    /// Unused HTTP/1 connections, the least recently used first.
    pub(super) idle: VecDeque<Idle>,
    /// HTTP/2 connections that take or have streams.
    pub(super) shared: Vec<Shared>,
    /// Connections that are neither idle nor being opened.
    pub(super) busy: u32,
    /// Waiting requests that the connections being opened will serve.
    pub(super) opening: u32,
    /// Oldest first, their tickets rise.
    pub(super) waiting: VecDeque<Waiting>,
    /// How many of `waiting` are in the pool's count of starved ones.
    pub(super) starved: u32,
    /// Connections opened in an earlier one take no new request.
    pub(super) epoch: u64,
}

/// What is known of a connection while it lives.
#[derive(Debug)]
pub(crate) struct Life {
    pub(crate) key: Key,
    pub(crate) host: Arc<HostState>,
    pub(crate) opened: Instant,
    /// The own address, asked once.
    pub(crate) local: Option<SocketAddr>,
    /// The worker whose runtime has its registration.
    pub(crate) home: usize,
    /// It goes straight from its opening to a request: the host had no time to find it idle.
    pub(crate) fresh: bool,
    /// Requests it was used for.
    pub(crate) served: u32,
    pub(crate) epoch: u64,
    /// An empty map whose memory the next response's headers take.
    pub(crate) spare: HeaderMap,
}

#[derive(Debug)]
pub(super) struct Idle {
    pub(super) reader: Reader,
    pub(super) life: Box<Life>,
    pub(super) since: Instant,
}

/// An HTTP/2 connection. Dropping it tells the task that drives it to end.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) id: u64,
    pub(super) send: SendRequest<Bytes>,
    pub(super) life: Life,
    pub(super) streams: u32,
    /// When the last stream ended.
    pub(super) since: Instant,
    /// It takes no new stream and is closed after the last.
    pub(super) draining: bool,
    pub(super) close: Arc<Notify>,
}

/// A request that waits.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) ticket: u64,
    pub(super) waker: Option<Waker>,
    /// It may open a connection, which will serve so many requests; it has not begun yet.
    pub(super) open: Option<u32>,
}

impl HostPool {
    pub(super) fn new(epoch: u64) -> Self {
        Self {
            idle: VecDeque::new(),
            shared: Vec::new(),
            busy: 0,
            opening: 0,
            waiting: VecDeque::new(),
            starved: 0,
            epoch,
        }
    }

    /// Nothing is left of it.
    pub(super) fn is_unused(&self) -> bool {
        self.idle.is_empty() && self.waiting.is_empty() && self.busy == 0 && self.opening == 0
    }

    /// The most recently used idle connection of this worker, else of any.
    pub(super) fn take_idle(&mut self, worker: usize) -> Option<Idle> {
        /// How far back the own worker's are looked for.
        const NEAR: usize = 16;
        let near = self.idle.iter().rev().take(NEAR).position(|idle| idle.life.home == worker);
        match near {
            Some(back) => self.idle.remove(self.idle.len() - 1 - back),
            None => self.idle.pop_back(),
        }
    }

    /// The HTTP/2 connection for the next stream: one of this worker, else any.
    pub(super) fn find_shared(&self, worker: usize, max_streams: u32) -> Option<usize> {
        let open = |shared: &&Shared| shared.has_room(max_streams);
        let own = |shared: &Shared| shared.life.home == worker && open(&shared);
        self.shared.iter().position(own).or_else(|| self.shared.iter().position(|s| open(&s)))
    }

    /// It takes no new stream; without streams it ends at once.
    pub(super) fn drain_shared(&mut self, index: usize) {
        let shared = &mut self.shared[index];
        shared.draining = true;
        if shared.streams == 0 {
            self.shared.swap_remove(index);
        }
    }

    /// The oldest waiting request that no connection being opened will serve.
    pub(super) fn oldest_starved(&self) -> Option<u64> {
        self.waiting.get(self.opening as usize).map(|waiting| waiting.ticket)
    }

    pub(super) fn find_waiting(&mut self, ticket: u64) -> Option<(usize, &mut Waiting)> {
        let index = self.waiting.binary_search_by_key(&ticket, |waiting| waiting.ticket).ok()?;
        self.waiting.get_mut(index).map(|waiting| (index, waiting))
    }
}

impl Shared {
    /// Whether it takes one more stream: of the configured limit and the peer's, the lower counts.
    pub(super) fn has_room(&self, max_streams: u32) -> bool {
        let allowed = self.send.current_max_send_streams().min(max_streams as usize);
        !self.draining && (self.streams as usize) < allowed
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.close.notify_one();
    }
}
