//! 6.2: ACK, NACK, nonce.

use std::{collections::BTreeSet, time::Duration};

use destrier_xds::{TypeUrl, Variant};

use crate::{
    conversation::{BOTH, Conversation},
    resources::{Response, assignment, changed, eds, refused},
};

const INVALID_ARGUMENT: i32 = 3;

#[test]
fn c020_an_ack_names_version_and_nonce_and_keeps_the_names() {
    let mut it = Conversation::open(Variant::Sotw);
    let requests = it.exchange(&Response::cds("v1", "n1", [eds("a"), eds("b")]));
    let ack = &requests[0];
    assert!(ack.is_ack("n1") && ack.is_cds());
    assert_eq!((ack.version.as_str(), ack.names.len()), ("v1", 0));

    let requests = it.exchange(&Response::eds("v1", "n2", [assignment("a", 1)]));
    assert_eq!(requests.len(), 1);
    assert!(requests[0].is_ack("n2") && requests[0].is_eds());
    assert_eq!(requests[0].version, "v1");
    assert_eq!(requests[0].names, ["a", "b"]);
}

#[test]
fn c021_a_delta_ack_is_a_nonce_and_nothing_else() {
    let mut it = Conversation::open(Variant::Delta);
    let requests = it.exchange(&Response::cds("v1", "n1", [eds("a")]));
    let ack = &requests[0];
    assert!(ack.is_ack("n1"));
    assert!(ack.names.is_empty() && ack.unsubscribe.is_empty() && ack.initial.is_empty());
}

#[test]
fn c022_a_change_of_names_never_travels_with_an_answer() {
    let mut it = Conversation::open(Variant::Delta);
    it.exchange(&Response::cds("1", "n1", [eds("a"), eds("b")]));
    it.pass(Duration::from_secs(1));
    let requests = it.exchange(&Response::cds("2", "n2", [eds("c")]).removed("a"));
    assert_eq!(requests.len(), 2);
    assert!(requests[0].is_ack("n2") && requests[0].is_cds(), "the ACK goes first");
    let change = &requests[1];
    assert_eq!((change.nonce.as_str(), &change.error), ("", &None));
    assert_eq!(
        (&change.names[..], &change.unsubscribe[..]),
        (&["c".into()][..], &["a".into()][..])
    );
}

#[test]
fn c023_a_bad_first_response_is_refused_without_a_version() {
    for variant in BOTH {
        let mut it = Conversation::open(variant);
        let requests = it.exchange(&Response::cds("v1", "n1", [refused(eds("a"))]));
        assert_eq!(requests.len(), 1);
        let nack = &requests[0];
        assert_eq!((nack.version.as_str(), nack.nonce.as_str()), ("", "n1"));
        let (code, text) = nack.error.as_ref().expect("a NACK");
        assert_eq!(*code, INVALID_ARGUMENT);
        assert_eq!(text, "1 of 1 rejected: a: alt_stat_name: refused");
    }
}

#[test]
fn c024_a_bad_second_response_leaves_the_first_in_force() {
    let mut it = Conversation::open(Variant::Sotw);
    it.exchange(&Response::cds("v1", "n1", [eds("a")]));
    let requests = it.exchange(&Response::cds("v2", "n2", [refused(eds("a"))]));
    let nack = &requests[0];
    assert_eq!((nack.version.as_str(), nack.nonce.as_str()), ("v1", "n2"));
    assert!(nack.error.is_some());
    assert_eq!(it.store.clusters["a"], eds("a"));
}

#[test]
fn c025_a_good_version_clears_the_error() {
    for variant in BOTH {
        let mut it = Conversation::open(variant);
        it.exchange(&Response::cds("v1", "n1", [eds("a")]));
        it.exchange(&Response::cds("v2", "n2", [refused(eds("a"))]));
        let status = it.status(&TypeUrl::CLUSTER);
        assert!(status.error.is_some() && status.rejected.contains_key("a"));

        let requests = it.exchange(&Response::cds("v3", "n3", [changed(eds("a"), 3)]));
        assert!(requests[0].is_ack("n3"));
        let status = it.status(&TypeUrl::CLUSTER);
        assert_eq!((&status.error, status.rejected.len()), (&None, 0));
        assert_eq!((status.update_success, status.update_rejected), (2, 1));
        assert_eq!(status.version_text, "v3");
    }
}

#[test]
fn c025_the_removal_of_a_refused_name_clears_its_error() {
    for variant in BOTH {
        let mut it = Conversation::open(variant);
        it.exchange(&Response::cds("v1", "n1", [eds("a"), refused(eds("never-held"))]));
        assert_eq!(it.status(&TypeUrl::CLUSTER).rejected.len(), 1);
        let without = match variant {
            Variant::Delta => Response::cds("v2", "n2", []).removed("never-held"),
            Variant::Sotw => Response::cds("v2", "n2", [eds("a")]),
        };
        it.exchange(&without);
        let status = it.status(&TypeUrl::CLUSTER);
        assert_eq!((&status.error, status.rejected.len()), (&None, 0));
    }
}

