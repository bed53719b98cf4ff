//! Hashes of headers.

use std::borrow::Cow;

use destrier_balance::{hash_bytes, hash_bytes_seeded};
use destrier_policy::{HashedHeader, RegexRewrite};
use http::header::{HOST, HeaderName, HeaderValue};
use http::{HeaderMap, Request};

pub(super) fn hash<B>(
    request: &Request<B>,
    header: &HashedHeader,
    rewrite: Option<&RegexRewrite>,
) -> Option<u64> {
    let uri = request.uri();
    let value = match header {
        HashedHeader::Name(name) => return hash_values(request.headers(), name, rewrite),
        HashedHeader::Authority => {
            let absolute = uri.authority().map(|authority| authority.as_str().as_bytes());
            absolute.or_else(|| request.headers().get(HOST).map(HeaderValue::as_bytes))
        }
        HashedHeader::Method => Some(request.method().as_str().as_bytes()),
        HashedHeader::Path => uri.path_and_query().map(|path| path.as_str().as_bytes()),
        HashedHeader::Scheme => Some(uri.scheme_str().unwrap_or("http").as_bytes()),
    };
    value.map(|value| hash_bytes(&rewritten(value, rewrite)))
}

/// Several values are sorted and hashed in a chain, so that their order does not matter.
fn hash_values(
    headers: &HeaderMap,
    name: &HeaderName,
    rewrite: Option<&RegexRewrite>,
) -> Option<u64> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?;
    let Some(second) = values.next() else {
        return Some(hash_bytes(&rewritten(first.as_bytes(), rewrite)));
    };
    let all = [first, second].into_iter().chain(values);
    let mut all: Vec<_> = all.map(|value| rewritten(value.as_bytes(), rewrite)).collect();
    all.sort_unstable();
    Some(all.iter().fold(0, |hash, value| hash_bytes_seeded(value, hash)))
}

fn rewritten<'a>(value: &'a [u8], rewrite: Option<&RegexRewrite>) -> Cow<'a, [u8]> {
    rewrite.map_or(Cow::Borrowed(value), |rewrite| rewrite.apply(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(headers: &[(&str, &str)]) -> Request<()> {
        let mut builder = Request::builder().uri("/p?q");
        for (name, value) in headers {
            builder = builder.header(*name, *value);
        }
        builder.body(()).expect("a valid request")
    }

    #[test]
    fn pseudo_headers_are_headers() {
        let request = request(&[("host", "h")]);
        for (header, value) in [
            (HashedHeader::Authority, "h"),
            (HashedHeader::Method, "GET"),
            (HashedHeader::Path, "/p?q"),
            (HashedHeader::Scheme, "http"),
        ] {
            assert_eq!(hash(&request, &header, None), Some(hash_bytes(value.as_bytes())));
        }
    }

    #[test]
    fn values_are_sorted_after_they_are_rewritten() {
        let header = HashedHeader::Name(HeaderName::from_static("x"));
        let chained = Some(hash_bytes_seeded(b"b", hash_bytes(b"a")));
        assert_eq!(hash(&request(&[("x", "b"), ("x", "a")]), &header, None), chained);
        let last = RegexRewrite::new(".*(.)", r"\1").expect("a valid rewrite");
        assert_eq!(hash(&request(&[("x", "1b"), ("x", "2a")]), &header, Some(&last)), chained);
        assert_eq!(hash(&request(&[("x", "")]), &header, None), Some(hash_bytes(b"")));
        assert_eq!(hash(&request(&[]), &header, None), None);
    }
}
