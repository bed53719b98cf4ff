//! 6.2: ACK, NACK, nonce; and what of 6.6 shows on the wire.

use destrier_xds::{TypeUrl, Variant};

use crate::{
    plane::{BOTH, Plane},
    resources::{Response, assignment, changed, eds, refused},
};

#[tokio::test]
async fn c020_an_ack_names_version_and_nonce_and_keeps_the_names() {
    let mut plane = Plane::open(Variant::Sotw).await;
    let requests = plane.exchange(&Response::cds("v1", "n1", [eds("a"), eds("b")]), 2).await;
    assert!(requests[0].is_ack("n1") && requests[0].is_cds());
    assert_eq!((requests[0].version.as_str(), requests[0].names.len()), ("v1", 0));
    let requests = plane.exchange(&Response::eds("v1", "n2", [assignment("a", 1)]), 1).await;
    assert!(requests[0].is_ack("n2") && requests[0].is_eds());
    assert_eq!((requests[0].version.as_str(), requests[0].names.len()), ("v1", 2));
}

#[tokio::test]
async fn c021_a_delta_ack_is_a_nonce_and_nothing_else() {
    let mut plane = Plane::open(Variant::Delta).await;
    let ack = plane.exchange(&Response::cds("v1", "n1", [eds("a")]), 2).await.remove(0);
    assert!(ack.is_ack("n1"));
    assert!(ack.names.is_empty() && ack.unsubscribe.is_empty() && ack.initial.is_empty());
}

#[tokio::test]
async fn c022_a_change_of_names_never_travels_with_an_answer() {
    let mut plane = Plane::open(Variant::Delta).await;
    plane.exchange(&Response::cds("1", "n1", [eds("a"), eds("b")]), 2).await;
    let change = Response::cds("2", "n2", [eds("c")]).removed("a");
    let requests = plane.exchange(&change, 2).await;
    assert!(requests[0].is_ack("n2") && requests[0].is_cds());
    assert_eq!((requests[1].nonce.as_str(), &requests[1].error), ("", &None));
    assert_eq!(requests[1].names, ["c"]);
    assert_eq!(requests[1].unsubscribe, ["a"]);
}

#[tokio::test]
async fn c023_a_bad_first_response_is_refused_without_a_version() {
    for variant in BOTH {
        let mut plane = Plane::open(variant).await;
        let bad = Response::cds("v1", "n1", [refused(eds("a"))]);
        let nack = plane.exchange(&bad, 1).await.remove(0);
        assert_eq!((nack.version.as_str(), nack.nonce.as_str()), ("", "n1"));
        let text = "1 of 1 rejected: a: alt_stat_name: refused";
        assert_eq!(nack.error, Some((3, text.to_owned())));
    }
}

#[tokio::test]
async fn c024_a_bad_second_response_leaves_the_first_in_force() {
    let mut plane = Plane::open(Variant::Sotw).await;
    plane.exchange(&Response::cds("v1", "n1", [eds("a")]), 2).await;
    let nack = plane.exchange(&Response::cds("v2", "n2", [refused(eds("a"))]), 1).await.remove(0);
    assert_eq!((nack.version.as_str(), nack.nonce.as_str()), ("v1", "n2"));
    assert!(nack.error.is_some());
    assert_eq!(plane.clusters(), ["a"]);
}

#[tokio::test]
async fn c025_a_good_version_clears_the_error() {
    let mut plane = Plane::open(Variant::Sotw).await;
    plane.exchange(&Response::cds("v1", "n1", [eds("a")]), 2).await;
    plane.exchange(&Response::cds("v2", "n2", [refused(eds("a"))]), 1).await;
    let ack = plane.exchange(&Response::cds("v3", "n3", [changed(eds("a"), 3)]), 1).await.remove(0);
    assert!(ack.is_ack("n3"));
    assert_eq!(ack.version, "v3");
    let clear = || plane.status.load().types[&TypeUrl::CLUSTER].error.is_none();
    plane.wait("no error is left", clear).await;
}

#[tokio::test]
async fn c026_one_bad_resource_of_three_is_named_in_one_nack() {
    let mut plane = Plane::open(Variant::Delta).await;
    plane.exchange(&Response::cds("v1", "n1", [eds("a"), eds("b"), eds("c")]), 2).await;
    let second = [changed(eds("a"), 2), refused(eds("b")), changed(eds("c"), 2)];
    let requests = plane.exchange(&Response::cds("v2", "n2", second), 1).await;
    assert_eq!(requests[0].error_text(), "1 of 3 rejected: b: alt_stat_name: refused");
    plane.until("the good ones", |it| it.clusters["c"] == changed(eds("c"), 2)).await;
    plane.until("the last good one", |it| it.clusters["b"] == eds("b")).await;
    plane.quiet().await;
}

