//! Statistics of balancing: `lb_*`, `ring_hash_lb.*`, `maglev_lb.*`.

use destrier_policy::LbPolicy;

use super::Cluster;
use crate::{StatValue, StatVisitor};

/// Calls `visit(name, value)` for each.
pub(super) fn visit(cluster: &Cluster, visit: &mut StatVisitor<'_>) {
    cluster.lb.counters().visit(&mut |name, value| visit(name, StatValue::Counter(value)));
    let balancer = &cluster.balancer;
    visit("lb_subsets_active", StatValue::Gauge(balancer.subsets() as u64));
    let duplicates = StatValue::Gauge(balancer.duplicates() as u64);
    visit("lb_subsets_single_host_per_subset_duplicate", duplicates);
    let names: &[_] = match cluster.policy.lb {
        LbPolicy::RingHash { .. } => &[
            "ring_hash_lb.size",
            "ring_hash_lb.min_hashes_per_host",
            "ring_hash_lb.max_hashes_per_host",
        ],
        LbPolicy::Maglev { .. } => {
            &["", "maglev_lb.min_entries_per_host", "maglev_lb.max_entries_per_host"]
        }
        _ => return,
    };
    // Of several tables Envoy shows the one that was built last: that of the least preferred priority.
    let levels = balancer.levels();
    let mut tables = levels.iter().rev().filter_map(|level| level.table.as_ref()?.stats);
    let table = tables.next().unwrap_or_default();
    for (name, value) in names.iter().zip([table.size, table.min_per_host, table.max_per_host]) {
        if !name.is_empty() {
            visit(name, StatValue::Gauge(value));
        }
    }
}
