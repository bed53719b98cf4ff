//! Headers that a line is made from: of messages at hand, or kept of those that are gone.

use std::borrow::Cow;

use destrier_policy::{HeaderKey, HeaderPick};
use http::{HeaderMap, Method, StatusCode, Uri};

use super::capture::{Captured, Wanted};
use crate::stack::authority_of;

/// A message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Message {
    Request,
    Response,
    Trailers,
}

/// Where headers are found.
#[derive(Clone, Copy)]
pub(crate) enum Heads<'a> {
    /// Kept for the log.
    Kept(&'a Captured, &'a Wanted),
    /// At hand.
    Live(Live<'a>),
}

/// Messages at hand.
#[derive(Clone, Copy, Default)]
pub(crate) struct Live<'a> {
    pub(crate) request: Option<RequestHead<'a>>,
    pub(crate) response: Option<(StatusCode, &'a HeaderMap)>,
}

/// The head of a request.
#[derive(Clone, Copy)]
pub(crate) struct RequestHead<'a> {
    pub(crate) method: &'a Method,
    pub(crate) uri: &'a Uri,
    pub(crate) headers: &'a HeaderMap,
}

impl<'a, B> From<&'a http::Request<B>> for RequestHead<'a> {
    fn from(request: &'a http::Request<B>) -> Self {
        Self { method: request.method(), uri: request.uri(), headers: request.headers() }
    }
}

impl<'a, B> From<&'a http::Request<B>> for Heads<'a> {
    fn from(request: &'a http::Request<B>) -> Self {
        Self::Live(Live { request: Some(request.into()), response: None })
    }
}

impl<'a> RequestHead<'a> {
    /// The same, with several values joined by commas.
    pub(super) fn joined(&self, key: &HeaderKey) -> Option<Cow<'a, [u8]>> {
        let HeaderKey::Name(name) = key else { return self.get(key).map(Cow::Borrowed) };
        let mut values = self.headers.get_all(name).iter();
        let first = values.next()?.as_bytes();
        let Some(second) = values.next() else { return Some(Cow::Borrowed(first)) };
        let mut joined = first.to_vec();
        for value in std::iter::once(second).chain(values) {
            joined.push(b',');
            joined.extend_from_slice(value.as_bytes());
        }
        Some(Cow::Owned(joined))
    }

    /// A header, or a pseudo-header; the first of several.
    pub(super) fn get(&self, key: &HeaderKey) -> Option<&'a [u8]> {
        Some(match key {
            HeaderKey::Method => self.method.as_str().as_bytes(),
            HeaderKey::Path => self.uri.path_and_query()?.as_str().as_bytes(),
            HeaderKey::Authority => authority_of(self.uri, self.headers)?.as_bytes(),
            HeaderKey::Scheme => b"http",
            HeaderKey::Name(name) => self.headers.get(name)?.as_bytes(),
            HeaderKey::Status | HeaderKey::Impossible => return None,
        })
    }
}

impl<'a> Heads<'a> {
    /// A header of a message.
    pub(super) fn get(&self, message: Message, key: &HeaderKey) -> Option<&'a [u8]> {
        match self {
            Self::Kept(captured, wanted) => captured.get(wanted, message, key),
            Self::Live(live) => match message {
                Message::Request => live.request.as_ref()?.get(key),
                Message::Response => live.response.and_then(|(_, headers)| named(headers, key)),
                Message::Trailers => None,
            },
        }
    }

    /// The header, or the one that stands in for it.
    pub(super) fn pick(&self, message: Message, pick: &HeaderPick) -> Option<&'a [u8]> {
        let of = |key| self.get(message, key);
        of(&pick.name).or_else(|| of(pick.alternative.as_ref()?))
    }
}

/// A header of an answer or of its trailers.
pub(super) fn named<'a>(headers: &'a HeaderMap, key: &HeaderKey) -> Option<&'a [u8]> {
    match key {
        HeaderKey::Name(name) => headers.get(name).map(|value| value.as_bytes()),
        _ => None,
    }
}
