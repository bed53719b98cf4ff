//! `via`, of both messages.

use bytes::{BufMut, BytesMut};
use http::header::VIA;
use http::{HeaderMap, HeaderValue};

/// Appends our name to those of the proxies before.
pub(super) fn append(headers: &mut HeaderMap, name: &HeaderValue) {
    let mut names = headers.get_all(VIA).iter();
    let Some(first) = names.next() else {
        headers.insert(VIA, name.clone());
        return;
    };
    let mut text = BytesMut::from(first.as_bytes());
    // Several headers of this name are one list.
    for more in names.chain([name]) {
        text.put_slice(b", ");
        text.put_slice(more.as_bytes());
    }
    let value = HeaderValue::from_maybe_shared(text.freeze());
    headers.insert(VIA, value.expect("parts of header values make a header value"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_grows() {
        let name = HeaderValue::from_static("me");
        let mut headers = HeaderMap::new();
        append(&mut headers, &name);
        assert_eq!(headers[VIA], "me");
        headers.append(VIA, HeaderValue::from_static("1.1 other"));
        append(&mut headers, &name);
        assert_eq!(headers[VIA], "me, 1.1 other, me");
        assert_eq!(headers.len(), 1);
    }
}
