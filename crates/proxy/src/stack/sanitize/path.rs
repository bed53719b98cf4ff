//! Spellings of a path that mean the same are made one, before a route is chosen by it.
//!
//! The rules are those of Chromium's URL parser, which Envoy uses (measured on 1.40): RFC 3986, 5.2.4 and
//! 6.2.2, but escapes of what need not be escaped are undone, what must be escaped is, a backslash is
//! a slash, and no escaped slash becomes one.

use std::borrow::Cow;

use destrier_policy::{EscapedSlashes, PathForm};

/// What became of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PathOutcome {
    /// It was in its form already.
    Same,
    /// The request goes on with another.
    Forward(String),
    /// The client is to ask for another.
    Redirect(String),
    /// It has escaped slashes, which it must not have; this is how it reads without.
    Refuse(String),
    /// It cannot be brought into its form.
    Reject,
}

/// Brings a path and query into the form that is asked for.
pub(super) fn bring_into_form(path_and_query: &str, form: PathForm) -> PathOutcome {
    let (path, query) = match path_and_query.find('?') {
        Some(at) => path_and_query.split_at(at),
        None => (path_and_query, ""),
    };
    let mut formed = Cow::Borrowed(path.as_bytes());
    let mut redirect = false;
    if form.escaped_slashes != EscapedSlashes::KeepUnchanged
        && let Some(unescaped) = unescape_slashes(&formed)
    {
        match form.escaped_slashes {
            EscapedSlashes::RejectRequest => {
                let mut path = String::from_utf8_lossy(&unescaped).into_owned();
                path.push_str(query);
                return PathOutcome::Refuse(path);
            }
            EscapedSlashes::UnescapeAndRedirect => redirect = true,
            EscapedSlashes::UnescapeAndForward | EscapedSlashes::KeepUnchanged => {}
        }
        formed = Cow::Owned(unescaped);
    }
    if form.normalize && !is_normal(&formed) {
        match normalize(&without_parameters_of_dots(&formed)) {
            Some(normal) => formed = Cow::Owned(normal),
            None => return PathOutcome::Reject,
        }
    }
    if form.merge_slashes && formed.windows(2).any(|pair| pair == b"//") {
        formed = Cow::Owned(merge_slashes(&formed));
    }
    let Cow::Owned(formed) = formed else { return PathOutcome::Same };
    // An escape that must stay (`%zz`, `%20`) is looked at, and nothing comes of it.
    if formed == path.as_bytes() {
        return PathOutcome::Same;
    }
    let Ok(mut formed) = String::from_utf8(formed) else { return PathOutcome::Reject };
    formed.push_str(query);
    if redirect { PathOutcome::Redirect(formed) } else { PathOutcome::Forward(formed) }
}

/// `None` when there is nothing to unescape.
fn unescape_slashes(path: &[u8]) -> Option<Vec<u8>> {
    let mut unescaped = None;
    let mut rest = path;
    let mut seen = 0;
    while let [first, after @ ..] = rest {
        let slash = match rest {
            [b'%', b'2', b'f' | b'F', ..] => Some(b'/'),
            [b'%', b'5', b'c' | b'C', ..] => Some(b'\\'),
            _ => None,
        };
        if let Some(slash) = slash {
            unescaped.get_or_insert_with(|| path[..seen].to_vec()).push(slash);
            rest = &rest[3..];
            seen += 3;
        } else {
            if let Some(unescaped) = &mut unescaped {
                unescaped.push(*first);
            }
            rest = after;
            seen += 1;
        }
    }
    unescaped
}

/// Whether normalising it would change nothing. Most paths are like that.
fn is_normal(path: &[u8]) -> bool {
    path.first() == Some(&b'/')
        && path.iter().all(|&byte| class(byte) <= Class::Unreserved)
        && !path.windows(2).any(|pair| pair == b"/.")
}

/// What becomes of a byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Class {
    /// It stays, escaped or not.
    Kept,
    /// It is never escaped.
    Unreserved,
    /// It is always escaped.
    Escaped,
    /// A backslash or the beginning of an escape.
    Special,
}

