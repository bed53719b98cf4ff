//! What a route looks at: `RouteMatch`, `HeaderMatcher`, `StringMatcher`.

use destrier_policy::{
    HeaderMatch, HeaderMatcher, PathMatch, QueryMatch, QueryMatcher, RouteMatch, StringMatcher,
    Text,
};
use envoy_types::pb::envoy::config::route::v3 as route;
use envoy_types::pb::envoy::r#type::matcher::v3 as matcher;

use super::rewrite::runtime_fraction;
use crate::path::FieldPath;
use crate::proto::Fault;
use crate::report::Report;
use route::header_matcher::HeaderMatchSpecifier;
use route::route_match::PathSpecifier;

/// `None` when it has been refused.
pub(super) fn route_match(
    value: &route::RouteMatch,
    path: &FieldPath<'_>,
    report: &mut Report<'_>,
) -> Option<RouteMatch> {
    let headers_path = path.field("headers");
    let headers = value.headers.iter().enumerate();
    let headers =
        headers.map(|(index, header)| header_matcher(header, &headers_path.index(index), report));
    // Each is looked at, so that all faults are found.
    let headers: Vec<_> = headers.collect();
    let mut headers = headers.into_iter().collect::<Option<Vec<_>>>();
    if value.grpc.is_some() {
        headers = headers.map(|headers| headers.into_iter().chain([grpc()]).collect());
    }
    let query_path = path.field("query_parameters");
    let query = value.query_parameters.iter().enumerate();
    let query =
        query.map(|(index, parameter)| query_matcher(parameter, &query_path.index(index), report));
    let query: Vec<_> = query.collect();
    let share = value
        .runtime_fraction
        .as_ref()
        .map(|fraction| report.check(&path.field("runtime_fraction"), runtime_fraction(fraction)));
    let path_match = path_match(value, path, report)?;
    Some(RouteMatch {
        path: path_match,
        headers: headers?.into(),
        query: query.into_iter().collect::<Option<_>>()?,
        share: match share {
            Some(share) => Some(share?),
            None => None,
        },
    })
}

/// `QueryParameterMatcher`; `None` when it has been refused.
fn query_matcher(
    value: &route::QueryParameterMatcher,
    path: &FieldPath<'_>,
    report: &mut Report<'_>,
) -> Option<QueryMatcher> {
    use route::query_parameter_matcher::QueryParameterMatchSpecifier as Specifier;
    if value.name.is_empty() {
        report.refuse(&path.field("name"), "must not be empty");
    }
    let condition = match &value.query_parameter_match_specifier {
        Some(Specifier::PresentMatch(wanted)) => QueryMatch::Present { wanted: *wanted },
        None => QueryMatch::Present { wanted: true },
        Some(Specifier::StringMatch(text)) => {
            QueryMatch::String(string_matcher(text, &path.field("string_match"), report)?)
        }
    };
    Some(QueryMatcher { name: value.name.as_str().into(), condition })
}

/// `grpc`: by content type, as Envoy tells a gRPC request.
fn grpc() -> HeaderMatcher {
    HeaderMatcher {
        name: "content-type".into(),
        condition: HeaderMatch::String(
            StringMatcher::regex(r"application/grpc(\+.*)?").expect("a constant expression"),
        ),
        invert: false,
        missing_is_empty: false,
    }
}

fn path_match(
    value: &route::RouteMatch,
    path: &FieldPath<'_>,
    report: &mut Report<'_>,
) -> Option<PathMatch> {
    let ignore_case = value.case_sensitive.as_ref().is_some_and(|sensitive| !sensitive.value);
    match &value.path_specifier {
        Some(PathSpecifier::Prefix(text)) => {
            Some(PathMatch::Prefix { value: text.as_str().into(), ignore_case })
        }
        Some(PathSpecifier::Path(text)) => {
            Some(PathMatch::Exact { value: text.as_str().into(), ignore_case })
        }
        Some(PathSpecifier::SafeRegex(regex)) => {
            let path = path.field("safe_regex");
            report.check(&path, expression(regex)).map(PathMatch::Regex)
        }
        Some(PathSpecifier::PathSeparatedPrefix(text)) => {
            let well_formed = text.starts_with('/')
                && text.len() > 1
                && !text.ends_with('/')
                && !text.contains(['?', '#']);
            if !well_formed {
                report.refuse(
                    &path.field("path_separated_prefix"),
                    "must begin with a slash, not end with one, and have neither query nor fragment",
                );
            }
            Some(PathMatch::SeparatedPrefix { value: text.as_str().into(), ignore_case })
        }
        // Refused by their rows.
        Some(PathSpecifier::ConnectMatcher(_) | PathSpecifier::PathMatchPolicy(_)) => None,
        None => {
            report.refuse(path, "prefix, path, safe_regex or path_separated_prefix must be set");
            None
        }
    }
}

