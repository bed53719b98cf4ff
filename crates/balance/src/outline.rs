//! What a balancer does, for the admin port and the statistics.

use crate::Balancer;
use crate::hash::{TableRefused, TableStats};
use crate::levels::Level;
use crate::target::Target;

/// A priority, as far as the balancer tells priorities apart.
#[derive(Clone, Debug)]
pub struct LevelOutline {
    /// Its number.
    pub priority: u32,
    /// Percent of the load for its healthy hosts; in panic for all of them.
    pub healthy_load: u32,
    /// Percent of the load for its degraded hosts.
    pub degraded_load: u32,
    /// All hosts are used, whatever their health.
    pub panic: bool,
    /// The hash table, for policies that have one.
    pub table: Option<TableOutline>,
}

/// The hash table of a priority.
#[derive(Clone, Debug)]
pub struct TableOutline {
    /// Of the table in force; `None` when there is none, and hosts are picked at random.
    pub stats: Option<TableStats>,
    /// Why the table that fits the hosts is not the one in force.
    pub refused: Option<TableRefused>,
}

impl Balancer {
    /// The priorities. Empty where there is only one, all of whose healthy hosts are alike: it has the
    /// whole load. Counts the entries of tables; not for the data path.
    pub fn levels(&self) -> Vec<LevelOutline> {
        self.spread().levels().iter().map(outline).collect()
    }

    /// How many subsets there are (`lb_subsets_active`).
    pub fn subsets(&self) -> usize {
        self.parts().map_or(0, |parts| parts.active())
    }

    /// Hosts that another of the same values keeps out of a subset with a single host.
    pub fn duplicates(&self) -> usize {
        self.parts().map_or(0, |parts| parts.duplicates())
    }

    /// How many times a host was left out: of the subsets of a selector because its lists (`list_as_any`)
    /// would put it into more than 1,024 of them, or of a subset that would have been the 65,537th.
    pub fn left_out(&self) -> usize {
        self.parts().map_or(0, |parts| parts.left_out())
    }

    /// Whether a priority is in panic.
    pub fn is_in_panic(&self, priority: u32) -> bool {
        let level = self.spread().levels().iter().find(|level| level.priority == priority);
        level.is_some_and(|level| level.load.panic)
    }
}

fn outline(level: &Level) -> LevelOutline {
    let table = match &level.healthy {
        Target::Hashed(hashed) => Some(TableOutline {
            stats: hashed.table.as_ref().map(|table| table.stats()),
            refused: hashed.refused.clone(),
        }),
        _ => None,
    };
    LevelOutline {
        priority: level.priority,
        healthy_load: level.load.healthy,
        degraded_load: level.load.degraded,
        panic: level.load.panic,
        table,
    }
}
