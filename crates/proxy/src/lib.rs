//! Listeners and what happens on them: accept, route, run the stack, answer, drain.
//!
//! * [`Proxy`] binds the listeners of a [`ProxyConfig`], hands each connection to the worker with the
//!   fewest, and drains. A connection stays on its worker, and so does the upstream connection it uses.
//! * This crate must never know protobuf or xDS, and decides nothing about hosts: below the router
//!   everything is `destrier_upstream::Forward`.
//! * Not in force yet: `expect: 100-continue` and extended CONNECT over HTTP/2 (where the host speaks it, a
//!   client of `proxy_100_continue` is told to go on when the request goes out);
//!   `per_connection_buffer_limit` below 64 KiB for TCP, and at all for HTTP/2, where windows limit what
//!   comes in and hyper lets 400 KiB of a stream wait.
//! * Of access logs: no lines at intervals; of an HTTP request no bytes on the wire and no points in time of
//!   its connection to the host (such operators write `-`); local times are written in UTC (`+0000`).
//! * Start reading at [`Proxy`], then `connection` (what a connection is), `http1` and `http2` (the two
//!   codecs), then `stack` (what happens to each request, one directory per layer), then `tcp`.

mod access_log;
mod alarm;
mod config;
mod connection;
mod drain;
mod exchange;
mod http1;
mod http2;
mod listener;
mod progress;
mod proxy;
mod request_body;
mod scope;
mod stack;
mod stats;
mod tcp;
mod timers;
mod worker;

pub use config::{NodeIdentity, ProxyConfig};
pub use proxy::{BindError, BoundListener, Proxy};
pub use stats::ProxyStats;
