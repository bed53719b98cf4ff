//! Snapshots in few words, for the tests of this crate.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, LazyLock};
use std::time::Instant;

use destrier_policy::{
    Address, ClusterPolicy, ClusterSpec, Discovery, Endpoint, EndpointSet, HealthStatus, Lifecycle,
    Locality, LocalityEndpoints, Metadata, Snapshot, TransportMatch, TransportSocket, Value,
};

use super::Surroundings;

/// No zone, no local cluster, and a moment that stays.
pub(crate) fn surroundings() -> Surroundings {
    static START: LazyLock<Instant> = LazyLock::new(|| {
        #[expect(clippy::disallowed_methods, reason = "any moment will do, time stands still here")]
        Instant::now()
    });
    Surroundings { now: *START, own: Locality::default(), local: None, budget: Arc::default() }
}

/// 127.0.0.1 at this port.
pub(crate) fn address(port: u16) -> Address {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port)).into()
}

/// A healthy endpoint of weight 1.
pub(crate) fn endpoint(port: u16) -> Endpoint {
    Endpoint {
        address: address(port),
        hostname: "".into(),
        weight: 1,
        health: HealthStatus::Unknown,
        metadata: Arc::default(),
    }
}

/// An endpoint with the metadata that [`with_tls_match`] looks for.
pub(crate) fn tls_endpoint(port: u16) -> Endpoint {
    let mode = BTreeMap::from([("tlsMode".into(), Value::String("istio".into()))]);
    let namespaces = BTreeMap::from([(TransportMatch::NAMESPACE.into(), mode)]);
    Endpoint { metadata: Arc::new(Metadata(namespaces)), ..endpoint(port) }
}

/// Lists of endpoints by priority.
pub(crate) fn endpoints(priorities: Vec<Vec<Endpoint>>) -> Arc<EndpointSet> {
    let group = |(priority, endpoints): (u32, Vec<Endpoint>)| LocalityEndpoints {
        locality: Locality::default(),
        priority,
        weight: None,
        endpoints: endpoints.into(),
    };
    let localities = (0..).zip(priorities).map(group).collect();
    Arc::new(EndpointSet { localities, ..EndpointSet::default() })
}

/// Healthy endpoints of one priority.
pub(crate) fn ports(ports: impl IntoIterator<Item = u16>) -> Arc<EndpointSet> {
    endpoints(vec![ports.into_iter().map(endpoint).collect()])
}

/// An EDS cluster with Envoy's defaults.
pub(crate) fn policy(name: &str) -> ClusterPolicy {
    let discovery = Discovery::Eds {
        service_name: name.into(),
        source: destrier_policy::AssignmentSource::Ads,
        initial_fetch_timeout: None,
    };
    ClusterPolicy { discovery, ..ClusterPolicy::new(name.into()) }
}

/// As istiod does it for auto mTLS: TLS for endpoints that say so, plain text for the others.
pub(crate) fn with_tls_match(policy: ClusterPolicy) -> ClusterPolicy {
    let criteria = BTreeMap::from([("tlsMode".into(), Value::String("istio".into()))]);
    let tls = TransportMatch {
        name: "tlsMode-istio".into(),
        criteria,
        socket: TransportSocket::NotInForce { type_url: "type.googleapis.com/Tls".into() },
    };
    ClusterPolicy { transport_matches: Box::new([tls]), ..policy }
}

/// Active clusters.
pub(crate) fn snapshot(
    clusters: impl IntoIterator<Item = (ClusterPolicy, Arc<EndpointSet>)>,
) -> Snapshot {
    let spec = |(policy, endpoints): (ClusterPolicy, _)| {
        let name = policy.name.clone();
        let policy = Arc::new(policy);
        (name, ClusterSpec { policy, endpoints, lifecycle: Lifecycle::Active })
    };
    Snapshot { clusters: clusters.into_iter().map(spec).collect(), warming: Vec::new() }
}
