//! What there is to dump, in Envoy's order. Resources are taken as they are stored, encoded: a copy of
//! them is small, and nothing is held while the page is written.

use destrier_control::assignment_name;
use destrier_envoy_json::Pool;
use destrier_policy::Origin;
use envoy_types::pb::envoy::config::bootstrap::v3::Bootstrap;
use envoy_types::pb::envoy::config::listener::v3::Listener;
use envoy_types::pb::envoy::config::listener::v3::filter::ConfigType;
use envoy_types::pb::envoy::config::route::v3::RouteConfiguration;
use envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3::HttpConnectionManager;
use envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3::http_connection_manager::RouteSpecifier;
use prost::{Message, Name};
use serde_json::Value;

use super::item::{Dynamic, Item, timestamp};
use super::{Endpoints, Names};
use crate::sources::Sources;

/// One `Any` of the dump.
pub(super) struct Section {
    pub(super) type_url: &'static str,
    /// In the order of the message. A null is left out.
    pub(super) fields: Vec<(&'static str, Content)>,
}

pub(super) enum Content {
    Value(Value),
    List(List),
}

/// A repeated field.
pub(super) struct List {
    /// The type of its elements, within `envoy.admin.v3`.
    pub(super) kind: &'static str,
    pub(super) items: Vec<Item>,
}

fn list(kind: &'static str, items: impl IntoIterator<Item = Item>) -> Content {
    Content::List(List { kind, items: items.into_iter().collect() })
}

/// Everything that has a name which is wanted.
pub(super) fn sections(sources: &Sources, endpoints: Endpoints, names: &Names) -> Vec<Section> {
    let bootstrap = Bootstrap::decode(&*sources.bootstrap).unwrap_or_default();
    let mut sections = vec![bootstrap_section(sources, &bootstrap), clusters(sources, names)];
    if endpoints == Endpoints::Included {
        sections.push(assignments(sources, &bootstrap, names));
    }
    sections.push(listeners(sources, names));
    sections.push(empty("type.googleapis.com/envoy.admin.v3.ScopedRoutesConfigDump"));
    sections.push(routes(sources, names));
    sections.push(empty("type.googleapis.com/envoy.admin.v3.SecretsConfigDump"));
    sections
}

fn empty(type_url: &'static str) -> Section {
    Section { type_url, fields: Vec::new() }
}

fn bootstrap_section(sources: &Sources, bootstrap: &Bootstrap) -> Section {
    let pool = Pool::new();
    Section {
        type_url: "type.googleapis.com/envoy.admin.v3.BootstrapConfigDump",
        fields: vec![
            ("bootstrap", Content::Value(pool.to_value(bootstrap))),
            ("last_updated", Content::Value(pool.to_value(&timestamp(sources.started)))),
        ],
    }
}

fn clusters(sources: &Sources, names: &Names) -> Section {
    let assembler = sources.assembler();
    let store = assembler.resources();
    let (mut fixed, mut active, mut warming) = (Vec::new(), Vec::new(), Vec::new());
    for (name, resource) in &store.clusters {
        if !names.has(name.as_str()) {
            continue;
        }
        if resource.origin == Origin::Static {
            fixed.extend(resource.newest().map(|version| Item::StaticCluster {
                body: version.body.clone(),
                last_updated: version.last_updated,
            }));
            continue;
        }
        if resource.active.is_some() || resource.warming.is_none() {
            active.push(Item::DynamicCluster(Dynamic::new(resource, resource.active.as_ref())));
        }
        if resource.warming.is_some() {
            warming.push(Item::DynamicCluster(Dynamic::new(resource, resource.warming.as_ref())));
        }
    }
    Section {
        type_url: "type.googleapis.com/envoy.admin.v3.ClustersConfigDump",
        fields: vec![
            ("version_info", version(&store.clusters_version)),
            ("static_clusters", list("ClustersConfigDump.StaticCluster", fixed)),
            ("dynamic_active_clusters", list("ClustersConfigDump.DynamicCluster", active)),
            ("dynamic_warming_clusters", list("ClustersConfigDump.DynamicCluster", warming)),
        ],
    }
}

/// An empty version is left out.
fn version(text: &str) -> Content {
    Content::Value(if text.is_empty() { Value::Null } else { text.into() })
}

fn assignments(sources: &Sources, bootstrap: &Bootstrap, names: &Names) -> Section {
    let clusters = bootstrap.static_resources.iter().flat_map(|fixed| &fixed.clusters);
    let fixed = clusters.filter_map(|cluster| cluster.load_assignment.as_ref());
    let fixed = fixed
        .filter(|assignment| names.has(&assignment.cluster_name))
        .map(|assignment| Item::StaticEndpoints { body: assignment.encode_to_vec() });
    let assembler = sources.assembler();
    let dynamic = assembler.resources().endpoints.iter();
    let dynamic = dynamic
        .filter(|(key, _)| names.has(assignment_name(key)))
        .map(|(_, resource)| Item::DynamicEndpoints(Dynamic::new(resource, resource.newest())));
    Section {
        type_url: "type.googleapis.com/envoy.admin.v3.EndpointsConfigDump",
        fields: vec![
            ("static_endpoint_configs", list("EndpointsConfigDump.StaticEndpointConfig", fixed)),
            (
                "dynamic_endpoint_configs",
                list("EndpointsConfigDump.DynamicEndpointConfig", dynamic),
            ),
        ],
    }
}

fn listeners(sources: &Sources, names: &Names) -> Section {
    let listeners = sources.static_listeners.iter();
    let listeners = listeners.filter(|listener| names.has(&listener.policy.name)).map(|listener| {
        Item::StaticListener { body: listener.body.clone(), last_updated: sources.started }
    });
    Section {
        type_url: "type.googleapis.com/envoy.admin.v3.ListenersConfigDump",
        fields: vec![
            ("static_listeners", list("ListenersConfigDump.StaticListener", listeners)),
            // Known, and empty: listeners come from the bootstrap alone.
            ("dynamic_listeners", list("ListenersConfigDump.DynamicListener", [])),
        ],
    }
}

fn routes(sources: &Sources, names: &Names) -> Section {
    let tables = sources.static_listeners.iter().flat_map(|listener| route_tables(&listener.body));
    let tables = tables.filter(|table| names.has(&table.name)).map(|table| Item::StaticRoutes {
        body: table.encode_to_vec(),
        last_updated: sources.started,
    });
    Section {
        type_url: "type.googleapis.com/envoy.admin.v3.RoutesConfigDump",
        fields: vec![
            ("static_route_configs", list("RoutesConfigDump.StaticRouteConfig", tables)),
            ("dynamic_route_configs", list("RoutesConfigDump.DynamicRouteConfig", [])),
        ],
    }
}

/// The route tables that stand in a listener.
fn route_tables(listener: &[u8]) -> Vec<RouteConfiguration> {
    let listener = Listener::decode(listener).unwrap_or_default();
    let chains = listener.filter_chains.iter().chain(&listener.default_filter_chain);
    let filters = chains.flat_map(|chain| &chain.filters);
    let managers = filters.filter_map(|filter| match &filter.config_type {
        Some(ConfigType::TypedConfig(config))
            if config.type_url == HttpConnectionManager::type_url() =>
        {
            HttpConnectionManager::decode(&*config.value).ok()
        }
        _ => None,
    });
    managers
        .filter_map(|manager| match manager.route_specifier {
            Some(RouteSpecifier::RouteConfig(table)) => Some(table),
            _ => None,
        })
        .collect()
}
