//! Misbehaviour, and the life of streams and connections.

mod client;

use client::{DEADLINE, channel, delta, names, one_endpoint, sotw, start, try_delta};
use destrier_mock_xds::{
    Changes, Headers, Listen, MockXds, Purpose, Response, Script, Variant, eds_cluster, type_url,
};
use envoy_types::pb::envoy::service::discovery::v3::aggregated_discovery_service_client::AggregatedDiscoveryServiceClient;
use envoy_types::pb::envoy::service::discovery::v3::{
    DeltaDiscoveryRequest, DeltaDiscoveryResponse, DiscoveryResponse,
};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::{Code, Status};

const CDS: &str = type_url::CLUSTER;
const EDS: &str = type_url::ENDPOINTS;

async fn start_with_cluster() -> MockXds {
    let server = start().await;
    server.apply(Changes::new().cluster(&eds_cluster("a")).endpoints(&one_endpoint("a", 1)));
    server
}

#[tokio::test]
async fn responses_go_out_exactly_as_given() {
    let server = start_with_cluster().await;
    let mut client = delta(&server).await;
    client.subscribe(CDS, &[]);
    let first = client.next().await;
    let twice = Response::Delta(DeltaDiscoveryResponse {
        resources: [first.resources.clone(), first.resources.clone()].concat(),
        type_url: CDS.to_owned(),
        nonce: "mine".to_owned(),
        ..Default::default()
    });
    let other_variant = Response::Sotw(DiscoveryResponse::default());
    assert_eq!((server.send(&twice), server.send(&other_variant)), (1, 0));
    let second = client.next().await;
    assert_eq!((names(&second), second.nonce.as_str()), (vec!["a", "a"], "mine"));
    // The server expects the nonce that it sent: this one is no stale one.
    client.ack(&second);
    server
        .wait_for_request("the ACK", DEADLINE, |seen| {
            seen.is(CDS, Purpose::Ack) && seen.request.nonce() == "mine"
        })
        .await
        .expect("it was sent");
    // Neither variant of the message: field 2 is no length-delimited field here.
    assert_eq!(server.send_bytes(&[0x10, 0x01][..]), 1);
    client.try_next().await.expect_err("what no message type encodes");
}

#[tokio::test]
async fn responses_can_be_rewritten() {
    let server = start_with_cluster().await;
    server.set_script(Script::new().rewrite(|response| {
        if let Response::Delta(response) = response {
            response.nonce.clear();
            for resource in &mut response.resources {
                resource.resource.as_mut().expect("it is set").type_url = EDS.to_owned();
            }
        }
    }));
    let mut client = delta(&server).await;
    client.subscribe(CDS, &[]);
    let response = client.next().await;
    assert_eq!(response.nonce, "");
    assert_eq!(response.resources[0].resource.as_ref().expect("it is set").type_url, EDS);
}

#[tokio::test]
async fn any_bytes_can_stand_for_a_resource() {
    let server = start().await;
    server.apply(Changes::new().bytes(CDS, "broken", [0xff, 0xff]));
    let mut client = sotw(&server).await;
    client.ask(CDS, &[], "", "");
    assert_eq!(client.next().await.resources[0].value, [0xff, 0xff]);
}

#[tokio::test]
async fn a_silent_type_is_recorded_and_never_answered() {
    let server = start_with_cluster().await;
    server.set_script(Script::new().never_answer(EDS));
    let mut client = delta(&server).await;
    client.subscribe(EDS, &["a"]);
    client.expect_silence().await;
    assert_eq!(server.requests()[0].request.type_url(), EDS);
    server.set_script(Script::new());
    client.subscribe(EDS, &["a"]);
    assert_eq!(names(&client.next().await), ["a"]);
}

#[tokio::test]
async fn streams_end_with_a_status_after_so_many_responses() {
    let server = start_with_cluster().await;
    server.set_script(Script::new().close_after(1, Status::unavailable("later")));
    let mut client = delta(&server).await;
    client.subscribe(CDS, &[]);
    client.next().await;
    let status = client.try_next().await.expect_err("the stream has ended");
    assert_eq!((status.code(), status.message()), (Code::Unavailable, "later"));
}

