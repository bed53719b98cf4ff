//! 6.4: reconnect.

use std::{collections::BTreeMap, time::Duration};

use destrier_xds::{SessionConfig, StreamError, TypeUrl, Unmentioned, Variant};

use crate::{
    conversation::{BOTH, Conversation, config},
    resources::{Response, assignment, changed, eds, refused},
};

/// A stream on which "a" and "b" are held, with their endpoints, under these versions.
fn synced(config: SessionConfig, versions: &str) -> Conversation {
    let mut it = Conversation::new(config);
    it.connect();
    it.requests();
    it.exchange(&Response::cds("v1", "c1", [eds("a"), eds("b")]).versions(versions));
    let both = Response::eds("v1", "e1", [assignment("a", 1), assignment("b", 1)]);
    it.exchange(&both.versions(versions));
    it
}

fn held(versions: &str) -> BTreeMap<String, String> {
    ["a", "b"].map(|name| (name.to_owned(), versions.to_owned())).into()
}

#[test]
fn c070_a_new_delta_stream_says_what_is_held() {
    for versions in ["", "7"] {
        let mut it = synced(config(Variant::Delta), versions);
        let requests = it.reconnect();
        assert_eq!(requests.len(), 2);
        let (cds, eds) = (&requests[0], &requests[1]);
        assert!(cds.is_cds() && cds.names.is_empty() && cds.nonce.is_empty());
        assert_eq!(cds.initial, held(versions), "also when the versions are empty");
        assert!(eds.is_eds() && eds.nonce.is_empty());
        assert_eq!(eds.names, ["a", "b"]);
        assert_eq!(eds.initial, held(versions));
    }
}

#[test]
fn c071_what_vanished_meanwhile_is_removed() {
    let mut it = synced(config(Variant::Delta), "");
    it.reconnect();
    let requests = it.exchange(&Response::cds("v2", "c1", []).removed("b"));
    assert!(requests[0].is_ack("c1"));
    assert_eq!(it.store.names(), ["a"]);
    let later = it.pass(Duration::from_millis(5));
    assert_eq!(later[0].unsubscribe, ["b"], "and its endpoints are no longer asked for");
}

#[test]
fn c072_what_the_first_answer_does_not_mention_stays_unless_swept() {
    for (unmentioned, names) in
        [(Unmentioned::Keep, vec!["a", "b"]), (Unmentioned::Sweep, vec!["a"])]
    {
        let config = SessionConfig { unmentioned, ..config(Variant::Delta) };
        let mut it = synced(config, "");
        it.reconnect();
        it.exchange(&Response::cds("v2", "c1", [eds("a")]));
        assert_eq!(it.store.names(), names);
        it.exchange(&Response::cds("v3", "c2", [eds("c")]));
        assert!(it.store.names().contains(&"a"), "later answers are incremental");
    }
}

#[test]
fn c073_a_new_stream_names_the_last_accepted_version() {
    let mut it = synced(config(Variant::Sotw), "");
    it.exchange(&Response::cds("v2", "c2", [refused(eds("a")), eds("b")]));
    let requests = it.reconnect();
    assert_eq!(requests.len(), 2);
    assert!(requests[0].node.is_some());
    for request in &requests {
        assert_eq!((request.version.as_str(), request.nonce.as_str()), ("v1", ""));
    }
    assert_eq!(requests[1].names, ["a", "b"]);
}

#[test]
fn c074_a_good_answer_on_a_new_stream_is_acknowledged_as_ever() {
    let mut it = synced(config(Variant::Sotw), "");
    it.exchange(&Response::cds("v2", "c2", [refused(eds("a")), eds("b")]));
    it.reconnect();
    let requests = it.exchange(&Response::cds("v3", "c1", [changed(eds("a"), 3), eds("b")]));
    assert!(requests[0].is_ack("c1"));
    assert_eq!(requests[0].version, "v3");
    assert_eq!(it.store.clusters["a"], changed(eds("a"), 3));
}

#[test]
fn c075_a_refused_version_is_never_said_to_be_held() {
    let mut it = synced(config(Variant::Delta), "7");
    it.exchange(&Response::cds("v2", "c2", [refused(eds("a")), refused(eds("x"))]).versions("8"));
    let requests = it.reconnect();
    assert_eq!(requests[0].initial, held("7"));
}

#[test]
fn c076_a_request_that_would_be_too_long_does_without_versions_and_sweeps() {
    let config = SessionConfig { max_request_bytes: 150, ..config(Variant::Delta) };
    let mut it = synced(config, &"long".repeat(20));
    let requests = it.reconnect();
    assert!(requests[0].initial.is_empty() && requests[1].initial.is_empty());
    assert_eq!(requests[1].names, ["a", "b"]);
    let requests = it.exchange(&Response::cds("v2", "c1", [eds("a")]));
    assert!(requests[0].is_ack("c1"));
    assert_eq!(it.store.names(), ["a"]);
    it.exchange(&Response::eds("v2", "e1", []));
    assert!(it.store.assignments.contains_key("a"), "only a wildcard has a full answer");
}

