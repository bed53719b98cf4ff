//! Where the hosts of a cluster come from.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use destrier_policy::{ClusterName, ClusterPolicy, Discovery, DnsOptions, EndpointSet};

use super::assignments::{self, Assignments};
use crate::{DnsAssignment, DnsEndpoint, LoadAssignment, TranslatedCluster};

/// A name that a cluster needs resolved.
#[derive(Clone, Debug, PartialEq)]
pub struct DnsTarget {
    /// The cluster.
    pub cluster: ClusterName,
    /// The name.
    pub host: Arc<str>,
    /// How, and how often.
    pub options: DnsOptions,
    /// What of an answer is used.
    pub wanted: Wanted,
}

/// What of the addresses of a name is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Each (`STRICT_DNS`): a name without addresses is a name without hosts.
    Each,
    /// The first (`LOGICAL_DNS`): to find none is a failure.
    First,
}

/// What the names resolved to: an entry, perhaps without addresses, once there was an answer.
pub(super) type Resolved = BTreeMap<Arc<str>, Vec<IpAddr>>;

/// Where the hosts of one version of a cluster come from.
#[derive(Clone, Debug)]
pub(super) enum Source {
    /// They stand in the cluster, or it needs none.
    Fixed(Arc<EndpointSet>),
    /// The assignment of this key.
    Assigned(Arc<str>),
    /// What names resolve to.
    Resolved(Arc<Names>),
}

/// The names of a DNS cluster.
#[derive(Debug)]
pub(super) struct Names {
    assignment: DnsAssignment,
    /// Those that have to be resolved: an IP address in the place of a name is its own answer.
    hosts: BTreeSet<Arc<str>>,
}

impl Source {
    /// Takes a translated cluster apart.
    pub(super) fn of(cluster: TranslatedCluster) -> (ClusterPolicy, Self) {
        let TranslatedCluster { policy, load_assignment } = cluster;
        let source = match (&policy.discovery, load_assignment) {
            (Discovery::Eds { service_name, source, .. }, _) => {
                Self::Assigned(assignments::key_of(source, service_name))
            }
            (_, Some(LoadAssignment::Static(endpoints))) => Self::Fixed(Arc::new(endpoints)),
            (_, Some(LoadAssignment::Dns(assignment))) => {
                let names = assignment.names().map(|endpoint| &endpoint.name);
                let hosts = names.filter(|name| name.parse::<IpAddr>().is_err());
                let hosts = hosts.map(|name| Arc::from(&**name)).collect();
                Self::Resolved(Arc::new(Names { assignment, hosts }))
            }
            (_, None) => Self::Fixed(Arc::default()),
        };
        (policy, source)
    }

    /// The hosts, once they are known.
    pub(super) fn endpoints(
        &self,
        policy: &ClusterPolicy,
        assignments: &Assignments,
        resolved: &Resolved,
    ) -> Option<Arc<EndpointSet>> {
        match self {
            Self::Fixed(endpoints) => Some(endpoints.clone()),
            Self::Assigned(name) => assignments.endpoints(name).cloned(),
            Self::Resolved(names) => {
                let (options, wanted) = dns_options(policy)?;
                let most = match wanted {
                    Wanted::Each => usize::MAX,
                    Wanted::First => 1,
                };
                let waits = options.wait_for_warm;
                if waits && !names.hosts.iter().all(|host| resolved.contains_key(host)) {
                    return None;
                }
                let addresses = |endpoint| addresses_of(endpoint, resolved).into_iter().take(most);
                Some(Arc::new(names.assignment.resolve(addresses)))
            }
        }
    }

    /// Whether hosts of the one can stand in for those of the other.
    pub(super) fn is_same_origin(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Assigned(one), Self::Assigned(other)) => one == other,
            (Self::Resolved(one), Self::Resolved(other)) => one.assignment == other.assignment,
            _ => false,
        }
    }

    pub(super) fn service_name(&self) -> Option<&Arc<str>> {
        match self {
            Self::Assigned(name) => Some(name),
            _ => None,
        }
    }

    /// The names that have to be resolved.
    pub(super) fn host_names(&self) -> impl Iterator<Item = &Arc<str>> {
        let names = match self {
            Self::Resolved(names) => Some(&names.hosts),
            _ => None,
        };
        names.into_iter().flatten()
    }

    /// What it waits for, in words.
    pub(super) fn waits_for(&self, resolved: &Resolved) -> String {
        match self {
            Self::Fixed(_) => String::new(),
            Self::Assigned(key) => match assignments::file_of(key) {
                Some((path, name)) => format!("EDS {name} in {path}"),
                None => format!("EDS {key}"),
            },
            Self::Resolved(names) => {
                let missing = names.hosts.iter().filter(|host| !resolved.contains_key(*host));
                format!("DNS {}", missing.map(|host| &**host).collect::<Vec<_>>().join(", "))
            }
        }
    }
}

fn addresses_of(endpoint: &DnsEndpoint, resolved: &Resolved) -> Vec<IpAddr> {
    match endpoint.name.parse() {
        Ok(ip) => vec![ip],
        Err(_) => resolved.get(&*endpoint.name).cloned().unwrap_or_default(),
    }
}

/// How the names of a cluster are resolved, if it has any.
pub(super) fn dns_options(policy: &ClusterPolicy) -> Option<(&DnsOptions, Wanted)> {
    match &policy.discovery {
        Discovery::StrictDns(options) => Some((options, Wanted::Each)),
        Discovery::LogicalDns(options) => Some((options, Wanted::First)),
        _ => None,
    }
}
