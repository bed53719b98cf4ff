//! `dynamic_resources.ads_config`: how to reach the control plane.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use destrier_policy::{Address, ClientTls, DataSource, Endpoint};
use envoy_types::pb::envoy::config::bootstrap::v3::Bootstrap;
use envoy_types::pb::envoy::config::core::v3::{
    ApiConfigSource, ApiVersion, GrpcService, HeaderValue,
    api_config_source::ApiType,
    grpc_service::{
        EnvoyGrpc, GoogleGrpc, TargetSpecifier,
        google_grpc::{
            CallCredentials,
            call_credentials::{
                CredentialSpecifier as CallCredentialSpecifier,
                metadata_credentials_from_plugin::ConfigType as PluginConfig,
            },
            channel_credentials::CredentialSpecifier,
        },
    },
    transport_socket::ConfigType,
};
use envoy_types::pb::envoy::config::grpc_credential::v3::FileBasedMetadataConfig;
use envoy_types::pb::envoy::extensions::transport_sockets::tls::v3::UpstreamTlsContext;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName};
use prost::Name as _;

use super::{AdsPlan, AdsProtocol, AdsServer, AdsTarget, CallCredential, NodeOn, StaticCluster};
use crate::path::FieldPath;
use crate::proto::{self, Fault};
use crate::report::Report;
use crate::tls::{client_tls, data_source, ssl_credentials};
use crate::{LoadAssignment, TranslatedCluster};

/// `None` when there is no control plane, or its description has been refused.
pub(super) fn ads_plan(
    bootstrap: &Bootstrap,
    clusters: &[StaticCluster],
    report: &mut Report<'_>,
) -> Option<AdsPlan> {
    let config = bootstrap.dynamic_resources.as_ref()?.ads_config.as_ref()?;
    let root = FieldPath::ROOT;
    let path = root.field("dynamic_resources");
    let path = &path.field("ads_config");
    let protocol = protocol(config, path, report);
    let services_path = path.field("grpc_services");
    if config.grpc_services.is_empty() {
        report.refuse(&services_path, "must have one");
    }
    let services = config.grpc_services.iter().enumerate();
    let servers: Option<Vec<AdsServer>> = services
        .map(|(index, it)| server(it, bootstrap, clusters, &services_path.index(index), report))
        .collect();
    let node = match config.set_node_on_first_message_only {
        true => NodeOn::FirstMessage,
        false => NodeOn::EveryMessage,
    };
    let servers = servers.filter(|servers| !servers.is_empty())?;
    Some(AdsPlan { protocol: protocol?, node, servers })
}

fn server(
    service: &GrpcService,
    bootstrap: &Bootstrap,
    clusters: &[StaticCluster],
    path: &FieldPath<'_>,
    report: &mut Report<'_>,
) -> Option<AdsServer> {
    let metadata = metadata(service, path, report);
    let server = match &service.target_specifier {
        Some(TargetSpecifier::EnvoyGrpc(grpc)) => {
            envoy_grpc(grpc, bootstrap, clusters, &path.field("envoy_grpc"), report)
        }
        Some(TargetSpecifier::GoogleGrpc(grpc)) => {
            google_grpc(grpc, &path.field("google_grpc"), report)
        }
        None => {
            report.refuse(path, "envoy_grpc or google_grpc must be set");
            None
        }
    };
    Some(AdsServer { metadata, ..server? })
}

fn protocol(
    config: &ApiConfigSource,
    path: &FieldPath<'_>,
    report: &mut Report<'_>,
) -> Option<AdsProtocol> {
    let version_path = path.field("transport_api_version");
    match report.check(&version_path, proto::enumeration(config.transport_api_version)) {
        None | Some(ApiVersion::Auto | ApiVersion::V3) => {}
        Some(_) => report.refuse(&version_path, "only V3 is supported"),
    }
    let path = path.field("api_type");
    match report.check(&path, proto::enumeration(config.api_type))? {
        ApiType::Grpc | ApiType::AggregatedGrpc => Some(AdsProtocol::StateOfTheWorld),
        ApiType::DeltaGrpc | ApiType::AggregatedDeltaGrpc => Some(AdsProtocol::Delta),
        other => {
            report.refuse(&path, format!("{} is not supported", other.as_str_name()));
            None
        }
    }
}

