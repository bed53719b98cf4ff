//! How a host is chosen (`cluster.proto: lb_policy` and `load_balancing_policy`).

use std::sync::Arc;
use std::time::Duration;

use crate::{HashPolicy, HealthStatus, Percent};

/// The algorithm and its parameters.
#[derive(Clone, Debug, PartialEq)]
pub enum LbPolicy {
    /// `ROUND_ROBIN`, weighted.
    RoundRobin {
        /// Gentle start of new hosts.
        slow_start: Option<SlowStart>,
    },
    /// `LEAST_REQUEST`.
    LeastRequest {
        /// Hosts compared per pick. Default 2, at least 2.
        choice_count: u32,
        /// How strongly active requests lower a weight, when weights differ. Default 1.0.
        active_request_bias: f64,
        /// Compare a few, or all.
        selection: Selection,
        /// Gentle start of new hosts.
        slow_start: Option<SlowStart>,
    },
    /// `RANDOM`: uniform, weights are ignored.
    Random,
    /// `RING_HASH`.
    RingHash {
        /// Default 1024.
        minimum_ring_size: u64,
        /// Default 8,388,608.
        maximum_ring_size: u64,
        /// Hash of the ring's points.
        hash_function: HashFunction,
        /// Host keys and bounded load.
        hashing: ConsistentHashing,
    },
    /// `MAGLEV`.
    Maglev {
        /// A prime up to 5,000,011. Default 65,537.
        table_size: u64,
        /// Host keys and bounded load.
        hashing: ConsistentHashing,
    },
    /// `CLUSTER_PROVIDED`: the cluster itself knows the one host (ORIGINAL_DST).
    ClusterProvided,
}

impl LbPolicy {
    /// Envoy's name of it: `ROUND_ROBIN`, ...
    pub fn name(&self) -> &'static str {
        match self {
            Self::RoundRobin { .. } => "ROUND_ROBIN",
            Self::LeastRequest { .. } => "LEAST_REQUEST",
            Self::Random => "RANDOM",
            Self::RingHash { .. } => "RING_HASH",
            Self::Maglev { .. } => "MAGLEV",
            Self::ClusterProvided => "CLUSTER_PROVIDED",
        }
    }

    /// Hash policies of the cluster itself, which outrank those of a route.
    pub fn hash_policies(&self) -> &[HashPolicy] {
        match self {
            Self::RingHash { hashing, .. } | Self::Maglev { hashing, .. } => &hashing.hash_policy,
            _ => &[],
        }
    }
}

/// `least_request.proto: SelectionMethod`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Selection {
    /// Compare `choice_count` random hosts.
    #[default]
    NChoices,
    /// Compare all.
    FullScan,
}

/// `cluster.proto: SlowStartConfig`.
#[derive(Clone, Debug, PartialEq)]
pub struct SlowStart {
    /// How long a host counts as new; zero is off.
    pub window: Duration,
    /// Exponent of the growth. Default 1.0.
    pub aggression: f64,
    /// Least share of its weight that a new host gets. Default 10 %.
    pub min_weight_percent: Percent,
}

/// Hash of a ring's points. Request keys are always hashed with xxHash64.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HashFunction {
    /// xxHash64, seed 0.
    #[default]
    XxHash,
    /// MurmurHash2-64A as in libstdc++.
    MurmurHash2,
}

/// `common_lb_config.consistent_hashing_lb_config`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConsistentHashing {
    /// Hash the endpoint's hostname instead of its address.
    pub use_hostname_for_hashing: bool,
    /// Bounded load in percent of the average, at least 100; `None` is unbounded.
    pub hash_balance_factor: Option<u32>,
    /// `hash_policy` of a typed policy: outranks those of the route and of the TCP proxy.
    pub hash_policy: Box<[HashPolicy]>,
}

/// `cluster.proto: CommonLbConfig`, and where typed policies carry the same.
#[derive(Clone, Debug, PartialEq)]
pub struct CommonLb {
    /// Below this share of healthy hosts all are used. Default 50 %; 0 is off (what Istio sends).
    pub healthy_panic_threshold: Percent,
    /// What localities mean.
    pub locality: LocalityLb,
    /// Envoy's merging of health changes. Kept for the config dump: changes are in force at once here.
    pub update_merge_window: Option<Duration>,
    /// New hosts wait for their first active health check.
    pub ignore_new_hosts_until_first_hc: bool,
    /// Close all connections when the membership changes.
    pub close_connections_on_host_set_change: bool,
    /// EDS statuses in which a host chosen by session may be used.
    pub override_host_status: Box<[HealthStatus]>,
    /// `override_host_sources` of the typed policy `override_host`: headers, in lower case, that name
    /// the host of a request as `ip:port`, the first of a comma separated list.
    pub override_headers: Box<[Arc<str>]>,
}

impl Default for CommonLb {
    fn default() -> Self {
        Self {
            healthy_panic_threshold: Percent::new(50.0).unwrap_or(Percent::ZERO),
            locality: LocalityLb::None,
            update_merge_window: None,
            ignore_new_hosts_until_first_hc: false,
            close_connections_on_host_set_change: false,
            override_host_status: Box::from([
                HealthStatus::Unknown,
                HealthStatus::Healthy,
                HealthStatus::Degraded,
            ]),
            override_headers: Box::default(),
        }
    }
}

/// `locality_config_specifier`.
#[derive(Clone, Debug, PartialEq)]
pub enum LocalityLb {
    /// All hosts of a priority are one list.
    None,
    /// Localities share by weight.
    Weighted,
    /// The own zone is preferred.
    ZoneAware {
        /// Share of requests routed so. Default 100 %.
        routing_enabled: Percent,
        /// Hosts needed. Default 6.
        min_cluster_size: u64,
        /// Whether panic fails requests.
        fail_traffic_on_panic: bool,
    },
}
