//! A session between a scripted server and a [`Store`], on a clock that only the test moves.

use std::time::{Duration, Instant};

use bytes::Bytes;
use destrier_xds::{Event, Session, SessionConfig, StreamError, Ticket, TypeUrl, Update, Variant};
use envoy_types::pb::envoy::config::core::v3::Node;
use prost::Message;

use crate::{request::Request, resources::Response, store::Store};

pub(crate) const BOTH: [Variant; 2] = [Variant::Delta, Variant::Sotw];

pub(crate) struct Conversation {
    pub(crate) session: Session,
    pub(crate) store: Store,
    pub(crate) variant: Variant,
    /// When the session wanted to connect while time passed.
    pub(crate) attempts: Vec<Duration>,
    /// Events other than updates.
    pub(crate) events: Vec<(Duration, Event)>,
    start: Instant,
    now: Instant,
}

pub(crate) fn node() -> Bytes {
    let node = Node { id: "sidecar~10.0.0.1~web.ns~ns.svc".into(), ..Node::default() };
    node.encode_to_vec().into()
}

pub(crate) fn config(variant: Variant) -> SessionConfig {
    SessionConfig { variant, ..SessionConfig::new(node()) }
}

impl Conversation {
    pub(crate) fn new(config: SessionConfig) -> Self {
        Self::seeded(config, 7)
    }

    pub(crate) fn seeded(config: SessionConfig, seed: u64) -> Self {
        let start = tokio::time::Instant::now().into_std();
        let variant = config.variant;
        let mut session = Session::new(config, seed);
        session.subscribe_wildcard(TypeUrl::CLUSTER);
        Self {
            session,
            store: Store::default(),
            variant,
            attempts: Vec::new(),
            events: Vec::new(),
            start,
            now: start,
        }
    }

    /// A conversation whose stream is open and whose first CDS request was read.
    pub(crate) fn open(variant: Variant) -> Self {
        let mut it = Self::new(config(variant));
        it.connect();
        it.requests();
        it
    }

    /// Opens a stream as soon as the session wants one.
    pub(crate) fn connect(&mut self) {
        self.connect_attempt();
        self.session.handle_connected(self.now);
    }

    /// Lets time pass until the session wants a stream. Attempts at a better server fail meanwhile.
    pub(crate) fn connect_attempt(&mut self) {
        loop {
            if self.session.poll_probe(self.now).is_some() {
                let refused = StreamError::Connect("refused".into());
                self.session.handle_probe_closed(&refused, self.now);
            }
            if let Some(variant) = self.session.poll_connect(self.now) {
                self.variant = variant;
                break;
            }
            let next = self.session.poll_timeout().expect("a session without stream has a timer");
            self.now = self.now.max(next);
        }
    }

    /// Lets time pass until the session wants a stream to a better server, and returns which. Attempts at
    /// the server of the moment fail meanwhile.
    pub(crate) fn probe_attempt(&mut self) -> usize {
        loop {
            if self.session.poll_connect(self.now).is_some() {
                self.close(StreamError::Connect("refused".into()));
            }
            if let Some((server, variant)) = self.session.poll_probe(self.now) {
                assert_eq!(variant, self.variant);
                return server;
            }
            let next = self.session.poll_timeout().expect("a better server is tried again");
            self.now = self.now.max(next);
        }
    }

    pub(crate) fn instant(&self) -> Instant {
        self.now
    }

    pub(crate) fn now(&self) -> Duration {
        self.now - self.start
    }

    /// All that the session wants to send now.
    pub(crate) fn requests(&mut self) -> Vec<Request> {
        let mut requests = Vec::new();
        while let Some(message) = self.session.poll_request(self.now) {
            let request = Request::decode(message, self.variant);
            requests.push(Request { at: Some(self.now()), ..request });
        }
        requests
    }

    /// Sends a response; the handler says what it thinks of it.
    pub(crate) fn respond(&mut self, response: &Response) {
        if let Some((update, ticket)) = self.receive(response) {
            self.judge(update, ticket);
        }
    }

    /// Sends a response and returns all requests that follow at once.
    pub(crate) fn exchange(&mut self, response: &Response) -> Vec<Request> {
        self.respond(response);
        self.requests()
    }

    /// Sends a response and leaves it to the test when the handler hears of it.
    pub(crate) fn receive(&mut self, response: &Response) -> Option<(Update, Ticket)> {
        self.receive_bytes(response.encode(self.variant)).expect("a well-formed response")
    }

    /// Sends bytes that may or may not be a response.
    pub(crate) fn receive_bytes(
        &mut self,
        message: Bytes,
    ) -> Result<Option<(Update, Ticket)>, StreamError> {
        self.session.handle_message(message, self.now)
    }

    pub(crate) fn judge(&mut self, update: Update, ticket: Ticket) {
        let reply = self.store.handle_update(update);
        self.session.handle_verdict(ticket, reply.verdict, self.now);
        for (type_url, names) in reply.names {
            self.session.set_names(type_url, names);
        }
    }

    /// Lets time pass and returns what was sent meanwhile.
    pub(crate) fn pass(&mut self, time: Duration) -> Vec<Request> {
        let end = self.now + time;
        let mut requests = Vec::new();
        loop {
            if let Some(variant) = self.session.poll_connect(self.now) {
                self.variant = variant;
                self.attempts.push(self.now());
                assert!(self.attempts.len() < 10_000, "a burst of attempts to connect");
                // Until the test opens a stream, each attempt fails.
                let refused = StreamError::Connect("refused".into());
                self.session.handle_stream_closed(&refused, self.now);
            }
            let at = self.now();
            self.events
                .extend(self.session.handle_timeout(self.now).into_iter().map(|it| (at, it)));
            requests.extend(self.requests());
            match self.session.poll_timeout() {
                Some(next) if next <= end => self.now = self.now.max(next),
                _ => break,
            }
        }
        self.now = end;
        requests
    }

    /// Ends the stream.
    pub(crate) fn close(&mut self, error: StreamError) {
        self.session.handle_stream_closed(&error, self.now);
    }

    /// Ends the stream, opens another one, and returns its first requests.
    pub(crate) fn reconnect(&mut self) -> Vec<Request> {
        self.close(StreamError::Ended);
        self.connect();
        self.requests()
    }

    pub(crate) fn status(&self, type_url: &TypeUrl) -> &destrier_xds::TypeStatus {
        &self.session.status().types[type_url]
    }
}
