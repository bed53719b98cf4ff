//! One connection, and what is read from it.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use destrier_http1::{
    AnswerTo, BodyDecoder, BodyLength, Decoded, HeadLimits, HeadParser, RequestHead, ResponseHead,
};
use http::HeaderMap;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::counts::Entered;
use crate::net;

/// How long a raw connection waits for its peer, unless told otherwise.
const DEADLINE: Duration = Duration::from_secs(10);

/// How a peer ended a connection, and what came before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It closed in the orderly way.
    Closed(Bytes),
    /// It sent a reset.
    Reset(Bytes),
}

impl Ending {
    /// What came before the end.
    pub fn bytes(&self) -> &Bytes {
        match self {
            Self::Closed(bytes) | Self::Reset(bytes) => bytes,
        }
    }
}

/// One request as a raw server read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawRequest {
    /// Its head.
    pub head: RequestHead,
    /// Its whole body.
    pub body: Bytes,
    /// Its trailers, empty if there were none.
    pub trailers: HeaderMap,
}

/// One response as a raw client read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawResponse {
    /// Its head.
    pub head: ResponseHead,
    /// Its whole body.
    pub body: Bytes,
    /// Its trailers, empty if there were none.
    pub trailers: HeaderMap,
}

/// One TCP connection, from either side. Each wait has a deadline and fails with
/// [`io::ErrorKind::TimedOut`]; bytes that a read did not need stay for the next one.
#[derive(Debug)]
pub struct RawConn {
    stream: TcpStream,
    buf: BytesMut,
    number: u64,
    deadline: Duration,
    _entered: Option<Entered>,
}

impl RawConn {
    /// Connects as a client.
    ///
    /// # Errors
    /// As for [`TcpStream::connect`], or the deadline.
    pub async fn connect(addr: SocketAddr) -> io::Result<Self> {
        let stream = timeout(DEADLINE, TcpStream::connect(addr)).await??;
        Ok(Self::new(stream, 0, None))
    }

    /// Connects, sends `bytes` and reads until the peer ends the connection.
    ///
    /// # Errors
    /// The peer cannot be reached or does not end the connection in time.
    pub async fn exchange(addr: SocketAddr, bytes: &[u8]) -> io::Result<Ending> {
        let mut conn = Self::connect(addr).await?;
        conn.send(bytes).await?;
        conn.read_to_end().await
    }

    pub(super) fn new(stream: TcpStream, number: u64, entered: Option<Entered>) -> Self {
        // Without it a script's small writes would wait for each other; it fails only on a dead socket.
        let _ = stream.set_nodelay(true);
        let buf = BytesMut::with_capacity(4096);
        Self { stream, buf, number, deadline: DEADLINE, _entered: entered }
    }

    /// Waits this long for each thing from now on.
    pub fn set_deadline(&mut self, deadline: Duration) {
        self.deadline = deadline;
    }

    /// Which connection of its [`RawPeer`](super::RawPeer) this is, from 1; 0 for a client's.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The address of this side.
    ///
    /// # Errors
    /// The socket is gone.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.stream.local_addr()
    }

    /// Sends all of `bytes`.
    ///
    /// # Errors
    /// The connection ended, or the peer does not take them in time.
    pub async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        timeout(self.deadline, self.stream.write_all(bytes)).await?
    }

    /// Reads to the empty line that ends a head, and gives the head with it.
    ///
    /// # Errors
    /// The connection ended before.
    pub async fn read_head(&mut self) -> io::Result<Bytes> {
        loop {
            if let Some(at) = self.buf.windows(4).position(|window| window == b"\r\n\r\n") {
                return Ok(self.buf.split_to(at + 4).freeze());
            }
            self.fill_or_fail().await?;
        }
    }

    /// Reads exactly `len` bytes.
    ///
    /// # Errors
    /// The connection ended before.
    pub async fn read_exact(&mut self, len: usize) -> io::Result<Bytes> {
        while self.buf.len() < len {
            self.fill_or_fail().await?;
        }
        Ok(self.buf.split_to(len).freeze())
    }

    /// Reads as many bytes as `expected` has.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidData`] with both texts when they differ.
    pub async fn expect(&mut self, expected: &[u8]) -> io::Result<()> {
        let read = self.read_exact(expected.len()).await?;
        if read == expected {
            return Ok(());
        }
        Err(invalid(format!("expected {:?}, got {read:?}", Bytes::copy_from_slice(expected))))
    }

    /// Reads one request with its body.
    ///
    /// # Errors
    /// It is malformed or not complete.
    pub async fn read_request(&mut self) -> io::Result<RawRequest> {
        let mut parser = HeadParser::new(HeadLimits::default());
        loop {
            if let Some(head) = parser.parse_request(&mut self.buf).map_err(invalid)? {
                let (body, trailers) = self.read_body(head.body).await?;
                return Ok(RawRequest { head, body, trailers });
            }
            self.fill_or_fail().await?;
        }
    }

    /// Reads one response with its body, unless it opens a tunnel.
    ///
    /// # Errors
    /// It is malformed or not complete.
    pub async fn read_response(&mut self, request: AnswerTo) -> io::Result<RawResponse> {
        let mut parser = HeadParser::new(HeadLimits::default());
        loop {
            if let Some(head) = parser.parse_response(&mut self.buf, request).map_err(invalid)? {
                let length = if head.tunnel { BodyLength::Empty } else { head.body };
                let (body, trailers) = self.read_body(length).await?;
                return Ok(RawResponse { head, body, trailers });
            }
            self.fill_or_fail().await?;
        }
    }

    async fn read_body(&mut self, length: BodyLength) -> io::Result<(Bytes, HeaderMap)> {
        let mut decoder = BodyDecoder::new(length);
        let (mut body, mut trailers) = (BytesMut::new(), HeaderMap::new());
        loop {
            match decoder.decode(&mut self.buf).map_err(invalid)? {
                Decoded::Data(data) => body.extend_from_slice(&data),
                Decoded::Trailers(map) => trailers = map,
                Decoded::End => return Ok((body.freeze(), trailers)),
                Decoded::NeedMore => {
                    if self.fill().await? == 0 {
                        decoder.finish().map_err(invalid)?;
                    }
                }
            }
        }
    }

    /// Reads until the peer ends the connection.
    ///
    /// # Errors
    /// It does not do so in time.
    pub async fn read_to_end(&mut self) -> io::Result<Ending> {
        loop {
            match self.fill().await {
                Ok(0) => return Ok(Ending::Closed(self.buf.split().freeze())),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {
                    return Ok(Ending::Reset(self.buf.split().freeze()));
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Closes the sending side; the other stays open.
    ///
    /// # Errors
    /// The connection ended before.
    pub async fn finish(&mut self) -> io::Result<()> {
        self.stream.shutdown().await
    }

    /// Ends the connection with a reset.
    pub fn reset(self) {
        net::reset_on_close(&self.stream);
    }

    /// Reads what is there; 0 at the end.
    async fn fill(&mut self) -> io::Result<usize> {
        timeout(self.deadline, self.stream.read_buf(&mut self.buf)).await?
    }

    async fn fill_or_fail(&mut self) -> io::Result<()> {
        match self.fill().await? {
            0 => Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                format!("the peer closed after {:?}", &self.buf),
            )),
            _ => Ok(()),
        }
    }
}

fn invalid(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}
