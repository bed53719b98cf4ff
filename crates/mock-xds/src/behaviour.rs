//! Where real control planes differ within the protocol.

/// How the server answers; each field is a choice that real servers make differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Behaviour {
    /// `Resource.version` of the delta variant.
    pub resource_versions: ResourceVersions,
    /// A name that was asked for and is not there.
    pub absent: Absent,
    /// A request that carries another nonce than the newest of its type.
    pub stale_nonce: StaleNonce,
    /// A NACK.
    pub rejected: Rejected,
    /// What a state-of-the-world answer holds for types asked for by name.
    pub named_push: NamedPush,
    /// A delta subscription to a name that the client has already.
    pub resubscribe: Resubscribe,
    /// The largest request, in bytes; a larger one ends the stream with `RESOURCE_EXHAUSTED`.
    pub max_request_bytes: usize,
    /// Splits delta answers to at most this many resources in one message.
    pub max_resources: Option<usize>,
}

/// `Resource.version` of the delta variant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResourceVersions {
    /// Empty, so `initial_resource_versions` never spare an answer; and endpoints that were asked
    /// for before the clusters are sent again after them: istiod.
    Empty,
    /// The revision of the last change. A resource whose version the client holds is not sent.
    Revision,
}

/// What is said of a name that was asked for and is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Absent {
    /// Endpoints: a `ClusterLoadAssignment` without endpoints, also when they are removed. Other
    /// types: `removed_resources` in delta, silence in state-of-the-world. This is istiod.
    EmptyAssignment,
    /// All types: `removed_resources` in delta, silence in state-of-the-world.
    Removed,
}

/// What becomes of a request with an old nonce.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StaleNonce {
    /// It is ignored whole, changes of subscription included.
    Drop,
    /// Delta looks at no nonce; state-of-the-world drops it, and drops an empty nonce in
    /// mid-stream as well: go-control-plane.
    DropInSotwOnly,
}

/// What a NACK brings about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rejected {
    /// Nothing until the next change. A delta NACK also changes no subscription: istiod.
    Wait,
    /// State-of-the-world sends the same again at once: go-control-plane.
    ResendAtOnce,
}

/// What a state-of-the-world answer holds for types asked for by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NamedPush {
    /// The names that are new or changed: istiod.
    Changed,
    /// All names, and no answer to a request that leaves out a name of the snapshot:
    /// go-control-plane in ADS mode.
    AllOfSnapshot,
}

/// What a delta subscription to a known name brings about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resubscribe {
    /// Nothing: istiod and go-control-plane.
    Silent,
    /// The resource again, as the specification wants.
    Answer,
}

impl Behaviour {
    /// Like istiod.
    pub const fn istiod() -> Self {
        Self {
            resource_versions: ResourceVersions::Empty,
            absent: Absent::EmptyAssignment,
            stale_nonce: StaleNonce::Drop,
            rejected: Rejected::Wait,
            named_push: NamedPush::Changed,
            resubscribe: Resubscribe::Silent,
            max_request_bytes: 4 << 20,
            max_resources: None,
        }
    }

    /// Like go-control-plane's snapshot cache in ADS mode.
    pub const fn go_control_plane() -> Self {
        Self {
            resource_versions: ResourceVersions::Revision,
            absent: Absent::Removed,
            stale_nonce: StaleNonce::DropInSotwOnly,
            rejected: Rejected::ResendAtOnce,
            named_push: NamedPush::AllOfSnapshot,
            resubscribe: Resubscribe::Silent,
            max_request_bytes: 4 << 20,
            max_resources: None,
        }
    }
}

impl Default for Behaviour {
    fn default() -> Self {
        Self::istiod()
    }
}
