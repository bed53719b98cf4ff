//! Where an endpoint or a listener is.

use std::fmt;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

/// A network address (`address.proto: Address`). Also the identity of a host within its cluster: state
/// such as pools, counts and ejections is kept by it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Address {
    /// `socket_address` with an IP address.
    Ip(SocketAddr),
    /// `pipe`: a Unix domain socket; an abstract one begins with `@`.
    Pipe(Arc<Path>),
}

impl Address {
    /// The socket address, unless this is a Unix domain socket.
    pub fn ip(&self) -> Option<SocketAddr> {
        match self {
            Self::Ip(address) => Some(*address),
            Self::Pipe(_) => None,
        }
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        Self::Ip(address)
    }
}

/// As Envoy prints it on its admin port: `10.0.0.1:8080`, `[::1]:80`, or the path.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(address) => address.fmt(f),
            Self::Pipe(path) => path.display().fmt(f),
        }
    }
}
