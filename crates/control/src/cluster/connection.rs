//! What connections to endpoints are made with: `upstream_connection_options`, `upstream_bind_config`;
//! and the checks of connection settings that are tolerated.

use std::time::Duration;

use destrier_policy::{BindConfig, TcpKeepalive};
use envoy_types::pb::envoy::config::cluster::v3::Cluster;
use envoy_types::pb::envoy::config::core::v3 as core;
use envoy_types::pb::google::protobuf::{DoubleValue, UInt32Value};

use crate::proto::{self, Fault};
use crate::report::Reader;

pub(super) fn keepalive(cluster: &Cluster, reader: &mut Reader<'_, '_>) -> Option<TcpKeepalive> {
    let options = cluster.upstream_connection_options.as_ref()?;
    let happy_eyeballs = options.happy_eyeballs_config.as_ref();
    if happy_eyeballs.and_then(|config| config.first_address_family_count).is_some_and(is_zero) {
        let mut reader = reader.field("upstream_connection_options");
        let mut reader = reader.field("happy_eyeballs_config");
        reader.field("first_address_family_count").refuse("must be at least 1");
    }
    let core::TcpKeepalive { keepalive_probes, keepalive_time, keepalive_interval } =
        options.tcp_keepalive.as_ref()?;
    let seconds = |value: &UInt32Value| Duration::from_secs(value.value.into());
    Some(TcpKeepalive {
        probes: keepalive_probes.as_ref().map(|probes| probes.value),
        time: keepalive_time.as_ref().map(seconds),
        interval: keepalive_interval.as_ref().map(seconds),
    })
}

fn is_zero(value: UInt32Value) -> bool {
    value.value == 0
}

pub(super) fn bind(
    config: Option<&core::BindConfig>,
    reader: &mut Reader<'_, '_>,
) -> Option<BindConfig> {
    let source = config?.source_address.as_ref();
    let mut reader = reader.field("upstream_bind_config");
    reader.read("source_address", source, proto::socket_addr).map(|source| BindConfig { source })
}

/// Values that would be wrong if they were used.
pub(super) fn check_tolerated(cluster: &Cluster, reader: &mut Reader<'_, '_>) {
    if let Some(policy) = &cluster.preconnect_policy {
        let mut reader = reader.field("preconnect_policy");
        let upstream = policy.per_upstream_preconnect_ratio.as_ref();
        reader.read("per_upstream_preconnect_ratio", upstream, preconnect_ratio);
        let predictive = policy.predictive_preconnect_ratio.as_ref();
        reader.read("predictive_preconnect_ratio", predictive, preconnect_ratio);
    }
}

fn preconnect_ratio(ratio: &DoubleValue) -> Result<f64, Fault> {
    // NaN is in no range.
    let ratio = ratio.value;
    if (1.0..=3.0).contains(&ratio) {
        Ok(ratio)
    } else {
        Err(format!("{ratio} is not from 1 to 3"))
    }
}
