//! 6.1: stream opening and requests.

use destrier_xds::{NodeOn, SessionConfig, Variant, Wildcard};
use envoy_types::pb::envoy::config::cluster::v3::cluster::DiscoveryType;

use crate::{
    plane::{BOTH, ID, Plane, config},
    resources::{Response, assignment, cluster, eds, eds_of},
};

#[tokio::test]
async fn c001_the_first_request_is_for_clusters_and_carries_the_node() {
    for variant in BOTH {
        let mut plane = Plane::unread(config(variant)).await;
        let first = plane.requests(1).await.remove(0);
        assert!(first.is_cds());
        assert_eq!(first.node.as_deref(), Some(ID));
        assert_eq!((first.nonce.as_str(), first.version.as_str()), ("", ""));
        assert!(first.initial.is_empty());
        plane.quiet().await;
    }
}

#[tokio::test]
async fn c002_the_node_is_in_no_later_request_unless_wanted() {
    for variant in BOTH {
        for (node_on, times) in [(NodeOn::FirstRequest, 1), (NodeOn::EveryRequest, 3)] {
            let mut plane = Plane::unread(SessionConfig { node_on, ..config(variant) }).await;
            let mut requests = plane.requests(1).await;
            requests.extend(plane.exchange(&Response::cds("1", "n1", [eds("a")]), 2).await);
            assert_eq!(requests.iter().filter(|it| it.node.is_some()).count(), times);
        }
    }
}

#[tokio::test]
async fn c003_a_new_stream_starts_with_the_node_again() {
    for variant in BOTH {
        let mut plane = Plane::open(variant).await;
        plane.exchange(&Response::cds("1", "n1", [eds("a")]), 2).await;
        let requests = plane.reconnect(2).await;
        let with_node: Vec<bool> = requests.iter().map(|it| it.node.is_some()).collect();
        assert_eq!(with_node, [true, false]);
    }
}

#[tokio::test]
async fn c004_delta_asks_for_all_clusters_by_an_empty_list_or_a_star() {
    for (wildcard, names) in [(Wildcard::LegacyEmpty, vec![]), (Wildcard::Star, vec!["*"])] {
        let config = SessionConfig { wildcard, ..config(Variant::Delta) };
        let mut plane = Plane::unread(config).await;
        assert_eq!(plane.requests(1).await[0].names, names);
        plane.quiet().await;
    }
}

#[tokio::test]
async fn c005_state_of_the_world_asks_for_all_clusters_by_an_empty_list() {
    let mut plane = Plane::unread(config(Variant::Sotw)).await;
    let first = plane.requests(1).await.remove(0);
    assert!(first.is_cds() && first.names.is_empty());
}

#[tokio::test]
async fn c006_the_endpoints_of_one_message_are_asked_for_in_one_request() {
    for variant in BOTH {
        let mut plane = Plane::open(variant).await;
        let three = Response::cds("1", "n1", [eds("c"), eds("a"), eds("b")]);
        let requests = plane.exchange(&three, 2).await;
        assert!(requests[1].is_eds());
        assert_eq!(requests[1].names, ["a", "b", "c"]);
        assert!(requests[1].nonce.is_empty() && requests[1].initial.is_empty());
        plane.quiet().await;
    }
}

#[tokio::test]
async fn c007_endpoints_are_asked_for_by_service_name() {
    for variant in BOTH {
        let mut plane = Plane::open(variant).await;
        let named = Response::cds("1", "n1", [eds_of("a", "service-a")]);
        assert_eq!(plane.exchange(&named, 2).await[1].names, ["service-a"]);
    }
}

#[tokio::test]
async fn c008_two_clusters_share_one_subscription() {
    let mut plane = Plane::open(Variant::Delta).await;
    let both = Response::cds("1", "n1", [eds_of("a", "shared"), eds_of("b", "shared")]);
    assert_eq!(plane.exchange(&both, 2).await[1].names, ["shared"]);
    plane.exchange(&Response::eds("1", "n2", [assignment("shared", 1)]), 1).await;
    plane.exchange(&Response::cds("2", "n3", []).removed("a"), 1).await;
    plane.quiet().await;
    let requests = plane.exchange(&Response::cds("3", "n4", []).removed("b"), 2).await;
    assert_eq!(requests[1].unsubscribe, ["shared"]);
}

#[tokio::test]
async fn c009_only_eds_clusters_ask_for_endpoints() {
    for variant in BOTH {
        let mut plane = Plane::open(variant).await;
        let clusters = [
            cluster("static", DiscoveryType::Static),
            cluster("dns", DiscoveryType::StrictDns),
            cluster("logical", DiscoveryType::LogicalDns),
            cluster("original", DiscoveryType::OriginalDst),
        ];
        assert!(plane.exchange(&Response::cds("1", "n1", clusters), 1).await[0].is_ack("n1"));
        plane.quiet().await;
    }
}

#[tokio::test]
async fn c010_no_clusters_are_an_answer_and_ask_for_no_endpoints() {
    for variant in BOTH {
        let mut plane = Plane::open(variant).await;
        assert!(plane.exchange(&Response::cds("1", "n1", []), 1).await[0].is_ack("n1"));
        plane.quiet().await;
    }
}
