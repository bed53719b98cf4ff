//! A control plane and a clock for an assembler.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use destrier_control::{
    Absent, Assembler, AssemblerSettings, CLUSTER_TYPE, Change, ClustersFrom, ENDPOINTS_TYPE, Now,
    Rejection, ResourceRef,
};
use destrier_policy::{ClusterSpec, Lifecycle, Snapshot};
use envoy_types::pb::envoy::config::cluster::v3::Cluster;
use envoy_types::pb::envoy::config::endpoint::v3::ClusterLoadAssignment;
use prost::Message;

/// An assembler with the snapshot it made last.
pub(crate) struct Plane {
    pub(crate) assembler: Assembler,
    pub(crate) now: Now,
    pub(crate) snapshot: Arc<Snapshot>,
    /// How many snapshots there were.
    pub(crate) published: usize,
}

impl Plane {
    /// Clusters come from the control plane; `referenced` are those that routes name.
    pub(crate) fn new(referenced: &[&str]) -> Self {
        Self::with(
            AssemblerSettings { clusters_from: from_ads(), ..Default::default() },
            referenced,
        )
    }

    pub(crate) fn with(settings: AssemblerSettings, referenced: &[&str]) -> Self {
        #[expect(clippy::disallowed_methods, reason = "an instant can be had from nowhere else")]
        let now = Now { mono: Instant::now(), wall: SystemTime::UNIX_EPOCH };
        let referenced = referenced.iter().map(|name| (*name).into()).collect();
        let assembler = Assembler::new(Vec::new(), settings, referenced, now);
        let mut plane = Self { assembler, now, snapshot: Arc::default(), published: 0 };
        plane.publish();
        plane
    }

    fn publish(&mut self) {
        if let Some(snapshot) = self.assembler.take_snapshot() {
            self.snapshot = snapshot;
            self.published += 1;
        }
    }

    /// Applies a change and publishes.
    pub(crate) fn apply(&mut self, change: Change<'_>) -> Vec<Rejection> {
        let rejections = self.assembler.apply(change, self.now);
        self.publish();
        rejections
    }

    /// A message whose one resource is byte for byte what is held: the session names it only.
    pub(crate) fn unchanged(&mut self, type_url: &str, name: &str) {
        let rejections = self.apply(Change {
            type_url,
            version: "",
            resources: &[],
            unchanged: &[name.to_owned()],
            removed: &[],
            absent: Absent::Unchanged,
        });
        assert_eq!(rejections, []);
    }

    /// A delta message.
    pub(crate) fn delta(
        &mut self,
        type_url: &str,
        resources: &[ResourceRef],
        removed: &[&str],
    ) -> Vec<Rejection> {
        let removed: Vec<String> = removed.iter().map(|name| (*name).to_owned()).collect();
        self.apply(Change {
            type_url,
            version: "",
            resources,
            unchanged: &[],
            removed: &removed,
            absent: Absent::Unchanged,
        })
    }

    /// Clusters that must all be good.
    pub(crate) fn clusters(&mut self, clusters: &[Cluster]) {
        let resources: Vec<_> = clusters.iter().map(resource).collect();
        assert_eq!(self.delta(CLUSTER_TYPE, &resources, &[]), []);
    }

    /// The full list of clusters, in which what is absent was removed.
    pub(crate) fn all_clusters(&mut self, clusters: &[Cluster]) {
        let resources: Vec<_> = clusters.iter().map(resource).collect();
        let rejections = self.apply(Change {
            type_url: CLUSTER_TYPE,
            version: "1",
            resources: &resources,
            unchanged: &[],
            removed: &[],
            absent: Absent::Removed { refused: &[] },
        });
        assert_eq!(rejections, []);
    }

    pub(crate) fn remove_clusters(&mut self, names: &[&str]) {
        assert_eq!(self.delta(CLUSTER_TYPE, &[], names), []);
    }

    /// Assignments that must all be good.
    pub(crate) fn endpoints(&mut self, assignments: &[ClusterLoadAssignment]) {
        let resources: Vec<_> = assignments.iter().map(resource).collect();
        assert_eq!(self.delta(ENDPOINTS_TYPE, &resources, &[]), []);
    }

    /// Lets time pass, doing what is due when it is.
    pub(crate) fn advance(&mut self, by: Duration) {
        let end = self.now.mono + by;
        while let Some(due) = self.assembler.poll_timeout().filter(|due| *due <= end) {
            self.move_clock(due.max(self.now.mono));
            self.assembler.handle_timeout(self.now);
            self.publish();
        }
        self.move_clock(end);
    }

    fn move_clock(&mut self, to: Instant) {
        self.now.wall += to - self.now.mono;
        self.now.mono = to;
    }

    pub(crate) fn spec(&self, name: &str) -> Option<&ClusterSpec> {
        self.snapshot.clusters.get(name)
    }

    /// The cluster, which must be there.
    pub(crate) fn get(&self, name: &str) -> ClusterSpec {
        self.spec(name).cloned().unwrap_or_else(|| panic!("{name} is not in the snapshot"))
    }

    /// Its addresses, in order.
    pub(crate) fn addresses(&self, name: &str) -> Vec<String> {
        let spec = self.get(name);
        spec.endpoints.iter().map(|(_, endpoint)| endpoint.address.to_string()).collect()
    }

    pub(crate) fn is_removed(&self, name: &str) -> bool {
        matches!(self.get(name).lifecycle, Lifecycle::Removed { .. })
    }

    pub(crate) fn warming(&self) -> Vec<&str> {
        self.snapshot.warming.iter().map(|cluster| cluster.name.as_str()).collect()
    }

    pub(crate) fn eds_names(&self) -> Vec<String> {
        let names: BTreeSet<String> = self.assembler.eds_names();
        names.into_iter().collect()
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.assembler.is_initialized(self.now)
    }
}

/// As Istio's bootstrap asks for them, but with Envoy's default timeout.
pub(crate) fn from_ads() -> ClustersFrom {
    ClustersFrom::ControlPlane { initial_fetch_timeout: Some(Duration::from_secs(15)) }
}

/// What has a name by which the control plane sends it.
pub(crate) trait Named: Message {
    fn name(&self) -> &str;
}

impl Named for Cluster {
    fn name(&self) -> &str {
        &self.name
    }
}

impl Named for ClusterLoadAssignment {
    fn name(&self) -> &str {
        &self.cluster_name
    }
}

pub(crate) fn resource(message: &impl Named) -> ResourceRef {
    ResourceRef {
        name: message.name().to_owned(),
        version: String::new(),
        body: message.encode_to_vec().into(),
    }
}

pub(crate) fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}
