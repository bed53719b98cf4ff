//! Backends that see and answer bytes.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::soon;

/// A listening backend; it lives as long as the test.
pub(crate) struct Backend {
    pub(crate) address: SocketAddr,
    connections: Arc<AtomicUsize>,
}

/// A connection of the proxy to a backend.
pub(crate) struct Peer {
    pub(crate) stream: TcpStream,
    read: Vec<u8>,
}

impl Backend {
    /// Serves each connection with `serve`.
    pub(crate) async fn start<F, S>(serve: S) -> Self
    where
        S: Fn(Peer) -> F + Send + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("port 0 is always free");
        let address = listener.local_addr().expect("it is bound");
        let connections = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&connections);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(serve(Peer { stream, read: Vec::new() }));
            }
        });
        Self { address, connections }
    }

    /// Answers each request with these bytes.
    pub(crate) async fn answering(answer: impl AsRef<[u8]>) -> Self {
        let answer: Arc<[u8]> = answer.as_ref().into();
        Self::start(move |mut peer| {
            let answer = Arc::clone(&answer);
            async move {
                while peer.request().await.is_some() {
                    peer.send(&*answer).await;
                }
            }
        })
        .await
    }

    /// Answers each request with the head that it got, as the body.
    pub(crate) async fn echoing() -> Self {
        Self::start(|mut peer| async move {
            while let Some(request) = peer.request().await {
                let length = request.len();
                peer.send(format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{request}"))
                    .await;
            }
        })
        .await
    }

    /// Answers one request with so many bytes; the number tells how many were taken of it.
    pub(crate) async fn large(size: usize) -> (Self, Arc<AtomicUsize>) {
        let written = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&written);
        let backend = Self::start(move |mut peer| {
            let written = Arc::clone(&counted);
            async move {
                peer.request().await;
                peer.send(format!("HTTP/1.1 200 OK\r\ncontent-length: {size}\r\n\r\n")).await;
                let piece = vec![b'x'; 64 << 10];
                while peer.stream.write_all(&piece).await.is_ok() {
                    written.fetch_add(piece.len(), Ordering::SeqCst);
                }
            }
        })
        .await;
        (backend, written)
    }

    /// How many connections it got.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

impl Peer {
    /// A request with its body, as text; `None` when the proxy has closed.
    pub(crate) async fn request(&mut self) -> Option<String> {
        let head = self.until(b"\r\n\r\n").await?;
        let mut text = String::from_utf8(head).expect("the head is text");
        let lower = text.to_ascii_lowercase();
        if let Some((_, rest)) = lower.split_once("\r\ncontent-length: ") {
            let length = rest.split("\r\n").next().and_then(|length| length.parse().ok());
            let body = self.exactly(length.expect("a number")).await?;
            text.push_str(&String::from_utf8(body).expect("the body is text"));
        } else if lower.contains("\r\ntransfer-encoding: chunked") {
            let body = self.until(b"0\r\n\r\n").await?;
            text.push_str(&String::from_utf8(body).expect("the body is text"));
        }
        Some(text)
    }

    /// The head of a request.
    pub(crate) async fn head(&mut self) -> Option<String> {
        let head = self.until(b"\r\n\r\n").await?;
        Some(String::from_utf8(head).expect("the head is text"))
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        // The proxy may be gone: the test looks at what its client sees.
        let _ = self.stream.write_all(bytes.as_ref()).await;
    }

    pub(crate) async fn until(&mut self, end: &[u8]) -> Option<Vec<u8>> {
        loop {
            let found = self.read.windows(end.len()).position(|window| window == end);
            if let Some(at) = found {
                let rest = self.read.split_off(at + end.len());
                return Some(std::mem::replace(&mut self.read, rest));
            }
            if !self.more().await {
                return None;
            }
        }
    }

    pub(crate) async fn exactly(&mut self, count: usize) -> Option<Vec<u8>> {
        while self.read.len() < count {
            if !self.more().await {
                return None;
            }
        }
        let rest = self.read.split_off(count);
        Some(std::mem::replace(&mut self.read, rest))
    }

    async fn more(&mut self) -> bool {
        self.stream.read_buf(&mut self.read).await.is_ok_and(|count| count > 0)
    }

    /// Closes with a reset.
    pub(crate) fn reset(self) {
        let linger = socket2::SockRef::from(&self.stream).set_linger(Some(Duration::ZERO));
        linger.expect("the socket is open");
    }

    /// Waits until the proxy closes or resets.
    pub(crate) async fn closed(&mut self) {
        soon(async { while self.more().await {} }).await;
    }
}