fn class(byte: u8) -> Class {
    match byte {
        b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'-' | b'.' | b'_' | b'~' => Class::Unreserved,
        b'%' | b'\\' => Class::Special,
        ..=b' ' | b'"' | b'#' | b'<' | b'>' | b'?' | b'^' | b'`' | b'{'..=b'}' | 0x7f.. => {
            Class::Escaped
        }
        _ => Class::Kept,
    }
}

/// `..;x` is `..`: a host may take what follows a semicolon for parameters. As in Envoy, where such a segment
/// stands between slashes as it came.
fn without_parameters_of_dots(path: &[u8]) -> Cow<'_, [u8]> {
    if !path.windows(2).any(|pair| pair == b".;") {
        return Cow::Borrowed(path);
    }
    let mut kept = Vec::with_capacity(path.len());
    for (index, segment) in path.split(|byte| *byte == b'/').enumerate() {
        if index > 0 {
            kept.push(b'/');
        }
        kept.extend_from_slice(match segment {
            [b'.', b';', ..] => b".",
            [b'.', b'.', b';', ..] => b"..",
            segment => segment,
        });
    }
    Cow::Owned(kept)
}

/// `None` when it holds a zero byte.
fn normalize(path: &[u8]) -> Option<Vec<u8>> {
    let mut normal = Vec::with_capacity(path.len() + 1);
    if !path.first().is_some_and(|first| is_slash(*first)) {
        normal.push(b'/');
    }
    let mut rest = path;
    while let [first, after @ ..] = rest {
        if normal.last() == Some(&b'/')
            && let Some(behind_dot) = skip_dot(rest)
        {
            rest = match segment(behind_dot) {
                Segment::Current(behind) => behind,
                Segment::Parent(behind) => {
                    back_to_parent(&mut normal);
                    behind
                }
                Segment::Name => {
                    normal.push(b'.');
                    behind_dot
                }
            };
            continue;
        }
        rest = after;
        match class(*first) {
            Class::Kept | Class::Unreserved => normal.push(*first),
            Class::Escaped => escape(&mut normal, *first),
            Class::Special if *first == b'\\' => normal.push(b'/'),
            Class::Special => match escaped(after) {
                Some(0) => return None,
                Some(byte) if class(byte) == Class::Unreserved => {
                    normal.push(byte);
                    rest = &after[2..];
                }
                // The letters of the digits stay as they are.
                Some(_) => {
                    normal.extend_from_slice(&rest_of_escape(after));
                    rest = &after[2..];
                }
                None => normal.push(b'%'),
            },
        }
    }
    Some(normal)
}

fn rest_of_escape(digits: &[u8]) -> [u8; 3] {
    [b'%', digits[0], digits[1]]
}

fn escape(normal: &mut Vec<u8>, byte: u8) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    normal.extend([b'%', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
}

/// The byte that two digits stand for.
fn escaped(digits: &[u8]) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    let [high, low, ..] = digits else { return None };
    Some(digit(*high)? << 4 | digit(*low)?)
}

fn is_slash(byte: u8) -> bool {
    matches!(byte, b'/' | b'\\')
}

/// What follows a dot, which may be escaped.
fn skip_dot(path: &[u8]) -> Option<&[u8]> {
    match path {
        [b'.', rest @ ..] | [b'%', b'2', b'e' | b'E', rest @ ..] => Some(rest),
        _ => None,
    }
}

/// What a segment that begins with a dot is, and what follows it with its slash.
enum Segment<'a> {
    /// `.`
    Current(&'a [u8]),
    /// `..`
    Parent(&'a [u8]),
    /// Any other.
    Name,
}

fn segment(behind_dot: &[u8]) -> Segment<'_> {
    let end = |rest: &[u8]| rest.first().is_none_or(|first| is_slash(*first));
    if end(behind_dot) {
        return Segment::Current(behind_dot.get(1..).unwrap_or_default());
    }
    match skip_dot(behind_dot) {
        Some(rest) if end(rest) => Segment::Parent(rest.get(1..).unwrap_or_default()),
        _ => Segment::Name,
    }
}

/// Takes the last segment off a path that ends in a slash; there is nothing above the root.
fn back_to_parent(normal: &mut Vec<u8>) {
    if normal.len() > 1 {
        normal.pop();
        let slash = normal.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
        normal.truncate(slash + 1);
    }
}

