use std::time::Duration;

use bytes::Bytes;

/// Which of the two ADS methods is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Variant {
    /// `DeltaAggregatedResources`: only what changed is sent (`DELTA_GRPC` in a bootstrap).
    Delta,
    /// `StreamAggregatedResources`: state of the world (`GRPC` in a bootstrap).
    Sotw,
}

/// In which requests of a stream the node stands.
/// Source: `ApiConfigSource.set_node_on_first_message_only`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeOn {
    /// Only in the first request of each stream.
    FirstRequest,
    /// In every request.
    EveryRequest,
}

/// How a wildcard subscription is written in the first request of a delta stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wildcard {
    /// An empty list, which every known server understands.
    LegacyEmpty,
    /// The name `*`.
    Star,
}

/// What happens after a reconnect to held resources of a wildcard type which the first answer
/// neither contains nor removes. The protocol leaves it open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unmentioned {
    /// They stay: the server said what it has to say about `initial_resource_versions`.
    Keep,
    /// They are removed: for servers that ignore `initial_resource_versions`.
    Sweep,
}

/// How long to wait before the next attempt to connect: exponential, with full jitter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// Upper bound of the first delay. Default 500 ms.
    pub base: Duration,
    /// Upper bound of any delay. Default 30 s.
    pub max: Duration,
    /// Upper bound of the one quick reconnect after a stream that had answered. Default 1 s.
    pub quick: Duration,
    /// How long a stream that answered must live to reset the backoff and to earn another quick
    /// reconnect. Default 10 s.
    pub stable_after: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            base: Duration::from_millis(500),
            max: Duration::from_secs(30),
            quick: Duration::from_secs(1),
            stable_after: Duration::from_secs(10),
        }
    }
}

/// What a [`Session`](crate::Session) is told once. [`SessionConfig::new`] gives the defaults.
#[derive(Clone, Debug)]
pub struct SessionConfig {
    /// How many control planes there are, in the order in which they are preferred. Default 1.
    pub servers: usize,
    /// The method spoken first. Default delta; a server that answers `UNIMPLEMENTED` to delta is
    /// spoken to in state-of-the-world mode from then on.
    pub variant: Variant,
    /// The encoded `envoy.config.core.v3.Node`; sent as is.
    pub node: Bytes,
    /// Default: the first request only.
    pub node_on: NodeOn,
    /// Default: the legacy empty list.
    pub wildcard: Wildcard,
    /// Default: keep.
    pub unmentioned: Unmentioned,
    /// Delays between attempts to connect.
    pub backoff: Backoff,
    /// How long a name that was asked for may go unanswered on an open stream before it is reported
    /// as not existing. Default 15 s (gRFC A57); zero switches it off.
    pub does_not_exist_after: Duration,
    /// Delay of the first repeated NACK of the same content; later ones wait
    /// [`repeated_nack_max`](Self::repeated_nack_max). Default 1 s.
    pub repeated_nack_first: Duration,
    /// Distance of further NACKs of the same content. Default 5 s; above 10 s harms, since some
    /// servers hand out a repaired snapshot only in answer to the next request.
    pub repeated_nack_max: Duration,
    /// Distance of two changes of one subscription. Default 5 ms.
    pub coalesce: Duration,
    /// A request that would be longer is sent without `initial_resource_versions`. Default 3.5 MiB:
    /// istiod receives 4 MiB.
    pub max_request_bytes: usize,
    /// A larger resource is refused by name. Default 32 MiB.
    pub max_resource_bytes: usize,
}

impl SessionConfig {
    /// The defaults, for a node given as an encoded `envoy.config.core.v3.Node`.
    pub fn new(node: impl Into<Bytes>) -> Self {
        Self {
            servers: 1,
            variant: Variant::Delta,
            node: node.into(),
            node_on: NodeOn::FirstRequest,
            wildcard: Wildcard::LegacyEmpty,
            unmentioned: Unmentioned::Keep,
            backoff: Backoff::default(),
            does_not_exist_after: Duration::from_secs(15),
            repeated_nack_first: Duration::from_secs(1),
            repeated_nack_max: Duration::from_secs(5),
            coalesce: Duration::from_millis(5),
            max_request_bytes: 3_584 * 1024,
            max_resource_bytes: 32 * 1024 * 1024,
        }
    }

    pub(crate) fn nack_distances(&self) -> (Duration, Duration) {
        (self.repeated_nack_first, self.repeated_nack_max)
    }
}
