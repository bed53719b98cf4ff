//! 6.2: the same bad content again and again.

use std::time::Duration;

use destrier_xds::{TypeUrl, Variant};

use crate::{
    conversation::{BOTH, Conversation},
    request::Request,
    resources::{Response, changed, eds, refused},
};

/// Plays a server that answers each NACK at once with the same snapshot, for some time.
fn answer_each_nack(it: &mut Conversation, response: &Response, time: Duration) -> Vec<Request> {
    let end = it.now() + time;
    let mut nacks = Vec::new();
    let mut fresh = it.exchange(response);
    let mut n = 0;
    while it.now() < end {
        let seen = fresh.iter().filter(|it| it.error.is_some()).count();
        nacks.append(&mut fresh);
        for _ in 0..seen {
            n += 1;
            let again = Response { nonce: format!("again{n}"), ..response.clone() };
            fresh.extend(it.exchange(&again));
        }
        fresh.extend(it.pass(Duration::from_millis(10)));
        assert!(nacks.len() < 1000, "a hot loop");
    }
    nacks
}

#[test]
fn c028_the_same_fault_again_is_refused_again_but_not_told_again() {
    for variant in BOTH {
        let mut it = Conversation::open(variant);
        it.exchange(&Response::cds("v1", "n1", [refused(eds("a"))]));
        assert!(it.exchange(&Response::cds("v1", "n2", [refused(eds("a"))])).is_empty());
        let requests = it.pass(Duration::from_secs(6));
        assert_eq!(requests.len(), 1);
        assert_eq!(requests[0].nonce, "n2");
        assert_eq!(requests[0].error_text(), "1 of 1 rejected: a: alt_stat_name: refused");
        assert_eq!(it.store.updates.len(), 1, "the handler judged it once");
        assert_eq!(it.status(&TypeUrl::CLUSTER).update_rejected, 2);
    }
}

#[test]
fn c029_a_server_that_answers_each_nack_at_once_is_slowed_down() {
    for variant in BOTH {
        let mut it = Conversation::open(variant);
        let bad = Response::cds("v1", "n1", [refused(eds("a"))]);
        let nacks = answer_each_nack(&mut it, &bad, Duration::from_secs(60));
        let at: Vec<Duration> = nacks.iter().filter_map(|it| it.at).collect();
        let first_second = at.iter().filter(|at| **at < Duration::from_secs(1)).count();
        assert!(first_second <= 2, "{at:?}");
        for pair in at[1..].windows(2) {
            let distance = pair[1] - pair[0];
            assert!(distance >= Duration::from_secs(5), "{at:?}");
            assert!(distance <= Duration::from_secs(10), "{at:?}");
        }
        assert!(at.len() > 8, "{at:?}");
        assert!(it.store.updates.len() <= 2, "judged again once a minute at most");
    }
}

#[test]
fn a_shuffled_snapshot_is_the_same_snapshot() {
    let mut it = Conversation::open(Variant::Sotw);
    it.exchange(&Response::cds("v1", "n1", [eds("a"), refused(eds("b"))]));
    let requests = it.exchange(&Response::cds("v1", "n2", [refused(eds("b")), eds("a")]));
    assert!(requests.iter().all(|it| it.error.is_none()), "{requests:?}");
}

#[test]
fn a_newer_response_takes_the_place_of_a_nack_that_waits() {
    for variant in BOTH {
        let mut it = Conversation::open(variant);
        it.exchange(&Response::cds("v1", "n1", [refused(eds("a"))]));
        it.exchange(&Response::cds("v1", "n2", [refused(eds("a"))]));
        let requests = it.exchange(&Response::cds("v2", "n3", [eds("a")]));
        assert!(requests[0].is_ack("n3"));
        let later = it.pass(Duration::from_secs(30));
        assert!(later.iter().all(|it| it.nonce != "n2"), "{later:?}");
    }
}

#[test]
fn a_fault_that_returns_after_other_content_is_judged_again() {
    // Otherwise the good part of the old content would not come back into force.
    let mut it = Conversation::open(Variant::Sotw);
    it.exchange(&Response::cds("v1", "n1", [eds("a"), refused(eds("b"))]));
    it.exchange(&Response::cds("v2", "n2", [changed(eds("a"), 2)]));
    it.exchange(&Response::cds("v1", "n3", [eds("a"), refused(eds("b"))]));
    assert_eq!(it.store.clusters["a"], eds("a"));
}

#[test]
fn v09_bad_content_that_differs_each_time_is_slowed_down_as_well() {
    let mut it = Conversation::open(Variant::Sotw);
    let mut n = 0;
    let mut nacks = 0;
    let mut fresh = it.exchange(&Response::cds("v", "n", [refused(eds("a"))]));
    while it.now() < Duration::from_secs(10) {
        for _ in std::mem::take(&mut fresh) {
            n += 1;
            nacks += 1;
            let other = refused(changed(eds("a"), n));
            fresh.extend(it.exchange(&Response::cds("v", &format!("n{n}"), [other])));
        }
        if fresh.is_empty() {
            fresh = it.pass(Duration::from_millis(1));
        }
        assert!(nacks < 1000, "a hot loop");
    }
    assert!((10..=110).contains(&nacks), "{nacks}");
}
