//! 6.4: reconnect.

use std::collections::BTreeMap;

use destrier_mock_xds::{Behaviour, Changes, Purpose, Recorded, Script, StreamId};
use destrier_xds::{StreamError, TypeUrl, Variant};
use tonic::Status;

use crate::{
    plane::{BOTH, Plane, SOON, config, driver_config, local, silent},
    resources::{Response, assignment, changed, eds, refused},
};

/// A stream on which "a" and "b" are held, with their endpoints, under these versions.
async fn synced(variant: Variant, versions: &str) -> Plane {
    let mut plane = Plane::open(variant).await;
    let clusters = Response::cds("v1", "c1", [eds("a"), eds("b")]);
    plane.exchange(&clusters.versions(versions), 2).await;
    let both = Response::eds("v1", "e1", [assignment("a", 1), assignment("b", 1)]);
    plane.exchange(&both.versions(versions), 1).await;
    plane
}

fn held(versions: &str) -> BTreeMap<String, String> {
    ["a", "b"].map(|name| (name.to_owned(), versions.to_owned())).into()
}

/// A server with "a" and "b" and their endpoints, that behaves like a real one.
async fn serving(behaviour: Behaviour, variant: Variant) -> Plane {
    let mock = local(behaviour).await;
    mock.apply(["a", "b"].iter().fold(Changes::new(), |changes, name| {
        changes.cluster(&eds(name)).endpoints(&assignment(name, 1))
    }));
    let driver = driver_config(&mock);
    let plane = Plane::start(mock, driver, config(variant));
    plane.until("all endpoints", |it| it.assignments.len() == 2).await;
    plane
}

#[tokio::test]
async fn c070_a_new_delta_stream_says_what_is_held() {
    for versions in ["", "7"] {
        let mut plane = synced(Variant::Delta, versions).await;
        let requests = plane.reconnect(2).await;
        let (cds, eds) = (&requests[0], &requests[1]);
        assert!(cds.is_cds() && cds.names.is_empty() && cds.nonce.is_empty());
        assert_eq!(cds.initial, held(versions));
        assert!(eds.is_eds() && eds.nonce.is_empty());
        assert_eq!(
            (&eds.names[..], &eds.initial),
            (&["a".into(), "b".into()][..], &held(versions))
        );
    }
}

#[tokio::test]
async fn c071_what_vanished_meanwhile_is_removed() {
    for behaviour in [Behaviour::istiod(), Behaviour::go_control_plane()] {
        for variant in BOTH {
            let plane = serving(behaviour, variant).await;
            plane.mock.stop().await;
            plane.mock.apply(Changes::new().remove_cluster("b"));
            plane.until_error("the break", |_| true).await;
            assert_eq!(plane.clusters(), ["a", "b"], "the loss of the server removes nothing");
            plane.mock.restart().await.expect("the port is still ours");
            plane.until("b gone", |it| it.names() == ["a"]).await;
        }
    }
}

#[tokio::test]
async fn c073_a_new_stream_names_the_last_accepted_version() {
    let mut plane = synced(Variant::Sotw, "").await;
    plane.exchange(&Response::cds("v2", "c2", [refused(eds("a")), eds("b")]), 1).await;
    let requests = plane.reconnect(2).await;
    for request in &requests {
        assert_eq!((request.version.as_str(), request.nonce.as_str()), ("v1", ""));
    }
    assert!(requests[0].node.is_some());
    assert_eq!(requests[1].names, ["a", "b"]);
}

#[tokio::test]
async fn c074_a_good_answer_on_a_new_stream_is_acknowledged_as_ever() {
    let mut plane = synced(Variant::Sotw, "").await;
    plane.exchange(&Response::cds("v2", "c2", [refused(eds("a")), eds("b")]), 1).await;
    plane.reconnect(2).await;
    let good = Response::cds("v3", "c1", [changed(eds("a"), 3), eds("b")]);
    let ack = plane.exchange(&good, 1).await.remove(0);
    assert!(ack.is_ack("c1"));
    assert_eq!(ack.version, "v3");
}

