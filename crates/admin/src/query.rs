//! The query of an admin request.

use regex::Regex;

use crate::answer::Answer;

/// Parameters in the order in which they came. One without a value (`?usedonly`) is there and empty.
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    /// Reads what stands behind the question mark. As in Envoy `+` is itself, not a space: regular
    /// expressions are full of it.
    pub(crate) fn parse(text: Option<&str>) -> Self {
        let pairs = text.unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
        let pair = |pair: &str| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decoded(name), decoded(value))
        };
        Self(pairs.map(pair).collect())
    }

    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    /// A parameter that is there and not empty.
    pub(crate) fn given(&self, name: &str) -> Option<&str> {
        self.get(name).filter(|value| !value.is_empty())
    }

    /// `?filter=`: a regular expression that may match anywhere in a name.
    pub(crate) fn filter(&self) -> Result<Option<Regex>, Answer> {
        let pattern = self.given("filter").map(Regex::new).transpose();
        pattern.map_err(|error| {
            Answer::bad_request(format!("Invalid re2 regex: {}", cause_of(&error)))
        })
    }
}

/// What is wrong with a pattern, on one line.
pub(crate) fn cause_of(error: &regex::Error) -> String {
    // The last line of the error says it; those before draw the place.
    let text = error.to_string();
    text.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned()
}

/// `%7C` is `|`; what is no such triple stays as it is.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let byte = after.get(..2).filter(|_| *first == b'%').and_then(|digits| {
            let digits = std::str::from_utf8(digits).ok()?;
            digits.bytes().all(|digit| digit.is_ascii_hexdigit()).then_some(())?;
            u8::from_str_radix(digits, 16).ok()
        });
        bytes.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { &after[2..] } else { after };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_read_as_envoy_reads_them() {
        let query = Query::parse(Some("usedonly&filter=a%7C%2B.+%zz%&x=1=2&"));
        let pairs: Vec<_> = query.iter().collect();
        assert_eq!(pairs, [("usedonly", ""), ("filter", "a|+.+%zz%"), ("x", "1=2")]);
        assert!(query.has("usedonly") && query.given("usedonly").is_none());
        assert_eq!(Query::parse(None).iter().len(), 0);
    }

    #[test]
    fn a_pattern_that_is_none_is_a_bad_request() {
        assert!(Query::parse(Some("filter=[")).filter().is_err());
        assert!(Query::parse(Some("filter=")).filter().is_ok_and(|filter| filter.is_none()));
    }
}
