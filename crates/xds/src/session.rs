use std::{collections::BTreeSet, time::Instant};

use bytes::Bytes;

use crate::{Event, SessionConfig, SessionStatus, StreamError, TypeUrl, Update, Variant, Verdict};

/// The protocol, without I/O.
#[derive(Debug)]
pub struct Session {
    status: SessionStatus,
}

/// What must come back with the verdict on an [`Update`]; dropping it leaves the message unanswered.
#[derive(Debug)]
#[must_use]
pub struct Ticket(());

impl Session {
    /// A session that is not connected.
    pub fn new(config: SessionConfig, _seed: u64) -> Self {
        Self {
            status: SessionStatus {
                variant: config.variant,
                connected: false,
                connected_changed: None,
                control_plane: String::new(),
                streams: 0,
                disconnects: 0,
                last_error: None,
                unasked_messages: 0,
                types: Default::default(),
            },
        }
    }
    /// Asks for all resources of a type.
    pub fn subscribe_wildcard(&mut self, _type_url: TypeUrl) {}
    /// Asks for exactly these resources of a type.
    pub fn set_names(&mut self, _type_url: TypeUrl, _names: BTreeSet<String>) {}
    /// When it is time to open a stream: by which method.
    pub fn poll_connect(&mut self, _now: Instant) -> Option<Variant> {
        None
    }
    /// The stream is open.
    pub fn handle_connected(&mut self, _now: Instant) {}
    /// The stream, or the attempt, ended.
    pub fn handle_stream_closed(&mut self, _error: &StreamError, _now: Instant) {}
    /// A message came.
    pub fn handle_message(
        &mut self,
        _message: Bytes,
        _now: Instant,
    ) -> Result<Option<(Update, Ticket)>, StreamError> {
        Ok(None)
    }
    /// The handler's verdict.
    pub fn handle_verdict(&mut self, _ticket: Ticket, _verdict: Verdict, _now: Instant) {}
    /// The next request to send.
    pub fn poll_request(&mut self, _now: Instant) -> Option<Bytes> {
        None
    }
    /// When to call [`handle_timeout`](Self::handle_timeout) next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        None
    }
    /// A deadline passed.
    pub fn handle_timeout(&mut self, _now: Instant) -> Vec<Event> {
        Vec::new()
    }
    /// Where it stands.
    pub fn status(&self) -> &SessionStatus {
        &self.status
    }
}