#[test]
fn c077_endpoints_that_come_unasked_after_a_reconnect_are_taken() {
    let mut it = synced(config(Variant::Delta), "");
    it.reconnect();
    it.exchange(&Response::cds("v2", "c1", [eds("a"), eds("b")]));
    let forced = Response::eds("v2", "e1", [assignment("a", 2), assignment("b", 1)]);
    let requests = it.exchange(&forced);
    assert!(requests.len() == 1 && requests[0].is_ack("e1"), "{requests:?}");
    assert_eq!(it.store.assignments["a"], assignment("a", 2));
}

#[test]
fn c078_ten_minutes_without_a_server_change_nothing_that_is_held() {
    for variant in BOTH {
        let mut it = synced(config(variant), "");
        it.exchange(&Response::cds("v2", "c2", [eds("a"), eds("b"), eds("never-answered")]));
        let before = it.store.updates.len();
        it.close(StreamError::Ended);
        assert!(it.pass(Duration::from_secs(600)).is_empty());
        assert!(it.events.is_empty(), "no timer of a name runs: {:?}", it.events);
        assert_eq!(it.store.updates.len(), before);
        let status = it.session.status();
        assert!(!status.connected && status.connected_changed.is_some(), "the age can be shown");
        assert_eq!(it.status(&TypeUrl::CLUSTER).held, 3);
    }
}

#[test]
fn c079_a_break_between_clusters_and_endpoints_is_made_up_for() {
    for variant in BOTH {
        let mut it = Conversation::open(variant);
        it.exchange(&Response::cds("v1", "c1", [eds("a")]));
        let requests = it.reconnect();
        assert!(requests[0].is_cds(), "CDS is asked for while the cluster still warms");
        assert!(requests[1].is_eds());
        assert_eq!(requests[1].names, ["a"]);
        it.exchange(&Response::cds("v1", "c1", [eds("a")]));
        it.exchange(&Response::eds("v1", "e1", [assignment("a", 1)]));
        assert_eq!(it.store.assignments.len(), 1);
    }
}

#[test]
fn c080_attempts_at_a_dead_server_back_off() {
    for seed in 0..20 {
        let mut it = Conversation::seeded(config(Variant::Delta), seed);
        it.pass(Duration::from_secs(600));
        let waits: Vec<Duration> = it.attempts.windows(2).map(|pair| pair[1] - pair[0]).collect();
        for (n, wait) in waits.iter().enumerate() {
            let bound = Duration::from_millis(500 << n.min(6)).min(Duration::from_secs(30));
            assert!(*wait <= bound, "attempt {n}: {wait:?} of at most {bound:?}");
        }
        assert!(it.attempts.len() >= 600 / 30, "{}", it.attempts.len());
        let first_ten = it.attempts.iter().filter(|at| at.as_secs() < 10).count();
        assert!(first_ten <= 15, "a burst: {:?}", it.attempts);
    }
}

#[test]
fn c081_a_server_that_answers_once_and_closes_gets_one_quick_reconnect() {
    for variant in BOTH {
        let mut longest = Duration::ZERO;
        for seed in 0..20 {
            let mut it = Conversation::seeded(config(variant), seed);
            let mut waits = Vec::new();
            it.connect();
            for n in 0..8 {
                it.requests();
                it.exchange(&Response::cds("v1", &format!("n{n}"), [eds("a")]));
                it.close(StreamError::Ended);
                let before = it.now();
                it.connect();
                waits.push(it.now() - before);
            }
            assert!(waits[0] <= Duration::from_secs(1), "{waits:?}");
            longest = longest.max(waits.into_iter().max().expect("eight waits"));
        }
        assert!(longest > Duration::from_secs(4), "no backoff: {longest:?}");
    }
}

#[test]
fn c080_a_stream_that_lasted_resets_the_backoff() {
    for seed in 0..20 {
        let mut it = Conversation::seeded(config(Variant::Delta), seed);
        it.pass(Duration::from_secs(600));
        it.connect();
        it.requests();
        it.exchange(&Response::cds("v1", "n1", [eds("a")]));
        it.pass(Duration::from_secs(11));
        it.attempts.clear();
        it.close(StreamError::Ended);
        let closed = it.now();
        it.pass(Duration::from_secs(60));
        assert!(it.attempts[0] - closed <= Duration::from_secs(1), "the quick one");
        let first = it.attempts[1] - it.attempts[0];
        assert!(first <= Duration::from_millis(500), "as after the first failure: {first:?}");
    }
}

#[test]
fn c082_a_stream_that_lived_long_is_followed_within_a_second() {
    for variant in BOTH {
        let mut it = synced(config(variant), "");
        for _ in 0..5 {
            it.pass(Duration::from_secs(1800));
            it.close(StreamError::Status { code: tonic::Code::Unavailable, message: "age".into() });
            let before = it.now();
            it.connect();
            assert!(it.now() - before <= Duration::from_secs(1));
            it.requests();
            it.exchange(&Response::cds("v1", "n", [eds("a"), eds("b")]));
        }
    }
}

