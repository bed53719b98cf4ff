//! The P0 cases of the protocol contract that look at the wire, over a socket: session and driver
//! against `mock-xds`, which shares no code with them.
//!
//! "Nothing more is sent" is shown by what comes next: requests keep their order on a stream, so a
//! marker that is answered right after shows that there was nothing in between.

mod answers;
mod opening;
mod plane;
mod reconnect;
mod removal;
mod repeated_nacks;
mod transport;

#[path = "../session/request.rs"]
mod request;
#[path = "../session/resources.rs"]
mod resources;
#[path = "../session/store.rs"]
mod store;
