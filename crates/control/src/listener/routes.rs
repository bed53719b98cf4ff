//! `RouteConfiguration`: virtual hosts and their routes.

use destrier_policy::{Route, RouteAction, RouteTable, VirtualHost};
use envoy_types::pb::envoy::config::route::v3 as route;

use super::filters::per_filter_config;
use super::{action, matchers};
use crate::path::FieldPath;
use crate::report::Report;

/// `None` when it has been refused.
pub(super) fn route_table(
    config: &route::RouteConfiguration,
    path: &FieldPath<'_>,
    report: &mut Report<'_>,
) -> Option<RouteTable> {
    per_filter_config(&config.typed_per_filter_config, path, report);
    let hosts_path = path.field("virtual_hosts");
    let hosts = config.virtual_hosts.iter().enumerate();
    let hosts = hosts.map(|(index, host)| virtual_host(host, &hosts_path.index(index), report));
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
    report.check(&hosts_path, table)
}

fn virtual_host(
    host: &route::VirtualHost,
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
    let routes_path = path.field("routes");
    let routes = host.routes.iter().enumerate();
    let routes = routes.map(|(index, route)| translate(route, &routes_path.index(index), report));
    // Each is looked at, so that all faults are found.
    let routes: Vec<_> = routes.collect();
    let mut routes = routes.into_iter().collect::<Option<Box<[_]>>>()?;
    for route in &mut routes {
        if let RouteAction::Forward(action) = &mut route.action
            && action.retry.is_none()
        {
            action.retry.clone_from(&retry);
        }
    }
    let domains = host.domains.iter().map(|domain| domain.as_str().into()).collect();
    Some(VirtualHost::new(host.name.as_str().into(), domains, routes))
}

fn translate(route: &route::Route, path: &FieldPath<'_>, report: &mut Report<'_>) -> Option<Route> {
    use route::route::Action;
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
        Some(Action::DirectResponse(value)) => {
            action::direct_response(value, &path.field("direct_response"), report)
                .map(RouteAction::Direct)
        }
        // Refused by their rows.
        Some(Action::Redirect(_) | Action::FilterAction(_) | Action::NonForwardingAction(_)) => {
            None
        }
        None => {
            report.refuse(path, "route or direct_response must be set");
            None
        }
    };
    Some(Route { name: route.name.as_str().into(), ..Route::new(matcher?, action?) })
}
