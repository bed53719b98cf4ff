//! Writes heads and chunks.

use bytes::BytesMut;
use http::uri::{Authority, PathAndQuery};
use http::{HeaderMap, Method, StatusCode, Version};

use crate::BodyLength;

/// The interim answer to `expect: 100-continue`.
pub const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";
/// What follows the data of each chunk.
pub const CHUNK_END: &[u8] = b"\r\n";
/// The end of a chunked body without trailers.
pub const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// What a request asks for, as it stands in the first line.
#[derive(Clone, Copy, Debug)]
pub enum Target<'a> {
    /// A path and query, or `*`.
    Path(&'a PathAndQuery),
    /// A host and port, for CONNECT.
    Authority(&'a Authority),
}

/// The `connection` header of a message that is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionOption {
    /// None: HTTP/1.1's default, the connection stays open.
    Omit,
    /// `close`: this is the last message.
    Close,
    /// `keep-alive`: an HTTP/1.0 peer needs to be told.
    KeepAlive,
    /// `upgrade`: the headers hold the `upgrade` header that it names.
    Upgrade,
}

/// Writes the head of an HTTP/1.1 request, with the framing headers that `body` asks for.
///
/// `content-length`, `transfer-encoding` and `connection` of `headers` are not written: the first two
/// come from `body`, the last from `connection`. [`BodyLength::UntilClose`] cannot frame a request and
/// is written as chunked.
pub fn write_request_head(
    dst: &mut BytesMut,
    method: &Method,
    target: Target<'_>,
    headers: &HeaderMap,
    body: BodyLength,
    connection: ConnectionOption,
) {
    todo!()
}

/// Writes the head of a response, with the framing headers that `body` asks for and the registered
/// reason phrase.
///
/// `transfer-encoding` and `connection` of `headers` are not written, `content-length` only for
/// [`BodyLength::Omitted`]. For [`BodyLength::UntilClose`] of a response pass
/// [`ConnectionOption::Close`]. An HTTP/1.0 peer cannot read chunks.
pub fn write_response_head(
    dst: &mut BytesMut,
    version: Version,
    status: StatusCode,
    headers: &HeaderMap,
    body: BodyLength,
    connection: ConnectionOption,
) {
    todo!()
}

/// The line before a chunk's data, such as `1a2b\r\n`, on the stack: write it, the data and
/// [`CHUNK_END`] with one vectored write.
#[derive(Clone, Copy, Debug)]
pub struct ChunkHead {
    bytes: [u8; 18],
    start: u8,
}

impl ChunkHead {
    /// The line for `len` bytes of data. A chunk of length 0 would end the body: never pass 0.
    pub fn new(len: usize) -> Self {
        todo!()
    }

    /// The line's bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[usize::from(self.start)..]
    }
}

/// Appends one chunk: for small data, where a copy is cheaper than a vectored write. Empty data
/// writes nothing.
pub fn write_chunk(dst: &mut BytesMut, data: &[u8]) {
    todo!()
}

/// Appends the end of a chunked body with its trailers. Trailers that would be framing or routing are
/// left out.
pub fn write_last_chunk(dst: &mut BytesMut, trailers: &HeaderMap) {
    todo!()
}
