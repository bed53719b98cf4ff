//! Matching of strings and headers (`string.proto`, `route_components.proto: HeaderMatcher`).

use regex::bytes::Regex;

/// `string.proto: StringMatcher`.
#[derive(Clone, Debug)]
pub enum StringMatcher {
    /// `exact`.
    Exact(Text),
    /// `prefix`.
    Prefix(Text),
    /// `suffix`.
    Suffix(Text),
    /// `contains`.
    Contains(Text),
    /// `safe_regex`: the whole value must match.
    Regex(Box<Regex>),
}

/// A text to compare with, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    /// The text.
    pub value: Box<str>,
    /// Whether ASCII letters of either case are the same.
    pub ignore_case: bool,
}

impl Text {
    fn same(&self, input: &[u8]) -> bool {
        let value = self.value.as_bytes();
        if self.ignore_case { input.eq_ignore_ascii_case(value) } else { input == value }
    }
}

impl PartialEq for StringMatcher {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Exact(a), Self::Exact(b))
            | (Self::Prefix(a), Self::Prefix(b))
            | (Self::Suffix(a), Self::Suffix(b))
            | (Self::Contains(a), Self::Contains(b)) => a == b,
            (Self::Regex(a), Self::Regex(b)) => a.as_str() == b.as_str(),
            _ => false,
        }
    }
}

impl StringMatcher {
    /// The value itself, with regard to case.
    pub fn exact(value: impl Into<Box<str>>) -> Self {
        Self::Exact(Text { value: value.into(), ignore_case: false })
    }

    /// A regular expression that must match from the first byte to the last, as in Envoy.
    ///
    /// # Errors
    /// What is wrong with the expression.
    pub fn regex(pattern: &str) -> Result<Self, regex::Error> {
        // By itself first: `)|(` would be an expression only within the brackets.
        Regex::new(pattern)?;
        // Dots match any byte but a line feed, as in RE2; a value need not be UTF-8.
        Regex::new(&format!("^(?:{pattern})$")).map(|regex| Self::Regex(Box::new(regex)))
    }

    /// Whether `input` matches.
    pub fn matches(&self, input: &[u8]) -> bool {
        match self {
            Self::Exact(text) => text.same(input),
            Self::Prefix(text) => input.get(..text.value.len()).is_some_and(|head| text.same(head)),
            Self::Suffix(text) => input
                .len()
                .checked_sub(text.value.len())
                .is_some_and(|start| text.same(&input[start..])),
            Self::Contains(text) => {
                text.value.is_empty() || input.windows(text.value.len()).any(|part| text.same(part))
            }
            Self::Regex(regex) => regex.is_match(input),
        }
    }
}

/// One header condition of a route.
#[derive(Clone, Debug, PartialEq)]
pub struct HeaderMatcher {
    /// Lower-case name; `:method`, `:path`, `:authority` and `:scheme` are pseudo-headers.
    pub name: Box<str>,
    /// What must hold of its value.
    pub condition: HeaderMatch,
    /// `invert_match`.
    pub invert: bool,
    /// `treat_missing_header_as_empty`.
    pub missing_is_empty: bool,
}

/// What must hold of a header's value.
#[derive(Clone, Debug, PartialEq)]
pub enum HeaderMatch {
    /// `present_match: true` (false when `wanted` is false), also a matcher without a condition.
    Present {
        /// Whether it must be there, or must not.
        wanted: bool,
    },
    /// `string_match`, and the deprecated forms of it.
    String(StringMatcher),
    /// `range_match`: a decimal integer in `start..end`.
    Range {
        /// First that matches.
        start: i64,
        /// First beyond.
        end: i64,
    },
}

impl HeaderMatch {
    /// Whether it holds of the value of a header that is there.
    fn holds(&self, value: &[u8]) -> bool {
        match self {
            Self::Present { wanted } => *wanted,
            Self::String(matcher) => matcher.matches(value),
            Self::Range { start, end } => std::str::from_utf8(value)
                .ok()
                .and_then(|text| text.parse::<i64>().ok())
                .is_some_and(|number| (*start..*end).contains(&number)),
        }
    }
}

impl HeaderMatcher {
    /// Whether a request whose header of this name has the value `value` matches.
    pub fn matches(&self, value: Option<&[u8]>) -> bool {
        self.matches_any(value)
    }

    /// The same, with several headers of this name: one that meets the condition is enough, and inverted
    /// too much (Envoy: `match_headers_individually`).
    pub fn matches_any<'a>(&self, values: impl IntoIterator<Item = &'a [u8]>) -> bool {
        let mut values = values.into_iter();
        let first = values.next().or(self.missing_is_empty.then_some(b"" as &[u8]));
        let plain = match (&self.condition, first) {
            (HeaderMatch::Present { wanted }, first) => first.is_some() == *wanted,
            // An absent header matches no condition, inverted or not (Envoy: HeaderUtility).
            (_, None) => return false,
            (condition, Some(first)) => {
                condition.holds(first) || values.any(|it| condition.holds(it))
            }
        };
        plain != self.invert
    }
}

