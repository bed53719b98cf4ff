//! Where a request goes (`route.proto`, `route_components.proto`).

use std::collections::HashMap;
use std::sync::Arc;

use http::HeaderName;

use crate::{
    ClusterName, HeaderMatcher, HeaderMutations, QueryMatcher, RouteAction, Share, StringMatcher,
};

/// A `RouteConfiguration`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RouteTable {
    /// `name`.
    pub name: Arc<str>,
    /// In the order given.
    pub virtual_hosts: Box<[VirtualHost]>,
    /// `ignore_port_in_host_matching`.
    pub ignore_port: bool,
    /// `internal_only_headers`: removed from requests of clients that are not internal.
    pub internal_only_headers: Box<[HeaderName]>,
    /// Exact domains, lower case, to the index of their virtual host.
    exact: HashMap<Box<str>, usize>,
    /// `*.example.com` as `.example.com`, longest first.
    suffix: Box<[(Box<str>, usize)]>,
    /// `example.*` as `example.`, longest first.
    prefix: Box<[(Box<str>, usize)]>,
    /// The virtual host of `*`.
    any: Option<usize>,
}

impl RouteTable {
    /// Indexes the domains. Domains are compared without regard to case.
    ///
    /// # Errors
    /// The domain that two virtual hosts name.
    pub fn new(
        name: Arc<str>,
        virtual_hosts: Box<[VirtualHost]>,
        ignore_port: bool,
    ) -> Result<Self, String> {
        let mut table = Self { name, ignore_port, ..Self::default() };
        let (mut suffix, mut prefix) = (Vec::new(), Vec::new());
        for (index, host) in virtual_hosts.iter().enumerate() {
            for domain in &host.domains {
                let lower = domain.to_ascii_lowercase();
                let free = if lower == "*" {
                    table.any.replace(index).is_none()
                } else if let Some(rest) = lower.strip_prefix('*') {
                    insert(&mut suffix, rest, index)
                } else if let Some(rest) = lower.strip_suffix('*') {
                    insert(&mut prefix, rest, index)
                } else {
                    table.exact.insert(lower.into(), index).is_none()
                };
                if !free {
                    return Err(domain.to_string());
                }
            }
        }
        for list in [&mut suffix, &mut prefix] {
            list.sort_by_key(|(text, _): &(Box<str>, usize)| std::cmp::Reverse(text.len()));
        }
        (table.suffix, table.prefix) = (suffix.into(), prefix.into());
        table.virtual_hosts = virtual_hosts;
        Ok(table)
    }

    /// The virtual host for an authority: exact, then longest suffix, then longest prefix, then `*`
    /// (`route_components.proto: VirtualHost.domains`).
    pub fn virtual_host(&self, authority: &str) -> Option<&VirtualHost> {
        self.virtual_host_index(authority).map(|index| &self.virtual_hosts[index])
    }

    /// The place of that virtual host among [`RouteTable::virtual_hosts`].
    pub fn virtual_host_index(&self, authority: &str) -> Option<usize> {
        // The common case, one virtual host for everything, needs no look at the name.
        let only_any = self.exact.is_empty() && self.suffix.is_empty() && self.prefix.is_empty();
        if only_any { self.any } else { self.lookup(authority) }
    }

    fn lookup(&self, authority: &str) -> Option<usize> {
        let host = authority.to_ascii_lowercase();
        let host = if self.ignore_port { without_port(&host) } else { &host };
        let exact = self.exact.get(host).copied();
        exact
            .or_else(|| {
                // The wildcard stands for at least one character.
                let mut found = self.suffix.iter();
                found.find(|(end, _)| host.len() > end.len() && host.ends_with(&**end)).map(|f| f.1)
            })
            .or_else(|| {
                let mut found = self.prefix.iter();
                found
                    .find(|(start, _)| host.len() > start.len() && host.starts_with(&**start))
                    .map(|f| f.1)
            })
            .or(self.any)
    }

    /// Every cluster that a route of this table can choose, or mirrors to.
    pub fn clusters(&self) -> impl Iterator<Item = &ClusterName> {
        self.virtual_hosts
            .iter()
            .flat_map(|host| host.routes.iter())
            .filter_map(|route| match &route.action {
                RouteAction::Forward(action) => Some(action),
                RouteAction::Redirect(_) | RouteAction::Direct(_) => None,
            })
            .flat_map(|action| {
                action.cluster.names().chain(action.mirrors.iter().map(|mirror| &mirror.cluster))
            })
    }
}

fn insert(list: &mut Vec<(Box<str>, usize)>, text: &str, index: usize) -> bool {
    let free = list.iter().all(|(taken, _)| **taken != *text);
    list.push((text.into(), index));
    free
}

/// `host` of `host:port` and of `[v6]:port`.
fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port))
            if port.bytes().all(|byte| byte.is_ascii_digit())
                && (!name.contains(':') || name.ends_with(']')) =>
        {
            name
        }
        _ => host,
    }
}

/// A `VirtualHost`.
#[derive(Clone, Debug, PartialEq)]
pub struct VirtualHost {
    /// `name`.
    pub name: Arc<str>,
    /// `domains`.
    pub domains: Box<[Box<str>]>,
    /// First match wins.
    pub routes: Box<[Route]>,
    /// `require_tls`.
    pub require_tls: RequireTls,
    /// `include_request_attempt_count`: whether requests say in `x-envoy-attempt-count` which attempt they
    /// are.
    pub attempt_count_in_request: bool,
    /// `include_attempt_count_in_response`: whether answers say how many attempts there were.
    pub attempt_count_in_response: bool,
}

