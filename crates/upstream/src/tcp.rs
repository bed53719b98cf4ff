//! Connections of their own: for the TCP proxy, and what follows a `101`.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::BytesMut;

use crate::h1::Reader;
use crate::pool::Lease;
use crate::{ActiveRequest, Stream, active::Active};

/// A connection of its own to a host, for a TCP proxy or after an upgrade; gives its permits back when
/// dropped. Both directions are used through the shared [`Stream`].
#[derive(Debug)]
pub struct TcpLease {
    stream: Arc<Stream>,
    leftover: BytesMut,
    lease: Lease,
    /// What else is held while the connection is used: the request that became it, or the place on the
    /// host.
    holds: (Option<Active>, Option<ActiveRequest>),
}

impl TcpLease {
    /// Of an HTTP/1 connection that has switched protocols.
    pub(crate) fn switched(reader: Reader, lease: Lease) -> Self {
        Self::new(reader, lease, None)
    }

    /// Of a connection that was opened for this.
    pub(crate) fn opened(reader: Reader, lease: Lease, host: ActiveRequest) -> Self {
        Self::new(reader, lease, Some(host))
    }

    fn new(reader: Reader, lease: Lease, host: Option<ActiveRequest>) -> Self {
        let (stream, leftover) = reader.into_parts();
        Self { stream, leftover, lease, holds: (None, host) }
    }

    /// The socket: one task may read and another write. It must not be used after the lease is dropped:
    /// it is shut down then.
    pub fn stream(&self) -> &Arc<Stream> {
        &self.stream
    }

    /// What the host sent beyond the head of its `101`: it comes before anything read from the socket.
    pub fn take_leftover(&mut self) -> BytesMut {
        std::mem::take(&mut self.leftover)
    }

    /// Counts what went through the socket in the cluster's statistics; only the caller sees it.
    pub fn count_bytes(&self, received: u64, sent: u64) {
        let stats = self.lease.cluster().stats();
        stats.upstream_cx_rx_bytes_total.add(received);
        stats.upstream_cx_tx_bytes_total.add(sent);
    }

    /// The own address of the connection.
    pub fn local_address(&self) -> Option<SocketAddr> {
        self.lease.local()
    }

    pub(crate) fn hold(&mut self, active: Option<Active>) {
        self.holds.0 = active;
    }
}

impl Drop for TcpLease {
    fn drop(&mut self) {
        // Others may still hold the socket: the host sees its end now, before the permit is free.
        self.stream.cut();
    }
}
