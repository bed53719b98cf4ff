//! Why a message was refused, and what Envoy answers to the same fault.

use http::StatusCode;

/// A fault in a head. The connection ends; nothing of the message reaches the other side.
///
/// In a request it is answered with [`HeadError::status`] and [`HeadError::details`]; in a response
/// every one of them is a 502.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeadError {
    /// The head is longer than [`HeadLimits::max_bytes`](crate::HeadLimits).
    #[error("the head is longer than {limit} bytes")]
    TooLarge {
        /// The limit that was passed, in bytes.
        limit: usize,
    },
    /// There are more header lines than [`HeadLimits::max_headers`](crate::HeadLimits).
    #[error("the head has more than {limit} headers")]
    TooManyHeaders {
        /// The limit that was passed.
        limit: usize,
    },
    /// A line feed without a carriage return before it.
    #[error("a line ends with a bare line feed")]
    BareLineFeed,
    /// The first line is not three parts with one space between them, or not a status line.
    #[error("the first line is malformed")]
    StartLine,
    /// The method is not one of those that are registered (Envoy's list).
    #[error("the method is unknown")]
    Method,
    /// The target has a fragment (`#`), which is the client's own business.
    #[error("the request target has a fragment")]
    Fragment,
    /// The target has user information, a control or non-ASCII byte, or a form that its method does
    /// not allow.
    #[error("the request target is malformed")]
    Target,
    /// The target is an absolute form without a host, or `*` with another method than OPTIONS.
    #[error("the request target is no URL")]
    Url,
    /// The target is an absolute form of another scheme than `http` and `https`.
    #[error("the scheme of the request target is neither http nor https")]
    Scheme,
    /// The version is neither HTTP/1.1 nor HTTP/1.0, or there is none (HTTP/0.9).
    #[error("the version is not HTTP/1.1 or HTTP/1.0")]
    Version,
    /// A header name is not a token, is followed by a space, or has no colon; or the line is folded.
    #[error("a header name is malformed")]
    HeaderName,
    /// A header value has a control byte, such as NUL or a bare carriage return.
    #[error("a header value has a control byte")]
    HeaderValue,
    /// There are two `host` headers.
    #[error("there are two host headers")]
    RepeatedHost,
    /// The `host` header is not a host with an optional port.
    #[error("the host header is malformed")]
    Host,
    /// `content-length` is not a decimal number that fits in 64 bits.
    #[error("content-length is not a number")]
    ContentLength,
    /// There are two `content-length` headers, equal or not.
    #[error("content-length is repeated")]
    RepeatedContentLength,
    /// Both `content-length` and `transfer-encoding`.
    #[error("content-length and transfer-encoding exclude each other")]
    LengthAndChunked,
    /// `transfer-encoding` is anything but one `chunked`, or stands where it may not (CONNECT).
    #[error("transfer-encoding is not exactly chunked")]
    TransferEncoding,
    /// `transfer-encoding` in an HTTP/1.0 message.
    #[error("transfer-encoding in an HTTP/1.0 message")]
    ChunkedInHttp10,
    /// A CONNECT request with a body.
    #[error("a CONNECT request has a body")]
    BodyDisallowed,
    /// `connection` names a header that decides where the request goes or what it is.
    #[error("the connection header names a header that it may not remove")]
    ConnectionHeader,
    /// A 101 that nobody asked for.
    #[error("101 without a request to switch")]
    UnexpectedSwitch,
}

impl HeadError {
    /// The status that Envoy answers to a request with this fault: 400, 426, 431 or 501.
    pub fn status(self) -> StatusCode {
        match self {
            Self::TooLarge { .. } | Self::TooManyHeaders { .. } => {
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE
            }
            Self::Version => StatusCode::UPGRADE_REQUIRED,
            Self::TransferEncoding => StatusCode::NOT_IMPLEMENTED,
            _ => StatusCode::BAD_REQUEST,
        }
    }

    /// Envoy's `%RESPONSE_CODE_DETAILS%` for a request with this fault.
    pub fn details(self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "http1.headers_too_large",
            Self::TooManyHeaders { .. } => "http1.too_many_headers",
            Self::Version => "low_version",
            Self::Fragment => "path_normalization_failed",
            Self::Url => "http1.invalid_url",
            Self::Scheme => "http1.invalid_scheme",
            Self::HeaderValue => "http1.invalid_characters",
            Self::Host => "http.invalid_authority",
            Self::LengthAndChunked => "http1.content_length_and_chunked_not_allowed",
            Self::TransferEncoding => "http1.invalid_transfer_encoding",
            Self::BodyDisallowed => "http1.body_disallowed",
            Self::ConnectionHeader => "http1.connection_header_rejected",
            _ => "http1.codec_error",
        }
    }
}

/// A fault in a body. Bytes before it may have gone out; the message is aborted on both sides.
///
/// In a request whose answer has not begun it is a 400 with [`BodyError::DETAILS`]; in a response
/// both connections end without the message being completed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// A chunk size is not hexadecimal or does not fit in 64 bits.
    #[error("a chunk size is malformed")]
    ChunkSize,
    /// Chunk extensions have a control byte or are longer than what is tolerated.
    #[error("chunk extensions are malformed or too long")]
    ChunkExtension,
    /// A chunk's data is not followed by CR LF.
    #[error("a chunk does not end where its size says")]
    ChunkEnd,
    /// A trailer is malformed or is one that may not be a trailer.
    #[error("a trailer is malformed or not allowed")]
    Trailer,
    /// The trailers pass the limits.
    #[error("the trailers are too large")]
    TrailersTooLarge,
    /// The peer closed before the body was complete.
    #[error("the connection ended inside the body")]
    Truncated,
}

impl BodyError {
    /// Envoy's `%RESPONSE_CODE_DETAILS%` for every fault in a request body.
    pub const DETAILS: &'static str = "http1.codec_error";
}
