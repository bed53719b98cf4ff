use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use crate::{TypeUrl, Variant};

/// Where the session stands, for the admin port. Counters have Envoy's names and never go back.
#[derive(Clone, Debug)]
pub struct SessionStatus {
    /// Which of several control planes is spoken to; 0 is the preferred one.
    pub server: usize,
    /// The method spoken now; differs from the configuration after a fallback.
    pub variant: Variant,
    /// `control_plane.connected_state`: a stream is open.
    pub connected: bool,
    /// Since when a stream is open, or since when there is none.
    pub connected_changed: Option<Instant>,
    /// `grpc.xds_client.connected` (gRFC A78): false from a stream that failed before it answered, or could
    /// not be opened, until the next answer.
    pub healthy: bool,
    /// `grpc.xds_client.server_failure` (gRFC A78): how often that became false.
    pub server_failures: u64,
    /// `control_plane.identifier`: what the server calls itself.
    pub control_plane: String,
    /// Streams that were opened.
    pub streams: u64,
    /// Attempts that ended, and streams that ended, by whatever cause.
    pub disconnects: u64,
    /// Why there is no stream, or why the one before ended.
    pub last_error: Option<String>,
    /// Why the last stream, or attempt at one, ended; a new stream does not clear it.
    pub last_disconnect: Option<String>,
    /// Messages of a type that was not asked for.
    pub unasked_messages: u64,
    /// What was asked for, type by type.
    pub types: BTreeMap<TypeUrl, TypeStatus>,
}

impl SessionStatus {
    pub(crate) fn new(variant: Variant) -> Self {
        Self {
            server: 0,
            variant,
            connected: false,
            connected_changed: None,
            healthy: true,
            server_failures: 0,
            control_plane: String::new(),
            streams: 0,
            disconnects: 0,
            last_error: None,
            last_disconnect: None,
            unasked_messages: 0,
            types: BTreeMap::new(),
        }
    }
}

/// One type of resource.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TypeStatus {
    /// `update_attempt`.
    pub update_attempt: u64,
    /// `update_success`: messages that were ACKed.
    pub update_success: u64,
    /// `update_rejected`: messages that were NACKed.
    pub update_rejected: u64,
    /// `update_failure`: streams lost while the type was asked for.
    pub update_failure: u64,
    /// `grpc.xds_client.resource_updates_valid` (gRFC A78): resources that came and were good.
    pub resources_valid: u64,
    /// `grpc.xds_client.resource_updates_invalid` (gRFC A78): resources that came and were refused.
    pub resources_invalid: u64,
    /// `init_fetch_timeout`: names reported as not existing.
    pub init_fetch_timeout: u64,
    /// `version_text`: the last accepted version of the whole.
    pub version_text: String,
    /// When a message was accepted last (`update_time`).
    pub last_update: Option<Instant>,
    /// Whether the type was ever answered.
    pub answered: bool,
    /// Text of the last NACK while a resource is still refused.
    pub error: Option<String>,
    /// Resources refused now, with the reason; a good version or a removal clears one.
    pub rejected: BTreeMap<String, String>,
    /// Names asked for; 0 for a wildcard.
    pub wanted: usize,
    /// Resources held.
    pub held: usize,
    /// Resources that came though nobody asked for them.
    pub unasked_resources: u64,
}

/// The status as another thread may read it at any time.
#[derive(Clone, Debug)]
pub struct StatusHandle(Arc<Mutex<Arc<SessionStatus>>>);

impl StatusHandle {
    pub(crate) fn new(status: SessionStatus) -> Self {
        Self(Arc::new(Mutex::new(Arc::new(status))))
    }

    /// The latest status.
    pub fn load(&self) -> Arc<SessionStatus> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn store(&self, status: SessionStatus) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(status);
    }
}
