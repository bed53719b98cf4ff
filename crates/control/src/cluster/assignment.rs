//! The endpoints that stand in a cluster itself (`cluster.proto: load_assignment`).

use std::net::{IpAddr, Ipv4Addr};

use destrier_policy::{
    Address, ClusterPolicy, Discovery, Endpoint, EndpointSet, Locality, LocalityEndpoints,
};
use envoy_types::pb::envoy::config::cluster::v3::Cluster;
use envoy_types::pb::envoy::config::core::v3::address::Address as AddressKind;
use envoy_types::pb::envoy::config::endpoint::v3::ClusterLoadAssignment;

use crate::endpoints::{Attributed, assignment_policy, endpoint_set, groups};
use crate::proto::{self, HostPort};
use crate::report::Reader;

/// What `load_assignment` says, by the cluster's type.
#[derive(Clone, Debug, PartialEq)]
pub enum LoadAssignment {
    /// STATIC: the endpoints. An address that stands twice is there twice, with both weights.
    Static(EndpointSet),
    /// STRICT_DNS, LOGICAL_DNS: names to resolve.
    Dns(DnsAssignment),
}

/// The names of a DNS cluster, from which endpoints are made at each resolution.
#[derive(Clone, Debug, PartialEq)]
pub struct DnsAssignment {
    /// In the order of the assignment.
    pub localities: Box<[DnsLocality]>,
    /// `policy` of the assignment; without endpoints.
    pub policy: EndpointSet,
}

/// `LocalityLbEndpoints` of names.
#[derive(Clone, Debug, PartialEq)]
pub struct DnsLocality {
    /// Where the endpoints are.
    pub locality: Locality,
    /// 0 is the most preferred, 128 the least.
    pub priority: u32,
    /// `load_balancing_weight` of the locality.
    pub weight: Option<u32>,
    /// `lb_endpoints`. LOGICAL_DNS has exactly one.
    pub endpoints: Box<[DnsEndpoint]>,
}

/// A name that stands in the place of endpoints.
#[derive(Clone, Debug, PartialEq)]
pub struct DnsEndpoint {
    /// The name to resolve; an IP address in text form is its own answer.
    pub name: Box<str>,
    /// The port of every address it resolves to.
    pub port: u16,
    /// What each of these endpoints is apart from its address, which here is the unspecified one.
    pub template: Endpoint,
}

impl DnsAssignment {
    /// Every name with its port, in order.
    pub fn names(&self) -> impl Iterator<Item = &DnsEndpoint> {
        self.localities.iter().flat_map(|locality| &locality.endpoints)
    }

    /// The endpoints, when `addresses` tells what each name resolves to (for LOGICAL_DNS: the one address
    /// to use). Of addresses that several names of a locality share, the first stays.
    pub fn resolve<'a, A>(&'a self, mut addresses: impl FnMut(&'a DnsEndpoint) -> A) -> EndpointSet
    where
        A: IntoIterator<Item = IpAddr>,
    {
        let localities = self.localities.iter().map(|group| {
            let mut endpoints: Vec<Endpoint> = Vec::new();
            for name in &group.endpoints {
                for ip in addresses(name) {
                    let address = Address::Ip((ip, name.port).into());
                    if endpoints.iter().all(|known| known.address != address) {
                        endpoints.push(Endpoint { address, ..name.template.clone() });
                    }
                }
            }
            LocalityEndpoints {
                locality: group.locality.clone(),
                priority: group.priority,
                weight: group.weight,
                endpoints: endpoints.into(),
            }
        });
        EndpointSet { localities: localities.collect(), ..self.policy.clone() }
    }
}

/// The endpoints of a cluster that brings them itself.
pub(super) fn translate(
    cluster: &Cluster,
    policy: &ClusterPolicy,
    reader: &mut Reader<'_, '_>,
) -> Option<LoadAssignment> {
    let mut reader = reader.field("load_assignment");
    let assignment = cluster.load_assignment.as_ref();
    match &policy.discovery {
        Discovery::Static => {
            let set = assignment.map(|assignment| endpoint_set(assignment, &mut reader));
            Some(LoadAssignment::Static(set.unwrap_or_default()))
        }
        Discovery::StrictDns(_) => Some(LoadAssignment::Dns(names(assignment, &mut reader))),
        Discovery::LogicalDns(_) => {
            let names = names(assignment, &mut reader);
            let written = assignment.map_or(&[] as &[_], |assignment| &assignment.endpoints);
            if !matches!(written, [locality] if locality.lb_endpoints.len() == 1) {
                reader.refuse("a LOGICAL_DNS cluster must have one locality with one endpoint");
            }
            Some(LoadAssignment::Dns(names))
        }
        Discovery::Eds { .. } | Discovery::OriginalDst(_) => None,
    }
}

fn names(assignment: Option<&ClusterLoadAssignment>, reader: &mut Reader<'_, '_>) -> DnsAssignment {
    let Some(assignment) = assignment else {
        return DnsAssignment { localities: Box::default(), policy: EndpointSet::default() };
    };
    let groups = groups(assignment, reader, |endpoint, reader| {
        let mut reader = reader.field("address");
        match endpoint.address.as_ref().and_then(|address| address.address.as_ref()) {
            Some(AddressKind::SocketAddress(address)) => {
                reader.read("socket_address", Some(address), proto::host_port)
            }
            Some(_) => {
                reader.refuse("a DNS cluster needs a socket_address");
                None
            }
            None => {
                reader.refuse("must be set");
                None
            }
        }
    });
    let localities = groups.into_iter().map(|group| DnsLocality {
        locality: group.locality,
        priority: group.priority,
        weight: group.weight,
        endpoints: group.endpoints.into_iter().map(dns_endpoint).collect(),
    });
    DnsAssignment {
        localities: localities.collect(),
        policy: assignment_policy(assignment, reader),
    }
}

fn dns_endpoint(entry: Attributed<HostPort<'_>>) -> DnsEndpoint {
    let Attributed { target: HostPort { host, port }, hostname, weight, health, metadata } = entry;
    let hostname = if hostname.is_empty() { host.into() } else { hostname };
    let address = Address::Ip((Ipv4Addr::UNSPECIFIED, port).into());
    DnsEndpoint {
        name: host.into(),
        port,
        template: Endpoint { address, hostname, weight, health, metadata },
    }
}
