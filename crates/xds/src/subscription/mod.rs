//! One type of resource: what is wanted, what the server was told, what is held.
//! What is said to the server about it stands in `requests`.

mod requests;

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    time::{Duration, Instant},
};

use crate::{
    Rejection, TypeStatus, TypeUrl, Variant, deadlines::Deadlines, nack::Refusal, sift::Sifted,
};

/// The last good version of a resource, known by its hash: the session keeps no bodies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) version: String,
    /// With the length, 64 bits of SipHash stand for byte equality.
    pub(crate) hash: u64,
    pub(crate) length: usize,
}

/// What is asked for.
#[derive(Debug)]
enum Interest {
    Wildcard,
    Names(BTreeSet<String>),
}

/// What the stream of the moment knows of the type; gone with the stream.
#[derive(Debug, Default)]
struct OnStream {
    /// Names that the server was told.
    told: BTreeSet<String>,
    /// Nonce of the latest response.
    nonce: String,
    /// A NACK that waits.
    nack: Option<DelayedNack>,
    /// When the names were sent last.
    changed: Option<Instant>,
    /// The first answer is a full list, and held names that it does not mention are gone.
    sweep: bool,
}

/// A NACK of content that was refused before.
#[derive(Debug)]
struct DelayedNack {
    at: Instant,
    nonce: String,
    text: String,
}

#[derive(Debug)]
pub(crate) struct Subscription {
    type_url: TypeUrl,
    interest: Interest,
    stream: Option<OnStream>,
    held: HashMap<String, Held>,
    /// Names that were given up and wanted again before the server was told: it resends them only
    /// if it is told both, in two messages.
    renewed: BTreeSet<String>,
    /// What is held came from another server than the one that is asked now.
    foreign: bool,
    /// The wanted names may differ from those that the server was told.
    names_changed: bool,
    /// When a name that was asked for counts as not existing.
    waiting: Deadlines,
    /// When a resource with a time to live is gone.
    expiry: Deadlines,
    /// State of the world: the last accepted version. It survives streams.
    version: String,
    /// What was refused last.
    refusal: Option<Refusal>,
    pub(crate) status: TypeStatus,
}

impl Subscription {
    pub(crate) fn wildcard(type_url: TypeUrl) -> Self {
        Self::new(type_url, Interest::Wildcard)
    }

    pub(crate) fn by_name(type_url: TypeUrl) -> Self {
        Self::new(type_url, Interest::Names(BTreeSet::new()))
    }

    fn new(type_url: TypeUrl, interest: Interest) -> Self {
        Self {
            type_url,
            interest,
            stream: None,
            held: HashMap::new(),
            renewed: BTreeSet::new(),
            foreign: false,
            names_changed: false,
            waiting: Deadlines::default(),
            expiry: Deadlines::default(),
            version: String::new(),
            refusal: None,
            status: TypeStatus { update_attempt: 1, ..TypeStatus::default() },
        }
    }

    pub(crate) fn type_url(&self) -> &TypeUrl {
        &self.type_url
    }

    /// Replaces the wanted names. What is no longer wanted is no longer held: it would come back
    /// in full if it were wanted again.
    pub(crate) fn set_names(&mut self, names: BTreeSet<String>) {
        let told = self.stream.as_ref().map(|stream| &stream.told);
        let Interest::Names(wanted) = &mut self.interest else { return };
        let old = std::mem::replace(wanted, names);
        let names = &*wanted;
        if *names == old {
            return;
        }
        for gone in old.difference(names) {
            self.held.remove(gone);
            self.waiting.clear(gone);
            self.expiry.clear(gone);
            self.status.rejected.remove(gone);
            if told.is_some_and(|told| told.contains(gone)) {
                self.renewed.insert(gone.clone());
            }
        }
        self.names_changed = true;
        if let Some(refusal) = &mut self.refusal {
            refusal.unsettle();
        }
        self.note_counts();
    }

    /// Whether a resource of this name is asked for.
    pub(crate) fn wants(&self, name: &str) -> bool {
        match &self.interest {
            Interest::Wildcard => true,
            Interest::Names(names) => names.contains(name),
        }
    }

    /// Whether the removal of this name says anything new.
    pub(crate) fn concerns(&self, name: &str) -> bool {
        match &self.interest {
            Interest::Wildcard => {
                self.held.contains_key(name) || self.status.rejected.contains_key(name)
            }
            Interest::Names(names) => names.contains(name),
        }
    }

    pub(crate) fn held(&self, name: &str) -> Option<&Held> {
        self.held.get(name)
    }

    pub(crate) fn held_names(&self) -> impl Iterator<Item = &String> {
        self.held.keys()
    }

    /// Whether a response is a full list. Of named types it never is, in either variant.
    pub(crate) fn absence_is_removal(&self, variant: Variant) -> bool {
        matches!(self.interest, Interest::Wildcard)
            && (variant == Variant::Sotw || self.stream.as_ref().is_some_and(|it| it.sweep))
    }

    /// Whether the server was asked for the type on this stream.
    pub(crate) fn is_open(&self) -> bool {
        self.stream.is_some()
    }

