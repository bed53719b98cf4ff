//! Adds and removes headers.

use std::sync::Arc;

use bytes::Bytes;
use destrier_policy::{AppendAction, FormatPart, HeaderFormat, HeaderMutation};
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue};
use smallvec::SmallVec;

/// Does what each level asks for, one after the other. Within a level values are made of the headers that
/// are left after removing; those that overwrite come before those that are added (Envoy:
/// `HeaderParser::evaluateHeaders`). `value` makes a value that is a format, for a message with these headers.
/// How long a message is its body says, and no level.
pub(crate) fn apply(
    levels: &[Arc<HeaderMutation>],
    value: impl Fn(&[FormatPart], &HeaderMap) -> HeaderValue,
    headers: &mut HeaderMap,
) {
    for level in levels {
        level.remove.iter().for_each(|name| drop(headers.remove(name)));
        let mut overwritten: SmallVec<[(&HeaderName, HeaderValue); 4]> = SmallVec::new();
        let mut added: SmallVec<[(&HeaderName, HeaderValue); 4]> = SmallVec::new();
        for addition in level.add.iter().filter(|addition| !is_framing(&addition.name)) {
            let list = match addition.action {
                AppendAction::Append => &mut added,
                AppendAction::AddIfAbsent if headers.contains_key(&addition.name) => continue,
                AppendAction::AddIfAbsent => &mut added,
                AppendAction::OverwriteIfExists if !headers.contains_key(&addition.name) => {
                    continue;
                }
                AppendAction::OverwriteIfExists | AppendAction::Overwrite => &mut overwritten,
            };
            let made = match &addition.value {
                HeaderFormat::Literal(value) => value.clone(),
                HeaderFormat::Parts(parts) => value(parts, headers),
            };
            if !made.is_empty() || addition.keep_empty {
                list.push((&addition.name, made));
            }
        }
        for (name, value) in overwritten {
            headers.insert(name, value);
        }
        for (name, value) in added {
            append(headers, name, value);
        }
    }
}

/// One more header, or one more element of the list that a header is.
fn append(headers: &mut HeaderMap, name: &HeaderName, value: HeaderValue) {
    let known = headers.get(name).filter(|_| is_one_list(name.as_str()));
    let joined = known.map(|known| {
        let joined = Bytes::from([known.as_bytes(), b",", value.as_bytes()].concat());
        HeaderValue::from_maybe_shared(joined).expect("header values make a header value")
    });
    match joined {
        Some(joined) => drop(headers.insert(name, joined)),
        None => drop(headers.append(name, value)),
    }
}

/// Envoy lets a route change these, and sends what no peer can read.
fn is_framing(name: &HeaderName) -> bool {
    name == CONTENT_LENGTH || name == TRANSFER_ENCODING
}

/// Headers that Envoy keeps once, so that one more is joined to them by a comma: as tried with 1.40.
pub(crate) fn is_one_list(name: &str) -> bool {
    matches!(
        name,
        "accept"
            | "accept-encoding"
            | "access-control-allow-credentials"
            | "access-control-allow-headers"
            | "access-control-allow-methods"
            | "access-control-allow-origin"
            | "access-control-expose-headers"
            | "access-control-max-age"
            | "access-control-request-headers"
            | "access-control-request-method"
            | "age"
            | "authorization"
            | "cache-control"
            | "content-encoding"
            | "content-type"
            | "etag"
            | "expires"
            | "grpc-accept-encoding"
            | "grpc-message"
            | "grpc-status"
            | "grpc-timeout"
            | "if-match"
            | "last-modified"
            | "location"
            | "origin"
            | "pragma"
            | "proxy-status"
            | "referer"
            | "user-agent"
            | "vary"
            | "via"
            | "x-client-trace-id"
            | "x-envoy-attempt-count"
            | "x-envoy-decorator-operation"
            | "x-envoy-degraded"
            | "x-envoy-downstream-service-cluster"
            | "x-envoy-downstream-service-node"
            | "x-envoy-expected-rq-timeout-ms"
            | "x-envoy-external-address"
            | "x-envoy-immediate-health-check-fail"
            | "x-envoy-original-host"
            | "x-envoy-original-path"
            | "x-envoy-ratelimited"
            | "x-envoy-upstream-canary"
            | "x-envoy-upstream-healthchecked-cluster"
            | "x-envoy-upstream-service-time"
            | "x-forwarded-for"
            | "x-forwarded-host"
            | "x-forwarded-port"
            | "x-forwarded-proto"
            | "x-request-id"
    )
}

