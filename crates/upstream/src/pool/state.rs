//! The decisions of a pool: who gets which connection, and who waits. No I/O but the closing of sockets,
//! no waiting; everything happens under the pool's lock.
//!
//! Words: a waiting request is *covered* when a connection being opened to its host will serve it, else
//! *starved*. Only starved requests count against `max_pending_requests`, so that with three connections
//! and two pending requests allowed, a burst of ten passes five. As long as a request is starved,
//! connections are either all in use or on their way to whoever is starved longest.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use tokio::time::Instant;

use super::grant::{Expiry, Grant, Step, StreamGrant, Tuning};
use super::host::{HostPool, Idle, Life, Shared, Waiting};
use super::{Key, Protocol};
use crate::breakers::Limits;
use crate::h1::Reader;
use crate::hash::FastHash;
use crate::{ForwardError, Limit};

#[derive(Debug)]
pub(super) struct State {
    pub(super) limits: Arc<Limits>,
    pub(super) tuning: Tuning,
    pub(super) hosts: HashMap<Key, HostPool, FastHash>,
    granted: HashMap<u64, Grant>,
    next_id: u64,
    pub(super) starved: u32,
    /// HTTP/2 connections that end so that a starved request can open its own.
    pub(super) yielding: HashSet<u64>,
    /// Woken when the lock is free again.
    pub(super) wake: Vec<Waker>,
    /// Idle connections closed since the last time somebody asked, to be counted.
    pub(super) closed: Vec<(Box<Life>, Option<Expiry>)>,
    /// Somebody looks after idle connections.
    pub(super) swept: bool,
}

impl State {
    pub(super) fn new(limits: Arc<Limits>, tuning: Tuning) -> Self {
        Self {
            limits,
            tuning,
            hosts: HashMap::default(),
            granted: HashMap::new(),
            next_id: 0,
            starved: 0,
            yielding: HashSet::new(),
            wake: Vec::new(),
            closed: Vec::new(),
            swept: false,
        }
    }

    /// A decision is made: its outcome shows in the gauge, never a step on the way. Gives who is to be
    /// woken when the lock is free again.
    pub(super) fn decided(&mut self) -> Vec<Waker> {
        self.limits.pending.set_used(self.starved);
        std::mem::take(&mut self.wake)
    }

    pub(super) fn next_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    /// An idle connection to this host that has not outlived its time.
    pub(super) fn take_idle(
        &mut self,
        key: &Key,
        worker: usize,
        now: Instant,
    ) -> Option<(Reader, Box<Life>)> {
        let tuning = self.tuning;
        loop {
            let host = self.hosts.get_mut(key)?;
            let idle = host.take_idle(worker)?;
            host.busy += 1;
            match tuning.expiry(idle.since, &idle.life, now) {
                None => return Some((idle.reader, idle.life)),
                Some(expiry) => self.close_idle(idle, Some(expiry)),
            }
        }
    }

    /// Room for a stream on a connection to this host, unless another host is starved: then its
    /// connections have to become free one after the other.
    pub(super) fn take_stream(
        &mut self,
        key: &Key,
        worker: usize,
        now: Instant,
    ) -> Option<StreamGrant> {
        if self.starved > 0 && self.oldest_starved().is_some_and(|starved| starved != *key) {
            return None;
        }
        let tuning = self.tuning;
        let host = self.hosts.get_mut(key)?;
        while let Some(index) = host.find_shared(worker, tuning.max_streams) {
            let shared = &mut host.shared[index];
            // One that is in use is not idle, however long ago its last stream ended.
            let since = if shared.streams == 0 { shared.since } else { now };
            if tuning.expiry(since, &shared.life, now).is_some() {
                host.drain_shared(index);
            } else if let Some(grant) = begin_stream(host, index, tuning.max_requests) {
                return Some(grant);
            }
        }
        None
    }

    /// Waits in line for a connection to this host.
    ///
    /// # Errors
    /// There may be no further waiting request, or no connection that it could wait for.
    pub(super) fn enqueue(&mut self, key: &Key) -> Result<u64, Limit> {
        let max_pending = self.limits.pending.limit();
        if max_pending == 0 {
            return Err(Limit::Pending);
        }
        if self.limits.connections.is_closed() {
            return Err(Limit::Connections);
        }
        let ticket = self.next_id();
        self.host(key).waiting.push_back(Waiting { ticket, waker: None, open: None });
        self.recount(key);
        self.settle();
        if self.starved > max_pending && self.is_starved(key, ticket) {
            self.remove_waiting(key, ticket);
            return Err(Limit::Pending);
        }
        Ok(ticket)
    }

