//! The body of a request or response on its way through.

use bytes::Bytes;

/// Implements `http_body::Body<Data = Bytes, Error = BodyError>`; `Send`. Permits of the request travel
/// in the response's body and come back when it ends or is dropped.
pub struct Body(Kind);

enum Kind {
    Empty,
    Full(Option<Bytes>),
    // h1 incoming (request on the listener's side, response on the cluster's side), hyper's Incoming,
    // boxed for anything else, wrapped with permits.
}

impl Body {
    /// No body.
    pub fn empty() -> Self {
        Self(Kind::Empty)
    }
    /// All of it in one piece.
    pub fn full(bytes: Bytes) -> Self {
        Self(Kind::Full(Some(bytes)))
    }
}
