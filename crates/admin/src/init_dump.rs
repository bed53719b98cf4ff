//! `/init_dump` (`init_dump.proto: UnreadyTargetsDumps`): what the start still waits for.

use serde_json::json;

use crate::answer::Answer;
use crate::query::Query;
use crate::sources::Sources;
use crate::state::Stage;

pub(crate) fn page(sources: &Sources, query: &Query) -> Answer {
    // Listeners of the bootstrap wait for nothing of their own.
    let wanted = query.given("mask").is_none_or(|mask| mask != "listener");
    let starting = matches!(sources.state.get(), Stage::PreInitializing | Stage::Initializing);
    if !wanted || !starting {
        return Answer::json(&json!({}));
    }
    let live = sources.directory.load();
    let mut targets: Vec<String> =
        live.warming().iter().map(|cluster| format!("cluster {}", cluster.name)).collect();
    if targets.is_empty() && sources.xds.is_some() {
        targets.push("the first answer about clusters".to_owned());
    }
    let dump = json!({ "name": "init manager Server", "target_names": targets });
    Answer::json(&json!({ "unready_targets_dumps": [dump] }))
}
