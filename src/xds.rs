//! From the bootstrap's words for the control plane to the session's.

use std::sync::Arc;

use destrier_control::{
    AdsPlan, AdsProtocol, AdsServer, AdsTarget, BootstrapPlan, CallCredential, NodeOn, Wildcard,
};
use destrier_policy::{ClientTls, DataSource};
use destrier_xds::{
    ControlPlane, Credentials, Driver, DriverConfig, Duplex, Keepalive, Secure, Securing, Server,
    SessionConfig, Variant,
};
use http::{HeaderMap, HeaderValue};
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
    server.secure = ads.tls.clone().map(|tls| Arc::new(Tls(tls)) as Arc<dyn Secure>);
    if !ads.credentials.is_empty() {
        server.credentials = Some(Arc::new(Tokens(ads.credentials.clone())));
    }
    if let Some(keepalive) = &ads.keepalive {
        let default = Keepalive::default();
        server.keepalive = Keepalive {
            interval: keepalive.interval.unwrap_or(default.interval),
            timeout: keepalive.timeout,
        };
    }
    server
}

/// TLS to the control plane; its files are read for each connection.
#[derive(Debug)]
struct Tls(ClientTls);

impl Secure for Tls {
    fn secure(&self, stream: Box<dyn Duplex>) -> Securing {
        let tls = self.0.clone();
        Box::pin(async move {
            let stream = destrier_tls::connect(&tls, b"h2", stream).await;
            let stream = stream.map_err(|error| error.to_string())?;
            Ok(Box::new(stream) as Box<dyn Duplex>)
        })
    }
}

/// Tokens, read for each stream.
#[derive(Debug)]
struct Tokens(Vec<CallCredential>);

impl Credentials for Tokens {
    fn headers(&self) -> Result<HeaderMap, String> {
        let mut headers = HeaderMap::new();
        for CallCredential { header, prefix, secret } in &self.0 {
            let named = |cause: String| match secret {
                DataSource::File(path) => format!("{header} ({}): {cause}", path.display()),
                _ => format!("{header}: {cause}"),
            };
            let secret = destrier_tls::read(secret).map_err(named)?;
            // Files end in a line feed.
            let value = [prefix.as_bytes(), secret.trim_ascii_end()].concat();
            let value = HeaderValue::from_bytes(&value);
            let mut value = value.map_err(|_| named("not a header's value".into()))?;
            value.set_sensitive(true);
            headers.append(header.clone(), value);
        }
        Ok(headers)
    }
}
