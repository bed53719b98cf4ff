//! Statistics in the order of their full names, without a list of all of them.

use std::sync::Arc;

use destrier_upstream::Cluster;

use super::Wanted;
use super::collect::{Stat, visit_fixed};
use super::tags::Scope;
use crate::sources::Sources;

/// What brings one or more statistics.
pub(super) enum Source {
    /// All that is kept about a cluster.
    Cluster(Arc<Cluster>),
    /// One that belongs to no cluster, as it was when the page was asked for.
    Fixed(Stat),
}

/// Sources whose names lie among each other: a name of another group is before all of these, or behind.
pub(super) struct Group(Vec<(String, Source)>);

/// All groups, in the order of their names.
pub(super) fn groups(sources: &Sources) -> Vec<Group> {
    let mut all: Vec<(String, Source)> = sources
        .clusters_by_name()
        .map(|cluster| (prefix(&cluster), Source::Cluster(cluster)))
        .collect();
    visit_fixed(sources, &mut |scope, name, stat| {
        all.push((scope.prefix() + name, Source::Fixed(stat)));
    });
    all.sort_by(|a, b| a.0.cmp(&b.0));
    grouped(all)
}

/// The dotted prefix of a cluster's statistics.
fn prefix(cluster: &Cluster) -> String {
    Scope::Cluster(&cluster.policy().observability_name).prefix()
}

/// What begins with the prefix of another source may lie among its names: cluster `a.b` among those of
/// cluster `a`.
fn grouped(all: Vec<(String, Source)>) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for (prefix, source) in all {
        match groups.last_mut() {
            Some(Group(group)) if prefix.starts_with(&group[0].0) => group.push((prefix, source)),
            _ => groups.push(Group(vec![(prefix, source)])),
        }
    }
    groups
}

impl Group {
    /// Those of its statistics that are wanted and that `picks` takes, by full name.
    pub(super) fn collect(
        &self,
        wanted: &Wanted,
        picks: impl Fn(&Stat) -> bool,
    ) -> Vec<(String, Stat)> {
        let mut found = Vec::new();
        let mut name = String::new();
        for (prefix, source) in &self.0 {
            let mut take = |rest: &str, stat: Stat| {
                if !picks(&stat) || !wanted.wants_value(&stat) {
                    return;
                }
                name.clear();
                name.extend([prefix, rest]);
                if wanted.wants_name(&name) {
                    found.push((name.clone(), stat));
                }
            };
            match source {
                Source::Cluster(cluster) => {
                    cluster.visit_stats(&mut |rest, value| take(rest, Stat::of(value)));
                }
                Source::Fixed(stat) => take("", stat.clone()),
            }
        }
        found.sort_by(|a, b| a.0.cmp(&b.0));
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_lie_among_each_other_are_one_group() {
        let mut names =
            ["a.x", "cluster.a.", "cluster.a.b.", "cluster.ab.", "cluster_manager.y", "z"];
        names.sort_unstable();
        let all = names.map(|name| (name.to_owned(), Source::Fixed(Stat::Gauge(0))));
        let sizes: Vec<usize> = grouped(all.into()).iter().map(|group| group.0.len()).collect();
        assert_eq!(sizes, [1, 2, 1, 1, 1]);
    }
}
