//! Names of clusters, and what Istio writes into them.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

/// The name of a cluster (`cluster.proto: name`): the key by which routes, assignments, statistics and
/// state find it. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClusterName(Arc<str>);

impl ClusterName {
    /// Takes any text as it is; that a name is not empty is checked where resources are translated.
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self(name.into())
    }

    /// The name as the control plane wrote it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What the name says when Istio made it (`outbound|8080|v1|reviews.default.svc.cluster.local`);
    /// `None` for any other name.
    pub fn istio(&self) -> Option<IstioName<'_>> {
        let mut parts = self.0.splitn(4, '|');
        let direction = match parts.next()? {
            "outbound" => Direction::Outbound,
            "inbound" => Direction::Inbound,
            _ => return None,
        };
        let port = parts.next()?.parse().ok()?;
        let subset = Some(parts.next()?).filter(|subset| !subset.is_empty());
        Some(IstioName { direction, port, subset, host: parts.next()? })
    }
}

impl Borrow<str> for ClusterName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl From<&str> for ClusterName {
    fn from(name: &str) -> Self {
        Self(name.into())
    }
}

impl fmt::Display for ClusterName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ClusterName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

/// Which way a cluster made by Istio carries traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the application to the mesh.
    Outbound,
    /// From the mesh to the application.
    Inbound,
}

/// The parts of a cluster name as istiod builds it: `direction|port|subset|host`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IstioName<'a> {
    /// Outbound or inbound.
    pub direction: Direction,
    /// The service's port (outbound) or the application's (inbound).
    pub port: u16,
    /// The subset of the DestinationRule, if the cluster is one.
    pub subset: Option<&'a str>,
    /// The service's host name; empty for inbound clusters.
    pub host: &'a str,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn istio_names_are_taken_apart() {
        let name = ClusterName::from("outbound|8080|v1|reviews.default.svc.cluster.local");
        let parts = name.istio().expect("an Istio name");
        assert_eq!(parts.direction, Direction::Outbound);
        assert_eq!((parts.port, parts.subset), (8080, Some("v1")));
        assert_eq!(parts.host, "reviews.default.svc.cluster.local");
        let inbound = ClusterName::from("inbound|9080||");
        assert_eq!(inbound.istio().map(|parts| parts.host), Some(""));
    }

    #[test]
    fn other_names_are_left_whole() {
        for name in ["BlackHoleCluster", "outbound|http|v1|host", "outbound|80", ""] {
            assert_eq!(ClusterName::from(name).istio(), None, "{name}");
        }
    }
}
