//! What outlives a balancer: places in rotations, and counts.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use destrier_policy::Locality;

use crate::counters::LbCounters;

/// What outlives a [`crate::Balancer`]: how many picks of each rotation were made, and what was counted.
/// Shared by all workers; kept across every change of hosts and policy, replaced when the algorithm
/// changes.
#[derive(Debug)]
pub struct LbState {
    /// Of the healthy hosts of priority 0, which is all that most clusters have.
    main: AtomicU64,
    seed: u64,
    others: Mutex<HashMap<u64, Weak<AtomicU64>>>,
    counters: LbCounters,
}

impl LbState {
    /// Rotations that begin at places chosen by the random `seed`, so that a fleet of agents does not
    /// begin with the same host.
    pub fn new(seed: u64) -> Self {
        let main = AtomicU64::new(first_place(seed));
        Self { main, seed, others: Mutex::default(), counters: LbCounters::default() }
    }

    /// What is counted.
    pub fn counters(&self) -> &LbCounters {
        &self.counters
    }

    /// The place in the rotation of these hosts. It goes on where an earlier balancer had the same ones.
    pub(crate) fn cursor(&self, of: &Turn<'_>) -> Cursor {
        if *of == Turn::MAIN {
            return Cursor(None);
        }
        let mut hasher = DefaultHasher::new();
        of.hash(&mut hasher);
        let key = hasher.finish();
        let mut others = self.others.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = others.get(&key).and_then(Weak::upgrade) {
            return Cursor(Some(known));
        }
        others.retain(|_, cursor| cursor.strong_count() > 0);
        let cursor = Arc::new(AtomicU64::new(first_place(self.seed ^ key)));
        others.insert(key, Arc::downgrade(&cursor));
        Cursor(Some(cursor))
    }
}

/// Far from the end of the range, where counting on would break the order.
fn first_place(seed: u64) -> u64 {
    seed >> 16
}

/// Which rotation: of which hosts, or among localities.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Turn<'a> {
    /// 0, or of a subset.
    pub(crate) scope: u64,
    pub(crate) priority: u32,
    pub(crate) of: TurnOf,
    /// Of one locality, or of all.
    pub(crate) locality: Option<&'a Locality>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum TurnOf {
    Healthy,
    Degraded,
    All,
    HealthyLocalities,
    DegradedLocalities,
}

impl Turn<'_> {
    const MAIN: Turn<'static> = Turn { scope: 0, priority: 0, of: TurnOf::Healthy, locality: None };
}

/// A place in a rotation: `None` is the main one, without a detour.
#[derive(Debug)]
pub(crate) struct Cursor(Option<Arc<AtomicU64>>);

impl Cursor {
    fn place<'a>(&'a self, state: &'a LbState) -> &'a AtomicU64 {
        self.0.as_deref().unwrap_or(&state.main)
    }

    pub(crate) fn position(&self, state: &LbState) -> u64 {
        self.place(state).load(Ordering::Relaxed)
    }

    /// Takes the next place.
    pub(crate) fn advance(&self, state: &LbState) -> u64 {
        self.place(state).fetch_add(1, Ordering::Relaxed)
    }
}
