//! A client that does only what a test tells it.

#![allow(dead_code, reason = "each test file uses its part")]

use std::time::Duration;

use destrier_mock_xds::{Listen, MockXds, endpoints};
use envoy_types::pb::envoy::config::endpoint::v3::ClusterLoadAssignment;
use envoy_types::pb::envoy::service::discovery::v3::aggregated_discovery_service_client::AggregatedDiscoveryServiceClient;
use envoy_types::pb::envoy::service::discovery::v3::{
    DeltaDiscoveryRequest, DeltaDiscoveryResponse, DiscoveryRequest, DiscoveryResponse,
};
use envoy_types::pb::google::protobuf::Any;
use envoy_types::pb::google::rpc::Status as ErrorDetail;
use prost::Message;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::transport::{Channel, Endpoint};
use tonic::{Status, Streaming};

/// Long enough for a loaded machine; nothing waits this long unless it fails.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

pub(crate) async fn channel(server: &MockXds) -> Channel {
    let uri = match server.listen() {
        Listen::Tcp(address) => format!("http://{address}"),
        Listen::Unix(path) => format!("unix:{}", path.display()),
    };
    let endpoint = Endpoint::from_shared(uri).expect("a valid address");
    endpoint.connect().await.expect("the server listens")
}

/// One stream of either variant.
pub(crate) struct Client<Q, R> {
    requests: mpsc::UnboundedSender<Q>,
    responses: Streaming<R>,
    fences: u32,
}

pub(crate) type DeltaClient = Client<DeltaDiscoveryRequest, DeltaDiscoveryResponse>;
pub(crate) type SotwClient = Client<DiscoveryRequest, DiscoveryResponse>;

impl<Q, R> Client<Q, R> {
    pub(crate) fn send(&self, request: Q) {
        self.requests.send(request).expect("the stream is open");
    }

    pub(crate) async fn next(&mut self) -> R {
        self.try_next().await.expect("a response").expect("the stream is open")
    }

    /// The next response, the end of the stream, or its status.
    pub(crate) async fn try_next(&mut self) -> Result<Option<R>, Status> {
        timeout(DEADLINE, self.responses.message()).await.expect("something comes in time")
    }

    /// A resource type that nothing else in the test uses.
    fn fence_type(&mut self) -> String {
        self.fences += 1;
        format!("type.googleapis.com/test.Fence{}", self.fences)
    }
}

pub(crate) async fn delta(server: &MockXds) -> DeltaClient {
    try_delta(server).await.expect("the stream opens")
}

/// At an address and port.
pub(crate) async fn delta_at(address: &str) -> DeltaClient {
    let endpoint = Endpoint::from_shared(format!("http://{address}")).expect("a valid address");
    let channel = endpoint.connect().await.expect("the server listens");
    open_delta(channel).await.expect("the stream opens")
}

pub(crate) async fn try_delta(server: &MockXds) -> Result<DeltaClient, Status> {
    open_delta(channel(server).await).await
}

async fn open_delta(channel: Channel) -> Result<DeltaClient, Status> {
    let mut client = AggregatedDiscoveryServiceClient::new(channel);
    let (requests, receiver) = mpsc::unbounded_channel();
    let responses = client.delta_aggregated_resources(UnboundedReceiverStream::new(receiver));
    Ok(Client { requests, responses: responses.await?.into_inner(), fences: 0 })
}

pub(crate) async fn sotw(server: &MockXds) -> SotwClient {
    let mut client = AggregatedDiscoveryServiceClient::new(channel(server).await);
    let (requests, receiver) = mpsc::unbounded_channel();
    let responses = client.stream_aggregated_resources(UnboundedReceiverStream::new(receiver));
    let responses = responses.await.expect("the stream opens").into_inner();
    Client { requests, responses, fences: 0 }
}

impl DeltaClient {
    pub(crate) fn subscribe(&self, type_url: &str, names: &[&str]) {
        self.send(DeltaDiscoveryRequest {
            type_url: type_url.to_owned(),
            resource_names_subscribe: owned(names),
            ..Default::default()
        });
    }

    pub(crate) fn unsubscribe(&self, type_url: &str, names: &[&str]) {
        self.send(DeltaDiscoveryRequest {
            type_url: type_url.to_owned(),
            resource_names_unsubscribe: owned(names),
            ..Default::default()
        });
    }

    pub(crate) fn ack(&self, response: &DeltaDiscoveryResponse) {
        self.send(DeltaDiscoveryRequest {
            type_url: response.type_url.clone(),
            response_nonce: response.nonce.clone(),
            ..Default::default()
        });
    }

    /// Passes only if the server has answered nothing up to here.
    pub(crate) async fn expect_silence(&mut self) {
        let fence = self.fence_type();
        self.subscribe(&fence, &["x"]);
        let next = self.next().await;
        assert_eq!(next.type_url, fence, "an answer where none was expected: {next:?}");
    }
}

impl SotwClient {
    pub(crate) fn ask(&self, type_url: &str, names: &[&str], version: &str, nonce: &str) {
        self.send(request(type_url, names, version, nonce));
    }

    pub(crate) fn ack(&self, response: &DiscoveryResponse, names: &[&str]) {
        self.ask(&response.type_url, names, &response.version_info, &response.nonce);
    }

    pub(crate) fn nack(&self, response: &DiscoveryResponse, names: &[&str]) {
        let mut request = request(&response.type_url, names, "", &response.nonce);
        request.error_detail = Some(ErrorDetail { message: "no".to_owned(), ..Default::default() });
        self.send(request);
    }

    /// Passes only if the server has answered nothing up to here.
    pub(crate) async fn expect_silence(&mut self) {
        let fence = self.fence_type();
        self.ask(&fence, &["x"], "", "");
        let next = self.next().await;
        assert_eq!(next.type_url, fence, "an answer where none was expected: {next:?}");
    }
}

pub(crate) fn request(
    type_url: &str,
    names: &[&str],
    version: &str,
    nonce: &str,
) -> DiscoveryRequest {
    DiscoveryRequest {
        type_url: type_url.to_owned(),
        resource_names: owned(names),
        version_info: version.to_owned(),
        response_nonce: nonce.to_owned(),
        ..Default::default()
    }
}

pub(crate) fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

pub(crate) fn names(response: &DeltaDiscoveryResponse) -> Vec<&str> {
    response.resources.iter().map(|resource| resource.name.as_str()).collect()
}

/// Endpoints at that port of 127.0.0.1.
pub(crate) fn one_endpoint(cluster: &str, port: u16) -> ClusterLoadAssignment {
    endpoints(cluster, &[([127, 0, 0, 1], port).into()])
}

pub(crate) fn assignment(any: &Any) -> ClusterLoadAssignment {
    ClusterLoadAssignment::decode(any.value.as_slice()).expect("an assignment")
}

pub(crate) async fn start() -> MockXds {
    MockXds::start_local().await.expect("a free port")
}