    pub(super) fn poll_ticket(
        &mut self,
        key: &Key,
        ticket: u64,
        cx: &mut Context<'_>,
    ) -> Poll<Step> {
        if let Some(grant) = self.granted.remove(&ticket) {
            return Poll::Ready(Step::Granted(grant));
        }
        let found = self.hosts.get_mut(key).and_then(|host| host.find_waiting(ticket));
        let (_, waiting) = found.expect("a ticket waits until it is granted or given back");
        if let Some(capacity) = waiting.open.take() {
            return Poll::Ready(Step::Open(capacity));
        }
        waiting.waker = Some(cx.waker().clone());
        Poll::Pending
    }

    /// The request has gone. What it was granted meanwhile is the caller's to give back.
    pub(super) fn give_up(&mut self, key: &Key, ticket: u64) -> Option<Grant> {
        let granted = self.granted.remove(&ticket);
        if granted.is_none() {
            self.remove_waiting(key, ticket);
            self.settle();
        }
        granted
    }

    /// A connection was opened for a request of this host; it may meanwhile serve another.
    pub(super) fn opened(
        &mut self,
        capacity: u32,
        reader: Reader,
        mut life: Box<Life>,
        now: Instant,
    ) {
        let key = life.key.clone();
        let host = self.host(&key);
        host.opening -= capacity;
        host.busy += 1;
        life.epoch = host.epoch;
        if host.waiting.is_empty() {
            self.recount(&key);
            self.freed(reader, life, now);
        } else {
            self.grant_oldest(&key, Grant::Exclusive(reader, life));
        }
        self.settle();
    }

    /// The same for HTTP/2: it serves as many as it has room for.
    pub(super) fn opened_shared(&mut self, capacity: u32, mut shared: Shared) {
        let key = shared.life.key.clone();
        let host = self.host(&key);
        host.opening -= capacity;
        host.busy += 1;
        shared.life.epoch = host.epoch;
        host.shared.push(shared);
        self.serve_streams(&key);
        self.recount(&key);
        self.settle();
    }

    /// No connection came of it. The oldest request fails; all of this host's do when there is no other
    /// connection that could serve them.
    pub(super) fn open_failed(&mut self, key: &Key, capacity: u32, error: &ForwardError) {
        self.disconnected();
        let host = self.host(key);
        host.opening -= capacity;
        let hopeless = host.opening == 0 && host.busy == 0 && host.idle.is_empty();
        let failing = if hopeless { host.waiting.len() } else { 1.min(host.waiting.len()) };
        for _ in 0..failing {
            self.grant_oldest(key, Grant::Failed(error.clone()));
        }
        self.recount(key);
        self.settle();
        self.tidy(key);
    }

    /// Nobody goes on opening it: whoever waits may begin anew.
    pub(super) fn open_abandoned(&mut self, key: &Key, capacity: u32) {
        self.disconnected();
        self.host(key).opening -= capacity;
        self.recount(key);
        self.settle();
        self.tidy(key);
    }

    /// A connection is no longer used and can serve another request.
    pub(super) fn freed(&mut self, reader: Reader, mut life: Box<Life>, now: Instant) {
        let key = life.key.clone();
        let other_starved =
            self.starved > 0 && self.oldest_starved().is_some_and(|starved| starved != key);
        let host = self.host(&key);
        let current = life.epoch == host.epoch;
        if other_starved || !current || (host.waiting.is_empty() && key.protocol == Protocol::Tcp) {
            self.close_idle(Idle { reader, life, since: now }, None);
            self.settle();
            self.tidy(&key);
        } else if host.waiting.is_empty() {
            life.fresh = false;
            host.busy -= 1;
            host.idle.push_back(Idle { reader, life, since: now });
        } else {
            self.grant_oldest(&key, Grant::Exclusive(reader, life));
        }
    }

    /// A connection of its own was closed by whoever had it.
    pub(super) fn closed(&mut self, key: &Key) {
        self.disconnected();
        self.host(key).busy -= 1;
        self.settle();
        self.tidy(key);
    }

    /// A stream is over.
    pub(super) fn stream_ended(&mut self, key: &Key, id: u64, now: Instant) {
        let Some(host) = self.hosts.get_mut(key) else { return };
        let Some(index) = host.shared.iter().position(|shared| shared.id == id) else { return };
        let shared = &mut host.shared[index];
        shared.streams -= 1;
        shared.since = now;
        if shared.streams == 0 && (shared.draining || shared.life.epoch != host.epoch) {
            host.shared.swap_remove(index);
            return;
        }
        if self.starved == 0 || self.oldest_starved().is_some_and(|starved| starved == *key) {
            self.serve_streams(key);
            self.recount(key);
        }
        self.settle();
    }

    /// The task of an HTTP/2 connection has ended, and with it the connection.
    pub(super) fn closed_shared(&mut self, key: &Key, id: u64) {
        self.yielding.remove(&id);
        if let Some(host) = self.hosts.get_mut(key) {
            host.shared.retain(|shared| shared.id != id);
        }
        self.closed(key);
    }

