//! `/config/timeline`: what became of each resource that came, the newest first.

use destrier_control::Passage;
use destrier_envoy_json::Pool;
use serde_json::{Map, Value, json};

use crate::answer::Answer;
use crate::config_dump::timestamp;
use crate::query::Query;
use crate::sources::Sources;

/// How many are shown where nothing is said.
const SHOWN: usize = 100;

pub(crate) fn page(sources: &Sources, query: &Query) -> Answer {
    let limit = match query.given("limit").map(str::parse::<usize>) {
        None => SHOWN,
        Some(Ok(limit)) => limit,
        Some(Err(error)) => return Answer::bad_request(format!("limit: {error}\n")),
    };
    let (name, kind) = (query.given("name"), query.given("type"));
    let pool = Pool::new();
    let timeline = sources.timeline();
    let wanted = timeline.newest_first().filter(|passage| {
        name.is_none_or(|name| *passage.name == *name)
            && kind.is_none_or(|kind| passage.arrival.type_url.ends_with(kind))
    });
    let shown: Vec<Value> = wanted.take(limit).map(|passage| shown(passage, &pool)).collect();
    Answer::json(&json!({ "timeline": shown }))
}

fn shown(passage: &Passage, pool: &Pool) -> Value {
    let arrival = &passage.arrival;
    let mut shown = Map::new();
    shown.insert("type_url".into(), (&*arrival.type_url).into());
    shown.insert("name".into(), (&*passage.name).into());
    shown.insert("version".into(), (&*passage.version).into());
    shown.insert("stream".into(), arrival.stream.into());
    shown.insert("nonce".into(), (&*arrival.nonce).into());
    let times = [
        ("received", Some(arrival.received)),
        ("validated", passage.validated),
        ("warmed", passage.warmed),
        ("active", passage.active),
        ("acknowledged", passage.acknowledged),
    ];
    for (stage, time) in times {
        if let Some(time) = time {
            shown.insert(stage.into(), pool.to_value(&timestamp(time)));
        }
    }
    if let Some(reason) = &passage.refused {
        shown.insert("refused".into(), (&**reason).into());
    }
    Value::Object(shown)
}
