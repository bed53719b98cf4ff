//! `RouteConfiguration`: virtual hosts and their routes.

use std::sync::Arc;

use destrier_policy::{
    HeaderMutations, MirrorPolicy, RequireTls, Route, RouteAction, RouteTable, VirtualHost,
};
use envoy_types::pb::envoy::config::route::v3 as route;

use http::HeaderName;

use super::filters::per_filter_config;
use super::mutation::{Level, join, level_fields};
use super::redirect::redirect;
use super::rewrite::mirrors;
use super::{action, matchers};
use crate::path::FieldPath;
use crate::proto;
use crate::report::Report;

/// What a route takes over from the table and the virtual host that it stands in.
struct Outer<'a> {
    table: &'a Level,
    host: &'a Level,
    /// `most_specific_header_mutations_wins`.
    most_specific_wins: bool,
    mirrors: Arc<[MirrorPolicy]>,
    /// `max_direct_response_body_size_bytes`.
    longest_body: usize,
}

impl Outer<'_> {
    /// What is applied later wins.
    fn with(&self, route: &Level) -> Option<Box<HeaderMutations>> {
        match self.most_specific_wins {
            true => join([self.table, self.host, route]),
            false => join([route, self.host, self.table]),
        }
    }
}

/// `max_direct_response_body_size_bytes` where it is not set.
const LONGEST_BODY: usize = 4096;

/// `None` when it has been refused.
pub(super) fn route_table(
    config: &route::RouteConfiguration,
    path: &FieldPath<'_>,
    report: &mut Report<'_>,
) -> Option<RouteTable> {
    per_filter_config(&config.typed_per_filter_config, path, report);
    let outer = Outer {
        table: &Level::read(level_fields!(config), path, report),
        host: &Level::default(),
        most_specific_wins: config.most_specific_header_mutations_wins,
        mirrors: mirrors(&config.request_mirror_policies, path, report),
        longest_body: config
            .max_direct_response_body_size_bytes
            .as_ref()
            .map_or(LONGEST_BODY, |most| most.value as usize),
    };
    let hosts_path = path.field("virtual_hosts");
    let hosts = config.virtual_hosts.iter().enumerate();
    let hosts =
        hosts.map(|(index, host)| virtual_host(host, &outer, &hosts_path.index(index), report));
    // Each is looked at, so that all faults are found.
    let hosts: Vec<_> = hosts.collect();
    for (index, host) in config.virtual_hosts.iter().enumerate() {
        if config.virtual_hosts[..index].iter().any(|other| other.name == host.name) {
            let path = hosts_path.index(index);
            report.refuse(&path.field("name"), format!("{:?} is there twice", host.name));
        }
    }
    let hosts = hosts.into_iter().collect::<Option<Vec<_>>>()?;
    let ignore_port = config.ignore_port_in_host_matching;
    let table = RouteTable::new(config.name.as_str().into(), hosts.into(), ignore_port)
        .map_err(|domain| format!("the domain {domain:?} is there twice"));
    let internal_path = path.field("internal_only_headers");
    let internal = config.internal_only_headers.iter().enumerate().filter_map(|(index, name)| {
        let name =
            HeaderName::try_from(name).map_err(|_| format!("{name:?} is not a header's name"));
        report.check(&internal_path.index(index), name)
    });
    let internal_only_headers = internal.collect();
    let mut table = report.check(&hosts_path, table)?;
    table.internal_only_headers = internal_only_headers;
    Some(table)
}

