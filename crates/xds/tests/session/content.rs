//! 6.6: what is refused before any handler sees it, and what is passed on.

use bytes::Bytes;
use destrier_xds::{StreamError, TypeUrl, Variant};
use envoy_types::pb::google::protobuf::Any;
use prost::Message;

use crate::{
    conversation::{BOTH, Conversation},
    resources::{Response, assignment, changed, eds},
};

#[test]
fn c140_a_resource_of_another_type_is_refused_alone() {
    for variant in BOTH {
        let mut it = Conversation::open(variant);
        let first = [eds("a"), eds("b")];
        it.exchange(&Response::cds("v1", "n1", first));
        let second = [changed(eds("a"), 2), changed(eds("b"), 2)];
        let mixed = Response::cds("v2", "n2", second).with(1, |resource| {
            let any: &mut Any = resource.resource.as_mut().expect("a payload");
            any.type_url = TypeUrl::LISTENER.as_str().into();
        });
        let requests = it.exchange(&mixed);
        assert!(requests[0].error_text().contains("resource.type_url"), "{requests:?}");
        assert_eq!(it.store.clusters["a"], changed(eds("a"), 2));
        assert_eq!(it.store.clusters["b"], eds("b"), "not taken for removed either");
    }
}

#[test]
fn c141_a_truncated_resource_is_refused_alone() {
    for variant in BOTH {
        let mut it = Conversation::open(variant);
        it.exchange(&Response::cds("v1", "n1", [eds("a"), eds("b")]));
        let second = [changed(eds("a"), 2), changed(eds("b"), 2)];
        let cut = Response::cds("v2", "n2", second).with(1, |resource| {
            let any = resource.resource.as_mut().expect("a payload");
            any.value.truncate(any.value.len() - 1);
        });
        let requests = it.exchange(&cut);
        assert_eq!(requests[0].error_text(), "1 of 2 rejected: b: malformed message");
        assert_eq!(it.store.clusters["a"], changed(eds("a"), 2));
        assert_eq!(it.store.clusters["b"], eds("b"));
    }
}

#[test]
fn c141_a_truncated_any_is_refused_alone() {
    // Written by hand: a `Resource` named "b" whose `Any` announces more bytes than there are.
    let broken = [&[0x1a, 1, b'b', 0x12, 2, 0x0a, 0x20][..]].concat();
    let mut message = Response::cds("v1", "n1", [eds("a")]).encode(Variant::Delta).to_vec();
    message.extend([0x12, broken.len() as u8]);
    message.extend(broken);

    let mut it = Conversation::open(Variant::Delta);
    let received = it.receive_bytes(message.into());
    let (update, ticket) = received.expect("the message is sound").expect("an update");
    it.judge(update, ticket);
    let requests = it.requests();
    assert!(requests[0].error_text().starts_with("1 of 2 rejected: b: resource: malformed Any"));
    assert_eq!(it.store.names(), ["a"]);
}

#[test]
fn c142_a_wrapped_resource_has_the_wrappers_name() {
    let mut it = Conversation::open(Variant::Sotw);
    let wrapped = |response| Response { wrapped: true, ..response };
    let requests = it.exchange(&wrapped(Response::cds("v1", "n1", [eds("a")])));
    assert!(requests[0].is_ack("n1"));
    assert_eq!(it.store.names(), ["a"]);

    let both = wrapped(Response::cds("v2", "n2", [eds("a"), eds("b")]));
    let renamed = both.clone().with(1, |resource| resource.name = "other".into());
    let requests = it.exchange(&renamed);
    assert!(requests[0].error_text().contains("other: name: is \"b\""), "{requests:?}");

    let federated = "xdstp://x/envoy.config.cluster.v3.Cluster/b";
    let requests = it.exchange(&both.with(1, |resource| resource.name = federated.into()));
    assert!(requests[0].is_ack("n2"), "{requests:?}");
    assert_eq!(it.store.names(), ["a", federated]);
}

#[test]
fn c143_unknown_fields_are_passed_over() {
    for variant in BOTH {
        let mut it = Conversation::open(variant);
        let newer = Response::cds("v1", "n1", [eds("a")]).with(0, |resource| {
            let any = resource.resource.as_mut().expect("a payload");
            // Field 3000, a string: nobody knows it.
            any.value.extend([0xc2, 0xbb, 0x01, 2, b'h', b'i']);
        });
        assert!(it.exchange(&newer)[0].is_ack("n1"));
        assert_eq!(it.store.names(), ["a"]);
    }
}

