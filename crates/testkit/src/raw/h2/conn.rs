//! A connection of frames.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::{Bytes, BytesMut};

use super::frame::{Frame, flag, kind, setting};
use crate::raw::RawConn;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// What became of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was answered to the end; the status, if it could be read, and the bytes of the body.
    Answered(Option<u16>, Bytes),
    /// RST_STREAM with this code; the status of an answer that had begun.
    Reset(u32, Option<u16>),
    /// GOAWAY with an error.
    GoneAway(u32),
    /// The connection ended.
    Closed,
}

/// One HTTP/2 connection as frames. It answers nothing by itself, but for SETTINGS and PING while it waits
/// for something else.
#[derive(Debug)]
pub struct RawH2 {
    conn: RawConn,
}

impl RawH2 {
    /// Connects as a client: sends the preface and SETTINGS that forbid the dynamic table, so that a status
    /// can be read.
    ///
    /// # Errors
    /// As for [`RawConn::connect`].
    pub async fn connect(addr: SocketAddr) -> io::Result<Self> {
        Self::connect_with(addr, &[]).await
    }

    /// The same with more parameters.
    ///
    /// # Errors
    /// As for [`RawConn::connect`].
    pub async fn connect_with(addr: SocketAddr, parameters: &[(u16, u32)]) -> io::Result<Self> {
        let mut conn = RawConn::connect(addr).await?;
        conn.send(PREFACE).await?;
        let mut raw = Self { conn };
        let parameters = [&[(setting::HEADER_TABLE_SIZE, 0)], parameters].concat();
        raw.send(&[Frame::settings(&parameters)]).await?;
        Ok(raw)
    }

    /// Begins as a server on a connection of a [`RawPeer`](crate::RawPeer): reads the preface and sends
    /// SETTINGS.
    ///
    /// # Errors
    /// The client does not speak HTTP/2.
    pub async fn accept(mut conn: RawConn, parameters: &[(u16, u32)]) -> io::Result<Self> {
        conn.expect(PREFACE).await?;
        let mut raw = Self { conn };
        raw.send(&[Frame::settings(parameters)]).await?;
        Ok(raw)
    }

    /// Waits this long for each thing from now on.
    pub fn set_deadline(&mut self, deadline: Duration) {
        self.conn.set_deadline(deadline);
    }

    /// Sends frames in one write.
    ///
    /// # Errors
    /// The connection ended, or the peer does not take them in time.
    pub async fn send(&mut self, frames: &[Frame]) -> io::Result<()> {
        let mut out = BytesMut::new();
        for frame in frames {
            frame.write(&mut out);
        }
        self.conn.send(&out).await
    }

    /// Sends bytes that need be no frames.
    ///
    /// # Errors
    /// The connection ended, or the peer does not take them in time.
    pub async fn send_bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.conn.send(bytes).await
    }

    /// The next frame; `None` when the peer has ended the connection.
    ///
    /// # Errors
    /// Nothing comes in time.
    pub async fn next(&mut self) -> io::Result<Option<Frame>> {
        match self.read().await {
            Ok(frame) => Ok(Some(frame)),
            Err(error) if is_end(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn read(&mut self) -> io::Result<Frame> {
        let head = self.conn.read_exact(9).await?;
        let number =
            |bytes: &[u8]| bytes.iter().fold(0u32, |sum, byte| sum << 8 | u32::from(*byte));
        let payload = self.conn.read_exact(number(&head[..3]) as usize).await?;
        let stream = number(&head[5..9]) & 0x7fff_ffff;
        Ok(Frame { kind: head[3], flags: head[4], stream, payload })
    }

    /// The next frame that is wanted; the others are dropped, SETTINGS and PING among them answered.
    ///
    /// # Errors
    /// Nothing comes in time.
    pub async fn find(&mut self, wanted: impl Fn(&Frame) -> bool) -> io::Result<Option<Frame>> {
        loop {
            let Some(frame) = self.next().await? else { return Ok(None) };
            if wanted(&frame) {
                return Ok(Some(frame));
            }
            let answer = match frame.kind {
                kind::SETTINGS if !frame.has(flag::ACK) => Frame::settings_ack(),
                kind::PING if !frame.has(flag::ACK) => Frame { flags: flag::ACK, ..frame },
                _ => continue,
            };
            match self.send(&[answer]).await {
                Err(error) if !is_end(&error) => return Err(error),
                // What came before its end can still be read.
                _ => {}
            }
        }
    }

    /// Waits until a stream is over.
    ///
    /// # Errors
    /// It is not over in time.
    pub async fn outcome(&mut self, stream: u32) -> io::Result<Outcome> {
        let (mut status, mut body) = (None, BytesMut::new());
        loop {
            let wanted = |frame: &Frame| frame.stream == stream || frame.kind == kind::GOAWAY;
            let Some(frame) = self.find(wanted).await? else { return Ok(Outcome::Closed) };
            match (frame.kind, frame.error_code()) {
                (kind::RST_STREAM, Some(code)) => return Ok(Outcome::Reset(code, status)),
                (kind::GOAWAY, Some(code)) if code != 0 => return Ok(Outcome::GoneAway(code)),
                (kind::HEADERS, _) => status = status.or(frame.status()),
                (kind::DATA, _) => body.extend_from_slice(&frame.payload),
                _ => {}
            }
            let ends = matches!(frame.kind, kind::HEADERS | kind::DATA);
            if ends && frame.has(flag::END_STREAM) {
                return Ok(Outcome::Answered(status, body.freeze()));
            }
        }
    }

    /// The code of a GOAWAY, or `None` when the connection ends without one.
    ///
    /// # Errors
    /// Neither comes in time.
    pub async fn gone_away(&mut self) -> io::Result<Option<u32>> {
        let frame = self.find(|frame| frame.kind == kind::GOAWAY).await?;
        Ok(frame.and_then(|frame| frame.error_code()))
    }

    /// The connection underneath.
    pub fn into_conn(self) -> RawConn {
        self.conn
    }
}

fn is_end(error: &io::Error) -> bool {
    use io::ErrorKind as Kind;
    matches!(error.kind(), Kind::UnexpectedEof | Kind::ConnectionReset | Kind::BrokenPipe)
}
