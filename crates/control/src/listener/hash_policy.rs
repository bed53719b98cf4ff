//! `hash_policy`, of routes, of clusters and of TCP proxies.

use destrier_policy::{HashPolicy, HashSource, HashedHeader, MadeCookie, RegexRewrite};
use envoy_types::pb::envoy::config::route::v3::route_action as route;
use envoy_types::pb::envoy::r#type::matcher::v3::RegexMatchAndSubstitute;
use envoy_types::pb::envoy::r#type::v3::{self as common, hash_policy as tcp};
use http::{HeaderName, HeaderValue};
use route::hash_policy::PolicySpecifier;

use crate::path::FieldPath;
use crate::proto::{self, Fault};
use crate::report::{Reader, Report};

/// The policies of a list that can give a hash, or end the list.
pub(crate) fn hash_policies(
    values: &[route::HashPolicy],
    path: &FieldPath<'_>,
    report: &mut Report<'_>,
) -> Box<[HashPolicy]> {
    let policies = values.iter().enumerate().filter_map(|(index, value)| {
        let source = source(value, &mut Reader::at(path.index(index), report))?;
        Some(HashPolicy { source, terminal: value.terminal })
    });
    policies.collect()
}

/// `None` is a policy that has been refused, or that Envoy drops.
fn source(value: &route::HashPolicy, reader: &mut Reader<'_, '_>) -> Option<HashSource> {
    match value.policy_specifier.as_ref() {
        Some(PolicySpecifier::Header(header)) => {
            let mut reader = reader.field("header");
            let name = reader.read("header_name", Some(&*header.header_name), hashed_header);
            let rewrite = header.regex_rewrite.as_ref();
            let rewrite = reader.read("regex_rewrite", rewrite, regex_rewrite);
            Some(HashSource::Header { name: name?, rewrite })
        }
        Some(PolicySpecifier::Cookie(cookie)) => {
            let mut reader = reader.field("cookie");
            let name = reader.read("name", Some(&*cookie.name), cookie_name).unwrap_or_default();
            let made = made_cookie(cookie, &mut reader);
            Some(HashSource::Cookie { name, made })
        }
        Some(PolicySpecifier::ConnectionProperties(properties)) => {
            properties.source_ip.then_some(HashSource::SourceIp)
        }
        Some(PolicySpecifier::QueryParameter(parameter)) => {
            let mut reader = reader.field("query_parameter");
            let name = reader.read("name", Some(&*parameter.name), not_empty)?;
            Some(HashSource::QueryParameter { name })
        }
        Some(PolicySpecifier::FilterState(state)) => {
            reader.field("filter_state").read("key", Some(&*state.key), not_empty)?;
            Some(HashSource::FilterState)
        }
        None => {
            reader.refuse("must say what is hashed");
            None
        }
    }
}

/// Also checked when nothing is made, as the constraints of the proto are.
fn made_cookie(
    cookie: &route::hash_policy::Cookie,
    reader: &mut Reader<'_, '_>,
) -> Option<MadeCookie> {
    let ttl = reader.read("ttl", cookie.ttl.as_ref(), proto::duration);
    let path = reader.read("path", Some(&*cookie.path), cookie_text);
    let mut reader = reader.field("attributes");
    let attributes = cookie.attributes.iter().enumerate().filter_map(|(index, attribute)| {
        let mut reader = reader.index(index);
        let name = reader.read("name", Some(&*attribute.name), cookie_name);
        let value = reader.read("value", Some(&*attribute.value), cookie_text);
        name.zip(value)
    });
    let attributes = attributes.collect();
    Some(MadeCookie { max_age: ttl?.as_secs(), path: path?, attributes })
}

/// `tcp_proxy.proto: hash_policy`, of which one entry may be given.
pub(super) fn tcp_hash_policies(
    values: &[common::HashPolicy],
    path: &FieldPath<'_>,
    report: &mut Report<'_>,
) -> Box<[HashPolicy]> {
    if values.len() > 1 {
        report.refuse(path, "must have one entry at most");
    }
    let policies = values.iter().enumerate().filter_map(|(index, value)| {
        let mut reader = Reader::at(path.index(index), report);
        let source = match &value.policy_specifier {
            Some(tcp::PolicySpecifier::SourceIp(_)) => HashSource::SourceIp,
            Some(tcp::PolicySpecifier::FilterState(state)) => {
                reader.field("filter_state").read("key", Some(&*state.key), not_empty)?;
                HashSource::FilterState
            }
            None => {
                reader.refuse("must say what is hashed");
                return None;
            }
        };
        Some(HashPolicy { source, terminal: false })
    });
    policies.collect()
}

/// `regex.proto: RegexMatchAndSubstitute`.
pub(super) fn regex_rewrite(value: &RegexMatchAndSubstitute) -> Result<RegexRewrite, Fault> {
    let pattern = value.pattern.as_ref().ok_or("pattern: must be set")?;
    if value.substitution.contains(['\n', '\r', '\0']) {
        return Err("substitution: a line break or NUL stands in it".into());
    }
    RegexRewrite::new(&pattern.regex, &value.substitution)
}

fn hashed_header(name: &str) -> Result<HashedHeader, Fault> {
    Ok(match &*name.to_ascii_lowercase() {
        "" => return Err("must not be empty".into()),
        ":authority" | "host" => HashedHeader::Authority,
        ":method" => HashedHeader::Method,
        ":path" => HashedHeader::Path,
        ":scheme" => HashedHeader::Scheme,
        name => HashedHeader::Name(
            HeaderName::try_from(name).map_err(|_| format!("{name:?} is not a header's name"))?,
        ),
    })
}

/// What may stand in a `set-cookie`, and is not nothing.
fn cookie_name(name: &str) -> Result<Box<str>, Fault> {
    if name.is_empty() { Err("must not be empty".into()) } else { cookie_text(name) }
}

fn cookie_text(text: &str) -> Result<Box<str>, Fault> {
    HeaderValue::from_str(text).map_err(|_| "a header's value cannot hold it".to_owned())?;
    Ok(text.into())
}

fn not_empty(text: &str) -> Result<Box<str>, Fault> {
    if text.is_empty() { Err("must not be empty".into()) } else { Ok(text.into()) }
}
