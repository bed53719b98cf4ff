use std::{path::PathBuf, sync::Arc, time::Duration};

use http::HeaderMap;

use super::{Credentials, Secure};

/// Where a control plane listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ControlPlane {
    /// HTTP/2 over TCP. The host may be a name; it is looked up at each attempt.
    Tcp {
        /// IP address or name.
        host: String,
        /// TCP port.
        port: u16,
    },
    /// HTTP/2 over a Unix socket, as pilot-agent offers it.
    Unix(PathBuf),
}

/// HTTP/2 pings that find a half-open connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keepalive {
    /// Time between pings. Default 30 s; istiod answers less than 15 s with GOAWAY.
    pub interval: Duration,
    /// How long to wait for the answer. Default 10 s.
    pub timeout: Duration,
}

impl Default for Keepalive {
    fn default() -> Self {
        Self { interval: Duration::from_secs(30), timeout: Duration::from_secs(10) }
    }
}

/// How to reach one control plane. [`Server::new`] gives the defaults.
#[derive(Clone, Debug)]
pub struct Server {
    /// Where it is.
    pub control_plane: ControlPlane,
    /// The `:authority` of the stream; by default host and port, or `localhost` for a Unix socket.
    pub authority: Option<String>,
    /// Bound of connecting. Default 5 s.
    pub connect_timeout: Duration,
    /// HTTP/2 pings.
    pub keepalive: Keepalive,
    /// Headers of the stream. Source: `GrpcService.initial_metadata`. Default none.
    pub metadata: HeaderMap,
    /// TLS. Default none.
    pub secure: Option<Arc<dyn Secure>>,
    /// Headers that are read anew for each stream, as those of a token on disk. Default none.
    pub credentials: Option<Arc<dyn Credentials>>,
}

impl Server {
    /// The defaults.
    pub fn new(control_plane: ControlPlane) -> Self {
        Self {
            control_plane,
            authority: None,
            connect_timeout: Duration::from_secs(5),
            keepalive: Keepalive::default(),
            metadata: HeaderMap::new(),
            secure: None,
            credentials: None,
        }
    }
}

/// How to reach the control planes. [`DriverConfig::new`] gives the defaults.
#[derive(Clone, Debug)]
pub struct DriverConfig {
    /// In the order in which they are preferred, at least one. Source: `ApiConfigSource.grpc_services`.
    pub servers: Vec<Server>,
    /// A longer message ends the stream before it is read. Default 200 MiB.
    pub max_message_bytes: usize,
}

impl DriverConfig {
    /// The defaults for one server.
    pub fn new(control_plane: ControlPlane) -> Self {
        Self::of(vec![Server::new(control_plane)])
    }

    /// The defaults for several servers.
    pub fn of(servers: Vec<Server>) -> Self {
        Self { servers, max_message_bytes: 200 * 1024 * 1024 }
    }
}