#[tokio::test]
async fn c027_a_resource_without_a_readable_name_is_refused_by_its_place() {
    for variant in BOTH {
        let mut plane = Plane::open(variant).await;
        let unreadable = Response::cds("v1", "n1", [eds("a"), eds("b")]).with(1, |resource| {
            resource.name.clear();
            resource.resource.as_mut().expect("a payload").value = vec![0x0a, 0xff];
        });
        let requests = plane.exchange(&unreadable, 2).await;
        assert!(requests[0].error_text().starts_with("1 of 2 rejected: #1: "), "{requests:?}");
        assert_eq!(requests[1].names, ["a"]);
    }
}

#[tokio::test]
async fn c030_answers_keep_the_order_of_their_responses() {
    for variant in BOTH {
        let mut plane = Plane::open(variant).await;
        plane.send(&Response::cds("v1", "n1", [eds("a")]));
        let second = Response::cds("v2", "n2", [changed(eds("a"), 2)]);
        let requests = plane.exchange(&second, 3).await;
        let answers = requests.iter().filter(|it| it.is_cds());
        let nonces: Vec<&str> = answers.map(|it| it.nonce.as_str()).collect();
        assert_eq!(nonces, ["n1", "n2"]);
    }
}

#[tokio::test]
async fn c033_a_type_that_was_not_asked_for_is_not_answered() {
    for variant in BOTH {
        let mut plane = Plane::open(variant).await;
        let mut unknown = Response::cds("v1", "n1", [eds("a")]);
        unknown.type_url = TypeUrl::LISTENER;
        plane.send(&unknown);
        plane.quiet().await;
        assert_eq!(plane.status.load().unasked_messages, 1);
    }
}

#[tokio::test]
async fn c034_resources_that_nobody_asked_for_are_ignored() {
    for variant in BOTH {
        let mut plane = Plane::open(variant).await;
        plane.exchange(&Response::cds("v1", "n1", [eds("a")]), 2).await;
        let more = Response::eds("v1", "n2", [assignment("a", 1), assignment("stranger", 1)]);
        assert!(plane.exchange(&more, 1).await[0].is_ack("n2"));
        plane.until("only what was asked for", |it| it.assignments.len() == 1).await;
    }
}

#[tokio::test]
async fn c038_a_nack_carries_no_names_either() {
    let mut plane = Plane::open(Variant::Delta).await;
    let mixed = Response::cds("v1", "n1", [eds("good"), refused(eds("bad"))]);
    let requests = plane.exchange(&mixed, 2).await;
    assert!(requests[0].error.is_some() && requests[0].nonce == "n1");
    assert!(requests[0].names.is_empty() && requests[0].unsubscribe.is_empty());
    assert_eq!((requests[1].nonce.as_str(), &requests[1].error), ("", &None));
    assert_eq!(requests[1].names, ["good"]);
}

#[tokio::test]
async fn c039_a_change_of_names_echoes_the_newest_nonce() {
    let mut plane = Plane::open(Variant::Sotw).await;
    plane.exchange(&Response::cds("v1", "n1", [eds("a")]), 2).await;
    plane.exchange(&Response::eds("v1", "n2", [assignment("a", 1)]), 1).await;
    let requests = plane.exchange(&Response::cds("v2", "n3", [eds("b")]), 2).await;
    assert!(requests[1].is_eds());
    assert_eq!((requests[1].nonce.as_str(), &requests[1].names[..]), ("n2", &["b".into()][..]));
}

#[tokio::test]
async fn c108_an_assignment_that_calls_itself_otherwise_is_refused() {
    let mut plane = Plane::open(Variant::Delta).await;
    plane.exchange(&Response::cds("v1", "n1", [eds("a"), eds("b")]), 2).await;
    let wrong = Response::eds("v1", "n2", [assignment("a", 1), assignment("other", 1)])
        .with(1, |resource| resource.name = "b".into());
    let requests = plane.exchange(&wrong, 1).await;
    assert!(requests[0].error_text().contains("b: cluster_name: is \"other\""), "{requests:?}");
}
