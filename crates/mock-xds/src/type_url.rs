//! The resource types of ADS.

/// CDS.
pub const CLUSTER: &str = "type.googleapis.com/envoy.config.cluster.v3.Cluster";
/// EDS.
pub const ENDPOINTS: &str = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment";
/// LDS.
pub const LISTENER: &str = "type.googleapis.com/envoy.config.listener.v3.Listener";
/// RDS.
pub const ROUTES: &str = "type.googleapis.com/envoy.config.route.v3.RouteConfiguration";
/// SDS.
pub const SECRET: &str = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret";

/// The order in which changes of several types go out on a stream: what is named goes before what
/// names it, but for clusters, which ask for their endpoints.
pub(crate) const PUSH_ORDER: [&str; 5] = [CLUSTER, ENDPOINTS, LISTENER, ROUTES, SECRET];

/// Types that a request without names asks for in full.
pub(crate) fn is_wildcard(type_url: &str) -> bool {
    type_url == CLUSTER || type_url == LISTENER
}
