//! Priorities: which one a pick goes to.

use crate::Candidate;
use crate::list::List;
use crate::priority::Load;
use crate::target::{Ask, Target};

/// How picks are spread over the hosts of a cluster, or of a subset of it.
#[derive(Debug)]
pub(crate) enum Spread {
    /// All that most clusters have: hosts of one priority, all alike, without panic.
    Simple(List),
    /// In the order of preference.
    Levels(Box<[Level]>),
}

/// A priority that has hosts.
#[derive(Debug)]
pub(crate) struct Level {
    /// Its number.
    pub(crate) priority: u32,
    pub(crate) load: Load,
    /// What the healthy load is for; in panic all hosts, or nobody.
    pub(crate) healthy: Target,
    /// What the degraded load is for, where there is any.
    pub(crate) degraded: Target,
}

impl Spread {
    pub(crate) fn pick<C: Candidate>(&self, ask: &Ask<'_, C>) -> Option<usize> {
        match self {
            Self::Simple(list) => list.pick(ask.state, ask.hosts, ask.random),
            Self::Levels(levels) => {
                let (level, target) = choose(levels, ask.hash)?;
                if level.load.panic {
                    ask.state.counters().get().lb_healthy_panic.inc();
                }
                target.pick(ask)
            }
        }
    }

    /// Calls `add(host, share)` with the part of all picks that each host is to get.
    pub(crate) fn shares(&self, add: &mut dyn FnMut(usize, f64)) {
        match self {
            Self::Simple(list) => list.shares(add),
            Self::Levels(levels) => {
                for level in levels {
                    let Load { healthy, degraded, .. } = level.load;
                    for (target, load) in [(&level.healthy, healthy), (level.degraded(), degraded)]
                    {
                        if load > 0 {
                            let part = f64::from(load) / 100.0;
                            target.shares(&mut |host, share| add(host, part * share));
                        }
                    }
                }
            }
        }
    }

    /// The priorities, where they are told apart.
    pub(crate) fn levels(&self) -> &[Level] {
        match self {
            Self::Simple(_) => &[],
            Self::Levels(levels) => levels,
        }
    }
}

impl Level {
    /// Panic and hash tables make no difference between the two.
    fn degraded(&self) -> &Target {
        match &self.healthy {
            healthy if self.load.panic => healthy,
            healthy @ Target::Hashed(_) => healthy,
            _ => &self.degraded,
        }
    }
}

/// The first whose load, summed up, reaches the request's hundredth: healthy loads, then degraded ones.
fn choose(levels: &[Level], hash: u64) -> Option<(&Level, &Target)> {
    // From 1 to 100.
    let mut left = (hash % 100) as u32 + 1;
    let mut reaches = |load: u32| {
        let reached = left <= load;
        left = left.saturating_sub(load);
        reached
    };
    if let Some(level) = levels.iter().find(|level| reaches(level.load.healthy)) {
        return Some((level, &level.healthy));
    }
    let level = levels.iter().find(|level| reaches(level.load.degraded))?;
    Some((level, level.degraded()))
}
