//! The client status discovery service (gRFC A40): what `/config_dump` tells people, for xDS tools.

use std::pin::Pin;
use std::sync::Arc;

use destrier_control::{ConfigStore, Standing, StoredResource, StoredVersion};
use destrier_policy::Origin;
use envoy_types::pb::envoy::admin::v3::{ClientResourceStatus, UpdateFailureState};
use envoy_types::pb::envoy::config::bootstrap::v3::Bootstrap;
use envoy_types::pb::envoy::config::core::v3::Node;
use envoy_types::pb::envoy::service::status::v3::client_config::GenericXdsConfig;
use envoy_types::pb::envoy::service::status::v3::client_status_discovery_service_server::{
    ClientStatusDiscoveryService, ClientStatusDiscoveryServiceServer,
};
use envoy_types::pb::envoy::service::status::v3::{
    ClientConfig, ClientStatusRequest, ClientStatusResponse,
};
use envoy_types::pb::envoy::r#type::matcher::v3::{
    NodeMatcher, StringMatcher, string_matcher::MatchPattern,
};
use envoy_types::pb::google::protobuf::Any;
use futures_util::{Stream, StreamExt as _};
use prost::Message as _;
use tonic::{Request, Response, Status, Streaming};

use crate::config_dump::{CLUSTER, ENDPOINTS, timestamp};
use crate::sources::Sources;

/// Where its methods are.
pub(crate) const METHODS: [&str; 2] = [
    "/envoy.service.status.v3.ClientStatusDiscoveryService/FetchClientStatus",
    "/envoy.service.status.v3.ClientStatusDiscoveryService/StreamClientStatus",
];

/// The service over the admin port's sources.
pub(crate) fn service(sources: Arc<Sources>) -> ClientStatusDiscoveryServiceServer<Csds> {
    ClientStatusDiscoveryServiceServer::new(Csds { sources })
}

pub(crate) struct Csds {
    sources: Arc<Sources>,
}

#[tonic::async_trait]
impl ClientStatusDiscoveryService for Csds {
    type StreamClientStatusStream =
        Pin<Box<dyn Stream<Item = Result<ClientStatusResponse, Status>> + Send>>;

    /// Each request is answered once.
    async fn stream_client_status(
        &self,
        request: Request<Streaming<ClientStatusRequest>>,
    ) -> Result<Response<Self::StreamClientStatusStream>, Status> {
        let sources = Arc::clone(&self.sources);
        let answers = request.into_inner().map(move |asked| status(&sources, &asked?));
        Ok(Response::new(Box::pin(answers)))
    }

    async fn fetch_client_status(
        &self,
        request: Request<ClientStatusRequest>,
    ) -> Result<Response<ClientStatusResponse>, Status> {
        status(&self.sources, request.get_ref()).map(Response::new)
    }
}

