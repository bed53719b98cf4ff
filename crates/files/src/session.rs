//! One file as a source of one type: what it holds, what changes, what is wrong with it.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::Hasher as _;
use std::time::Instant;

use destrier_xds::{Rejection, Resource, TypeStatus, TypeUrl, Update, Verdict};
use twox_hash::XxHash64;

use crate::content::{Content, FileFault, NamedResource};

/// Which resources of a file are wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Interest {
    /// All, and what is not in the file is gone: clusters, listeners.
    All,
    /// These. What is not in the file did not change; what nobody named is passed over.
    Names(BTreeSet<String>),
}

/// A file without I/O. The owner says what was read and carries the verdict back.
#[derive(Debug)]
pub struct FileSession {
    type_url: TypeUrl,
    interest: Interest,
    /// Hash and length of what was accepted.
    held: BTreeMap<String, (u64, usize)>,
    status: TypeStatus,
}

/// What must come back with the verdict on an [`Update`].
#[derive(Debug)]
#[must_use = "without a verdict nothing of the file is held"]
pub struct FileTicket {
    version: String,
    accepted: Vec<(String, (u64, usize))>,
    rejections: Vec<Rejection>,
    total: usize,
}

impl FileSession {
    /// Nothing is held, nothing was read.
    pub fn new(type_url: TypeUrl, interest: Interest) -> Self {
        Self { type_url, interest, held: BTreeMap::new(), status: TypeStatus::default() }
    }

    /// The type of all its resources.
    pub fn type_url(&self) -> &TypeUrl {
        &self.type_url
    }

    /// Other names are wanted. Whether there is a new one among them: then the file has to be taken
    /// again, though it did not change.
    pub fn set_names(&mut self, names: BTreeSet<String>) -> bool {
        let Interest::Names(before) = &self.interest else { return false };
        let more = !names.is_subset(before);
        self.held.retain(|name, _| names.contains(name));
        self.status.rejected.retain(|name, _| names.contains(name));
        self.status.wanted = names.len();
        self.interest = Interest::Names(names);
        more
    }

    /// The file was read, or could not be.
    ///
    /// # Errors
    /// Why nothing of it can be used. What is held stays.
    pub fn handle_content(
        &mut self,
        content: Result<Content, FileFault>,
        now: Instant,
    ) -> Result<(Update, FileTicket), FileFault> {
        self.status.update_attempt += 1;
        let Content { version, resources, faults } = content.inspect_err(|fault| {
            match fault {
                FileFault::Unreadable(_) => self.status.update_failure += 1,
                FileFault::Malformed(_) => self.status.update_rejected += 1,
            }
            self.status.error = Some(fault.to_string());
        })?;
        let total = resources.len() + faults.len();
        let mut times = BTreeMap::<String, usize>::new();
        let named = resources.iter().map(|resource| Some(&resource.name));
        for name in named.chain(faults.iter().map(|fault| fault.name.as_ref())).flatten() {
            *times.entry(name.clone()).or_default() += 1;
        }
        // While the name of one is not known, no absence can be believed.
        let all_named = faults.iter().all(|fault| fault.name.is_some());
        let mut rejections: Vec<Rejection> = faults
            .into_iter()
            .filter(|fault| fault.name.as_ref().is_none_or(|name| self.wants(name)))
            .map(|fault| {
                let place = format!("resources[{}]", fault.index);
                let name = fault.name.unwrap_or_else(|| place.clone());
                Rejection { name, reason: format!("{place}: {}", fault.reason) }
            })
            .collect();
        let mut update = Update {
            type_url: self.type_url.clone(),
            resources: Vec::new(),
            removed: Vec::new(),
            unchanged: Vec::new(),
            version: version.clone(),
            received: now,
            stream: 0,
            nonce: String::new(),
        };
        let mut accepted = Vec::new();
        for NamedResource { name, version: own, body } in resources {
            if !self.wants(&name) {
                self.status.unasked_resources += 1;
                continue;
            }
            if times[&name] > 1 {
                if rejections.iter().all(|rejection| rejection.name != name) {
                    let reason = "the name occurs more than once in the file".into();
                    rejections.push(Rejection { name, reason });
                }
                continue;
            }
            let mark = (hash(&body), body.len());
            if self.held.get(&name) == Some(&mark) {
                update.unchanged.push(name.clone());
            } else {
                let version = if own.is_empty() { version.clone() } else { own };
                update.resources.push(Resource { name: name.clone(), version, body });
            }
            accepted.push((name, mark));
        }
        if self.interest == Interest::All && all_named {
            let absent = self.held.keys().filter(|name| !times.contains_key(*name));
            update.removed = absent.cloned().collect();
        }
        Ok((update, FileTicket { version, accepted, rejections, total }))
    }

    /// What is good is held from now on. The text that names the rest, if there is any.
    pub fn handle_verdict(
        &mut self,
        ticket: FileTicket,
        removed: &[String],
        verdict: Verdict,
        now: Instant,
    ) -> Option<String> {
        let FileTicket { version, accepted, mut rejections, total } = ticket;
        rejections.extend(verdict);
        for name in removed {
            self.held.remove(name);
        }
        let refused: BTreeMap<String, String> =
            rejections.into_iter().map(|it| (it.name, it.reason)).collect();
        let good = accepted.into_iter().filter(|(name, _)| !refused.contains_key(name));
        self.held.extend(good);
        self.status.answered = true;
        self.status.held = self.held.len();
        if refused.is_empty() {
            self.status.update_success += 1;
            self.status.version_text = version;
            self.status.last_update = Some(now);
            self.status.error = None;
        } else {
            self.status.update_rejected += 1;
            let reasons = refused.iter().map(|(name, reason)| format!("{name}: {reason}"));
            let reasons = reasons.collect::<Vec<_>>().join("; ");
            self.status.error = Some(format!("{} of {total} rejected: {reasons}", refused.len()));
        }
        self.status.rejected = refused;
        self.status.error.clone()
    }

    /// Where it stands, under the names of the session's statistics.
    pub fn status(&self) -> &TypeStatus {
        &self.status
    }

    pub(crate) fn wants_all(&self) -> bool {
        self.interest == Interest::All
    }

    fn wants(&self, name: &str) -> bool {
        match &self.interest {
            Interest::All => true,
            Interest::Names(names) => names.contains(name),
        }
    }
}

fn hash(bytes: &[u8]) -> u64 {
    let mut hasher = XxHash64::with_seed(0);
    hasher.write(bytes);
    hasher.finish()
}
