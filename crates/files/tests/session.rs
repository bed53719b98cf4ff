//! One file, without I/O: what its text says, what changes, what is refused.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Instant;

use destrier_files::{Content, FileFault, FileSession, Interest};
use destrier_xds::{Rejection, TypeUrl, Update};
use envoy_types::pb::envoy::config::cluster::v3::Cluster;
use envoy_types::pb::envoy::service::discovery::v3::DiscoveryResponse;
use envoy_types::pb::google::protobuf::Any;
use prost::Message;

const CLUSTER: &str = "type.googleapis.com/envoy.config.cluster.v3.Cluster";
const WRAPPER: &str = "type.googleapis.com/envoy.service.discovery.v3.Resource";

#[expect(clippy::disallowed_methods, reason = "any moment will do")]
fn now() -> Instant {
    Instant::now()
}

fn read(text: &str) -> Result<Content, FileFault> {
    Content::read(Path::new("cds.yaml"), text.as_bytes(), &TypeUrl::CLUSTER)
}

fn clusters() -> FileSession {
    FileSession::new(TypeUrl::CLUSTER, Interest::All)
}

/// A file is taken, all that the session itself lets through is good.
fn take(session: &mut FileSession, text: &str) -> Result<(Update, Option<String>), FileFault> {
    judge(session, text, Vec::new())
}

fn judge(
    session: &mut FileSession,
    text: &str,
    verdict: Vec<Rejection>,
) -> Result<(Update, Option<String>), FileFault> {
    let (update, ticket) = session.handle_content(read(text), now())?;
    let error = session.handle_verdict(ticket, &update.removed, verdict, now());
    Ok((update, error))
}

fn names(update: &Update) -> Vec<&str> {
    update.resources.iter().map(|resource| resource.name.as_str()).collect()
}

fn list(names: &[&str]) -> String {
    let resources: Vec<_> =
        names.iter().map(|name| format!("{{'@type': {CLUSTER}, name: {name}}}")).collect();
    format!("version_info: v1\nresources: [{}]\n", resources.join(", "))
}

#[test]
fn a_file_is_the_state_of_the_world() {
    let mut session = clusters();
    let (update, error) = take(&mut session, &list(&["a", "b"])).expect("it is good");
    assert_eq!((names(&update), error), (vec!["a", "b"], None));
    assert_eq!(update.version, "v1");
    let (update, _) = take(&mut session, &list(&["b", "c"])).expect("it is good");
    assert_eq!(names(&update), ["c"]);
    assert_eq!((update.unchanged, update.removed), (vec!["b".into()], vec!["a".into()]));
    let status = session.status();
    assert_eq!((status.update_attempt, status.update_success, status.held), (2, 2, 2));
    assert_eq!(status.version_text, "v1");
}

#[test]
fn what_was_refused_is_no_success_and_comes_again() {
    let mut session = clusters();
    let bad = Rejection { name: "a".into(), reason: "lb_policy: no".into() };
    let (_, error) = judge(&mut session, &list(&["a", "b"]), vec![bad]).expect("it is a response");
    assert_eq!(error.as_deref(), Some("1 of 2 rejected: a: lb_policy: no"));
    assert_eq!(session.status().update_rejected, 1);
    let (update, error) = take(&mut session, &list(&["a", "b"])).expect("it is good");
    assert_eq!((names(&update), error), (vec!["a"], None));
    assert!(session.status().rejected.is_empty());
}

#[test]
fn one_bad_resource_costs_itself_and_is_not_absent() {
    let mut session = clusters();
    take(&mut session, &list(&["a", "b"])).expect("it is good");
    let text = format!(
        "resources: [{{'@type': {CLUSTER}, name: a, nope: 1}}, {{'@type': {CLUSTER}, name: c}}]"
    );
    let (update, error) = take(&mut session, &text).expect("it is a response");
    assert_eq!((names(&update), &*update.removed), (vec!["c"], &["b".to_owned()][..]));
    let error = error.expect("a is refused");
    assert!(error.contains("a: resources[0]: ") && error.contains("nope"), "{error}");
}

#[test]
fn while_a_name_is_unknown_no_absence_is_believed() {
    let mut session = clusters();
    take(&mut session, &list(&["a", "b"])).expect("it is good");
    let text = format!("resources: [{{'@type': {CLUSTER}, name: [1]}}, 7]");
    let (update, error) = take(&mut session, &text).expect("it is a response");
    assert!(update.is_noop(), "{update:?}");
    assert!(error.expect("both are refused").contains("resources[1]"));
    assert_eq!(session.status().held, 2);
}

#[test]
fn a_name_that_stands_twice_is_refused_once() {
    let mut session = clusters();
    let (update, error) = take(&mut session, &list(&["a", "b", "a"])).expect("it is a response");
    assert_eq!(names(&update), ["b"]);
    let error = error.expect("a is refused");
    assert_eq!(error, "1 of 3 rejected: a: the name occurs more than once in the file");
}

