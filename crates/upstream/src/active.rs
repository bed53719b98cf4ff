//! What a request holds while it is in flight.

use std::sync::Arc;

use destrier_policy::RoutingPriority;
use tokio::time::Instant;

use crate::{ActiveRequest, ClusterState};

/// The permit of an admitted request and its place on the host; both come back when this is dropped.
#[derive(Debug)]
pub(crate) struct Active {
    cluster: Arc<ClusterState>,
    _host: ActiveRequest,
    priority: RoutingPriority,
    begun: Instant,
}

impl Active {
    /// Admits a request; `None` when `max_requests` are in flight. `host` comes from the pick.
    pub(crate) fn admit(
        cluster: &Arc<ClusterState>,
        host: ActiveRequest,
        priority: RoutingPriority,
        begun: Instant,
    ) -> Option<Self> {
        if !cluster.breakers().of(priority).requests.try_acquire() {
            return None;
        }
        cluster.stats().upstream_rq_active.inc();
        Some(Self { cluster: cluster.clone(), _host: host, priority, begun })
    }

    /// The response was not complete in the time that the cluster allows.
    pub(crate) fn overdue(&self) {
        self.cluster.stats().upstream_rq_max_duration_reached.inc();
    }

    /// The response is complete.
    pub(crate) fn complete(self) {
        let time = Instant::now().saturating_duration_since(self.begun);
        self.cluster.stats().upstream_rq_time.record(time);
    }
}

impl Drop for Active {
    fn drop(&mut self) {
        self.cluster.stats().upstream_rq_active.dec();
        self.cluster.breakers().of(self.priority).requests.release();
    }
}