fn metadata(service: &GrpcService, path: &FieldPath<'_>, report: &mut Report<'_>) -> HeaderMap {
    let path = path.field("initial_metadata");
    let mut metadata = HeaderMap::new();
    for (index, header) in service.initial_metadata.iter().enumerate() {
        let HeaderValue { key, value, raw_value } = header;
        let path = path.index(index);
        let name = HeaderName::try_from(key).map_err(|_| format!("{key:?} is not a header's name"));
        let name = report.check(&path.field("key"), name);
        let (field, bytes) = match value.is_empty() {
            true => ("raw_value", &raw_value[..]),
            false => ("value", value.as_bytes()),
        };
        let value = http::HeaderValue::from_bytes(bytes).map_err(|_| "is not a header's value");
        let value = report.check(&path.field(field), value);
        if let (Some(name), Some(value)) = (name, value) {
            metadata.append(name, value);
        }
    }
    metadata
}

/// A server with the defaults of whatever is not said of it.
fn plain(target: AdsTarget, authority: String) -> AdsServer {
    AdsServer {
        target,
        cluster: None,
        authority,
        connect_timeout: Duration::from_secs(5),
        keepalive: None,
        tcp_keepalive: None,
        metadata: HeaderMap::new(),
        tls: None,
        credentials: Vec::new(),
    }
}

fn envoy_grpc(
    grpc: &EnvoyGrpc,
    bootstrap: &Bootstrap,
    clusters: &[StaticCluster],
    path: &FieldPath<'_>,
    report: &mut Report<'_>,
) -> Option<AdsServer> {
    let path = path.field("cluster_name");
    let found = clusters.iter().map(|found| &found.cluster);
    let found = found.into_iter().find(|found| *found.policy.name.as_str() == *grpc.cluster_name);
    let Some(cluster) = found else {
        // One that is there and at fault has been named already.
        let mut clusters = bootstrap.static_resources.iter().flat_map(|it| &it.clusters);
        if clusters.all(|cluster| cluster.name != grpc.cluster_name) {
            report.refuse(&path, format!("there is no static cluster {:?}", grpc.cluster_name));
        }
        return None;
    };
    let tls = cluster_tls(&grpc.cluster_name, bootstrap, report);
    let target = report.check(&path, target(cluster, tls.is_some()))?;
    let policy = &cluster.policy;
    let authority =
        if grpc.authority.is_empty() { grpc.cluster_name.clone() } else { grpc.authority.clone() };
    Some(AdsServer {
        cluster: Some(policy.name.clone()),
        connect_timeout: policy.connect_timeout,
        keepalive: policy.http.http2.keepalive.clone(),
        tcp_keepalive: policy.tcp_keepalive,
        tls,
        ..plain(target, authority)
    })
}

/// The first endpoint of the cluster.
fn target(cluster: &TranslatedCluster, tls: bool) -> Result<AdsTarget, Fault> {
    let TranslatedCluster { policy, load_assignment } = cluster;
    let plain = |endpoint: &Endpoint| {
        let in_force = policy.transport_for(endpoint).is_in_force();
        (in_force || tls)
            .then_some(())
            .ok_or("only plain text and TLS are spoken to a control plane")
    };
    let none = || format!("the cluster {} has no endpoint", policy.name);
    match load_assignment {
        Some(LoadAssignment::Static(endpoints)) => {
            let (_, endpoint) = endpoints.iter().next().ok_or_else(none)?;
            plain(endpoint)?;
            Ok(match &endpoint.address {
                Address::Ip(address) => AdsTarget::Ip(*address),
                Address::Pipe(path) => AdsTarget::Unix(path.clone()),
            })
        }
        Some(LoadAssignment::Dns(assignment)) => {
            let endpoint = assignment.names().next().ok_or_else(none)?;
            plain(&endpoint.template)?;
            Ok(host(&endpoint.name, endpoint.port))
        }
        None => {
            Err(format!("the cluster {} must be STATIC, STRICT_DNS or LOGICAL_DNS", policy.name))
        }
    }
}

