//! The socket under an HTTP/2 connection.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Weak;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::{ClusterState, ClusterStats, Stream};

/// A socket that takes no more bytes does not fail: what the host said before it closed is still to be
/// read, and may be the GOAWAY that tells which requests it never looked at. The reading side hears of the
/// end in any case.
#[derive(Debug)]
pub(super) struct Socket {
    stream: Stream,
    deaf: bool,
    /// Whose statistics the traffic counts in, as long as it is there.
    cluster: Weak<ClusterState>,
}

impl Socket {
    pub(super) fn new(stream: Stream, cluster: Weak<ClusterState>) -> Self {
        Self { stream, deaf: false, cluster }
    }

    fn heard(&mut self, written: Poll<io::Result<usize>>, all: usize) -> Poll<io::Result<usize>> {
        match written {
            Poll::Ready(Err(_)) => {
                self.deaf = true;
                Poll::Ready(Ok(all))
            }
            Poll::Ready(Ok(sent)) => {
                self.count(|stats| stats.upstream_cx_tx_bytes_total.add(sent as u64));
                Poll::Ready(Ok(sent))
            }
            Poll::Pending => Poll::Pending,
        }
    }

    fn count(&self, count: impl FnOnce(&ClusterStats)) {
        if let Some(cluster) = self.cluster.upgrade() {
            count(cluster.stats());
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = AsyncRead::poll_read(Pin::new(&mut self.stream), cx, buffer);
        let received = (buffer.filled().len() - before) as u64;
        if received > 0 {
            self.count(|stats| stats.upstream_cx_rx_bytes_total.add(received));
        }
        read
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.deaf {
            return Poll::Ready(Ok(bytes.len()));
        }
        let written = self.stream.poll_write(cx, bytes);
        self.heard(written, bytes.len())
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let all = slices.iter().map(|slice| slice.len()).sum();
        if self.deaf {
            return Poll::Ready(Ok(all));
        }
        let written = self.stream.poll_write_vectored(cx, slices);
        self.heard(written, all)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
