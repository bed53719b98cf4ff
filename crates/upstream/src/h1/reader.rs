//! The reading side of an HTTP/1 connection.

use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::BytesMut;

use crate::Stream;

/// First read of a connection, and the least.
const MIN_READ: usize = 8 << 10;
/// Largest read: what bounds the memory of a fast peer and a slow receiver.
const MAX_READ: usize = 256 << 10;

/// A socket and what was read from it and not yet used. Reads grow from 8 KiB while they come back full,
/// up to 256 KiB, and shrink again; without bytes it can hold a small buffer or none (`shrink`,
/// [`Reader::release`]).
#[derive(Debug)]
pub struct Reader {
    stream: Arc<Stream>,
    buffer: BytesMut,
    read_size: usize,
    /// The buffer was made for a read of more than the least size.
    grown: bool,
}

impl Reader {
    /// Reads from `stream`, which nobody else reads.
    pub fn new(stream: Arc<Stream>) -> Self {
        Self::with_bytes(stream, BytesMut::new())
    }

    /// The same after `read` was read already, e.g. to find out which protocol is spoken.
    pub fn with_bytes(stream: Arc<Stream>, read: BytesMut) -> Self {
        Self { stream, buffer: read, read_size: MIN_READ, grown: false }
    }

    /// The socket, to write to.
    pub fn stream(&self) -> &Arc<Stream> {
        &self.stream
    }

    /// What was read and not yet used.
    pub fn buffer(&mut self) -> &mut BytesMut {
        &mut self.buffer
    }

    /// Whether nothing was read that is not used.
    pub fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }

    /// Reads once; 0 is the end of the stream.
    ///
    /// # Errors
    /// What the system says.
    pub fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.buffer.capacity() - self.buffer.len() < MIN_READ / 4 {
            self.buffer.reserve(self.read_size);
            self.grown |= self.read_size > MIN_READ;
        }
        let room = self.buffer.capacity() - self.buffer.len();
        let count = ready!(self.stream.poll_read(cx, &mut self.buffer))?;
        if count == room {
            self.read_size = (self.read_size * 2).min(MAX_READ);
        } else if count < room / 4 {
            self.read_size = (self.read_size / 2).max(MIN_READ);
        }
        Poll::Ready(Ok(count))
    }

    /// Reads once; 0 is the end of the stream.
    ///
    /// # Errors
    /// What the system says.
    pub async fn fill(&mut self) -> io::Result<usize> {
        poll_fn(|cx| self.poll_fill(cx)).await
    }

    /// Gives the buffer's memory back when there is nothing in it: to be called before a wait that may be
    /// long.
    pub fn release(&mut self) {
        if self.buffer.is_empty() {
            self.buffer = BytesMut::new();
            self.read_size = MIN_READ;
            self.grown = false;
        }
    }

    /// Gives back a buffer that has grown and keeps a small one: to be called between messages.
    pub(crate) fn shrink(&mut self) {
        if self.grown {
            self.release();
        }
    }

    /// The socket and what was read beyond the last message: for what follows HTTP.
    pub fn into_parts(self) -> (Arc<Stream>, BytesMut) {
        (self.stream, self.buffer)
    }
}
