//! One request and its response on a stream.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use bytes::Bytes;
use destrier_policy::HttpOptions;
use http::header::{CONTENT_LENGTH, HOST};
use http::uri::{Authority, Scheme};
use http::{HeaderMap, HeaderName, Request, Response, Uri, Version};

use super::IncomingStream;
use super::pump::Pump;
use crate::payload::Payload;
use crate::pool::StreamLease;
use crate::retry::{Again, Failure};
use crate::{Body, ForwardError, GoOn};

const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Sends the request and returns at the response's head.
///
/// # Errors
/// Why there is no response, and whether the request may be sent again.
pub(crate) async fn exchange(
    mut lease: StreamLease,
    head: &http::request::Parts,
    payload: &mut Payload,
    options: &HttpOptions,
) -> Result<Response<Body>, Failure> {
    // The h2 crate does not show a client the interim responses.
    head.extensions.get::<GoOn>().inspect(|go_on| go_on.say());
    let request = outgoing(head)?;
    let empty = matches!(payload, Payload::AtHand(bytes) if bytes.is_empty());
    let begun = lease.send().send_request(request, empty);
    // Not a byte of it went out.
    let (response, mut stream) =
        begun.map_err(|error| Failure { error: classify(&error), again: Again::Always })?;
    let mut pump = match payload {
        Payload::AtHand(bytes) if bytes.is_empty() => None,
        Payload::AtHand(bytes) => {
            // h2 keeps what the windows do not allow yet. A stream that is over says why below.
            let _ = stream.send_data(bytes.clone(), true);
            None
        }
        Payload::Streaming { first, body } => {
            let pump = Pump::start(stream, std::mem::take(first), std::mem::take(body));
            *payload = Payload::Spent;
            Some(pump)
        }
        Payload::Spent => None,
    };
    let mut response = response;
    let answered = poll_fn(|cx| {
        if let Some(pump) = &mut pump
            && let Poll::Ready(error) = pump.poll_failure(cx)
        {
            return Poll::Ready(Err(ForwardError::RequestBody(error).into()));
        }
        Pin::new(&mut response).poll(cx).map_err(|error| failure(&error, lease.reused))
    });
    let (head, stream) = answered.await?.into_parts();
    if head.headers.len() > options.max_headers_count as usize {
        return Err(ForwardError::Protocol("too many headers".into()).into());
    }
    let body = if stream.is_end_stream() {
        drop((stream, pump, lease));
        Body::empty()
    } else {
        let length = content_length(&head.headers);
        Body::from(IncomingStream::new(stream, length, pump, lease))
    };
    Ok(Response::from_parts(head, body))
}

/// The request with its pseudo-headers: `:authority` is that of the target, else the `host` header;
/// `:scheme` likewise, else what `x-forwarded-proto` says.
fn outgoing(head: &http::request::Parts) -> Result<Request<()>, Failure> {
    let host = || {
        Authority::from_maybe_shared(Bytes::copy_from_slice(head.headers.get(HOST)?.as_bytes()))
            .ok()
    };
    let mut target = http::uri::Parts::default();
    target.authority = head.uri.authority().cloned().or_else(host);
    if head.method != http::Method::CONNECT {
        let told = || head.headers.get(X_FORWARDED_PROTO).is_some_and(|proto| proto == "https");
        let known = head.uri.scheme().cloned();
        target.scheme = known.or_else(|| Some(if told() { Scheme::HTTPS } else { Scheme::HTTP }));
        target.path_and_query = Some(
            head.uri
                .path_and_query()
                .cloned()
                .unwrap_or_else(|| http::uri::PathAndQuery::from_static("/")),
        );
    }
    let uri = Uri::from_parts(target)
        .map_err(|error| ForwardError::Protocol(format!("no target for HTTP/2: {error}")))?;
    let mut request = Request::new(());
    *request.method_mut() = head.method.clone();
    *request.uri_mut() = uri;
    *request.version_mut() = Version::HTTP_2;
    let mut headers = head.headers.clone();
    headers.remove(HOST);
    *request.headers_mut() = headers;
    Ok(request)
}

fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn failure(error: &h2::Error, reused: bool) -> Failure {
    let again = if error.reason() == Some(h2::Reason::REFUSED_STREAM) && error.is_reset() {
        Again::Always
    } else if error.is_go_away() && error.is_remote() {
        // Only streams beyond the last that the host will look at end so (RFC 9113, 6.8).
        Again::Always
    } else if error.is_io() && reused {
        Again::Idempotent
    } else {
        Again::Never
    };
    Failure { error: classify(error), again }
}

fn classify(error: &h2::Error) -> ForwardError {
    if error.is_io() || (error.is_go_away() && error.is_remote()) {
        return ForwardError::ConnectionTermination;
    }
    match error.reason() {
        Some(h2::Reason::REFUSED_STREAM) if error.is_reset() => ForwardError::RefusedStream,
        Some(h2::Reason::PROTOCOL_ERROR) => ForwardError::Protocol(error.to_string()),
        _ if error.is_reset() && error.is_remote() => ForwardError::RemoteReset,
        _ => ForwardError::Protocol(error.to_string()),
    }
}
