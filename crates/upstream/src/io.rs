//! Sockets under HTTP/1 and TCP: shared by the reading and the writing side, `Send`, used from any worker
//! (the registration stays with the runtime that opened them).

use std::io::{self, ErrorKind, IoSlice};
use std::mem::MaybeUninit;
use std::net::{Shutdown, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

/// A TCP or Unix stream whose reading and writing both work on `&self`, so that one task can read while
/// another writes through an `Arc<Stream>`. At most one task reads and one writes at a time.
#[derive(Debug)]
pub enum Stream {
    /// TCP.
    Tcp(TcpStream),
    /// Unix domain socket.
    Unix(UnixStream),
}

/// What lies in the receive queue of a connection that should be quiet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quiet {
    /// Nothing: it may be used.
    Yes,
    /// Its end, an error, or bytes that nobody asked for.
    No,
}

/// Runs an expression with `$socket` bound to whichever socket it is.
macro_rules! either {
    ($stream:expr, $socket:ident => $body:expr) => {
        match $stream {
            Stream::Tcp($socket) => $body,
            Stream::Unix($socket) => $body,
        }
    };
}

impl Stream {
    /// Reads into the spare capacity of `buffer`, which must not be zero. 0 is the end of the stream.
    ///
    /// # Errors
    /// What the system says.
    pub fn poll_read(
        &self,
        cx: &mut Context<'_>,
        buffer: &mut BytesMut,
    ) -> Poll<io::Result<usize>> {
        loop {
            match self.try_read(buffer) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    ready!(either!(self, socket => socket.poll_read_ready(cx)))?;
                }
                other => return Poll::Ready(other),
            }
        }
    }

    /// Reads what is there. A read that does not fill the buffer emptied the queue: saying so (by
    /// `WouldBlock` to the outer `try_io`, which saw the readiness before the read) spares the read that
    /// would only learn the same.
    fn try_read(&self, buffer: &mut BytesMut) -> io::Result<usize> {
        let room = buffer.capacity() - buffer.len();
        let mut read = None;
        let result = either!(self, socket => socket.try_io(Interest::READABLE, || {
            // `try_read_buf` would grow a full buffer; a limit keeps to the spare capacity.
            let count = socket.try_read_buf(&mut bytes::BufMut::limit(&mut *buffer, room))?;
            read = Some(count);
            if count > 0 && count < room { Err(ErrorKind::WouldBlock.into()) } else { Ok(count) }
        }));
        read.map_or(result, Ok)
    }

    /// Writes some of `bytes`.
    ///
    /// # Errors
    /// What the system says.
    pub fn poll_write(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        loop {
            match either!(self, socket => socket.try_write(bytes)) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    ready!(either!(self, socket => socket.poll_write_ready(cx)))?;
                }
                other => return Poll::Ready(other),
            }
        }
    }

    /// Writes some of `slices`, in order.
    ///
    /// # Errors
    /// What the system says.
    pub fn poll_write_vectored(
        &self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        loop {
            match either!(self, socket => socket.try_write_vectored(slices)) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    ready!(either!(self, socket => socket.poll_write_ready(cx)))?;
                }
                other => return Poll::Ready(other),
            }
        }
    }

    /// Writes all of `source`, several pieces in one call where it has them. Dropped in between, the
    /// rest stays in `source`.
    ///
    /// # Errors
    /// What the system says.
    pub async fn write_all<B: Buf>(&self, source: &mut B) -> io::Result<()> {
        std::future::poll_fn(|cx| self.poll_write_all(cx, source)).await
    }

    /// The same, polled.
    ///
    /// # Errors
    /// What the system says.
    pub fn poll_write_all<B: Buf>(
        &self,
        cx: &mut Context<'_>,
        source: &mut B,
    ) -> Poll<io::Result<()>> {
        while source.has_remaining() {
            let mut slices = [IoSlice::new(&[]); 8];
            let count = source.chunks_vectored(&mut slices);
            let written = match &slices[..count] {
                [one] => ready!(self.poll_write(cx, one))?,
                several => ready!(self.poll_write_vectored(cx, several))?,
            };
            if written == 0 {
                return Poll::Ready(Err(ErrorKind::WriteZero.into()));
            }
            source.advance(written);
        }
        Poll::Ready(Ok(()))
    }

    /// Reads into a [`ReadBuf`], which must have room. Nothing read is the end of the stream.
    ///
    /// # Errors
    /// What the system says.
    pub fn poll_read_into(
        &self,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            match either!(self, socket => socket.try_read_buf(buffer)) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    ready!(either!(self, socket => socket.poll_read_ready(cx)))?;
                }
                other => return Poll::Ready(other.map(drop)),
            }
        }
    }

    /// Ends the writing direction (FIN); reading goes on.
    ///
    /// # Errors
    /// What the system says, e.g. that the peer is gone.
    pub fn shutdown_write(&self) -> io::Result<()> {
        either!(self, socket => SockRef::from(socket).shutdown(Shutdown::Write))
    }

    /// Ends both directions at once, whoever else holds the socket.
    pub(crate) fn cut(&self) {
        // Fails when the peer has done so: all the same.
        let _ = either!(self, socket => SockRef::from(socket).shutdown(Shutdown::Both));
    }

    /// Looks at the receive queue, by a system call and not by what was last known of it.
    pub fn quiet(&self) -> Quiet {
        let mut byte = [MaybeUninit::uninit()];
        match either!(self, socket => SockRef::from(socket).peek(&mut byte)) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => Quiet::Yes,
            _ => Quiet::No,
        }
    }

    /// The same by what the runtime was told of it: no system call, unless it was told of something.
    /// What happened since its last look is not known.
    pub fn quiet_as_told(&self) -> Quiet {
        let mut byte = [MaybeUninit::uninit()];
        let told = either!(self, socket => socket
            .try_io(Interest::READABLE, || SockRef::from(socket).peek(&mut byte)));
        match told {
            Err(error) if error.kind() == ErrorKind::WouldBlock => Quiet::Yes,
            _ => Quiet::No,
        }
    }

    /// The own address, if it is an IP address.
    pub fn local_address(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(socket) => socket.local_addr().ok(),
            Self::Unix(_) => None,
        }
    }

    /// The peer's address, if it is an IP address.
    pub fn peer_address(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(socket) => socket.peer_addr().ok(),
            Self::Unix(_) => None,
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        either!(self.get_mut(), socket => Pin::new(socket).poll_read(cx, buffer))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Self::poll_write(&self, cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Self::poll_write_vectored(&self, cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self.get_mut(), socket => Pin::new(socket).poll_shutdown(cx))
    }
}
