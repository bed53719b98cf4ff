//! What a pick is given: hosts as they are at this moment, and what the request wants.

use destrier_policy::{Address, HealthStatus, MetadataMatch};

/// What a pick looks at in a host.
pub trait Candidate {
    /// Where it is.
    fn address(&self) -> &Address;

    /// Requests in flight from the whole process, those that wait for a connection included.
    fn active_requests(&self) -> u32;

    /// Whether it was not excluded since the balancer was built. A pick passes over a host that was, but
    /// for one in panic, which takes every host.
    fn is_eligible(&self) -> bool;

    /// Its health as `override_host_status` counts it; `None` when it must never get a request.
    fn status(&self) -> Option<HealthStatus>;
}

/// What a request wants of the host that it gets. The default wants nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Preference<'a> {
    /// Of the hash policies; `None` when none gave a hash.
    pub hash: Option<u64>,
    /// The subset (`lb_subset_config`) that the route asks for.
    pub metadata: Option<&'a MetadataMatch>,
    /// A host named by address (`override_host`): taken when it is there and its status allows it.
    pub host: Option<&'a Address>,
}

/// Indices into the hosts of a cluster.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Members {
    /// `start..start + len`: all hosts, or those of one priority or locality in most cases.
    Range { start: u32, len: u32 },
    /// In this order.
    Chosen(Box<[u32]>),
}

impl Members {
    pub(crate) fn new(indices: Vec<u32>) -> Self {
        let start = indices.first().copied().unwrap_or(0);
        if indices.iter().zip(start..).all(|(&index, expected)| index == expected) {
            return Self::Range { start, len: indices.len() as u32 };
        }
        Self::Chosen(indices.into())
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Range { len, .. } => *len as usize,
            Self::Chosen(indices) => indices.len(),
        }
    }

    /// The host at a place below [`Self::len`].
    pub(crate) fn get(&self, place: usize) -> usize {
        match self {
            Self::Range { start, .. } => *start as usize + place,
            Self::Chosen(indices) => indices[place] as usize,
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = usize> {
        (0..self.len()).map(|place| self.get(place))
    }
}

/// Whether exclusion of a host counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Strictness {
    /// An excluded host is passed over.
    Eligible,
    /// In panic every host will do.
    Any,
}

/// Some of the hosts, by their places in a list.
pub(crate) struct View<'a, C> {
    pub(crate) hosts: &'a [C],
    pub(crate) members: &'a Members,
    pub(crate) strictness: Strictness,
}

impl<C: Candidate> View<'_, C> {
    pub(crate) fn len(&self) -> usize {
        self.members.len()
    }

    pub(crate) fn is_eligible(&self, place: usize) -> bool {
        let host = self.hosts.get(self.members.get(place));
        host.is_some_and(|host| self.strictness == Strictness::Any || host.is_eligible())
    }

    pub(crate) fn active_requests(&self, place: usize) -> u32 {
        self.hosts.get(self.members.get(place)).map_or(0, Candidate::active_requests)
    }

    /// The first eligible place at or after `start`, around the end.
    pub(crate) fn first_from(&self, start: usize) -> Option<usize> {
        (start..self.len()).chain(0..start).find(|&place| self.is_eligible(place))
    }
}
