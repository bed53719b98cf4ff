//! 6.1: stream opening and requests.

use std::{collections::BTreeSet, time::Duration};

use destrier_xds::{NodeOn, SessionConfig, StreamError, TypeUrl, Variant, Wildcard};
use envoy_types::pb::envoy::config::cluster::v3::cluster::DiscoveryType;

use crate::{
    conversation::{BOTH, Conversation, config},
    resources::{Response, assignment, cluster, eds, eds_of},
};

const ID: &str = "sidecar~10.0.0.1~web.ns~ns.svc";

#[test]
fn c001_the_first_request_is_for_clusters_and_carries_the_node() {
    for variant in BOTH {
        let mut it = Conversation::new(config(variant));
        it.connect();
        let requests = it.requests();
        assert_eq!(requests.len(), 1, "{requests:?}");
        let first = &requests[0];
        assert!(first.is_cds());
        assert_eq!(first.node.as_deref(), Some(ID));
        assert_eq!((first.nonce.as_str(), first.version.as_str()), ("", ""));
        assert!(first.initial.is_empty());
    }
}

#[test]
fn c002_the_node_is_in_no_later_request_unless_wanted() {
    for variant in BOTH {
        for (node_on, times) in [(NodeOn::FirstRequest, 1), (NodeOn::EveryRequest, 3)] {
            let mut it = Conversation::new(SessionConfig { node_on, ..config(variant) });
            it.connect();
            let mut requests = it.requests();
            requests.extend(it.exchange(&Response::cds("1", "n1", [eds("a")])));
            assert_eq!(requests.len(), 3, "open, ACK, EDS: {requests:?}");
            assert_eq!(requests.iter().filter(|it| it.node.is_some()).count(), times);
        }
    }
}

#[test]
fn c003_a_new_stream_starts_with_the_node_again() {
    for variant in BOTH {
        let mut it = Conversation::open(variant);
        it.exchange(&Response::cds("1", "n1", [eds("a")]));
        let requests = it.reconnect();
        let with_node: Vec<bool> = requests.iter().map(|it| it.node.is_some()).collect();
        assert_eq!(with_node, [true, false]);
    }
}

#[test]
fn c004_delta_asks_for_all_clusters_by_an_empty_list_or_a_star() {
    for (wildcard, names) in [(Wildcard::LegacyEmpty, vec![]), (Wildcard::Star, vec!["*"])] {
        let mut it = Conversation::new(SessionConfig { wildcard, ..config(Variant::Delta) });
        it.connect();
        let requests = it.requests();
        assert_eq!(requests.len(), 1, "nothing for EDS yet: {requests:?}");
        assert_eq!(requests[0].names, names);
    }
}

#[test]
fn c005_state_of_the_world_asks_for_all_clusters_by_an_empty_list() {
    for wildcard in [Wildcard::LegacyEmpty, Wildcard::Star] {
        let mut it = Conversation::new(SessionConfig { wildcard, ..config(Variant::Sotw) });
        it.connect();
        let requests = it.requests();
        assert_eq!(requests.len(), 1);
        assert!(requests[0].is_cds() && requests[0].names.is_empty());
    }
}

#[test]
fn c006_the_endpoints_of_one_message_are_asked_for_in_one_request() {
    for variant in BOTH {
        let mut it = Conversation::open(variant);
        let requests = it.exchange(&Response::cds("1", "n1", [eds("c"), eds("a"), eds("b")]));
        let asked: Vec<_> = requests.iter().filter(|it| it.is_eds()).collect();
        assert_eq!(asked.len(), 1);
        assert_eq!(asked[0].names, ["a", "b", "c"]);
        assert_eq!(asked[0].nonce, "");
        assert!(asked[0].initial.is_empty());
        assert!(it.pass(Duration::from_secs(5)).is_empty());
    }
}

#[test]
fn c007_endpoints_are_asked_for_by_service_name() {
    for variant in BOTH {
        let mut it = Conversation::open(variant);
        let requests = it.exchange(&Response::cds("1", "n1", [eds_of("a", "service-a")]));
        assert_eq!(requests[1].names, ["service-a"]);
    }
}

