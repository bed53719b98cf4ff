use std::{
    collections::{BTreeSet, VecDeque},
    time::Instant,
};

use bytes::Bytes;
use rand::{SeedableRng, rngs::StdRng};
use tonic::Code;
use tracing::{debug, error, info, warn};

use crate::{
    Event, NodeOn, SessionConfig, SessionStatus, StreamError, TypeUrl, Update, Variant,
    backoff::{Ended, Retry},
    nack,
    servers::Servers,
    sift::{Sifted, content_hash, sift},
    subscription::Subscription,
    update::{Rejection, Verdict},
    wire::{Request, Response},
};

/// A longer nonce is not echoed but ends the stream.
const MAX_NONCE: usize = 64 * 1024;

/// The ADS client without I/O.
///
/// The owner opens a stream when [`poll_connect`](Self::poll_connect) says so, tells what happens to
/// it by the `handle_*` methods, and after each of them sends what
/// [`poll_request`](Self::poll_request) yields until it yields nothing.
#[derive(Debug)]
pub struct Session {
    pub(crate) config: SessionConfig,
    pub(crate) rng: StdRng,
    pub(crate) servers: Servers,
    pub(crate) retry: Retry,
    pub(crate) link: Link,
    /// In the order in which they were made, which is the order of first requests.
    pub(crate) subscriptions: Vec<Subscription>,
    /// Answers that are due, in the order of their responses.
    pub(crate) answers: VecDeque<Request>,
    pub(crate) status: SessionStatus,
}

/// The state of the one stream.
#[derive(Debug)]
pub(crate) enum Link {
    Waiting { until: Option<Instant> },
    Connecting,
    Open { since: Instant, node_sent: bool, answered: bool },
}

/// What must come back with the verdict on an [`Update`]. Dropping it leaves the message unanswered
/// and nothing of it held. Verdicts on messages of one type must come in the order of the messages.
#[derive(Debug)]
#[must_use = "without a verdict the message is never answered"]
pub struct Ticket {
    type_url: TypeUrl,
    stream: u64,
    nonce: String,
    version: String,
    resources: usize,
    content: u64,
    sifted: Sifted,
}

impl Session {
    /// A session that wants to connect at once. The seed feeds the jitter of reconnects.
    pub fn new(config: SessionConfig, seed: u64) -> Self {
        Self {
            rng: StdRng::seed_from_u64(seed),
            servers: Servers::new(config.servers, config.variant, config.backoff),
            retry: Retry::new(config.backoff),
            link: Link::Waiting { until: None },
            subscriptions: Vec::new(),
            answers: VecDeque::new(),
            status: SessionStatus::new(config.variant),
            config,
        }
    }

    /// Asks for all resources of a type. Types are requested in the order in which they are first
    /// named here or in [`set_names`](Self::set_names).
    pub fn subscribe_wildcard(&mut self, type_url: TypeUrl) {
        if self.find(&type_url).is_none() {
            self.subscriptions.push(Subscription::wildcard(type_url));
            self.note_status();
        }
    }

    /// Asks for exactly these resources of a type, in one request for all that changed. What is no
    /// longer named is forgotten. A type that is subscribed to as wildcard stays so.
    pub fn set_names(&mut self, type_url: TypeUrl, names: BTreeSet<String>) {
        if self.find(&type_url).is_none() {
            self.subscriptions.push(Subscription::by_name(type_url.clone()));
        }
        if let Some(subscription) = self.find_mut(&type_url) {
            subscription.set_names(names);
        }
        self.note_status();
    }

    /// Which control plane streams are opened to, counted from the preferred one.
    pub fn server(&self) -> usize {
        self.servers.active()
    }

    /// When it is time to open a stream to [`server`](Self::server): by which method. Answered by
    /// [`handle_connected`](Self::handle_connected) or
    /// [`handle_stream_closed`](Self::handle_stream_closed).
    pub fn poll_connect(&mut self, now: Instant) -> Option<Variant> {
        match self.link {
            Link::Waiting { until } if until.is_none_or(|until| until <= now) => {
                self.link = Link::Connecting;
                Some(self.status.variant)
            }
            _ => None,
        }
    }

    /// The stream is open: requests can be sent. It need not have answered yet, not even with its
    /// headers, which some servers hold back until the first request.
    pub fn handle_connected(&mut self, now: Instant) {
        self.link = Link::Open { since: now, node_sent: false, answered: false };
        self.status.streams += 1;
        self.status.connected = true;
        self.status.connected_changed = Some(now);
    }

