//! Values of headers that are made of a request and what is known of it.

use bytes::Bytes;
use destrier_policy::{Absent, FormatPart};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri};

use crate::access_log::{Heads, HttpLine, Live, RequestHead, render_parts};
use crate::exchange::Exchange;

/// The head of a request, kept for the answer's headers.
#[derive(Debug)]
pub(super) struct KeptHead {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
}

impl KeptHead {
    /// All of it.
    pub(super) fn of<B>(request: &Request<B>) -> Self {
        Self { headers: request.headers().clone(), ..Self::without_headers(request) }
    }

    /// For a request that is about to be changed: its headers are looked at where they are.
    pub(super) fn without_headers<B>(request: &Request<B>) -> Self {
        let (method, uri) = (request.method().clone(), request.uri().clone());
        Self { method, uri, headers: HeaderMap::new() }
    }
}

/// Which message is changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Message {
    Request,
    Response(StatusCode),
}

/// What values are made of.
pub(super) struct Known<'a> {
    pub(super) exchange: &'a Exchange,
    pub(super) request: Option<&'a KeptHead>,
    pub(super) message: Message,
}

impl Known<'_> {
    /// The value for the message, which has these headers so far. An operator without a value is empty.
    pub(super) fn value(&self, parts: &[FormatPart], headers: &HeaderMap) -> HeaderValue {
        let (of_request, response) = match self.message {
            Message::Request => (Some(headers), None),
            Message::Response(status) => (None, Some((status, headers))),
        };
        let request = self.request.map(|kept| RequestHead {
            method: &kept.method,
            uri: &kept.uri,
            headers: of_request.unwrap_or(&kept.headers),
        });
        let exchange = self.exchange;
        // Near enough, and no clock is read.
        let now = exchange.answered.unwrap_or(exchange.timers.started);
        let line = HttpLine::on_its_way(exchange, Heads::Live(Live { request, response }), now);
        let mut value = Vec::new();
        render_parts(parts, Absent::Omitted, &line, &mut value);
        // What was decoded may hold what no header can.
        HeaderValue::from_maybe_shared(Bytes::from(value)).unwrap_or(HeaderValue::from_static(""))
    }
}
