//! `outlier_detection`.

use std::time::Duration;

use destrier_policy::{Ejection, OutlierPolicy, Percent};
use envoy_types::pb::envoy::config::cluster::v3::OutlierDetection;
use envoy_types::pb::google::protobuf::{self, BoolValue, UInt32Value};

use crate::proto::{self, Fault};
use crate::report::Reader;

const INTERVAL: Duration = Duration::from_secs(10);
const BASE_EJECTION_TIME: Duration = Duration::from_secs(30);
const MAX_EJECTION_TIME: Duration = Duration::from_secs(300);

pub(super) fn translate(
    outlier: Option<&OutlierDetection>,
    reader: &mut Reader<'_, '_>,
) -> Option<OutlierPolicy> {
    let outlier = outlier?;
    let mut reader = reader.field("outlier_detection");
    let mut percent = |field, value: &Option<UInt32Value>, default| {
        let value = reader.read(field, value.as_ref(), |value| proto::whole_percent(value.value));
        value.or(Percent::new(default)).unwrap_or(Percent::ZERO)
    };
    let mut policy = OutlierPolicy {
        interval: INTERVAL,
        base_ejection_time: BASE_EJECTION_TIME,
        max_ejection_time: MAX_EJECTION_TIME,
        max_ejection_time_jitter: Duration::ZERO,
        max_ejection_percent: percent("max_ejection_percent", &outlier.max_ejection_percent, 10.0),
        always_eject_one_host: flag(&outlier.always_eject_one_host, Flag::Off),
        consecutive_5xx: Ejection {
            threshold: count(&outlier.consecutive_5xx, 5),
            enforcing: percent(
                "enforcing_consecutive_5xx",
                &outlier.enforcing_consecutive_5xx,
                100.0,
            ),
        },
        consecutive_gateway_failure: Ejection {
            threshold: count(&outlier.consecutive_gateway_failure, 5),
            enforcing: percent(
                "enforcing_consecutive_gateway_failure",
                &outlier.enforcing_consecutive_gateway_failure,
                0.0,
            ),
        },
        consecutive_local_origin_failure: Ejection {
            threshold: count(&outlier.consecutive_local_origin_failure, 5),
            enforcing: percent(
                "enforcing_consecutive_local_origin_failure",
                &outlier.enforcing_consecutive_local_origin_failure,
                100.0,
            ),
        },
        split_external_local_origin_errors: outlier.split_external_local_origin_errors,
        enforcing_success_rate: percent(
            "enforcing_success_rate",
            &outlier.enforcing_success_rate,
            100.0,
        ),
        enforcing_local_origin_success_rate: percent(
            "enforcing_local_origin_success_rate",
            &outlier.enforcing_local_origin_success_rate,
            100.0,
        ),
        success_rate_minimum_hosts: count(&outlier.success_rate_minimum_hosts, 5),
        success_rate_request_volume: count(&outlier.success_rate_request_volume, 100),
        success_rate_stdev_factor: count(&outlier.success_rate_stdev_factor, 1900),
        failure_percentage_threshold: percent(
            "failure_percentage_threshold",
            &outlier.failure_percentage_threshold,
            85.0,
        ),
        enforcing_failure_percentage: percent(
            "enforcing_failure_percentage",
            &outlier.enforcing_failure_percentage,
            0.0,
        ),
        enforcing_failure_percentage_local_origin: percent(
            "enforcing_failure_percentage_local_origin",
            &outlier.enforcing_failure_percentage_local_origin,
            0.0,
        ),
        failure_percentage_minimum_hosts: count(&outlier.failure_percentage_minimum_hosts, 5),
        failure_percentage_request_volume: count(&outlier.failure_percentage_request_volume, 50),
        successful_active_health_check_uneject_host: flag(
            &outlier.successful_active_health_check_uneject_host,
            Flag::On,
        ),
    };
    times(outlier, &mut policy, &mut reader);
    Some(policy)
}

fn times(outlier: &OutlierDetection, policy: &mut OutlierPolicy, reader: &mut Reader<'_, '_>) {
    if let Some(interval) = reader.read("interval", outlier.interval.as_ref(), sweep_interval) {
        policy.interval = interval;
    }
    let base = outlier.base_ejection_time.as_ref();
    if let Some(base) = reader.read("base_ejection_time", base, proto::positive_duration) {
        policy.base_ejection_time = base;
    }
    let max = outlier.max_ejection_time.as_ref();
    match reader.read("max_ejection_time", max, proto::positive_duration) {
        Some(max) if max < policy.base_ejection_time => {
            reader.field("max_ejection_time").refuse("must not be below base_ejection_time");
        }
        Some(max) => policy.max_ejection_time = max,
        None => policy.max_ejection_time = MAX_EJECTION_TIME.max(policy.base_ejection_time),
    }
    let jitter = outlier.max_ejection_time_jitter.as_ref();
    policy.max_ejection_time_jitter =
        reader.read("max_ejection_time_jitter", jitter, proto::duration).unwrap_or_default();
}

/// At least a millisecond: Envoy takes less, and then does nothing but sweep.
fn sweep_interval(interval: &protobuf::Duration) -> Result<Duration, Fault> {
    let interval = proto::duration(interval)?;
    if interval < Duration::from_millis(1) {
        return Err("must be at least 1 ms".into());
    }
    Ok(interval)
}

fn count(value: &Option<UInt32Value>, default: u32) -> u32 {
    value.as_ref().map_or(default, |value| value.value)
}

/// The default of a flag.
#[derive(PartialEq)]
enum Flag {
    On,
    Off,
}

fn flag(value: &Option<BoolValue>, default: Flag) -> bool {
    value.as_ref().map_or(default == Flag::On, |value| value.value)
}
