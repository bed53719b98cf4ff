//! Pages of Envoy for which there is nothing to show here. Each says so, in Envoy's words where Envoy may
//! say the same.

use axum::http::StatusCode;

use crate::answer::Answer;
use crate::query::Query;
use crate::sources::Sources;

/// There is no hot restart.
pub(crate) fn hot_restart_version(_: &Sources, _: &Query) -> Answer {
    Answer::ok("disabled")
}

pub(crate) fn contention(_: &Sources, _: &Query) -> Answer {
    Answer::ok("Mutex contention tracing is not enabled: this build has none.")
}

pub(crate) fn cpu_profiler(_: &Sources, query: &Query) -> Answer {
    profiler(query, StatusCode::INTERNAL_SERVER_ERROR, "failure to start the profiler")
}

pub(crate) fn heap_profiler(_: &Sources, _: &Query) -> Answer {
    not_supported("heap profiler")
}

pub(crate) fn alloc_profiler(_: &Sources, _: &Query) -> Answer {
    not_supported("allocation profiler")
}

pub(crate) fn heap_dump(_: &Sources, _: &Query) -> Answer {
    not_supported("heap dump")
}

/// Switching off what is not there is no fault.
fn profiler(query: &Query, status: StatusCode, refusal: &str) -> Answer {
    match query.get("enable") {
        Some("y") => Answer::text(status, refusal),
        Some("n") => Answer::ok("OK\n"),
        _ => Answer::bad_request("?enable=<y|n>\n"),
    }
}

fn not_supported(what: &str) -> Answer {
    let text = format!("The current build does not support {what}");
    Answer::text(StatusCode::NOT_IMPLEMENTED, text)
}

/// Names of statistics are not looked up here: each is a field.
pub(crate) fn recent_lookups(_: &Sources, _: &Query) -> Answer {
    Answer::ok(
        "Lookup tracking is not enabled: statistics are not looked up by name here.\n\ntotal: 0\n",
    )
}

pub(crate) fn change_recent_lookups(_: &Sources, _: &Query) -> Answer {
    not_supported("tracking of stat-name lookups")
}

/// Certificates come with transport sockets, which are not in force.
pub(crate) fn certs(_: &Sources, _: &Query) -> Answer {
    Answer::json(&serde_json::json!({ "certificates": [] }))
}
