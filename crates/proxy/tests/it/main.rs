//! The proxy over loopback sockets: raw clients, raw backends, and a real cluster manager in between.

mod access_log;
mod affinity;
mod bad_requests;
mod bodies;
mod drain;
mod h2_abuse;
mod headers;
mod load;
mod local_replies;
mod manager_edge;
mod manager_limits;
mod manager_local_replies;
mod mirrors;
mod plain;
mod routing;
mod slow_clients;
mod support;
mod tcp;
mod timeouts;
mod upgrades;
