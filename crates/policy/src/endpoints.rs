//! The endpoints of a cluster (`endpoint.proto: ClusterLoadAssignment`).

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::{Address, FieldNote, Metadata, Percent};

/// All endpoints of a cluster, by locality and priority, in the order of the assignment.
#[derive(Clone, Debug, PartialEq)]
pub struct EndpointSet {
    /// `endpoints`. The same locality may stand in several priorities.
    pub localities: Box<[LocalityEndpoints]>,
    /// `policy.overprovisioning_factor`, percent. Default 140.
    pub overprovisioning_factor: u32,
    /// `policy.weighted_priority_health`.
    pub weighted_priority_health: bool,
    /// `policy.endpoint_stale_after`: without a new assignment for so long, endpoints are dropped.
    pub endpoint_stale_after: Option<Duration>,
    /// `policy.drop_overloads`, at most one category.
    pub drop_overload: Option<DropOverload>,
    /// Fields that the assignment sets and that are not in force (yet, or ever), for the admin port.
    pub notes: Box<[FieldNote]>,
}

impl EndpointSet {
    /// Every endpoint with its locality group.
    pub fn iter(&self) -> impl Iterator<Item = (&LocalityEndpoints, &Endpoint)> {
        self.localities
            .iter()
            .flat_map(|group| group.endpoints.iter().map(move |endpoint| (group, endpoint)))
    }

    /// How many endpoints there are.
    pub fn len(&self) -> usize {
        self.localities.iter().map(|group| group.endpoints.len()).sum()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.localities.iter().all(|group| group.endpoints.is_empty())
    }
}

impl Default for EndpointSet {
    fn default() -> Self {
        Self {
            localities: Box::default(),
            overprovisioning_factor: 140,
            weighted_priority_health: false,
            endpoint_stale_after: None,
            drop_overload: None,
            notes: Box::default(),
        }
    }
}

/// `ClusterLoadAssignment.Policy.DropOverload`.
#[derive(Clone, Debug, PartialEq)]
pub struct DropOverload {
    /// `category`, for statistics.
    pub category: Arc<str>,
    /// Share of requests that are dropped.
    pub share: Percent,
}

/// `LocalityLbEndpoints`.
#[derive(Clone, Debug, PartialEq)]
pub struct LocalityEndpoints {
    /// Where these endpoints are.
    pub locality: Locality,
    /// 0 is the most preferred, 128 the least.
    pub priority: u32,
    /// `load_balancing_weight` of the locality; unset is never picked under locality weighting.
    pub weight: Option<u32>,
    /// `lb_endpoints`.
    pub endpoints: Box<[Endpoint]>,
}

/// `base.proto: Locality`. Cheap to clone.
#[derive(Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Locality(Option<Arc<[Box<str>; 3]>>);

impl Locality {
    /// All three empty is the unknown locality.
    pub fn new(region: &str, zone: &str, sub_zone: &str) -> Self {
        let known = !(region.is_empty() && zone.is_empty() && sub_zone.is_empty());
        Self(known.then(|| Arc::new([region.into(), zone.into(), sub_zone.into()])))
    }

    fn part(&self, index: usize) -> &str {
        self.0.as_ref().map_or("", |parts| &parts[index])
    }

    /// `region`, or empty.
    pub fn region(&self) -> &str {
        self.part(0)
    }

    /// `zone`, or empty.
    pub fn zone(&self) -> &str {
        self.part(1)
    }

    /// `sub_zone`, or empty.
    pub fn sub_zone(&self) -> &str {
        self.part(2)
    }
}

impl fmt::Debug for Locality {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.region(), self.zone(), self.sub_zone())
    }
}

/// `LbEndpoint`.
#[derive(Clone, Debug, PartialEq)]
pub struct Endpoint {
    /// Where it is, and its identity.
    pub address: Address,
    /// `endpoint.hostname`, or the name it was resolved from; may be empty.
    pub hostname: Arc<str>,
    /// `load_balancing_weight`. Default 1, at least 1.
    pub weight: u32,
    /// `health_status` as the control plane sees it.
    pub health: HealthStatus,
    /// `metadata`.
    pub metadata: Arc<Metadata>,
}

/// `health_check.proto: HealthStatus`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum HealthStatus {
    /// Taken as healthy.
    #[default]
    Unknown,
    /// `HEALTHY`.
    Healthy,
    /// `UNHEALTHY`: gets nothing outside panic.
    Unhealthy,
    /// `DRAINING`: gets nothing outside panic, and does not count when health is worked out.
    Draining,
    /// `TIMEOUT`: as `UNHEALTHY`.
    Timeout,
    /// `DEGRADED`: used when the healthy hosts do not suffice.
    Degraded,
}

impl HealthStatus {
    /// Whether such an endpoint may get requests in the normal case.
    pub fn is_usable(self) -> bool {
        matches!(self, Self::Unknown | Self::Healthy | Self::Degraded)
    }

    /// The proto's name of it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unknown => "UNKNOWN",
            Self::Healthy => "HEALTHY",
            Self::Unhealthy => "UNHEALTHY",
            Self::Draining => "DRAINING",
            Self::Timeout => "TIMEOUT",
            Self::Degraded => "DEGRADED",
        }
    }
}
