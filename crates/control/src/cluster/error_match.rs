//! `outlier_detection.error_matcher` of `HttpProtocolOptions`.

use destrier_policy::ErrorMatch;
use envoy_types::pb::envoy::config::common::matcher::v3::{
    MatchPredicate,
    match_predicate::{MatchSet, Rule},
};

use crate::listener::matchers::header_matcher;
use crate::report::Reader;

/// `None` when it has been refused.
pub(super) fn translate(
    predicate: &MatchPredicate,
    reader: &mut Reader<'_, '_>,
) -> Option<ErrorMatch> {
    match &predicate.rule {
        Some(Rule::OrMatch(set)) => rules(set, &mut reader.field("or_match")).map(ErrorMatch::Any),
        Some(Rule::AndMatch(set)) => {
            rules(set, &mut reader.field("and_match")).map(ErrorMatch::All)
        }
        Some(Rule::NotMatch(inner)) => {
            let inner = translate(inner, &mut reader.field("not_match"))?;
            Some(ErrorMatch::Not(inner.into()))
        }
        Some(Rule::AnyMatch(true)) => Some(ErrorMatch::Always),
        Some(Rule::AnyMatch(false)) => {
            reader.field("any_match").refuse("must be true");
            None
        }
        Some(Rule::HttpResponseHeadersMatch(headers)) => {
            let mut reader = reader.field("http_response_headers_match");
            let mut reader = reader.field("headers");
            let translated = headers.headers.iter().enumerate().map(|(index, header)| {
                reader.index(index).with(|path, report| header_matcher(header, path, report))
            });
            all(translated).map(ErrorMatch::Headers)
        }
        // The field table refuses them.
        Some(
            Rule::HttpRequestHeadersMatch(_)
            | Rule::HttpRequestTrailersMatch(_)
            | Rule::HttpResponseTrailersMatch(_)
            | Rule::HttpRequestGenericBodyMatch(_)
            | Rule::HttpResponseGenericBodyMatch(_),
        ) => None,
        None => {
            reader.refuse("must have a rule");
            None
        }
    }
}

fn rules(set: &MatchSet, reader: &mut Reader<'_, '_>) -> Option<Box<[ErrorMatch]>> {
    if set.rules.len() < 2 {
        reader.field("rules").refuse("must be at least two");
    }
    let mut reader = reader.field("rules");
    all(set.rules.iter().enumerate().map(|(index, rule)| translate(rule, &mut reader.index(index))))
}

/// Reads every element, so that all faults are found, and gives nothing if one is missing.
fn all<T>(elements: impl Iterator<Item = Option<T>>) -> Option<Box<[T]>> {
    elements.collect::<Vec<_>>().into_iter().collect()
}
