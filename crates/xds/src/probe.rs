//! Back to a better control plane: the session's side of the attempt.

use std::time::Instant;

use bytes::Bytes;
use tracing::info;

use crate::{
    Session, StreamError, Update, Variant,
    session::{Link, Ticket, is_unimplemented},
    wire::Response,
};

impl Session {
    /// While a worse control plane is spoken to: which better one to open a stream to now, beside the
    /// stream that there is. Answered by [`handle_probe_connected`](Self::handle_probe_connected) or
    /// [`handle_probe_closed`](Self::handle_probe_closed).
    pub fn poll_probe(&mut self, now: Instant) -> Option<(usize, Variant)> {
        self.servers.poll_probe(now)
    }

    /// The stream to the better server is open: what to send on it. Whoever answers takes over, so it is
    /// asked for what is asked for as a wildcard only; names follow from that.
    pub fn handle_probe_connected(&mut self) -> Vec<Bytes> {
        let Some((_, variant)) = self.servers.probed() else { return Vec::new() };
        let subscriptions = self.subscriptions.iter();
        let requests = subscriptions.filter_map(|it| it.probe_request(&self.config, variant));
        let with_node = requests.map(|mut request| {
            request.node = Some(self.config.node.clone());
            request.encode(variant)
        });
        with_node.collect()
    }

    /// The stream to the better server, or the attempt at one, ended before a message came.
    pub fn handle_probe_closed(&mut self, error: &StreamError, now: Instant) {
        self.servers.handle_probe_closed(is_unimplemented(error), now, &mut self.rng);
    }

    /// The better server has sent its first message: it takes over, and its stream is the only one from
    /// now on. The message is taken apart as by [`handle_message`](Self::handle_message).
    ///
    /// # Errors
    /// The message is not a response at all. The better server does not take over, and its stream must be
    /// given up.
    pub fn handle_probe_message(
        &mut self,
        message: Bytes,
        now: Instant,
    ) -> Result<Option<(Update, Ticket)>, StreamError> {
        let Some((server, variant)) = self.servers.probed() else { return Ok(None) };
        Response::decode(message.clone(), variant)
            .map_err(|error| StreamError::Malformed(error.to_string()))?;
        info!(server, "a better control plane is back");
        self.answers.clear();
        self.servers.adopt_probe(now, &mut self.rng);
        for subscription in &mut self.subscriptions {
            subscription.handle_stream_closed();
        }
        self.change_server();
        for subscription in &mut self.subscriptions {
            subscription.adopt_stream(variant, now);
        }
        self.retry.reset();
        self.link = Link::Open { since: now, node_sent: true, answered: true };
        self.status.streams += 1;
        self.status.connected = true;
        self.status.connected_changed = Some(now);
        self.handle_message(message, now)
    }
}