#[test]
fn c008_two_clusters_share_one_subscription() {
    let mut it = Conversation::open(Variant::Delta);
    let both = Response::cds("1", "n1", [eds_of("a", "shared"), eds_of("b", "shared")]);
    let requests = it.exchange(&both);
    assert_eq!(requests[1].names, ["shared"]);
    it.exchange(&Response::eds("1", "n2", [assignment("shared", 1)]));
    it.pass(Duration::from_secs(1));

    let requests = it.exchange(&Response::cds("2", "n3", []).removed("a"));
    assert_eq!(requests.len(), 1, "the ACK alone, the other still needs it: {requests:?}");
    assert!(it.store.assignments.contains_key("shared"));

    let requests = it.exchange(&Response::cds("3", "n4", []).removed("b"));
    assert_eq!(requests[1].unsubscribe, ["shared"]);
}

#[test]
fn c009_only_eds_clusters_ask_for_endpoints() {
    for variant in BOTH {
        let mut it = Conversation::open(variant);
        let clusters = [
            cluster("static", DiscoveryType::Static),
            cluster("dns", DiscoveryType::StrictDns),
            cluster("logical", DiscoveryType::LogicalDns),
            cluster("original", DiscoveryType::OriginalDst),
        ];
        let requests = it.exchange(&Response::cds("1", "n1", clusters));
        assert_eq!(requests.len(), 1, "{requests:?}");
        assert!(requests[0].is_cds());
    }
}

#[test]
fn c010_no_clusters_are_an_answer_and_ask_for_no_endpoints() {
    for variant in BOTH {
        let mut it = Conversation::open(variant);
        let requests = it.exchange(&Response::cds("1", "n1", []));
        assert_eq!(requests.len(), 1, "an empty EDS request would be a wildcard: {requests:?}");
        assert!(requests[0].is_ack("n1"));
        assert!(it.status(&TypeUrl::CLUSTER).answered);
        assert_eq!(it.store.updates.len(), 1, "the handler hears of it");
    }
}

#[test]
fn c011_requests_do_not_wait_for_the_headers_of_the_answer() {
    // "Connected" is the connection, not the answer: the session asks at once. Over a socket the
    // wire test of the same number shows that the driver does not wait either.
    let mut it = Conversation::new(config(Variant::Delta));
    it.connect();
    assert!(!it.requests().is_empty());
}

#[test]
fn c012_a_server_without_delta_is_spoken_to_in_the_other_way_for_good() {
    let mut it = Conversation::open(Variant::Delta);
    it.close(StreamError::Status {
        code: tonic::Code::Unimplemented,
        message: "unknown method".into(),
    });
    let before = it.now();
    it.connect();
    assert_eq!((it.variant, it.now()), (Variant::Sotw, before), "at once");
    it.requests();
    it.exchange(&Response::cds("1", "n1", [eds("a")]));
    it.reconnect();
    assert_eq!(it.variant, Variant::Sotw);
    it.close(StreamError::Status { code: tonic::Code::Unimplemented, message: "gone".into() });
    it.connect();
    assert_eq!(it.variant, Variant::Sotw, "no way back and forth");
}

#[test]
fn c012_a_server_that_has_answered_in_delta_keeps_being_spoken_to_so() {
    let mut it = Conversation::open(Variant::Delta);
    it.exchange(&Response::cds("1", "n1", [eds("a")]));
    it.close(StreamError::Status { code: tonic::Code::Unimplemented, message: "404".into() });
    it.connect();
    assert_eq!(it.variant, Variant::Delta);
}

#[test]
fn c013_names_that_come_one_by_one_share_requests() {
    for variant in BOTH {
        let mut it = Conversation::open(variant);
        let mut names = BTreeSet::new();
        let mut requests = Vec::new();
        for i in 0..1000 {
            names.insert(format!("s{i}"));
            it.session.set_names(TypeUrl::ENDPOINTS, names.clone());
            requests.extend(it.pass(Duration::from_micros(4)));
        }
        requests.extend(it.pass(Duration::from_millis(10)));
        assert_eq!(requests.len(), 2, "the first at once, the rest after the quiet time");
        let last = &requests[1];
        assert_eq!(last.names.len(), if variant == Variant::Delta { 999 } else { 1000 });
    }
}