    /// The stream, or the attempt at one, ended. Nothing that is held changes.
    pub fn handle_stream_closed(&mut self, error: &StreamError, now: Instant) {
        let ended = match self.link {
            Link::Waiting { .. } => return,
            Link::Open { since, answered: true, .. } => Ended::Answered { opened: since },
            _ => Ended::Unanswered,
        };
        if matches!(ended, Ended::Unanswered) && std::mem::take(&mut self.status.healthy) {
            self.status.server_failures += 1;
        }
        self.answers.clear();
        for subscription in &mut self.subscriptions {
            subscription.handle_stream_closed();
        }
        let delay = if is_unimplemented(error) && self.servers.give_delta_up() {
            warn!("the control plane has no delta ADS; state of the world from now on");
            std::time::Duration::ZERO
        } else if self.must_fall_back(ended) && self.fall_back(now) {
            std::time::Duration::ZERO
        } else {
            self.retry.delay(ended, now, &mut self.rng)
        };
        self.status.variant = self.servers.variant();
        log_closed(error, ended, delay);
        self.link = Link::Waiting { until: Some(now + delay) };
        self.status.disconnects += 1;
        self.status.last_error = Some(error.to_string());
        self.status.last_disconnect.clone_from(&self.status.last_error);
        if self.status.connected || self.status.connected_changed.is_none() {
            self.status.connected_changed = Some(now);
        }
        self.status.connected = false;
        self.note_status();
    }

    /// Takes one message apart. `None` if there is nothing to judge: nobody asked for the type, or
    /// exactly this content was refused just now.
    ///
    /// # Errors
    /// The message is not a response at all. The stream must be given up.
    pub fn handle_message(
        &mut self,
        message: Bytes,
        now: Instant,
    ) -> Result<Option<(Update, Ticket)>, StreamError> {
        let variant = self.status.variant;
        let response = Response::decode(message, variant)
            .map_err(|error| StreamError::Malformed(error.to_string()))?;
        if response.nonce.len() > MAX_NONCE {
            let text = format!("a nonce of {} bytes", response.nonce.len());
            return Err(StreamError::Malformed(text));
        }
        let Link::Open { answered, .. } = &mut self.link else { return Ok(None) };
        *answered = true;
        self.servers.note_answer();
        self.status.healthy = true;
        if !response.control_plane.is_empty() {
            response.control_plane.clone_into(&mut self.status.control_plane);
        }
        self.status.last_error = None;

        let asked = self
            .subscriptions
            .iter_mut()
            .find(|it| it.type_url().as_str() == response.type_url && it.is_open());
        let Some(subscription) = asked else {
            if self.status.unasked_messages == 0 {
                warn!(type_url = response.type_url, "a message of a type that was not asked for");
            }
            self.status.unasked_messages += 1;
            return Ok(None);
        };
        subscription.handle_response(&response.nonce);
        subscription.status.answered = true;
        subscription.status.update_attempt += 1;

        let content = content_hash(&response);
        let distances = self.config.nack_distances();
        if let Some((text, at)) = subscription.refused_before(content, distances, now) {
            subscription.delay_nack(at, response.nonce, text);
            self.note_status();
            return Ok(None);
        }

        let mut sifted = sift(&response, subscription, variant, self.config.max_resource_bytes);
        subscription.end_sweep();
        subscription.status.unasked_resources += sifted.unasked as u64;
        let update = Update {
            type_url: subscription.type_url().clone(),
            resources: std::mem::take(&mut sifted.changed),
            removed: sifted.removed.clone(),
            unchanged: std::mem::take(&mut sifted.unchanged),
            version: response.version.clone(),
            received: now,
            stream: self.status.streams,
            nonce: response.nonce.clone(),
        };
        let ticket = Ticket {
            type_url: update.type_url.clone(),
            stream: self.status.streams,
            nonce: response.nonce,
            version: response.version,
            resources: response.resources.len(),
            content,
            sifted,
        };
        Ok(Some((update, ticket)))
    }

    /// Ends a message: holds what is good and queues the ACK, or the one NACK that names the rest.
    pub fn handle_verdict(&mut self, ticket: Ticket, verdict: Verdict, now: Instant) {
        let variant = self.status.variant;
        let on_stream = self.status.connected && ticket.stream == self.status.streams;
        let distances = self.config.nack_distances();
        let Some(subscription) = self.find_mut(&ticket.type_url) else { return };

        let Ticket { mut sifted, nonce, .. } = ticket;
        let mut rejections = std::mem::take(&mut sifted.rejections);
        // The handler judges what the rules of the protocol let pass.
        let valid = sifted.accepted.len().saturating_sub(verdict.len());
        rejections.extend(verdict);
        subscription.status.resources_valid += valid as u64;
        subscription.status.resources_invalid += rejections.len() as u64;
        subscription.settle(sifted, &rejections, now);

        let (error, later) = if rejections.is_empty() {
            subscription.accept(&ticket.version, now);
            (None, None)
        } else {
            log_rejected(&ticket.type_url, &rejections);
            let text = nack::text(&rejections, ticket.resources);
            let later = subscription.refuse(ticket.content, &text, distances, now);
            (Some(text), later)
        };
        subscription.note_counts();
        match (error, later) {
            _ if !on_stream => {}
            (Some(text), Some(at)) => subscription.delay_nack(at, nonce, text),
            // With an empty nonce it would be a spontaneous request that asks for nothing.
            (None, _) if nonce.is_empty() && variant == Variant::Delta => {
                debug!("a delta response without a nonce cannot be acknowledged");
            }
            (error, _) => {
                let answer = subscription.answer(nonce, error, variant);
                self.answers.push_back(answer);
            }
        }
        self.note_status();
    }

