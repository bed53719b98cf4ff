//! Connections of their own: for the TCP proxy, and what follows a `101`.

use std::sync::Arc;

use bytes::BytesMut;

use crate::Stream;
use crate::active::Active;

/// A connection of its own to a host, for a TCP proxy or after an upgrade; gives its permits back when
/// dropped. Both directions are used through the shared [`Stream`].
#[derive(Debug)]
pub struct TcpLease {
    stream: Arc<Stream>,
    leftover: BytesMut,
    active: Option<Active>,
}

impl TcpLease {
    /// The socket: one task may read and another write. It must not outlive the lease.
    pub fn stream(&self) -> &Arc<Stream> {
        &self.stream
    }

    /// What the host sent beyond the head of its `101`: it comes before anything read from the socket.
    pub fn take_leftover(&mut self) -> BytesMut {
        std::mem::take(&mut self.leftover)
    }

    pub(crate) fn hold(&mut self, active: Option<Active>) {
        self.active = active;
    }
}
