//! 6.3: removal.

use destrier_xds::Variant;

use crate::{
    plane::{BOTH, Plane},
    resources::{Response, assignment, changed, eds},
};

/// A stream on which "a" and "b" are held, with their endpoints.
async fn with_two(variant: Variant) -> Plane {
    let mut plane = Plane::open(variant).await;
    plane.exchange(&Response::cds("v1", "c1", [eds("a"), eds("b")]), 2).await;
    let both = Response::eds("v1", "e1", [assignment("a", 1), assignment("b", 1)]);
    plane.exchange(&both, 1).await;
    plane
}

#[tokio::test]
async fn c050_what_the_full_list_leaves_out_is_removed() {
    let mut plane = with_two(Variant::Sotw).await;
    let requests = plane.exchange(&Response::cds("v2", "c2", [eds("a")]), 2).await;
    assert!(requests[0].is_ack("c2"));
    assert_eq!(requests[1].names, ["a"]);
    assert_eq!(plane.clusters(), ["a"]);
}

#[tokio::test]
async fn c051_removed_resources_are_removed() {
    let mut plane = with_two(Variant::Delta).await;
    let requests = plane.exchange(&Response::cds("v2", "c2", []).removed("b"), 2).await;
    assert!(requests[0].is_ack("c2"));
    assert_eq!((&requests[1].unsubscribe[..], requests[1].names.len()), (&["b".into()][..], 0));
    assert_eq!(plane.clusters(), ["a"]);
}

#[tokio::test]
async fn c055_a_response_without_assignments_is_acknowledged() {
    for variant in BOTH {
        let mut plane = with_two(variant).await;
        assert!(plane.exchange(&Response::eds("v2", "e2", []), 1).await[0].is_ack("e2"));
        plane.quiet().await;
    }
}

#[tokio::test]
async fn c060_the_removal_of_an_unknown_name_is_ignored() {
    let mut plane = with_two(Variant::Delta).await;
    let unknown = Response::cds("v2", "c2", []).removed("stranger");
    assert!(plane.exchange(&unknown, 1).await[0].is_ack("c2"));
    plane.quiet().await;
}

#[tokio::test]
async fn c061_a_name_both_given_and_removed_is_refused_alone() {
    let mut plane = with_two(Variant::Delta).await;
    let both = Response::cds("v2", "c2", [changed(eds("a"), 2), changed(eds("b"), 2)]).removed("b");
    let requests = plane.exchange(&both, 1).await;
    assert!(requests[0].error_text().starts_with("1 of 2 rejected: b: "), "{requests:?}");
    plane.until("the rest", |it| it.clusters["a"] == changed(eds("a"), 2)).await;
    plane.until("the last good one", |it| it.clusters["b"] == eds("b")).await;
}

#[tokio::test]
async fn c062_a_name_given_twice_is_refused_alone() {
    for variant in BOTH {
        let mut plane = with_two(variant).await;
        let twice = [changed(eds("b"), 2), changed(eds("a"), 2), changed(eds("b"), 3)];
        let requests = plane.exchange(&Response::cds("v2", "c2", twice), 1).await;
        assert!(requests[0].error_text().starts_with("1 of 3 rejected: b: "), "{requests:?}");
        plane.until("the rest", |it| it.clusters["a"] == changed(eds("a"), 2)).await;
        plane.until("the last good one", |it| it.clusters["b"] == eds("b")).await;
    }
}

#[tokio::test]
async fn c066_an_assignment_for_a_removed_cluster_is_ignored() {
    for variant in BOTH {
        let mut plane = with_two(variant).await;
        let without = match variant {
            Variant::Delta => Response::cds("v2", "c2", []).removed("b"),
            Variant::Sotw => Response::cds("v2", "c2", [eds("a")]),
        };
        plane.exchange(&without, 2).await;
        let late = Response::eds("v2", "e2", [assignment("b", 9)]);
        assert!(plane.exchange(&late, 1).await[0].is_ack("e2"));
        plane.quiet().await;
    }
}
