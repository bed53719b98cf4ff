//! Heads: a request line or status line and its headers.

use std::mem;

use bytes::{Buf as _, Bytes, BytesMut};
use http::{HeaderMap, Method, StatusCode, Uri, Version, header};

use crate::scan::{Scan, ScanError, Scanned};
use crate::{AnswerTo, BodyLength, HeadError, request, response};

/// How large a head may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeadLimits {
    /// Bytes of the whole head with its line ends. Envoy's default is 60 KiB for both directions.
    pub max_bytes: usize,
    /// Header lines. Envoy's default is 100.
    pub max_headers: usize,
}

impl Default for HeadLimits {
    fn default() -> Self {
        Self { max_bytes: 60 * 1024, max_headers: 100 }
    }
}

/// Takes heads off the front of a connection's read buffer; one for each connection and direction.
///
/// It remembers how far it has looked, so a head that comes a byte at a time costs no more than one
/// that comes whole. After an error the connection is of no further use.
#[derive(Debug)]
pub struct HeadParser {
    limits: HeadLimits,
    scan: Scan,
    spare: HeaderMap,
}

impl HeadParser {
    /// A parser at the start of a connection.
    pub fn new(limits: HeadLimits) -> Self {
        Self { limits, scan: Scan::default(), spare: HeaderMap::new() }
    }

    /// Takes one request head, `Ok(None)` when it is not complete yet.
    ///
    /// Header values and the target share the buffer's memory. Between calls `buf` may only grow.
    /// Empty lines before a request are skipped (RFC 9112, 2.2).
    ///
    /// # Errors
    /// Any fault of the head, as soon as it can be seen.
    pub fn parse_request(&mut self, buf: &mut BytesMut) -> Result<Option<RequestHead>, HeadError> {
        while buf.starts_with(b"\r\n") {
            buf.advance(2);
            self.scan = Scan::default();
        }
        let Some((head, lines)) = self.take(buf)? else {
            request::check_beginning(buf)?;
            return Ok(None);
        };
        request::parse(&head, lines, mem::take(&mut self.spare)).map(Some)
    }

    /// Takes one response head, `Ok(None)` when it is not complete yet. A 1xx head (but 101) is
    /// followed by another head for the same request.
    ///
    /// # Errors
    /// Any fault of the head: the response cannot be used and the connection ends.
    pub fn parse_response(
        &mut self,
        buf: &mut BytesMut,
        request: AnswerTo,
    ) -> Result<Option<ResponseHead>, HeadError> {
        let Some((head, lines)) = self.take(buf)? else {
            response::check_beginning(buf)?;
            return Ok(None);
        };
        response::parse(&head, lines, request, mem::take(&mut self.spare)).map(Some)
    }

    /// Splits a whole head off `buf`, with the number of its header lines.
    fn take(&mut self, buf: &mut BytesMut) -> Result<Option<(Bytes, usize)>, HeadError> {
        let HeadLimits { max_bytes, max_headers } = self.limits;
        match self.scan.advance(buf, &self.limits, max_headers + 1) {
            Ok(Scanned::Incomplete) => Ok(None),
            Ok(Scanned::Complete { len, lines }) => {
                Ok(Some((buf.split_to(len).freeze(), lines.saturating_sub(1))))
            }
            Err(ScanError::BareLineFeed) => Err(HeadError::BareLineFeed),
            Err(ScanError::TooLarge) => Err(HeadError::TooLarge { limit: max_bytes }),
            Err(ScanError::TooManyLines) => Err(HeadError::TooManyHeaders { limit: max_headers }),
        }
    }

    /// Gives back the map of a message that is done with, so that the next one need not allocate.
    pub fn recycle(&mut self, mut headers: HeaderMap) {
        headers.clear();
        self.spare = headers;
    }
}

/// The head of a request, as received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestHead {
    /// One of the registered methods.
    pub method: Method,
    /// The target in the form it came in: origin (`/a?b`), absolute (`http://h/a`; an
    /// empty path is `/`), authority (CONNECT only) or `*` (OPTIONS only).
    pub uri: Uri,
    /// HTTP/1.1 or HTTP/1.0.
    pub version: Version,
    /// All headers; none of them removed.
    pub headers: HeaderMap,
    /// What of the bytes that follow belongs to this request.
    pub body: BodyLength,
    /// Whether the client allows another request on this connection.
    pub keep_alive: bool,
    /// `expect: 100-continue`: the client waits for [`CONTINUE`](crate::CONTINUE) before the body.
    pub expect_continue: bool,
    /// `connection: upgrade` with an `upgrade` header: the client asks to switch protocols.
    pub upgrade: bool,
}

impl RequestHead {
    /// The host that the request is for: of an absolute or authority target, else the `host` header
    /// (RFC 9112, 3.2.2). `None` when there is neither; `Some("")` for an empty `host`.
    pub fn authority(&self) -> Option<&str> {
        match self.uri.authority() {
            Some(authority) => Some(authority.as_str()),
            None => self.headers.get(header::HOST).and_then(|host| host.to_str().ok()),
        }
    }

    /// What the response's parser has to know of this request.
    pub fn answer_to(&self) -> AnswerTo {
        if self.upgrade { AnswerTo::Upgrade } else { AnswerTo::method(&self.method) }
    }
}

/// The head of a response, as received. The reason phrase is dropped, as in Envoy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResponseHead {
    /// 100 to 999.
    pub status: StatusCode,
    /// HTTP/1.1 or HTTP/1.0.
    pub version: Version,
    /// All headers; none of them removed.
    pub headers: HeaderMap,
    /// What of the bytes that follow belongs to this response.
    pub body: BodyLength,
    /// Whether the connection may be used again once the body is complete.
    pub keep_alive: bool,
    /// The connection is no longer HTTP after this head (101, or 2xx to CONNECT); `body` is
    /// [`BodyLength::UntilClose`].
    pub tunnel: bool,
}
