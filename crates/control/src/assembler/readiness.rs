//! When the agent may be called ready.

use std::collections::BTreeMap;
use std::time::Instant;

use destrier_policy::ClusterName;

use super::{AssemblerSettings, ClustersFrom};

/// Waits for the first answer about clusters, then for the clusters that were warming at that moment.
/// Both only ever get fewer, so that an agent that was ready stays ready.
#[derive(Debug)]
pub(super) struct Readiness {
    clusters: Answer,
    /// Until when each may hold up readiness.
    waits_for: BTreeMap<ClusterName, Instant>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Awaited { until: Option<Instant> },
    Seen,
}

impl Readiness {
    pub(super) fn new(settings: &AssemblerSettings, start: Instant) -> Self {
        let clusters = match settings.clusters_from {
            ClustersFrom::Bootstrap => Answer::Seen,
            ClustersFrom::ControlPlane { initial_fetch_timeout } => {
                Answer::Awaited { until: initial_fetch_timeout.map(|timeout| start + timeout) }
            }
        };
        Self { clusters, waits_for: BTreeMap::new() }
    }

    /// The first answer has been applied and left `warming` behind. Later calls change nothing, nor
    /// does an answer that came when readiness no longer waited for it.
    pub(super) fn handle_clusters(
        &mut self,
        warming: impl Iterator<Item = ClusterName>,
        hold_until: Instant,
        now: Instant,
    ) {
        if self.awaits_clusters(now) {
            self.waits_for.extend(warming.map(|name| (name, hold_until)));
        }
        self.clusters = Answer::Seen;
    }

    /// A static cluster waits for its endpoints.
    pub(super) fn hold(&mut self, name: ClusterName, until: Instant) {
        self.waits_for.insert(name, until);
    }

    /// The cluster is ready, or gone.
    pub(super) fn release(&mut self, name: &ClusterName) {
        self.waits_for.remove(name);
    }

    fn awaits_clusters(&self, now: Instant) -> bool {
        matches!(self.clusters, Answer::Awaited { until } if until.is_none_or(|until| now < until))
    }

    pub(super) fn is_ready(&self, now: Instant) -> bool {
        !self.awaits_clusters(now) && self.waits_for.values().all(|until| *until <= now)
    }

    /// When [`Self::is_ready`] may change next without an event.
    pub(super) fn next_change(&self, now: Instant) -> Option<Instant> {
        let answer = match self.clusters {
            Answer::Awaited { until } => until,
            Answer::Seen => None,
        };
        self.waits_for.values().copied().chain(answer).filter(|until| *until > now).min()
    }
}
