//! What happens while a limit binds: whose turn it is, and which connection has to go.

use super::grant::Grant;
use super::state::State;
use super::{Key, Protocol};
use crate::{ForwardError, Limit};

impl State {
    /// Gives out what there is: room below the limit, else what an idle connection of another host holds.
    pub(super) fn settle(&mut self) {
        while self.starved > 0 {
            let Some(key) = self.oldest_starved() else { return };
            if self.limits.connections.try_acquire() {
                self.let_open(&key);
            } else if !self.evict_idle() {
                if self.limits.connections.is_closed() {
                    self.refuse(&key);
                    continue;
                }
                self.evict_shared(&key);
                return;
            }
        }
    }

    /// The host whose request is starved longest.
    pub(super) fn oldest_starved(&self) -> Option<Key> {
        let starved = self.hosts.iter().filter(|(_, host)| host.starved > 0);
        let tickets = starved.filter_map(|(key, host)| Some((host.oldest_starved()?, key)));
        tickets.min_by_key(|(ticket, _)| *ticket).map(|(_, key)| key.clone())
    }

    /// Ends the wait of the host's oldest request: there is no connection, and there may be none.
    fn refuse(&mut self, key: &Key) {
        self.grant_oldest(key, Grant::Failed(ForwardError::Overflow(Limit::Connections)));
        self.tidy(key);
    }

    fn let_open(&mut self, key: &Key) {
        let capacity = match key.protocol {
            Protocol::Http1 | Protocol::Tcp => 1,
            Protocol::Http2 => self.tuning.max_streams.max(1),
        };
        let host = self.host(key);
        // The first starved one, else any that is not about to open another: who opens it makes no
        // difference, the oldest gets it.
        let starved = (host.opening as usize).min(host.waiting.len());
        let (covered, starved) = (0..starved, starved..host.waiting.len());
        let opener = starved.chain(covered).find(|index| host.waiting[*index].open.is_none());
        let waiting = opener.and_then(|index| host.waiting.get_mut(index));
        let waiting = waiting.expect("fewer are about to open one than wait, as one is starved");
        waiting.open = Some(capacity);
        let waker = waiting.waker.take();
        host.opening += capacity;
        self.wake.extend(waker);
        self.recount(key);
    }

    /// Closes the least recently used idle connection. It is another host's, unless the starved request
    /// wants a new one and no other.
    fn evict_idle(&mut self) -> bool {
        let hosts = self.hosts.iter();
        let fronts = hosts.filter_map(|(key, host)| Some((host.idle.front()?.since, key)));
        let Some(key) = fronts.min_by_key(|(since, _)| *since).map(|(_, key)| key.clone()) else {
            return false;
        };
        let host = self.host(&key);
        let idle = host.idle.pop_front().expect("it has a front");
        host.busy += 1;
        self.close_idle(idle, None);
        self.tidy(&key);
        true
    }

    /// Makes the HTTP/2 connection of another host that is nearest to idle end: at once, or when its
    /// streams have, so that a host without any connection gets its turn beside one that is never idle. One
    /// at a time; its permit comes free when it is closed.
    fn evict_shared(&mut self, wanted: &Key) {
        if !self.yielding.is_empty() {
            return;
        }
        let max_streams = self.tuning.max_streams;
        // A stream or connection of its own host will end, too.
        let has_own = self.hosts.get(wanted).is_some_and(|host| host.busy > 0);
        let shared = self.hosts.values_mut().flat_map(|host| &mut host.shared);
        let shared = shared.filter(|shared| {
            // One of its own is of no use when the peer allows no stream on it any more.
            let other = shared.life.key != *wanted || !shared.has_room(max_streams);
            !shared.draining && other && (shared.streams == 0 || !has_own)
        });
        let Some(shared) = shared.min_by_key(|shared| (shared.streams, shared.since)) else {
            return;
        };
        let (id, key) = (shared.id, shared.life.key.clone());
        self.yielding.insert(id);
        let host = self.host(&key);
        if let Some(index) = host.shared.iter().position(|shared| shared.id == id) {
            host.drain_shared(index);
        }
    }
}
