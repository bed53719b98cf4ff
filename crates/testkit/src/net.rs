//! Sockets on loopback.

use std::io;
use std::mem;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::net::TcpStream;

/// A listener that can take the address of one that was closed a moment ago.
pub(crate) fn listen(addr: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&addr.into())?;
    socket.listen(1024)?;
    Ok(socket.into())
}

/// An address of 127.0.0.1 that refuses connections for the rest of the process: its port is bound, so that
/// no other socket gets it, and nobody listens.
///
/// # Errors
/// There is no free port.
pub fn refusing() -> io::Result<SocketAddr> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into())?;
    let address = socket.local_addr()?.as_socket();
    // Closing it would give the port away, to another test as likely as not.
    mem::forget(socket);
    address.ok_or_else(|| io::Error::other("a TCP socket has an address"))
}

/// Makes closing the stream send a reset.
pub(crate) fn reset_on_close(stream: &TcpStream) {
    // It fails only on a socket that is gone, and then there is nothing to reset.
    let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
}
