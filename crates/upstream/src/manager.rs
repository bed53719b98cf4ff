//! The single writer of live clusters, on a thread of its own.

use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::Clusters;

/// Where live clusters are read: one load per request.
#[derive(Clone, Default)]
pub struct Directory(pub(crate) Arc<ArcSwap<Clusters>>);

impl Directory {
    /// The clusters of this moment.
    pub fn load(&self) -> Arc<Clusters> {
        self.0.load_full()
    }
}

/// Handle of the manager thread: `publish(Arc<Snapshot>)` queues a snapshot; the thread reconciles and
/// stores. `flush().await` resolves when all that was queued before is in force. Ends when dropped.
pub struct ClusterManager {}
