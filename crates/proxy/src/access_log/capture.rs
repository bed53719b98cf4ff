//! Access logs of a listener, and what they want of messages whose heads are gone when the line is made.

use std::sync::Arc;

use destrier_policy::{AccessLogFormat, AccessLogOperator, AccessLogPart, AccessLogPolicy};
use http::{HeaderMap, HeaderName, HeaderValue, Request};

use super::line::Line;
use super::writer::{LogWriter, Sink};
use super::{HttpLine, TcpLine, render};
use crate::stack::authority;

/// The logs of a listener.
pub(crate) struct AccessLogs {
    logs: Box<[(AccessLogFormat, Arc<Sink>)]>,
    wanted: Wanted,
}

/// Names that the formats mention, lower case.
#[derive(Default)]
struct Wanted {
    request: Vec<Box<str>>,
    response: Vec<HeaderName>,
    trailers: Vec<HeaderName>,
}

/// Values of the names that are wanted, in the same order.
#[derive(Debug, Default)]
pub(crate) struct Captured {
    request: Vec<Option<Box<[u8]>>>,
    response: Vec<Option<HeaderValue>>,
    trailers: Vec<Option<HeaderValue>>,
    pub(super) grpc: bool,
    pub(super) grpc_status: Option<HeaderValue>,
}

const GRPC_STATUS: &str = "grpc-status";

impl AccessLogs {
    /// Prepares the logs of a listener.
    pub(crate) fn open(policies: &[AccessLogPolicy], writer: &LogWriter) -> Self {
        let mut wanted = Wanted::default();
        for policy in policies {
            match &policy.format {
                AccessLogFormat::Text(parts) => parts.iter().for_each(|part| wanted.add(part)),
                AccessLogFormat::Json(fields) => fields
                    .iter()
                    .flat_map(|field| field.value.iter())
                    .for_each(|part| wanted.add(part)),
            }
        }
        let logs = policies.iter().map(|log| (log.format.clone(), writer.sink(&log.sink)));
        Self { logs: logs.collect(), wanted }
    }

    /// Room for what is wanted of a request and its answer; none without a log.
    pub(crate) fn capture(&self) -> Option<Box<Captured>> {
        (!self.logs.is_empty()).then(Box::default)
    }

    /// Writes the line of a request.
    pub(crate) fn write_http(&self, line: &HttpLine<'_>) {
        self.write(line);
    }

    /// Writes the line of a TCP connection.
    pub(crate) fn write_tcp(&self, line: &TcpLine<'_>) {
        self.write(line);
    }

    fn write(&self, line: &impl Line) {
        for (format, sink) in &self.logs {
            sink.write(|out| render::render(format, line, out));
        }
    }

    /// A header of the request, by the name as the format has it.
    pub(super) fn request<'a>(&self, captured: &'a Captured, name: &str) -> Option<&'a [u8]> {
        let index =
            self.wanted.request.iter().position(|known| known.eq_ignore_ascii_case(name))?;
        captured.request.get(index)?.as_deref()
    }

    /// A header of the response.
    pub(super) fn response<'a>(&self, captured: &'a Captured, name: &str) -> Option<&'a [u8]> {
        find(&self.wanted.response, &captured.response, name)
    }

    /// A trailer of the response.
    pub(super) fn trailer<'a>(&self, captured: &'a Captured, name: &str) -> Option<&'a [u8]> {
        find(&self.wanted.trailers, &captured.trailers, name)
    }
}

fn find<'a>(
    names: &[HeaderName],
    values: &'a [Option<HeaderValue>],
    name: &str,
) -> Option<&'a [u8]> {
    let index = names.iter().position(|known| known.as_str().eq_ignore_ascii_case(name))?;
    values.get(index)?.as_ref().map(HeaderValue::as_bytes)
}

impl Wanted {
    fn add(&mut self, part: &AccessLogPart) {
        let AccessLogPart::Operator(operator, _) = part else { return };
        match operator {
            AccessLogOperator::Request { name, alternative } => {
                let names = std::iter::once(name).chain(alternative);
                self.request.extend(names.map(|name| name.to_ascii_lowercase().into()));
            }
            AccessLogOperator::Response { name, alternative } => {
                add_names(&mut self.response, name, alternative.as_deref());
            }
            AccessLogOperator::Trailer { name, alternative } => {
                add_names(&mut self.trailers, name, alternative.as_deref());
            }
            _ => {}
        }
    }
}

/// A name that cannot be a header's is never found.
fn add_names(list: &mut Vec<HeaderName>, name: &str, alternative: Option<&str>) {
    let names = std::iter::once(name).chain(alternative);
    list.extend(names.filter_map(|name| HeaderName::try_from(name).ok()));
}

impl Captured {
    /// Takes what is wanted of a request.
    pub(crate) fn request<B>(&mut self, logs: &AccessLogs, request: &Request<B>) {
        let of = |name: &str| -> Option<&[u8]> {
            Some(match name {
                ":method" => request.method().as_str().as_bytes(),
                ":path" => request.uri().path_and_query()?.as_str().as_bytes(),
                ":authority" => authority(request)?.as_bytes(),
                ":scheme" => b"http",
                _ => request.headers().get(name)?.as_bytes(),
            })
        };
        self.request = logs.wanted.request.iter().map(|name| of(name).map(Box::from)).collect();
        let kind = request.headers().get(http::header::CONTENT_TYPE);
        self.grpc = kind.is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"));
    }

    /// Takes what is wanted of an answer's head.
    pub(crate) fn response(&mut self, logs: &AccessLogs, headers: &HeaderMap) {
        self.response =
            logs.wanted.response.iter().map(|name| headers.get(name).cloned()).collect();
        self.grpc_status = headers.get(GRPC_STATUS).cloned();
    }

    /// Takes what is wanted of an answer's trailers.
    pub(crate) fn trailers(&mut self, logs: &AccessLogs, trailers: &HeaderMap) {
        self.trailers =
            logs.wanted.trailers.iter().map(|name| trailers.get(name).cloned()).collect();
        if let Some(status) = trailers.get(GRPC_STATUS) {
            self.grpc_status = Some(status.clone());
        }
    }
}
