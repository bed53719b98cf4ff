//! The endpoints that stand in a cluster itself (`cluster.proto: load_assignment`).

use std::net::IpAddr;

use destrier_policy::{Address, Endpoint, EndpointSet, Locality, LocalityEndpoints};

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
