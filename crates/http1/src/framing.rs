//! How long a body is: what the headers of a message say about it (RFC 9112, section 6).

use http::Method;

/// How the body of a message is delimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyLength {
    /// There is no body and no header about one: a request without one, 1xx, 204.
    Empty,
    /// There is no body, but `content-length` may tell what it would have been: an answer to HEAD, 304.
    Omitted,
    /// Exactly this many bytes.
    Length(u64),
    /// Chunks, perhaps with trailers.
    Chunked,
    /// All bytes until the peer closes: responses only, and what follows a switch of protocols.
    UntilClose,
}

/// What the request was, as far as its response's framing depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnswerTo {
    /// A HEAD request: the response has no body, whatever it says.
    Head,
    /// A CONNECT request: after a 2xx there is no HTTP any more.
    Connect,
    /// A request with `connection: upgrade`: a 101 is allowed.
    Upgrade,
    /// Any other.
    Other,
}

impl AnswerTo {
    /// The kind of a request that does not ask to switch protocols.
    pub fn method(method: &Method) -> Self {
        match *method {
            Method::HEAD => Self::Head,
            Method::CONNECT => Self::Connect,
            _ => Self::Other,
        }
    }
}
