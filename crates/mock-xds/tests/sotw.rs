//! The state-of-the-world variant as a client sees it.

mod client;

use client::{assignment, one_endpoint, sotw, start};
use destrier_mock_xds::{Behaviour, Changes, eds_cluster, type_url};
use envoy_types::pb::envoy::service::discovery::v3::DiscoveryResponse;

const CDS: &str = type_url::CLUSTER;
const EDS: &str = type_url::ENDPOINTS;

fn two_clusters() -> Changes {
    Changes::new()
        .cluster(&eds_cluster("a"))
        .cluster(&eds_cluster("b"))
        .endpoints(&one_endpoint("a", 1))
        .endpoints(&one_endpoint("b", 2))
}

fn clusters_of(response: &DiscoveryResponse) -> Vec<String> {
    response.resources.iter().map(|any| assignment(any).cluster_name).collect()
}

#[tokio::test]
async fn clusters_always_come_in_full() {
    let server = start().await;
    server.apply(two_clusters());
    let mut client = sotw(&server).await;
    client.ask(CDS, &[], "", "");
    let first = client.next().await;
    assert_eq!((first.resources.len(), first.version_info.as_str()), (2, "1"));
    client.ack(&first, &[]);
    client.expect_silence().await;
    server.apply(Changes::new().remove_cluster("a"));
    let second = client.next().await;
    assert_eq!((second.resources.len(), second.version_info.as_str()), (1, "2"));
    server.apply(Changes::new().remove_cluster("b"));
    assert_eq!(client.next().await.resources, []);
}

#[tokio::test]
async fn what_went_before_a_client_came_is_no_news_to_it() {
    let server = start().await;
    server.apply(two_clusters());
    server.apply(Changes::new().remove_cluster("a"));
    let mut client = sotw(&server).await;
    client.ask(CDS, &[], "", "");
    assert_eq!(client.next().await.resources.len(), 1);
    client.ask(EDS, &["b"], "", "");
    assert_eq!(clusters_of(&client.next().await), ["b"]);
    server.apply(Changes::new().endpoints(&one_endpoint("b", 9)));
    let next = client.next().await;
    assert_eq!((next.type_url.as_str(), clusters_of(&next)), (EDS, vec!["b".to_owned()]));
}

#[tokio::test]
async fn istiod_answers_new_names_and_pushes_changed_ones() {
    let server = start().await;
    server.apply(two_clusters());
    let mut client = sotw(&server).await;
    client.ask(EDS, &["a"], "", "");
    let first = client.next().await;
    assert_eq!(clusters_of(&first), ["a"]);
    client.ack(&first, &["a", "b", "nobody"]);
    let second = client.next().await;
    assert_eq!(clusters_of(&second), ["b", "nobody"]);
    client.ack(&second, &["a", "b"]);
    client.expect_silence().await;
    server.apply(Changes::new().endpoints(&one_endpoint("a", 9)));
    assert_eq!(clusters_of(&client.next().await), ["a"]);
}

#[tokio::test]
async fn a_stale_nonce_is_ignored_and_an_empty_one_starts_anew_at_istiod() {
    let server = start().await;
    server.apply(two_clusters());
    let mut client = sotw(&server).await;
    client.ask(EDS, &["a"], "", "");
    let first = client.next().await;
    server.apply(Changes::new().endpoints(&one_endpoint("a", 9)));
    client.next().await;
    client.ack(&first, &["a", "b"]);
    client.expect_silence().await;
    client.ask(EDS, &["a", "b"], "", "");
    assert_eq!(clusters_of(&client.next().await), ["a", "b"]);
}

#[tokio::test]
async fn istiod_waits_after_a_nack_and_go_control_plane_repeats_itself() {
    for (behaviour, repeats) in
        [(Behaviour::istiod(), false), (Behaviour::go_control_plane(), true)]
    {
        let server = start().await;
        server.set_behaviour(behaviour);
        server.apply(two_clusters());
        let mut client = sotw(&server).await;
        client.ask(CDS, &[], "", "");
        let first = client.next().await;
        client.nack(&first, &[]);
        if repeats {
            let again = client.next().await;
            assert_eq!(
                (&again.resources, &again.version_info),
                (&first.resources, &first.version_info)
            );
            assert_ne!(again.nonce, first.nonce);
        } else {
            client.expect_silence().await;
        }
    }
}

#[tokio::test]
async fn go_control_plane_waits_for_all_names_of_its_snapshot() {
    let server = start().await;
    server.set_behaviour(Behaviour::go_control_plane());
    server.apply(two_clusters());
    let mut client = sotw(&server).await;
    client.ask(EDS, &["a"], "", "");
    client.expect_silence().await;
    // An empty nonce in mid-stream is ignored, and there is no nonce yet: a new stream it is.
    client.ask(EDS, &["a", "b"], "", "");
    client.expect_silence().await;
    let mut client = sotw(&server).await;
    client.ask(EDS, &["a", "b"], "", "");
    assert_eq!(clusters_of(&client.next().await), ["a", "b"]);
    server.apply(Changes::new().endpoints(&one_endpoint("a", 9)));
    assert_eq!(clusters_of(&client.next().await), ["a", "b"]);
}

#[tokio::test]
async fn a_client_that_holds_the_version_hears_nothing_from_go_control_plane() {
    let server = start().await;
    server.set_behaviour(Behaviour::go_control_plane());
    let revision = server.apply(two_clusters());
    let mut client = sotw(&server).await;
    client.ask(CDS, &[], &revision.to_string(), "");
    client.expect_silence().await;
    server.apply(Changes::new().cluster(&eds_cluster("c")));
    assert_eq!(client.next().await.resources.len(), 3);
}
