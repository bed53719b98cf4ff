//! Matchers agree with a model of them that is slow and plain; a table finds the virtual host that a walk
//! over all domains finds.
#![no_main]

use destrier_policy::{
    HeaderMatch, HeaderMatcher, PathMatch, QueryMatch, QueryMatcher, RouteTable, StringMatcher,
    Text, VirtualHost,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((&kind, rest)) = input.split_first() else { return };
    let mut parts = rest.splitn(2, |byte| *byte == 0);
    let (Some(pattern), Some(value)) = (parts.next(), parts.next()) else { return };
    let Ok(pattern) = std::str::from_utf8(pattern) else { return };
    let ignore_case = kind & 8 != 0;
    match kind & 7 {
        0..=3 => text(kind & 3, pattern, ignore_case, value),
        4 => regex(pattern, value),
        5 => range(pattern, value),
        6 => path(pattern, ignore_case, value),
        _ => {
            if let Ok(authority) = std::str::from_utf8(value) {
                virtual_host(pattern, ignore_case, authority);
            }
        }
    }
});

fn folded(bytes: &[u8], ignore_case: bool) -> Vec<u8> {
    if ignore_case { bytes.to_ascii_lowercase() } else { bytes.to_vec() }
}

fn text(kind: u8, pattern: &str, ignore_case: bool, value: &[u8]) {
    let wanted = Text { value: pattern.into(), ignore_case };
    let (one, other) = (folded(value, ignore_case), folded(pattern.as_bytes(), ignore_case));
    let (matcher, model) = match kind {
        0 => (StringMatcher::Exact(wanted), one == other),
        1 => (StringMatcher::Prefix(wanted), one.starts_with(&other)),
        2 => (StringMatcher::Suffix(wanted), one.ends_with(&other)),
        _ => {
            let found = (0..=one.len()).any(|at| one[at..].starts_with(&other));
            (StringMatcher::Contains(wanted), found)
        }
    };
    assert_eq!(matcher.matches(value), model);
    header(HeaderMatch::String(matcher.clone()), value, model);
    if let Ok(query) = std::str::from_utf8(value)
        && !query.contains('&')
    {
        let query = format!("other=1&name={query}&name=2");
        let matcher = QueryMatcher { name: "name".into(), condition: QueryMatch::String(matcher) };
        assert_eq!(matcher.matches(Some(&query)), model);
        assert!(!matcher.matches(None));
    }
}

/// Inverted it is the opposite, but an absent header matches neither.
fn header(condition: HeaderMatch, value: &[u8], model: bool) {
    let name = "name".into();
    let mut matcher = HeaderMatcher { name, condition, invert: false, missing_is_empty: false };
    assert_eq!(matcher.matches(Some(value)), model);
    assert!(!matcher.matches(None));
    matcher.missing_is_empty = true;
    assert_eq!(matcher.matches(None), matcher.matches(Some(b"")));
    matcher.invert = true;
    assert_eq!(matcher.matches(Some(value)), !model);
    matcher.missing_is_empty = false;
    assert!(!matcher.matches(None));
}

/// The whole value or nothing: what matches is a match from the first byte to the last.
fn regex(pattern: &str, value: &[u8]) {
    let plain = regex::bytes::Regex::new(pattern);
    let anchored = StringMatcher::regex(pattern);
    if let (Err(_), Ok(_)) = (&plain, &anchored) {
        panic!("no expression by itself");
    }
    let (Ok(plain), Ok(anchored)) = (plain, anchored) else { return };
    if anchored.matches(value) {
        assert!(plain.is_match(value));
        header(HeaderMatch::String(anchored), value, true);
    } else if let Some(found) = plain.find(value) {
        assert!(found.range() != (0..value.len()));
    }
}

fn range(bounds: &str, value: &[u8]) {
    let mut numbers = bounds.split(',').map(|number| number.parse::<i64>().unwrap_or_default());
    let (start, end) = (numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default());
    let text = std::str::from_utf8(value).unwrap_or_default();
    let model = text.parse::<i64>().is_ok_and(|number| start <= number && number < end);
    header(HeaderMatch::Range { start, end }, value, model);
}

fn path(pattern: &str, ignore_case: bool, path: &[u8]) {
    let Ok(path) = std::str::from_utf8(path) else { return };
    let value: Box<str> = pattern.into();
    let (one, other) =
        (folded(path.as_bytes(), ignore_case), folded(pattern.as_bytes(), ignore_case));
    let prefix = PathMatch::Prefix { value: value.clone(), ignore_case };
    assert_eq!(prefix.matches(path), one.starts_with(&other));
    let exact = PathMatch::Exact { value: value.clone(), ignore_case };
    assert_eq!(exact.matches(path), one == other);
    let separated = PathMatch::SeparatedPrefix { value, ignore_case };
    let followed = one.strip_prefix(&*other).is_some_and(|rest| matches!(rest, [] | [b'/', ..]));
    assert_eq!(separated.matches(path), followed);
}

fn virtual_host(domains: &str, ignore_port: bool, authority: &str) {
    let hosts = domains.split('\n').map(|line| {
        let domains = line.split(' ').map(Box::from).collect();
        VirtualHost::new(line.into(), domains, Box::default())
    });
    let Ok(table) = RouteTable::new("t".into(), hosts.collect(), ignore_port) else { return };
    let found = table.virtual_host_index(authority);
    assert_eq!(found, table.virtual_host_index(&authority.to_ascii_uppercase()));
    if ignore_port {
        // What is a host by itself has the same with a port.
        if !authority.contains([':', ']', '*']) {
            assert_eq!(found, table.virtual_host_index(&format!("{authority}:8080")));
        }
        return;
    }
    let authority = authority.to_ascii_lowercase();
    // Exact, then the longest suffix, then the longest prefix, then `*`.
    let rank = |domain: &str| {
        let domain = domain.to_ascii_lowercase();
        let longer = authority.len() >= domain.len();
        if domain == "*" {
            Some((0, 0))
        } else if let Some(end) = domain.strip_prefix('*') {
            (longer && authority.ends_with(end)).then_some((2, end.len()))
        } else if let Some(start) = domain.strip_suffix('*') {
            (longer && authority.starts_with(start)).then_some((1, start.len()))
        } else {
            (authority == domain).then_some((3, 0))
        }
    };
    let all = table.virtual_hosts.iter().enumerate();
    let ranked = all.flat_map(|(index, host)| {
        host.domains.iter().filter_map(move |domain| Some((rank(domain)?, index)))
    });
    assert_eq!(found, ranked.max().map(|(_, index)| index));
}
