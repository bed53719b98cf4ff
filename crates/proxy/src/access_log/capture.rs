//! What formats and filters want of messages whose heads are gone when the line is made.

use std::ops::Range;

use destrier_policy::{
    AccessLogFilter, ByteCount, Format, FormatOperator, FormatPart, HeaderKey, HostHeader,
    PathHeader,
};
use http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode, Version};
use smallvec::SmallVec;

use super::filter;
use super::heads::{Message, RequestHead, named};
use crate::stack::AnswerForm;

const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
/// `x-envoy-original-path`: the path before it was rewritten.
pub(super) const ORIGINAL_PATH: HeaderKey =
    HeaderKey::Name(HeaderName::from_static("x-envoy-original-path"));
/// `x-envoy-original-host`: the host before it was rewritten.
pub(super) const ORIGINAL_HOST: HeaderKey =
    HeaderKey::Name(HeaderName::from_static("x-envoy-original-host"));
/// `x-request-id`.
pub(super) const REQUEST_ID: HeaderKey = HeaderKey::Name(HeaderName::from_static("x-request-id"));

/// Names that formats and filters mention, each once.
#[derive(Debug, Default)]
pub(crate) struct Wanted {
    request: Vec<HeaderKey>,
    /// Of the request, with all values of a name joined by commas.
    joined: Vec<HeaderKey>,
    response: Vec<HeaderKey>,
    trailers: Vec<HeaderKey>,
    /// Whether the bytes of the heads are.
    bytes: bool,
    something: bool,
}

impl Wanted {
    /// Nothing is wanted: nothing need be kept.
    pub(crate) fn is_empty(&self) -> bool {
        !self.something
    }

    /// What a format mentions.
    pub(crate) fn add_format(&mut self, format: &Format) {
        self.something = true;
        format.operators(&mut |operator| self.add_operator(operator));
    }

    /// What a format string mentions.
    pub(crate) fn add_parts(&mut self, parts: &[FormatPart]) {
        self.something = true;
        for part in parts {
            if let FormatPart::Operator(operator, _) = part {
                self.add_operator(operator);
            }
        }
    }

    /// What a filter looks at.
    pub(crate) fn add_filter(&mut self, filter: &AccessLogFilter) {
        self.something = true;
        filter::headers(filter, &mut |key| add(&mut self.joined, &key));
    }

    fn add_operator(&mut self, operator: &FormatOperator) {
        use FormatOperator as Op;
        let (list, first, second) = match operator {
            Op::Request(pick) | Op::RequestWithoutQuery(pick) => {
                (&mut self.request, &pick.name, pick.alternative.as_ref())
            }
            Op::Response(pick) => (&mut self.response, &pick.name, pick.alternative.as_ref()),
            Op::Trailer(pick) => (&mut self.trailers, &pick.name, pick.alternative.as_ref()),
            Op::Path(pick) => match pick.header {
                PathHeader::Original => (&mut self.request, &ORIGINAL_PATH, None),
                PathHeader::Path => (&mut self.request, &HeaderKey::Path, None),
                PathHeader::OriginalOrPath => {
                    (&mut self.request, &ORIGINAL_PATH, Some(&HeaderKey::Path))
                }
            },
            Op::QueryParam(_) | Op::QueryParams(_) => (&mut self.request, &HeaderKey::Path, None),
            Op::RequestedServerName(Some(host)) => match host {
                HostHeader::Original => (&mut self.request, &ORIGINAL_HOST, None),
                HostHeader::Authority => (&mut self.request, &HeaderKey::Authority, None),
                HostHeader::OriginalOrAuthority => {
                    (&mut self.request, &ORIGINAL_HOST, Some(&HeaderKey::Authority))
                }
            },
            Op::StreamId => (&mut self.request, &REQUEST_ID, None),
            Op::Bytes(
                ByteCount::RequestHeaders
                | ByteCount::ResponseHeaders
                | ByteCount::ResponseTrailers,
            ) => {
                self.bytes = true;
                return;
            }
            _ => return,
        };
        add(list, first);
        if let Some(second) = second {
            add(list, second);
        }
    }

    fn of(&self, message: Message) -> &[HeaderKey] {
        match message {
            Message::Request => &self.request,
            Message::Response => &self.response,
            Message::Trailers => &self.trailers,
        }
    }
}

fn add(list: &mut Vec<HeaderKey>, key: &HeaderKey) {
    if !list.contains(key) {
        list.push(key.clone());
    }
}

