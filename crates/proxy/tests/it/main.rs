//! The proxy over loopback sockets: raw clients, raw backends, and a real cluster manager in between.

mod access_log;
mod bodies;
mod drain;
mod headers;
mod load;
mod local_replies;
mod plain;
mod support;
mod tcp;
mod timeouts;
mod upgrades;