#[cfg(test)]
mod tests {
    use destrier_policy::HeaderAddition;

    use super::*;

    fn addition(name: &'static str, action: AppendAction) -> HeaderAddition {
        HeaderAddition {
            name: HeaderName::from_static(name),
            value: HeaderFormat::Literal(HeaderValue::from_static("new")),
            action,
            keep_empty: false,
        }
    }

    fn level(remove: &[&'static str], add: Vec<HeaderAddition>) -> Arc<HeaderMutation> {
        let remove = remove.iter().map(|name| HeaderName::from_static(name)).collect();
        Arc::new(HeaderMutation { remove, add: add.into() })
    }

    fn applied(levels: &[Arc<HeaderMutation>]) -> Vec<String> {
        let mut headers = HeaderMap::new();
        for name in ["there", "gone", "accept"] {
            headers.insert(name, HeaderValue::from_static("old"));
        }
        apply(levels, |_, _| HeaderValue::from_static(""), &mut headers);
        let line = |(name, value): (&HeaderName, &HeaderValue)| {
            format!("{name}: {}", value.to_str().expect("text"))
        };
        let mut lines: Vec<_> = headers.iter().map(line).collect();
        lines.sort();
        lines
    }

    #[test]
    fn each_action_does_what_it_says() {
        use AppendAction as Action;
        for (action, there, absent) in [
            (Action::Append, &["there: new", "there: old"][..], true),
            (Action::AddIfAbsent, &["there: old"], true),
            (Action::Overwrite, &["there: new"], true),
            (Action::OverwriteIfExists, &["there: new"], false),
        ] {
            let lines = applied(&[level(
                &["gone"],
                vec![addition("there", action), addition("absent", action)],
            )]);
            let mut expected = vec!["accept: old"];
            if absent {
                expected.insert(0, "absent: new");
            }
            expected.extend(there);
            assert_eq!(lines, expected, "{action:?}");
        }
    }

    #[test]
    fn removing_comes_before_adding_and_levels_one_after_the_other() {
        let again = level(&["gone"], vec![addition("gone", AppendAction::AddIfAbsent)]);
        let after = level(&["gone", "there"], vec![]);
        assert_eq!(
            applied(std::slice::from_ref(&again)),
            ["accept: old", "gone: new", "there: old"]
        );
        assert_eq!(applied(&[again, after]), ["accept: old"]);
    }

    #[test]
    fn the_length_of_a_message_is_not_changed() {
        for action in [AppendAction::Append, AppendAction::AddIfAbsent, AppendAction::Overwrite] {
            let additions = ["content-length", "transfer-encoding"];
            let additions = additions.map(|name| addition(name, action));
            let lines = applied(&[level(&[], additions.into())]);
            assert_eq!(lines, ["accept: old", "gone: old", "there: old"], "{action:?}");
        }
    }

    #[test]
    fn some_headers_are_one_list_and_an_empty_value_is_none() {
        let lines = applied(&[level(&[], vec![addition("accept", AppendAction::Append)])]);
        assert_eq!(lines, ["accept: old,new", "gone: old", "there: old"]);
        let empty = |keep_empty| HeaderAddition {
            value: HeaderFormat::Parts(Box::default()),
            keep_empty,
            ..addition("empty", AppendAction::Append)
        };
        assert!(!applied(&[level(&[], vec![empty(false)])]).contains(&"empty: ".to_owned()));
        assert!(applied(&[level(&[], vec![empty(true)])]).contains(&"empty: ".to_owned()));
    }
}
