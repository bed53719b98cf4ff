//! Answers by status code.

use std::sync::OnceLock;

use super::{Counter, StatValue, StatVisitor};

/// Envoy's word for who sent a request: `external.upstream_rq_200` or `internal.upstream_rq_200`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Caller {
    /// From outside: what every request is, unless its address was found internal.
    #[default]
    External,
    /// `x-envoy-internal: true`.
    Internal,
}

/// Counts by status code. One count per answer: classes and totals are added up when they are read.
#[derive(Debug, Default)]
pub struct CodeCounts {
    /// 1xx to 5xx, made when the first of a class is counted.
    classes: [OnceLock<Box<Class>>; 5],
    /// Codes beyond 599.
    unknown: Counter,
}

#[derive(Debug)]
struct Class([Counter; 100]);

impl Default for Class {
    fn default() -> Self {
        Self(std::array::from_fn(|_| Counter::default()))
    }
}

impl CodeCounts {
    /// Counts an answer.
    pub fn record(&self, code: u16) {
        match (code / 100).checked_sub(1).and_then(|class| self.classes.get(usize::from(class))) {
            Some(class) => class.get_or_init(Box::default).0[usize::from(code % 100)].inc(),
            None => self.unknown.inc(),
        }
    }

    /// Back to zero.
    pub(super) fn reset(&self) {
        let classes = self.classes.iter().filter_map(OnceLock::get);
        classes.flat_map(|class| &class.0).chain([&self.unknown]).for_each(Counter::reset);
    }

    /// How many answers had this code.
    pub fn get(&self, code: u16) -> u64 {
        let class =
            (code / 100).checked_sub(1).and_then(|class| self.classes.get(usize::from(class)));
        class.and_then(OnceLock::get).map_or(0, |class| class.0[usize::from(code % 100)].get())
    }
}

/// Calls `visit` with `<prefix>upstream_rq_<code>`, `<prefix>upstream_rq_<class>xx` and
/// `<prefix>upstream_rq_completed` of all `counts` together. As in Envoy a code or class appears with
/// its first answer.
pub(super) fn visit_codes(prefix: &str, counts: &[&CodeCounts], visit: &mut StatVisitor<'_>) {
    let mut completed = 0;
    for class in 1..=5u16 {
        let mut in_class = 0;
        for code in class * 100..class * 100 + 100 {
            let count = counts.iter().map(|counts| counts.get(code)).sum();
            if count > 0 {
                visit(&format!("{prefix}upstream_rq_{code}"), StatValue::Counter(count));
            }
            in_class += count;
        }
        if in_class > 0 {
            visit(&format!("{prefix}upstream_rq_{class}xx"), StatValue::Counter(in_class));
        }
        completed += in_class;
    }
    let unknown: u64 = counts.iter().map(|counts| counts.unknown.get()).sum();
    if unknown > 0 {
        visit(&format!("{prefix}upstream_rq_unknown"), StatValue::Counter(unknown));
    }
    completed += unknown;
    if prefix.is_empty() || completed > 0 {
        visit(&format!("{prefix}upstream_rq_completed"), StatValue::Counter(completed));
    }
}
