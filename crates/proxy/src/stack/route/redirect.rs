//! Where a redirected client is sent.

use destrier_policy::{PathMatch, Redirect, RedirectPath};
use http::{HeaderMap, HeaderName, HeaderValue, Request};

use super::authority;
use super::rewrite::{path_and_query, replace_by, replace_matched, scheme_of, without_query};

/// The value of `location` (Envoy: `Http::Utility::newUri`); `None` when it would be no header value.
pub(super) fn location<B>(
    redirect: &Redirect,
    matched: &PathMatch,
    request: &Request<B>,
) -> Option<HeaderValue> {
    let scheme = redirect.scheme.as_deref();
    let scheme = scheme.unwrap_or_else(|| scheme_of(request.uri(), request.headers()));
    let port = redirect.port.map(|port| format!(":{port}")).unwrap_or_default();
    let host = match &redirect.host {
        Some(host) => host,
        None => {
            let host = authority(request).unwrap_or_default();
            kept_host(host, scheme, &port, request.headers())
        }
    };
    let old = path_and_query(request.uri());
    let query = &old[without_query(old).len()..];
    let mut path = match &redirect.path {
        RedirectPath::Kept => old.to_owned(),
        RedirectPath::Whole(path) if path.contains('?') => path.to_string(),
        RedirectPath::Whole(path) => [path, query].concat(),
        RedirectPath::Prefix(new) => replace_matched(old, matched, new),
        RedirectPath::Regex(regex) => replace_by(old, regex),
    };
    let own_query = matches!(&redirect.path, RedirectPath::Whole(path) if path.contains('?'));
    if redirect.strip_query && !own_query {
        path.truncate(without_query(&path).len());
    }
    HeaderValue::try_from([scheme, "://", host, &port, &path].concat()).ok()
}

/// The same request over TLS (`require_tls`).
pub(super) fn over_tls<B>(request: &Request<B>) -> Option<HeaderValue> {
    let host = authority(request).unwrap_or_default();
    HeaderValue::try_from(["https://", host, path_and_query(request.uri())].concat()).ok()
}

/// The host of the request, without its port where there is a new one, or where it is the port of the old
/// scheme and the scheme changes.
fn kept_host<'a>(host: &'a str, scheme: &str, port: &str, headers: &HeaderMap) -> &'a str {
    const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
    let end = match host.starts_with('[') {
        true => host.rfind("]:").map(|end| end + 1),
        false => host.rfind(':'),
    };
    let Some(end) = end else { return host };
    let told = headers.get(FORWARDED_PROTO).map_or(&b""[..], HeaderValue::as_bytes);
    let of_old_scheme = told != scheme.as_bytes()
        && (told.eq_ignore_ascii_case(b"https") && &host[end..] == ":443"
            || told.eq_ignore_ascii_case(b"http") && &host[end..] == ":80");
    if !port.is_empty() || of_old_scheme { &host[..end] } else { host }
}

#[cfg(test)]
mod tests {
    use destrier_policy::RegexRewrite;
    use http::header::HOST;

    use super::*;

    fn sent_to(redirect: &Redirect, matched: &str, host: &str, path: &str) -> String {
        let matched = PathMatch::Prefix { value: matched.into(), ignore_case: false };
        let request = Request::builder()
            .uri(path)
            .header(HOST, host)
            .header("x-forwarded-proto", "http")
            .body(())
            .expect("valid");
        let location = location(redirect, &matched, &request).expect("a header value");
        location.to_str().expect("text").to_owned()
    }

    #[test]
    fn each_part_of_the_address_can_be_another() {
        let base = Redirect::default;
        let https = || Redirect { scheme: Some("https".into()), ..base() };
        let whole = |path: &str| Redirect { path: RedirectPath::Whole(path.into()), ..base() };
        let regex = RegexRewrite::new("^/a/(.*)$", r"/\1/z").expect("valid");
        for (redirect, host, path, location) in [
            (https(), "h", "/a?q=1", "https://h/a?q=1"),
            (https(), "h:80", "/a", "https://h/a"),
            (https(), "h:443", "/a", "https://h:443/a"),
            (https(), "[::1]:80", "/a", "https://[::1]/a"),
            (https(), "[::1]", "/a", "https://[::1]/a"),
            (base(), "h:80", "/a", "http://h:80/a"),
            (Redirect { host: Some("new".into()), ..base() }, "h:8080", "/a?q", "http://new/a?q"),
            (Redirect { port: Some(81), ..base() }, "h:8080", "/a", "http://h:81/a"),
            (
                Redirect { port: Some(81), host: Some("n".into()), ..https() },
                "h",
                "/a",
                "https://n:81/a",
            ),
            (whole("/new"), "h", "/a?q", "http://h/new?q"),
            (whole("/new?own"), "h", "/a?q", "http://h/new?own"),
            (Redirect { strip_query: true, ..whole("/new?own") }, "h", "/a", "http://h/new?own"),
            (Redirect { strip_query: true, ..whole("/new") }, "h", "/a?q", "http://h/new"),
            (Redirect { strip_query: true, ..base() }, "h", "/a?q", "http://h/a"),
            (
                Redirect { path: RedirectPath::Prefix("/new/".into()), ..base() },
                "h",
                "/a/b?q",
                "http://h/new/b?q",
            ),
            (
                Redirect { path: RedirectPath::Regex(regex.clone()), ..base() },
                "h",
                "/a/b/c?q=/a/",
                "http://h/b/c/z?q=/a/",
            ),
            (
                Redirect { path: RedirectPath::Regex(regex), strip_query: true, ..base() },
                "h",
                "/a/b?q",
                "http://h/b/z",
            ),
        ] {
            assert_eq!(sent_to(&redirect, "/a/", host, path), location, "{redirect:?}");
        }
    }

    #[test]
    fn the_scheme_is_that_of_the_client() {
        let matched = PathMatch::Prefix { value: "/".into(), ignore_case: false };
        let request = Request::builder()
            .uri("/a")
            .header(HOST, "h:443")
            .header("x-forwarded-proto", "https")
            .body(())
            .expect("valid");
        let to = |redirect: Redirect| location(&redirect, &matched, &request);
        assert_eq!(to(Redirect::default()).expect("valid"), "https://h:443/a");
        let plain = Redirect { scheme: Some("http".into()), ..Redirect::default() };
        assert_eq!(to(plain).expect("valid"), "http://h/a");
        assert_eq!(over_tls(&request).expect("valid"), "https://h:443/a");
    }
}
