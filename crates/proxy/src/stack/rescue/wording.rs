//! How a local reply is worded where the listener says so (`local_reply_config`).

use std::sync::Arc;

use bytes::Bytes;
use destrier_policy::{Absent, AccessLogType, Format, FormatPart, LocalReplyPolicy, Template};
use http::HeaderValue;
use tokio::time::Instant;

use super::refusal::LocalReply;
use crate::access_log::{HttpLine, Wanted, lets_through, render, render_parts};
use crate::exchange::Exchange;
use crate::stack::apply_headers;

/// Makes the requests of a listener keep what its local replies say of them.
pub(crate) fn want(policy: &LocalReplyPolicy, wanted: &mut Wanted) {
    policy.body_format.iter().for_each(|format| wanted.add_format(format));
    for mapper in &policy.mappers {
        wanted.add_filter(&mapper.filter);
        mapper.body_format.iter().for_each(|format| wanted.add_format(format));
        for parts in mapper.headers.add.iter().filter_map(|addition| addition.value.parts()) {
            wanted.add_parts(parts);
        }
    }
}

/// Words a reply; gives the content type of its body, if it was formatted. Headers are made of the status
/// as it was, the body of the one that it becomes, as in Envoy.
pub(super) fn reword(exchange: &mut Exchange, reply: &mut LocalReply) -> Option<HeaderValue> {
    let scope = Arc::clone(&exchange.scope);
    let policy = &scope.policy.local_replies;
    let now = *exchange.answered.get_or_insert_with(Instant::now);
    exchange.status = Some(reply.status);
    let mut format = policy.body_format.as_ref();
    let line = line(exchange, b"", now);
    if let Some(mapper) = policy.mappers.iter().find(|mapper| lets_through(&mapper.filter, &line)) {
        if let Some(body) = &mapper.body {
            reply.body = Bytes::copy_from_slice(body);
        }
        let line = self::line(exchange, &reply.body, now);
        if !mapper.headers.add.is_empty() {
            let headers = reply.headers.get_or_insert_default();
            let levels = std::slice::from_ref(&mapper.headers);
            apply_headers(levels, |parts, _| value(parts, &line), headers);
        }
        reply.status = mapper.status.unwrap_or(reply.status);
        format = mapper.body_format.as_ref().or(format);
    }
    exchange.status = Some(reply.status);
    let format = format?;
    let mut body = Vec::new();
    render(format, &self::line(exchange, &reply.body, now), &mut body);
    reply.body = body.into();
    content_type(format)
}

fn line<'a>(exchange: &'a Exchange, local_reply: &'a [u8], now: Instant) -> HttpLine<'a> {
    let heads = exchange.heads();
    HttpLine { exchange, heads, now, kind: AccessLogType::NotSet, local_reply }
}

fn value(parts: &[FormatPart], line: &HttpLine<'_>) -> HeaderValue {
    let mut value = Vec::new();
    render_parts(parts, Absent::Omitted, line, &mut value);
    // What was decoded may hold what no header can.
    HeaderValue::from_maybe_shared(Bytes::from(value)).unwrap_or(HeaderValue::from_static(""))
}

/// `None` is that of any other local reply.
fn content_type(format: &Format) -> Option<HeaderValue> {
    match (&format.content_type, &format.template) {
        (Some(kind), _) => HeaderValue::from_str(kind).ok(),
        (None, Template::Json(_)) => Some(HeaderValue::from_static("application/json")),
        (None, Template::Text(_)) => None,
    }
}
