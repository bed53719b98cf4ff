//! The data path below the router: admit, pick, acquire, send, observe.

use std::net::SocketAddr;
use std::sync::Arc;

use destrier_policy::{ClusterName, RoutingPriority};

use crate::{Body, Cluster, Directory, ForwardError, TcpLease};

/// Sends requests to clusters. One per worker; cheap to clone; always ready.
#[derive(Clone)]
pub struct Forward {
    _directory: Directory,
    _worker: usize,
}

/// HTTP version of the client's request: what `use_downstream_protocol_config` follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Downstream {
    /// HTTP/1.0 or HTTP/1.1.
    Http1,
    /// HTTP/2.
    Http2,
}

/// Where a request is to go.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// The cluster that the route chose.
    pub cluster: &'a ClusterName,
    /// Which limits it counts against.
    pub priority: RoutingPriority,
    /// The client's HTTP version.
    pub downstream: Downstream,
}

/// What became known about the upstream side, also when the request failed: for the access log and for
/// local answers. The caller makes it, `Forward` fills it in.
#[derive(Default)]
pub struct UpstreamInfo {
    /// The cluster that was found.
    pub cluster: Option<Arc<Cluster>>,
    /// The host that was tried last.
    pub host: Option<destrier_policy::Address>,
    /// Local address of the upstream connection.
    pub local_address: Option<SocketAddr>,
    /// `%UPSTREAM_TRANSPORT_FAILURE_REASON%`.
    pub transport_failure: Option<String>,
    /// Attempts made.
    pub attempts: u32,
}

impl Forward {
    /// One per worker.
    pub fn new(directory: Directory, worker: usize) -> Self {
        Self { _directory: directory, _worker: worker }
    }

    /// Sends a request and returns at the response's head. The `Host`/`:authority`, path and headers are
    /// sent as they are (hop-by-hop headers were removed by the caller; an allowed upgrade keeps
    /// `connection: upgrade` and `upgrade`). A `101` answer carries the connection: see
    /// [`Forward::take_upgrade`]. Dropping the future or the response's body cancels the request.
    ///
    /// # Errors
    /// [`ForwardError`], already charged to the cluster's statistics.
    pub async fn send(
        &self,
        _target: Target<'_>,
        _request: http::Request<Body>,
        _info: &mut UpstreamInfo,
    ) -> Result<http::Response<Body>, ForwardError> {
        todo!()
    }

    /// After a `101`: the connection underneath, with the bytes that were read beyond the head.
    pub fn take_upgrade(response: &mut http::Response<Body>) -> Option<TcpLease> {
        response.body_mut().take_tunnel()
    }

    /// A connection of its own to a host of the cluster (TCP proxy).
    ///
    /// # Errors
    /// [`ForwardError`], already charged to the cluster's statistics.
    pub async fn connect(
        &self,
        _cluster: &ClusterName,
        _info: &mut UpstreamInfo,
    ) -> Result<TcpLease, ForwardError> {
        todo!()
    }
}
