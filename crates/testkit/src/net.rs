//! Sockets on loopback.

use std::io;
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

/// Makes closing the stream send a reset.
pub(crate) fn reset_on_close(stream: &TcpStream) {
    // It fails only on a socket that is gone, and then there is nothing to reset.
    let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
}