/// Whatever the server says to end a stream: it is tried again, and nothing that is held changes.
fn ended_with(code: tonic::Code) {
    for variant in BOTH {
        let mut it = synced(config(variant), "");
        it.pass(Duration::from_secs(60));
        for attempt in 0..4 {
            it.close(StreamError::Status { code, message: "says why".into() });
            let before = it.now();
            it.connect();
            assert!(it.now() - before <= Duration::from_secs(30), "attempt {attempt}");
            it.requests();
        }
        let status = it.session.status();
        assert_eq!(status.last_error.as_deref(), Some(&*format!("status {code:?}: says why")));
        assert_eq!(it.store.names(), ["a", "b"]);
        it.exchange(&Response::cds("v2", "c1", [eds("a"), eds("b")]));
        assert_eq!(it.session.status().last_error, None);
    }
}

#[test]
fn c084_a_server_that_is_overloaded_is_tried_again() {
    ended_with(tonic::Code::ResourceExhausted);
}

#[test]
fn c085_a_server_that_refuses_the_node_is_tried_again() {
    ended_with(tonic::Code::InvalidArgument);
}

#[test]
fn c088_a_fleet_comes_back_spread_out() {
    let mut times: Vec<Duration> = (0..100)
        .map(|seed| {
            let mut it = Conversation::seeded(config(Variant::Delta), seed);
            it.connect();
            it.requests();
            it.exchange(&Response::cds("v1", "n1", [eds("a")]));
            it.pass(Duration::from_secs(100));
            it.close(StreamError::Ended);
            it.connect();
            it.now()
        })
        .collect();
    times.sort_unstable();
    assert!(times[99] - times[0] > Duration::from_millis(900), "{:?}", times[99] - times[0]);
    let crowd = times.windows(30).map(|some| some[29] - some[0]).min().expect("windows");
    assert!(crowd > Duration::from_millis(100), "30 within {crowd:?}");
}

#[test]
fn c087_a_new_stream_that_repeats_everything_changes_nothing() {
    for variant in BOTH {
        let mut it = synced(config(variant), "");
        it.reconnect();
        let requests = it.exchange(&Response::cds("v1", "c1", [eds("a"), eds("b")]));
        assert!(requests.len() == 1 && requests[0].is_ack("c1"));
        assert!(it.store.updates.last().expect("an update").is_noop());
    }
}

#[test]
fn c089_a_refused_cluster_does_not_keep_clusters_from_being_asked_for() {
    for variant in BOTH {
        let mut it = synced(config(variant), "");
        it.exchange(&Response::cds("v2", "c2", [eds("a"), eds("b"), refused(eds("c"))]));
        it.close(StreamError::Status { code: tonic::Code::Unavailable, message: "goaway".into() });
        it.connect();
        let requests = it.requests();
        assert!(requests[0].is_cds(), "before EDS");
        if variant == Variant::Delta {
            assert_eq!(requests[0].initial, held(""));
        }
    }
}

#[test]
fn a_verdict_that_comes_after_the_stream_is_kept_but_not_sent() {
    let mut it = Conversation::open(Variant::Delta);
    let (update, ticket) = it.receive(&Response::cds("v1", "old", [eds("a")])).expect("an update");
    it.close(StreamError::Ended);
    it.connect();
    it.requests();
    it.judge(update, ticket);
    let requests = it.requests();
    assert!(requests.iter().all(|it| it.nonce != "old"), "{requests:?}");
    assert_eq!(it.status(&TypeUrl::CLUSTER).held, 1);
}

#[test]
fn an_answer_that_was_not_sent_dies_with_its_stream() {
    for variant in BOTH {
        let mut it = Conversation::open(variant);
        it.respond(&Response::cds("v1", "old", [eds("a")]));
        let requests = it.reconnect();
        assert!(requests.iter().all(|it| it.nonce.is_empty()), "{requests:?}");
    }
}

#[test]
fn c214_connected_follows_answers_not_streams() {
    for variant in [Variant::Delta, Variant::Sotw] {
        let mut it = Conversation::new(config(variant));
        let health =
            |it: &Conversation| (it.session.status().healthy, it.session.status().server_failures);
        assert_eq!(health(&it), (true, 0));
        it.connect();
        it.requests();
        it.close(StreamError::Ended);
        assert_eq!(health(&it), (false, 1), "it never answered");
        it.connect();
        it.requests();
        assert_eq!(health(&it), (false, 1), "a stream is no answer");
        it.exchange(&Response::cds("v1", "c1", [eds("a")]));
        assert_eq!(health(&it), (true, 1));
        it.close(StreamError::Ended);
        assert_eq!(health(&it), (true, 1), "it had answered");
        it.connect_attempt();
        it.close(StreamError::Connect("refused".into()));
        assert_eq!(health(&it), (false, 2));
    }
}
