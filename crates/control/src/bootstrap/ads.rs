//! `dynamic_resources.ads_config`: how to reach the control plane.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use destrier_policy::{Address, Endpoint};
use envoy_types::pb::envoy::config::bootstrap::v3::Bootstrap;
use envoy_types::pb::envoy::config::core::v3::{
    ApiConfigSource, ApiVersion, GrpcService, HeaderValue,
    api_config_source::ApiType,
    grpc_service::{EnvoyGrpc, GoogleGrpc, TargetSpecifier},
};
use http::{HeaderMap, HeaderName};

use super::{AdsPlan, AdsProtocol, AdsServer, AdsTarget, NodeOn, StaticCluster};
use crate::path::FieldPath;
use crate::proto::{self, Fault};
use crate::report::Report;
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
    let target = report.check(&path, target(cluster))?;
    let policy = &cluster.policy;
    let authority =
        if grpc.authority.is_empty() { grpc.cluster_name.clone() } else { grpc.authority.clone() };
    Some(AdsServer {
        cluster: Some(policy.name.clone()),
        connect_timeout: policy.connect_timeout,
        keepalive: policy.http.http2.keepalive.clone(),
        tcp_keepalive: policy.tcp_keepalive,
        ..plain(target, authority)
    })
}

/// The first endpoint of the cluster.
fn target(cluster: &TranslatedCluster) -> Result<AdsTarget, Fault> {
    let TranslatedCluster { policy, load_assignment } = cluster;
    let plain = |endpoint: &Endpoint| {
        let in_force = policy.transport_for(endpoint).is_in_force();
        in_force.then_some(()).ok_or("only plain text is spoken to a control plane so far")
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
    Some(plain(target, authority))
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
