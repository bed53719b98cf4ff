//! Counters, gauges and histograms that are kept, by Envoy's names. What is not kept is absent.

mod cluster;
mod codes;
mod host;
mod manager;

use std::sync::atomic::{AtomicU64, Ordering};

use crate::Histogram;

pub use cluster::ClusterStats;
pub use codes::{Caller, CodeCounts};
pub use host::HostStats;
pub(crate) use manager::ManagerStats;

/// A number that only grows. Relaxed: it orders nothing.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// One more.
    pub fn inc(&self) {
        self.add(1);
    }

    /// Several more.
    pub fn add(&self, amount: u64) {
        self.0.fetch_add(amount, Ordering::Relaxed);
    }

    /// The count.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Back to zero: `/reset_counters`.
    pub fn reset(&self) {
        self.0.store(0, Ordering::Relaxed);
    }
}

/// A number that goes both ways; every `inc` has its `dec`. Relaxed: it orders nothing.
#[derive(Debug, Default)]
pub struct Gauge(AtomicU64);

impl Gauge {
    /// One more.
    pub fn inc(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// One less.
    pub fn dec(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }

    /// The value of this moment.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// One value when statistics are visited.
#[derive(Clone, Copy, Debug)]
pub enum StatValue<'a> {
    /// Only grows.
    Counter(u64),
    /// Goes both ways.
    Gauge(u64),
    /// A distribution.
    Histogram(&'a Histogram),
}

/// What is called for each statistic: its name without the cluster's prefix, and its value.
pub type StatVisitor<'a> = dyn FnMut(&str, StatValue<'_>) + 'a;

/// A statistic that knows how it is shown.
pub trait Stat {
    /// Its value at this moment.
    fn value(&self) -> StatValue<'_>;

    /// Back to zero if it is a counter; anything else stays.
    fn reset_counter(&self) {}
}

impl Stat for Counter {
    fn value(&self) -> StatValue<'_> {
        StatValue::Counter(self.get())
    }

    fn reset_counter(&self) {
        self.reset();
    }
}

impl Stat for Gauge {
    fn value(&self) -> StatValue<'_> {
        StatValue::Gauge(self.get())
    }
}

impl Stat for Histogram {
    fn value(&self) -> StatValue<'_> {
        StatValue::Histogram(self)
    }
}

/// A struct whose fields bear the names of Envoy's statistics, with the visit of all of them: a
/// statistic cannot be kept and not shown.
macro_rules! stats {
    (
        $(#[$about:meta])* $vis:vis $name:ident { $($(#[$doc:meta])* $field:ident: $kind:ty,)* }
        $(with { $($other:ident: $other_kind:ty,)* })?
    ) => {
        $(#[$about])*
        #[derive(Debug, Default)]
        $vis struct $name {
            $($(#[$doc])* $vis $field: $kind,)*
            $($($other: $other_kind,)*)?
        }

        impl $name {
            fn each_field(&self, each: &mut dyn FnMut(&'static str, &dyn crate::stats::Stat)) {
                $(each(stringify!($field), &self.$field);)*
            }
        }
    };
}
use stats;
