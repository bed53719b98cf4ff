//! Rewriting of text by a regular expression (`regex.proto: RegexMatchAndSubstitute`).

use std::borrow::Cow;

use regex::bytes::Regex;

/// `RegexMatchAndSubstitute`: replaces every match, none of which need be the whole text.
#[derive(Clone, Debug)]
pub struct RegexRewrite {
    pattern: Box<Regex>,
    /// As given, by which two are equal.
    substitution: Box<str>,
    parts: Box<[Part]>,
}

/// A piece of the substitution.
#[derive(Clone, Debug)]
enum Part {
    Text(Box<[u8]>),
    /// `\1`; `\0` is the whole match.
    Group(usize),
}

impl RegexRewrite {
    /// `substitution` is in RE2's syntax: `\0` to `\9` stand for groups, `\\` for a backslash.
    ///
    /// # Errors
    /// What is wrong, with the field of the proto in front.
    pub fn new(pattern: &str, substitution: &str) -> Result<Self, String> {
        if pattern.is_empty() {
            return Err("pattern.regex: must not be empty".into());
        }
        let pattern = Regex::new(pattern).map_err(|why| format!("pattern.regex: {why}"))?;
        let parts = parts(substitution, pattern.captures_len())
            .map_err(|why| format!("substitution: {why}"))?;
        Ok(Self { pattern: Box::new(pattern), substitution: substitution.into(), parts })
    }

    /// The text with every match replaced. Borrowed when there is none.
    pub fn apply<'a>(&self, text: &'a [u8]) -> Cow<'a, [u8]> {
        let mut matches = self.pattern.captures_iter(text).peekable();
        if matches.peek().is_none() {
            return Cow::Borrowed(text);
        }
        let mut rewritten = Vec::with_capacity(text.len());
        let mut copied = 0;
        for groups in matches {
            let whole = groups.get_match();
            rewritten.extend_from_slice(&text[copied..whole.start()]);
            for part in &self.parts {
                match part {
                    Part::Text(bytes) => rewritten.extend_from_slice(bytes),
                    // A group that took no part in the match is empty.
                    Part::Group(index) => rewritten.extend_from_slice(
                        groups.get(*index).map_or(b"", |group| group.as_bytes()),
                    ),
                }
            }
            copied = whole.end();
        }
        rewritten.extend_from_slice(&text[copied..]);
        Cow::Owned(rewritten)
    }
}

fn parts(substitution: &str, groups: usize) -> Result<Box<[Part]>, String> {
    let mut parts = Vec::new();
    let mut text = Vec::new();
    let mut bytes = substitution.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' => match bytes.next() {
                Some(b'\\') => text.push(b'\\'),
                Some(digit @ b'0'..=b'9') => {
                    let group = usize::from(digit - b'0');
                    if group >= groups {
                        return Err(format!("\\{group}: the pattern has {} groups", groups - 1));
                    }
                    if !text.is_empty() {
                        parts.push(Part::Text(std::mem::take(&mut text).into()));
                    }
                    parts.push(Part::Group(group));
                }
                _ => return Err("a backslash must stand before a digit or a backslash".into()),
            },
            other => text.push(other),
        }
    }
    if !text.is_empty() {
        parts.push(Part::Text(text.into()));
    }
    Ok(parts.into())
}

impl PartialEq for RegexRewrite {
    fn eq(&self, other: &Self) -> bool {
        (self.pattern.as_str(), &self.substitution) == (other.pattern.as_str(), &other.substitution)
    }
}

impl Eq for RegexRewrite {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replaces_every_match() {
        for (pattern, substitution, text, becomes) in [
            ("^(.*?)@.*$", r"\1", "me@there", "me"),
            ("^(.*?)@.*$", r"\1", "nobody", "nobody"),
            ("[0-9]+", "#", "a1b22", "a#b#"),
            ("(a)|(b)", r"<\2>", "ab", "<><b>"),
            ("x", r"\\\0", "x", r"\x"),
            ("x", "", "x", ""),
            ("x*", "-", "axb", "-a-b-"),
        ] {
            let rewrite = RegexRewrite::new(pattern, substitution).expect("a valid rewrite");
            assert_eq!(*rewrite.apply(text.as_bytes()), *becomes.as_bytes(), "{pattern} {text}");
        }
    }

    #[test]
    fn says_what_is_wrong() {
        for (pattern, substitution, begins) in [
            ("", "", "pattern.regex: must not be empty"),
            ("(", "", "pattern.regex: "),
            ("a", r"\1", r"substitution: \1: the pattern has 0 groups"),
            ("a", r"\n", "substitution: a backslash"),
            ("a", r"\", "substitution: a backslash"),
        ] {
            let error = RegexRewrite::new(pattern, substitution).expect_err("it is wrong");
            assert!(error.starts_with(begins), "{error}");
        }
    }
}
