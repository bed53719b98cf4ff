//! The P0 cases of the protocol contract on virtual time: a server of `envoy-types` messages on one
//! side, a handler that knows just enough of clusters on the other. Where a case's number stands
//! in a test's name, `docs/xds.md` points to it.

mod answers;
mod content;
mod conversation;
mod opening;
mod reconnect;
mod recorded;
mod removal;
mod repeated_nacks;
mod request;
mod resources;
mod servers;
mod store;
mod timers;