#[test]
fn c026_one_bad_resource_of_three_keeps_its_last_good_version() {
    for variant in BOTH {
        let mut it = Conversation::open(variant);
        it.exchange(&Response::cds("v1", "n1", [eds("a"), eds("b"), eds("c")]));
        let second = [changed(eds("a"), 2), refused(eds("b")), changed(eds("c"), 2)];
        let requests = it.exchange(&Response::cds("v2", "n2", second));
        let nacks: Vec<_> = requests.iter().filter(|it| it.error.is_some()).collect();
        assert_eq!((nacks.len(), requests.len()), (1, 1));
        assert_eq!(nacks[0].error_text(), "1 of 3 rejected: b: alt_stat_name: refused");
        assert_eq!(it.store.clusters["a"], changed(eds("a"), 2));
        assert_eq!(it.store.clusters["b"], eds("b"));
        assert_eq!(it.store.clusters["c"], changed(eds("c"), 2));
    }
}

#[test]
fn c027_a_resource_without_a_readable_name_is_refused_by_its_place() {
    for variant in BOTH {
        let mut it = Conversation::open(variant);
        let unreadable = Response::cds("v1", "n1", [eds("a"), eds("b")]).with(1, |resource| {
            resource.name.clear();
            resource.resource.as_mut().expect("a payload").value = vec![0x0a, 0xff];
        });
        let requests = it.exchange(&unreadable);
        assert!(requests[0].error_text().starts_with("1 of 2 rejected: #1: "), "{requests:?}");
        assert_eq!(it.store.names(), ["a"]);
    }
}

#[test]
fn c030_answers_keep_the_order_of_their_responses() {
    for variant in BOTH {
        let mut it = Conversation::open(variant);
        it.respond(&Response::cds("v1", "n1", [eds("a")]));
        it.respond(&Response::cds("v2", "n2", [changed(eds("a"), 2)]));
        let requests = it.requests();
        let nonces: Vec<&str> = requests.iter().map(|it| it.nonce.as_str()).collect();
        assert_eq!(nonces, ["n1", "n2", ""], "two ACKs, then the EDS names");
    }
}

#[test]
fn c031_a_nonce_used_twice_is_answered_twice() {
    for variant in BOTH {
        let mut it = Conversation::open(variant);
        assert!(it.exchange(&Response::cds("v1", "n1", [eds("a")]))[0].is_ack("n1"));
        let requests = it.exchange(&Response::cds("v2", "n1", [changed(eds("a"), 2)]));
        assert_eq!(requests.len(), 1);
        assert!(requests[0].is_ack("n1"));
        assert_eq!(it.store.clusters["a"], changed(eds("a"), 2));
    }
}

#[test]
fn c032_a_response_without_a_nonce_applies() {
    for (variant, answers) in [(Variant::Sotw, 1), (Variant::Delta, 0)] {
        let mut it = Conversation::open(variant);
        let requests = it.exchange(&Response::cds("v1", "", [eds("a")]));
        assert_eq!(requests.iter().filter(|it| it.is_cds()).count(), answers);
        assert_eq!(it.store.names(), ["a"]);
    }
}

#[test]
fn c033_a_type_that_was_not_asked_for_is_not_answered() {
    for variant in BOTH {
        let mut it = Conversation::open(variant);
        let mut unknown = Response::cds("v1", "n1", [eds("a")]);
        unknown.type_url = TypeUrl::new("type.googleapis.com/envoy.config.listener.v3.Listener");
        assert!(it.exchange(&unknown).is_empty());
        assert!(it.exchange(&Response::eds("v1", "n2", [assignment("a", 1)])).is_empty());
        assert_eq!(it.session.status().unasked_messages, 2);
        assert!(it.store.updates.is_empty());
    }
}

#[test]
fn c034_resources_that_nobody_asked_for_are_ignored() {
    for variant in BOTH {
        let mut it = Conversation::open(variant);
        it.exchange(&Response::cds("v1", "n1", [eds("a")]));
        let more = Response::eds("v1", "n2", [assignment("a", 1), assignment("stranger", 1)]);
        let requests = it.exchange(&more);
        assert_eq!(requests.len(), 1);
        assert!(requests[0].is_ack("n2"));
        assert_eq!(it.status(&TypeUrl::ENDPOINTS).unasked_resources, 1);
        assert!(!it.store.assignments.contains_key("stranger"));
    }
}

#[test]
fn c035_equal_bytes_are_acknowledged_and_change_nothing() {
    for variant in BOTH {
        let mut it = Conversation::open(variant);
        it.exchange(&Response::cds("v1", "n1", [eds("a"), eds("b")]));
        let requests = it.exchange(&Response::cds("v2", "n2", [eds("a"), eds("b")]));
        assert_eq!(requests.len(), 1);
        assert!(requests[0].is_ack("n2"));
        let last = it.store.updates.last().expect("an update");
        assert!(last.is_noop());
        assert_eq!(last.unchanged.len(), 2);
    }
}

