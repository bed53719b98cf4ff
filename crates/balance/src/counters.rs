//! Statistics of balancing, by Envoy's names.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// Statistics of a cluster's balancing: `cluster.<name>.lb_*`. Made when the first is counted: most
/// clusters never count one.
#[derive(Debug, Default)]
pub struct LbCounters(OnceLock<Box<Counts>>);

/// A number that only grows.
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    pub(crate) fn inc(&self) {
        self.add(1);
    }

    pub(crate) fn add(&self, amount: u64) {
        self.0.fetch_add(amount, Ordering::Relaxed);
    }
}

macro_rules! counts {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// Each as Envoy names it.
        #[derive(Debug, Default)]
        pub(crate) struct Counts {
            $($(#[$doc])* pub(crate) $name: Count,)*
        }

        impl LbCounters {
            /// Calls `visit(name, value)` for each counter.
            pub fn visit(&self, visit: &mut dyn FnMut(&str, u64)) {
                let counts = self.0.get();
                $(visit(
                    stringify!($name),
                    counts.map_or(0, |counts| counts.$name.0.load(Ordering::Relaxed)),
                );)*
            }
        }
    };
}

counts! {
    /// Picks from a priority in panic.
    lb_healthy_panic,
    /// Times the local cluster did not do for zone-aware routing.
    lb_local_cluster_not_ok,
    /// Times zone-aware routing was worked out.
    lb_recalculate_zone_structures,
    /// Subsets that came.
    lb_subsets_created,
    /// Picks for which no subset was found.
    lb_subsets_fallback,
    /// ... and which took any host (`panic_mode_any`).
    lb_subsets_fallback_panic,
    /// Subsets that went.
    lb_subsets_removed,
    /// Picks from a subset.
    lb_subsets_selected,
    /// Times a cluster was too small for zone-aware routing.
    lb_zone_cluster_too_small,
    /// Zone-aware picks for which rounding left no zone with room.
    lb_zone_no_capacity_left,
    /// Zone-aware picks that always stay in the own zone.
    lb_zone_routing_all_directly,
    /// Zone-aware picks that left the own zone.
    lb_zone_routing_cross_zone,
    /// Zone-aware picks that stayed in the own zone this time.
    lb_zone_routing_sampled,
}

impl LbCounters {
    pub(crate) fn get(&self) -> &Counts {
        self.0.get_or_init(Box::default)
    }
}