impl VirtualHost {
    /// A virtual host with Envoy's defaults.
    pub fn new(name: Arc<str>, domains: Box<[Box<str>]>, routes: Box<[Route]>) -> Self {
        Self {
            name,
            domains,
            routes,
            require_tls: RequireTls::None,
            attempt_count_in_request: false,
            attempt_count_in_response: false,
        }
    }
}

/// `require_tls`: which requests that did not come over TLS are redirected to `https`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RequireTls {
    /// None.
    #[default]
    None,
    /// All but those of internal clients (`x-envoy-internal: true`).
    ExternalOnly,
    /// All.
    All,
}

/// A `Route`.
#[derive(Clone, Debug, PartialEq)]
pub struct Route {
    /// `name`, may be empty.
    pub name: Arc<str>,
    /// When it applies.
    pub matcher: RouteMatch,
    /// What it does.
    pub action: RouteAction,
    /// What it changes of headers, with what its virtual host and table change; none is the common case.
    pub mutations: Option<Box<HeaderMutations>>,
}

impl Route {
    /// A route without a name that leaves headers alone.
    pub fn new(matcher: RouteMatch, action: RouteAction) -> Self {
        Self { name: "".into(), matcher, action, mutations: None }
    }
}

/// `RouteMatch`.
#[derive(Clone, Debug, PartialEq)]
pub struct RouteMatch {
    /// The path.
    pub path: PathMatch,
    /// All must match.
    pub headers: Box<[HeaderMatcher]>,
    /// `query_parameters`: all must match.
    pub query: Box<[QueryMatcher]>,
    /// `runtime_fraction`: for which share of requests. There is no runtime to change it.
    pub share: Option<Share>,
}

impl RouteMatch {
    /// Of the path alone.
    pub fn path(path: PathMatch) -> Self {
        Self { path, headers: Box::default(), query: Box::default(), share: None }
    }
}

/// `path_specifier`. The query is not part of the path.
#[derive(Clone, Debug, PartialEq)]
pub enum PathMatch {
    /// `prefix`.
    Prefix {
        /// Begins with `/`.
        value: Box<str>,
        /// `case_sensitive: false`.
        ignore_case: bool,
    },
    /// `path`.
    Exact {
        /// The whole path.
        value: Box<str>,
        /// `case_sensitive: false`.
        ignore_case: bool,
    },
    /// `safe_regex`, the whole path.
    Regex(StringMatcher),
    /// `path_separated_prefix`: the path itself, or followed by `/`.
    SeparatedPrefix {
        /// Without a slash at the end.
        value: Box<str>,
        /// `case_sensitive: false`.
        ignore_case: bool,
    },
}

impl PathMatch {
    /// Whether `path` (without query) matches.
    pub fn matches(&self, path: &str) -> bool {
        let same = |a: &str, b: &str, ignore_case: bool| {
            if ignore_case { a.eq_ignore_ascii_case(b) } else { a == b }
        };
        let starts = |value: &str, ignore_case| {
            path.get(..value.len()).is_some_and(|head| same(head, value, ignore_case))
        };
        match self {
            Self::Prefix { value, ignore_case } => starts(value, *ignore_case),
            Self::Exact { value, ignore_case } => same(path, value, *ignore_case),
            Self::Regex(matcher) => matcher.matches(path.as_bytes()),
            Self::SeparatedPrefix { value, ignore_case } => {
                starts(value, *ignore_case)
                    && matches!(path.as_bytes().get(value.len()), None | Some(b'/'))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(domains: &[&[&str]], ignore_port: bool) -> Result<RouteTable, String> {
        let hosts = domains.iter().enumerate().map(|(index, domains)| {
            let domains = domains.iter().map(|domain| Box::from(*domain)).collect();
            VirtualHost::new(index.to_string().into(), domains, Box::default())
        });
        RouteTable::new("t".into(), hosts.collect(), ignore_port)
    }

    fn found(table: &RouteTable, authority: &str) -> Option<String> {
        table.virtual_host(authority).map(|host| host.name.to_string())
    }

    #[test]
    fn domains_go_exact_then_suffix_then_prefix_then_any() {
        let table = table(
            &[&["*"], &["*.example.com", "*.com"], &["www.example.com"], &["www.*"], &["a:80"]],
            false,
        )
        .expect("no domain twice");
        for (authority, host) in [
            ("www.example.com", "2"),
            ("WWW.Example.Com", "2"),
            ("x.example.com", "1"),
            (".example.com", "1"),
            ("www.example.org", "3"),
            ("other", "0"),
            ("a", "0"),
            ("a:80", "4"),
        ] {
            assert_eq!(found(&table, authority).as_deref(), Some(host), "{authority}");
        }
    }

    #[test]
    fn a_domain_stands_once() {
        assert_eq!(table(&[&["a"], &["A"]], false), Err("A".into()));
        assert_eq!(table(&[&["*"], &["*"]], false), Err("*".into()));
    }

    #[test]
    fn the_port_is_ignored_when_asked() {
        let table = table(&[&["a"], &["[::1]"]], true).expect("no domain twice");
        assert_eq!(found(&table, "a:8080").as_deref(), Some("0"));
        assert_eq!(found(&table, "[::1]:8080").as_deref(), Some("1"));
        assert_eq!(found(&table, "b:8080"), None);
    }
}