/// There is one client here; matchers say whether it is asked for.
fn status(
    sources: &Sources,
    request: &ClientStatusRequest,
) -> Result<ClientStatusResponse, Status> {
    let bootstrap = Bootstrap::decode(&*sources.bootstrap).unwrap_or_default();
    let node = bootstrap.node.unwrap_or_default();
    if !is_asked_for(&node, &request.node_matchers)? {
        return Ok(ClientStatusResponse::default());
    }
    let contents = match request.exclude_resource_contents {
        true => Contents::Excluded,
        false => Contents::Included,
    };
    let assembler = sources.assembler();
    let mut configs = resources(assembler.resources(), contents);
    let asked = assembler.eds_names();
    let store = assembler.resources();
    let missing = asked.into_iter().filter(|name| !store.endpoints.contains_key(name.as_str()));
    configs.extend(missing.map(|name| GenericXdsConfig {
        type_url: ENDPOINTS.into(),
        name,
        client_status: ClientResourceStatus::Requested.into(),
        ..GenericXdsConfig::default()
    }));
    let config =
        ClientConfig { node: Some(node), generic_xds_configs: configs, ..ClientConfig::default() };
    Ok(ClientStatusResponse { config: vec![config] })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Contents {
    Included,
    Excluded,
}

/// What came from the control plane; the bootstrap's own is on `/config_dump`.
fn resources(store: &ConfigStore, contents: Contents) -> Vec<GenericXdsConfig> {
    let dynamic = |resource: &StoredResource| resource.origin != Origin::Static;
    let clusters = store.clusters.iter().filter(|(_, resource)| dynamic(resource));
    let clusters = clusters.map(|(name, it)| config(CLUSTER, name.as_str(), it, contents));
    let endpoints = store.endpoints.iter();
    let endpoints = endpoints.map(|(name, it)| config(ENDPOINTS, name, it, contents));
    clusters.chain(endpoints).collect()
}

fn config(
    type_url: &str,
    name: &str,
    resource: &StoredResource,
    contents: Contents,
) -> GenericXdsConfig {
    let any = |body: &[u8]| Any { type_url: type_url.into(), value: body.to_vec() };
    let newest: Option<&StoredVersion> = resource.newest();
    let error_state = resource.error.as_ref().map(|error| {
        let reasons: Vec<String> = error.rejections.iter().map(ToString::to_string).collect();
        UpdateFailureState {
            failed_configuration: (contents == Contents::Included).then(|| any(&error.body)),
            last_update_attempt: Some(timestamp(error.last_update_attempt)),
            details: reasons.join("; "),
            version_info: error.version.to_string(),
        }
    });
    GenericXdsConfig {
        type_url: type_url.into(),
        name: name.into(),
        version_info: newest.map(|held| held.version.to_string()).unwrap_or_default(),
        xds_config: newest.filter(|_| contents == Contents::Included).map(|held| any(&held.body)),
        last_updated: newest.map(|held| timestamp(held.last_updated)),
        client_status: client_status(resource).into(),
        error_state,
        ..GenericXdsConfig::default()
    }
}

fn client_status(resource: &StoredResource) -> ClientResourceStatus {
    match resource.standing {
        Standing::DoesNotExist => ClientResourceStatus::DoesNotExist,
        _ if resource.error.is_some() => ClientResourceStatus::Nacked,
        _ if resource.newest().is_none() => ClientResourceStatus::Requested,
        Standing::Requested | Standing::RemovedButKept | Standing::Stale => {
            ClientResourceStatus::Acked
        }
    }
}

/// No matcher asks for everybody; of several one must match.
fn is_asked_for(node: &Node, matchers: &[NodeMatcher]) -> Result<bool, Status> {
    for matcher in matchers {
        if !matcher.node_metadatas.is_empty() {
            return Err(Status::invalid_argument("node_matchers.node_metadatas: not supported"));
        }
        let Some(id) = &matcher.node_id else { return Ok(true) };
        if matches(id, &node.id)? {
            return Ok(true);
        }
    }
    Ok(matchers.is_empty())
}

fn matches(matcher: &StringMatcher, text: &str) -> Result<bool, Status> {
    let fold = |text: &str| match matcher.ignore_case {
        true => text.to_lowercase(),
        false => text.to_owned(),
    };
    let text = fold(text);
    match &matcher.match_pattern {
        Some(MatchPattern::Exact(exact)) => Ok(text == fold(exact)),
        Some(MatchPattern::Prefix(prefix)) => Ok(text.starts_with(&fold(prefix))),
        Some(MatchPattern::Suffix(suffix)) => Ok(text.ends_with(&fold(suffix))),
        Some(MatchPattern::Contains(part)) => Ok(text.contains(&fold(part))),
        Some(MatchPattern::SafeRegex(_) | MatchPattern::Custom(_)) | None => Err(
            Status::invalid_argument("node_matchers.node_id: exact, prefix, suffix or contains"),
        ),
    }
}
