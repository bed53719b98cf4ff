//! When a host is taken out for what it answers (`outlier_detection.proto`).

use std::time::Duration;

use crate::{HeaderMatcher, Percent};

/// The settings of outlier detection; present when the cluster asks for it.
#[derive(Clone, Debug, PartialEq)]
pub struct OutlierPolicy {
    /// Time between sweeps. Default 10 s.
    pub interval: Duration,
    /// Ejection time of the first ejection. Default 30 s.
    pub base_ejection_time: Duration,
    /// Longest ejection. Default 300 s, never below the base.
    pub max_ejection_time: Duration,
    /// Random addition to an ejection. Default none.
    pub max_ejection_time_jitter: Duration,
    /// Hosts that may be out at once. Default 10 %.
    pub max_ejection_percent: Percent,
    /// Whether one host may always be ejected, whatever the percentage. Default false.
    pub always_eject_one_host: bool,
    /// `consecutive_5xx`: default 5, enforced at 100 %.
    pub consecutive_5xx: Ejection,
    /// `consecutive_gateway_failure`: default 5, enforced at 0 %.
    pub consecutive_gateway_failure: Ejection,
    /// `consecutive_local_origin_failure`: default 5, enforced at 100 %; counts only when split.
    pub consecutive_local_origin_failure: Ejection,
    /// Whether errors made here are counted apart from those of the host.
    pub split_external_local_origin_errors: bool,
    /// Share in which success-rate ejections are carried out. Default 100 %.
    pub enforcing_success_rate: Percent,
    /// The same for local-origin success rate. Default 100 %.
    pub enforcing_local_origin_success_rate: Percent,
    /// Hosts needed before success rates are compared. Default 5.
    pub success_rate_minimum_hosts: u32,
    /// Requests a host needs in an interval to be compared. Default 100.
    pub success_rate_request_volume: u32,
    /// Standard deviations in thousandths. Default 1900.
    pub success_rate_stdev_factor: u32,
    /// Failure percentage at which a host is ejected. Default 85.
    pub failure_percentage_threshold: Percent,
    /// Share in which failure-percentage ejections are carried out. Default 0 %.
    pub enforcing_failure_percentage: Percent,
    /// The same for local origin. Default 0 %.
    pub enforcing_failure_percentage_local_origin: Percent,
    /// Hosts needed before failure percentages count. Default 5.
    pub failure_percentage_minimum_hosts: u32,
    /// Requests a host needs in an interval. Default 50.
    pub failure_percentage_request_volume: u32,
    /// Whether a passing active health check ends an ejection. Default true.
    pub successful_active_health_check_uneject_host: bool,
}

/// One detector of consecutive failures.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ejection {
    /// Failures in a row; 0 never ejects.
    pub threshold: u32,
    /// Share in which a detection is carried out.
    pub enforcing: Percent,
}

/// `HttpProtocolOptions.outlier_detection.error_matcher`: which responses count as errors of the host,
/// in the place of 5xx (`matcher.proto: MatchPredicate`).
#[derive(Clone, Debug, PartialEq)]
pub enum ErrorMatch {
    /// `any_match`: every response.
    Always,
    /// `http_response_headers_match`: all of these hold.
    Headers(Box<[HeaderMatcher]>),
    /// `or_match`: one of these holds.
    Any(Box<[ErrorMatch]>),
    /// `and_match`: all of these hold.
    All(Box<[ErrorMatch]>),
    /// `not_match`: this does not hold.
    Not(Box<ErrorMatch>),
}
