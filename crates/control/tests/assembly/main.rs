//! The assembler from outside: resources in, snapshots out, time moved by hand.
//!
//! Tests named by an id (`c101_...`) are the cases of that id in the xDS contract, as far as they are
//! about what becomes of resources; what is about the wire is tested in `destrier-xds`.

mod access_log;
mod affinity;
mod bootstrap;
mod connection_manager;
mod content;
mod damaged;
mod dns;
mod listener;
mod plane;
mod removal;
mod resources;
mod routes;
mod transitions;
mod warming;