#[test]
fn c163_an_empty_name_is_refused_and_a_strange_one_is_not() {
    for variant in BOTH {
        let mut it = Conversation::open(variant);
        let long = "x".repeat(64 * 1024);
        let names = [eds(""), eds(&long), eds("\u{1}\u{7f}"), eds("../../etc/passwd")];
        let requests = it.exchange(&Response::cds("v1", "n1", names));
        assert!(requests[0].error_text().starts_with("1 of 4 rejected: #0: name: empty"));
        assert_eq!(it.store.names(), ["\u{1}\u{7f}", "../../etc/passwd", &long]);
    }
}

#[test]
fn c108_an_assignment_that_calls_itself_otherwise_is_refused() {
    let mut it = Conversation::open(Variant::Delta);
    it.exchange(&Response::cds("v1", "n1", [eds("a"), eds("b")]));
    let wrong = Response::eds("v1", "n2", [assignment("a", 1), assignment("other", 1)])
        .with(1, |resource| resource.name = "b".into());
    let requests = it.exchange(&wrong);
    assert!(requests[0].error_text().contains("b: cluster_name: is \"other\""), "{requests:?}");
    assert_eq!(it.store.assignments.len(), 1);
}

#[test]
fn v25_a_resource_above_the_limit_is_refused_by_name() {
    let mut it = Conversation::open(Variant::Delta);
    let huge = eds("huge").encode_to_vec();
    let mut padded = huge.clone();
    // Field 3000 again, 40 MiB of it.
    padded.extend([0xc2, 0xbb, 0x01]);
    prost::encoding::encode_varint(40 << 20, &mut padded);
    padded.resize(padded.len() + (40 << 20), 0);
    let requests = it.exchange(&Response::cds("v1", "n1", [eds("a")]).resource("huge", "", padded));
    assert!(requests[0].error_text().contains("huge: "), "{:?}", requests[0].error);
    assert_eq!(it.store.names(), ["a"]);
}

#[test]
fn v08_a_nonce_of_a_megabyte_ends_the_stream() {
    for variant in BOTH {
        let mut it = Conversation::open(variant);
        let response = Response::cds("v1", &"n".repeat(1 << 20), [eds("a")]);
        let result = it.receive_bytes(response.encode(variant));
        assert!(matches!(result, Err(StreamError::Malformed(_))));
    }
}

#[test]
fn v28_a_message_that_is_none_ends_the_stream_and_changes_nothing() {
    for variant in BOTH {
        let mut it = Conversation::open(variant);
        it.exchange(&Response::cds("v1", "n1", [eds("a")]));
        // An invalid string in the envelope, and a field that announces more than there is.
        for message in [&[0x0a, 2, 0xff, 0xfe][..], &[0x12, 0x7f, 1]] {
            let result = it.receive_bytes(Bytes::copy_from_slice(message));
            let error = result.expect_err("not a response");
            it.close(error);
            assert_eq!(it.store.names(), ["a"]);
            it.connect();
            it.requests();
        }
    }
}

#[test]
fn no_bytes_whatever_end_the_process() {
    use rand::{RngExt, SeedableRng, rngs::StdRng};

    let mut rng = StdRng::seed_from_u64(1);
    for variant in BOTH {
        let mut it = Conversation::open(variant);
        it.exchange(&Response::cds("v1", "n1", [eds("a")]));
        let valid = [
            Response::cds("v2", "n2", [changed(eds("a"), 2), eds("b")]).removed("c"),
            Response::eds("v2", "n3", [assignment("a", 3)]).removed("a"),
        ];
        for round in 0..20_000 {
            let mut message = valid[round % 2].encode(variant).to_vec();
            for _ in 0..rng.random_range(1..4) {
                let at = rng.random_range(0..message.len());
                match rng.random_range(0..3) {
                    0 => message[at] = rng.random(),
                    1 => message.truncate(at.max(1)),
                    _ => message.insert(at, rng.random()),
                }
            }
            if let Ok(Some((update, ticket))) = it.receive_bytes(message.into()) {
                it.judge(update, ticket);
            }
            it.requests();
        }
    }
}
