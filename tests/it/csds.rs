//! What an xDS tool sees of the agent: the client status discovery service on the admin port.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use destrier::demo::config::route;
use destrier::demo::local::LocalAgent;
use destrier_mock_xds::{Changes, MockXds, Script, eds_cluster, endpoints, type_url};
use envoy_types::pb::envoy::admin::v3::ClientResourceStatus;
use envoy_types::pb::envoy::config::cluster::v3::Cluster;
use envoy_types::pb::envoy::service::status::v3::ClientStatusRequest;
use envoy_types::pb::envoy::service::status::v3::client_config::GenericXdsConfig;
use envoy_types::pb::envoy::service::status::v3::client_status_discovery_service_client::ClientStatusDiscoveryServiceClient;
use envoy_types::pb::envoy::r#type::matcher::v3::string_matcher::MatchPattern;
use envoy_types::pb::envoy::r#type::matcher::v3::{NodeMatcher, StringMatcher};
use prost::Message as _;
use tonic::transport::Channel;

use crate::mesh::{addresses, backends, mesh_agent};

const GOOD: &str = "outbound|80||good.demo.svc.cluster.local";
const WAITING: &str = "outbound|80||waiting.demo.svc.cluster.local";

async fn client(agent: &LocalAgent) -> Result<ClientStatusDiscoveryServiceClient<Channel>> {
    let admin = agent.agent.admin().and_then(|address| address.ip()).context("it has a port")?;
    Ok(ClientStatusDiscoveryServiceClient::connect(format!("http://{admin}")).await?)
}

/// The resources by type and name.
async fn fetch(
    agent: &LocalAgent,
    request: ClientStatusRequest,
) -> Result<BTreeMap<(String, String), GenericXdsConfig>> {
    let answer = client(agent).await?.fetch_client_status(request).await?.into_inner();
    let configs = answer.config.into_iter().flat_map(|config| config.generic_xds_configs);
    Ok(configs.map(|it| ((it.type_url.clone(), it.name.clone()), it)).collect())
}

