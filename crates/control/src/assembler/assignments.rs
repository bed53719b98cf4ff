//! The endpoint assignments that clusters ask for, by resource name and by who brings it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use destrier_policy::{AssignmentSource, ClusterName, EndpointSet};

/// Every name subscribed to. A name is here exactly as long as a cluster uses it; with the last user
/// goes the assignment, so that nothing stale is found when the name is asked for again.
#[derive(Debug, Default)]
pub(super) struct Assignments {
    by_name: BTreeMap<Arc<str>, Assignment>,
    /// Whether the names are others than when this was last asked.
    changed: bool,
}

/// One name.
#[derive(Debug, Default)]
pub(super) struct Assignment {
    /// The clusters that use it.
    pub(super) users: BTreeSet<ClusterName>,
    /// The last good one.
    pub(super) endpoints: Option<Arc<EndpointSet>>,
}

impl Assignments {
    /// The names that the control plane is asked for.
    pub(super) fn names(&self) -> impl Iterator<Item = &Arc<str>> {
        self.by_name.keys().filter(|key| file_of(key).is_none())
    }

    /// The names that each file is looked through for.
    pub(super) fn in_files(&self) -> BTreeMap<Arc<Path>, BTreeSet<String>> {
        let mut files: BTreeMap<Arc<Path>, BTreeSet<String>> = BTreeMap::new();
        for (path, name) in self.by_name.keys().filter_map(|key| file_of(key)) {
            files.entry(Path::new(path).into()).or_default().insert(name.to_owned());
        }
        files
    }

    /// The name as it is kept, if it is subscribed to.
    pub(super) fn key(&self, name: &str) -> Option<Arc<str>> {
        self.by_name.get_key_value(name).map(|(key, _)| key.clone())
    }

    pub(super) fn get(&self, name: &str) -> Option<&Assignment> {
        self.by_name.get(name)
    }

    /// Whether the names are others than at the last call.
    pub(super) fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    pub(super) fn endpoints(&self, name: &str) -> Option<&Arc<EndpointSet>> {
        self.get(name)?.endpoints.as_ref()
    }

    /// Stores an assignment. Equal endpoints stay the object they are. `None` when nobody asked.
    pub(super) fn store(&mut self, name: &str, endpoints: EndpointSet) -> Option<Stored> {
        let assignment = self.by_name.get_mut(name)?;
        if assignment.endpoints.as_deref() == Some(&endpoints) {
            return Some(Stored::Equal);
        }
        assignment.endpoints = Some(Arc::new(endpoints));
        Some(Stored::New)
    }

    /// The cluster uses `after`, no longer `before`. Returns the names that nobody uses any more.
    pub(super) fn resubscribe(
        &mut self,
        cluster: &ClusterName,
        before: &[Arc<str>],
        after: &[Arc<str>],
    ) -> Vec<Arc<str>> {
        for name in after {
            self.changed |= !self.by_name.contains_key(name);
            self.by_name.entry(name.clone()).or_default().users.insert(cluster.clone());
        }
        let mut unused = Vec::new();
        for name in before.iter().filter(|name| !after.contains(name)) {
            let Some(assignment) = self.by_name.get_mut(name) else { continue };
            assignment.users.remove(cluster);
            if assignment.users.is_empty() {
                self.by_name.remove(name);
                self.changed = true;
                unused.push(name.clone());
            }
        }
        unused
    }
}

/// What stands between a file and the name of a resource in it; no path and no name of a cluster has it.
const IN_FILE: char = '\u{1f}';

/// Under which key an assignment is kept: its name, and before that its file if it comes from one. The
/// same name from two sources is two assignments.
pub(super) fn key_of(source: &AssignmentSource, name: &Arc<str>) -> Arc<str> {
    match source {
        AssignmentSource::Ads => name.clone(),
        AssignmentSource::File(path) => format!("{}{IN_FILE}{name}", path.display()).into(),
    }
}

/// The resource name in a key of [`ConfigStore::endpoints`](super::ConfigStore::endpoints).
pub fn assignment_name(key: &str) -> &str {
    file_of(key).map_or(key, |(_, name)| name)
}

/// The file and the name in it; `None` for what the control plane brings.
pub(super) fn file_of(key: &str) -> Option<(&str, &str)> {
    key.split_once(IN_FILE)
}

/// What storing an assignment did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stored {
    /// The endpoints differ from those held.
    New,
    /// They are the same.
    Equal,
}
