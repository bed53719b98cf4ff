//! What the server is told about one type: answers, first requests, changes of names.

use std::time::{Duration, Instant};

use super::{DelayedNack, Interest, OnStream, Subscription};
use crate::{SessionConfig, Unmentioned, Variant, Wildcard, wire::Request};

impl Subscription {
    /// Sends a NACK later. A newer response of the type takes its place.
    pub(crate) fn delay_nack(&mut self, at: Instant, nonce: String, text: String) {
        if let Some(stream) = &mut self.stream {
            stream.nack = Some(DelayedNack { at, nonce, text });
        }
    }

    /// The answer to a response. Names never change in it: some servers ignore a change that comes
    /// with an ACK or a NACK.
    pub(crate) fn answer(&self, nonce: String, error: Option<String>, variant: Variant) -> Request {
        let told = match (variant, &self.stream) {
            (Variant::Sotw, Some(stream)) => stream.told.iter().cloned().collect(),
            _ => Vec::new(),
        };
        Request {
            type_url: self.type_url.as_str().into(),
            version: self.version.clone(),
            subscribe: told,
            nonce,
            error,
            ..Request::default()
        }
    }

    /// A NACK that has waited long enough.
    pub(crate) fn poll_nack(&mut self, variant: Variant, now: Instant) -> Option<Request> {
        let nack = self.stream.as_mut()?.nack.take_if(|nack| nack.at <= now)?;
        Some(self.answer(nack.nonce, Some(nack.text), variant))
    }

    /// The first request of the type on a stream. A type by name stays closed until there is a
    /// name: an empty list would be a wildcard.
    pub(crate) fn poll_open(
        &mut self,
        config: &SessionConfig,
        variant: Variant,
        now: Instant,
    ) -> Option<Request> {
        if self.stream.is_some() {
            return None;
        }
        let subscribe: Vec<String> = match &self.interest {
            Interest::Names(names) if names.is_empty() => return None,
            Interest::Names(names) => names.iter().cloned().collect(),
            Interest::Wildcard => self.wildcard_names(config, variant).unwrap_or_default(),
        };
        let mut stream = OnStream { changed: Some(now), ..OnStream::default() };
        if let Interest::Names(names) = &self.interest {
            stream.told = names.clone();
        }
        self.names_changed = false;
        let initial_versions = match variant {
            Variant::Sotw => Vec::new(),
            Variant::Delta => self.initial_versions(&subscribe, config, &mut stream),
        };
        self.stream = Some(stream);
        self.wait_for(subscribe.iter(), config.does_not_exist_after, now);
        Some(Request {
            type_url: self.type_url.as_str().into(),
            version: self.version.clone(),
            subscribe,
            initial_versions,
            ..Request::default()
        })
    }

    /// The first request of a wildcard type to a server that may take over. Nothing changes by it.
    pub(crate) fn probe_request(
        &self,
        config: &SessionConfig,
        variant: Variant,
    ) -> Option<Request> {
        let subscribe = self.wildcard_names(config, variant)?;
        Some(Request { type_url: self.type_url.as_str().into(), subscribe, ..Request::default() })
    }

    /// The server that was sent the [`Self::probe_request`] has taken over.
    pub(crate) fn adopt_stream(&mut self, variant: Variant, now: Instant) {
        if matches!(self.interest, Interest::Wildcard) {
            let sweep = variant == Variant::Delta && !self.held.is_empty();
            self.stream = Some(OnStream { changed: Some(now), sweep, ..OnStream::default() });
        }
    }

    fn wildcard_names(&self, config: &SessionConfig, variant: Variant) -> Option<Vec<String>> {
        match (&self.interest, config.wildcard, variant) {
            (Interest::Names(_), ..) => None,
            (Interest::Wildcard, Wildcard::Star, Variant::Delta) => Some(vec!["*".into()]),
            (Interest::Wildcard, ..) => Some(Vec::new()),
        }
    }

    /// What is held, so that the server can say what vanished meanwhile; also when the versions
    /// are empty, as istiod's are: it is the names that count.
    fn initial_versions(
        &self,
        subscribe: &[String],
        config: &SessionConfig,
        stream: &mut OnStream,
    ) -> Vec<(String, String)> {
        if self.foreign {
            stream.sweep = !self.held.is_empty();
            return Vec::new();
        }
        // Keys and lengths of a map entry and of a repeated string, in bytes at most.
        const ENTRY: usize = 20;
        let names: usize = subscribe.iter().map(|name| name.len() + ENTRY).sum();
        let versions: usize =
            self.held.iter().map(|(name, it)| name.len() + it.version.len() + 2 * ENTRY).sum();
        let fits = config.node.len() + names + versions <= config.max_request_bytes;
        stream.sweep = !self.held.is_empty() && (!fits || config.unmentioned == Unmentioned::Sweep);
        if !fits {
            return Vec::new();
        }
        self.held.iter().map(|(name, it)| (name.clone(), it.version.clone())).collect()
    }

    /// The next change of names that the server must be told, in a message of its own.
    pub(crate) fn poll_change(
        &mut self,
        config: &SessionConfig,
        variant: Variant,
        now: Instant,
    ) -> Option<Request> {
        if self.change_due(config.coalesce).is_none_or(|due| due > now) {
            return None;
        }
        let Interest::Names(names) = &self.interest else { return None };
        let stream = self.stream.as_mut()?;
        // What was renewed is left out first, and comes back with the next message.
        let renewed = std::mem::take(&mut self.renewed);
        self.names_changed = renewed.iter().any(|name| names.contains(name));
        let unsubscribe: Vec<String> = stream
            .told
            .iter()
            .filter(|name| !names.contains(*name) || renewed.contains(*name))
            .cloned()
            .collect();
        let subscribe: Vec<String> = names.difference(&stream.told).cloned().collect();
        if subscribe.is_empty() && unsubscribe.is_empty() {
            return None;
        }
        for name in &unsubscribe {
            stream.told.remove(name);
        }
        stream.told.extend(subscribe.iter().cloned());
        stream.changed = Some(now);
        let request = match variant {
            Variant::Delta => Request {
                type_url: self.type_url.as_str().into(),
                subscribe: subscribe.clone(),
                unsubscribe,
                ..Request::default()
            },
            // The newest nonce, never an empty one: go-control-plane ignores that in mid-stream.
            Variant::Sotw => {
                let nonce = stream.nonce.clone();
                self.answer(nonce, None, variant)
            }
        };
        self.wait_for(subscribe.iter(), config.does_not_exist_after, now);
        Some(request)
    }

    /// When a change of names is to be sent, if there is one.
    pub(super) fn change_due(&self, coalesce: Duration) -> Option<Instant> {
        let sent = self.stream.as_ref()?.changed?;
        self.names_changed.then(|| sent + coalesce)
    }

    fn wait_for<'a>(
        &mut self,
        names: impl Iterator<Item = &'a String>,
        limit: Duration,
        now: Instant,
    ) {
        if limit.is_zero() || matches!(self.interest, Interest::Wildcard) {
            return;
        }
        for name in names.filter(|name| !self.held.contains_key(*name)) {
            self.waiting.set(name, now + limit);
        }
    }
}
