//! `/listeners` (`listeners.proto: Listeners`).

use destrier_policy::Address;
use serde_json::{Value, json};

use crate::answer::Answer;
use crate::query::Query;
use crate::sources::Sources;

pub(crate) fn page(sources: &Sources, query: &Query) -> Answer {
    if query.get("format") == Some("json") {
        let statuses: Vec<Value> = sources
            .proxy
            .listeners()
            .iter()
            .map(|listener| {
                json!({ "name": &*listener.name, "local_address": address(&listener.address) })
            })
            .collect();
        return Answer::json(&json!({ "listener_statuses": statuses }));
    }
    let lines = sources.proxy.listeners().iter();
    Answer::ok(lines.map(|at| format!("{}::{}\n", at.name, at.address)).collect::<String>())
}

/// `address.proto: Address` in JSON.
pub(crate) fn address(address: &Address) -> Value {
    match address {
        Address::Ip(ip) => json!({
            "socket_address": { "address": ip.ip().to_string(), "port_value": ip.port() }
        }),
        Address::Pipe(path) => json!({ "pipe": { "path": path.to_string_lossy() } }),
    }
}