#[tokio::test]
async fn one_variant_can_be_refused() {
    let server = start_with_cluster().await;
    let refusal = Status::unimplemented("no delta here");
    server.set_script(Script::new().refuse(Some(Variant::Delta), refusal));
    let status = try_delta(&server).await.err().expect("delta is refused");
    assert_eq!(status.code(), Code::Unimplemented);
    let mut client = sotw(&server).await;
    client.ask(CDS, &[], "", "");
    assert_eq!(client.next().await.resources.len(), 1);
    assert_eq!(server.streams_opened(), 2);
    assert_eq!(
        server.streams().iter().map(|(_, variant)| *variant).collect::<Vec<_>>(),
        [Variant::Sotw]
    );
}

#[tokio::test]
async fn headers_can_wait_for_the_first_request() {
    let server = start_with_cluster().await;
    server.set_script(Script::new().headers(Headers::AfterFirstRequest));
    let (requests, receiver) = mpsc::unbounded_channel();
    let mut ads = AggregatedDiscoveryServiceClient::new(channel(&server).await);
    let opening = tokio::spawn(async move {
        ads.delta_aggregated_resources(UnboundedReceiverStream::new(receiver)).await
    });
    while server.streams().is_empty() {
        tokio::task::yield_now().await;
    }
    // Another stream has its headers, request and answer meanwhile.
    server.set_script(Script::new());
    delta(&server).await.expect_silence().await;
    assert!(!opening.is_finished(), "headers came without a request");
    requests.send(DeltaDiscoveryRequest { type_url: CDS.to_owned(), ..Default::default() }).ok();
    timeout(DEADLINE, opening).await.expect("in time").expect("no panic").expect("it opens");
}

#[tokio::test]
async fn streams_and_connections_end_and_start_again() {
    let server = start_with_cluster().await;
    let mut client = delta(&server).await;
    client.subscribe(CDS, &[]);
    client.next().await;
    assert_eq!(server.close_streams(Status::resource_exhausted("enough")), 1);
    let status = client.try_next().await.expect_err("closed");
    assert_eq!(status.code(), Code::ResourceExhausted);

    let mut client = delta(&server).await;
    client.subscribe(CDS, &[]);
    client.next().await;
    server.drop_connections();
    client.try_next().await.expect_err("cut");

    let mut client = delta(&server).await;
    client.subscribe(CDS, &[]);
    client.next().await;
    server.stop().await;
    client.try_next().await.expect_err("stopped");
    let address = server.address().expect("it is TCP");
    tokio::net::TcpStream::connect(address).await.expect_err("nobody listens");

    server.restart().await.expect("the address is still free");
    assert_eq!(server.address(), Some(address));
    let mut client = delta(&server).await;
    client.subscribe(CDS, &[]);
    assert_eq!(names(&client.next().await), ["a"]);
    assert_eq!((server.connections(), server.streams_opened()), (4, 4));
}

#[tokio::test]
async fn the_handle_ends_the_server_when_dropped() {
    let server = start_with_cluster().await;
    let mut client = delta(&server).await;
    client.subscribe(CDS, &[]);
    client.next().await;
    drop(server);
    client.try_next().await.expect_err("cut");
}

#[tokio::test]
async fn unix_sockets_work_too() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("xds.sock");
    let server = MockXds::start(Listen::Unix(path.clone())).await.expect("the path is free");
    assert_eq!(server.listen().to_string(), format!("unix:{}", path.display()));
    let mut client = delta(&server).await;
    client.subscribe(CDS, &[]);
    assert_eq!(client.next().await.resources, []);
    // A socket that an earlier run has left does not hinder the next one.
    drop(server);
    MockXds::start(Listen::Unix(path)).await.expect("the old socket is replaced");
}

#[tokio::test]
async fn a_request_above_the_limit_ends_the_stream() {
    let server = start_with_cluster().await;
    let mut client = delta(&server).await;
    let name = "x".repeat(5 << 20);
    client.subscribe(EDS, &[&name]);
    let status = client.try_next().await.expect_err("more than 4 MiB");
    assert_eq!(status.code(), Code::ResourceExhausted);
}
