//! From the bootstrap's words for the control plane to the session's.

use destrier_control::{AdsPlan, AdsProtocol, AdsTarget, BootstrapPlan, NodeOn, Wildcard};
use destrier_xds::{ControlPlane, Driver, DriverConfig, Keepalive, SessionConfig, Variant};
use prost::Message;

/// The driver that `ads_config` asks for.
pub(crate) fn driver(ads: &AdsPlan, plan: &BootstrapPlan) -> Driver {
    let node = plan.node.clone().unwrap_or_default().encode_to_vec();
    let mut session = SessionConfig::new(node);
    session.variant = match ads.protocol {
        AdsProtocol::Delta => Variant::Delta,
        AdsProtocol::StateOfTheWorld => Variant::Sotw,
    };
    session.node_on = match ads.node {
        NodeOn::FirstMessage => destrier_xds::NodeOn::FirstRequest,
        NodeOn::EveryMessage => destrier_xds::NodeOn::EveryRequest,
    };
    session.wildcard = match plan.settings.xds_wildcard {
        Wildcard::Legacy => destrier_xds::Wildcard::LegacyEmpty,
        Wildcard::Explicit => destrier_xds::Wildcard::Star,
    };
    let target = match &ads.target {
        AdsTarget::Ip(address) => {
            ControlPlane::Tcp { host: address.ip().to_string(), port: address.port() }
        }
        AdsTarget::Dns { host, port } => ControlPlane::Tcp { host: host.clone(), port: *port },
        AdsTarget::Unix(path) => ControlPlane::Unix(path.to_path_buf()),
    };
    let mut config = DriverConfig::new(target);
    config.authority = Some(ads.authority.clone()).filter(|authority| !authority.is_empty());
    config.connect_timeout = ads.connect_timeout;
    config.max_message_bytes = plan.settings.xds_max_message_bytes;
    if let Some(keepalive) = &ads.keepalive {
        let default = Keepalive::default();
        config.keepalive = Keepalive {
            interval: keepalive.interval.unwrap_or(default.interval),
            timeout: keepalive.timeout,
        };
    }
    Driver::new(config, session, rand::random())
}
