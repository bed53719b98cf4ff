//! 6.3: removal.

use std::time::Duration;

use destrier_xds::{TypeUrl, Variant};

use crate::{
    conversation::{BOTH, Conversation},
    resources::{Response, assignment, changed, eds},
};

/// A stream on which "a" and "b" are held, with their endpoints.
fn with_two(variant: Variant) -> Conversation {
    let mut it = Conversation::open(variant);
    it.exchange(&Response::cds("v1", "c1", [eds("a"), eds("b")]));
    it.exchange(&Response::eds("v1", "e1", [assignment("a", 1), assignment("b", 1)]));
    it.pass(Duration::from_secs(1));
    it
}

#[test]
fn c050_what_the_full_list_leaves_out_is_removed() {
    let mut it = with_two(Variant::Sotw);
    let requests = it.exchange(&Response::cds("v2", "c2", [eds("a")]));
    assert!(requests[0].is_ack("c2"));
    assert_eq!(it.store.updates.last().expect("an update").removed, ["b"]);
    assert_eq!(it.store.names(), ["a"]);
    assert!(requests[1].is_eds());
    assert_eq!(requests[1].names, ["a"]);
}

#[test]
fn c051_removed_resources_are_removed() {
    let mut it = with_two(Variant::Delta);
    let requests = it.exchange(&Response::cds("v2", "c2", []).removed("b"));
    assert!(requests[0].is_ack("c2"));
    assert_eq!(it.store.names(), ["a"]);
    assert_eq!((&requests[1].unsubscribe[..], requests[1].names.len()), (&["b".into()][..], 0));
    assert!(it.pass(Duration::from_secs(60)).is_empty(), "no answer is waited for");
}

#[test]
fn c054_an_assignment_that_is_left_out_stays() {
    let mut it = with_two(Variant::Sotw);
    it.exchange(&Response::eds("v2", "e2", [assignment("a", 2)]));
    assert!(it.store.updates.last().expect("an update").removed.is_empty());
    assert_eq!(it.store.assignments.len(), 2);
    assert_eq!(it.status(&TypeUrl::ENDPOINTS).held, 2);
}

#[test]
fn c055_a_response_without_assignments_is_acknowledged_and_changes_nothing() {
    for variant in BOTH {
        let mut it = with_two(variant);
        let requests = it.exchange(&Response::eds("v2", "e2", []));
        assert_eq!(requests.len(), 1);
        assert!(requests[0].is_ack("e2"));
        assert!(it.store.updates.last().expect("an update").is_noop());
    }
}

#[test]
fn c056_the_removal_of_an_assignment_is_reported_and_ends_the_wait() {
    let mut it = Conversation::open(Variant::Delta);
    it.exchange(&Response::cds("v1", "c1", [eds("a")]));
    // go-control-plane says so of a name that it does not know.
    let requests = it.exchange(&Response::eds("v1", "e1", []).removed("a"));
    assert!(requests[0].is_ack("e1"));
    assert_eq!(it.store.updates.last().expect("an update").removed, ["a"]);
    it.pass(Duration::from_secs(60));
    assert!(it.events.is_empty(), "answered, so not missing: {:?}", it.events);
}

#[test]
fn c057_an_assignment_without_endpoints_is_a_change_like_any_other() {
    for variant in BOTH {
        let mut it = with_two(variant);
        it.exchange(&Response::eds("v2", "e2", [assignment("a", 0)]));
        assert_eq!(it.store.assignments["a"], assignment("a", 0));
    }
}

#[test]
fn c058_an_empty_list_removes_everything() {
    let mut it = with_two(Variant::Sotw);
    let requests = it.exchange(&Response::cds("v2", "c2", []));
    assert!(requests[0].is_ack("c2"));
    assert!(it.store.clusters.is_empty());
    assert_eq!(it.status(&TypeUrl::CLUSTER).held, 0);
}

#[test]
fn c060_the_removal_of_an_unknown_name_is_ignored() {
    let mut it = with_two(Variant::Delta);
    let requests = it.exchange(&Response::cds("v2", "c2", []).removed("stranger"));
    assert_eq!(requests.len(), 1);
    assert!(requests[0].is_ack("c2"));
    assert!(it.store.updates.last().expect("an update").is_noop());
}

