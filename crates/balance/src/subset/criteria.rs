//! What a request asks of a host's metadata.

use std::collections::BTreeMap;

use destrier_policy::{MetadataMatch, Value};

/// The key under which `FALLBACK_LIST` finds its alternatives.
const FALLBACK_LIST: &str = "fallback_list";

/// A view of the criteria of a route: some are replaced by an alternative of the fallback list, or only
/// some keys count. Nothing is copied.
#[derive(Clone, Copy, Debug)]
pub(super) struct Criteria<'a> {
    asked: &'a [(Box<str>, Value)],
    /// Counts before `asked`.
    instead: Option<&'a BTreeMap<String, Value>>,
    /// Keys that count; all when `None`.
    only: Option<&'a [String]>,
    list: List,
}

/// Whether the key `fallback_list` is one like others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum List {
    Asked,
    Apart,
}

impl<'a> Criteria<'a> {
    pub(super) fn of(asked: Option<&'a MetadataMatch>) -> Self {
        let asked = asked.map_or(&[][..], |asked| &asked.0);
        Self { asked, instead: None, only: None, list: List::Asked }
    }

    /// The alternatives, and the criteria without them; `None` when there is no such key.
    pub(super) fn fallback_list(self) -> Option<(&'a [Value], Self)> {
        let value = self.asked(FALLBACK_LIST)?;
        let list = match value {
            Value::List(list) => list.as_slice(),
            _ => &[],
        };
        Some((list, Self { list: List::Apart, ..self }))
    }

    /// What an alternative says counts before what was asked; one that is not a struct says nothing.
    pub(super) fn instead(self, alternative: &'a Value) -> Self {
        let instead = match alternative {
            Value::Struct(fields) => Some(fields),
            _ => None,
        };
        Self { instead, ..self }
    }

    /// With these keys only.
    pub(super) fn only(self, keys: &'a [String]) -> Self {
        Self { only: Some(keys), ..self }
    }

    fn asked(self, key: &str) -> Option<&'a Value> {
        self.asked.iter().find(|(asked, _)| **asked == *key).map(|(_, value)| value)
    }

    fn counts(self, key: &str) -> bool {
        self.only.is_none_or(|only| only.iter().any(|one| one == key))
    }

    fn counts_of_asked(self, key: &str) -> bool {
        self.counts(key) && !(self.list == List::Apart && key == FALLBACK_LIST)
    }

    pub(super) fn get(self, key: &str) -> Option<&'a Value> {
        if !self.counts(key) {
            return None;
        }
        let instead = self.instead.and_then(|instead| instead.get(key));
        instead.or_else(|| self.counts_of_asked(key).then(|| self.asked(key)).flatten())
    }

    /// How many keys there are.
    pub(super) fn len(self) -> usize {
        let replaced = |key: &str| self.instead.is_some_and(|instead| instead.contains_key(key));
        let asked =
            self.asked.iter().filter(|(key, _)| self.counts_of_asked(key) && !replaced(key));
        let instead = self.instead.into_iter().flatten().filter(|(key, _)| self.counts(key));
        asked.count() + instead.count()
    }

    /// Whether these are among the keys.
    pub(super) fn has_all(self, keys: &[String]) -> bool {
        keys.iter().all(|key| self.get(key).is_some())
    }
}