/// TLS of the cluster of this name, if its `transport_socket` is that.
fn cluster_tls(name: &str, bootstrap: &Bootstrap, report: &mut Report<'_>) -> Option<ClientTls> {
    let clusters = bootstrap.static_resources.as_ref()?.clusters.iter();
    let (index, cluster) = clusters.enumerate().find(|(_, cluster)| cluster.name == name)?;
    let Some(ConfigType::TypedConfig(config)) = &cluster.transport_socket.as_ref()?.config_type
    else {
        return None;
    };
    if proto::type_name(&config.type_url) != UpstreamTlsContext::full_name() {
        return None;
    }
    let root = FieldPath::ROOT;
    let path = root.field("static_resources");
    let path = path.field("clusters");
    let path = path.index(index);
    let path = path.field("transport_socket");
    let path = path.field("typed_config");
    // What cannot be decoded has been named with the cluster.
    let context = proto::unpack::<UpstreamTlsContext>(config).ok()?;
    Some(client_tls(&context, &path, report))
}

fn host(host: &str, port: u16) -> AdsTarget {
    match host.parse::<IpAddr>() {
        Ok(ip) => AdsTarget::Ip(SocketAddr::new(ip, port)),
        Err(_) => AdsTarget::Dns { host: host.to_owned(), port },
    }
}

fn google_grpc(
    grpc: &GoogleGrpc,
    path: &FieldPath<'_>,
    report: &mut Report<'_>,
) -> Option<AdsServer> {
    let target = report.check(&path.field("target_uri"), target_uri(&grpc.target_uri))?;
    let authority = match &target {
        AdsTarget::Ip(address) => address.to_string(),
        AdsTarget::Dns { host, port } => format!("{host}:{port}"),
        AdsTarget::Unix(_) => "localhost".into(),
    };
    let host = match &target {
        AdsTarget::Ip(address) => address.ip().to_string(),
        AdsTarget::Dns { host, .. } => host.clone(),
        AdsTarget::Unix(_) => authority.clone(),
    };
    let channel = grpc.channel_credentials.as_ref();
    let tls = match channel.and_then(|it| it.credential_specifier.as_ref()) {
        Some(CredentialSpecifier::SslCredentials(credentials)) => {
            let path = path.field("channel_credentials");
            Some(ssl_credentials(credentials, &host, &path.field("ssl_credentials"), report))
        }
        // Refused by its row, or plain.
        _ => None,
    };
    let calls_path = path.field("call_credentials");
    let calls = grpc.call_credentials.iter().enumerate();
    let credentials =
        calls.filter_map(|(index, it)| call_credential(it, &calls_path.index(index), report));
    let credentials: Vec<_> = credentials.collect();
    if tls.is_none() && !credentials.is_empty() {
        report.refuse(&calls_path, "are sent over TLS alone: ssl_credentials must be set");
    }
    Some(AdsServer { tls, credentials, ..plain(target, authority) })
}

