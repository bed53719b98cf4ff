//! `/files`: what files say in the place of the control plane, and what became of its last words on disk.

use destrier_files::{FileStatus, StateStatus, StateStatusHandle};
use serde_json::{Value, json};

use crate::answer::Answer;
use crate::query::Query;
use crate::sources::Sources;

pub(crate) fn page(sources: &Sources, _: &Query) -> Answer {
    let files: Vec<Value> = sources.files.load().iter().map(|file| shown(sources, file)).collect();
    let status = sources.last_good.as_ref().map(StateStatusHandle::load);
    let state = status.map_or(Value::Null, |status| state(sources, &status));
    Answer::json(&json!({ "files": files, "state": state }))
}

fn shown(sources: &Sources, file: &FileStatus) -> Value {
    let FileStatus { source, status } = file;
    let since = |at| (sources.instant)().saturating_duration_since(at).as_secs();
    json!({
        "path": source.path.display().to_string(),
        "type_url": source.type_url.as_str(),
        "version": status.version_text,
        "resources": status.held,
        "update_attempt": status.update_attempt,
        "update_success": status.update_success,
        "update_rejected": status.update_rejected,
        "update_failure": status.update_failure,
        "last_update_s_ago": status.last_update.map(since),
        "error": status.error,
        "rejected": status.rejected,
    })
}

fn state(sources: &Sources, status: &StateStatus) -> Value {
    let age = |saved| (sources.clock)().duration_since(saved).unwrap_or_default().as_secs();
    json!({
        "stale": status.restored.is_some(),
        "age_s": status.restored.map(age),
        "refused": status.refused,
        "saves": status.saves,
        "save_failures": status.save_failures,
    })
}

/// What is wrong with files, for the home page.
pub(crate) fn unwell(sources: &Sources) -> Vec<(String, String)> {
    let files = sources.files.load();
    let named = |file: &FileStatus, error: &String| {
        (file.source.path.display().to_string(), format!("the file is not all good: {error}"))
    };
    let mut found: Vec<_> = files
        .iter()
        .filter_map(|file| file.status.error.as_ref().map(|error| named(file, error)))
        .collect();
    let Some(status) = sources.last_good.as_ref().map(StateStatusHandle::load) else {
        return found;
    };
    let name = || "--state-dir".to_owned();
    if let Some(saved) = status.restored {
        let age = (sources.clock)().duration_since(saved).unwrap_or_default().as_secs();
        found.push((name(), format!("clusters are stale: as they were saved {age} s ago")));
    }
    found.extend(status.refused.map(|error| (name(), format!("the last good state {error}"))));
    found
}
