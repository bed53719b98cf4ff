//! Memory of the tables of all clusters together.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How much memory the hash tables of the process may take. Shared by all clusters.
#[derive(Debug)]
pub struct TableBudget {
    limit: usize,
    used: AtomicUsize,
}

impl TableBudget {
    /// 256 MiB.
    pub const DEFAULT_LIMIT: usize = 256 << 20;

    /// A budget of `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self { limit, used: AtomicUsize::new(0) }
    }

    /// The limit, in bytes.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// What the tables that exist now take, in bytes.
    pub fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    /// Sets `bytes` aside until the reservation is dropped.
    pub(crate) fn reserve(self: &Arc<Self>, bytes: usize) -> Result<Reservation, OverBudget> {
        let take = |used: usize| used.checked_add(bytes).filter(|&sum| sum <= self.limit);
        match self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take) {
            Ok(_) => Ok(Reservation { budget: Arc::clone(self), bytes }),
            Err(used) => Err(OverBudget { bytes, used, limit: self.limit }),
        }
    }
}

impl Default for TableBudget {
    fn default() -> Self {
        Self::new(Self::DEFAULT_LIMIT)
    }
}

/// Bytes of the budget that are taken. Given back on drop.
#[derive(Debug)]
pub(crate) struct Reservation {
    budget: Arc<TableBudget>,
    bytes: usize,
}

impl Reservation {
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.budget.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// A table does not fit into what is left of the budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OverBudget {
    /// What the table would take.
    pub bytes: usize,
    /// What other tables take.
    pub used: usize,
    /// The budget.
    pub limit: usize,
}

impl fmt::Display for OverBudget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { bytes, used, limit } = self;
        write!(f, "{bytes} bytes are over the budget: {used} of {limit} bytes are in use")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reservation_is_given_back_and_what_is_over_is_refused() {
        let budget = Arc::new(TableBudget::new(100));
        let held = budget.reserve(60).expect("fits");
        let refused = budget.reserve(41).expect_err("1 byte over");
        assert_eq!(refused, OverBudget { bytes: 41, used: 60, limit: 100 });
        assert_eq!(refused.to_string(), "41 bytes are over the budget: 60 of 100 bytes are in use");
        assert!(budget.reserve(usize::MAX).is_err(), "no overflow");
        drop(held);
        assert_eq!(budget.used(), 0);
        budget.reserve(100).expect("fits exactly");
    }
}
