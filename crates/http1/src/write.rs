//! Writes heads and chunks.

use bytes::BytesMut;
use http::header::{self, HeaderName};
use http::uri::{Authority, PathAndQuery};
use http::{HeaderMap, Method, StatusCode, Version};

use crate::BodyLength;
use crate::fields::is_forbidden_trailer;

/// The interim answer to `expect: 100-continue`.
pub const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";
/// What follows the data of each chunk.
pub const CHUNK_END: &[u8] = b"\r\n";
/// The end of a chunked body without trailers.
pub const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

const CHUNKED: &[u8] = b"transfer-encoding: chunked\r\n";

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
    dst.reserve(room_for(headers));
    dst.extend_from_slice(method.as_str().as_bytes());
    dst.extend_from_slice(b" ");
    match target {
        Target::Path(path) => {
            // A URI may have a query and no path, a request line may not.
            if path.as_str().starts_with('?') {
                dst.extend_from_slice(b"/");
            }
            dst.extend_from_slice(path.as_str().as_bytes());
        }
        Target::Authority(authority) => dst.extend_from_slice(authority.as_str().as_bytes()),
    }
    dst.extend_from_slice(b" HTTP/1.1\r\n");
    match body {
        BodyLength::Empty | BodyLength::Omitted => {}
        BodyLength::Length(length) => write_length(dst, length),
        BodyLength::Chunked | BodyLength::UntilClose => dst.extend_from_slice(CHUNKED),
    }
    write_fields(dst, headers, is_written_here);
    write_connection(dst, connection);
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
    dst.reserve(room_for(headers));
    let minor: &[u8] = if version == Version::HTTP_10 { b"HTTP/1.0 " } else { b"HTTP/1.1 " };
    dst.extend_from_slice(minor);
    dst.extend_from_slice(status.as_str().as_bytes());
    dst.extend_from_slice(b" ");
    dst.extend_from_slice(status.canonical_reason().unwrap_or("Unknown").as_bytes());
    dst.extend_from_slice(b"\r\n");
    match body {
        BodyLength::Empty | BodyLength::Omitted | BodyLength::UntilClose => {}
        BodyLength::Length(length) => write_length(dst, length),
        BodyLength::Chunked => dst.extend_from_slice(CHUNKED),
    }
    match body {
        BodyLength::Omitted => write_fields(dst, headers, |name| {
            is_written_here(name) && name != header::CONTENT_LENGTH
        }),
        _ => write_fields(dst, headers, is_written_here),
    }
    write_connection(dst, connection);
}

/// Enough for most heads, so that the buffer grows once if at all.
fn room_for(headers: &HeaderMap) -> usize {
    256 + headers.len() * 48
}

fn is_written_here(name: &HeaderName) -> bool {
    name == header::CONTENT_LENGTH
        || name == header::TRANSFER_ENCODING
        || name == header::CONNECTION
}

fn write_fields(dst: &mut BytesMut, headers: &HeaderMap, skip: impl Fn(&HeaderName) -> bool) {
    for (name, value) in headers {
        if skip(name) {
            continue;
        }
        dst.extend_from_slice(name.as_str().as_bytes());
        dst.extend_from_slice(b": ");
        dst.extend_from_slice(value.as_bytes());
        dst.extend_from_slice(b"\r\n");
    }
}

fn write_length(dst: &mut BytesMut, length: u64) {
    dst.extend_from_slice(b"content-length: ");
    dst.extend_from_slice(itoa::Buffer::new().format(length).as_bytes());
    dst.extend_from_slice(b"\r\n");
}

/// Writes the `connection` header and the empty line that ends the head.
fn write_connection(dst: &mut BytesMut, connection: ConnectionOption) {
    dst.extend_from_slice(match connection {
        ConnectionOption::Omit => b"\r\n",
        ConnectionOption::Close => b"connection: close\r\n\r\n",
        ConnectionOption::KeepAlive => b"connection: keep-alive\r\n\r\n",
        ConnectionOption::Upgrade => b"connection: upgrade\r\n\r\n",
    });
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
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut bytes = *b"0000000000000000\r\n";
        let mut start = 16;
        let mut left = len;
        while left > 0 || start == 16 {
            start -= 1;
            bytes[usize::from(start)] = DIGITS[left & 0xf];
            left >>= 4;
        }
        Self { bytes, start }
    }

    /// The line's bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[usize::from(self.start)..]
    }
}

/// Appends one chunk: for small data, where a copy is cheaper than a vectored write. Empty data
/// writes nothing.
pub fn write_chunk(dst: &mut BytesMut, data: &[u8]) {
    if data.is_empty() {
        return;
    }
    let head = ChunkHead::new(data.len());
    dst.reserve(head.as_bytes().len() + data.len() + CHUNK_END.len());
    dst.extend_from_slice(head.as_bytes());
    dst.extend_from_slice(data);
    dst.extend_from_slice(CHUNK_END);
}

/// Appends the end of a chunked body with its trailers. Trailers that would be framing or routing are
/// left out.
pub fn write_last_chunk(dst: &mut BytesMut, trailers: &HeaderMap) {
    dst.extend_from_slice(b"0\r\n");
    write_fields(dst, trailers, is_forbidden_trailer);
    dst.extend_from_slice(CHUNK_END);
}
