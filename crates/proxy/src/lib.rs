//! Listeners and what happens on them: accept, route, run the stack, answer, drain.
//!
//! * [`Proxy`] binds the listeners of a [`ProxyConfig`], hands each connection to the worker with the
//!   fewest, and drains. A connection stays on its worker, and so does the upstream connection it uses.
//! * This crate must never know protobuf or xDS, and decides nothing about hosts: below the router
//!   everything is `destrier_upstream::Forward`.
//! * Start reading at [`Proxy`], then `connection` (what a connection is), `http1` and `http2` (the two
//!   codecs), then `stack` (what happens to each request, one directory per layer), then `tcp`.

mod config;
mod proxy;
mod stats;

pub use config::ProxyConfig;
pub use proxy::{BindError, BoundListener, Proxy};
pub use stats::ProxyStats;