#[test]
fn what_is_no_response_is_refused_whole_with_field_and_cause() {
    let mut session = clusters();
    take(&mut session, &list(&["a"])).expect("it is good");
    for (text, words) in [
        ("resources: [", &["line 1"][..]),
        ("resources: {a: 1}", &["resources", "list"]),
        ("7", &["object"]),
        ("type_url: x", &["type_url", "\"x\"", CLUSTER]),
        ("nope: 1", &["nope"]),
    ] {
        let error = take(&mut session, text).expect_err(text).to_string();
        for word in words {
            assert!(error.contains(word), "{text}: {error}");
        }
        assert_eq!(session.status().error.as_ref(), Some(&error));
    }
    let gone = Err(FileFault::Unreadable("gone".into()));
    session.handle_content(gone, now()).expect_err("there is nothing");
    let status = session.status();
    assert_eq!((status.update_rejected, status.update_failure, status.held), (5, 1, 1));
}

#[test]
fn a_resource_of_another_type_is_refused_alone() {
    let listener = "type.googleapis.com/envoy.config.listener.v3.Listener";
    let text =
        format!("resources: [{{'@type': {listener}, name: l}}, {{'@type': {CLUSTER}, name: a}}]");
    let (update, error) = take(&mut clusters(), &text).expect("it is a response");
    assert_eq!(names(&update), ["a"]);
    let error = error.expect("l is refused");
    assert!(error.contains("l: resources[0]: @type") && error.contains(listener), "{error}");
}

#[test]
fn a_wrapper_gives_name_and_version() {
    let wrapped = |name: &str| {
        let inner = format!("{{'@type': {CLUSTER}, name: a}}");
        format!(
            "resources: [{{'@type': {WRAPPER}, name: {name}, version: '7', resource: {inner}}}]"
        )
    };
    let (update, error) = take(&mut clusters(), &wrapped("a")).expect("it is a response");
    assert_eq!((&*update.resources[0].version, error), ("7", None));
    let (_, error) = take(&mut clusters(), &wrapped("b")).expect("it is a response");
    assert!(error.expect("the names differ").contains("name: is \"b\""));
}

#[test]
fn binary_files_are_read_and_the_text_format_is_not() {
    let cluster = Cluster { name: "a".into(), ..Cluster::default() };
    let any = Any { type_url: CLUSTER.into(), value: cluster.encode_to_vec() };
    let response = DiscoveryResponse { resources: vec![any], ..DiscoveryResponse::default() };
    let bytes = response.encode_to_vec();
    let read = |path, bytes: &[u8]| Content::read(Path::new(path), bytes, &TypeUrl::CLUSTER);
    let content = read("cds.pb", &bytes).expect("it is a response");
    assert_eq!(content.resources[0].name, "a");
    read("cds.pb", &bytes[..5]).expect_err("it is cut short");
    let error = read("cds.pb_text", b"").expect_err("this format is not read");
    assert!(error.to_string().contains("text format"));
}

#[test]
fn of_named_resources_absence_says_nothing_and_new_names_are_looked_for() {
    let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
    let mut session = FileSession::new(TypeUrl::CLUSTER, Interest::Names(set(&["a"])));
    let (update, _) = take(&mut session, &list(&["a", "b"])).expect("it is good");
    assert_eq!(names(&update), ["a"]);
    assert_eq!(session.status().unasked_resources, 1);
    let (update, _) = take(&mut session, &list(&[])).expect("it is good");
    assert!(update.is_noop());
    assert!(session.set_names(set(&["a", "b"])), "b is new");
    let (update, _) = take(&mut session, &list(&["a", "b"])).expect("it is good");
    assert_eq!((names(&update), &*update.unchanged), (vec!["b"], &["a".to_owned()][..]));
    assert!(!session.set_names(set(&["b"])), "there is no new one");
    assert!(session.set_names(set(&["a", "b"])), "a was forgotten");
    let (update, _) = take(&mut session, &list(&["a", "b"])).expect("it is good");
    assert_eq!(names(&update), ["a"]);
}

#[test]
fn every_type_is_served_alike() {
    for (type_url, body) in [
        (TypeUrl::LISTENER, "name: x"),
        (TypeUrl::ROUTES, "name: x"),
        (TypeUrl::SECRET, "name: x"),
        (TypeUrl::ENDPOINTS, "cluster_name: x"),
    ] {
        let text = format!("resources: [{{'@type': {type_url}, {body}}}]");
        let content = Content::read(Path::new("x.yaml"), text.as_bytes(), &type_url);
        let content = content.expect("it is a response");
        assert!(content.faults.is_empty(), "{type_url}: {:?}", content.faults);
        assert_eq!(content.resources[0].name, "x");
    }
}