    /// These connections take no new request: their host is gone, or they are of a transport that it no
    /// longer has.
    pub(super) fn retire(&mut self, is_gone: impl Fn(&Key) -> bool) {
        let keys: Vec<Key> = self.hosts.keys().filter(|key| is_gone(key)).cloned().collect();
        for key in keys {
            let epoch = self.next_id();
            let host = self.host(&key);
            host.epoch = epoch;
            host.shared.iter_mut().for_each(|shared| shared.draining = true);
            host.shared.retain(|shared| shared.streams > 0);
            while let Some(idle) = self.host(&key).idle.pop_front() {
                self.host(&key).busy += 1;
                self.close_idle(idle, None);
            }
            self.tidy(&key);
        }
        self.settle();
    }

    /// Gives rooms for streams to the requests that wait longest.
    fn serve_streams(&mut self, key: &Key) {
        let (max_streams, max_requests) = (self.tuning.max_streams, self.tuning.max_requests);
        loop {
            let host = self.host(key);
            if host.waiting.is_empty() {
                return;
            }
            let Some(index) = host.find_shared(usize::MAX, max_streams) else { return };
            if let Some(grant) = begin_stream(host, index, max_requests) {
                self.grant_oldest(key, Grant::Stream(grant));
            }
        }
    }

    pub(super) fn grant_oldest(&mut self, key: &Key, grant: Grant) {
        let host = self.host(key);
        let waiting = host.waiting.pop_front().expect("somebody waits");
        self.granted.insert(waiting.ticket, grant);
        self.wake.extend(waiting.waker);
        self.pass_on(key, waiting.open);
        self.recount(key);
    }

    fn remove_waiting(&mut self, key: &Key, ticket: u64) {
        let Some(host) = self.hosts.get_mut(key) else { return };
        let Some((index, waiting)) = host.find_waiting(ticket) else { return };
        let open = waiting.open.take();
        host.waiting.remove(index);
        self.pass_on(key, open);
        self.recount(key);
        self.tidy(key);
    }

    /// A request that was to open a connection no longer needs it: the next of its host that is not
    /// opening one does, or the permit is free.
    fn pass_on(&mut self, key: &Key, open: Option<u32>) {
        let Some(capacity) = open else { return };
        let host = self.host(key);
        host.opening -= capacity;
        // Settling gives it to whoever is starved longest, which may be of this host.
        self.disconnected();
    }

    pub(super) fn close_idle(&mut self, idle: Idle, expiry: Option<Expiry>) {
        let Idle { reader, life, .. } = idle;
        // The socket is closed before another may be opened in its place.
        drop(reader);
        self.disconnected();
        self.host(&life.key).busy -= 1;
        self.closed.push((life, expiry));
    }

    fn disconnected(&mut self) {
        self.limits.connections.release();
    }

    pub(super) fn is_starved(&self, key: &Key, ticket: u64) -> bool {
        let oldest = self.hosts.get(key).and_then(HostPool::oldest_starved);
        oldest.is_some_and(|oldest| oldest <= ticket)
    }

    pub(super) fn recount(&mut self, key: &Key) {
        let Some(host) = self.hosts.get_mut(key) else { return };
        let starved = (host.waiting.len() as u32).saturating_sub(host.opening);
        self.starved = self.starved - host.starved + starved;
        host.starved = starved;
    }

    pub(super) fn host(&mut self, key: &Key) -> &mut HostPool {
        let next_id = &mut self.next_id;
        self.hosts.entry(key.clone()).or_insert_with(|| {
            *next_id += 1;
            HostPool::new(*next_id)
        })
    }

    pub(super) fn tidy(&mut self, key: &Key) {
        if self.hosts.get(key).is_some_and(HostPool::is_unused) {
            self.hosts.remove(key);
        }
    }
}

/// Takes room on a connection; `None` when it turns out to take no stream (GOAWAY), which it then never
/// will.
fn begin_stream(
    host: &mut HostPool,
    index: usize,
    max_requests: Option<u32>,
) -> Option<StreamGrant> {
    let shared = &mut host.shared[index];
    let mut send = shared.send.clone();
    let mut cx = Context::from_waker(Waker::noop());
    if let Poll::Ready(Err(_)) = send.poll_ready(&mut cx) {
        host.drain_shared(index);
        return None;
    }
    shared.streams += 1;
    shared.life.served += 1;
    shared.draining = max_requests.is_some_and(|max| shared.life.served >= max);
    Some(StreamGrant {
        id: shared.id,
        send,
        local: shared.life.local,
        reused: !std::mem::replace(&mut shared.life.fresh, false),
        last: shared.draining,
    })
}
