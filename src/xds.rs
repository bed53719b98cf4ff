//! From the bootstrap's words for the control plane to the session's.

use destrier_control::{
    AdsPlan, AdsProtocol, AdsServer, AdsTarget, BootstrapPlan, NodeOn, Wildcard,
};
use destrier_xds::{ControlPlane, Driver, DriverConfig, Keepalive, Server, SessionConfig, Variant};
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
    let mut config = DriverConfig::of(ads.servers.iter().map(server).collect());
    config.max_message_bytes = plan.settings.xds_max_message_bytes;
    Driver::new(config, session, rand::random())
}

fn server(ads: &AdsServer) -> Server {
    let target = match &ads.target {
        AdsTarget::Ip(address) => {
            ControlPlane::Tcp { host: address.ip().to_string(), port: address.port() }
        }
        AdsTarget::Dns { host, port } => ControlPlane::Tcp { host: host.clone(), port: *port },
        AdsTarget::Unix(path) => ControlPlane::Unix(path.to_path_buf()),
    };
    let mut server = Server::new(target);
    server.authority = Some(ads.authority.clone()).filter(|authority| !authority.is_empty());
    server.connect_timeout = ads.connect_timeout;
    server.metadata = ads.metadata.clone();
    if let Some(keepalive) = &ads.keepalive {
        let default = Keepalive::default();
        server.keepalive = Keepalive {
            interval: keepalive.interval.unwrap_or(default.interval),
            timeout: keepalive.timeout,
        };
    }
    server
}
