//! HTTP/2 towards clients: hyper's codec around our stack, one task per stream on the worker.

mod body;
mod io;
mod limits;
mod server;
mod watch;

pub(crate) use server::serve;
