//! What became of each resource that came: received, validated, warmed, active, acknowledged.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::SystemTime;

use crate::{CLUSTER_TYPE, ConfigStore, ENDPOINTS_TYPE};

/// Passages that are kept; older ones are forgotten.
const KEPT: usize = 1000;
/// Passages that are followed until they are active. A cluster whose endpoints never come must not make
/// every later change dearer.
const FOLLOWED: usize = 256;

/// The newest resources that came, by whichever message.
#[derive(Debug, Default)]
pub struct Timeline {
    passages: VecDeque<Passage>,
    /// How many were forgotten: what numbers below count from.
    forgotten: u64,
    /// Numbers of those that are not active yet.
    followed: VecDeque<u64>,
}

/// The message that brings resources.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// Type of its resources.
    pub type_url: Arc<str>,
    /// Counts streams to the control plane; 0 for what comes from a file.
    pub stream: u64,
    /// Its nonce.
    pub nonce: Arc<str>,
    /// When it came.
    pub received: SystemTime,
}

/// The way of one resource.
#[derive(Clone, Debug)]
pub struct Passage {
    /// What brought it.
    pub arrival: Arrival,
    /// Name of the resource.
    pub name: Box<str>,
    /// Its version.
    pub version: Box<str>,
    /// When it was found good or bad.
    pub validated: Option<SystemTime>,
    /// Why it was refused.
    pub refused: Option<Box<str>>,
    /// When all that it needs was there.
    pub warmed: Option<SystemTime>,
    /// When it was handed to the workers.
    pub active: Option<SystemTime>,
    /// When the ACK or NACK of its message was made.
    pub acknowledged: Option<SystemTime>,
}

impl Timeline {
    /// The passages, the newest first.
    pub fn newest_first(&self) -> impl Iterator<Item = &Passage> {
        self.passages.iter().rev()
    }

    /// Takes down what a message brought, names and versions, and which of it was refused, and why.
    pub fn handle_update<'a>(
        &mut self,
        arrival: &Arrival,
        resources: impl ExactSizeIterator<Item = (&'a str, &'a str)>,
        refused: &BTreeMap<&str, &str>,
        now: SystemTime,
    ) {
        let surplus = resources.len().saturating_sub(KEPT);
        self.forgotten += surplus as u64;
        for (name, version) in resources.skip(surplus) {
            let refused = refused.get(name).map(|reason| (*reason).into());
            if refused.is_none() {
                self.followed.push_back(self.forgotten + self.passages.len() as u64);
            }
            self.passages.push_back(Passage {
                arrival: arrival.clone(),
                name: name.into(),
                version: version.into(),
                validated: Some(now),
                refused,
                warmed: None,
                active: None,
                acknowledged: None,
            });
            if self.passages.len() > KEPT {
                self.passages.pop_front();
                self.forgotten += 1;
            }
        }
        let surplus = self.followed.len().saturating_sub(FOLLOWED);
        self.followed.drain(..surplus);
    }

    /// A snapshot was handed over, made of what is held now.
    pub fn handle_published(&mut self, held: &ConfigStore, now: SystemTime) {
        let Self { passages, forgotten, followed } = self;
        followed.retain(|number| {
            let at = number.checked_sub(*forgotten).and_then(|at| usize::try_from(at).ok());
            let Some(passage) = at.and_then(|at| passages.get_mut(at)) else { return false };
            match stage(passage, held) {
                Stage::Waiting => true,
                Stage::Superseded => false,
                Stage::Active => {
                    passage.warmed = Some(now);
                    passage.active = Some(now);
                    false
                }
            }
        });
    }

    /// The answer to a message was made.
    pub fn handle_acknowledged(&mut self, stream: u64, nonce: &str, now: SystemTime) {
        let of_message = |passage: &&mut Passage| {
            passage.arrival.stream == stream && *passage.arrival.nonce == *nonce
        };
        for passage in self.passages.iter_mut().rev().take_while(of_message) {
            passage.acknowledged = Some(now);
        }
    }
}

enum Stage {
    Waiting,
    Active,
    /// Another version came, or it was removed.
    Superseded,
}

fn stage(passage: &Passage, held: &ConfigStore) -> Stage {
    let resource = match &*passage.arrival.type_url {
        CLUSTER_TYPE => held.clusters.get(&*passage.name),
        ENDPOINTS_TYPE => held.endpoints.get(&*passage.name),
        _ => None,
    };
    let Some(resource) = resource else { return Stage::Superseded };
    let is_this = |version: &crate::StoredVersion| *version.version == *passage.version;
    match (&resource.warming, &resource.active) {
        (Some(warming), _) if is_this(warming) => Stage::Waiting,
        (None, Some(active)) if is_this(active) => Stage::Active,
        _ => Stage::Superseded,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn arrival(nonce: &str) -> Arrival {
        Arrival { type_url: CLUSTER_TYPE.into(), stream: 1, nonce: nonce.into(), received: at(0) }
    }

    #[test]
    fn it_forgets_the_oldest() {
        let mut timeline = Timeline::default();
        let names: Vec<String> = (0..KEPT * 2 + 1).map(|number| number.to_string()).collect();
        let (first, second) = names.split_at(KEPT + 1);
        for (nonce, names) in [("a", first), ("b", second)] {
            let resources = names.iter().map(|name| (name.as_str(), "1"));
            timeline.handle_update(&arrival(nonce), resources, &BTreeMap::new(), at(1));
        }
        assert_eq!(timeline.newest_first().count(), KEPT);
        assert_eq!(timeline.newest_first().next().map(|it| &*it.name), Some("2000"));
        assert_eq!(timeline.followed.len(), FOLLOWED);
        timeline.handle_published(&ConfigStore::default(), at(2));
        assert!(timeline.followed.is_empty(), "none of them is held");
    }

    #[test]
    fn an_answer_belongs_to_its_message() {
        let mut timeline = Timeline::default();
        let (refused, none) = (BTreeMap::from([("a", "wrong")]), BTreeMap::new());
        timeline.handle_update(&arrival("1"), [("a", "1")].into_iter(), &refused, at(1));
        timeline.handle_update(&arrival("2"), [("a", "2")].into_iter(), &none, at(2));
        timeline.handle_acknowledged(1, "2", at(3));
        let [newest, oldest] = &timeline.newest_first().collect::<Vec<_>>()[..] else {
            panic!("two came")
        };
        assert_eq!((newest.acknowledged, oldest.acknowledged), (Some(at(3)), None));
        assert!(newest.refused.is_none());
        assert_eq!(oldest.refused.as_deref(), Some("wrong"));
    }
}
