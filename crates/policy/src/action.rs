//! What a route does with a request (`route_components.proto: RouteAction`, `DirectResponseAction`).

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue, StatusCode};

use crate::{
    ClusterName, HashPolicy, HeaderMutations, MetadataMatch, Redirect, RegexRewrite,
    RoutingPriority, Share, UpgradeConfig,
};

/// `action` of a route.
#[derive(Clone, Debug, PartialEq)]
pub enum RouteAction {
    /// `route`.
    Forward(Box<ForwardAction>),
    /// `redirect`.
    Redirect(Box<Redirect>),
    /// `direct_response`.
    Direct(DirectResponse),
}

/// `DirectResponseAction`.
#[derive(Clone, Debug, PartialEq)]
pub struct DirectResponse {
    /// `status`.
    pub status: StatusCode,
    /// `body.inline_*`, may be empty.
    pub body: Arc<[u8]>,
}

/// `RouteAction`.
#[derive(Clone, Debug, PartialEq)]
pub struct ForwardAction {
    /// To which cluster.
    pub cluster: ClusterChoice,
    /// `cluster_not_found_response_code`. Default 503.
    pub cluster_not_found: StatusCode,
    /// `prefix_rewrite` or `regex_rewrite`.
    pub path_rewrite: Option<PathRewrite>,
    /// `host_rewrite_specifier`.
    pub host_rewrite: Option<HostRewrite>,
    /// `append_x_forwarded_host`: whether a host that is rewritten stands in `x-forwarded-host`.
    pub append_x_forwarded_host: bool,
    /// `timeout`: from the end of the request to the end of the response. Default 15 s; `None` (0 in
    /// the proto) is none.
    pub timeout: Option<Duration>,
    /// `idle_timeout` of the stream; `None` is the connection manager's.
    pub idle_timeout: Option<Duration>,
    /// `max_stream_duration`.
    pub stream_duration: Option<StreamDuration>,
    /// `max_grpc_timeout`, deprecated for `max_stream_duration.grpc_timeout_header_max`.
    pub max_grpc_timeout: Option<GrpcTimeout>,
    /// `priority`.
    pub priority: RoutingPriority,
    /// `retry_policy`.
    pub retry: Option<RetryPolicy>,
    /// `hash_policy`.
    pub hash: Box<[HashPolicy]>,
    /// `metadata_match`: which subset of the cluster (`lb_subset_config`).
    pub metadata_match: Option<Arc<MetadataMatch>>,
    /// `upgrade_configs`: override those of the connection manager.
    pub upgrades: Box<[UpgradeConfig]>,
    /// `request_mirror_policies`, of the route or else of its virtual host or of the table.
    pub mirrors: Arc<[MirrorPolicy]>,
}

impl ForwardAction {
    /// An action with Envoy's defaults.
    pub fn new(cluster: ClusterChoice) -> Self {
        Self {
            cluster,
            cluster_not_found: StatusCode::SERVICE_UNAVAILABLE,
            path_rewrite: None,
            host_rewrite: None,
            append_x_forwarded_host: false,
            timeout: Some(Duration::from_secs(15)),
            idle_timeout: None,
            stream_duration: None,
            max_grpc_timeout: None,
            priority: RoutingPriority::Default,
            retry: None,
            hash: Box::default(),
            metadata_match: None,
            upgrades: Box::default(),
            mirrors: Arc::default(),
        }
    }
}

/// What becomes of the path. The query stays as it is.
#[derive(Clone, Debug, PartialEq)]
pub enum PathRewrite {
    /// `prefix_rewrite`: instead of what the route matched.
    Prefix(Box<str>),
    /// `regex_rewrite`, over the whole path.
    Regex(RegexRewrite),
}

/// `host_rewrite_specifier`.
#[derive(Clone, Debug, PartialEq)]
pub enum HostRewrite {
    /// `host_rewrite_literal`.
    Literal(HeaderValue),
    /// `host_rewrite_header`: the first value of that header, if there is one.
    Header(HeaderName),
    /// `host_rewrite_path_regex`: the rewritten path is the host.
    PathRegex(RegexRewrite),
}

/// `max_stream_duration`: how long a request may last, from its first byte to the end of the answer.
/// Where it is set, `timeout` is not looked at (Envoy: `usingNewTimeouts`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StreamDuration {
    /// `max_stream_duration`. `None` is the connection manager's; zero is none at all.
    pub max: Option<Duration>,
    /// `grpc_timeout_header_max`, with `grpc_timeout_header_offset`: for requests with `grpc-timeout`.
    pub grpc: Option<GrpcTimeout>,
}