fn virtual_host(
    host: &route::VirtualHost,
    outer: &Outer<'_>,
    path: &FieldPath<'_>,
    report: &mut Report<'_>,
) -> Option<VirtualHost> {
    if host.name.is_empty() {
        report.refuse(&path.field("name"), "must not be empty");
    }
    per_filter_config(&host.typed_per_filter_config, path, report);
    let domains_path = path.field("domains");
    if host.domains.is_empty() {
        report.refuse(&domains_path, "must not be empty");
    }
    for (index, domain) in host.domains.iter().enumerate() {
        let inner = domain.strip_prefix('*').or(domain.strip_suffix('*')).unwrap_or(domain);
        if domain.is_empty() || inner.contains('*') {
            report.refuse(
                &domains_path.index(index),
                format!("{domain:?} is not a name, with at most one * at an end"),
            );
        }
    }
    let retry_path = path.field("retry_policy");
    let retry = host
        .retry_policy
        .as_ref()
        .and_then(|policy| action::retry_policy(policy, &retry_path, report));
    let own_mirrors = mirrors(&host.request_mirror_policies, path, report);
    let outer = Outer {
        host: &Level::read(level_fields!(host), path, report),
        mirrors: if own_mirrors.is_empty() { Arc::clone(&outer.mirrors) } else { own_mirrors },
        table: outer.table,
        most_specific_wins: outer.most_specific_wins,
        longest_body: outer.longest_body,
    };
    let routes_path = path.field("routes");
    let routes = host.routes.iter().enumerate();
    let routes =
        routes.map(|(index, route)| translate(route, &outer, &routes_path.index(index), report));
    // Each is looked at, so that all faults are found.
    let routes: Vec<_> = routes.collect();
    let mut routes = routes.into_iter().collect::<Option<Box<[_]>>>()?;
    for route in &mut routes {
        if let RouteAction::Forward(action) = &mut route.action {
            if action.retry.is_none() {
                action.retry.clone_from(&retry);
            }
            if action.mirrors.is_empty() {
                action.mirrors = Arc::clone(&outer.mirrors);
            }
        }
    }
    let domains = host.domains.iter().map(|domain| domain.as_str().into()).collect();
    Some(VirtualHost {
        require_tls: require_tls(host, path, report)?,
        attempt_count_in_request: host.include_request_attempt_count,
        attempt_count_in_response: host.include_attempt_count_in_response,
        ..VirtualHost::new(host.name.as_str().into(), domains, routes)
    })
}

fn require_tls(
    host: &route::VirtualHost,
    path: &FieldPath<'_>,
    report: &mut Report<'_>,
) -> Option<RequireTls> {
    use route::virtual_host::TlsRequirementType;
    let required = proto::enumeration(host.require_tls);
    Some(match report.check(&path.field("require_tls"), required)? {
        TlsRequirementType::None => RequireTls::None,
        TlsRequirementType::ExternalOnly => RequireTls::ExternalOnly,
        TlsRequirementType::All => RequireTls::All,
    })
}

fn translate(
    route: &route::Route,
    outer: &Outer<'_>,
    path: &FieldPath<'_>,
    report: &mut Report<'_>,
) -> Option<Route> {
    use route::route::Action;
    let level = Level::read(level_fields!(route), path, report);
    per_filter_config(&route.typed_per_filter_config, path, report);
    let match_path = path.field("match");
    let matcher = match &route.r#match {
        Some(found) => matchers::route_match(found, &match_path, report),
        None => {
            report.refuse(&match_path, "must be set");
            None
        }
    };
    let action = match &route.action {
        Some(Action::Route(value)) => action::forward(value, &path.field("route"), report)
            .map(|action| RouteAction::Forward(Box::new(action))),
        Some(Action::Redirect(value)) => redirect(value, &path.field("redirect"), report)
            .map(|redirect| RouteAction::Redirect(Box::new(redirect))),
        Some(Action::DirectResponse(value)) => {
            let path = path.field("direct_response");
            let answer = action::direct_response(value, &path, report);
            let length = answer.as_ref().map_or(0, |answer| answer.body.len());
            if length > outer.longest_body {
                let most = outer.longest_body;
                report.refuse(&path.field("body"), format!("{length} bytes, more than {most}"));
            }
            answer.map(RouteAction::Direct)
        }
        // Refused by their rows.
        Some(Action::FilterAction(_) | Action::NonForwardingAction(_)) => None,
        None => {
            report.refuse(path, "route, redirect or direct_response must be set");
            None
        }
    };
    Some(Route {
        name: route.name.as_str().into(),
        matcher: matcher?,
        action: action?,
        mutations: outer.with(&level),
    })
}
