//! Pages on the life of the server: `/ready`, health check failure, draining, the end.

use std::sync::Arc;

use axum::http::StatusCode;
use destrier_proxy::BoundListener;
use envoy_types::pb::envoy::config::core::v3::TrafficDirection;
use envoy_types::pb::envoy::config::listener::v3::Listener;
use prost::Message;

use crate::answer::Answer;
use crate::query::Query;
use crate::sources::Sources;
use crate::state::{HealthChecks, Stage};

pub(crate) fn ready(sources: &Sources, _: &Query) -> Answer {
    let stage = sources.state.get();
    let status = match stage {
        Stage::Live => StatusCode::OK,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    };
    Answer::text(status, format!("{}\n", stage.name()))
}

pub(crate) fn fail_health_checks(sources: &Sources, _: &Query) -> Answer {
    sources.state.set_health_checks(HealthChecks::Fail);
    Answer::ok("OK\n")
}

pub(crate) fn pass_health_checks(sources: &Sources, _: &Query) -> Answer {
    sources.state.set_health_checks(HealthChecks::Pass);
    Answer::ok("OK\n")
}

pub(crate) fn reset_counters(sources: &Sources, _: &Query) -> Answer {
    sources.directory.reset_counters();
    sources.proxy.stats().reset_counters();
    Answer::ok("OK\n")
}

/// For whoever has moved the files away (Envoy does the same on `SIGUSR1`, and so does this server).
pub(crate) fn reopen_logs(sources: &Sources, _: &Query) -> Answer {
    sources.proxy.reopen_logs();
    Answer::ok("OK\n")
}

pub(crate) fn quit(sources: &Sources, _: &Query) -> Answer {
    sources.quit.cancel();
    Answer::ok("OK\n")
}

/// As in Envoy the server stays LIVE: whoever drains it knows that.
pub(crate) fn drain_listeners(sources: &Arc<Sources>, query: &Query) -> Answer {
    let chosen = if query.has("inboundonly") { inbound(sources) } else { None };
    let is_chosen = move |listener: &BoundListener| match &chosen {
        Some(names) => names.contains(&listener.name),
        None => true,
    };
    if query.has("skip_exit") {
        sources.proxy.ask_to_leave(sources.drain_time, is_chosen);
    } else if query.has("graceful") {
        sources.proxy.ask_to_leave(sources.drain_time, &is_chosen);
        let sources = Arc::clone(sources);
        tokio::spawn(async move {
            tokio::time::sleep(sources.drain_time).await;
            sources.proxy.stop_accepting(is_chosen);
        });
    } else {
        sources.proxy.stop_accepting(is_chosen);
    }
    Answer::ok("OK\n")
}

/// Names of the listeners of `traffic_direction: INBOUND`.
fn inbound(sources: &Sources) -> Option<Vec<Arc<str>>> {
    let both = sources.static_listeners.iter().zip(sources.proxy.listeners());
    let inbound = both.filter(|(listener, _)| {
        Listener::decode(&*listener.body)
            .is_ok_and(|listener| listener.traffic_direction() == TrafficDirection::Inbound)
    });
    Some(inbound.map(|(_, bound)| Arc::clone(&bound.name)).collect())
}
