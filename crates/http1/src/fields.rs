//! Header lines into a map, and what they say about framing and the connection.

use std::mem::MaybeUninit;

use bytes::Bytes;
use http::header::{self, HeaderName, HeaderValue};
use http::{HeaderMap, Version};
use httparse::Header;

use crate::HeadError;
use crate::connection::{ConnectionTokens, is_protected};
use crate::host::is_host;

/// Room on the stack for this many header lines; more go to the heap.
const ON_STACK: usize = 104;

/// Calls `parse` with room for `lines` header lines.
pub(crate) fn with_slots<'b, T>(
    lines: usize,
    parse: impl FnOnce(&mut [MaybeUninit<Header<'b>>]) -> T,
) -> T {
    if lines <= ON_STACK {
        parse(&mut [const { MaybeUninit::uninit() }; ON_STACK])
    } else {
        parse(&mut vec![MaybeUninit::uninit(); lines])
    }
}

/// Appends the lines to `map`; the values share `head`'s memory. `note` sees each line first.
pub(crate) fn collect(
    head: &Bytes,
    lines: &[Header<'_>],
    map: &mut HeaderMap,
    mut note: impl FnMut(&HeaderName, &HeaderValue) -> Result<(), HeadError>,
) -> Result<(), HeadError> {
    // A proxy adds a few of its own; growing later would copy what is there.
    let room = lines.len() + 4;
    map.try_reserve(room).map_err(|_| HeadError::TooManyHeaders { limit: lines.len() })?;
    for line in lines {
        let name =
            HeaderName::from_bytes(line.name.as_bytes()).map_err(|_| HeadError::HeaderName)?;
        let value = HeaderValue::from_maybe_shared(head.slice_ref(line.value))
            .map_err(|_| HeadError::HeaderValue)?;
        note(&name, &value)?;
        map.try_append(name, value)
            .map_err(|_| HeadError::TooManyHeaders { limit: lines.len() })?;
    }
    Ok(())
}

/// `content-length` and `transfer-encoding`, once they have been found not to contradict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Declared {
    Nothing,
    Length(u64),
    Chunked,
}

/// What the header lines of one head say about its framing and its connection.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    length: Option<u64>,
    chunked: bool,
    host: bool,
    upgrade_header: bool,
    expect_continue: bool,
    tokens: ConnectionTokens,
}

impl Facts {
    /// Notes one header line.
    pub(crate) fn note(&mut self, name: &HeaderName, value: &HeaderValue) -> Result<(), HeadError> {
        match name.as_str() {
            "host" => {
                if self.host {
                    return Err(HeadError::RepeatedHost);
                }
                self.host = true;
                if !is_host(value.as_bytes()) {
                    return Err(HeadError::Host);
                }
            }
            "content-length" => {
                if self.length.is_some() {
                    return Err(HeadError::RepeatedContentLength);
                }
                self.length = Some(decimal(value.as_bytes()).ok_or(HeadError::ContentLength)?);
            }
            "transfer-encoding" => {
                if self.chunked || !value.as_bytes().eq_ignore_ascii_case(b"chunked") {
                    return Err(HeadError::TransferEncoding);
                }
                self.chunked = true;
            }
            "connection" => self.tokens.add(value.as_bytes())?,
            "expect" => {
                self.expect_continue |= value.as_bytes().eq_ignore_ascii_case(b"100-continue");
            }
            "upgrade" => self.upgrade_header = true,
            _ => {}
        }
        Ok(())
    }

    /// The framing that the headers declare.
    pub(crate) fn declared(&self, version: Version) -> Result<Declared, HeadError> {
        match (self.length, self.chunked) {
            (None, false) => Ok(Declared::Nothing),
            (Some(length), false) => Ok(Declared::Length(length)),
            (Some(_), true) => Err(HeadError::LengthAndChunked),
            (None, true) if version == Version::HTTP_10 => Err(HeadError::ChunkedInHttp10),
            (None, true) => Ok(Declared::Chunked),
        }
    }

    /// Whether the sender allows another message on the connection (RFC 9112, 9.3).
    pub(crate) fn keep_alive(&self, version: Version) -> bool {
        !self.tokens.close && (version == Version::HTTP_11 || self.tokens.keep_alive)
    }

    /// Whether the sender asks to switch protocols, which HTTP/1.0 cannot (RFC 9110, 7.8).
    pub(crate) fn upgrade(&self, version: Version) -> bool {
        self.upgrade_header && self.tokens.upgrade && version == Version::HTTP_11
    }

    /// Whether the sender waits for a 100, which HTTP/1.0 cannot (RFC 9110, 10.1.1).
    pub(crate) fn expect_continue(&self, version: Version) -> bool {
        self.expect_continue && version == Version::HTTP_11
    }
}

/// A trailer that would be framing, routing or about the connection if it were a header.
pub(crate) fn is_forbidden_trailer(name: &HeaderName) -> bool {
    is_protected(name.as_str())
        || [
            header::TRANSFER_ENCODING,
            header::CONNECTION,
            header::TE,
            header::TRAILER,
            header::UPGRADE,
            header::EXPECT,
        ]
        .contains(name)
        || matches!(name.as_str(), "keep-alive" | "proxy-connection")
}

/// `1*DIGIT` that fits in 64 bits: no sign, no space, no list.
fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0u64, |sum, digit| {
        let digit = digit.wrapping_sub(b'0');
        (digit <= 9).then_some(())?;
        sum.checked_mul(10)?.checked_add(u64::from(digit))
    })
}
