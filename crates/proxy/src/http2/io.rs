//! A socket whose first bytes were read already.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use bytes::{Buf, BytesMut};
use destrier_upstream::Stream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Reads `first`, then from the socket.
pub(super) struct Rewound {
    pub(super) first: BytesMut,
    /// Shared with who closes it.
    pub(super) stream: Arc<Stream>,
    /// Set when the client has ended the connection.
    pub(super) ended: Arc<AtomicBool>,
}

impl Rewound {
    fn note<T>(&self, done: &Poll<io::Result<T>>) {
        if let Poll::Ready(Err(_)) = done {
            self.ended.store(true, Ordering::Relaxed);
        }
    }
}

impl AsyncRead for Rewound {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.first.is_empty() {
            let before = buffer.filled().len();
            let read = self.stream.poll_read_into(cx, buffer);
            self.note(&read);
            if read.is_ready() && buffer.filled().len() == before {
                self.ended.store(true, Ordering::Relaxed);
            }
            return read;
        }
        let count = self.first.len().min(buffer.remaining());
        buffer.put_slice(&self.first[..count]);
        self.first.advance(count);
        if self.first.is_empty() {
            self.first = BytesMut::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Rewound {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = self.stream.poll_write(cx, bytes);
        self.note(&written);
        written
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = self.stream.poll_write_vectored(cx, slices);
        self.note(&written);
        written
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.stream.shutdown_write())
    }
}
