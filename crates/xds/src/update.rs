use std::{collections::BTreeSet, time::Instant};

use bytes::Bytes;

use crate::{StreamError, TypeUrl};

/// One resource of a message, new or different from what is held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource {
    /// The name the control plane gave it; unique within an [`Update`].
    pub name: String,
    /// Delta: its own version; state of the world: that of the message. Opaque, often empty.
    pub version: String,
    /// The value of the inner `Any`, whose type was already checked. It shares the memory of the
    /// whole message: copy it if it is to be kept.
    pub body: Bytes,
}

/// What one message of the control plane changes, after the rules of the protocol: duplicates,
/// wrong types and names nobody asked for are already out of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Update {
    /// Type of all resources in it.
    pub type_url: TypeUrl,
    /// New and changed resources, in the order of the message.
    pub resources: Vec<Resource>,
    /// Names that are gone. In state-of-the-world mode the session finds them itself, for wildcard
    /// types, by comparing with what it holds. A name that was asked for and that the server denies
    /// is also here.
    pub removed: Vec<String>,
    /// Names of resources that came again byte for byte as they are held: fresh, but nothing to do.
    pub unchanged: Vec<String>,
    /// The version of the whole: `version_info` or `system_version_info`. For display only.
    pub version: String,
    /// When the message came.
    pub received: Instant,
    /// The stream that it came on, counted from 1; 0 for what came by other ways.
    pub stream: u64,
    /// Its nonce.
    pub nonce: String,
}

impl Update {
    /// Nothing is new, changed or gone. It is still reported: an empty first answer is an answer.
    pub fn is_noop(&self) -> bool {
        self.resources.is_empty() && self.removed.is_empty()
    }
}

/// A resource that is not accepted; its last good version stays in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// Name of the resource.
    pub name: String,
    /// The field path and what is wrong with it.
    pub reason: String,
}

/// What the handler says to an [`Update`]: empty means that all of it was validated and stored.
pub type Verdict = Vec<Rejection>;

/// What happens on the side of the control plane.
#[derive(Clone, Debug)]
pub enum Event {
    /// A message with its changes; the [`Reply`]'s verdict decides between ACK and NACK.
    Update(Update),
    /// Names that were asked for and that the server did not answer for in time. They may still come.
    DoesNotExist {
        /// Type of the names.
        type_url: TypeUrl,
        /// Who did not come.
        names: Vec<String>,
    },
    /// Resources whose time to live ended without a heartbeat: as if they had been removed.
    Expired {
        /// Type of the names.
        type_url: TypeUrl,
        /// Who is gone.
        names: Vec<String>,
    },
    /// A stream is open.
    Connected,
    /// The stream, or the attempt at one, ended. Nothing that is held changes.
    Disconnected(StreamError),
}

/// The handler's answer to an [`Event`]. `Reply::default()` accepts everything and changes nothing.
#[derive(Clone, Debug, Default)]
pub struct Reply {
    /// Resources of the update that are refused. Ignored for other events.
    pub verdict: Verdict,
    /// New complete sets of names for types subscribed to by name. They go out in the same turn, in
    /// messages of their own.
    pub names: Vec<(TypeUrl, BTreeSet<String>)>,
}
