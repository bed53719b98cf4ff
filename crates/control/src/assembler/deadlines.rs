//! When something is due.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use destrier_policy::ClusterName;

/// What is due.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Due {
    /// The cluster waited for its endpoints long enough.
    Warming(ClusterName),
    /// The grace of the removed cluster is over.
    Removal(ClusterName),
    /// The assignment was not renewed in time.
    Stale(Arc<str>),
    /// Readiness no longer waits for something.
    Readiness,
}

/// At most one deadline per thing that can be due.
#[derive(Debug, Default)]
pub(super) struct Deadlines {
    by_time: BTreeSet<(Instant, Due)>,
    by_what: BTreeMap<Due, Instant>,
}

impl Deadlines {
    /// Sets, moves or (with `None`) cancels a deadline.
    pub(super) fn set(&mut self, what: Due, at: Option<Instant>) {
        let before = match at {
            Some(at) => self.by_what.insert(what.clone(), at),
            None => self.by_what.remove(&what),
        };
        if before == at {
            return;
        }
        if let Some(before) = before {
            self.by_time.remove(&(before, what.clone()));
        }
        if let Some(at) = at {
            self.by_time.insert((at, what));
        }
    }

    /// The first deadline.
    pub(super) fn next(&self) -> Option<Instant> {
        self.by_time.first().map(|(at, _)| *at)
    }

    /// Takes the first thing that is due.
    pub(super) fn pop(&mut self, now: Instant) -> Option<Due> {
        if self.next()? > now {
            return None;
        }
        let (_, what) = self.by_time.pop_first()?;
        self.by_what.remove(&what);
        Some(what)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.by_time.len()
    }
}
