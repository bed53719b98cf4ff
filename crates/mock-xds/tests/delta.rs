//! The delta variant as a client sees it.

mod client;

use client::{DEADLINE, assignment, delta, names, one_endpoint, start};
use destrier_mock_xds::{Behaviour, Changes, Purpose, Resubscribe, eds_cluster, type_url};
use envoy_types::pb::envoy::service::discovery::v3::{
    DeltaDiscoveryRequest, DeltaDiscoveryResponse,
};
use envoy_types::pb::google::rpc::Status as ErrorDetail;

const CDS: &str = type_url::CLUSTER;
const EDS: &str = type_url::ENDPOINTS;

fn two_clusters() -> Changes {
    Changes::new()
        .endpoints(&one_endpoint("a", 1))
        .endpoints(&one_endpoint("b", 2))
        .cluster(&eds_cluster("a"))
        .cluster(&eds_cluster("b"))
}

#[tokio::test]
async fn a_wildcard_gets_all_and_then_only_changes() {
    let server = start().await;
    server.apply(two_clusters());
    let mut client = delta(&server).await;
    client.subscribe(CDS, &[]);
    let first = client.next().await;
    assert_eq!(names(&first), ["a", "b"]);
    assert!(first.resources.iter().all(|resource| resource.version.is_empty()), "like istiod");
    client.ack(&first);

    server.apply(Changes::new().cluster(&eds_cluster("c")).remove(CDS, "a"));
    let second = client.next().await;
    assert_eq!(names(&second), ["c"]);
    assert_eq!(second.removed_resources, ["a"]);
    assert_ne!(first.nonce, second.nonce);
}

#[tokio::test]
async fn a_type_without_resources_is_answered_with_none() {
    let server = start().await;
    let mut client = delta(&server).await;
    client.subscribe(CDS, &[]);
    assert_eq!(client.next().await.resources, []);
}

#[tokio::test]
async fn one_step_goes_out_as_one_version_clusters_first() {
    let server = start().await;
    server.apply(two_clusters());
    let mut client = delta(&server).await;
    client.subscribe(EDS, &["a", "b"]);
    client.next().await;
    client.subscribe(CDS, &[]);
    client.next().await;
    // istiod sends endpoints again when clusters are asked for after them.
    assert_eq!(names(&client.next().await), ["a", "b"]);

    let changes = Changes::new().endpoints(&one_endpoint("a", 9)).cluster(&eds_cluster("a"));
    let revision = server.apply(changes);
    let (clusters, endpoints) = (client.next().await, client.next().await);
    assert_eq!((clusters.type_url.as_str(), endpoints.type_url.as_str()), (CDS, EDS));
    assert_eq!(names(&endpoints), ["a"]);
    for response in [clusters, endpoints] {
        assert_eq!(response.system_version_info, revision.to_string());
    }
}

#[tokio::test]
async fn an_unknown_name_and_a_removed_one_have_an_empty_assignment_at_istiod() {
    let server = start().await;
    server.apply(two_clusters());
    let mut client = delta(&server).await;
    client.subscribe(EDS, &["a", "nobody"]);
    let first = client.next().await;
    assert_eq!(names(&first), ["a", "nobody"]);
    let unknown = assignment(first.resources[1].resource.as_ref().expect("it has one"));
    assert_eq!((unknown.cluster_name.as_str(), unknown.endpoints.len()), ("nobody", 0));

    server.apply(Changes::new().remove(EDS, "a"));
    let second = client.next().await;
    assert_eq!((names(&second), second.removed_resources.len()), (vec!["a"], 0));
}

#[tokio::test]
async fn go_control_plane_says_removed_and_spares_what_the_client_holds() {
    let server = start().await;
    server.set_behaviour(Behaviour::go_control_plane());
    let revision = server.apply(two_clusters());
    let mut client = delta(&server).await;
    client.send(DeltaDiscoveryRequest {
        type_url: CDS.to_owned(),
        initial_resource_versions: [("a", revision.to_string()), ("gone", "1".to_owned())]
            .map(|(name, version)| (name.to_owned(), version))
            .into(),
        ..Default::default()
    });
    let first = client.next().await;
    assert_eq!(names(&first), ["b"]);
    assert_eq!(first.removed_resources, ["gone"]);
    client.subscribe(EDS, &["nobody"]);
    assert_eq!(client.next().await.removed_resources, ["nobody"]);
}

