//! The vocabulary of Destrier: what a control plane (or a bootstrap file) wants, as plain immutable
//! values.
//!
//! * Every type here is a *value*: comparable, without handles, clocks or I/O. Two equal policies may
//!   be exchanged for each other at any time; that is how an update that changes nothing costs nothing.
//! * This crate must never know protobuf, tokio or how a cluster is run. `control` makes these values,
//!   `upstream` and `proxy` live by them.
//! * Start reading at [`Snapshot`], then [`ClusterPolicy`] and [`EndpointSet`]; what a listener does
//!   stands in [`ListenerPolicy`] and [`RouteTable`].

mod access_log;
mod action;
mod address;
mod circuit_breakers;
mod cluster;
mod connection_manager;
mod discovery;
mod endpoints;
mod format;
mod hash_policy;
mod http_options;
mod lb;
mod listener;
mod local_reply;
mod matcher;
mod metadata;
mod mutation;
mod name;
mod outlier;
mod percent;
mod redirect;
mod rewrite;
mod route;
mod snapshot;
mod subset;
mod tls;
mod transport;

pub use access_log::{
    AccessLogFilter, AccessLogOptions, AccessLogPolicy, AccessLogSink, AccessLogType, Comparison,
    ComparisonOp, Draw,
};
pub use action::{
    ClusterChoice, DirectResponse, ForwardAction, GrpcTimeout, HostRewrite, MirrorHost,
    MirrorPolicy, PathRewrite, RetryPolicy, RouteAction, StreamDuration, WeightedCluster,
};
pub use address::Address;
pub use circuit_breakers::{CircuitBreakers, RetryBudget, RoutingPriority, Thresholds};
pub use cluster::{BindConfig, ClusterPolicy, FieldNote, FieldStanding, Origin, TcpKeepalive};
pub use connection_manager::{
    Cidr, CodecType, EscapedSlashes, ForwardClientCert, HcmPolicy, HostForm, InternalAddresses,
    PathForm, Scheme, ServerHeader, StripPort, UpgradeConfig,
};
pub use discovery::{
    AssignmentSource, Discovery, DnsFamily, DnsOptions, DnsServers, FailureBackoff,
    OriginalDstOptions,
};
pub use endpoints::{
    DropOverload, Endpoint, EndpointSet, HealthStatus, Locality, LocalityEndpoints,
};
pub use format::{
    Absent, AddressForm, Blanks, ByteCount, Constant, Escapes, Format, FormatOperator, FormatPart,
    GrpcStatusForm, HeaderKey, HeaderPick, HostHeader, JsonTemplate, MetadataOf, PathHeader,
    PathPick, Peer, Query, Span, Template, TimeFormat, TimePoint, TimeUnit, Zone,
};
pub use hash_policy::{HashPolicy, HashSource, HashedHeader, MadeCookie};
pub use http_options::{
    HeaderCase, Http1Options, Http2Keepalive, Http2Options, HttpOptions, UnderscorePolicy,
    UpstreamProtocol,
};
pub use lb::{
    CommonLb, ConsistentHashing, HashFunction, LbPolicy, LocalityLb, Selection, SlowStart,
};
pub use listener::{ListenerFilter, ListenerPolicy, TcpProxyPolicy};
pub use local_reply::{LocalReplyMapper, LocalReplyPolicy};
pub use matcher::{HeaderMatch, HeaderMatcher, QueryMatch, QueryMatcher, StringMatcher, Text};
pub use metadata::{Metadata, Value};
pub use mutation::{AppendAction, HeaderAddition, HeaderFormat, HeaderMutation, HeaderMutations};
pub use name::{ClusterName, Direction, IstioName};
pub use outlier::{Ejection, ErrorMatch, OutlierPolicy};
pub use percent::{Percent, Share};
pub use redirect::{Redirect, RedirectPath};
pub use rewrite::RegexRewrite;
pub use route::{PathMatch, RequireTls, Route, RouteMatch, RouteTable, VirtualHost};
pub use snapshot::{ClusterSpec, Lifecycle, Snapshot, WarmingCluster};
pub use subset::{MetadataMatch, SubsetFallback, SubsetPolicy, SubsetSelector};
pub use tls::{ClientTls, DataSource, Identity, SanKind, SanMatcher};
pub use transport::{TransportMatch, TransportSocket};
