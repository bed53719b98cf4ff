//! `/not_in_force`: what is asked for and not done, so that nobody has to guess.

use destrier_policy::{FieldNote, FieldStanding};
use serde_json::{Map, Value, json};

use crate::answer::Answer;
use crate::query::Query;
use crate::sources::Sources;

pub(crate) fn page(sources: &Sources, query: &Query) -> Answer {
    let filter = match query.filter() {
        Ok(filter) => filter,
        Err(answer) => return answer,
    };
    let clusters: Map<String, Value> = sources
        .clusters_by_name()
        .filter(|cluster| !cluster.policy().notes.is_empty())
        .filter(|cluster| {
            filter.as_ref().is_none_or(|filter| filter.is_match(cluster.policy().name.as_str()))
        })
        .map(|cluster| (cluster.policy().name.to_string(), notes(&cluster.policy().notes)))
        .collect();
    Answer::json(&json!({ "bootstrap": notes(&sources.not_in_force), "clusters": clusters }))
}

fn notes(notes: &[FieldNote]) -> Value {
    let shown = notes.iter().map(|note| {
        let standing = match note.standing {
            FieldStanding::Later => "translated, not enforced yet",
            FieldStanding::Tolerated => "tolerated, has no effect",
        };
        json!({ "field": &*note.field, "standing": standing })
    });
    shown.collect()
}
