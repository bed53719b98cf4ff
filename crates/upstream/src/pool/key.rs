//! What makes two connections exchangeable.

use destrier_policy::Address;

/// Connections with equal keys serve each other's requests. Cluster and routing priority are not in it:
/// each has its own pool. It holds nothing that can change without touching the wire: no limit, no
/// timeout.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    pub(crate) address: Address,
    pub(crate) protocol: Protocol,
    pub(crate) transport: TransportKey,
}

/// What is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Protocol {
    /// One request at a time.
    Http1,
    /// Many streams.
    Http2,
    /// Whatever the client speaks: a connection for each of its connections.
    Tcp,
}

/// What changes the bytes on the wire below the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum TransportKey {
    /// `raw_buffer`.
    Raw,
}