    /// The stream is gone, and with it nonces and waiting times.
    pub(crate) fn handle_stream_closed(&mut self) {
        self.stream = None;
        self.renewed.clear();
        self.waiting.clear_all();
        self.status.update_failure += 1;
        self.status.update_attempt += 1;
    }

    /// Another server is asked from now on. It knows no versions of the one before, and what it does not
    /// mention in its first answer is not there.
    pub(crate) fn change_server(&mut self) {
        self.version.clear();
        self.refusal = None;
        self.foreign = true;
    }

    /// Whether something that is asked for was never received.
    pub(crate) fn lacks_something(&self) -> bool {
        match &self.interest {
            Interest::Wildcard => !self.status.answered,
            Interest::Names(names) => names.iter().any(|name| !self.held.contains_key(name)),
        }
    }

    /// Notes the nonce of a response. A NACK that still waits is about an older one.
    pub(crate) fn handle_response(&mut self, nonce: &str) {
        self.foreign = false;
        if let Some(stream) = &mut self.stream {
            nonce.clone_into(&mut stream.nonce);
            stream.nack = None;
        }
    }

    /// Later answers on this stream are incremental.
    pub(crate) fn end_sweep(&mut self) {
        if let Some(stream) = &mut self.stream {
            stream.sweep = false;
        }
    }

    /// Makes the good ones of a message the held ones. The refused ones keep their last good
    /// version, and the refused version is not remembered anywhere.
    pub(crate) fn settle(&mut self, sifted: Sifted, rejections: &[Rejection], now: Instant) {
        if sifted.full {
            self.status.rejected.clear();
        }
        // Resources without a readable name are known by their place in the message only.
        self.status.rejected.retain(|name, _| !name.starts_with('#'));
        for it in rejections {
            self.waiting.clear(&it.name);
            self.status.rejected.insert(it.name.clone(), it.reason.clone());
        }
        let refused: HashSet<&str> = rejections.iter().map(|it| it.name.as_str()).collect();
        for it in sifted.accepted {
            if refused.contains(it.name.as_str()) || !self.wants(&it.name) {
                continue;
            }
            self.waiting.clear(&it.name);
            self.status.rejected.remove(&it.name);
            // A time to live beyond what the clock can say is for ever.
            match it.ttl.and_then(|ttl| now.checked_add(ttl)) {
                Some(at) => self.expiry.set(&it.name, at),
                None => self.expiry.clear(&it.name),
            }
            self.held.insert(it.name, it.held);
        }
        for name in &sifted.removed {
            self.waiting.clear(name);
            self.status.rejected.remove(name);
            self.expiry.clear(name);
            self.held.remove(name);
        }
    }

    /// Counts a message that was accepted whole.
    pub(crate) fn accept(&mut self, version: &str, now: Instant) {
        self.status.update_success += 1;
        self.status.last_update = Some(now);
        version.clone_into(&mut self.version);
        version.clone_into(&mut self.status.version_text);
        if let Some(refusal) = &mut self.refusal {
            refusal.unsettle();
        }
    }

    /// Counts a message that was not, and says when its NACK may go out; `None` is at once.
    pub(crate) fn refuse(
        &mut self,
        content: u64,
        text: &str,
        distances: (Duration, Duration),
        now: Instant,
    ) -> Option<Instant> {
        self.status.update_rejected += 1;
        self.status.error = Some(text.to_owned());
        let Some(last) = &mut self.refusal else {
            self.refusal = Some(Refusal::new(content, text.to_owned(), now));
            return None;
        };
        if last.judge_again(content, text, now) {
            return Some(last.next(distances, now));
        }
        last.replace(content, text.to_owned(), now)
    }

    /// If exactly this content was refused lately and would be again: the text of the NACK, and
    /// when it may go out.
    pub(crate) fn refused_before(
        &mut self,
        content: u64,
        distances: (Duration, Duration),
        now: Instant,
    ) -> Option<(String, Instant)> {
        let refusal = self.refusal.as_mut()?;
        let text = refusal.known(content, now)?.to_owned();
        self.status.update_rejected += 1;
        Some((text, refusal.next(distances, now)))
    }

    pub(crate) fn note_counts(&mut self) {
        self.status.held = self.held.len();
        self.status.wanted = match &self.interest {
            Interest::Wildcard => 0,
            Interest::Names(names) => names.len(),
        };
        if self.status.rejected.is_empty() {
            self.status.error = None;
        }
    }

    /// Names that were not answered for in time.
    pub(crate) fn take_missing(&mut self, now: Instant) -> Vec<String> {
        let missing = self.waiting.take_due(now);
        self.status.init_fetch_timeout += missing.len() as u64;
        missing
    }

    /// Resources whose time to live is over.
    pub(crate) fn take_expired(&mut self, now: Instant) -> Vec<String> {
        let expired = self.expiry.take_due(now);
        for name in &expired {
            self.held.remove(name);
        }
        self.note_counts();
        expired
    }

    pub(crate) fn poll_timeout(&self, coalesce: Duration) -> Option<Instant> {
        let nack = self.stream.as_ref().and_then(|it| it.nack.as_ref()).map(|nack| nack.at);
        let dues = [nack, self.waiting.next(), self.expiry.next(), self.change_due(coalesce)];
        dues.into_iter().flatten().min()
    }
}
