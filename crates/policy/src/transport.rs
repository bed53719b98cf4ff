//! How bytes reach an endpoint: plain, or through a transport socket.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::{Endpoint, Value};

/// A transport socket (`cluster.proto: transport_socket`), known by the type URL of its config.
#[derive(Clone, Debug, PartialEq)]
pub enum TransportSocket {
    /// `raw_buffer`, or none given.
    Raw,
    /// A socket that this build understands well enough to name, not to speak: endpoints behind it take
    /// no request. Sending plain text instead would be wrong.
    NotInForce {
        /// Type URL of the socket's config, e.g. that of `UpstreamTlsContext`.
        type_url: Arc<str>,
    },
}

impl TransportSocket {
    /// Whether requests can be sent through it.
    pub fn is_in_force(&self) -> bool {
        matches!(self, Self::Raw)
    }
}

/// One entry of `cluster.proto: transport_socket_matches`.
#[derive(Clone, Debug, PartialEq)]
pub struct TransportMatch {
    /// `name`, used in statistics and on the admin port.
    pub name: Arc<str>,
    /// `match`: every pair must be in the endpoint's `envoy.transport_socket_match` metadata; empty
    /// matches every endpoint.
    pub criteria: BTreeMap<String, Value>,
    /// The socket of the endpoints that match.
    pub socket: TransportSocket,
}

impl TransportMatch {
    /// The namespace of endpoint metadata that is looked at.
    pub const NAMESPACE: &str = "envoy.transport_socket_match";

    /// Whether `endpoint` carries all that is asked.
    pub fn matches(&self, endpoint: &Endpoint) -> bool {
        self.criteria
            .iter()
            .all(|(key, wanted)| endpoint.metadata.get(Self::NAMESPACE, key) == Some(wanted))
    }
}
