//! Connections to hosts: kept, shared and waited for.
//!
//! A pool is one for a cluster and routing priority, over all hosts and workers, since its limit of
//! connections is. `state` and `settle` decide, `acquire` asks and waits, `lease` is what a request holds,
//! `open` makes connections, `sweep` closes the unused.

mod acquire;
mod grant;
mod host;
mod key;
mod lease;
mod open;
mod settle;
mod state;
mod sweep;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod turns;

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use destrier_policy::{Address, ClusterPolicy, RoutingPriority};
use tokio::sync::Notify;
use tokio::time::Instant;

pub(crate) use acquire::{Ask, Check, Granted, Wanted, acquire};
pub(crate) use host::Life;
pub(crate) use key::{Key, Protocol, TransportKey};
pub(crate) use lease::{Ending, Lease, StreamLease};

use crate::{Breakers, ClusterState};
use grant::{Expiry, Tuning};
use state::State;

/// The pools of a cluster. State: outlives every policy.
#[derive(Debug, Default)]
pub struct Pools {
    /// What was published last: for pools that are made later. Locked before any pool.
    tuning: Mutex<Option<Tuning>>,
    /// Made with the first request.
    priorities: [OnceLock<Box<Pool>>; 2],
}

/// The pool of one routing priority.
#[derive(Debug)]
pub(crate) struct Pool {
    state: Mutex<State>,
    /// The times in force have changed.
    retuned: Arc<Notify>,
}

impl Pools {
    /// The limits and times in force, for connections that nobody uses and requests that wait. To be
    /// called at each publish, after the limits were set.
    pub fn set_timeouts(&self, policy: &ClusterPolicy) {
        let tuning = Tuning::of(policy);
        let mut published = lock(&self.tuning);
        *published = Some(tuning);
        for pool in self.priorities.iter().filter_map(OnceLock::get) {
            pool.with(|state| {
                state.tuning = tuning;
                state.settle();
            });
            pool.retuned.notify_one();
        }
    }

    /// Closes the idle connections to these hosts, which are gone or whose transport changed; the busy
    /// ones finish and take no new request.
    pub fn retire(&self, hosts: &[Address]) {
        for pool in self.priorities.iter().filter_map(OnceLock::get) {
            pool.with(|state| state.retire(|key| hosts.contains(&key.address)));
        }
    }

    /// Whether there is a connection to a host, or one is being opened.
    pub(crate) fn holds(&self, host: &Address) -> bool {
        let pools = self.priorities.iter().filter_map(OnceLock::get);
        pools
            .into_iter()
            .any(|pool| pool.with(|state| state.hosts.keys().any(|key| key.address == *host)))
    }

    /// The pool of a priority, made with the times in force, or with those of `policy` when none were
    /// published.
    pub(crate) fn of(
        &self,
        priority: RoutingPriority,
        breakers: &Breakers,
        policy: &ClusterPolicy,
    ) -> &Pool {
        let cell = &self.priorities[priority.index()];
        if let Some(pool) = cell.get() {
            return pool;
        }
        let published = lock(&self.tuning);
        cell.get_or_init(|| {
            let tuning = published.unwrap_or_else(|| Tuning::of(policy));
            let state = Mutex::new(State::new(breakers.of(priority).clone(), tuning));
            Box::new(Pool { state, retuned: Arc::default() })
        })
    }

    /// The pool that a connection came from.
    fn known(&self, priority: RoutingPriority) -> &Pool {
        self.priorities[priority.index()].get().expect("a connection comes from a pool")
    }
}

impl Pool {
    /// Decides something; who has to know of it is woken when the lock is free again.
    fn with<T>(&self, decide: impl FnOnce(&mut State) -> T) -> T {
        let mut state = lock(&self.state);
        let decided = decide(&mut state);
        let wakers = state.decided();
        drop(state);
        for waker in wakers {
            waker.wake();
        }
        decided
    }

    /// The same, and counts what was closed by it.
    fn counting<T>(&self, cluster: &ClusterState, decide: impl FnOnce(&mut State) -> T) -> T {
        let (decided, closed) =
            self.with(|state| (decide(state), std::mem::take(&mut state.closed)));
        for (life, expiry) in closed {
            lease::count_closed(cluster.stats(), &life, |stats| match expiry {
                Some(Expiry::Ended) => stats.upstream_cx_destroy_remote.inc(),
                other => {
                    stats.upstream_cx_destroy_local.inc();
                    match other {
                        Some(Expiry::Idle) => stats.upstream_cx_idle_timeout.inc(),
                        Some(Expiry::Duration) => stats.upstream_cx_max_duration_reached.inc(),
                        _ => {}
                    }
                }
            });
        }
        decided
    }

    /// Looks after unused connections from now on, if nobody does.
    fn ensure_swept(&self, cluster: &Arc<ClusterState>, priority: RoutingPriority) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let unswept = self.with(|state| !std::mem::replace(&mut state.swept, true));
        if unswept {
            let sweeper = Sweeper { cluster: Arc::downgrade(cluster), priority };
            runtime.spawn(sweeper.run(self.retuned.clone()));
        }
    }
}

/// The task that closes unused connections; it ends when there are none, or with its runtime.
struct Sweeper {
    cluster: Weak<ClusterState>,
    priority: RoutingPriority,
}

impl Sweeper {
    async fn run(self, retuned: Arc<Notify>) {
        while let Some(next) = self.sweep() {
            // Woken early when the times change.
            let _ = tokio::time::timeout_at(next, retuned.notified()).await;
        }
    }

    fn sweep(&self) -> Option<Instant> {
        let cluster = self.cluster.upgrade()?;
        let pool = cluster.pools().known(self.priority);
        pool.counting(&cluster, |state| {
            let next = state.sweep(Instant::now());
            state.swept = next.is_some();
            next
        })
    }
}

impl Drop for Sweeper {
    fn drop(&mut self) {
        // Its runtime ends before its work is done: the next idle connection starts another.
        if let Some(cluster) = self.cluster.upgrade() {
            cluster.pools().known(self.priority).with(|state| state.swept = false);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // No code under these locks leaves half a change behind.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
