//! An answer before it is HTTP, and what every answer has in common.

use std::future::Future;

use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode, header};

use crate::json::pretty;
use crate::stream::{self, Gone, Out};

/// Envoy's words for the types of its pages.
pub(crate) const TEXT: &str = "text/plain; charset=UTF-8";
pub(crate) const JSON: &str = "application/json";
pub(crate) const HTML: &str = "text/html; charset=UTF-8";

/// What a page says.
pub(crate) struct Answer {
    status: StatusCode,
    content_type: &'static str,
    body: Body,
}

impl Answer {
    pub(crate) fn new(content_type: &'static str, body: impl Into<String>) -> Self {
        Self { status: StatusCode::OK, content_type, body: Body::from(body.into()) }
    }

    pub(crate) fn text(status: StatusCode, body: impl Into<String>) -> Self {
        Self { status, ..Self::new(TEXT, body) }
    }

    pub(crate) fn ok(body: impl Into<String>) -> Self {
        Self::new(TEXT, body)
    }

    pub(crate) fn bad_request(body: impl Into<String>) -> Self {
        Self::text(StatusCode::BAD_REQUEST, body)
    }

    /// A fault of `/config_dump`, whose text has no character set in Envoy.
    pub(crate) fn fault(status: StatusCode, body: impl Into<String>) -> Self {
        Self { status, ..Self::new("text/plain", body) }
    }

    /// Indented, with a line feed at the end.
    pub(crate) fn json(value: &serde_json::Value) -> Self {
        let mut body = String::new();
        pretty(value, 0, &mut body);
        body.push('\n');
        Self::new(JSON, body)
    }

    /// Written while it is sent: for what grows with the number of clusters.
    pub(crate) fn streamed<F>(content_type: &'static str, render: impl FnOnce(Out) -> F) -> Self
    where
        F: Future<Output = Result<Out, Gone>> + Send + 'static,
    {
        Self { status: StatusCode::OK, content_type, body: stream::body(render) }
    }

    pub(crate) fn into_response(self) -> Response<Body> {
        let mut response = Response::new(self.body);
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache, max-age=0"));
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert(header::SERVER, HeaderValue::from_static("envoy"));
        response
    }
}
