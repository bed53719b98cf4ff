//! Cookies: those a client sent, and those made for one that sent none.

use bytes::Bytes;
use destrier_policy::MadeCookie;
use http::HeaderMap;
use http::header::{COOKIE, HeaderValue};

/// The value of the first cookie of this name, without the quotes around it. An empty one is none.
pub(super) fn find<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a [u8]> {
    let lists = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes);
    let mut cookies = lists.flat_map(|list| list.split(|&byte| byte == b';'));
    let value = cookies.find_map(|cookie| {
        let start = cookie.iter().position(|&byte| byte != b' ')?;
        let cookie = &cookie[start..];
        let equals = cookie.iter().position(|&byte| byte == b'=')?;
        (cookie[..equals] == *name.as_bytes()).then(|| &cookie[equals + 1..])
    })?;
    let value = match value {
        [b'"', inner @ .., b'"'] => inner,
        bare => bare,
    };
    Some(value).filter(|value| !value.is_empty())
}

/// 16 hexadecimal digits, lower case.
pub(super) fn value(random: u64) -> [u8; 16] {
    let mut digits = [0; 16];
    for (place, digit) in digits.iter_mut().rev().enumerate() {
        *digit = b"0123456789abcdef"[(random >> (4 * place)) as usize & 15];
    }
    digits
}

/// The `set-cookie` that makes it, written as Envoy does. `None` when a part of it cannot stand in a
/// header, which translation has refused.
pub(super) fn set(name: &str, cookie: &MadeCookie, value: &[u8; 16]) -> Option<HeaderValue> {
    let MadeCookie { max_age, path, attributes } = cookie;
    let mut text = Vec::with_capacity(96);
    text.extend_from_slice(name.as_bytes());
    text.extend_from_slice(b"=\"");
    text.extend_from_slice(value);
    text.push(b'"');
    if *max_age > 0 {
        text.extend_from_slice(format!("; Max-Age={max_age}").as_bytes());
    }
    if !path.is_empty() {
        text.extend_from_slice(b"; Path=");
        text.extend_from_slice(path.as_bytes());
    }
    for (name, value) in attributes {
        text.extend_from_slice(b"; ");
        text.extend_from_slice(name.as_bytes());
        if !value.is_empty() {
            text.push(b'=');
            text.extend_from_slice(value.as_bytes());
        }
    }
    text.extend_from_slice(b"; HttpOnly");
    HeaderValue::from_maybe_shared(Bytes::from(text)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_first_of_a_name() {
        for (lists, value) in [
            (&["s=abc"][..], Some("abc")),
            (&["a=1; s=\"abc\"; s=x"], Some("abc")),
            (&["a=1", "b;s=2"], Some("2")),
            (&["s=x=y"], Some("x=y")),
            (&["s=\""], Some("\"")),
            (&["s=", "s=later"], None),
            (&["s=\"\""], None),
            (&["S=1; xs=2; s"], None),
            (&[], None),
        ] {
            let mut headers = HeaderMap::new();
            for list in lists {
                headers.append(COOKIE, HeaderValue::from_static(list));
            }
            assert_eq!(find(&headers, "s"), value.map(str::as_bytes), "{lists:?}");
        }
    }

    #[test]
    fn is_written_as_envoy_does() {
        let made = |max_age, path: &str, attributes: &[(&str, &str)]| MadeCookie {
            max_age,
            path: path.into(),
            attributes: attributes.iter().map(|&(n, v)| (n.into(), v.into())).collect(),
        };
        let attributes = [("SameSite", "Strict"), ("Secure", ""), ("Domain", "example.com")];
        for (made, text) in [
            (made(0, "", &[]), "s=\"000000000000f00d\"; HttpOnly"),
            (made(3600, "/api", &[]), "s=\"000000000000f00d\"; Max-Age=3600; Path=/api; HttpOnly"),
            (
                made(60, "/", &attributes),
                "s=\"000000000000f00d\"; Max-Age=60; Path=/; SameSite=Strict; Secure; \
                 Domain=example.com; HttpOnly",
            ),
        ] {
            let cookie = set("s", &made, &value(0xf00d)).expect("a header's value");
            assert_eq!(cookie, text);
        }
        assert_eq!(set("s\n", &made(0, "", &[]), &value(0)), None);
    }
}