#[test]
fn c036_a_response_to_a_subscription_that_ended_brings_nothing_back() {
    for variant in BOTH {
        let mut it = Conversation::open(variant);
        it.exchange(&Response::cds("v1", "n1", [eds("a")]));
        it.exchange(&Response::cds("v2", "n2", []).removed("a"));
        let requests = it.exchange(&Response::eds("v1", "n3", [assignment("a", 1)]));
        assert!(requests.iter().any(|it| it.is_ack("n3")));
        assert!(it.store.assignments.is_empty());
        assert_eq!(it.status(&TypeUrl::ENDPOINTS).held, 0);
    }
}

#[test]
fn c037_a_long_error_text_is_cut_and_says_how_much_is_missing() {
    let mut it = Conversation::open(Variant::Delta);
    let mut response = Response::cds("v1", "n1", []);
    for i in 0..2000 {
        let cluster = refused(eds(&format!("{}{i}", "x".repeat(500))));
        let body = prost::Message::encode_to_vec(&cluster);
        response = response.resource(&cluster.name, "", body);
    }
    let requests = it.exchange(&response);
    let text = requests[0].error_text();
    assert!(text.len() <= 4096, "{}", text.len());
    assert!(text.starts_with("2000 of 2000 rejected: "));
    let shown = text.matches("alt_stat_name").count();
    assert!(shown > 0 && text.ends_with(&format!("; +{} more", 2000 - shown)), "{text}");
}

#[test]
fn c038_a_nack_carries_no_names_either() {
    let mut it = Conversation::open(Variant::Delta);
    let requests = it.exchange(&Response::cds("v1", "n1", [eds("good"), refused(eds("bad"))]));
    assert_eq!(requests.len(), 2);
    let (nack, change) = (&requests[0], &requests[1]);
    assert!(nack.error.is_some() && nack.nonce == "n1");
    assert!(nack.names.is_empty() && nack.unsubscribe.is_empty());
    assert_eq!((change.nonce.as_str(), &change.error), ("", &None));
    assert_eq!(change.names, ["good"]);
}

#[test]
fn c039_a_change_of_names_echoes_the_newest_nonce() {
    let mut it = Conversation::open(Variant::Sotw);
    it.exchange(&Response::cds("v1", "n1", [eds("a")]));
    it.exchange(&Response::eds("v1", "n2", [assignment("a", 1)]));
    it.pass(Duration::from_secs(1));
    let requests = it.exchange(&Response::cds("v2", "n3", [eds("b")]));
    let changes: Vec<_> = requests.iter().filter(|it| it.is_eds()).collect();
    assert_eq!(changes.len(), 1);
    assert_eq!((changes[0].nonce.as_str(), changes[0].version.as_str()), ("n2", "v1"));
    assert_eq!(changes[0].names, ["b"]);
}

#[test]
fn c040_an_empty_list_of_names_is_no_wildcard_later() {
    let mut it = Conversation::open(Variant::Sotw);
    it.exchange(&Response::cds("v1", "n1", [eds("a")]));
    it.exchange(&Response::eds("v1", "n2", [assignment("a", 1)]));
    it.pass(Duration::from_secs(1));
    let requests = it.exchange(&Response::cds("v2", "n3", []));
    assert!(requests[1].is_eds() && requests[1].names.is_empty());
    it.exchange(&Response::eds("v2", "n4", [assignment("a", 1), assignment("b", 1)]));
    assert!(it.store.assignments.is_empty());

    let requests = it.reconnect();
    assert_eq!(requests.len(), 1, "a new stream opens no EDS without names: {requests:?}");
}

#[test]
fn c041_other_bytes_under_the_same_version_apply() {
    for variant in BOTH {
        let mut it = Conversation::open(variant);
        it.exchange(&Response::cds("", "n1", [eds("a")]));
        it.exchange(&Response::cds("", "n2", [changed(eds("a"), 2)]));
        assert_eq!(it.store.clusters["a"], changed(eds("a"), 2));
    }
}

#[test]
fn a_name_given_up_and_wanted_again_is_asked_for_anew_in_two_messages() {
    for variant in BOTH {
        let mut it = Conversation::open(variant);
        let names = |names: &[&str]| -> BTreeSet<String> {
            names.iter().map(|name| (*name).to_owned()).collect()
        };
        it.exchange(&Response::cds("v1", "n1", [eds("a"), eds("b")]));
        it.session.set_names(TypeUrl::ENDPOINTS, names(&["b"]));
        it.session.set_names(TypeUrl::ENDPOINTS, names(&["a", "b"]));
        let requests = it.pass(Duration::from_secs(1));
        assert_eq!(requests.len(), 2, "a server resends only what it was told to drop");
        match variant {
            Variant::Delta => {
                assert_eq!((requests[0].unsubscribe.len(), requests[0].names.len()), (1, 0));
                assert_eq!((requests[1].unsubscribe.len(), requests[1].names.len()), (0, 1));
            }
            Variant::Sotw => {
                assert_eq!(requests[0].names, ["b"]);
                assert_eq!(requests[1].names, ["a", "b"]);
            }
        }
    }
}
