//! Local answers to gRPC: trailers-only, with a status of its own.

use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use http::{Request, StatusCode};

const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
const APPLICATION_GRPC: HeaderValue = HeaderValue::from_static("application/grpc");

/// Which form an answer has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AnswerForm {
    /// Plain HTTP.
    Http,
    /// Status 200, `grpc-status` and `grpc-message`.
    Grpc,
}

impl AnswerForm {
    /// `application/grpc`, or that with a `+` and a suffix (Envoy: `Grpc::Common::hasGrpcContentType`).
    pub(crate) fn of<B>(request: &Request<B>) -> Self {
        Self::of_headers(request.headers())
    }

    /// The same, by the headers of a request.
    pub(crate) fn of_headers(headers: &HeaderMap) -> Self {
        let kind = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
        match kind.and_then(|kind| kind.strip_prefix(b"application/grpc")) {
            Some([] | [b'+', ..]) => Self::Grpc,
            _ => Self::Http,
        }
    }
}

/// Envoy's `httpToGrpcStatus`.
pub(crate) fn grpc_code(status: StatusCode) -> &'static str {
    match status.as_u16() {
        400 => "13",
        401 => "16",
        403 => "7",
        404 => "12",
        429 | 502 | 503 | 504 => "14",
        _ => "2",
    }
}

/// Writes the answer's headers.
pub(super) fn write(headers: &mut HeaderMap, status: &'static str, message: &[u8]) {
    headers.insert(CONTENT_TYPE, APPLICATION_GRPC);
    headers.insert(GRPC_STATUS, HeaderValue::from_static(status));
    if let Some(value) = Some(message).filter(|message| !message.is_empty()).and_then(encode) {
        headers.insert(GRPC_MESSAGE, value);
    }
}

/// Percent-encoding of what is not printable ASCII, and of `%` (gRPC over HTTP/2, Status-Message).
fn encode(message: &[u8]) -> Option<HeaderValue> {
    let mut encoded = Vec::with_capacity(message.len());
    for &byte in message {
        match byte {
            b' '..=b'~' if byte != b'%' => encoded.push(byte),
            _ => {
                const HEX: &[u8; 16] = b"0123456789ABCDEF";
                encoded.push(b'%');
                encoded.push(HEX[usize::from(byte >> 4)]);
                encoded.push(HEX[usize::from(byte & 15)]);
            }
        }
    }
    HeaderValue::from_maybe_shared(bytes::Bytes::from(encoded)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_content_type_decides() {
        for (kind, form) in [
            ("application/grpc", AnswerForm::Grpc),
            ("application/grpc+proto", AnswerForm::Grpc),
            ("application/grpc-web", AnswerForm::Http),
            ("text/plain", AnswerForm::Http),
        ] {
            let request = Request::builder().header(CONTENT_TYPE, kind).body(()).expect("valid");
            assert_eq!(AnswerForm::of(&request), form, "{kind}");
        }
    }

    #[test]
    fn messages_are_encoded() {
        let value = encode("100% ü\n".as_bytes()).expect("a value");
        assert_eq!(value.as_bytes(), b"100%25 %C3%BC%0A");
    }
}