    /// The next request to send now. Answers come first, each alone; then first requests of types,
    /// then changes of names.
    pub fn poll_request(&mut self, now: Instant) -> Option<Bytes> {
        let Link::Open { node_sent, .. } = &mut self.link else { return None };
        let (config, variant) = (&self.config, self.status.variant);
        let subscriptions = &mut self.subscriptions;
        let mut request = self
            .answers
            .pop_front()
            .or_else(|| subscriptions.iter_mut().find_map(|it| it.poll_nack(variant, now)))
            .or_else(|| subscriptions.iter_mut().find_map(|it| it.poll_open(config, variant, now)))
            .or_else(|| {
                subscriptions.iter_mut().find_map(|it| it.poll_change(config, variant, now))
            })?;
        if !*node_sent || config.node_on == NodeOn::EveryRequest {
            request.node = Some(config.node.clone());
            *node_sent = true;
        }
        Some(request.encode(variant))
    }

    /// When to call [`poll_connect`](Self::poll_connect), [`poll_request`](Self::poll_request) and
    /// [`handle_timeout`](Self::handle_timeout) next, if nothing happens before.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let link = match self.link {
            Link::Waiting { until } => until,
            Link::Connecting | Link::Open { .. } => None,
        };
        let types =
            self.subscriptions.iter().filter_map(|it| it.poll_timeout(self.config.coalesce));
        types.chain(link).chain(self.servers.poll_timeout()).min()
    }

    /// Names that were waited for in vain, and resources whose time to live is over.
    pub fn handle_timeout(&mut self, now: Instant) -> Vec<Event> {
        let mut events = Vec::new();
        for subscription in &mut self.subscriptions {
            let type_url = subscription.type_url().clone();
            let names = subscription.take_missing(now);
            if !names.is_empty() {
                warn!(%type_url, count = names.len(), first = names[0], "no answer for names");
                events.push(Event::DoesNotExist { type_url: type_url.clone(), names });
            }
            let names = subscription.take_expired(now);
            if !names.is_empty() {
                events.push(Event::Expired { type_url, names });
            }
        }
        if !events.is_empty() {
            self.note_status();
        }
        events
    }

    /// Where the session stands.
    pub fn status(&self) -> &SessionStatus {
        &self.status
    }

    /// A lost server is missed only while something was never received (gRFC A71).
    fn must_fall_back(&self, ended: Ended) -> bool {
        matches!(ended, Ended::Unanswered)
            && !self.servers.is_alone()
            && self.subscriptions.iter().any(Subscription::lacks_something)
    }

    /// Says whether the next one can be asked at once.
    fn fall_back(&mut self, now: Instant) -> bool {
        let is_worse = self.servers.fall_back(now, &mut self.rng);
        warn!(server = self.servers.active(), "the next control plane is asked");
        self.change_server();
        is_worse
    }

    pub(crate) fn change_server(&mut self) {
        self.status.server = self.servers.active();
        self.status.variant = self.servers.variant();
        self.subscriptions.iter_mut().for_each(Subscription::change_server);
    }

    fn find(&self, type_url: &TypeUrl) -> Option<&Subscription> {
        self.subscriptions.iter().find(|it| it.type_url() == type_url)
    }

    fn find_mut(&mut self, type_url: &TypeUrl) -> Option<&mut Subscription> {
        self.subscriptions.iter_mut().find(|it| it.type_url() == type_url)
    }

    fn note_status(&mut self) {
        for subscription in &self.subscriptions {
            self.status.types.insert(subscription.type_url().clone(), subscription.status.clone());
        }
    }
}

pub(crate) fn is_unimplemented(error: &StreamError) -> bool {
    matches!(error, StreamError::Status { code: Code::Unimplemented, .. })
}

/// The end of a stream that worked is the daily life of a client: istiod ends each after 30 minutes.
fn log_closed(error: &StreamError, ended: Ended, delay: std::time::Duration) {
    let again = delay.as_millis();
    match (error, ended) {
        (StreamError::Status { code: Code::InvalidArgument, .. }, _) => {
            error!(%error, again_in_ms = again, "the control plane refuses this node");
        }
        (_, Ended::Answered { .. }) => {
            info!(%error, again_in_ms = again, "xDS stream ended");
        }
        (_, Ended::Unanswered) => warn!(%error, again_in_ms = again, "no xDS stream"),
    }
}

fn log_rejected(type_url: &TypeUrl, rejections: &[Rejection]) {
    let first = &rejections[0];
    warn!(
        %type_url,
        count = rejections.len(),
        name = first.name,
        reason = first.reason,
        "resources refused; their last good versions stay in force"
    );
}
