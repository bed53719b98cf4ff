//! Another path, another host.

use destrier_policy::{ForwardAction, HostRewrite, PathMatch, PathRewrite, RegexRewrite};
use http::header::{HOST, HeaderName, HeaderValue};
use http::uri::{Authority, PathAndQuery, Uri};
use http::{HeaderMap, Request};

use super::authority;

const ORIGINAL_PATH: HeaderName = HeaderName::from_static("x-envoy-original-path");
const ORIGINAL_HOST: HeaderName = HeaderName::from_static("x-envoy-original-host");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// Whether what was rewritten is told in `x-envoy-original-*` (not with `suppress_envoy_headers`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Original {
    Told,
    Untold,
}

/// Does what the action says about the path.
pub(crate) fn rewrite_path<B>(
    action: &ForwardAction,
    matched: &PathMatch,
    original: Original,
    request: &mut Request<B>,
) {
    let Some(rewrite) = &action.path_rewrite else { return };
    let old = path_and_query(request.uri());
    let new = match rewrite {
        PathRewrite::Prefix(new) => replace_matched(old, matched, new),
        PathRewrite::Regex(regex) => replace_by(old, regex),
    };
    set_path(&new, original, request);
}

/// The path with `new` in place of what the route matched.
pub(super) fn replace_matched(old: &str, matched: &PathMatch, new: &str) -> String {
    let length = match matched {
        PathMatch::Prefix { value, .. } | PathMatch::SeparatedPrefix { value, .. } => value.len(),
        PathMatch::Exact { .. } | PathMatch::Regex(_) => without_query(old).len(),
    };
    [new, old.get(length..).unwrap_or_default()].concat()
}

/// The path rewritten by an expression; the query stays.
pub(super) fn replace_by(old: &str, regex: &RegexRewrite) -> String {
    let path = without_query(old);
    let new = regex.apply(path.as_bytes());
    // A path is ASCII, and so is what its parts and a substitution make, or else it becomes no path.
    [&*String::from_utf8_lossy(&new), &old[path.len()..]].concat()
}

/// What cannot be a path leaves the request as it is.
pub(super) fn set_path<B>(new: &str, original: Original, request: &mut Request<B>) {
    let Ok(new) = PathAndQuery::try_from(new) else { return };
    let old = HeaderValue::from_str(path_and_query(request.uri()));
    let mut parts = request.uri().clone().into_parts();
    parts.path_and_query = Some(new);
    let Ok(uri) = Uri::from_parts(parts) else { return };
    *request.uri_mut() = uri;
    if let (Original::Told, Ok(old)) = (original, old) {
        request.headers_mut().insert(ORIGINAL_PATH, old);
    }
}

/// Does what the action says about the host.
pub(crate) fn rewrite_host<B>(
    action: &ForwardAction,
    original: Original,
    request: &mut Request<B>,
) {
    let new = match &action.host_rewrite {
        None => return,
        Some(HostRewrite::Literal(host)) => Some(host.clone()),
        Some(HostRewrite::Header(name)) => request.headers().get(name).cloned(),
        Some(HostRewrite::PathRegex(regex)) => {
            let host = regex.apply(request.uri().path().as_bytes()).into_owned();
            HeaderValue::from_maybe_shared(bytes::Bytes::from(host)).ok()
        }
    };
    let Some(new) = new.filter(|host| !host.is_empty()) else { return };
    let old = authority(request).and_then(|host| HeaderValue::from_str(host).ok());
    if let Some(old) = old {
        if action.append_x_forwarded_host && !old.is_empty() {
            append_forwarded_host(request.headers_mut(), &old);
        }
        if original == Original::Told {
            request.headers_mut().insert(ORIGINAL_HOST, old);
        }
    }
    set_host(&new, request);
}

/// A host that cannot be one leaves the request as it is.
pub(crate) fn set_host<B>(host: &HeaderValue, request: &mut Request<B>) {
    if request.uri().authority().is_some() {
        let Ok(authority) = Authority::try_from(host.as_bytes()) else { return };
        let mut parts = request.uri().clone().into_parts();
        parts.authority = Some(authority);
        let Ok(uri) = Uri::from_parts(parts) else { return };
        *request.uri_mut() = uri;
        if !request.headers().contains_key(HOST) {
            return;
        }
    }
    request.headers_mut().insert(HOST, host.clone());
}

/// As Envoy: not when it is the last one there already.
fn append_forwarded_host(headers: &mut HeaderMap, host: &HeaderValue) {
    let value = match headers.get(FORWARDED_HOST).map(HeaderValue::as_bytes) {
        Some(known) if !known.is_empty() => {
            if known.rsplit(|byte| *byte == b',').next() == Some(host.as_bytes()) {
                return;
            }
            let all = [known, b",", host.as_bytes()].concat();
            HeaderValue::from_maybe_shared(bytes::Bytes::from(all))
                .expect("parts of header values make a header value")
        }
        _ => host.clone(),
    };
    headers.insert(FORWARDED_HOST, value);
}

/// As it stands in the request line.
pub(super) fn path_and_query(uri: &Uri) -> &str {
    uri.path_and_query().map_or("/", PathAndQuery::as_str)
}

/// The path alone.
pub(super) fn without_query(path: &str) -> &str {
    path.split_once('?').map_or(path, |(path, _)| path)
}