/// Values of what is wanted, all in one buffer.
#[derive(Debug, Default)]
pub(crate) struct Captured {
    text: Vec<u8>,
    /// In the order of [`Wanted`]; empty until the message came.
    request: SmallVec<[Option<Part>; 12]>,
    joined: SmallVec<[Option<Part>; 2]>,
    response: SmallVec<[Option<Part>; 4]>,
    trailers: SmallVec<[Option<Part>; 2]>,
    pub(super) grpc: bool,
    pub(super) grpc_status: Option<HeaderValue>,
    pub(super) request_bytes: u64,
    pub(super) response_bytes: u64,
    pub(super) trailer_bytes: u64,
}

/// Where a value stands in the text. Heads are far below 4 GiB.
type Part = Range<u32>;

impl Captured {
    /// Takes what is wanted of a request.
    pub(crate) fn request<B>(&mut self, wanted: &Wanted, request: &Request<B>) {
        let head = RequestHead::from(request);
        // What was taken of it before is out of date.
        self.text.clear();
        if self.text.capacity() == 0 {
            self.text.reserve(256);
        }
        self.request.clear();
        // Only where no absolute form is taken is it still one.
        let is_absolute = head.uri.scheme().is_some() && request.version() != Version::HTTP_2;
        for key in &wanted.request {
            let part = match key {
                HeaderKey::Path if is_absolute => {
                    push(&mut self.text, Some(head.uri.to_string().as_bytes()))
                }
                key => push(&mut self.text, head.get(key)),
            };
            self.request.push(part);
        }
        self.joined.clear();
        for key in &wanted.joined {
            let value = head.joined(key);
            let part = push(&mut self.text, value.as_deref());
            self.joined.push(part);
        }
        self.grpc = AnswerForm::of_headers(head.headers) == AnswerForm::Grpc;
        if wanted.bytes {
            let pseudo = [
                (":method", HeaderKey::Method),
                (":path", HeaderKey::Path),
                (":scheme", HeaderKey::Scheme),
                (":authority", HeaderKey::Authority),
            ];
            let pseudo = pseudo.iter().map(|(name, key)| {
                head.get(key).map_or(0, |value| name.len() + value.len()) as u64
            });
            let host = head.headers.get(http::header::HOST);
            let host = host.map_or(0, |host| "host".len() + host.len()) as u64;
            self.request_bytes = (byte_size(head.headers) - host) + pseudo.sum::<u64>();
        }
    }

    /// Takes what is wanted of an answer's head.
    pub(crate) fn response(&mut self, wanted: &Wanted, status: StatusCode, headers: &HeaderMap) {
        self.response.clear();
        for key in &wanted.response {
            let value = match key {
                HeaderKey::Status => Some(status.as_str().as_bytes()),
                key => named(headers, key),
            };
            self.response.push(push(&mut self.text, value));
        }
        self.grpc_status = headers.get(GRPC_STATUS).cloned();
        if wanted.bytes {
            self.response_bytes = byte_size(headers) + (":status".len() + 3) as u64;
        }
    }

    /// Forgets the answer's head, which was not sent.
    pub(crate) fn retract_response(&mut self) {
        self.response.clear();
        self.grpc_status = None;
        self.response_bytes = 0;
    }

    /// Takes what is wanted of an answer's trailers.
    pub(crate) fn trailers(&mut self, wanted: &Wanted, trailers: &HeaderMap) {
        self.trailers.clear();
        for key in &wanted.trailers {
            self.trailers.push(push(&mut self.text, named(trailers, key)));
        }
        if let Some(status) = trailers.get(GRPC_STATUS) {
            self.grpc_status = Some(status.clone());
        }
        if wanted.bytes {
            self.trailer_bytes = byte_size(trailers);
        }
    }

    /// A header that was wanted.
    pub(super) fn get(&self, wanted: &Wanted, message: Message, key: &HeaderKey) -> Option<&[u8]> {
        let index = wanted.of(message).iter().position(|known| known == key)?;
        let parts: &[Option<Part>] = match message {
            Message::Request => &self.request,
            Message::Response => &self.response,
            Message::Trailers => &self.trailers,
        };
        self.part(parts.get(index)?.as_ref()?)
    }

    /// A header of the request that a filter wanted.
    pub(super) fn joined(&self, wanted: &Wanted, key: &HeaderKey) -> Option<&[u8]> {
        let index = wanted.joined.iter().position(|known| known == key)?;
        self.part(self.joined.get(index)?.as_ref()?)
    }

    fn part(&self, part: &Part) -> Option<&[u8]> {
        self.text.get(part.start as usize..part.end as usize)
    }
}

fn push(text: &mut Vec<u8>, value: Option<&[u8]>) -> Option<Part> {
    let start = text.len() as u32;
    text.extend_from_slice(value?);
    Some(start..text.len() as u32)
}

/// Names and values, as Envoy counts them.
fn byte_size(headers: &HeaderMap) -> u64 {
    headers.iter().map(|(name, value)| (name.as_str().len() + value.len()) as u64).sum()
}