/// `call_credentials`: a token, or a file with one (`FileBasedMetadataConfig`).
fn call_credential(
    credentials: &CallCredentials,
    path: &FieldPath<'_>,
    report: &mut Report<'_>,
) -> Option<CallCredential> {
    match credentials.credential_specifier.as_ref() {
        Some(CallCredentialSpecifier::AccessToken(token)) => Some(CallCredential {
            header: AUTHORIZATION,
            prefix: "Bearer ".into(),
            secret: DataSource::Inline(token.as_bytes().into()),
        }),
        Some(CallCredentialSpecifier::FromPlugin(plugin)) => {
            let path = path.field("from_plugin");
            let path = path.field("typed_config");
            let Some(PluginConfig::TypedConfig(config)) = &plugin.config_type else {
                report.refuse(&path, "must be set");
                return None;
            };
            let config = report.check(&path, proto::unpack::<FileBasedMetadataConfig>(config))?;
            let secret_path = path.field("secret_data");
            let Some(secret) = &config.secret_data else {
                report.refuse(&secret_path, "must be set");
                return None;
            };
            let secret = report.check(&secret_path, data_source(secret));
            let key = Some(&config.header_key).filter(|key| !key.is_empty());
            let header = key.map_or(Ok(AUTHORIZATION), |key| {
                HeaderName::try_from(key).map_err(|_| format!("{key:?} is not a header's name"))
            });
            let header = report.check(&path.field("header_key"), header)?;
            Some(CallCredential { header, prefix: config.header_prefix, secret: secret? })
        }
        // Refused by its row.
        Some(_) => None,
        None => {
            report.refuse(path, "one of its kinds must be set");
            None
        }
    }
}

/// Of gRPC's names (its `doc/naming.md`): `dns:`, `unix:`, `unix-abstract:`, `ipv4:`, `ipv6:`, or a plain
/// `host:port`.
fn target_uri(uri: &str) -> Result<AdsTarget, Fault> {
    let unix = |path: &str| match path {
        "" => Err("has no path".into()),
        path => Ok(AdsTarget::Unix(Path::new(path).into())),
    };
    if let Some(path) = uri.strip_prefix("unix:") {
        return unix(path.strip_prefix("//").unwrap_or(path));
    }
    if let Some(name) = uri.strip_prefix("unix-abstract:") {
        return unix(&format!("@{name}"));
    }
    let rest = ["dns:", "ipv4:", "ipv6:"].iter().find_map(|scheme| uri.strip_prefix(scheme));
    let rest = rest.unwrap_or(uri);
    // `dns://authority/name` names a DNS server; ours is the system's.
    let rest = rest.strip_prefix("///").unwrap_or(rest);
    let malformed = || format!("{uri:?} is not a host and a port");
    if rest.contains('/') {
        return Err(malformed());
    }
    let (name, port) = rest.rsplit_once(':').ok_or_else(malformed)?;
    let port = port.parse().map_err(|_| malformed())?;
    let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    if bare.is_empty() {
        return Err(malformed());
    }
    Ok(host(bare, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_read_as_grpc_names_them() {
        let dns = |host: &str, port| AdsTarget::Dns { host: host.into(), port };
        let ip = |text: &str| AdsTarget::Ip(text.parse().expect("an address"));
        let unix = |path: &str| AdsTarget::Unix(Path::new(path).into());
        for (uri, target) in [
            ("istiod.istio-system.svc:15010", dns("istiod.istio-system.svc", 15010)),
            ("dns:///istiod:15010", dns("istiod", 15010)),
            ("dns:istiod:15010", dns("istiod", 15010)),
            ("127.0.0.1:15010", ip("127.0.0.1:15010")),
            ("ipv4:127.0.0.1:15010", ip("127.0.0.1:15010")),
            ("ipv6:[::1]:15010", ip("[::1]:15010")),
            ("unix:etc/XDS", unix("etc/XDS")),
            ("unix:///etc/XDS", unix("/etc/XDS")),
            ("unix-abstract:xds", unix("@xds")),
        ] {
            assert_eq!(target_uri(uri), Ok(target), "{uri}");
        }
        for uri in ["", "istiod", "istiod:x", ":15010", "istiod:70000", "unix:", "https://a:1"] {
            assert!(target_uri(uri).is_err(), "{uri}");
        }
    }
}
