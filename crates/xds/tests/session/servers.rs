//! Several control planes (gRFC A71).

use std::time::Duration;

use destrier_xds::{SessionConfig, StreamError, TypeUrl, Variant};

use crate::{
    conversation::{BOTH, Conversation, config},
    request::Request,
    resources::{Response, assignment, eds},
};

fn refused() -> StreamError {
    StreamError::Connect("refused".into())
}

fn with_servers(servers: usize, variant: Variant) -> Conversation {
    Conversation::new(SessionConfig { servers, ..config(variant) })
}

impl Conversation {
    /// An attempt to connect that fails; returns which server was tried.
    fn fail_to_connect(&mut self) -> usize {
        self.connect_attempt();
        let server = self.session.server();
        self.close(refused());
        server
    }

    /// Lets an attempt at a better server come up to the opening of its stream.
    fn probe(&mut self) -> (usize, Vec<Request>) {
        let server = self.probe_attempt();
        let requests = self.session.handle_probe_connected();
        (server, requests.into_iter().map(|it| Request::decode(it, self.variant)).collect())
    }

    /// The better server answers.
    fn probe_answers(&mut self, response: &Response) -> Vec<Request> {
        let message = response.encode(self.variant);
        let now = self.instant();
        let taken = self.session.handle_probe_message(message, now).expect("a good message");
        let (update, ticket) = taken.expect("it was asked for");
        self.judge(update, ticket);
        self.requests()
    }
}

/// The fallback serves "a", the primary being down.
fn on_the_fallback(variant: Variant) -> Conversation {
    let mut it = with_servers(2, variant);
    assert_eq!(it.fail_to_connect(), 0);
    it.connect();
    assert_eq!(it.session.server(), 1);
    it.requests();
    it.exchange(&Response::cds("f1", "c1", [eds("a")]));
    it.exchange(&Response::eds("f1", "e1", [assignment("a", 1)]));
    it
}

#[test]
fn c192_the_next_server_is_asked_when_the_first_is_down_at_start() {
    for variant in BOTH {
        let mut it = with_servers(2, variant);
        assert_eq!(it.fail_to_connect(), 0);
        let before = it.now();
        it.connect();
        assert_eq!((it.session.server(), it.now()), (1, before), "at once");
        let requests = it.requests();
        assert!(requests[0].is_cds() && requests[0].node.is_some());
        assert!(requests[0].initial.is_empty() && requests[0].version.is_empty());
        assert_eq!(it.session.status().server, 1);
    }
}

#[test]
fn c193_what_two_servers_say_is_not_mixed() {
    for variant in BOTH {
        let mut it = with_servers(2, variant);
        it.connect();
        it.requests();
        it.exchange(&Response::cds("p1", "c1", [eds("a"), eds("b")]));
        // The endpoints never come.
        it.close(StreamError::Ended);
        assert_eq!(it.fail_to_connect(), 0, "a stream that answered is opened again first");
        it.connect();
        assert_eq!(it.session.server(), 1);
        let requests = it.requests();
        assert!(requests[0].version.is_empty() && requests[0].initial.is_empty());
        it.exchange(&Response::cds("f1", "c1", [eds("b"), eds("c")]));
        assert_eq!(
            it.store.names(),
            ["b", "c"],
            "{variant:?}: what is the first server's alone is gone"
        );
    }
}

#[test]
fn c194_a_server_is_not_left_while_nothing_is_missing() {
    for variant in BOTH {
        let mut it = with_servers(2, variant);
        it.connect();
        it.requests();
        it.exchange(&Response::cds("p1", "c1", [eds("a")]));
        it.exchange(&Response::eds("p1", "e1", [assignment("a", 1)]));
        it.close(StreamError::Ended);
        for _ in 0..20 {
            assert_eq!(it.fail_to_connect(), 0);
        }
        assert_eq!(it.store.names(), ["a"]);
    }
}

#[test]
fn c195_the_first_server_takes_over_when_it_answers() {
    for variant in BOTH {
        let mut it = on_the_fallback(variant);
        let (server, requests) = it.probe();
        assert_eq!((server, requests.len()), (0, 1));
        assert!(requests[0].is_cds() && requests[0].node.is_some());
        assert!(requests[0].initial.is_empty() && requests[0].version.is_empty());
        assert_eq!(it.session.server(), 1, "an open stream is no answer");
        // Meanwhile the fallback goes on.
        it.exchange(&Response::cds("f2", "c2", [eds("a"), eds("x")]));

        let requests = it.probe_answers(&Response::cds("p1", "p1", [eds("a"), eds("z")]));
        assert_eq!((it.session.server(), it.session.status().server), (0, 0));
        assert_eq!(it.store.names(), ["a", "z"], "the fallback's own is gone");
        assert!(requests[0].is_ack("p1") && requests[0].node.is_none());
        assert!(requests[1].is_eds(), "{requests:?}");
        assert_eq!(requests[1].names, ["a", "z"]);
        assert!(requests[1].initial.is_empty() && requests[1].version.is_empty());
        assert!(it.session.poll_probe(it.instant()).is_none(), "there is none better");
    }
}

#[test]
fn c196_with_both_down_what_is_held_stays() {
    for variant in BOTH {
        let mut it = on_the_fallback(variant);
        it.close(StreamError::Ended);
        for _ in 0..20 {
            assert_eq!(it.fail_to_connect(), 1);
            it.probe_attempt();
            it.session.handle_probe_closed(&refused(), it.instant());
        }
        assert_eq!(it.store.names(), ["a"]);
        assert!(it.store.assignments.contains_key("a"));
    }
}

#[test]
fn c197_of_three_servers_each_in_turn_takes_over() {
    for variant in BOTH {
        let mut it = with_servers(3, variant);
        assert_eq!([it.fail_to_connect(), it.fail_to_connect()], [0, 1]);
        it.connect();
        it.requests();
        assert_eq!(it.session.server(), 2);
        it.exchange(&Response::cds("t1", "c1", [eds("a")]));
        // The first one is still down.
        assert_eq!(it.probe_attempt(), 0);
        it.session.handle_probe_closed(&refused(), it.instant());
        assert_eq!(it.probe().0, 1);
        it.probe_answers(&Response::cds("s1", "s1", [eds("b")]));
        assert_eq!((it.session.server(), it.store.names()), (1, vec!["b"]));
        assert_eq!(it.probe().0, 0);
        it.probe_answers(&Response::cds("p1", "p1", [eds("c")]));
        assert_eq!((it.session.server(), it.store.names()), (0, vec!["c"]));
    }
}

#[test]
fn behind_the_last_server_the_first_is_tried_again_with_backoff() {
    let mut it = with_servers(2, Variant::Delta);
    let tried: Vec<usize> = (0..6).map(|_| it.fail_to_connect()).collect();
    assert_eq!(tried, [0, 1, 0, 1, 0, 1]);
    assert!(it.now() > Duration::ZERO);
}

#[test]
fn each_server_has_its_own_variant() {
    let mut it = with_servers(2, Variant::Delta);
    it.connect_attempt();
    let unimplemented =
        || StreamError::Status { code: tonic::Code::Unimplemented, message: String::new() };
    it.close(unimplemented());
    it.connect_attempt();
    assert_eq!((it.session.server(), it.variant), (0, Variant::Sotw));
    it.close(refused());
    it.connect_attempt();
    assert_eq!((it.session.server(), it.variant), (1, Variant::Delta));
    assert_eq!(it.status(&TypeUrl::CLUSTER).update_success, 0);
}