#[tokio::test]
async fn a_reconnect_tells_what_has_gone_meanwhile() {
    let server = start().await;
    server.apply(two_clusters());
    let mut client = delta(&server).await;
    client.send(DeltaDiscoveryRequest {
        type_url: CDS.to_owned(),
        initial_resource_versions: [("a".to_owned(), String::new()), ("old".into(), String::new())]
            .into(),
        ..Default::default()
    });
    let first = client.next().await;
    assert_eq!(names(&first), ["a", "b"]);
    assert_eq!(first.removed_resources, ["old"]);
}

#[tokio::test]
async fn known_names_are_not_repeated_unless_the_server_keeps_to_the_letter() {
    let server = start().await;
    server.apply(two_clusters());
    let mut client = delta(&server).await;
    client.subscribe(EDS, &["a"]);
    client.next().await;
    client.subscribe(EDS, &["a"]);
    client.expect_silence().await;
    client.subscribe(EDS, &["a", "b"]);
    assert_eq!(names(&client.next().await), ["b"]);

    let letter = Behaviour { resubscribe: Resubscribe::Answer, ..Behaviour::istiod() };
    server.set_behaviour(letter);
    client.subscribe(EDS, &["a"]);
    assert_eq!(names(&client.next().await), ["a"]);
}

#[tokio::test]
async fn after_unsubscribing_changes_are_not_sent() {
    let server = start().await;
    server.apply(two_clusters());
    let mut client = delta(&server).await;
    client.subscribe(EDS, &["a", "b"]);
    client.next().await;
    client.unsubscribe(EDS, &["a"]);
    client.expect_silence().await;
    server.apply(Changes::new().endpoints(&one_endpoint("a", 7)));
    server.apply(Changes::new().endpoints(&one_endpoint("b", 8)));
    assert_eq!(names(&client.next().await), ["b"]);
}

#[tokio::test]
async fn a_stale_nonce_and_a_nack_change_no_subscription_at_istiod() {
    let server = start().await;
    server.apply(two_clusters());
    let mut client = delta(&server).await;
    client.subscribe(EDS, &["a"]);
    let first = client.next().await;
    server.apply(Changes::new().endpoints(&one_endpoint("a", 7)));
    let second = client.next().await;
    let request = |response: &DeltaDiscoveryResponse, error| DeltaDiscoveryRequest {
        type_url: EDS.to_owned(),
        response_nonce: response.nonce.clone(),
        resource_names_subscribe: vec!["b".to_owned()],
        error_detail: error,
        ..Default::default()
    };
    client.send(request(&first, None));
    client.expect_silence().await;
    client.send(request(&second, Some(ErrorDetail::default())));
    client.expect_silence().await;
    client.send(request(&second, None));
    assert_eq!(names(&client.next().await), ["b"]);
}

#[tokio::test]
async fn large_answers_can_be_split() {
    let server = start().await;
    server.set_behaviour(Behaviour { max_resources: Some(2), ..Behaviour::istiod() });
    let clusters = ["a", "b", "c", "d", "e"];
    server.apply(clusters.iter().fold(Changes::new(), |all, name| all.cluster(&eds_cluster(name))));
    let mut client = delta(&server).await;
    client.subscribe(CDS, &[]);
    for expected in [vec!["a", "b"], vec!["c", "d"], vec!["e"]] {
        assert_eq!(names(&client.next().await), expected);
    }
}

#[tokio::test]
async fn requests_are_recorded_in_order_with_their_purpose() {
    let server = start().await;
    server.apply(two_clusters());
    let mut client = delta(&server).await;
    client.subscribe(CDS, &[]);
    let response = client.next().await;
    client.ack(&response);
    client.send(DeltaDiscoveryRequest {
        type_url: CDS.to_owned(),
        response_nonce: response.nonce.clone(),
        error_detail: Some(ErrorDetail { message: "bad a".to_owned(), ..Default::default() }),
        ..Default::default()
    });
    let nack = server
        .wait_for_request("a NACK", DEADLINE, |seen| seen.is(CDS, Purpose::Nack))
        .await
        .expect("it was sent");
    assert_eq!(nack.request.error(), Some("bad a"));
    assert_eq!(nack.to_string(), format!("stream 1 Cluster NACK {}: bad a", response.nonce));
    let purposes: Vec<_> = server.requests().iter().map(|seen| seen.request.purpose()).collect();
    assert_eq!(purposes, [Purpose::Spontaneous, Purpose::Ack, Purpose::Nack]);

    let missing = server
        .wait_for_request("listeners", std::time::Duration::ZERO, |seen| {
            seen.request.type_url() == type_url::LISTENER
        })
        .await
        .expect_err("nobody asked for listeners");
    assert!(missing.to_string().starts_with("listeners: not seen in time among 3 requests"));
}
