//! By what of a request its host is chosen (`route_components.proto: RouteAction.HashPolicy`).

use http::HeaderName;

use crate::RegexRewrite;

/// One `HashPolicy` of a list. The hashes of all are combined, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HashPolicy {
    /// What is hashed.
    pub source: HashSource,
    /// `terminal`: when there is a hash after this one, the rest of the list is not looked at.
    pub terminal: bool,
}

/// `policy_specifier`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HashSource {
    /// `header`.
    Header {
        /// `header_name`.
        name: HashedHeader,
        /// `regex_rewrite`, of each value before it is hashed.
        rewrite: Option<RegexRewrite>,
    },
    /// `cookie`.
    Cookie {
        /// `name`.
        name: Box<str>,
        /// With a `ttl`: what is sent to a client that has none.
        made: Option<MadeCookie>,
    },
    /// `connection_properties.source_ip`.
    SourceIp,
    /// `query_parameter`.
    QueryParameter {
        /// `name`, case-sensitive.
        name: Box<str>,
    },
    /// `filter_state`. No filter sets any, so that it never gives a hash; but it may be terminal.
    FilterState,
}

/// A header of a request as a hash policy names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HashedHeader {
    /// Any but the following.
    Name(HeaderName),
    /// `:authority`, also as `host`.
    Authority,
    /// `:method`.
    Method,
    /// `:path`, with the query.
    Path,
    /// `:scheme`.
    Scheme,
}

/// A cookie that is made for a client without one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MadeCookie {
    /// `ttl` in whole seconds; 0 lasts for the client's session.
    pub max_age: u64,
    /// `path`, may be empty.
    pub path: Box<str>,
    /// `attributes`: names, and values that may be empty.
    pub attributes: Box<[(Box<str>, Box<str>)]>,
}
