//! What goes into the [`Assembler`](super::Assembler).

use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;

/// The type URL of clusters.
pub const CLUSTER_TYPE: &str = "type.googleapis.com/envoy.config.cluster.v3.Cluster";
/// The type URL of endpoint assignments.
pub const ENDPOINTS_TYPE: &str =
    "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment";

/// The moment of a call: monotonic for deadlines, wall clock for what people read.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// For deadlines.
    pub mono: Instant,
    /// For `last_updated` and the like.
    pub wall: SystemTime,
}

/// One accepted response of the control plane.
#[derive(Clone, Copy, Debug)]
pub struct Change<'a> {
    /// [`CLUSTER_TYPE`] or [`ENDPOINTS_TYPE`]; any other is ignored.
    pub type_url: &'a str,
    /// `version_info` (state of the world) or `system_version_info` (delta); for display only.
    pub version: &'a str,
    /// Added or changed, perhaps unchanged.
    pub resources: &'a [ResourceRef],
    /// Names of resources that came again as they are held, byte for byte.
    pub unchanged: &'a [String],
    /// Names in `removed_resources`.
    pub removed: &'a [String],
    /// What it means that a resource is not in this response.
    pub absent: Absent<'a>,
}

/// What it means that a known resource is not in a response.
#[derive(Clone, Copy, Debug)]
pub enum Absent<'a> {
    /// Nothing: delta, and every type except clusters.
    Unchanged,
    /// It was removed: the full list of state-of-the-world clusters. `refused` are names that stood in
    /// the response but were refused before they came here (twice in one message, undecodable): they
    /// keep their last good version.
    Removed {
        /// Names to keep.
        refused: &'a [String],
    },
}

/// One resource of a [`Change`].
#[derive(Clone, Debug)]
pub struct ResourceRef {
    /// The name the control plane gave it.
    pub name: String,
    /// Its version; may be empty.
    pub version: String,
    /// The encoded message: the `value` of its `Any`.
    pub body: Bytes,
}

/// How the assembler behaves where the protocol leaves it open.
#[derive(Clone, Debug)]
pub struct AssemblerSettings {
    /// How long a removed cluster that a route still names is kept. Default 60 s.
    pub deletion_grace: Duration,
    /// What EDS `removed_resources` does to the endpoints held.
    pub removed_endpoints: RemovedEndpoints,
    /// How long a warming cluster may hold up readiness. Default 15 s.
    pub readiness_hold: Duration,
    /// Whether clusters are expected from a control plane.
    pub clusters_from: ClustersFrom,
}

impl Default for AssemblerSettings {
    fn default() -> Self {
        Self {
            deletion_grace: Duration::from_secs(60),
            removed_endpoints: RemovedEndpoints::Keep,
            readiness_hold: Duration::from_secs(15),
            clusters_from: ClustersFrom::Bootstrap,
        }
    }
}

/// Whether a control plane brings clusters: readiness waits for its first answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClustersFrom {
    /// There are static clusters only.
    Bootstrap,
    /// `cds_config` is set.
    ControlPlane {
        /// `cds_config.initial_fetch_timeout`: then readiness no longer waits. `None` waits for ever
        /// (0 in the proto); absent there is 15 s.
        initial_fetch_timeout: Option<Duration>,
    },
}

/// What EDS `removed_resources` does. Either way warming ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RemovedEndpoints {
    /// The endpoints stay, as in Envoy.
    #[default]
    Keep,
    /// The cluster has no endpoints any more.
    Clear,
}