/// Two slashes that are all of a path stay two, as in Envoy.
fn merge_slashes(path: &[u8]) -> Vec<u8> {
    let mut merged = Vec::with_capacity(path.len());
    for &byte in path {
        if byte != b'/' || merged.last() != Some(&b'/') {
            merged.push(byte);
        }
    }
    if merged == b"/" { b"//".to_vec() } else { merged }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(escaped_slashes: EscapedSlashes, normalize: bool, merge_slashes: bool) -> PathForm {
        PathForm { escaped_slashes, normalize, merge_slashes }
    }

    fn forwarded(path: &str, form: PathForm) -> String {
        match bring_into_form(path, form) {
            PathOutcome::Same => path.to_owned(),
            PathOutcome::Forward(path) => path,
            other => panic!("{path}: {other:?}"),
        }
    }

    /// Measured with Envoy 1.40: a path, normalised, merged, and both.
    const MEASURED: &[(&str, &str, &str, &str)] = &[
        ("/", "/", "/", "/"),
        ("/a/./b", "/a/b", "/a/./b", "/a/b"),
        ("/a/../b", "/b", "/a/../b", "/b"),
        ("/a/b/..", "/a/", "/a/b/..", "/a/"),
        ("/a/.", "/a/", "/a/.", "/a/"),
        ("/..", "/", "/..", "/"),
        ("/../x", "/x", "/../x", "/x"),
        ("/a/%2e%2E/b", "/b", "/a/%2e%2E/b", "/b"),
        ("/a/.%2e/b", "/b", "/a/.%2e/b", "/b"),
        ("/a/...", "/a/...", "/a/...", "/a/..."),
        ("/a/..b", "/a/..b", "/a/..b", "/a/..b"),
        ("/a//../b", "/a/b", "/a/../b", "/a/b"),
        ("//a//b", "//a//b", "/a/b", "/a/b"),
        ("/a\\b", "/a/b", "/a\\b", "/a/b"),
        ("/a\\..\\b", "/b", "/a\\..\\b", "/b"),
        ("/a/b?x=/../y", "/a/b?x=/../y", "/a/b?x=/../y", "/a/b?x=/../y"),
        ("/%41%4a", "/AJ", "/%41%4a", "/AJ"),
        ("/%zz", "/%zz", "/%zz", "/%zz"),
        ("/a%", "/a%", "/a%", "/a%"),
        ("/a%4", "/a%4", "/a%4", "/a%4"),
        ("/%2f", "/%2f", "/%2f", "/%2f"),
        ("/%5c", "/%5c", "/%5c", "/%5c"),
        ("/a/.%2f", "/a/.%2f", "/a/.%2f", "/a/.%2f"),
        ("/.a", "/.a", "/.a", "/.a"),
        ("/a/%2e", "/a/", "/a/%2e", "/a/"),
        ("/a/;/..", "/a/", "/a/;/..", "/a/"),
        ("/a/b/../../../../c", "/c", "/a/b/../../../../c", "/c"),
        ("/a|b", "/a%7Cb", "/a|b", "/a%7Cb"),
        ("/%7e", "/~", "/%7e", "/~"),
        ("/%2D%2e%5f", "/-._", "/%2D%2e%5f", "/-._"),
        ("/a/%2e%2e?q", "/?q", "/a/%2e%2e?q", "/?q"),
        ("/a%252e", "/a%252e", "/a%252e", "/a%252e"),
        ("/.", "/", "/.", "/"),
        ("/./", "/", "/./", "/"),
        ("/a/b/./../c/", "/a/c/", "/a/b/./../c/", "/a/c/"),
        ("//", "//", "//", "//"),
        ("///", "///", "//", "//"),
        ("/a/..//b", "//b", "/a/../b", "/b"),
        ("/a//..", "/a/", "/a/..", "/a/"),
        ("/a/b;c/..;/d", "/a/d", "/a/b;c/..;/d", "/a/d"),
        ("/a/.;/b", "/a/b", "/a/.;/b", "/a/b"),
        ("/a/b/..;x=1/c", "/a/c", "/a/b/..;x=1/c", "/a/c"),
        ("/a/b/..;", "/a/", "/a/b/..;", "/a/"),
        ("/a/b/..%3b/c", "/a/b/..%3b/c", "/a/b/..%3b/c", "/a/b/..%3b/c"),
        ("/a/b/..;x\\..;/c", "/a/c", "/a/b/..;x\\..;/c", "/a/c"),
    ];

    #[test]
    fn paths_become_what_envoy_makes_of_them() {
        for &(path, normal, merged, both) in MEASURED {
            let keep = EscapedSlashes::KeepUnchanged;
            assert_eq!(forwarded(path, form(keep, true, false)), normal, "{path}");
            assert_eq!(forwarded(path, form(keep, false, true)), merged, "{path}");
            assert_eq!(forwarded(path, form(keep, true, true)), both, "{path}");
            assert_eq!(forwarded(path, PathForm::default()), path);
        }
    }

    #[test]
    fn each_character_is_kept_escaped_or_unescaped_as_in_envoy() {
        let normal = |path: &str| {
            let outcome = bring_into_form(path, form(EscapedSlashes::KeepUnchanged, true, false));
            (outcome != PathOutcome::Reject).then(|| match outcome {
                PathOutcome::Forward(path) => path,
                _ => path.to_owned(),
            })
        };
        for byte in 0x21..0x7f_u8 {
            let plain = format!("/a{}b", char::from(byte));
            let wanted = match byte {
                b'?' | b'.' | b'%' => continue,
                b'"' | b'#' | b'<' | b'>' | b'^' | b'`' | b'{' | b'|' | b'}' => {
                    format!("/a%{byte:02X}b")
                }
                b'\\' => "/a/b".to_owned(),
                _ => plain.clone(),
            };
            assert_eq!(normal(&plain), Some(wanted));
        }
        for byte in 0..=0xff_u8 {
            let escaped = format!("/a%{byte:02x}b");
            let wanted = match byte {
                0 => None,
                b'-' | b'.' | b'_' | b'~' => Some(format!("/a{}b", char::from(byte))),
                _ if byte.is_ascii_alphanumeric() => Some(format!("/a{}b", char::from(byte))),
                _ => Some(escaped.clone()),
            };
            assert_eq!(normal(&escaped), wanted, "{escaped}");
        }
    }

    #[test]
    fn what_is_normal_is_left_alone() {
        let form = form(EscapedSlashes::UnescapeAndForward, true, true);
        for path in ["/", "/a/b.c", "/a/b/?x=//..%2f", "/a;b=c,d/~e"] {
            assert_eq!(bring_into_form(path, form), PathOutcome::Same, "{path}");
        }
        // And what becomes normal stays so.
        for (path, ..) in MEASURED {
            let once = forwarded(path, form);
            assert_eq!(bring_into_form(&once, form), PathOutcome::Same, "{path}");
        }
    }

    #[test]
    fn escaped_slashes() {
        use EscapedSlashes::{RejectRequest, UnescapeAndForward, UnescapeAndRedirect};
        for (path, unescaped, normal) in [
            ("/a%2fb", "/a/b", "/a/b"),
            ("/a%2Fb%5cc", "/a/b\\c", "/a/b/c"),
            ("/a%5C..%2f..%2fb", "/a\\../../b", "/b"),
            ("/a%2f%2fb?x=%2f", "/a//b?x=%2f", "/a/b?x=%2f"),
            ("/%2f", "//", "//"),
            ("/a%2f../b", "/a/../b", "/b"),
        ] {
            assert_eq!(forwarded(path, form(UnescapeAndForward, false, false)), unescaped);
            let redirect = bring_into_form(path, form(UnescapeAndRedirect, true, true));
            assert_eq!(redirect, PathOutcome::Redirect(normal.to_owned()), "{path}");
            let reject = bring_into_form(path, form(RejectRequest, false, false));
            assert_eq!(reject, PathOutcome::Refuse(unescaped.to_owned()), "{path}");
        }
        for path in ["/a?x=%2f", "/%252f", "/%2", "/%"] {
            for action in [RejectRequest, UnescapeAndRedirect, UnescapeAndForward] {
                let outcome = bring_into_form(path, form(action, false, false));
                assert_eq!(outcome, PathOutcome::Same, "{path}");
            }
        }
    }
}
