//! Headers that are about one connection and not about the message (RFC 9110, section 7.6.1).

use http::HeaderMap;
use http::header::{self, Entry, HeaderName, HeaderValue};

use crate::HeadError;

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");

/// Envoy refuses a `connection` header that names this many headers or more.
const MAX_NOMINATED: usize = 10;

/// The tokens of `connection` that mean something.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ConnectionTokens {
    pub(crate) close: bool,
    pub(crate) keep_alive: bool,
    pub(crate) upgrade: bool,
    nominated: usize,
}

impl ConnectionTokens {
    /// Adds one `connection` line.
    pub(crate) fn add(&mut self, value: &[u8]) -> Result<(), HeadError> {
        for token in tokens(value) {
            if token.eq_ignore_ascii_case(b"close") {
                self.close = true;
            } else if token.eq_ignore_ascii_case(b"keep-alive") {
                self.keep_alive = true;
            } else if token.eq_ignore_ascii_case(b"upgrade") {
                self.upgrade = true;
            } else {
                self.nominated += 1;
                let name =
                    HeaderName::from_bytes(token).map_err(|_| HeadError::ConnectionHeader)?;
                if self.nominated >= MAX_NOMINATED || is_protected(name.as_str()) {
                    return Err(HeadError::ConnectionHeader);
                }
            }
        }
        Ok(())
    }
}

/// A header that says where a request goes, how long it is or who sent it: taking it out on the word
/// of a `connection` header would change the request's meaning.
pub(crate) fn is_protected(name: &str) -> bool {
    matches!(
        name,
        "host" | "content-length" | "x-forwarded-for" | "x-forwarded-host" | "x-forwarded-proto"
    )
}

/// Looking at the names once beats looking for each, which are rarely there.
fn has_any(headers: &HeaderMap, is_sought: impl Fn(&str) -> bool) -> bool {
    headers.keys().any(|name| is_sought(name.as_str()))
}

fn is_removed_always(name: &str) -> bool {
    matches!(name, "keep-alive" | "proxy-connection" | "transfer-encoding" | "upgrade")
}

/// The header that a token takes out. `te` has its own rule, whether it is named or not.
fn nominated(token: &[u8]) -> Option<HeaderName> {
    let option = [&b"close"[..], b"keep-alive", b"upgrade", b"te"]
        .iter()
        .any(|option| token.eq_ignore_ascii_case(option));
    let name = if option { None } else { HeaderName::from_bytes(token).ok() };
    name.filter(|name| !is_protected(name.as_str()))
}

/// The non-empty members of a comma separated list.
fn tokens(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii).filter(|token| !token.is_empty())
}

/// Takes out what a proxy must not forward of a request: `connection` and the headers it names,
/// `keep-alive`, `proxy-connection`, `transfer-encoding`, `upgrade`, and `te` but for `trailers`.
///
/// `expect` stays: whether it was answered here is the caller's business. To forward an upgrade, take
/// the `upgrade` header out first and put it back.
pub fn remove_hop_by_hop_request(headers: &mut HeaderMap) {
    if !has_any(headers, |name| matches!(name, "connection" | "te") || is_removed_always(name)) {
        return;
    }
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .flat_map(|value| tokens(value.as_bytes()))
        .filter_map(nominated)
        .collect();
    for name in named {
        headers.remove(name);
    }
    headers.remove(header::CONNECTION);
    keep_te_trailers(headers);
    remove_always(headers);
}

/// Takes out what a proxy must not forward of a response: `connection`, `keep-alive`,
/// `proxy-connection`, `transfer-encoding` and `upgrade`. Headers that `connection` names stay, as in
/// Envoy.
pub fn remove_hop_by_hop_response(headers: &mut HeaderMap) {
    if has_any(headers, |name| name == "connection") {
        headers.remove(header::CONNECTION);
    }
    remove_always(headers);
}

fn remove_always(headers: &mut HeaderMap) {
    if !has_any(headers, is_removed_always) {
        return;
    }
    headers.remove(KEEP_ALIVE);
    headers.remove(PROXY_CONNECTION);
    headers.remove(header::TRANSFER_ENCODING);
    headers.remove(header::UPGRADE);
}

fn keep_te_trailers(headers: &mut HeaderMap) {
    let Entry::Occupied(mut te) = headers.entry(header::TE) else {
        return;
    };
    let trailers = te
        .iter()
        .flat_map(|value| tokens(value.as_bytes()))
        .any(|token| token.eq_ignore_ascii_case(b"trailers"));
    if trailers {
        te.insert(HeaderValue::from_static("trailers"));
    } else {
        te.remove();
    }
}
