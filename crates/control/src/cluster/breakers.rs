//! `circuit_breakers`.

use destrier_policy::{CircuitBreakers, Percent, RetryBudget, RoutingPriority, Thresholds};
use envoy_types::pb::envoy::config::cluster::v3::{
    CircuitBreakers as BreakersProto,
    circuit_breakers::{
        Thresholds as ThresholdsProto, thresholds::RetryBudget as RetryBudgetProto,
    },
};
use envoy_types::pb::envoy::config::core::v3 as core;
use envoy_types::pb::google::protobuf::UInt32Value;

use crate::proto;
use crate::report::Reader;

pub(super) fn translate(
    breakers: Option<&BreakersProto>,
    reader: &mut Reader<'_, '_>,
) -> CircuitBreakers {
    let mut translated = CircuitBreakers::default();
    let Some(BreakersProto { thresholds, per_host_thresholds }) = breakers else {
        return translated;
    };
    let mut reader = reader.field("circuit_breakers");
    // The first of a priority holds. Backwards, so that it is written last.
    for (index, limits) in thresholds.iter().enumerate().rev() {
        let mut reader = reader.field("thresholds");
        let mut reader = reader.index(index);
        let limits_translated = self::thresholds(limits, &mut reader);
        if let Some(priority) = priority(limits, &mut reader) {
            translated.thresholds[priority.index()] = limits_translated;
        }
    }
    for (index, limits) in per_host_thresholds.iter().enumerate().rev() {
        let mut reader = reader.field("per_host_thresholds");
        let mut reader = reader.index(index);
        check_per_host(limits, &mut reader);
        if priority(limits, &mut reader) == Some(RoutingPriority::Default) {
            translated.per_host_max_connections =
                limits.max_connections.as_ref().map(|limit| limit.value);
        }
    }
    translated
}

fn priority(limits: &ThresholdsProto, reader: &mut Reader<'_, '_>) -> Option<RoutingPriority> {
    Some(match reader.read("priority", Some(limits.priority), proto::enumeration)? {
        core::RoutingPriority::Default => RoutingPriority::Default,
        core::RoutingPriority::High => RoutingPriority::High,
    })
}

fn thresholds(limits: &ThresholdsProto, reader: &mut Reader<'_, '_>) -> Thresholds {
    let ThresholdsProto {
        priority: _,
        max_connections,
        max_pending_requests,
        max_requests,
        max_retries,
        retry_budget,
        track_remaining,
        max_connection_pools,
    } = limits;
    let defaults = Thresholds::default();
    Thresholds {
        max_connections: value_or(max_connections, defaults.max_connections),
        max_pending_requests: value_or(max_pending_requests, defaults.max_pending_requests),
        max_requests: value_or(max_requests, defaults.max_requests),
        max_retries: value_or(max_retries, defaults.max_retries),
        max_connection_pools: value_or(max_connection_pools, defaults.max_connection_pools),
        retry_budget: retry_budget
            .as_ref()
            .map(|budget| self::retry_budget(budget, &mut reader.field("retry_budget"))),
        track_remaining: *track_remaining,
    }
}

fn retry_budget(budget: &RetryBudgetProto, reader: &mut Reader<'_, '_>) -> RetryBudget {
    let RetryBudgetProto { budget_percent, budget_interval, min_retry_concurrency } = budget;
    RetryBudget {
        budget_percent: reader
            .read("budget_percent", budget_percent.as_ref(), proto::percent)
            .or(Percent::new(20.0))
            .unwrap_or(Percent::ZERO),
        min_retry_concurrency: value_or(min_retry_concurrency, 3),
        budget_interval: reader
            .read("budget_interval", budget_interval.as_ref(), proto::duration)
            .unwrap_or_default(),
    }
}

fn value_or(value: &Option<UInt32Value>, default: u32) -> u32 {
    value.as_ref().map_or(default, |value| value.value)
}

fn check_per_host(limits: &ThresholdsProto, reader: &mut Reader<'_, '_>) {
    let ThresholdsProto {
        priority: _,
        max_connections: _,
        max_pending_requests,
        max_requests,
        max_retries,
        retry_budget,
        track_remaining: _,
        max_connection_pools,
    } = limits;
    for (field, is_set) in [
        ("max_pending_requests", max_pending_requests.is_some()),
        ("max_requests", max_requests.is_some()),
        ("max_retries", max_retries.is_some()),
        ("retry_budget", retry_budget.is_some()),
        ("max_connection_pools", max_connection_pools.is_some()),
    ] {
        if is_set {
            reader.field(field).refuse("not supported per host, only max_connections is");
        }
    }
}