fn key(type_url: &str, name: &str) -> (String, String) {
    (type_url.to_owned(), name.to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c210_c211_c212_c213_good_refused_and_awaited_resources() -> Result<()> {
    let backends = backends(["a"])?;
    let plane = MockXds::start_local().await?;
    let hosts = endpoints(GOOD, &addresses(&backends));
    plane.apply(Changes::new().cluster(&eds_cluster(GOOD)).endpoints(&hosts));
    let agent = mesh_agent(&plane, &[route("/", GOOD)]).await?;

    let held = fetch(&agent, ClientStatusRequest::default()).await?;
    let good = held.get(&key(type_url::CLUSTER, GOOD)).context("the cluster is there")?;
    assert_eq!(good.client_status(), ClientResourceStatus::Acked);
    let body = good.xds_config.as_ref().context("with its content")?;
    assert_eq!(Cluster::decode(&*body.value)?, eds_cluster(GOOD));
    assert!(good.last_updated.is_some() && good.error_state.is_none());
    let assigned = held.get(&key(type_url::ENDPOINTS, GOOD)).context("its endpoints as well")?;
    assert_eq!(assigned.client_status(), ClientResourceStatus::Acked);

    // A bad version of it, and another cluster whose endpoints never come.
    plane.set_script(Script::new().never_answer(type_url::ENDPOINTS));
    let mut bad = eds_cluster(GOOD);
    bad.connect_timeout =
        Some(envoy_types::pb::google::protobuf::Duration { seconds: -1, nanos: 0 });
    plane.apply(Changes::new().cluster(&bad).cluster(&eds_cluster(WAITING)));
    agent.until("the waiting cluster", "/lb", |lb| lb["warming"][WAITING].is_object()).await?;
    let held = fetch(&agent, ClientStatusRequest::default()).await?;
    let refused = held.get(&key(type_url::CLUSTER, GOOD)).context("the cluster is there")?;
    assert_eq!(refused.client_status(), ClientResourceStatus::Nacked);
    assert_eq!(refused.xds_config, good.xds_config, "the good version");
    let error = refused.error_state.as_ref().context("beside the refused one")?;
    assert!(error.details.contains("connect_timeout"), "{}", error.details);
    let body = error.failed_configuration.as_ref().context("with its content")?;
    assert_eq!(Cluster::decode(&*body.value)?, bad);
    let awaited = held.get(&key(type_url::ENDPOINTS, WAITING)).context("it is asked for")?;
    assert_eq!(awaited.client_status(), ClientResourceStatus::Requested);

    for (name, wanted) in [
        ("connected", 1),
        ("server_failure", 0),
        ("resource_updates_valid", 3),
        ("resource_updates_invalid", 1),
        ("resources.acked", 2),
        ("resources.nacked_but_cached", 1),
        ("resources.nacked", 0),
        ("resources.requested", 1),
    ] {
        assert_eq!(agent.stat(&format!("grpc.xds_client.{name}")).await?, wanted, "{name}");
    }

    let brief = ClientStatusRequest { exclude_resource_contents: true, ..<_>::default() };
    let held = fetch(&agent, brief).await?;
    assert!(held.values().all(|it| it.xds_config.is_none()) && held.len() == 4, "{held:?}");
    Ok(())
}

fn for_node(id: &str) -> ClientStatusRequest {
    let pattern = Some(MatchPattern::Prefix(id.into()));
    let node_id = Some(StringMatcher { match_pattern: pattern, ..StringMatcher::default() });
    let matcher = NodeMatcher { node_id, ..NodeMatcher::default() };
    ClientStatusRequest { node_matchers: vec![matcher], ..ClientStatusRequest::default() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_is_answered_request_by_request_and_nodes_are_matched() -> Result<()> {
    let plane = MockXds::start_local().await?;
    plane.apply(Changes::new().cluster(&eds_cluster(GOOD)).endpoints(&endpoints(GOOD, &[])));
    let agent = mesh_agent(&plane, &[route("/", GOOD)]).await?;
    let requests = [ClientStatusRequest::default(), for_node("sidecar~"), for_node("router~")];
    let requests = futures_util::stream::iter(requests);
    let mut answers = client(&agent).await?.stream_client_status(requests).await?.into_inner();
    let mut counts = Vec::new();
    while let Some(answer) = answers.message().await? {
        counts.push(answer.config.iter().map(|it| it.generic_xds_configs.len()).sum::<usize>());
    }
    assert_eq!(counts, [2, 2, 0]);
    let status = agent.admin_json("/server_info").await?;
    assert_eq!(status["state"], "LIVE", "pages over HTTP/1 are there as before");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c215_the_timeline_tells_what_became_of_each_resource() -> Result<()> {
    let backends = backends(["a"])?;
    let plane = MockXds::start_local().await?;
    let hosts = endpoints(GOOD, &addresses(&backends));
    plane.apply(Changes::new().cluster(&eds_cluster(GOOD)).endpoints(&hosts));
    let agent = mesh_agent(&plane, &[route("/", GOOD)]).await?;
    let page = agent
        .admin_json("/config/timeline?name=outbound%7C80%7C%7Cgood.demo.svc.cluster.local")
        .await?;
    let passages = page["timeline"].as_array().context("a list")?;
    assert_eq!(passages.len(), 2, "{page}");
    for (passage, kind) in passages.iter().zip([type_url::ENDPOINTS, type_url::CLUSTER]) {
        assert_eq!((&passage["type_url"], &passage["stream"]), (&kind.into(), &1.into()));
        assert!(passage["nonce"].as_str().is_some_and(|nonce| !nonce.is_empty()), "{passage}");
        let times: Vec<_> = ["received", "validated", "warmed", "active"]
            .iter()
            .map(|stage| passage[stage].as_str().map(str::to_owned))
            .collect();
        assert!(times.iter().all(Option::is_some) && times.is_sorted(), "{passage}");
        assert!(passage["acknowledged"].is_string(), "{passage}");
    }

    let mut bad = eds_cluster(GOOD);
    bad.connect_timeout =
        Some(envoy_types::pb::google::protobuf::Duration { seconds: -1, nanos: 0 });
    plane.apply(Changes::new().cluster(&bad));
    agent
        .until("the refusal", "/config/timeline?type=Cluster&limit=1", |page| {
            let newest = &page["timeline"][0];
            newest["refused"].as_str().is_some_and(|reason| reason.contains("connect_timeout"))
                && newest["acknowledged"].is_string()
                && newest["active"].is_null()
        })
        .await
}
