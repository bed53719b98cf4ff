//! Sockets under HTTP/1 and TCP: shared by the reading and the writing side, `Send`, used from any worker
//! (the registration stays with the runtime that opened it).

/// A TCP or Unix stream with readiness methods on `&self` (`poll_read_ready`, `try_read`, `try_write`,
/// `try_write_vectored`, `poll_write_ready`, `shutdown_write`), so that one task can read while another
/// writes through `Arc<Stream>`.
#[derive(Debug)]
pub enum Stream {
    /// TCP.
    Tcp(tokio::net::TcpStream),
    /// Unix domain socket.
    Unix(tokio::net::UnixStream),
}
