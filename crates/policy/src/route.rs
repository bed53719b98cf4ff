//! Where a request goes (`route.proto`, `route_components.proto`).

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;

use crate::{
    ClusterName, HeaderMatcher, MetadataMatch, RoutingPriority, StringMatcher, UpgradeConfig,
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

    /// Every cluster that a route of this table can choose.
    pub fn clusters(&self) -> impl Iterator<Item = &ClusterName> {
        self.virtual_hosts
            .iter()
            .flat_map(|host| host.routes.iter())
            .filter_map(|route| match &route.action {
                RouteAction::Forward(action) => Some(&action.cluster),
                RouteAction::Direct(_) => None,
            })
            .flat_map(ClusterChoice::names)
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
}

/// `RouteMatch`.
#[derive(Clone, Debug, PartialEq)]
pub struct RouteMatch {
    /// The path.
    pub path: PathMatch,
    /// All must match.
    pub headers: Box<[HeaderMatcher]>,
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

/// `action` of a route.
#[derive(Clone, Debug, PartialEq)]
pub enum RouteAction {
    /// `route`.
    Forward(Box<ForwardAction>),
    /// `direct_response`.
    Direct(DirectResponse),
}

/// `DirectResponseAction`.
#[derive(Clone, Debug, PartialEq)]
pub struct DirectResponse {
    /// `status`.
    pub status: StatusCode,
    /// `body.inline_*`, may be empty.
    pub body: Arc<[u8]>,
}

/// `RouteAction`.
#[derive(Clone, Debug, PartialEq)]
pub struct ForwardAction {
    /// To which cluster.
    pub cluster: ClusterChoice,
    /// `prefix_rewrite`: replaces what the route matched.
    pub prefix_rewrite: Option<Box<str>>,
    /// `timeout`: from the end of the request to the end of the response. Default 15 s; `None` (0 in
    /// the proto) is none.
    pub timeout: Option<Duration>,
    /// `idle_timeout` of the stream; `None` is the connection manager's.
    pub idle_timeout: Option<Duration>,
    /// `priority`.
    pub priority: RoutingPriority,
    /// `retry_policy`.
    pub retry: Option<RetryPolicy>,
    /// `hash_policy`.
    pub hash: Box<[HashPolicy]>,
    /// `metadata_match`: which subset of the cluster (`lb_subset_config`).
    pub metadata_match: Option<Arc<MetadataMatch>>,
    /// `upgrade_configs`: override those of the connection manager.
    pub upgrades: Box<[UpgradeConfig]>,
}

/// `cluster_specifier`.
#[derive(Clone, Debug, PartialEq)]
pub enum ClusterChoice {
    /// `cluster`.
    One(ClusterName),
    /// `weighted_clusters`, in the order given; the weights add up to more than 0.
    Weighted {
        /// The choices.
        clusters: Box<[WeightedCluster]>,
        /// Sum of their weights.
        total: u64,
    },
}

/// One choice of `weighted_clusters`.
#[derive(Clone, Debug, PartialEq)]
pub struct WeightedCluster {
    /// `name`.
    pub name: ClusterName,
    /// `weight`, may be 0.
    pub weight: u32,
    /// `metadata_match`, merged over that of the route: the choice's own fields win.
    pub metadata_match: Option<Arc<MetadataMatch>>,
}

impl ClusterChoice {
    /// The cluster for a uniformly random `random`.
    pub fn choose(&self, random: u64) -> &ClusterName {
        match self {
            Self::One(name) => name,
            Self::Weighted { clusters, total } => {
                let mut rest = random % total.max(&1);
                let chosen = clusters.iter().find(|choice| {
                    let here = rest < u64::from(choice.weight);
                    rest = rest.saturating_sub(u64::from(choice.weight));
                    here
                });
                &chosen.unwrap_or(&clusters[0]).name
            }
        }
    }

    /// All clusters that can be chosen.
    pub fn names(&self) -> impl Iterator<Item = &ClusterName> {
        let (one, many) = match self {
            Self::One(name) => (Some(name), &[][..]),
            Self::Weighted { clusters, .. } => (None, &clusters[..]),
        };
        one.into_iter().chain(many.iter().map(|choice| &choice.name))
    }
}

/// `RetryPolicy`.
#[derive(Clone, Debug, PartialEq)]
pub struct RetryPolicy {
    /// `retry_on`, split at commas.
    pub retry_on: Box<[Box<str>]>,
    /// `num_retries`. Default 1.
    pub num_retries: u32,
    /// `per_try_timeout`.
    pub per_try_timeout: Option<Duration>,
    /// `retriable_status_codes`.
    pub retriable_status_codes: Box<[u16]>,
    /// Whether `previous_hosts` is among `retry_host_predicate`.
    pub avoid_previous_hosts: bool,
    /// `host_selection_retry_max_attempts`. Default 1.
    pub host_selection_attempts: u32,
    /// `retry_back_off.base_interval`. Default 25 ms.
    pub backoff_base: Duration,
    /// `retry_back_off.max_interval`. Default ten times the base.
    pub backoff_max: Duration,
}

/// `RouteAction.HashPolicy`.
#[derive(Clone, Debug, PartialEq)]
pub enum HashPolicy {
    /// `header`.
    Header {
        /// Lower case.
        name: Box<str>,
        /// `terminal`.
        terminal: bool,
    },
    /// `cookie`.
    Cookie {
        /// `name`.
        name: Box<str>,
        /// `ttl`: make the cookie when it is absent; zero is a session cookie.
        ttl: Option<Duration>,
        /// `path` of a made cookie.
        path: Box<str>,
        /// `attributes` of a made cookie.
        attributes: Box<[(Box<str>, Box<str>)]>,
        /// `terminal`.
        terminal: bool,
    },
    /// `connection_properties.source_ip`.
    SourceIp {
        /// `terminal`.
        terminal: bool,
    },
    /// `query_parameter`.
    QueryParameter {
        /// `name`, case-sensitive.
        name: Box<str>,
        /// `terminal`.
        terminal: bool,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(domains: &[&[&str]], ignore_port: bool) -> Result<RouteTable, String> {
        let hosts = domains.iter().enumerate().map(|(index, domains)| VirtualHost {
            name: index.to_string().into(),
            domains: domains.iter().map(|domain| Box::from(*domain)).collect(),
            routes: Box::default(),
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

    #[test]
    fn weights_share_the_random_numbers() {
        let choice = |name: &str, weight| WeightedCluster {
            name: name.into(),
            weight,
            metadata_match: None,
        };
        let clusters = Box::from([choice("a", 0), choice("b", 1), choice("c", 3)]);
        let choice = ClusterChoice::Weighted { clusters, total: 4 };
        let names: Vec<_> = (0..5).map(|random| choice.choose(random).as_str()).collect();
        assert_eq!(names, ["b", "c", "c", "c", "b"]);
    }
}
