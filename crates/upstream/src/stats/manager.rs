//! Statistics of the manager: `cluster_manager.<name>`.

use super::{Counter, StatVisitor, stats};

stats! {
    /// What became of clusters. Snapshots that were overtaken by newer ones are not counted.
    pub(crate) ManagerStats {
        /// Clusters that came.
        cluster_added: Counter,
        /// Clusters whose policy changed.
        cluster_modified: Counter,
        /// Clusters that went, at the end of their grace.
        cluster_removed: Counter,
        /// Clusters whose endpoints changed, their first ones included.
        cluster_updated: Counter,
    }
}

impl ManagerStats {
    /// Calls `visit(name, value)` for each, its name without the prefix.
    pub(crate) fn visit(&self, visit: &mut StatVisitor<'_>) {
        self.each_field(&mut |name, stat| visit(name, stat.value()));
    }

    /// Back to zero.
    pub(crate) fn reset_counters(&self) {
        self.each_field(&mut |_, stat| stat.reset_counter());
    }
}
