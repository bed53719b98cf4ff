//! `/memory` (`memory.proto: Memory`): what the system says of the process.

use serde_json::json;

use crate::answer::Answer;
use crate::query::Query;
use crate::sources::Sources;

pub(crate) fn page(_: &Sources, _: &Query) -> Answer {
    let Some(usage) = usage() else {
        return Answer::json(&json!({}));
    };
    Answer::json(&json!({
        "allocated": usage.data.to_string(),
        "heap_size": usage.data.to_string(),
        "total_physical_bytes": usage.resident.to_string(),
    }))
}

/// Memory of this process in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Usage {
    /// Anonymous memory that is resident: heap and stacks.
    pub(crate) data: u64,
    /// All of the resident memory.
    pub(crate) resident: u64,
}

/// `None` where the system does not tell.
pub(crate) fn usage() -> Option<Usage> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        let kib: u64 = line.trim_start_matches(':').split_whitespace().next()?.parse().ok()?;
        Some(kib * 1024)
    };
    Some(Usage { data: field("RssAnon")?, resident: field("VmRSS")? })
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_process_uses_memory() {
        let usage = super::usage().expect("Linux tells");
        assert!(usage.data > 0 && usage.resident >= usage.data);
    }
}