/// How `grpc-timeout` of a request is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GrpcTimeout {
    /// No more than this; zero is no limit.
    pub max: Duration,
    /// Less this, so that the answer still reaches the client in its time.
    pub offset: Duration,
}

/// `RequestMirrorPolicy`: a copy of the request goes to another cluster; its answer is dropped.
#[derive(Clone, Debug, PartialEq)]
pub struct MirrorPolicy {
    /// `cluster`.
    pub cluster: ClusterName,
    /// `runtime_fraction`. Default all.
    pub share: Share,
    /// What becomes of the host.
    pub host: MirrorHost,
}

/// The host that a mirrored request names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MirrorHost {
    /// `-shadow` is appended to the name, before the port. The default.
    Suffixed,
    /// `disable_shadow_host_suffix_append`.
    Kept,
    /// `host_rewrite_literal`.
    Literal(HeaderValue),
}

/// `cluster_specifier`.
#[derive(Clone, Debug, PartialEq)]
pub enum ClusterChoice {
    /// `cluster`.
    One(ClusterName),
    /// `weighted_clusters`, in the order given; the weights add up to more than 0.
    Weighted {
        /// The choices.
        clusters: Box<[WeightedCluster]>,
        /// Sum of their weights.
        total: u64,
    },
}

/// One choice of `weighted_clusters`.
#[derive(Clone, Debug, PartialEq)]
pub struct WeightedCluster {
    /// `name`.
    pub name: ClusterName,
    /// `weight`, may be 0.
    pub weight: u32,
    /// `metadata_match`, merged over that of the route: the choice's own fields win.
    pub metadata_match: Option<Arc<MetadataMatch>>,
    /// `request_headers_to_add` and its kin, which come before those of the route.
    pub mutations: Option<Box<HeaderMutations>>,
    /// `host_rewrite_literal`. The route's own comes after it.
    pub host_rewrite: Option<HeaderValue>,
}

impl WeightedCluster {
    /// A choice and nothing else.
    pub fn new(name: ClusterName, weight: u32) -> Self {
        Self { name, weight, metadata_match: None, mutations: None, host_rewrite: None }
    }
}

impl ClusterChoice {
    /// The cluster for a uniformly random `random`.
    pub fn choose(&self, random: u64) -> &ClusterName {
        match self {
            Self::One(name) => name,
            Self::Weighted { .. } => &self.weighted(random).expect("it is a choice by weight").name,
        }
    }

    /// The choice for a uniformly random `random`, where there is one.
    pub fn weighted(&self, random: u64) -> Option<&WeightedCluster> {
        let Self::Weighted { clusters, total } = self else { return None };
        let mut rest = random % total.max(&1);
        let chosen = clusters.iter().find(|choice| {
            let here = rest < u64::from(choice.weight);
            rest = rest.saturating_sub(u64::from(choice.weight));
            here
        });
        chosen.or_else(|| clusters.first())
    }

    /// All clusters that can be chosen.
    pub fn names(&self) -> impl Iterator<Item = &ClusterName> {
        let (one, many) = match self {
            Self::One(name) => (Some(name), &[][..]),
            Self::Weighted { clusters, .. } => (None, &clusters[..]),
        };
        one.into_iter().chain(many.iter().map(|choice| &choice.name))
    }
}

/// `RetryPolicy`.
#[derive(Clone, Debug, PartialEq)]
pub struct RetryPolicy {
    /// `retry_on`, split at commas.
    pub retry_on: Box<[Box<str>]>,
    /// `num_retries`. Default 1.
    pub num_retries: u32,
    /// `per_try_timeout`.
    pub per_try_timeout: Option<Duration>,
    /// `retriable_status_codes`.
    pub retriable_status_codes: Box<[u16]>,
    /// Whether `previous_hosts` is among `retry_host_predicate`.
    pub avoid_previous_hosts: bool,
    /// `host_selection_retry_max_attempts`. Default 1.
    pub host_selection_attempts: u32,
    /// `retry_back_off.base_interval`. Default 25 ms.
    pub backoff_base: Duration,
    /// `retry_back_off.max_interval`. Default ten times the base.
    pub backoff_max: Duration,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_share_the_random_numbers() {
        let choice = |name: &str, weight| WeightedCluster::new(name.into(), weight);
        let clusters = Box::from([choice("a", 0), choice("b", 1), choice("c", 3)]);
        let choice = ClusterChoice::Weighted { clusters, total: 4 };
        let names: Vec<_> = (0..5).map(|random| choice.choose(random).as_str()).collect();
        assert_eq!(names, ["b", "c", "c", "c", "b"]);
    }
}
