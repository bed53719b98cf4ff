//! Every way in which a request is not answered by its cluster, with what Envoy says of it.

use std::borrow::Cow;

use bytes::Bytes;
use destrier_http1::HeadError;
use destrier_policy::DirectResponse;
use destrier_upstream::{BodyError, ForwardError, ResponseFlag};
use http::StatusCode;
use http::header::{HeaderMap, HeaderValue, LOCATION};

use crate::exchange::AfterAnswer;

/// Why there is no answer from a cluster.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// The client is told.
    Reply(LocalReply),
    /// There is no client any more.
    ClientLeft,
}

/// There is nobody to answer.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the client has left")]
pub(crate) struct ClientLeft;

/// An answer made here.
#[derive(Debug)]
pub(crate) struct LocalReply {
    pub(crate) status: StatusCode,
    /// Without one there is neither a content type nor a body.
    pub(crate) body: Bytes,
    pub(crate) flag: Option<ResponseFlag>,
    /// `%RESPONSE_CODE_DETAILS%`.
    pub(crate) details: Cow<'static, str>,
    /// A header that marks it.
    pub(crate) header: Option<(&'static str, &'static str)>,
    /// More headers, of a route.
    pub(crate) headers: Option<Box<HeaderMap>>,
    /// `grpc-status`, where it is not the one of the status.
    pub(crate) grpc_status: Option<&'static str>,
    pub(crate) after: AfterAnswer,
}

impl LocalReply {
    fn new(status: StatusCode, body: &'static str, details: &'static str) -> Self {
        Self {
            status,
            body: Bytes::from_static(body.as_bytes()),
            flag: None,
            details: Cow::Borrowed(details),
            header: None,
            headers: None,
            grpc_status: None,
            after: AfterAnswer::Keep,
        }
    }

    fn flagged(mut self, flag: ResponseFlag) -> Self {
        self.flag = Some(flag);
        self
    }

    /// The connection ends with it.
    pub(crate) fn closing(mut self) -> Self {
        self.after = AfterAnswer::Close;
        self
    }

    /// No virtual host, or no route of it.
    pub(crate) fn no_route() -> Self {
        Self::new(StatusCode::NOT_FOUND, "", "route_not_found").flagged(ResponseFlag::NR)
    }

    /// CONNECT, which no route takes yet: the connection cannot go on.
    pub(crate) fn no_route_to_connect() -> Self {
        Self::no_route().closing()
    }

    /// HTTP/1.1 without `host`.
    pub(crate) fn missing_host() -> Self {
        Self::new(StatusCode::BAD_REQUEST, "", "missing_host_header").closing()
    }

    /// `OPTIONS *`.
    pub(crate) fn not_a_path() -> Self {
        Self::new(StatusCode::NOT_FOUND, "", "absolute_path_rejected")
    }

    /// A path with escaped slashes: the client is to ask for the one without
    /// (`UNESCAPE_AND_REDIRECT`).
    pub(crate) fn normal_path(path: &str) -> Self {
        let mut reply = Self::new(StatusCode::TEMPORARY_REDIRECT, "", "path_normalization_failed");
        reply.headers = HeaderValue::from_str(path)
            .ok()
            .map(|path| Box::new(HeaderMap::from_iter([(LOCATION, path)])));
        reply
    }

    /// A path that cannot be brought into its normal form, or that must not have escaped slashes.
    pub(crate) fn no_normal_path() -> Self {
        Self::new(StatusCode::BAD_REQUEST, "", "path_normalization_failed").closing()
    }

    /// An upgrade that is not configured.
    pub(crate) fn upgrade_refused() -> Self {
        Self::new(StatusCode::FORBIDDEN, "", "upgrade_failed").closing()
    }

    /// The route's `timeout`.
    pub(crate) fn response_timeout() -> Self {
        Self::new(StatusCode::GATEWAY_TIMEOUT, "upstream request timeout", "response_timeout")
            .flagged(ResponseFlag::UT)
    }

