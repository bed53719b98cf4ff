use std::{
    collections::{BTreeSet, HashMap},
    time::Instant,
};

/// One deadline per name.
#[derive(Debug, Default)]
pub(crate) struct Deadlines {
    by_name: HashMap<String, Instant>,
    by_time: BTreeSet<(Instant, String)>,
}

impl Deadlines {
    pub(crate) fn set(&mut self, name: &str, at: Instant) {
        self.clear(name);
        self.by_name.insert(name.to_owned(), at);
        self.by_time.insert((at, name.to_owned()));
    }

    pub(crate) fn clear(&mut self, name: &str) {
        if let Some((name, at)) = self.by_name.remove_entry(name) {
            self.by_time.remove(&(at, name));
        }
    }

    pub(crate) fn clear_all(&mut self) {
        self.by_name.clear();
        self.by_time.clear();
    }

    pub(crate) fn next(&self) -> Option<Instant> {
        self.by_time.first().map(|(at, _)| *at)
    }

    /// Takes out the names whose deadline has passed, the earliest first.
    pub(crate) fn take_due(&mut self, now: Instant) -> Vec<String> {
        let mut due = Vec::new();
        while self.next().is_some_and(|at| at <= now) {
            let Some((_, name)) = self.by_time.pop_first() else { break };
            self.by_name.remove(&name);
            due.push(name);
        }
        due
    }
}