/// The scheme that the client used, as far as it is known: that of its URI, or `x-forwarded-proto`.
pub(crate) fn scheme_of<'a>(uri: &'a Uri, headers: &HeaderMap) -> &'a str {
    const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
    let told = || headers.get(FORWARDED_PROTO).map(HeaderValue::as_bytes);
    match uri.scheme_str() {
        Some(scheme) => scheme,
        None if told().is_some_and(|told| told.eq_ignore_ascii_case(b"https")) => "https",
        None => "http",
    }
}

#[cfg(test)]
mod tests {
    use destrier_policy::{ClusterChoice, StringMatcher};

    use super::*;

    fn action() -> ForwardAction {
        ForwardAction::new(ClusterChoice::One("c".into()))
    }

    fn request(uri: &str) -> Request<()> {
        Request::builder().uri(uri).header(HOST, "old").body(()).expect("valid")
    }

    fn regex(pattern: &str, substitution: &str) -> RegexRewrite {
        RegexRewrite::new(pattern, substitution).expect("valid")
    }

    #[test]
    fn a_path_is_rewritten_where_it_matched() {
        let prefix = |value: &str| PathMatch::Prefix { value: value.into(), ignore_case: false };
        let separated =
            |value: &str| PathMatch::SeparatedPrefix { value: value.into(), ignore_case: false };
        let whole = PathMatch::Regex(StringMatcher::regex("/a.*").expect("valid"));
        let to = |new: &str| PathRewrite::Prefix(new.into());
        let by = |pattern, substitution| PathRewrite::Regex(regex(pattern, substitution));
        for (matched, rewrite, old, new) in [
            (prefix("/old"), to("/new"), "/old/x?q=1", "/new/x?q=1"),
            (prefix("/old/"), to("/"), "/old/x", "/x"),
            (separated("/old"), to("/new"), "/old?q", "/new?q"),
            (whole.clone(), to("/b"), "/abc?q", "/b?q"),
            (prefix("/"), by("^/a/([^/]+)/(.*)$", r"/\2/at/\1"), "/a/b/c/d?/a/", "/c/d/at/b?/a/"),
            (prefix("/"), by("one", "two"), "/one/xone?one", "/two/xtwo?one"),
            (prefix("/"), by("none", "two"), "/one?q", "/one?q"),
        ] {
            let action = ForwardAction { path_rewrite: Some(rewrite), ..action() };
            let mut request = request(old);
            rewrite_path(&action, &matched, Original::Told, &mut request);
            assert_eq!(request.uri(), new);
            assert_eq!(request.headers()[ORIGINAL_PATH], old);
        }
    }

    #[test]
    fn what_is_no_path_is_not_taken() {
        let rewrite = PathRewrite::Regex(regex(".*", "/a b"));
        let action = ForwardAction { path_rewrite: Some(rewrite), ..action() };
        let mut request = request("/x");
        let any = PathMatch::Prefix { value: "/".into(), ignore_case: false };
        rewrite_path(&action, &any, Original::Told, &mut request);
        assert_eq!(request.uri(), "/x");
        assert!(!request.headers().contains_key(ORIGINAL_PATH));
    }

    #[test]
    fn a_host_is_rewritten_from_what_was_asked() {
        for (rewrite, new) in [
            (HostRewrite::Literal(HeaderValue::from_static("new")), "new"),
            (HostRewrite::Header(HeaderName::from_static("x-host")), "named"),
            (HostRewrite::Header(HeaderName::from_static("x-none")), "old"),
            (HostRewrite::PathRegex(regex("^/([^/]*)/.*$", r"\1.example")), "a.example"),
        ] {
            let mut action = action();
            action.host_rewrite = Some(rewrite);
            action.append_x_forwarded_host = true;
            let mut request = request("/a/b?c=/d/");
            request.headers_mut().insert("x-host", HeaderValue::from_static("named"));
            rewrite_host(&action, Original::Told, &mut request);
            assert_eq!(request.headers()[HOST], new);
            let told = request.headers().get(ORIGINAL_HOST).map(HeaderValue::as_bytes);
            assert_eq!(told, (new != "old").then_some(&b"old"[..]));
            let forwarded = request.headers().get(FORWARDED_HOST).map(HeaderValue::as_bytes);
            assert_eq!(forwarded, told);
        }
    }

    #[test]
    fn the_authority_of_http2_is_rewritten() {
        let mut action = action();
        action.host_rewrite = Some(HostRewrite::Literal(HeaderValue::from_static("new")));
        let mut request = Request::builder().uri("http://old/a?b").body(()).expect("valid");
        rewrite_host(&action, Original::Untold, &mut request);
        assert_eq!(request.uri(), "http://new/a?b");
        assert!(request.headers().is_empty());
    }

    #[test]
    fn a_host_stands_once_in_a_row() {
        let host = HeaderValue::from_static("h");
        for (known, becomes) in [("", "h"), ("a", "a,h"), ("a,h", "a,h"), ("h,a", "h,a,h")] {
            let mut headers = HeaderMap::new();
            headers.insert(FORWARDED_HOST, HeaderValue::from_static(known));
            append_forwarded_host(&mut headers, &host);
            assert_eq!(headers[FORWARDED_HOST], becomes);
        }
    }
}
