use std::{borrow::Cow, fmt};

/// The full name of a resource type as it stands in `type_url`, for example
/// `type.googleapis.com/envoy.config.cluster.v3.Cluster`.
///
/// To the session a type is data: it treats all of them alike and differs only by how they are
/// subscribed to (wildcard or by name).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TypeUrl(Cow<'static, str>);

impl TypeUrl {
    /// `envoy.config.cluster.v3.Cluster` (CDS).
    pub const CLUSTER: Self = Self::known("type.googleapis.com/envoy.config.cluster.v3.Cluster");
    /// `envoy.config.endpoint.v3.ClusterLoadAssignment` (EDS).
    pub const ENDPOINTS: Self =
        Self::known("type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment");
    /// `envoy.config.listener.v3.Listener` (LDS).
    pub const LISTENER: Self = Self::known("type.googleapis.com/envoy.config.listener.v3.Listener");
    /// `envoy.config.route.v3.RouteConfiguration` (RDS).
    pub const ROUTES: Self =
        Self::known("type.googleapis.com/envoy.config.route.v3.RouteConfiguration");
    /// `envoy.extensions.transport_sockets.tls.v3.Secret` (SDS).
    pub const SECRET: Self =
        Self::known("type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret");

    const fn known(url: &'static str) -> Self {
        Self(Cow::Borrowed(url))
    }

    /// A type by its full URL.
    pub fn new(url: impl Into<Cow<'static, str>>) -> Self {
        Self(url.into())
    }

    /// The URL as it goes over the wire.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The message name behind the last slash, for logs and the admin port.
    pub fn message(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or(&self.0)
    }
}

impl fmt::Display for TypeUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