#[test]
fn c061_a_name_both_given_and_removed_is_refused_alone() {
    let mut it = with_two(Variant::Delta);
    let both = Response::cds("v2", "c2", [changed(eds("a"), 2), changed(eds("b"), 2)]).removed("b");
    let requests = it.exchange(&both);
    assert!(requests[0].error_text().starts_with("1 of 2 rejected: b: "), "{requests:?}");
    assert_eq!(it.store.clusters["a"], changed(eds("a"), 2));
    assert_eq!(it.store.clusters["b"], eds("b"), "neither changed nor removed");
}

#[test]
fn c062_a_name_given_twice_is_refused_alone() {
    for variant in BOTH {
        let mut it = with_two(variant);
        let twice = [changed(eds("b"), 2), changed(eds("a"), 2), changed(eds("b"), 3)];
        let requests = it.exchange(&Response::cds("v2", "c2", twice));
        assert!(requests[0].error_text().starts_with("1 of 3 rejected: b: "), "{requests:?}");
        assert_eq!(it.store.clusters["a"], changed(eds("a"), 2));
        assert_eq!(it.store.clusters["b"], eds("b"));
    }
}

#[test]
fn c066_an_assignment_for_a_removed_cluster_is_ignored() {
    for variant in BOTH {
        let mut it = with_two(variant);
        it.exchange(&Response::cds("v2", "c2", [eds("a")]).removed("b"));
        let requests = it.exchange(&Response::eds("v2", "e2", [assignment("b", 9)]));
        assert_eq!(requests.len(), 1);
        assert!(requests[0].is_ack("e2"));
        assert!(!it.store.assignments.contains_key("b"));
    }
}

#[test]
fn while_one_name_is_unreadable_no_absence_counts_as_removal() {
    let mut it = with_two(Variant::Sotw);
    let unreadable = Response::cds("v2", "c2", [changed(eds("a"), 2), eds("b")]).with(1, |it| {
        it.resource.as_mut().expect("a payload").value = vec![0x0a, 0x7f];
    });
    let requests = it.exchange(&unreadable);
    assert!(requests[0].error.is_some());
    assert_eq!(it.store.names(), ["a", "b"], "the unreadable one may be b");
    it.exchange(&Response::cds("v3", "c3", [changed(eds("a"), 2)]));
    assert_eq!(it.store.names(), ["a"]);
}

#[test]
fn c120_flapping_leaves_no_trace() {
    for variant in BOTH {
        let mut it = with_two(variant);
        for i in 0..600 {
            let [on, off] = [format!("on{i}"), format!("off{i}")];
            it.exchange(&Response::cds("x", &on, [eds("a"), eds("b"), eds("c")]));
            it.exchange(&Response::eds("x", &on, [assignment("c", 1)]));
            it.pass(Duration::from_millis(50));
            it.exchange(&Response::cds("y", &off, [eds("a"), eds("b")]).removed("c"));
            it.pass(Duration::from_millis(50));
        }
        assert_eq!(it.status(&TypeUrl::CLUSTER).held, 2);
        let endpoints = it.status(&TypeUrl::ENDPOINTS);
        assert_eq!((endpoints.held, endpoints.wanted), (2, 2));
        assert_eq!(it.session.poll_timeout(), None, "nothing is waited for");
    }
}

#[test]
fn c123_a_verdict_that_is_late_holds_up_its_own_message_only() {
    for variant in BOTH {
        let mut it = with_two(variant);
        let slow = Response::cds("v2", "c2", [changed(eds("a"), 2), eds("b")]);
        let (update, ticket) = it.receive(&slow).expect("an update");
        it.pass(Duration::from_secs(1));
        let requests = it.exchange(&Response::eds("v2", "e2", [assignment("a", 2)]));
        assert!(requests.len() == 1 && requests[0].is_ack("e2"), "{requests:?}");
        it.judge(update, ticket);
        assert!(it.requests()[0].is_ack("c2"));
        assert_eq!(it.store.clusters["a"], changed(eds("a"), 2));
    }
}