/// `QueryParameterMatcher`: one condition on the query of a route. The query is not decoded, and of several
/// parameters of one name the first counts.
#[derive(Clone, Debug, PartialEq)]
pub struct QueryMatcher {
    /// `name`, case-sensitive.
    pub name: Box<str>,
    /// What must hold of its value.
    pub condition: QueryMatch,
}

/// What must hold of a query parameter.
#[derive(Clone, Debug, PartialEq)]
pub enum QueryMatch {
    /// `present_match`, also a matcher without a condition.
    Present {
        /// Whether it must be there, or must not.
        wanted: bool,
    },
    /// `string_match`.
    String(StringMatcher),
}

impl QueryMatcher {
    /// Whether a request with this query (without the question mark; `None` without a query) matches.
    pub fn matches(&self, query: Option<&str>) -> bool {
        let parameters = query.into_iter().flat_map(|query| query.split('&'));
        let mut pairs = parameters.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        let found = pairs.find(|(name, _)| *name == &*self.name);
        match &self.condition {
            QueryMatch::Present { wanted } => found.is_some() == *wanted,
            QueryMatch::String(matcher) => {
                found.is_some_and(|(_, value)| matcher.matches(value.as_bytes()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_parameter_is_looked_for_by_its_first_value() {
        let with = |condition| QueryMatcher { name: "a".into(), condition };
        let present = with(QueryMatch::Present { wanted: true });
        let absent = with(QueryMatch::Present { wanted: false });
        for (query, there) in [
            (None, false),
            (Some(""), false),
            (Some("a"), true),
            (Some("b=1&a="), true),
            (Some("A=1&aa=1"), false),
        ] {
            assert_eq!(present.matches(query), there, "{query:?}");
            assert_eq!(absent.matches(query), !there, "{query:?}");
        }
        let exact = with(QueryMatch::String(StringMatcher::exact("1")));
        assert!(exact.matches(Some("b&a=1&a=2")) && !exact.matches(Some("a=2&a=1")));
        assert!(!exact.matches(Some("a=%31")) && !exact.matches(Some("a")));
    }

    #[test]
    fn a_regex_must_match_the_whole_value() {
        let matcher = StringMatcher::regex("a|bc").expect("valid");
        assert!(matcher.matches(b"a") && matcher.matches(b"bc"));
        assert!(!matcher.matches(b"ac") && !matcher.matches(b"abc"));
    }

    /// Found by the fuzz target `header_matchers`: it would have matched what merely begins or ends so.
    #[test]
    fn a_regex_cannot_leave_its_brackets() {
        assert!(StringMatcher::regex("a)|(b").is_err());
        assert!(StringMatcher::regex(")|(?:").is_err());
    }

    #[test]
    fn case_is_ignored_only_when_asked() {
        let exact = |ignore_case| StringMatcher::Exact(Text { value: "Ab".into(), ignore_case });
        assert!(exact(true).matches(b"aB") && !exact(false).matches(b"aB"));
        let contains = StringMatcher::Contains(Text { value: "b".into(), ignore_case: true });
        assert!(contains.matches(b"aBc") && !contains.matches(b""));
    }

    #[test]
    fn of_several_headers_one_is_enough() {
        let mut matcher = HeaderMatcher {
            name: "x".into(),
            condition: HeaderMatch::String(StringMatcher::exact("1")),
            invert: false,
            missing_is_empty: false,
        };
        let [one, two, list] = [b"1" as &[u8], b"2", b"1,2"];
        assert!(matcher.matches_any([one, two]) && matcher.matches_any([two, one]));
        assert!(!matcher.matches_any([two, list]) && !matcher.matches_any([]));
        matcher.invert = true;
        assert!(matcher.matches_any([two, list]));
        assert!(!matcher.matches_any([two, one]) && !matcher.matches_any([]));
    }

    #[test]
    fn an_absent_header_meets_no_condition() {
        let mut matcher = HeaderMatcher {
            name: "x".into(),
            condition: HeaderMatch::String(StringMatcher::exact("1")),
            invert: true,
            missing_is_empty: false,
        };
        assert!(
            !matcher.matches(None) && matcher.matches(Some(b"2")) && !matcher.matches(Some(b"1"))
        );
        matcher.missing_is_empty = true;
        assert!(matcher.matches(None));
        matcher.missing_is_empty = false;
        matcher.invert = false;
        assert!(!matcher.matches(None));
        matcher.condition = HeaderMatch::Range { start: 1, end: 3 };
        assert!(matcher.matches(Some(b"2")) && !matcher.matches(Some(b"3")));
    }
}
