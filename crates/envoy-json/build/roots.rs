//! What the agent reads and prints: the messages from which all others are reached.

/// Packages of which each message is kept, because an `Any` may hold it.
const PACKAGES: &[&str] = &[
    "envoy.admin.v3",
    "envoy.extensions.access_loggers.",
    "envoy.extensions.clusters.",
    "envoy.extensions.common.matching.",
    "envoy.extensions.compression.",
    "envoy.extensions.early_data.",
    "envoy.extensions.filters.http.",
    "envoy.extensions.filters.listener.",
    "envoy.extensions.filters.network.",
    "envoy.extensions.formatter.",
    "envoy.extensions.health_check.",
    "envoy.extensions.health_checkers.",
    "envoy.extensions.http.",
    "envoy.extensions.internal_redirect.",
    "envoy.extensions.load_balancing_policies.",
    "envoy.extensions.matching.",
    "envoy.extensions.network.",
    "envoy.extensions.outlier_detection_monitors.",
    "envoy.extensions.path.",
    "envoy.extensions.regex_engines.",
    "envoy.extensions.request_id.",
    "envoy.extensions.resource_monitors.",
    "envoy.extensions.retry.",
    "envoy.extensions.stat_sinks.",
    "envoy.extensions.tracers.",
    "envoy.extensions.transport_sockets.",
    "envoy.extensions.upstreams.",
    "envoy.config.trace.v3",
    "envoy.config.metrics.v3",
    "envoy.service.discovery.v3",
];

/// Single messages.
const MESSAGES: &[&str] = &[
    "envoy.config.bootstrap.v3.Bootstrap",
    "envoy.config.cluster.v3.Cluster",
    "envoy.config.endpoint.v3.ClusterLoadAssignment",
    "envoy.config.endpoint.v3.LbEndpoint",
    "envoy.config.listener.v3.Listener",
    "envoy.config.route.v3.RouteConfiguration",
    "envoy.config.route.v3.ScopedRouteConfiguration",
    "envoy.config.route.v3.VirtualHost",
    "envoy.config.core.v3.TypedExtensionConfig",
    "envoy.config.core.v3.Node",
    "google.protobuf.Any",
    "google.protobuf.BoolValue",
    "google.protobuf.BytesValue",
    "google.protobuf.DoubleValue",
    "google.protobuf.Duration",
    "google.protobuf.Empty",
    "google.protobuf.FieldMask",
    "google.protobuf.FloatValue",
    "google.protobuf.Int32Value",
    "google.protobuf.Int64Value",
    "google.protobuf.ListValue",
    "google.protobuf.StringValue",
    "google.protobuf.Struct",
    "google.protobuf.Timestamp",
    "google.protobuf.UInt32Value",
    "google.protobuf.UInt64Value",
    "google.protobuf.Value",
];

/// True when the message starts a closure of its own.
pub(crate) fn is_root(package: &str, name: &str) -> bool {
    MESSAGES.contains(&name)
        || PACKAGES.iter().any(|kept| match kept.strip_suffix('.') {
            Some(parent) => package.starts_with(kept) || package == parent,
            None => package == *kept,
        })
}