#[tokio::test]
async fn c075_a_refused_version_is_never_said_to_be_held() {
    let mut plane = synced(Variant::Delta, "7").await;
    let bad = Response::cds("v2", "c2", [refused(eds("a")), refused(eds("x"))]).versions("8");
    plane.exchange(&bad, 1).await;
    assert_eq!(plane.reconnect(2).await[0].initial, held("7"));
}

#[tokio::test]
async fn c077_endpoints_that_come_unasked_after_a_reconnect_are_taken() {
    // The mock pushes them as istiod does.
    let plane = serving(Behaviour::istiod(), Variant::Delta).await;
    plane.mock.close_streams(Status::unavailable("age"));
    let eds = TypeUrl::ENDPOINTS;
    let ack = |it: &Recorded| it.stream == StreamId(2) && it.is(eds.as_str(), Purpose::Ack);
    let acked = plane.mock.wait_for_request("an ACK on the second stream", SOON, ack).await;
    acked.unwrap_or_else(|error| panic!("{error}"));
    let nacked = plane.mock.requests().iter().any(|it| it.request.error().is_some());
    assert!(!nacked);
}

#[tokio::test]
async fn c080_attempts_at_a_dead_server_go_on_until_it_is_back() {
    for variant in BOTH {
        let plane = serving(Behaviour::istiod(), variant).await;
        plane.mock.stop().await;
        let refused = |error: &StreamError| matches!(error, StreamError::Connect(_));
        plane.until_error("a refused connection", refused).await;
        let before = plane.status.load().disconnects;
        plane.wait("more attempts", || plane.status.load().disconnects > before + 5).await;
        assert_eq!(plane.clusters(), ["a", "b"]);
        plane.mock.apply(Changes::new().cluster(&eds("c")));
        plane.mock.restart().await.expect("the port is still ours");
        plane.until("c", |it| it.clusters.contains_key("c")).await;
    }
}

#[tokio::test]
async fn c081_a_server_that_answers_once_and_closes_is_tried_again() {
    let mock = local(Behaviour::istiod()).await;
    mock.apply(Changes::new().cluster(&eds("a")).endpoints(&assignment("a", 1)));
    mock.set_script(Script::new().close_after(1, Status::unavailable("no more")));
    let driver = driver_config(&mock);
    let plane = Plane::start(mock, driver, config(Variant::Delta));
    plane.wait("several streams", || plane.mock.streams_opened() >= 4).await;
    plane.mock.set_script(Script::new());
    plane.until("all that is served", |it| it.assignments.len() == 1).await;
}

#[tokio::test]
async fn c089_a_refused_cluster_does_not_keep_clusters_from_being_asked_for() {
    for variant in BOTH {
        let mut plane = synced(variant, "").await;
        let bad = Response::cds("v2", "c2", [eds("a"), eds("b"), refused(eds("c"))]);
        plane.exchange(&bad, 1).await;
        plane.mock.drop_connections();
        let requests = plane.requests(2).await;
        assert!(requests[0].is_cds() && requests[1].is_eds());
        if variant == Variant::Delta {
            assert_eq!(requests[0].initial, held(""));
        }
    }
}

#[tokio::test]
async fn v28_a_message_that_is_none_ends_the_stream_and_the_next_one_works() {
    for variant in BOTH {
        let mut plane = synced(variant, "").await;
        plane.mock.send_bytes(&b"\x12\x7f\x01"[..]);
        let malformed = |error: &StreamError| matches!(error, StreamError::Malformed(_));
        plane.until_error("a malformed message", malformed).await;
        assert!(plane.requests(2).await[0].is_cds());
        assert_eq!(plane.clusters(), ["a", "b"]);
        plane.mock.set_script(silent());
    }
}
