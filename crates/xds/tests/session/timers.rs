//! 6.7: names that do not exist, and times to live.

use std::time::Duration;

use destrier_xds::{Event, StreamError, TypeUrl, Variant};

use crate::{
    conversation::{BOTH, Conversation},
    resources::{Response, assignment, eds},
};

fn with_ttl(mut response: Response, seconds: i64) -> Response {
    let ttl = Some(envoy_types::pb::google::protobuf::Duration { seconds, nanos: 0 });
    response.resources.iter_mut().for_each(|it| it.ttl = ttl);
    response
}

/// Takes the payload away.
fn heartbeat(mut response: Response) -> Response {
    response.resources.iter_mut().for_each(|it| it.resource = None);
    response
}

#[test]
fn c180_a_name_without_an_answer_does_not_exist_after_15_s() {
    for variant in BOTH {
        let mut it = Conversation::open(variant);
        it.exchange(&Response::cds("v1", "c1", [eds("a"), eds("b")]));
        it.exchange(&Response::eds("v1", "e1", [assignment("b", 1)]));
        it.pass(Duration::from_secs(60));
        assert_eq!(it.events.len(), 1, "{:?}", it.events);
        let (at, Event::DoesNotExist { type_url, names }) = &it.events[0] else {
            panic!("{:?}", it.events)
        };
        assert_eq!(*at, Duration::from_secs(15));
        assert_eq!((type_url, &names[..]), (&TypeUrl::ENDPOINTS, &["a".into()][..]));
        it.exchange(&Response::eds("v2", "e2", [assignment("a", 1)]));
        assert!(it.store.assignments.contains_key("a"), "it may still come");
    }
}

#[test]
fn c181_an_answer_at_the_last_moment_counts() {
    for variant in BOTH {
        let mut it = Conversation::open(variant);
        it.exchange(&Response::cds("v1", "c1", [eds("a")]));
        it.pass(Duration::from_millis(14_900));
        it.exchange(&Response::eds("v1", "e1", [assignment("a", 1)]));
        it.pass(Duration::from_secs(60));
        assert!(it.events.is_empty());
    }
}

#[test]
fn c182_without_a_stream_nothing_is_missing() {
    for variant in BOTH {
        let mut it = Conversation::open(variant);
        it.exchange(&Response::cds("v1", "c1", [eds("a")]));
        it.close(StreamError::Ended);
        it.pass(Duration::from_secs(60));
        assert!(it.events.is_empty());
        let error = it.session.status().last_error.as_deref();
        assert_eq!(error, Some("cannot connect: refused"));
    }
}

#[test]
fn c183_what_is_held_is_not_waited_for_on_a_new_stream() {
    for variant in BOTH {
        let mut it = Conversation::open(variant);
        it.exchange(&Response::cds("v1", "c1", [eds("a")]));
        it.exchange(&Response::eds("v1", "e1", [assignment("a", 1)]));
        it.reconnect();
        it.pass(Duration::from_secs(60));
        assert!(it.events.is_empty());
    }
}

#[test]
fn c186_a_resource_expires_unless_it_is_refreshed() {
    let mut it = Conversation::open(Variant::Delta);
    it.exchange(&with_ttl(Response::cds("v1", "c1", [eds("a")]), 2));
    it.pass(Duration::from_secs(3));
    assert_eq!(it.events.len(), 1);
    let (at, Event::Expired { names, .. }) = &it.events[0] else { panic!("{:?}", it.events) };
    assert_eq!((*at, &names[..]), (Duration::from_secs(2), &["a".into()][..]));
    assert_eq!(it.status(&TypeUrl::CLUSTER).held, 0);
}

#[test]
fn c186_a_time_to_live_beyond_the_clock_is_for_ever() {
    let mut it = Conversation::open(Variant::Delta);
    for (n, seconds) in [i64::MAX, -1, i64::MIN].into_iter().enumerate() {
        let response = Response::cds("v1", &format!("c{n}"), [eds("a")]);
        assert!(it.exchange(&with_ttl(response, seconds))[0].error.is_none());
    }
    it.pass(Duration::from_secs(3600));
    assert_eq!(it.status(&TypeUrl::CLUSTER).held, 1);
}

#[test]
fn c187_heartbeats_keep_a_resource() {
    for variant in BOTH {
        let mut it = Conversation::open(variant);
        let first = with_ttl(Response::cds("v1", "c1", [eds("a")]).versions("1"), 2);
        let first = Response { wrapped: true, ..first };
        it.exchange(&first);
        for n in 0..10 {
            it.pass(Duration::from_secs(1));
            let nonce = format!("beat{n}");
            let beat = heartbeat(Response { nonce: nonce.clone(), ..first.clone() });
            let requests = it.exchange(&beat);
            assert!(requests.len() == 1 && requests[0].is_ack(&nonce), "{requests:?}");
        }
        assert!(it.events.is_empty());
        assert!(it.store.updates[1..].iter().all(destrier_xds::Update::is_noop));
    }
}

#[test]
fn c188_a_heartbeat_of_another_version_is_refused_and_of_an_unknown_name_ignored() {
    let mut it = Conversation::open(Variant::Delta);
    it.exchange(&with_ttl(Response::cds("v1", "c1", [eds("a")]).versions("1"), 2));
    let other = heartbeat(Response::cds("v1", "c2", [eds("a")]).versions("2"));
    let requests = it.exchange(&other);
    assert!(requests[0].error_text().contains("heartbeat of version 2, held is 1"));
    let unknown = heartbeat(Response::cds("v1", "c3", [eds("x")]));
    assert!(it.exchange(&unknown)[0].is_ack("c3"));
}
