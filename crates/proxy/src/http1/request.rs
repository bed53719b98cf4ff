//! From a head on the wire to a request.

use std::sync::Arc;

use bytes::BytesMut;
use destrier_http1::{BodyDecoder, BodyLength, Decoded, RequestHead};
use destrier_policy::UnderscorePolicy;
use destrier_upstream::Body;
use destrier_upstream::h1::{IncomingBody, Reader, ReturnSlot, Trailers};
use http::header::{HOST, HeaderValue};
use http::uri::{PathAndQuery, Uri};
use http::{Method, Request, Version};
use tokio::time::Instant;

use crate::exchange::Protocol;
use crate::progress::RequestProgress;
use crate::request_body::RequestBody;
use crate::scope::HttpScope;
use crate::stack::LocalReply;

/// A body that came together with its head is handed on in one piece, up to this size.
const WHOLE: u64 = 16 << 10;

/// A request and where its body comes from.
pub(super) struct Incoming {
    pub(super) request: Request<Body>,
    pub(super) body: Source,
}

/// Where the body comes from.
pub(super) enum Source {
    /// It is here: so many bytes.
    Whole(u64),
    /// It is still read; the reader comes back through the slot.
    Streamed(Arc<RequestProgress>),
}

/// The version, unless it is refused.
pub(super) fn check(head: &RequestHead, scope: &HttpScope) -> Result<Protocol, LocalReply> {
    let policy = &scope.policy;
    if policy.headers_with_underscores == UnderscorePolicy::RejectRequest
        && head.headers.keys().any(|name| name.as_str().contains('_'))
    {
        return Err(LocalReply::underscore());
    }
    match head.version {
        Version::HTTP_10 if policy.http1.accept_http_10 => Ok(Protocol::Http10),
        Version::HTTP_10 => Err(LocalReply::old_version()),
        _ => Ok(Protocol::Http11),
    }
}

/// Makes the request; takes the reader when the body has to be read first.
pub(super) fn assemble(
    head: RequestHead,
    reader: &mut Option<Reader>,
    slot: &ReturnSlot,
    scope: &HttpScope,
    started: Instant,
) -> Incoming {
    let mut request = Request::new(Body::empty());
    *request.method_mut() = head.method;
    *request.uri_mut() = head.uri;
    *request.version_mut() = head.version;
    *request.headers_mut() = head.headers;
    let http1 = &scope.policy.http1;
    if !http1.disallow_absolute_url {
        to_origin_form(&mut request);
    }
    if request.version() == Version::HTTP_10
        && let Some(host) = &scope.default_host
    {
        request.headers_mut().entry(HOST).or_insert_with(|| host.clone());
    }
    let at_hand = reader.as_mut().and_then(|reader| whole(head.body, reader.buffer()));
    let body = match (at_hand, reader.take()) {
        (Some(body), back) => {
            *reader = back;
            let length = http_body::Body::size_hint(&body).exact().unwrap_or_default();
            *request.body_mut() = body;
            Source::Whole(length)
        }
        (None, Some(taken)) => {
            let trailers = if http1.enable_trailers { Trailers::Keep } else { Trailers::Drop };
            let progress = Arc::new(RequestProgress::new(started));
            let incoming = IncomingBody::request(taken, head.body, trailers, slot.clone());
            let observed = RequestBody::new(incoming, Arc::clone(&progress));
            *request.body_mut() = Body::boxed(observed);
            Source::Streamed(progress)
        }
        (None, None) => Source::Whole(0),
    };
    Incoming { request, body }
}

/// The body, when it needs no reading.
fn whole(length: BodyLength, read: &mut BytesMut) -> Option<Body> {
    match length {
        BodyLength::Empty | BodyLength::Omitted | BodyLength::Length(0) => Some(Body::empty()),
        BodyLength::Length(length) if length <= WHOLE && length <= read.len() as u64 => {
            match BodyDecoder::new(BodyLength::Length(length)).decode(read) {
                Ok(Decoded::Data(data)) if data.len() as u64 == length => Some(Body::full(data)),
                _ => None,
            }
        }
        _ => None,
    }
}

/// `GET http://host/path` is `GET /path` with `host: host` (RFC 9112, 3.2.2).
fn to_origin_form(request: &mut Request<Body>) {
    if request.method() == Method::CONNECT || request.uri().scheme().is_none() {
        return;
    }
    let Some(authority) = request.uri().authority() else { return };
    let Ok(host) = HeaderValue::from_str(authority.as_str()) else { return };
    let path = request.uri().path_and_query().cloned();
    request.headers_mut().insert(HOST, host);
    *request.uri_mut() = Uri::from(path.unwrap_or_else(|| PathAndQuery::from_static("/")));
}