    /// `stream_idle_timeout`.
    pub(crate) fn stream_idle() -> Self {
        Self::new(StatusCode::GATEWAY_TIMEOUT, "stream timeout", "stream_idle_timeout")
            .flagged(ResponseFlag::SI)
    }

    /// `request_headers_timeout`.
    pub(crate) fn head_timeout() -> Self {
        let (body, details) = ("request header timeout", "request_header_timeout");
        Self::new(StatusCode::REQUEST_TIMEOUT, body, details).closing()
    }

    /// `request_timeout`.
    pub(crate) fn request_timeout() -> Self {
        Self::new(StatusCode::REQUEST_TIMEOUT, "request timeout", "request_overall_timeout")
            .closing()
    }

    /// `max_stream_duration` of a route or a connection manager.
    pub(crate) fn stream_duration() -> Self {
        let (body, details) = ("downstream duration timeout", "max_duration_timeout");
        let mut reply = Self::new(StatusCode::GATEWAY_TIMEOUT, body, details);
        // DEADLINE_EXCEEDED.
        reply.grpc_status = Some("4");
        reply
    }

    /// The request did not come whole in time.
    pub(crate) fn of_request(mut self) -> Self {
        self.status = StatusCode::REQUEST_TIMEOUT;
        self.closing()
    }

    /// A `redirect` of a route.
    pub(crate) fn redirect(status: StatusCode, location: Option<HeaderValue>) -> Self {
        let mut reply = Self::new(status, "", "direct_response");
        reply.headers = location.map(|location| {
            let mut headers = HeaderMap::with_capacity(4);
            headers.insert(LOCATION, location);
            Box::new(headers)
        });
        reply
    }

    /// A `direct_response` of a route.
    pub(crate) fn direct(response: &DirectResponse) -> Self {
        let mut reply = Self::new(response.status, "", "direct_response");
        reply.body = Bytes::copy_from_slice(&response.body);
        reply
    }

    /// What is not an HTTP/1 request.
    pub(crate) fn malformed(error: HeadError) -> Self {
        match error {
            // Envoy finds it after the codec.
            HeadError::Fragment => Self::new(error.status(), "", error.details()).closing(),
            _ => Self::bad_request(error.status(), error.details()),
        }
    }

    /// HTTP/1.0 where it is not accepted.
    pub(crate) fn old_version() -> Self {
        Self::malformed(HeadError::Version)
    }

    /// A header name with an underscore where those are rejected.
    pub(crate) fn underscore() -> Self {
        Self::bad_request(StatusCode::BAD_REQUEST, "http1.unexpected_underscore")
    }

    /// A fault in the request's body before the answer began.
    pub(crate) fn malformed_body() -> Self {
        Self::bad_request(StatusCode::BAD_REQUEST, destrier_http1::BodyError::DETAILS)
    }

    fn bad_request(status: StatusCode, details: &'static str) -> Self {
        Self::new(status, status.canonical_reason().unwrap_or_default(), details)
            .flagged(ResponseFlag::DPE)
            .closing()
    }
}

impl From<LocalReply> for Refusal {
    fn from(reply: LocalReply) -> Self {
        Self::Reply(reply)
    }
}

impl From<ForwardError> for Refusal {
    fn from(error: ForwardError) -> Self {
        match &error {
            ForwardError::RequestBody(BodyError::Malformed(_)) => {
                LocalReply::malformed_body().into()
            }
            ForwardError::RequestBody(_) => Self::ClientLeft,
            _ => Self::Reply(LocalReply {
                status: error.status(),
                body: Bytes::from_static(error.body_text().as_bytes()),
                flag: error.flag(),
                details: error.details(),
                header: error.header(),
                headers: None,
                grpc_status: None,
                after: AfterAnswer::Keep,
            }),
        }
    }
}
