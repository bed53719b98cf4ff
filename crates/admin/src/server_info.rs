//! `/server_info` (`server_info.proto: ServerInfo`).

use destrier_envoy_json::{Defaults, Pool};
use envoy_types::pb::envoy::config::bootstrap::v3::Bootstrap;
use prost::Message;
use serde_json::json;

use crate::answer::Answer;
use crate::query::Query;
use crate::sources::Sources;

pub(crate) fn page(sources: &Sources, _: &Query) -> Answer {
    let uptime = format!("{}s", sources.uptime().as_secs());
    let mut info = json!({
        "version": concat!(env!("CARGO_PKG_VERSION"), "/destrier"),
        "state": sources.state.get().name(),
        "uptime_current_epoch": uptime,
        "uptime_all_epochs": uptime,
        "hot_restart_version": "disabled",
        "command_line_options": sources.options,
    });
    let bootstrap = Bootstrap::decode(&*sources.bootstrap).ok();
    if let Some(mut node) = bootstrap.and_then(|bootstrap| bootstrap.node) {
        if node.user_agent_name.is_empty() {
            node.user_agent_name = "destrier".to_owned();
        }
        info["node"] = Pool::new().to_value_with(&node, Defaults::Print);
    }
    info["hot_restart_initializing"] = false.into();
    Answer::json(&info)
}