/// `HeaderMatcher`; `None` when it has been refused.
pub(crate) fn header_matcher(
    value: &route::HeaderMatcher,
    path: &FieldPath<'_>,
    report: &mut Report<'_>,
) -> Option<HeaderMatcher> {
    if value.name.is_empty() {
        report.refuse(&path.field("name"), "must not be empty");
    }
    let condition = condition(value, path, report)?;
    Some(HeaderMatcher {
        name: value.name.to_ascii_lowercase().into(),
        condition,
        invert: value.invert_match,
        missing_is_empty: value.treat_missing_header_as_empty,
    })
}

#[expect(deprecated, reason = "the older forms of string_match are still in use")]
fn condition(
    value: &route::HeaderMatcher,
    path: &FieldPath<'_>,
    report: &mut Report<'_>,
) -> Option<HeaderMatch> {
    let with_case = |value: &str| Text { value: value.into(), ignore_case: false };
    let string =
        |field: &str, text: &str, make: fn(Text) -> StringMatcher, report: &mut Report<'_>| {
            if text.is_empty() {
                report.refuse(&path.field(field), "must not be empty");
            }
            Some(HeaderMatch::String(make(with_case(text))))
        };
    match value.header_match_specifier.as_ref() {
        None => Some(HeaderMatch::Present { wanted: true }),
        Some(HeaderMatchSpecifier::PresentMatch(wanted)) => {
            Some(HeaderMatch::Present { wanted: *wanted })
        }
        // An empty text here is a matcher without a condition, as in Envoy.
        Some(HeaderMatchSpecifier::ExactMatch(text)) if text.is_empty() => {
            Some(HeaderMatch::Present { wanted: true })
        }
        Some(HeaderMatchSpecifier::ExactMatch(text)) => {
            Some(HeaderMatch::String(StringMatcher::Exact(with_case(text))))
        }
        Some(HeaderMatchSpecifier::PrefixMatch(text)) => {
            string("prefix_match", text, StringMatcher::Prefix, report)
        }
        Some(HeaderMatchSpecifier::SuffixMatch(text)) => {
            string("suffix_match", text, StringMatcher::Suffix, report)
        }
        Some(HeaderMatchSpecifier::ContainsMatch(text)) => {
            string("contains_match", text, StringMatcher::Contains, report)
        }
        Some(HeaderMatchSpecifier::SafeRegexMatch(regex)) => report
            .check(&path.field("safe_regex_match"), expression(regex))
            .map(HeaderMatch::String),
        Some(HeaderMatchSpecifier::RangeMatch(range)) => {
            Some(HeaderMatch::Range { start: range.start, end: range.end })
        }
        Some(HeaderMatchSpecifier::StringMatch(text)) => {
            string_matcher(text, &path.field("string_match"), report).map(HeaderMatch::String)
        }
    }
}

/// `StringMatcher`.
pub(crate) fn string_matcher(
    value: &matcher::StringMatcher,
    path: &FieldPath<'_>,
    report: &mut Report<'_>,
) -> Option<StringMatcher> {
    use matcher::string_matcher::MatchPattern;
    let text = |text: &str| Text { value: text.into(), ignore_case: value.ignore_case };
    let not_empty = |field: &str, text: &str, report: &mut Report<'_>| {
        if text.is_empty() {
            report.refuse(&path.field(field), "must not be empty");
        }
    };
    match value.match_pattern.as_ref() {
        Some(MatchPattern::Exact(exact)) => Some(StringMatcher::Exact(text(exact))),
        Some(MatchPattern::Prefix(prefix)) => {
            not_empty("prefix", prefix, report);
            Some(StringMatcher::Prefix(text(prefix)))
        }
        Some(MatchPattern::Suffix(suffix)) => {
            not_empty("suffix", suffix, report);
            Some(StringMatcher::Suffix(text(suffix)))
        }
        Some(MatchPattern::Contains(part)) => {
            not_empty("contains", part, report);
            Some(StringMatcher::Contains(text(part)))
        }
        Some(MatchPattern::SafeRegex(regex)) => {
            report.check(&path.field("safe_regex"), expression(regex))
        }
        Some(MatchPattern::Custom(_)) => None, // Refused by its row.
        None => {
            report.refuse(path, "must have a pattern");
            None
        }
    }
}

fn expression(value: &matcher::RegexMatcher) -> Result<StringMatcher, Fault> {
    if value.regex.is_empty() {
        return Err("regex: must not be empty".into());
    }
    // Alone as well: `a)|(b` is none, and must not become one between the brackets put around it.
    regex::bytes::Regex::new(&value.regex)
        .and_then(|_| StringMatcher::regex(&value.regex))
        .map_err(|why| format!("regex: {why}"))
}
