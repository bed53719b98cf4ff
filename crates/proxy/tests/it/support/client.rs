//! A client that writes and reads HTTP/1 as bytes.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::soon;

/// A connection.
pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    read: Vec<u8>,
}

/// An answer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) reason: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: Vec<(String, String)>,
    /// Whether the body came whole.
    pub(crate) whole: bool,
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
        found.next().map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("the body is text")
    }
}

impl Client {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let stream = soon(TcpStream::connect(address)).await.expect("the listener accepts");
        Self { stream, read: Vec::new() }
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        soon(self.stream.write_all(bytes.as_ref())).await.expect("the proxy reads");
    }

    /// A GET and its answer.
    pub(crate) async fn get(&mut self, path: &str) -> Reply {
        self.send(format!("GET {path} HTTP/1.1\r\nhost: test\r\n\r\n")).await;
        self.reply().await
    }

    /// Reads more; false at the end.
    async fn more(&mut self) -> bool {
        let read = soon(self.stream.read_buf(&mut self.read)).await;
        // A reset is an end as well.
        read.is_ok_and(|count| count > 0)
    }

    /// The next bytes up to and with `end`.
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

    async fn exactly(&mut self, count: usize) -> (Vec<u8>, bool) {
        while self.read.len() < count {
            if !self.more().await {
                return (std::mem::take(&mut self.read), false);
            }
        }
        let rest = self.read.split_off(count);
        (std::mem::replace(&mut self.read, rest), true)
    }

    /// The head of an answer.
    pub(crate) async fn head(&mut self) -> Option<Reply> {
        let head = self.until(b"\r\n\r\n").await?;
        let head = String::from_utf8(head).expect("the head is text");
        let mut lines = head.split("\r\n").filter(|line| !line.is_empty());
        let first = lines.next().expect("a status line");
        let mut parts = first.splitn(3, ' ');
        assert!(matches!(parts.next(), Some("HTTP/1.1" | "HTTP/1.0")), "{first}");
        let status = parts.next().and_then(|status| status.parse().ok()).expect("a status");
        let reason = parts.next().unwrap_or_default().to_owned();
        let header = |line: &str| {
            let (name, value) = line.split_once(": ").or_else(|| line.split_once(':'))?;
            Some((name.to_owned(), value.to_owned()))
        };
        let headers = lines.map(|line| header(line).expect("a header")).collect();
        Some(Reply { status, reason, headers, ..Reply::default() })
    }

    /// The next answer, which is not one to HEAD.
    pub(crate) async fn reply(&mut self) -> Reply {
        let head = self.head().await.expect("there is an answer");
        self.body_of(head).await
    }

    /// The body of an answer whose head was read.
    pub(crate) async fn body_of(&mut self, mut reply: Reply) -> Reply {
        let length = reply.header("content-length").map(str::to_owned);
        if let Some(length) = length {
            let count = length.parse().expect("a number");
            (reply.body, reply.whole) = self.exactly(count).await;
        } else if reply.header("transfer-encoding").is_some() {
            loop {
                let Some(line) = self.until(b"\r\n").await else { break };
                let line = String::from_utf8(line).expect("a chunk's size is text");
                let size = usize::from_str_radix(line.trim(), 16).expect("a chunk's size");
                if size == 0 {
                    let trailers = self.until(b"\r\n").await;
                    reply.whole = trailers.is_some_and(|line| line == b"\r\n");
                    break;
                }
                let (data, whole) = self.exactly(size).await;
                reply.body.extend_from_slice(&data);
                if !whole || self.until(b"\r\n").await.is_none() {
                    break;
                }
            }
        } else {
            reply.whole = reply.status < 200 || reply.status == 204 || reply.status == 304;
        }
        reply
    }

    /// Whether the proxy has closed already.
    pub(crate) fn is_closed(&self) -> bool {
        let open = |error: std::io::Error| error.kind() == std::io::ErrorKind::WouldBlock;
        !self.stream.try_read(&mut [0]).is_err_and(open)
    }

    /// Whether the proxy closes without a further byte.
    pub(crate) async fn closes(&mut self) -> bool {
        self.read.is_empty() && !self.more().await
    }

    /// All bytes to the end.
    pub(crate) async fn rest(&mut self) -> Vec<u8> {
        while self.more().await {}
        std::mem::take(&mut self.read)
    }
}
