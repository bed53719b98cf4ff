//! Headers that are about one connection and not about the message (RFC 9110, section 7.6.1).

use http::HeaderMap;

/// Takes out what a proxy must not forward of a request: `connection` and the headers it names,
/// `keep-alive`, `proxy-connection`, `transfer-encoding`, `upgrade`, and `te` but for `trailers`.
///
/// `expect` stays: whether it was answered here is the caller's business. To forward an upgrade, take
/// the `upgrade` header out first and put it back.
pub fn remove_hop_by_hop_request(headers: &mut HeaderMap) {
    todo!()
}

/// Takes out what a proxy must not forward of a response: `connection`, `keep-alive`,
/// `proxy-connection`, `transfer-encoding` and `upgrade`. Headers that `connection` names stay, as in
/// Envoy.
pub fn remove_hop_by_hop_response(headers: &mut HeaderMap) {
    todo!()
}
